//! What the steps of a batch come to, in memory: each finds the documents as the steps before it left them. Nothing is
//! written here.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::batch::{Editing, Step};
use super::operation::{action, described_in, is_to_return, missing, named_tasks, out_of_the_archive, tell, telling};
use super::stake::Stakes;
use super::workspace::is_whole;
use super::{Error, New, Scope, Taken, Workspace};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Document;
use crate::entity::{self, Entity, Refusal, Task, TaskStatus};
use crate::name::{DocId, DocPath, Kind};
use crate::snapshot::{Blocker, Entry, FindError, Snapshot, Wait};
use crate::store::{Action, DOCUMENT_BYTES_MAX, Shelf, StoreError};

/// Why a batch cannot be applied as it was played.
#[derive(Debug)]
pub(super) enum Turn {
    /// A step fails now, and then none is to be done.
    Failed(Box<Played>),
    /// It touches other documents now.
    Elsewhere,
}

/// What the folder holds before the first step.
#[derive(Debug)]
pub(super) struct Base<'a> {
    workspace: &'a Workspace,
    live: Snapshot,
    /// Archived documents that somebody changed since the archive was listed; `None`: gone.
    changed: BTreeMap<DocPath, Option<Document>>,
    /// The archive's documents by file name without its ending, sorted; listed when it is first asked for.
    archive: OnceCell<Vec<(String, DocPath)>>,
}

/// What the steps came to.
#[derive(Debug)]
pub(super) struct Played {
    live: Snapshot,
    documents: BTreeMap<DocPath, Sides>,
    /// The paths of these documents, in the order in which the steps came to them.
    order: Vec<DocPath>,
    results: Vec<Result<Done, Error>>,
    /// Tells whether some task's body repeats the statuses of those that it waits for.
    any_tells: bool,
    /// What it makes of the ledger of claims.
    pub(super) stakes: Stakes,
}

/// A document before the first step and after the last.
#[derive(Debug)]
struct Sides {
    before: Option<Document>,
    now: Option<Document>,
}

/// What one step did.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) path: DocPath,
    /// Its text after the step; for a removal, the text that was removed.
    pub(super) document: Document,
    pub(super) entity: Option<Entity>,
    pub(super) findings: Vec<Diagnostic>,
    pub(super) changed: bool,
    /// The tasks that it newly names.
    names: Vec<DocId>,
}

impl<'a> Base<'a> {
    /// Reads the folder.
    pub(super) fn read(workspace: &'a Workspace) -> Result<Self, Error> {
        let live = workspace.snapshot(Scope::Live)?;
        Ok(Self { workspace, live, changed: BTreeMap::new(), archive: OnceCell::new() })
    }

    /// Takes these bytes for what the folder holds now.
    pub(super) fn update(&mut self, paths: &[DocPath], current: &[Option<Vec<u8>>]) {
        for (path, bytes) in paths.iter().zip(current) {
            let document = bytes.as_ref().map(|bytes| Document::parse(bytes.as_slice()));
            if path.is_archived() {
                self.changed.insert(path.clone(), document);
                continue;
            }
            match document {
                Some(document) => self.live.insert(path.clone(), document),
                None => self.live.remove(path),
            }
        }
    }

    /// Plays the steps.
    pub(super) fn play(&self, steps: &[Step]) -> Played {
        let any_tells = self.live.entries().any(tells);
        let live = self.live.clone();
        let mut played = Played {
            live,
            documents: BTreeMap::new(),
            order: Vec::new(),
            results: Vec::with_capacity(steps.len()),
            any_tells,
            stakes: Stakes::default(),
        };
        for step in steps {
            let result = played.step(self, step);
            played.results.push(result);
        }
        played
    }

    /// The archived document that an id or the beginning of one names.
    fn find_archived(&self, kind: Kind, id: &str) -> Result<Option<(DocPath, Document)>, Error> {
        let listed = self.archive()?;
        let begins = |start: &str| -> Vec<DocPath> {
            let from = listed.partition_point(|(stem, _)| stem.as_str() < start);
            listed[from..]
                .iter()
                .take_while(|(stem, _)| stem.starts_with(start))
                .map(|(_, path)| path.clone())
                .collect()
        };
        let paths: Vec<DocPath> = [begins(id), begins(&format!("{}{id}", kind.prefix()))].concat();
        match self.read_archived(&paths)?.find(Some(kind), id) {
            Ok(entry) => Ok(Some((entry.path.clone(), entry.document.clone()))),
            Err(FindError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::Find(error)),
        }
    }

