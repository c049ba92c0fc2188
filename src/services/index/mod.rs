//! Reads the documents of the coordination folder: those in the worktree, and those that git keeps out of it.

mod cache;
mod find;
pub(super) mod held_back;
mod left_to_git;
mod read;

use std::collections::BTreeSet;

pub(super) use self::find::is_whole;
pub use self::left_to_git::GitsAlone;
use super::{Error, Progress, environment};
use crate::adapters::git::{Repository, Target};
use crate::adapters::store::{Shelf, Store};
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::entity::{Entity, Task, TaskStatus, Workflow};
use crate::core::name::{DocPath, Kind, composed};
use crate::core::snapshot::{Entry, Snapshot};

/// Which documents to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that are not archived.
    Live,
    /// Those that are not archived, and the archived tasks that they name.
    Named,
    /// All.
    All,
}

/// One document that was looked up.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub path: DocPath,
    /// Its text.
    pub document: Document,
    /// What it says; `None` if it cannot be read as one of the kinds.
    pub entity: Option<Entity>,
    /// What is wrong with it.
    pub findings: Vec<Diagnostic>,
}

impl Found {
    /// Returns true if this is a task that is completed or has failed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let task = self.entity.as_ref().and_then(Entity::as_task);
        task.is_some_and(|task| matches!(task.status, TaskStatus::Completed | TaskStatus::Failed))
    }
}

/// A document by name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentName {
    /// Where it is.
    pub path: DocPath,
    /// When its contents changed last, in nanoseconds since 1970.
    pub changed_ns: i64,
}

/// Reads documents.
#[derive(Debug, Clone, Copy)]
pub struct DocumentReader<'a> {
    folder: &'a str,
    pub(super) store: &'a Store,
    pub(super) repository: Option<&'a Repository>,
    pub(super) target: &'a Target,
    pub(super) progress: &'a Progress,
}

impl<'a> DocumentReader<'a> {
    /// Returns the reader of a folder, given by its path in the repository.
    pub(super) const fn new(
        folder: &'a str,
        store: &'a Store,
        repository: Option<&'a Repository>,
        target: &'a Target,
        progress: &'a Progress,
    ) -> Self {
        Self { folder, store, repository, target, progress }
    }

    /// Returns the coordination folder, below the worktree.
    #[must_use]
    pub const fn folder(&self) -> &'a str {
        self.folder
    }

    /// Returns a document's path in the repository.
    pub(super) fn in_repository(&self, path: &DocPath) -> String {
        format!("{}/{path}", self.folder)
    }

    /// Lists every document that is not archived, the one that changed last first. No document is read.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be listed.
    pub fn names(&self) -> Result<Vec<DocumentName>, Error> {
        let files = self.store.folder.scan_live()?.files.into_iter();
        let mut names: Vec<DocumentName> =
            files.map(|(path, stamp)| DocumentName { path, changed_ns: stamp.mtime_ns }).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.changed_ns));
        Ok(names)
    }

    /// Reads the documents. One that cannot be read is in the snapshot with its findings.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be read.
    pub fn snapshot(&self, scope: Scope) -> Result<Snapshot, Error> {
        let mut entries = self.entries(Shelf::Live)?;
        if scope == Scope::All {
            entries.extend(self.entries(Shelf::Archive)?);
        }
        let out = self.kept_out_documents(&|path| scope == Scope::All || !path.is_archived())?;
        entries.extend(out.into_iter().map(|(path, document)| Entry::read(path, document)));
        let mut snapshot = Snapshot::from_entries(entries);
        let named = if scope == Scope::Named { named_elsewhere(&snapshot) } else { BTreeSet::new() };
        if !named.is_empty() {
            let fits = |path: &DocPath| {
                let stem = &*composed(path.stem());
                named.contains(stem) || stem.strip_prefix(Kind::Task.prefix()).is_some_and(|id| named.contains(id))
            };
            let paths: Vec<DocPath> = self.document_names(Shelf::Archive)?.into_iter().filter(fits).collect();
            for (path, document) in self.read_all(&paths)? {
                snapshot.insert(path, document);
            }
        }
        Ok(snapshot.at(environment::now()))
    }

    /// The documents as the newest commit has them; `None` without a commit.
    ///
    /// # Errors
    /// [`Error::Git`] if they cannot be read.
    pub fn head_snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let Some(repository) = self.repository else { return Ok(None) };
        let Some(revision) = repository.view().head(self.target)?.revision else { return Ok(None) };
        let contents = repository.view().contents(Some(&revision), self.folder)?;
        let live = contents.into_iter().filter(|(path, _)| !path.is_archived());
        let read = live.map(|(path, id)| Ok((path, Document::parse(repository.view().read(&id)?))));
        Ok(Some(Snapshot::from_documents(read.collect::<Result<Vec<_>, Error>>()?)))
    }

    /// Reads these documents.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be read.
    pub fn snapshot_of(&self, paths: &[DocPath]) -> Result<Snapshot, Error> {
        Ok(Snapshot::from_documents(self.read_all(paths)?))
    }
}

/// The ids of tasks that live documents name and that are not live.
fn named_elsewhere(live: &Snapshot) -> BTreeSet<String> {
    let by_tasks = live.tasks().flat_map(Task::references);
    let by_workflows = live.workflows().flat_map(Workflow::references);
    let ids = by_tasks.chain(by_workflows).map(|reference| &reference.id);
    ids.filter(|id| live.named_task(id).is_none()).map(ToString::to_string).collect()
}

impl From<&Entry> for Found {
    fn from(entry: &Entry) -> Self {
        Self {
            path: entry.path.clone(),
            document: entry.document.clone(),
            entity: entry.entity.clone(),
            findings: entry.findings.clone(),
        }
    }
}
