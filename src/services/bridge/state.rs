//! A bridge at work on one server: the folder, what was last agreed on, and what the server holds besides the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use super::event_outbox::EventOutbox;
use super::mirror_folder::MirrorFolder as _;
use super::mirror_index::Item;
use super::pass::{MirrorPass, PassMemory, PassScope};
use super::project_folder::ProjectFolder;
use super::redis_target::RedisTarget;
use super::report::{PassOptions, PassReport};
use super::sync_bases::SyncBases;
use crate::adapters::redis::codec::Keys;
use crate::adapters::redis::{LeadTimes, Leadership, Link, Message, RedisRemote};
use crate::core::time::Timestamp;
use crate::services::{Error, Project, environment};

mod heartbeats;
mod publish;
mod queues;

/// Everything that a bridge keeps in memory.
#[derive(Debug)]
pub(super) struct State {
    pub(super) folder: ProjectFolder,
    bases: SyncBases,
    pub(super) memory: PassMemory,
    pub(super) keys: Keys,
    pub(super) leadership: Leadership,
    /// What somebody took from a queue and has not said a word of, and how long it is theirs.
    popped: BTreeMap<String, Duration>,
    /// When the hashes of running workflows began to live anew.
    renewed: Option<Timestamp>,
    /// Events with their ids that could not be published yet: the server had no memory left.
    retold: Vec<Message>,
}

impl State {
    /// Begins with what is remembered.
    pub(super) fn open(project: Project, target: &RedisTarget, led: LeadTimes) -> Result<Self, Error> {
        let leadership = Leadership::new(holder(&target.node)?, led);
        Ok(Self {
            bases: SyncBases::open(&project.store, &target.memory_name()),
            folder: ProjectFolder::open(project, target),
            memory: PassMemory::default(),
            keys: target.keys.clone(),
            leadership,
            popped: BTreeMap::new(),
            renewed: None,
            retold: Vec::new(),
        })
    }

    pub(super) const fn project(&self) -> &Project {
        &self.folder.project
    }

    pub(super) const fn outbox(&mut self) -> &mut EventOutbox {
        &mut self.folder.outbox
    }

    /// Brings both sides together.
    pub(super) fn pass(&mut self, link: &Link, which: PassScope, options: PassOptions) -> Result<PassReport, Error> {
        let mut report = self.with_pass(link, options, |pass| pass.run(which))?;
        if report.paused.is_none() {
            report.told = std::mem::take(&mut self.outbox().untold);
        }
        Ok(report)
    }

    /// Decides and carries out until nothing is left to do about these.
    pub(super) fn settle(
        &mut self,
        link: &Link,
        items: BTreeSet<Item>,
        options: PassOptions,
    ) -> Result<PassReport, Error> {
        let mut report = PassReport::default();
        self.with_pass(link, options, |pass| pass.settle(items, &mut report))?;
        Ok(report)
    }

    /// Reads what has changed in the folder.
    pub(super) fn read_changes(&mut self) -> Result<(), Error> {
        self.folder.refresh(&self.bases, false).map(drop)
    }

    fn with_pass<T>(
        &mut self,
        link: &Link,
        options: PassOptions,
        run: impl FnOnce(&mut MirrorPass<'_, RedisRemote<'_>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Self { folder, bases, memory, leadership, .. } = self;
        let mut remote = RedisRemote::new(link, &folder.target.node.clone(), leadership);
        run(&mut MirrorPass { remote: &mut remote, folder, bases, memory, options })
    }
}

/// Names this process in this clone: a copy of the clone has the same name, and must not lead as well.
fn holder(node: &str) -> Result<String, Error> {
    static WORD: OnceLock<String> = OnceLock::new();
    if let Some(word) = WORD.get() {
        return Ok(format!("{node} {word}"));
    }
    let new = environment::new_node()?;
    Ok(format!("{node} {}", WORD.get_or_init(|| new)))
}