    /// What a task waits for; what is completed in the archive is no reason to.
    fn blockers(&self, live: &Snapshot, task: &Task) -> Vec<Blocker> {
        let mut blockers = live.blockers(task);
        blockers.retain(|blocker| {
            let archived = if blocker.why == Wait::Missing {
                self.find_archived(Kind::Task, blocker.id.as_str())
            } else {
                Ok(None)
            };
            let read = archived.ok().flatten().and_then(|(path, document)| entity::read(&path, &document).entity);
            read.is_none_or(|entity| entity.status_word() != TaskStatus::Completed.word())
        });
        blockers
    }

    /// The path of the archived document with exactly this id.
    fn archived_exactly(&self, kind: Kind, id: &DocId) -> Result<Option<DocPath>, Error> {
        let listed = self.archive()?;
        let stem = DocPath::for_new(kind, id).stem().to_owned();
        let from = listed.partition_point(|(other, _)| *other < stem);
        let paths: Vec<DocPath> =
            listed[from..].iter().take_while(|(other, _)| *other == stem).map(|(_, path)| path.clone()).collect();
        Ok(self.read_archived(&paths)?.paths_of(kind, id.as_str()).first().cloned())
    }

    fn archive(&self) -> Result<&[(String, DocPath)], Error> {
        if let Some(listed) = self.archive.get() {
            return Ok(listed);
        }
        let paths = self.workspace.store.names(Shelf::Archive)?.into_iter();
        let mut listed: Vec<(String, DocPath)> = paths.map(|path| (path.stem().to_owned(), path)).collect();
        listed.sort_unstable();
        Ok(self.archive.get_or_init(|| listed))
    }

    fn read_archived(&self, paths: &[DocPath]) -> Result<Snapshot, Error> {
        if paths.is_empty() {
            return Ok(Snapshot::default());
        }
        let mut snapshot = Snapshot::from_documents(self.workspace.read_all(paths)?);
        for path in paths {
            match self.changed.get(path) {
                Some(Some(document)) => snapshot.insert(path.clone(), document.clone()),
                Some(None) => snapshot.remove(path),
                None => {}
            }
        }
        Ok(snapshot)
    }
}

/// Tells whether a document's body repeats the statuses of other tasks.
fn tells(entry: &Entry) -> bool {
    entry.task().is_some_and(|task| !task.depends_on.is_empty()) && entry.document.section("Dependencies").is_some()
}

impl Played {
    /// Tells whether a step failed.
    pub(super) fn has_failed(&self) -> bool {
        self.results.iter().any(Result::is_err)
    }

    /// The documents that the steps looked at to change them, in their order.
    pub(super) fn paths(&self) -> Vec<DocPath> {
        self.order.clone()
    }

    /// What the journal calls all of it: what every step is that changes something, if they are all the same.
    pub(super) fn verb(&self, steps: &[Step]) -> String {
        let changes = |result: &Result<Done, Error>| result.as_ref().is_ok_and(|done| done.changed);
        let changing = steps.iter().zip(&self.results).filter(|(_, result)| changes(result));
        let mut verbs = changing.map(|(step, _)| step.verb());
        let first = verbs.next().unwrap_or_default();
        if verbs.all(|verb| verb == first) { first } else { "batch".to_owned() }
    }

    /// Tells whether no other documents are touched than these.
    pub(super) fn is_within(&self, paths: &[DocPath]) -> bool {
        let known: BTreeSet<&DocPath> = paths.iter().collect();
        self.documents.keys().all(|path| known.contains(path))
    }

    /// Tells whether these are the bytes on which the steps were played.
    pub(super) fn found(&self, paths: &[DocPath], current: &[Option<Vec<u8>>]) -> bool {
        paths.iter().zip(current).all(|(path, bytes)| {
            let before = self.documents.get(path).map(|sides| sides.before.as_ref().map(Document::bytes));
            before.is_none_or(|before| before == bytes.as_deref())
        })
    }

