//! The operations that change documents: make one, change one, remove one. Each is written durably, then committed if nobody else does it.

use std::sync::PoisonError;

use std::time::Instant;

use super::turn::{Deed, Turn};
use super::{Error, Found, Passing, Scope, Waiting, Workspace, environment};
use crate::config::REPOSITORY_CONFIG;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Document;
use crate::entity::{self, Entity, NewAgent, NewTask, NewWorkflow, Refusal};
use crate::name::{DocId, DocPath, Kind, OperationId, Revision};
use crate::snapshot::{Entry, Snapshot};
use crate::store::{self, Action, Operation, Unsynced};
use crate::template::{self, Shape};

/// Largest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// How often a document is looked up that moves between look-up and write.
const MOVES_MAX: usize = 3;

/// A document to be made.
#[derive(Debug, Clone)]
pub enum New {
    /// A task.
    Task(NewTask),
    /// An agent.
    Agent(NewAgent),
    /// A workflow.
    Workflow(NewWorkflow),
}

impl New {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Task(_) => Kind::Task,
            Self::Agent(_) => Kind::Agent,
            Self::Workflow(_) => Kind::Workflow,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> DocId {
        match self {
            Self::Task(new) => new.id.clone(),
            Self::Agent(new) => new.name.clone().into(),
            Self::Workflow(new) => new.id.clone(),
        }
    }
}

/// What an operation came to. It is on disk for good when this is returned (with the default durability).
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which document.
    pub path: DocPath,
    /// Its text now; for a removal, the text that was removed.
    pub document: Document,
    /// What it says.
    pub entity: Option<Entity>,
    /// What is odd about it.
    pub findings: Vec<Diagnostic>,
    /// The operation; `None` if nothing had to change.
    pub operation: Option<OperationId>,
    /// The commit it is in, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
}

impl Workspace {
    /// Makes a document. `taken` says how careful to be about the id: one that was made up at random needs no look-up.
    ///
    /// # Errors
    /// [`Error::Exists`] if the id is taken; others if the template, the folder or git fails.
    pub fn create(&self, new: &New, taken: Taken) -> Result<Outcome, Error> {
        self.timed(|| self.create_now(new, taken))
    }

    fn create_now(&self, new: &New, taken: Taken) -> Result<Outcome, Error> {
        let (kind, id) = (new.kind(), new.id());
        let path = DocPath::for_new(kind, &id);
        let exists = |path: &DocPath| Error::Exists { kind, id: id.clone(), path: path.clone() };
        if taken == Taken::LookUp
            && let Some(found) = self.exactly(kind, &id)?
        {
            return Err(exists(&found));
        }
        let document = self.described(new, self.render(new)?)?;
        let bytes = document.bytes().to_vec();
        let operation = self.operation(&format!("{kind}.create"))?;
        let written =
            self.store.apply_unsynced(&operation, std::slice::from_ref(&path), &mut |current| match current {
                [None] => Ok(vec![Action::Write(bytes.clone())]),
                _ => Err(exists(&path)),
            })?;
        let mut outcome = self.outcome(path, document, Some(operation.id), written.as_ref())?;
        let named = outcome.entity.as_ref().map_or(&[][..], named_tasks);
        let missing = self.missing(kind, named)?;
        outcome.findings.extend(missing);
        Ok(outcome)
    }

    /// A new task in the reference document's shape says what it waits for, and how far that is.
    fn described(&self, new: &New, document: Document) -> Result<Document, Error> {
        let New::Task(task) = new else { return Ok(document) };
        if task.depends_on.is_empty() || document.section("Dependencies").is_none() {
            return Ok(document);
        }
        Ok(described_in(&self.snapshot(Scope::Live)?, new, document))
    }

    /// A warning for each of these tasks that is not there: it may come later, from another branch.
    fn missing(&self, kind: Kind, named: &[DocId]) -> Result<Vec<Diagnostic>, Error> {
        let code = if kind == Kind::Task { Code::MissingDependency } else { Code::MissingTask };
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let live = self.snapshot(Scope::Live)?;
        let mut findings = Vec::new();
        for id in named {
            if live.named_task(id).is_none() && self.find_archived(Some(Kind::Task), id.as_str())?.is_none() {
                findings.push(missing(code, id));
            }
        }
        Ok(findings)
    }

