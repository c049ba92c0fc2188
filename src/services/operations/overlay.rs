//! The folder as the steps of an operation so far left it, in memory.

use std::collections::BTreeMap;

use super::folder_view::FolderView;
use crate::core::document::Document;
use crate::core::entity::{Condition, Task};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::{Blocker, Entry, FindError, Snapshot};
use crate::services::index::is_whole;
use crate::services::{Error, environment};

/// The folder as the steps so far left it.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// All live documents, once they were needed.
    pub(super) live: Option<Snapshot>,
    pub(super) documents: BTreeMap<DocPath, Sides>,
}

/// A document before the first step and after the last.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) before: Option<Document>,
    pub(super) now: Option<Document>,
}

impl Overlay {
    /// All live documents.
    pub(super) fn live(&mut self, view: &FolderView<'_>) -> Result<&mut Snapshot, Error> {
        if self.live.is_none() {
            let mut live = view.live()?.clone();
            for (path, sides) in self.documents.iter().filter(|(path, _)| !path.is_archived()) {
                match &sides.now {
                    Some(document) => live.insert(path.clone(), document.clone()),
                    None => live.remove(path),
                }
            }
            self.live = Some(live);
        }
        Ok(self.live.get_or_insert_default())
    }

    /// One document.
    pub(super) fn document(&self, view: &FolderView<'_>, path: &DocPath) -> Result<Option<Document>, Error> {
        match self.documents.get(path) {
            Some(sides) => Ok(sides.now.clone()),
            None => view.document(path),
        }
    }

    /// The document that lies where its whole id says.
    pub(super) fn at_its_place(
        &self,
        view: &FolderView<'_>,
        kind: Kind,
        id: &str,
    ) -> Result<Option<(DocPath, Document)>, Error> {
        let Ok(whole) = DocId::new(id) else { return Ok(None) };
        let path = DocPath::for_new(kind, &whole);
        let Some(document) = self.document(view, &path)? else { return Ok(None) };
        let entry = Entry::read(path.clone(), document);
        let is_it = entry.kind == Some(kind) && entry.id.as_ref() == Some(&whole);
        Ok(is_it.then_some((path, entry.document)))
    }

    /// What a task waits for.
    pub(super) fn blockers(&mut self, view: &FolderView<'_>, task: &Task) -> Result<Vec<Blocker>, Error> {
        let mut named = Snapshot::default().at(environment::now());
        // An expression reads the results of everything that comes before.
        let is_deep = matches!(task.condition(), Condition::Expression(_));
        let mut next: Vec<DocId> = task.references().iter().map(|reference| reference.id.clone()).collect();
        while let Some(id) = next.pop() {
            if named.named_task(&id).is_some() {
                continue;
            }
            let Some((path, document)) = self.named_task(view, &id)? else { continue };
            named.insert(path.clone(), document);
            let further = named.get(&path).and_then(Entry::task).filter(|_| is_deep);
            next.extend(further.into_iter().flat_map(Task::references).map(|reference| reference.id.clone()));
        }
        if let Some((path, document)) = self.workflow_of(view, task)? {
            named.insert(path, document);
        }
        Ok(named.blockers(task))
    }

    /// The document of the workflow that a task names as its own.
    fn workflow_of(&mut self, view: &FolderView<'_>, task: &Task) -> Result<Option<(DocPath, Document)>, Error> {
        let Some(id) = &task.workflow else { return Ok(None) };
        if let Some(found) = self.at_its_place(view, Kind::Workflow, id.as_str())? {
            return Ok(Some(found));
        }
        let live = self.live(view)?;
        let found = live.workflow_of(task).map(|workflow| live.paths_of(Kind::Workflow, workflow.id.as_str()));
        let entry = found.and_then(<[DocPath]>::first).and_then(|path| live.get(path));
        Ok(entry.map(|entry| (entry.path.clone(), entry.document.clone())))
    }

    /// The task that a dependency names, in the archive too.
    pub(super) fn named_task(
        &mut self,
        view: &FolderView<'_>,
        id: &DocId,
    ) -> Result<Option<(DocPath, Document)>, Error> {
        if let Some(found) = self.at_its_place(view, Kind::Task, id.as_str())? {
            return Ok(Some(found));
        }
        if let Some(entry) = self.live(view)?.named_task(id) {
            return Ok(Some((entry.path.clone(), entry.document.clone())));
        }
        view.find_archived(Kind::Task, id.as_str())
    }

    /// The document that an id or the beginning of one names.
    pub(super) fn find(&mut self, view: &FolderView<'_>, kind: Kind, id: &str) -> Result<(DocPath, Document), Error> {
        if let Some(found) = self.at_its_place(view, kind, id)? {
            return Ok(found);
        }
        let live = self.live(view)?.find(Some(kind), id);
        let live = live.map(|entry| (is_whole(entry, id), entry.path.clone(), entry.document.clone()));
        if !matches!(&live, Ok((true, ..)) | Err(FindError::Duplicate { .. })) {
            // A whole id means that document, wherever it lies, whatever else begins so.
            if let Some(found) = view.operations.documents.find_whole(Some(kind), id)? {
                match self.documents.get(&found.path) {
                    None => return Ok((found.path, found.document)),
                    Some(Sides { now: Some(now), .. }) => return Ok((found.path, now.clone())),
                    Some(Sides { now: None, .. }) => {}
                }
            }
        }
        let missing = match live {
            Ok((_, path, document)) => return Ok((path, document)),
            Err(error @ FindError::NotFound { .. }) => Error::Find(error),
            Err(error) => return Err(Error::Find(error)),
        };
        let Some((path, document)) = view.find_archived(kind, id)? else { return Err(missing) };
        match self.documents.get(&path) {
            None => Ok((path, document)),
            Some(Sides { now: Some(now), .. }) => Ok((path, now.clone())),
            Some(Sides { now: None, .. }) => Err(missing),
        }
    }

    /// The path of a document with exactly this id, if there is one.
    pub(super) fn exactly(&mut self, view: &FolderView<'_>, kind: Kind, id: &DocId) -> Result<Option<DocPath>, Error> {
        if let Some((path, _)) = self.at_its_place(view, kind, id.as_str())? {
            return Ok(Some(path));
        }
        if let Some(path) = self.live(view)?.paths_of(kind, id.as_str()).first() {
            return Ok(Some(path.clone()));
        }
        let is_there = |path: &DocPath| self.documents.get(path).is_none_or(|sides| sides.now.is_some());
        Ok(view.archived_exactly(kind, id)?.filter(is_there))
    }
}