    /// What is to happen to each of these documents.
    pub(super) fn actions(&self, paths: &[DocPath]) -> Vec<Action> {
        let one = |path: &DocPath| match self.documents.get(path) {
            Some(Sides { before: Some(before), now: Some(now) }) => action(before, now),
            Some(Sides { before: None, now: Some(now) }) => Action::Write(now.bytes().to_vec()),
            Some(Sides { before: Some(_), now: None }) => Action::Remove,
            None | Some(Sides { before: None, now: None }) => Action::Keep,
        };
        paths.iter().map(one).collect()
    }

    /// The tasks that are gone after the last step.
    pub(super) fn removed_tasks(&self) -> Vec<(DocId, DocPath)> {
        let gone = self.documents.iter().filter(|(_, sides)| sides.now.is_none());
        let task = |(path, sides): (&DocPath, &Sides)| match entity::read(path, sides.before.as_ref()?).entity {
            Some(Entity::Task(task)) => Some((task.id, path.clone())),
            _ => None,
        };
        gone.filter_map(task).collect()
    }

    /// The result of each step, in their order.
    pub(super) fn into_results(self) -> impl Iterator<Item = Result<Done, Error>> {
        self.results.into_iter()
    }

    /// Adds a warning for each task that a step names and that is not there after the last one.
    pub(super) fn warn_of_missing(&mut self, base: &Base<'_>) {
        for done in self.results.iter_mut().flatten() {
            let code = match done.entity {
                Some(Entity::Workflow(_)) => Code::MissingTask,
                _ => Code::MissingDependency,
            };
            for id in &done.names {
                let is_archived = || !matches!(base.find_archived(Kind::Task, id.as_str()), Ok(None));
                if self.live.named_task(id).is_none() && !is_archived() {
                    done.findings.push(missing(code, id));
                }
            }
        }
    }

    fn step(&mut self, base: &Base<'_>, step: &Step) -> Result<Done, Error> {
        match step {
            Step::Create { new, taken } => self.create(base, new, *taken),
            Step::Change { kind, id, edit, .. } => self.change(base, *kind, id, edit),
            Step::Set { new, edit, .. } => match self.exactly(base, new.kind(), &new.id())? {
                Some(_) => self.change(base, new.kind(), new.id().as_str(), edit),
                None => self.create(base, new, Taken::FileName),
            },
            Step::Remove { kind, id } => self.remove(base, *kind, id),
        }
    }

    fn create(&mut self, base: &Base<'_>, new: &New, taken: Taken) -> Result<Done, Error> {
        let (kind, id) = (new.kind(), new.id());
        let path = DocPath::for_new(kind, &id);
        let exists = |path: DocPath| Error::Exists { kind, id: id.clone(), path };
        if taken == Taken::LookUp
            && let Some(found) = self.exactly(base, kind, &id)?
        {
            return Err(exists(found));
        }
        // What stands there and is no document (a link, a folder) is this step's fault alone.
        let is_known = self.documents.contains_key(&path) || self.live.get(&path).is_some();
        if self.live.get(&path).is_some() || !is_known && base.workspace.store.read(&path)?.is_some() {
            return Err(exists(path));
        }
        let document = described_in(&self.live, new, base.workspace.render(new)?);
        self.put(path, None, Some(document), &[])
    }

    fn change(&mut self, base: &Base<'_>, kind: Kind, id: &str, edit: &Editing) -> Result<Done, Error> {
        let (path, before) = self.find(base, kind, id)?;
        let refused = |source: Refusal| {
            let source = Box::new(source.about(path.stem()));
            Error::Refused { path: path.clone(), source }
        };
        let mut after = edit(&before).map_err(refused)?;
        if kind == Kind::Task {
            let live = &self.live;
            let blockers = |task: &Task| base.blockers(live, task);
            after = self.stakes.play(base.workspace, &path, &before, after, &blockers)?;
        }
        let known = entity::read(&path, &before).entity.as_ref().map_or(&[][..], named_tasks).to_vec();
        if let Some(back) = out_of_the_archive(&path)
            && is_to_return(&before, &after, entity::read(&path, &after).entity.as_ref())
        {
            if self.live.get(&back).is_some() {
                return Err(Error::Exists { kind, id: DocId::of_file(&back), path: back });
            }
            let done = self.put(back, None, Some(after), &known)?;
            self.note(&path, Some(before), None);
            return Ok(done);
        }
        self.put(path, Some(before), Some(after), &known)
    }

