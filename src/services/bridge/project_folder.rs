//! The local side of a mirror on a real folder: an open project with what a bridge has read of it.

use std::collections::{BTreeMap, BTreeSet};

use super::backend::MirrorTarget;
use super::event_outbox::EventOutbox;
use super::mirror_folder::{Import, Imported, MirrorFolder, SyncBaseStore};
use super::mirror_index::{Item, MirrorIndex, item_of};

use crate::adapters::store::{Shelf, Unsynced};
use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath, Kind, OperationId};
use crate::core::operation::New;
use crate::core::reconcile::{ChangeAuthor, DocumentKey, HeadMotion, LocalDocument};
use crate::core::snapshot::Entry;
use crate::core::time::Timestamp;
use crate::services::after_write::WriteOrigin;
use crate::services::{Error, Project, environment};

mod head_tracker;
mod import;
mod rest;
mod scan;

pub(super) use head_tracker::HeadTracker;
use scan::MirrorScan;

/// So many earlier texts of a document are compared with what a remote shows.
const EARLIER_MAX: usize = 32;

/// A project as a bridge has read it.
#[derive(Debug)]
pub(super) struct ProjectFolder {
    pub(super) project: Project,
    pub(super) target: MirrorTarget,
    pub(super) outbox: EventOutbox,
    scan: MirrorScan,
    heartbeats: BTreeMap<AgentName, Timestamp>,
    head: HeadTracker,
    /// What is here counts, however HEAD moved.
    is_forced: bool,
    /// Where every archived document lies, by its file name; looked up once a pass, and only if needed.
    archive: Option<BTreeMap<String, DocPath>>,
    /// What was written here and waits to be committed.
    landed: Vec<Unsynced>,
    /// What was written here could not be committed when it was.
    pub(super) is_uncommitted: bool,
    /// Git was at work for so long that it was not waited for: what was seen may be half a checkout.
    pub(super) is_git_at_work: bool,
}

impl ProjectFolder {
    /// Begins with nothing read.
    pub(super) fn open(mut project: Project, target: &MirrorTarget) -> Self {
        project.actor.origin = WriteOrigin::Backend(target.backend);
        let server = &target.memory_name;
        Self {
            outbox: EventOutbox::open(&project.store, server),
            target: target.clone(),
            project,
            scan: MirrorScan::default(),
            heartbeats: BTreeMap::new(),
            head: HeadTracker::open(server),
            is_forced: false,
            archive: None,
            landed: Vec::new(),
            is_uncommitted: false,
            is_git_at_work: false,
        }
    }

    /// Reads these documents alone, and what is known of no other.
    pub(super) fn read_only(&mut self, items: &BTreeSet<Item>, paths: &[DocPath]) -> Result<(), Error> {
        self.archive = None;
        for name in items.iter().filter(|(kind, _)| *kind == Kind::Agent).map(|(_, id)| AgentName::new(id.as_str())) {
            let Ok(name) = name else { continue };
            if let Some(at) = self.project.store.local.heartbeat(&name)? {
                self.heartbeats.insert(name, at);
            }
        }
        self.scan.look_at(&self.project, paths)
    }

    /// Reads on in the change log; returns what was emitted here since, without what came from the server.
    pub(super) fn hear(&mut self) -> Result<Vec<crate::core::event::Told>, Error> {
        self.outbox.hear(&self.project)
    }

    /// Replaces the heartbeats; returns those of before.
    pub(super) fn replace_heartbeats(&mut self, new: BTreeMap<AgentName, Timestamp>) -> BTreeMap<AgentName, Timestamp> {
        std::mem::replace(&mut self.heartbeats, new)
    }

    /// Remembers where HEAD is, if it has only moved forward.
    pub(super) fn follow_head(&mut self) -> Result<(), Error> {
        self.head.follow(&self.project)
    }
}

impl MirrorFolder for ProjectFolder {
    fn now(&self) -> Timestamp {
        self.project.now()
    }

    fn node(&self) -> &str {
        &self.target.node
    }

