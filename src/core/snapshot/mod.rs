//! Every document at one moment: look-ups by id, what waits for what, what is ready. Holds no file and no clock.

mod block_root;
mod blocker;
mod find;
mod graph;
mod queue;
mod step_condition;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::entity::{self, Agent, Entity, Task, Workflow};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::time::Timestamp;

pub use block_root::{CHAIN_SHOWN_MAX, Root, TaskChain};
pub use blocker::{Blocker, Wait};
pub use find::FindError;
pub use queue::{Cause, Outlook, Queue, sort_by_urgency};
pub use step_condition::{ConditionDecision, ConditionFault};

/// One document of the folder, whatever its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it lies.
    pub path: DocPath,
    /// Its bytes and their structure.
    pub document: Document,
    /// Which kind it is; `None` for event logs and foreign files.
    pub kind: Option<Kind>,
    /// Its id, even where the rest cannot be used.
    pub id: Option<DocId>,
    /// What it says; `None` if it cannot be used.
    pub entity: Option<Entity>,
    /// What is wrong with it.
    pub findings: Vec<Diagnostic>,
}

impl Entry {
    /// Reads a document.
    #[must_use]
    pub fn read(path: DocPath, document: Document) -> Self {
        let entity::Reading { kind, id, entity, findings } = entity::read(&path, &document);
        Self { path, document, kind, id, entity, findings }
    }

    /// The task, if it is one that can be used.
    #[must_use]
    pub fn task(&self) -> Option<&Task> {
        self.entity.as_ref().and_then(Entity::as_task)
    }

    /// The agent, if it is one that can be used.
    #[must_use]
    pub fn agent(&self) -> Option<&Agent> {
        self.entity.as_ref().and_then(Entity::as_agent)
    }

    /// The workflow, if it is one that can be used.
    #[must_use]
    pub fn workflow(&self) -> Option<&Workflow> {
        self.entity.as_ref().and_then(Entity::as_workflow)
    }
}

/// All documents of the folder at one moment. A clone shares the documents.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    entries: BTreeMap<DocPath, Arc<Entry>>,
    ids: BTreeMap<(Kind, String), Vec<DocPath>>,
    /// The tasks that name a workflow, by its id.
    naming: BTreeMap<DocId, BTreeSet<DocPath>>,
    /// The moment, for tasks that do not start before one. Where it is not known, these wait.
    moment: Option<Timestamp>,
}

impl Snapshot {
    /// Reads all documents.
    #[must_use]
    pub fn from_documents(documents: impl IntoIterator<Item = (DocPath, Document)>) -> Self {
        let mut snapshot = Self::default();
        for (path, document) in documents {
            snapshot.insert(path, document);
        }
        snapshot
    }

    /// Returns the same documents at a moment.
    #[must_use]
    pub fn at(self, moment: Timestamp) -> Self {
        Self { moment: Some(moment), ..self }
    }

    /// Takes documents that were read already.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut snapshot = Self::default();
        for entry in entries {
            snapshot.insert_entry(entry);
        }
        snapshot
    }

    /// Puts a document in the place of the one at its path, if there was one. The same bytes are not read again.
    pub fn insert(&mut self, path: DocPath, document: Document) {
        if self.entries.get(&path).is_some_and(|entry| entry.document == document) {
            return;
        }
        self.insert_entry(Entry::read(path, document));
    }

    fn insert_entry(&mut self, entry: Entry) {
        let path = entry.path.clone();
        self.remove(&path);
        if let (Some(kind), Some(id)) = (entry.kind, &entry.id) {
            let paths = self.ids.entry((kind, id.as_str().to_owned())).or_default();
            paths.push(path.clone());
            paths.sort_unstable();
        }
        if let Some(workflow) = entry.task().and_then(|task| task.workflow.clone()) {
            self.naming.entry(workflow).or_default().insert(path.clone());
        }
        self.entries.insert(path, Arc::new(entry));
    }

    /// Takes a document out.
    pub fn remove(&mut self, path: &DocPath) {
        let Some(entry) = self.entries.remove(path) else { return };
        if let (Some(kind), Some(id)) = (entry.kind, &entry.id) {
            let key = (kind, id.as_str().to_owned());
            if let Some(paths) = self.ids.get_mut(&key) {
                paths.retain(|other| other != path);
                if paths.is_empty() {
                    self.ids.remove(&key);
                }
            }
        }
        let workflow = entry.task().and_then(|task| task.workflow.as_ref());
        if let Some(paths) = workflow.and_then(|workflow| self.naming.get_mut(workflow)) {
            paths.remove(path);
        }
    }

    /// The document at a path.
    #[must_use]
    pub fn get(&self, path: &DocPath) -> Option<&Entry> {
        self.entries.get(path).map(AsRef::as_ref)
    }

    /// Every document, by path.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(AsRef::as_ref)
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every document of a kind, usable or not, by path.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries().filter(move |entry| entry.kind == Some(kind))
    }

    /// The tasks that can be used, by path.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.entries().filter_map(Entry::task)
    }

    /// The agents that can be used, by path.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.entries().filter_map(Entry::agent)
    }

    /// The workflows that can be used, by path.
    pub fn workflows(&self) -> impl Iterator<Item = &Workflow> {
        self.entries().filter_map(Entry::workflow)
    }

    /// All files that state an id.
    #[must_use]
    pub fn paths_of(&self, kind: Kind, id: &str) -> &[DocPath] {
        self.ids.get(&(kind, id.to_owned())).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
pub(in crate::core) mod fixture {
    use super::*;

    /// A snapshot of documents with these keys.
    pub(in crate::core) fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        Snapshot::from_documents(files.iter().map(|(path, keys)| {
            let text = format!("---\ntype: t\n{keys}\n---\n");
            (DocPath::new(*path).expect("valid"), Document::parse(text.into_bytes()))
        }))
    }
}