    /// Changes a document by a pure edit; the edit may be asked again if somebody else changes the document meanwhile.
    /// An agent that has lost a task to another one may not change it; a task that an agent begins is claimed.
    ///
    /// # Errors
    /// [`Error::Refused`] if the edit refuses; [`Error::Find`] if there is no such document; [`Error::ClaimLost`] if another
    /// agent has the task; others if the folder fails.
    pub fn change(
        &self,
        kind: Kind,
        id: &str,
        verb: &str,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<Outcome, Error> {
        self.change_as(kind, id, verb, &Passing::default(), edit)
    }

    /// The same, with what whoever changes a task says about their right to.
    ///
    /// # Errors
    /// As [`Workspace::change`].
    pub fn change_as(
        &self,
        kind: Kind,
        id: &str,
        verb: &str,
        passing: &Passing,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<Outcome, Error> {
        self.timed(|| self.change_now(kind, id, verb, passing, edit))
    }

    fn change_now(
        &self,
        kind: Kind,
        id: &str,
        verb: &str,
        passing: &Passing,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<Outcome, Error> {
        for _ in 1..MOVES_MAX {
            match self.change_once(kind, id, verb, passing, edit) {
                // Into the archive or out of it: then it is found there.
                Err(Error::Gone { .. }) => {}
                done => return done,
            }
        }
        self.change_once(kind, id, verb, passing, edit)
    }

    fn change_once(
        &self,
        kind: Kind,
        id: &str,
        verb: &str,
        passing: &Passing,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<Outcome, Error> {
        let (found, paths) = self.find_with_telling(kind, id)?;
        let known = found.entity.as_ref().map_or(&[][..], named_tasks).to_vec();
        let verb = format!("{kind}.{verb}");
        let mut outcome = if kind == Kind::Task {
            let deed = Deed::Change(passing);
            Turn { workspace: self, paths: &paths, verb: &verb, deed, edit }.run()?.outcome
        } else {
            let operation = self.operation(&verb)?;
            let edited = self.apply_edit(&operation, &paths, &|document| refusing(&found.path, edit(document)))?;
            self.outcome_of(operation, edited)?
        };
        let named = outcome.entity.as_ref().map_or(&[][..], named_tasks).iter();
        let new: Vec<DocId> = named.filter(|id| !known.contains(id)).cloned().collect();
        outcome.findings.extend(self.missing(kind, &new)?);
        Ok(outcome)
    }

    /// A document, and the paths of it and of those that tell how it stands. By its whole id it is found at its place, without
    /// a look at any other; only where documents repeat what others say, as in the reference document's shape, all are read.
    pub(super) fn find_with_telling(&self, kind: Kind, id: &str) -> Result<(Found, Vec<DocPath>), Error> {
        if let Some(found) = self.at_its_place(Some(kind), id)?
            && (kind != Kind::Task || found.document.label("Status").is_none())
        {
            let paths = vec![found.path.clone()];
            return Ok((found, paths));
        }
        let live = self.snapshot(Scope::Live)?;
        let found = self.find_in(&live, Some(kind), id)?;
        let mut paths = vec![found.path.clone()];
        paths.extend(found.entity.iter().flat_map(|entity| telling(&live, entity)));
        Ok((found, paths))
    }

    /// Applies an edit to the first of these documents, and tells the others how it stands now.
    pub(super) fn apply_edit(
        &self,
        operation: &Operation,
        paths: &[DocPath],
        edit: &dyn Fn(&Document) -> Result<Document, Error>,
    ) -> Result<Edited, Error> {
        let from = &paths[0];
        let back = out_of_the_archive(from);
        let all: Vec<DocPath> = back.iter().chain(paths).cloned().collect();
        let places = 1 + usize::from(back.is_some());
        let taken = |path: &DocPath| {
            let kind = path.kind().unwrap_or(Kind::Task);
            Error::Exists { kind, id: DocId::of_file(path), path: path.clone() }
        };
        let mut path = from.clone();
        let mut edited = None;
        let written = self.store.apply_unsynced(operation, &all, &mut |current| {
            let (places, others) = current.split_at(places);
            let [.., Some(bytes)] = places else { return Err(Error::Gone { path: from.clone() }) };
            let before = Document::parse(bytes.as_slice());
            let after = edit(&before)?;
            let status = entity::read(from, &after).entity;
            let returns = back.as_ref().filter(|_| is_to_return(&before, &after, status.as_ref()));
            path = returns.unwrap_or(from).clone();
            let mut actions = match (returns, places) {
                (Some(path), [Some(_), _]) => return Err(taken(path)),
                // First there, then no longer here: whoever looks meanwhile finds it in one place at least.
                (Some(_), _) => vec![Action::Write(after.bytes().to_vec()), Action::Remove],
                (None, [_, _]) => vec![Action::Keep, action(&before, &after)],
                (None, _) => vec![action(&before, &after)],
            };
            actions.extend(others.iter().map(|other| tell(other.as_deref(), status.as_ref())));
            let changed = actions.iter().any(|action| *action != Action::Keep);
            edited = Some((after, changed));
            Ok(actions)
        })?;
        // What is applied was decided at least once.
        let (document, changed) = edited.ok_or_else(|| Error::Gone { path: path.clone() })?;
        Ok(Edited { path, document, changed, written })
    }

    pub(super) fn outcome_of(&self, operation: Operation, edited: Edited) -> Result<Outcome, Error> {
        let Edited { path, document, changed, written } = edited;
        self.outcome(path, document, changed.then_some(operation.id), written.as_ref())
    }

    /// Removes a document; git keeps what it said.
    ///
    /// # Errors
    /// [`Error::Find`] if there is no such document; others if the folder fails.
    pub fn remove(&self, kind: Kind, id: &str) -> Result<Outcome, Error> {
        self.timed(|| self.remove_now(kind, id))
    }

    fn remove_now(&self, kind: Kind, id: &str) -> Result<Outcome, Error> {
        let found = self.find(Some(kind), id)?;
        let path = found.path;
        let operation = self.operation(&format!("{kind}.remove"))?;
        let mut removed = None;
        let written = self.store.apply_unsynced(&operation, std::slice::from_ref(&path), &mut |current| {
            let [Some(bytes)] = current else { return Err(Error::Gone { path: path.clone() }) };
            removed = Some(Document::parse(bytes.as_slice()));
            Ok(vec![Action::Remove])
        })?;
        let document = removed.ok_or_else(|| Error::Gone { path: path.clone() })?;
        if let Some(Entity::Task(task)) = &found.entity {
            self.forget_claim(&task.id, &path)?;
        }
        if let Some(Entity::Agent(agent)) = &found.entity {
            self.store.forget_beat(&agent.name)?;
        }
        self.outcome(path, document, Some(operation.id), written.as_ref())
    }

    /// The path of a document with exactly this id, if there is one.
    fn exactly(&self, kind: Kind, id: &DocId) -> Result<Option<DocPath>, Error> {
        if let Some(path) = self.snapshot(Scope::Live)?.paths_of(kind, id.as_str()).first() {
            return Ok(Some(path.clone()));
        }
        Ok(self
            .find_whole(Some(kind), id.as_str())?
            .filter(|found| found.entity.as_ref().is_none_or(|entity| entity.id() == *id))
            .map(|found| found.path))
    }

    /// Does an operation, and notes how long it took until it could be acknowledged; what changed nothing does not count.
    fn timed(&self, work: impl FnOnce() -> Result<Outcome, Error>) -> Result<Outcome, Error> {
        let began = Instant::now();
        let outcome = work()?;
        if outcome.operation.is_some() {
            self.store.note_latency(began.elapsed());
        }
        Ok(outcome)
    }

    pub(super) fn operation(&self, verb: &str) -> Result<Operation, Error> {
        let head = self.head()?;
        let on = head.as_ref().and_then(|head| head.branch.clone());
        *self.on.lock().unwrap_or_else(PoisonError::into_inner) = on;
        Ok(Operation {
            id: environment::new_operation()?,
            agent: self.agent.clone(),
            verb: verb.to_owned(),
            at: environment::now(),
            base: head.and_then(|head| head.revision),
        })
    }

    pub(super) fn render(&self, new: &New) -> Result<Document, Error> {
        let shape = match self.config.text("markdown.shape") {
            Some("classic") => Shape::Classic,
            _ => Shape::Lean,
        };
        let replacement = self.own_template(new.kind())?;
        let own = replacement.as_deref();
        Ok(match new {
            New::Task(new) => new.render(shape, own),
            New::Agent(new) => new.render(shape, own),
            New::Workflow(new) => new.render(shape, own),
        }?)
    }

    /// The repository's own template of a kind, if it has one.
    fn own_template(&self, kind: Kind) -> Result<Option<String>, Error> {
        let folder = REPOSITORY_CONFIG.trim_end_matches("config.json");
        let path = format!("{folder}templates/{}", template::file_name(kind));
        Ok(store::read_text_in(&self.root, &path, TEMPLATE_BYTES_MAX)?)
    }

    /// Commits what was written, unless a watcher does, and tells what became of it. The write itself stands in any case,
    /// but for an error: then the disk did not take it. What is so already may be the work of a command that died before
    /// its commit: it is committed as well.
    fn outcome(
        &self,
        path: DocPath,
        document: Document,
        operation: Option<OperationId>,
        written: Option<&Unsynced>,
    ) -> Result<Outcome, Error> {
        let reading = entity::read(&path, &document);
        let fate = self.fate(operation.as_ref(), written)?;
        let mut findings = reading.findings;
        findings.extend(fate.findings);
        let (committed, waiting) = (fate.committed, fate.waiting);
        Ok(Outcome { path, document, entity: reading.entity, findings, operation, committed, waiting })
    }

    /// Commits what was written, unless a watcher does, and waits until it is on the disk.
    pub(super) fn fate(&self, operation: Option<&OperationId>, written: Option<&Unsynced>) -> Result<Fate, Error> {
        let mut fate = Fate::default();
        let watcher = self.store.watcher();
        let is_watched = matches!(watcher, Ok(Some(_))) && self.repository.is_some();
        match watcher {
            Ok(Some(_)) if self.repository.is_some() => fate.waiting = Some(Waiting::Watcher),
            _ => match self.commit_together(written) {
                Ok(done) => {
                    fate.findings.clone_from(&done.findings);
                    let Some(operation) = operation else { return Ok(fate) };
                    fate.committed = done.operations.get(operation).cloned();
                    fate.waiting = if fate.committed.is_some() { None } else { done.waiting.clone() };
                    if fate.committed.is_none() && fate.waiting.is_none() {
                        fate.committed = self.committed_by_another(operation);
                    }
                }
                Err(error) => fate.waiting = Some(Waiting::failed(&error)),
            },
        }
        // Where there was no commit to wait with.
        written.map_or(Ok(()), Unsynced::wait)?;
        if let Some(written) = written.filter(|_| !is_watched && !self.is_quiet) {
            self.run_errand(written);
        }
        Ok(fate)
    }
}

/// A refusal of an edit, with the document that it is about.
pub(super) fn refusing(path: &DocPath, edited: Result<Document, Refusal>) -> Result<Document, Error> {
    edited.map_err(|source| Error::Refused { path: path.clone(), source: Box::new(source.about(path.stem())) })
}

/// An edit that is in place.
#[derive(Debug)]
pub(super) struct Edited {
    path: DocPath,
    document: Document,
    changed: bool,
    written: Option<Unsynced>,
}

/// What became of an operation once it was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub(super) committed: Option<Revision>,
    pub(super) waiting: Option<Waiting>,
    pub(super) findings: Vec<Diagnostic>,
}

/// The same from documents that were read already.
pub(super) fn described_in(live: &Snapshot, new: &New, mut document: Document) -> Document {
    let New::Task(new) = new else { return document };
    if new.depends_on.is_empty() || document.section("Dependencies").is_none() {
        return document;
    }
    for id in &new.depends_on {
        if let Some(task) = live.named_task(id).and_then(Entry::task) {
            let edited = entity::task::describe_dependency(&document, id, &task.kind, task.status);
            document = edited.unwrap_or(document);
        }
    }
    document
}

/// A warning that a task that is named is not there: it may come later, from another branch.
pub(super) fn missing(code: Code, id: &DocId) -> Diagnostic {
    let finding = Diagnostic::warning(code, format!("there is no task `{id}` yet"));
    finding.hint(format!("create it with `mycelium task create --id {id} --type TYPE`"))
}

pub(super) fn action(before: &Document, after: &Document) -> Action {
    if after == before { Action::Keep } else { Action::Write(after.bytes().to_vec()) }
}

/// Tells whether an archived document comes back: one that is not finished any more has no business in the archive, where
/// nobody would find it to do it.
pub(super) fn is_to_return(before: &Document, after: &Document, entity: Option<&Entity>) -> bool {
    after != before && entity.is_some_and(|entity| !entity.is_finished())
}

/// Where an archived document lay before; `None` for one that is not archived.
pub(super) fn out_of_the_archive(path: &DocPath) -> Option<DocPath> {
    path.is_archived().then(|| DocPath::new(path.file_name()).ok()).flatten()
}

/// The tasks that a document says must be there.
pub(super) fn named_tasks(entity: &Entity) -> &[DocId] {
    match entity {
        Entity::Task(task) => &task.depends_on,
        Entity::Workflow(workflow) => &workflow.tasks,
        Entity::Agent(_) => &[],
    }
}

/// The documents whose body repeats the status of a task (`- task-122 (prepare-dataset) - COMPLETED`).
pub(super) fn telling(live: &Snapshot, entity: &Entity) -> Vec<DocPath> {
    let Entity::Task(task) = entity else { return Vec::new() };
    let tells = |entry: &&Entry| entry.document.section("Dependencies").is_some();
    live.dependents(&task.id).into_iter().filter(tells).map(|entry| entry.path.clone()).collect()
}

/// Keeps such a line in step with the task; a document that cannot be edited is left as it is.
pub(super) fn tell(bytes: Option<&[u8]>, changed: Option<&Entity>) -> Action {
    let (Some(bytes), Some(Entity::Task(task))) = (bytes, changed) else { return Action::Keep };
    let before = Document::parse(bytes);
    let after = entity::task::dependency_stands(&before, &task.id, task.status);
    after.map_or(Action::Keep, |after| action(&before, &after))
}

/// How to make sure that an id is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Look at every document: the id was chosen by somebody.
    LookUp,
    /// The file name is enough: the id is random.
    FileName,
}
