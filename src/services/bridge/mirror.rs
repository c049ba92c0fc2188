//! What a mirror keeps between passes: the folder as it was read, what was last agreed on with the server, and what waits.

use std::collections::BTreeSet;

use super::backend::MirrorTarget;
use super::event_outbox::EventOutbox;
use super::mirror_folder::MirrorFolder as _;
use super::mirror_index::Item;
use super::pass::{MirrorPass, PassMemory, PassScope};
use super::project_folder::ProjectFolder;
use super::report::{PassOptions, PassReport};
use super::sync_bases::SyncBases;
use crate::core::reconcile::DocumentRemote;
use crate::services::{Error, Project};

/// The side of a mirror that is here, for one server.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) folder: ProjectFolder,
    pub(super) bases: SyncBases,
    pub(super) memory: PassMemory,
}

impl Mirror {
    /// Begins with what is remembered of a server. `project` is the mirror's own.
    pub(super) fn open(project: Project, target: &MirrorTarget) -> Self {
        Self {
            bases: SyncBases::open(&project.store, &target.memory_name),
            folder: ProjectFolder::open(project, target),
            memory: PassMemory::default(),
        }
    }

    pub(super) const fn project(&self) -> &Project {
        &self.folder.project
    }

    pub(super) const fn outbox(&mut self) -> &mut EventOutbox {
        &mut self.folder.outbox
    }

    /// Brings the folder and a remote together.
    pub(super) fn pass<R>(
        &mut self,
        remote: &mut R,
        which: PassScope,
        options: PassOptions,
    ) -> Result<PassReport, Error>
    where
        R: DocumentRemote + ?Sized,
        Error: From<R::Error>,
    {
        let mut report = self.with(remote, options).run(which)?;
        if report.paused.is_none() {
            report.told = std::mem::take(&mut self.outbox().untold);
        }
        Ok(report)
    }

    /// Decides and carries out until nothing is left to do about these.
    pub(super) fn settle<R>(
        &mut self,
        remote: &mut R,
        items: BTreeSet<Item>,
        options: PassOptions,
    ) -> Result<PassReport, Error>
    where
        R: DocumentRemote + ?Sized,
        Error: From<R::Error>,
    {
        let mut report = PassReport::default();
        self.with(remote, options).settle(items, &mut report)?;
        Ok(report)
    }

    /// Reads what has changed in the folder.
    pub(super) fn read_changes(&mut self) -> Result<(), Error> {
        self.folder.refresh(&self.bases, false).map(drop)
    }

    const fn with<'a, R: ?Sized>(&'a mut self, remote: &'a mut R, options: PassOptions) -> MirrorPass<'a, R> {
        let Self { folder, bases, memory } = self;
        MirrorPass { remote, folder, bases, memory, options }
    }
}
