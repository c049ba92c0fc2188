//! The folder of a clone in memory, and what a clone remembers: the local side of a production pass.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mycelium::document::Document;
use mycelium::name::{AgentName, DocPath, OperationId};
use mycelium::operation::New;
use mycelium::reconcile::{ChangeAuthor, DocumentKey, HeadMotion, LocalDocument, SyncBase};
use mycelium::services::{Error, Import, Imported, MirrorFolder, MirrorIndex, SyncBaseStore};
use mycelium::template::Shape;
use mycelium::time::Timestamp;

use crate::git::CommitId;
use crate::world::{World, key_of};

/// So many earlier texts are asked for, as a real folder does.
const EARLIER_MAX: usize = 32;

/// What a process has read of a folder.
#[derive(Default)]
pub(crate) struct FolderView {
    index: MirrorIndex,
    read: BTreeSet<DocPath>,
    motion: HeadMotion,
    tip: CommitId,
    settled: Option<CommitId>,
    is_forced: bool,
}

/// The folder of a clone as a process sees it.
pub(crate) struct MemoryFolder<'w> {
    pub(crate) world: &'w World,
    pub(crate) clone: usize,
    pub(crate) node: String,
    pub(crate) view: &'w mut FolderView,
}

impl MemoryFolder<'_> {
    fn look(&mut self) -> BTreeSet<DocumentKey> {
        let clone = self.world.clones[self.clone].borrow();
        let live = || clone.files.iter().filter(|(path, _)| !path.is_archived());
        let mut changed = BTreeSet::new();
        for path in self.view.read.clone() {
            if !clone.files.contains_key(&path) {
                changed.extend(self.view.index.set(&path, None));
            }
        }
        for (path, document) in live() {
            changed.extend(self.view.index.set(path, Some(document.clone())));
        }
        self.view.read = live().map(|(path, _)| path.clone()).collect();
        self.view.index.sort();
        changed
    }

    /// Reads one document, as a command does that has written it.
    pub(crate) fn read_only(&mut self, path: &DocPath) {
        let document = self.world.clones[self.clone].borrow().files.get(path).cloned();
        if document.is_some() {
            self.view.read.insert(path.clone());
        }
        drop(self.view.index.set(path, document));
        self.view.index.sort();
    }
}

