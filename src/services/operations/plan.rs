//! What the steps of an operation come to, in memory: each finds the documents as the steps before it left them. Nothing is
//! written here.

use std::collections::BTreeSet;

use super::cycle::{self, refuse_cycle};
use super::derived::{
    described_in, is_to_return, missing, named_tasks, out_of_the_archive, refusing, repeat_status, repeating,
};
use super::folder_view::FolderView;
use super::lease_plan::{LeasePlan, TaskAction, TaskEdit};
use super::left_behind::{dependents_left, open_tasks};
use super::outcome::Outcome;
use super::overlay::{Overlay, Sides};
use crate::adapters::store::{Action, DOCUMENT_BYTES_MAX, StoreError};
use crate::core::diagnostic::Code;
use crate::core::document::Document;
use crate::core::entity::{self, Entity, Refusal, Task, agent, step_lines, task};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::operation::{DocumentChange, DocumentRef, New, Request, Taken, TaskChange};
use crate::core::time::Timestamp;
use crate::services::document_writer::action;
use crate::services::{Error, environment};

/// What the steps came to.
#[derive(Debug)]
pub(super) struct Plan {
    folder: Overlay,
    /// The paths of the planned documents, in the order in which the steps came to them.
    order: Vec<DocPath>,
    results: Vec<Result<StepOutcome, Error>>,
    /// When the step that is planned was decided.
    moment: Timestamp,
    /// What it makes of the lease registry.
    pub(super) leases: LeasePlan,
}

/// What one step did.
#[derive(Debug)]
pub(super) struct StepOutcome {
    /// Without what became of the whole operation.
    pub(super) outcome: Outcome,
    pub(super) changed: bool,
    /// The tasks that it newly names.
    names: Vec<DocId>,
    is_removed: bool,
    /// It completed a workflow.
    completes: bool,
}