    fn remove(&mut self, base: &Base<'_>, kind: Kind, id: &str) -> Result<Done, Error> {
        let (path, before) = self.find(base, kind, id)?;
        self.put(path, Some(before), None, &[])
    }

    /// Notes what a document says from now on, with the lines of other documents that repeat it.
    fn put(
        &mut self,
        path: DocPath,
        before: Option<Document>,
        now: Option<Document>,
        known: &[DocId],
    ) -> Result<Done, Error> {
        if now.as_ref().is_some_and(|now| now.bytes().len() as u64 > DOCUMENT_BYTES_MAX) {
            return Err(StoreError::TooBig { path: path.as_str().into(), max: DOCUMENT_BYTES_MAX }.into());
        }
        let changed = before != now;
        let is_removed = now.is_none();
        self.note(&path, before.clone(), now.clone());
        let Some(document) = now.or(before) else { return Err(Error::Gone { path }) };
        let entity::Reading { entity, findings, .. } = entity::read(&path, &document);
        if is_removed {
            return Ok(Done { path, document, entity, findings, changed, names: Vec::new() });
        }
        if self.any_tells
            && let Some(entity) = &entity
        {
            for other in telling(&self.live, entity) {
                let Some(old) = self.live.get(&other).map(|entry| entry.document.clone()) else { continue };
                if let Action::Write(bytes) = tell(Some(old.bytes()), Some(entity)) {
                    self.note(&other, Some(old), Some(Document::parse(bytes)));
                }
            }
        }
        let names = entity.as_ref().map_or(&[][..], named_tasks).iter();
        let names = names.filter(|id| !known.contains(id)).cloned().collect();
        Ok(Done { path, document, entity, findings, changed, names })
    }

    fn note(&mut self, path: &DocPath, before: Option<Document>, now: Option<Document>) {
        if !path.is_archived() {
            match &now {
                Some(document) => self.live.insert(path.clone(), document.clone()),
                None => self.live.remove(path),
            }
            self.any_tells |= self.live.get(path).is_some_and(tells);
        }
        if let Some(sides) = self.documents.get_mut(path) {
            sides.now = now;
        } else {
            self.documents.insert(path.clone(), Sides { before, now });
            self.order.push(path.clone());
        }
    }

    /// The document that an id or the beginning of one names, as the steps so far left it.
    fn find(&self, base: &Base<'_>, kind: Kind, id: &str) -> Result<(DocPath, Document), Error> {
        let live = self.live.find(Some(kind), id);
        if !matches!(&live, Ok(entry) if is_whole(entry, id)) && !matches!(&live, Err(FindError::Duplicate { .. })) {
            // A whole id means that document, wherever it lies, whatever else begins so.
            if let Some(found) = base.workspace.find_whole(Some(kind), id)? {
                match self.documents.get(&found.path) {
                    None => return Ok((found.path, found.document)),
                    Some(Sides { now: Some(now), .. }) => return Ok((found.path, now.clone())),
                    Some(Sides { now: None, .. }) => {}
                }
            }
        }
        let missing = match live {
            Ok(entry) => return Ok((entry.path.clone(), entry.document.clone())),
            Err(error @ FindError::NotFound { .. }) => Error::Find(error),
            Err(error) => return Err(Error::Find(error)),
        };
        let Some((path, document)) = base.find_archived(kind, id)? else { return Err(missing) };
        match self.documents.get(&path) {
            None => Ok((path, document)),
            Some(Sides { now: Some(now), .. }) => Ok((path, now.clone())),
            Some(Sides { now: None, .. }) => Err(missing),
        }
    }

    /// The path of a document with exactly this id, if there is one.
    fn exactly(&self, base: &Base<'_>, kind: Kind, id: &DocId) -> Result<Option<DocPath>, Error> {
        if let Some(path) = self.live.paths_of(kind, id.as_str()).first() {
            return Ok(Some(path.clone()));
        }
        let is_there = |path: &DocPath| self.documents.get(path).is_none_or(|sides| sides.now.is_some());
        Ok(base.archived_exactly(kind, id)?.filter(is_there))
    }
}