impl MirrorFolder for MemoryFolder<'_> {
    fn now(&self) -> Timestamp {
        self.world.at()
    }

    fn node(&self) -> &str {
        &self.node
    }

    fn refresh(&mut self, _: &dyn SyncBaseStore, is_forced: bool) -> Result<BTreeSet<DocumentKey>, Error> {
        self.world.between()?;
        let changed = self.look();
        let (tip, settled) = {
            let clone = self.world.clones[self.clone].borrow();
            (clone.head, clone.settled)
        };
        self.view.settled = settled;
        self.view.tip = tip;
        self.view.is_forced = is_forced;
        let is_back = settled.is_some_and(|old| !self.world.git.borrow().is_ancestor(old, tip));
        self.view.motion = if is_back { HeadMotion::MovedBack } else { HeadMotion::Forward };
        Ok(changed)
    }

    fn refresh_attributions(&mut self) -> Result<(), Error> {
        self.world.between()
    }

    fn pause(&self) -> Result<Option<String>, Error> {
        Ok(self.world.chance(80).then(|| "git is at work".to_owned()))
    }

    fn documents(&self) -> &MirrorIndex {
        &self.view.index
    }

    fn archived(&mut self, key: &DocumentKey, paths: &[Option<&DocPath>]) -> Result<Option<LocalDocument>, Error> {
        let clone = self.world.clones[self.clone].borrow();
        let archive = || clone.files.iter().filter(|(path, _)| path.is_archived());
        let mut found =
            paths.iter().flatten().filter_map(|path| archive().find(|(at, _)| at.file_name() == path.file_name()));
        let local =
            found.next().map(|(path, document)| LocalDocument { path: path.clone(), document: document.clone() });
        Ok(local.filter(|local| key_of(&local.path, &local.document).as_ref() == Some(key)))
    }

    fn earlier_texts(&self, path: &DocPath) -> Result<Vec<Document>, Error> {
        let head = self.world.clones[self.clone].borrow().head;
        Ok(self.world.git.borrow().texts(head, path, EARLIER_MAX))
    }

    fn is_committed(&self, path: &DocPath, document: &Document) -> Result<bool, Error> {
        let head = self.world.clones[self.clone].borrow().head;
        Ok(self.world.git.borrow().tree(head).get(path) == Some(document))
    }

    fn read(&self, path: &DocPath) -> Result<Option<Document>, Error> {
        Ok(self.world.clones[self.clone].borrow().files.get(path).cloned())
    }

    fn head_motion(&self) -> HeadMotion {
        if self.view.is_forced { HeadMotion::Forward } else { self.view.motion }
    }

    fn text_before(&self, path: &DocPath) -> Option<Document> {
        let git = self.world.git.borrow();
        git.fork(self.view.settled?, self.view.tip).and_then(|fork| git.tree(fork).get(path)).cloned()
    }

    fn settle_head(&mut self) -> Result<(), Error> {
        self.world.between()?;
        let mut clone = self.world.clones[self.clone].borrow_mut();
        if clone.settled == self.view.settled {
            clone.settled = Some(self.view.tip);
            self.view.settled = clone.settled;
        }
        self.view.motion = HeadMotion::Forward;
        Ok(())
    }

    fn attribution(&self, _: &DocPath) -> ChangeAuthor {
        ChangeAuthor::default()
    }

    fn heartbeat(&self, _: &AgentName) -> Option<Timestamp> {
        None
    }

    fn new_operation(&self) -> Result<OperationId, Error> {
        Ok(OperationId::new(format!("op-{}", self.world.count(|count| &mut count.operations))).expect("valid"))
    }

    fn render(&self, new: &New) -> Result<Document, Error> {
        let document = match new {
            New::Agent(agent) => agent.render(Shape::Lean, None),
            New::Task(task) => task.render(Shape::Lean, None),
            New::Workflow(workflow) => workflow.render(Shape::Lean, None),
        };
        Ok(document.expect("the own templates hold whatever they are given"))
    }

    fn import(&mut self, import: &Import<'_>) -> Result<Imported, Error> {
        self.world.between()?;
        {
            let clone = self.world.clones[self.clone].borrow();
            let is_other = |(path, before, after): &(DocPath, Option<Document>, Option<Document>)| {
                let now = clone.files.get(path);
                now != before.as_ref() && now != after.as_ref()
            };
            if import.changes.iter().any(is_other) {
                return Ok(Imported::Overtaken);
            }
        }
        self.world.write_files(self.clone, &import.changes);
        Ok(Imported::Done)
    }

    fn commit_imports(&mut self) -> Result<(), Error> {
        self.world.between()?;
        if !self.world.chance(8) {
            self.world.commit(self.clone);
            let head = self.world.clones[self.clone].borrow().head;
            if self.world.git.borrow().is_ancestor(self.view.tip, head) {
                self.view.tip = head;
            }
        }
        self.world.between()
    }
}

/// What a process knows of what its clone remembers.
pub(crate) struct MemoryBases<'w> {
    pub(crate) world: &'w World,
    pub(crate) clone: usize,
    pub(crate) known: &'w RefCell<BTreeMap<DocumentKey, Option<SyncBase>>>,
}

impl SyncBaseStore for MemoryBases<'_> {
    fn get(&self, key: &DocumentKey) -> Option<SyncBase> {
        let on_disk = || self.world.clones[self.clone].borrow().bases.get(key).cloned();
        self.known.borrow_mut().entry(key.clone()).or_insert_with(on_disk).clone()
    }

    fn items(&self) -> Result<BTreeSet<DocumentKey>, Error> {
        Ok(self.world.clones[self.clone].borrow().bases.keys().cloned().collect())
    }

    fn set(&mut self, key: &DocumentKey, base: Option<SyncBase>) -> Result<(), Error> {
        self.world.between()?;
        if self.get(key) == base {
            return Ok(());
        }
        self.world.count(|count| &mut count.remembered);
        self.world.say(format_args!("clone {}: remembers of {} {base:?}", self.clone, key.1));
        let bases = &mut self.world.clones[self.clone].borrow_mut().bases;
        match base.clone() {
            Some(base) => bases.insert(key.clone(), base),
            None => bases.remove(key),
        };
        self.known.borrow_mut().insert(key.clone(), base);
        Ok(())
    }
}