    fn refresh(&mut self, bases: &dyn SyncBaseStore, is_forced: bool) -> Result<BTreeSet<DocumentKey>, Error> {
        self.is_forced = is_forced;
        self.archive = None;
        self.heartbeats = self.project.store.local.heartbeats()?;
        let changed = self.look_at_rest(bases)?;
        // After the files: git moves HEAD last.
        self.head.read(&self.project)?;
        Ok(changed)
    }

    fn refresh_attributions(&mut self) -> Result<(), Error> {
        // Until the pass is done nothing of it went out: if it fails, it goes with the next one.
        self.outbox.untold = self.hear()?;
        Ok(())
    }

    fn pause(&self) -> Result<Option<String>, Error> {
        self.pause_reason()
    }

    fn documents(&self) -> &MirrorIndex {
        &self.scan.index
    }

    fn archived(&mut self, key: &DocumentKey, paths: &[Option<&DocPath>]) -> Result<Option<LocalDocument>, Error> {
        if self.archive.is_none() {
            let names = self.project.store.folder.names(Shelf::Archive)?;
            self.archive = Some(names.into_iter().map(|path| (path.file_name().to_owned(), path)).collect());
        }
        let Some(archive) = &self.archive else { return Ok(None) };
        let Some(path) = paths.iter().flatten().find_map(|path| archive.get(path.file_name())) else { return Ok(None) };
        let path = path.clone();
        let Some(document) = self.read(&path)? else { return Ok(None) };
        let is_it = item_of(&Entry::read(path.clone(), document.clone())).as_ref() == Some(key);
        Ok(is_it.then_some(LocalDocument { path, document }))
    }

    fn earlier_texts(&self, path: &DocPath) -> Result<Vec<Document>, Error> {
        let Some(repository) = &self.project.repository else { return Ok(Vec::new()) };
        let (target, folder) = (self.project.target(), self.project.folder());
        let commits = repository.log().history_with(&target, folder, std::slice::from_ref(path), EARLIER_MAX, None)?;
        let ids = commits
            .iter()
            .flat_map(|commit| &commit.changes)
            .filter(|(of, ..)| of == path)
            .filter_map(|(.., after)| after.as_ref());
        // What a partial clone has left with a remote is not asked for.
        Ok(ids.filter_map(|id| repository.view().read(id).ok()).map(Document::parse).collect())
    }

    fn is_committed(&self, path: &DocPath, document: &Document) -> Result<bool, Error> {
        let Some(repository) = &self.project.repository else { return Ok(true) };
        let tip = self.project.records().head()?.and_then(|head| head.revision);
        let paths = BTreeSet::from([path.clone()]);
        let contents = repository.view().contents_of(tip.as_ref(), self.project.folder(), &paths)?;
        let text = contents.get(path).map(|id| repository.view().read(id)).transpose()?;
        Ok(text.is_some_and(|bytes| Document::parse(bytes) == *document))
    }

    fn read(&self, path: &DocPath) -> Result<Option<Document>, Error> {
        Ok(self.project.documents().read_all(std::slice::from_ref(path))?.pop().map(|(_, document)| document))
    }

    fn head_motion(&self) -> HeadMotion {
        if self.is_forced { HeadMotion::Forward } else { self.head.motion }
    }

    fn text_before(&self, path: &DocPath) -> Option<Document> {
        self.head.text_before(&self.project, path)
    }

    fn settle_head(&mut self) -> Result<(), Error> {
        self.head.settle(&self.project)
    }

    fn attribution(&self, path: &DocPath) -> ChangeAuthor {
        self.outbox.author(path)
    }

    fn heartbeat(&self, agent: &AgentName) -> Option<Timestamp> {
        self.heartbeats.get(agent).copied()
    }

    fn new_operation(&self) -> Result<OperationId, Error> {
        environment::new_operation()
    }

    fn render(&self, new: &New) -> Result<Document, Error> {
        self.project.operations().templates.render(new)
    }

    fn import(&mut self, import: &Import<'_>) -> Result<Imported, Error> {
        self.write_import(import)
    }

    fn commit_imports(&mut self) -> Result<(), Error> {
        if self.commit_landed()? { self.head.advance(&self.project) } else { Ok(()) }
    }
}