impl Plan {
    /// Plans the steps.
    pub(super) fn new(view: &FolderView<'_>, steps: &[Request<'_>]) -> Self {
        Self::after(view, steps, None)
    }

    /// Plans the steps again on other bytes, with the lease registry as it was for `before`: by now it has its entries.
    pub(super) fn again(view: &FolderView<'_>, steps: &[Request<'_>], before: &Self) -> Self {
        Self::after(view, steps, Some(&before.leases))
    }

    fn after(view: &FolderView<'_>, steps: &[Request<'_>], leases: Option<&LeasePlan>) -> Self {
        let mut plan = Self {
            folder: Overlay::default(),
            order: Vec::new(),
            results: Vec::with_capacity(steps.len()),
            moment: environment::now(),
            leases: leases.map(LeasePlan::on_the_same).unwrap_or_default(),
        };
        let is_alone = steps.len() == 1;
        for step in steps {
            plan.moment = step.decided.unwrap_or_else(environment::now);
            let result = plan.step(view, step, is_alone);
            plan.results.push(result);
        }
        plan
    }

    fn step(&mut self, view: &FolderView<'_>, request: &Request<'_>, is_alone: bool) -> Result<StepOutcome, Error> {
        match &request.change {
            DocumentChange::Create { new, taken } => self.create(view, new, *taken, is_alone),
            DocumentChange::SetAgent { name, update } => {
                let new = || New::Agent((**update).clone().into_new(name.clone()));
                let Some(path) = self.folder.exactly(view, Kind::Agent, &name.clone().into())? else {
                    return self.create(view, &new(), Taken::FileName, is_alone);
                };
                let (path, before) = self.find(view, request, Kind::Agent, DocumentRef::Path(&path))?;
                let after = refusing(&path, agent::set(&before, update))?;
                self.put_changed(view, path, before, after)
            }
            DocumentChange::Task { id, change } => {
                let found = self.find(view, request, Kind::Task, DocumentRef::Id(id))?;
                self.change_task(view, found, request, Some(change), &|document| change.apply(document))
            }
            DocumentChange::Replace { kind: Kind::Task, id, edit, .. } => {
                let found = self.find(view, request, Kind::Task, DocumentRef::Id(id))?;
                self.change_task(view, found, request, None, edit)
            }
            DocumentChange::Workflow { id, change } => {
                let (path, before) = self.find(view, request, Kind::Workflow, DocumentRef::Id(id))?;
                let after = refusing(&path, change.apply(&before))?;
                self.put_changed(view, path, before, after)
            }
            DocumentChange::Replace { kind, id, edit, .. } => {
                let (path, before) = self.find(view, request, *kind, DocumentRef::Id(id))?;
                let after = refusing(&path, edit(&before))?;
                self.put_changed(view, path, before, after)
            }
            DocumentChange::Claim { task, ask } => {
                let found = self.find(view, request, Kind::Task, *task)?;
                self.change_lease(view, found, TaskAction::Claim(ask), &|document| Ok(document.clone()))
            }
            DocumentChange::Expire { path } => {
                let found = self.find(view, request, Kind::Task, DocumentRef::Path(path))?;
                self.change_lease(view, found, TaskAction::Expire, &task::expire)
            }
            DocumentChange::Prune { path } => {
                let (path, before) = self.find(view, request, Kind::Agent, DocumentRef::Path(path))?;
                self.put(view, path, Some(before), None, &[])
            }
            DocumentChange::Remove { kind, id } => {
                let (path, before) = self.find(view, request, *kind, DocumentRef::Id(id))?;
                self.put(view, path, Some(before), None, &[])
            }
        }
    }

    fn create(&mut self, view: &FolderView<'_>, new: &New, taken: Taken, is_alone: bool) -> Result<StepOutcome, Error> {
        let (kind, id) = (new.kind(), new.id());
        let path = DocPath::for_new(kind, &id);
        let exists = |path: DocPath| Error::Exists { kind, id: id.clone(), path };
        if taken == Taken::LookUp
            && let Some(found) = self.folder.exactly(view, kind, &id)?
        {
            return Err(exists(found));
        }
        // What lies there is seen when the operation is applied. Of several steps only this one is to fail for it.
        let is_known = self.folder.documents.contains_key(&path) || view.has_read(&path);
        if (is_known || !is_alone) && self.folder.document(view, &path)?.is_some() {
            return Err(exists(path));
        }
        let mut document = view.operations.templates.render(new)?;
        if let New::Task(task) = new
            && !task.depends_on.is_empty()
        {
            let live = self.folder.live(view)?;
            refusing(&path, refuse_cycle(live, &id, &task.depends_on))?;
            document = described_in(live, new, document);
        }
        self.put(view, path, None, Some(document), &[])
    }

    fn change_task(
        &mut self,
        view: &FolderView<'_>,
        (path, before): (DocPath, Document),
        request: &Request<'_>,
        change: Option<&TaskChange>,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<StepOutcome, Error> {
        let passing = &request.passing;
        let again = self.leases.resume(view, &path, &before, change, passing)?;
        let from = again.as_ref().unwrap_or(&before);
        let edited = self.without_cycle(view, &path, from, edit(from));
        let edit = TaskEdit { path: &path, before: from, edited, action: TaskAction::Change(change, passing) };
        self.put_task(view, &before, edit)
    }

    /// A step that is about the lease of a task.
    fn change_lease(
        &mut self,
        view: &FolderView<'_>,
        (path, before): (DocPath, Document),
        action: TaskAction<'_>,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<StepOutcome, Error> {
        self.put_task(view, &before, TaskEdit { path: &path, before: &before, edited: edit(&before), action })
    }

    /// Notes what a task says after a step, if the caller may take it.
    fn put_task(&mut self, view: &FolderView<'_>, before: &Document, edit: TaskEdit<'_>) -> Result<StepOutcome, Error> {
        let path = edit.path.clone();
        let Self { folder, leases, .. } = self;
        let (after, claim) = leases.authorize(view, edit, &mut |task| folder.blockers(view, task))?;
        let mut done = self.put_changed(view, path, before.clone(), after)?;
        done.outcome.claim = claim;
        Ok(done)
    }

    /// The edited document, unless the edit made the task wait for itself.
    fn without_cycle(
        &mut self,
        view: &FolderView<'_>,
        path: &DocPath,
        before: &Document,
        edited: Result<Document, Refusal>,
    ) -> Result<Document, Refusal> {
        let after = edited?;
        if let Some((id, added)) = cycle::added(path, before, &after).filter(|(_, added)| !added.is_empty())
            // A folder that cannot be read says so elsewhere; `check` finds the cycle then.
            && let Ok(live) = self.folder.live(view)
        {
            refuse_cycle(live, &id, &added)?;
        }
        Ok(after)
    }

    /// Notes what a document says after a change. One that is not finished any more leaves the archive.
    fn put_changed(
        &mut self,
        view: &FolderView<'_>,
        path: DocPath,
        before: Document,
        after: Document,
    ) -> Result<StepOutcome, Error> {
        let known = entity::read(&path, &before).entity.as_ref().map_or(&[][..], named_tasks).to_vec();
        if let Some(back) = out_of_the_archive(&path)
            && is_to_return(&before, &after, entity::read(&path, &after).entity.as_ref())
        {
            if self.folder.document(view, &back)?.is_some() {
                let kind = back.kind().unwrap_or(Kind::Task);
                return Err(Error::Exists { kind, id: DocId::of_file(&back), path: back });
            }
            let mut done = self.put(view, back, None, Some(after), &known)?;
            self.note(&path, Some(before.clone()), None);
            done.outcome.before = Some(before);
            return Ok(done);
        }
        self.put(view, path, Some(before), Some(after), &known)
    }

    /// Notes what a document says from now on, with the lines of other documents that repeat it.
    fn put(
        &mut self,
        view: &FolderView<'_>,
        path: DocPath,
        before: Option<Document>,
        now: Option<Document>,
        known: &[DocId],
    ) -> Result<StepOutcome, Error> {
        if now.as_ref().is_some_and(|now| now.bytes().len() as u64 > DOCUMENT_BYTES_MAX) {
            return Err(StoreError::TooBig { path: path.as_str().into(), max: DOCUMENT_BYTES_MAX }.into());
        }
        let mut changed = before != now;
        let is_removed = now.is_none();
        let was_completed = before.as_ref().is_some_and(|before| is_completed_workflow(&path, before));
        let completes = now.as_ref().is_some_and(|now| is_completed_workflow(&path, now)) && !was_completed;
        self.note(&path, before.clone(), now.clone());
        let Some(document) = now.or_else(|| before.clone()) else { return Err(Error::Gone { path }) };
        let entity::Reading { entity, findings, .. } = entity::read(&path, &document);
        let mut names = Vec::new();
        if let Some(entity) = entity.as_ref().filter(|_| !is_removed) {
            changed |= self.repeat(view, &document, entity)?;
            names.extend(named_tasks(entity).iter().filter(|id| !known.contains(id)).cloned());
        }
        let outcome = Outcome { entity, findings, before, ..Outcome::new(path, document) };
        Ok(StepOutcome { outcome, changed, names, is_removed, completes })
    }

    /// Keeps the lines of other documents in step that repeat the status of a task. Returns true if one had to change.
    fn repeat(&mut self, view: &FolderView<'_>, document: &Document, entity: &Entity) -> Result<bool, Error> {
        if let Entity::Task(task) = entity {
            self.repeat_step(view, task)?;
        }
        // Only for a task in the reference document's shape: else a change of one task would cost a look at all. It is so
        // whatever was read for other steps, so that a step comes to the same alone and among others.
        if document.body().label("Status").is_none() {
            return Ok(false);
        }
        let live = self.folder.live(view)?;
        let change = |other: DocPath| {
            let old = live.get(&other)?.document.clone();
            Some((repeat_status(&old, entity)?, old, other))
        };
        let written: Vec<_> = repeating(live, entity).into_iter().filter_map(change).collect();
        let is_any = !written.is_empty();
        for (new, old, other) in written {
            self.note(&other, Some(old), Some(new));
        }
        Ok(is_any)
    }

    /// Writes the line of a step into the document of its workflow.
    fn repeat_step(&mut self, view: &FolderView<'_>, task: &Task) -> Result<(), Error> {
        let workflow = task.workflow.as_ref().filter(|_| task.execution.step.is_some());
        let Some(workflow) = workflow else { return Ok(()) };
        let Some((path, old)) = self.folder.at_its_place(view, Kind::Workflow, workflow.as_str())? else {
            return Ok(());
        };
        if let Some(new) = step_lines::with_step(&old, task, self.moment) {
            self.note(&path, Some(old), Some(new));
        }
        Ok(())
    }

    fn note(&mut self, path: &DocPath, before: Option<Document>, now: Option<Document>) {
        if let Some(live) = self.folder.live.as_mut().filter(|_| !path.is_archived()) {
            match &now {
                Some(document) => live.insert(path.clone(), document.clone()),
                None => live.remove(path),
            }
        }
        if let Some(sides) = self.folder.documents.get_mut(path) {
            sides.now = now;
        } else {
            self.folder.documents.insert(path.clone(), Sides { before, now });
            self.order.push(path.clone());
        }
    }

    /// The document that a step is about, as the steps so far left it, if it is as the request expects.
    fn find(
        &mut self,
        view: &FolderView<'_>,
        request: &Request<'_>,
        kind: Kind,
        which: DocumentRef<'_>,
    ) -> Result<(DocPath, Document), Error> {
        let (path, document) = match which {
            DocumentRef::Id(id) => self.folder.find(view, kind, id)?,
            DocumentRef::Path(path) => {
                let document = self.folder.document(view, path)?;
                (path.clone(), document.ok_or_else(|| view.operations.documents.gone(path))?)
            }
        };
        view.operations.documents.refuse_kept_out(&path)?;
        if request.expects.is_met(Some(&document)) { Ok((path, document)) } else { Err(Error::Overtaken { path }) }
    }

    /// Returns true if a step failed.
    pub(super) fn has_failed(&self) -> bool {
        self.results.iter().any(Result::is_err)
    }

    /// The document of each step, if it did not fail.
    pub(super) fn found(&self) -> Vec<Option<DocPath>> {
        self.results.iter().map(|result| result.as_ref().ok().map(|done| done.outcome.path.clone())).collect()
    }

    /// Returns true if no document is touched.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The documents that the steps looked at to change them, in their order.
    pub(super) fn paths(&self) -> Vec<DocPath> {
        self.order.clone()
    }

    /// What the journal calls all of it: what every step is that changes something, if they are all the same.
    pub(super) fn verb(&self, steps: &[Request<'_>]) -> String {
        let changes = |result: &Result<StepOutcome, Error>| result.as_ref().is_ok_and(|done| done.changed);
        let changing = steps.iter().zip(&self.results).filter(|(_, result)| changes(result));
        let mut verbs = changing.map(|(step, _)| step.verb());
        let first = verbs.next().unwrap_or_default();
        if verbs.all(|verb| verb == first) { first } else { "batch".to_owned() }
    }

    /// Returns true if no other documents are touched than these.
    pub(super) fn is_within(&self, paths: &[DocPath]) -> bool {
        let known: BTreeSet<&DocPath> = paths.iter().collect();
        self.folder.documents.keys().all(|path| known.contains(path))
    }

    /// Returns true if these are the bytes on which the steps were planned.
    pub(super) fn is_of(&self, paths: &[DocPath], current: &[Option<Vec<u8>>]) -> bool {
        paths.iter().zip(current).all(|(path, bytes)| {
            let before = self.folder.documents.get(path).map(|sides| sides.before.as_ref().map(Document::bytes));
            before.is_none_or(|before| before == bytes.as_deref())
        })
    }

    /// What is to happen to each of these documents.
    pub(super) fn actions(&self, paths: &[DocPath]) -> Vec<Action> {
        let one = |Sides { before, now }: &Sides| {
            action(before.as_ref().map(Document::bytes), now.as_ref().map(Document::bytes))
        };
        paths.iter().map(|path| self.folder.documents.get(path).map_or(Action::Keep, one)).collect()
    }

    /// The tasks that are gone after the last step.
    pub(super) fn removed_tasks(&self) -> Vec<(DocId, DocPath)> {
        let task = |(path, entity)| match entity {
            Entity::Task(task) => Some((task.id, path)),
            _ => None,
        };
        self.removed().filter_map(task).collect()
    }

    /// The agents that are gone after the last step.
    pub(super) fn removed_agents(&self) -> Vec<AgentName> {
        let agent = |(_, entity)| match entity {
            Entity::Agent(agent) => Some(agent.name),
            _ => None,
        };
        self.removed().filter_map(agent).collect()
    }

    fn removed(&self) -> impl Iterator<Item = (DocPath, Entity)> {
        let gone = self.folder.documents.iter().filter(|(path, sides)| {
            // One that left the archive is still there.
            sides.now.is_none()
                && out_of_the_archive(path).is_none_or(|back| !self.folder.documents.contains_key(&back))
        });
        gone.filter_map(|(path, sides)| Some((path.clone(), entity::read(path, sides.before.as_ref()?).entity?)))
    }

    /// The result of each step, in their order.
    pub(super) fn into_results(self) -> impl Iterator<Item = Result<StepOutcome, Error>> {
        self.results.into_iter()
    }

    /// Adds a warning for each task that a step names and that is not there after the last one, and for what a step leaves
    /// behind in other documents.
    pub(super) fn warn(&mut self, view: &FolderView<'_>) -> Result<(), Error> {
        let Self { folder, results, .. } = self;
        for done in results.iter_mut().flatten() {
            let code = match done.outcome.entity {
                Some(Entity::Workflow(_)) => Code::MissingTask,
                _ => Code::MissingDependency,
            };
            match &done.outcome.entity {
                Some(Entity::Task(task)) if done.is_removed => {
                    let live = folder.live(view)?;
                    if live.named_task(&task.id).is_none() {
                        done.outcome.findings.extend(dependents_left(live, &task.id));
                    }
                }
                Some(Entity::Workflow(workflow)) if done.completes => {
                    done.outcome.findings.extend(open_tasks(folder.live(view)?, workflow));
                }
                _ => {}
            }
            for id in &done.names {
                if folder.named_task(view, id)?.is_none() {
                    done.outcome.findings.push(missing(code, id));
                }
            }
        }
        Ok(())
    }
}

fn is_completed_workflow(path: &DocPath, document: &Document) -> bool {
    let workflow = || entity::read(path, document).entity;
    path.kind() != Some(Kind::Task)
        && workflow().is_some_and(|entity| entity.kind() == Kind::Workflow && entity.status_word() == "completed")
}
