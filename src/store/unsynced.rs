//! A change that is in place but may not be on the disk yet. Whoever has more to write waits for all of it at once: each
//! wait for the disk takes about as long as one file or as ten.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::StoreError;
use super::folder::Dir;
use super::journal::Journal;
use super::record::Entry;
use super::sabotage::{self, Sabotage};
use super::swap::Swap;
use super::{Durability, Store};

/// A change that others see already and a power cut may still undo. It must not be acknowledged before [`Unsynced::wait`].
#[derive(Debug)]
pub struct Unsynced {
    store: Store,
    pub(super) entry: Entry,
    pub(super) swaps: Vec<Swap>,
    work: Mutex<Work>,
}

#[derive(Debug)]
enum Work {
    ToDo(Journal),
    Done,
    Failed,
}

impl Unsynced {
    pub(super) fn new(store: &Store, journal: Journal, entry: Entry, swaps: Vec<Swap>) -> Self {
        Self { store: store.clone(), entry, swaps, work: Mutex::new(Work::ToDo(journal)) }
    }

    /// Waits until the disk has the record and the documents. Asked again, it does nothing more.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if the disk does not confirm it. Then the change is taken back, unless others have built
    /// on it; asked again, it fails again: a disk that failed once confirms the next time what it has lost.
    pub fn wait(&self) -> Result<(), StoreError> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let journal = match std::mem::replace(&mut *work, Work::Failed) {
            Work::ToDo(journal) => journal,
            Work::Done => {
                *work = Work::Done;
                return Ok(());
            }
            Work::Failed => return Err(self.failed_before()),
        };
        let synced = self.sync(journal);
        match &synced {
            Ok(()) => *work = Work::Done,
            // Never acknowledged, so it goes if it can; what was wrong with the disk first is what the caller hears.
            Err(_) => drop(self.store.take_back(&self.entry, &self.swaps)),
        }
        synced
    }

    fn sync(&self, journal: Journal) -> Result<(), StoreError> {
        let is_broken = sabotage::active(Sabotage::NoFsync) || sabotage::active(Sabotage::EarlyAnswer);
        if self.store.durability == Durability::Off || is_broken {
            return Ok(());
        }
        let mut folders: Vec<&Arc<Dir>> = Vec::new();
        for swap in &self.swaps {
            if !folders.iter().any(|dir| dir.path() == swap.doc.dir.path()) {
                folders.push(&swap.doc.dir);
            }
        }
        journal.sync(&self.store)?;
        folders.into_iter().try_for_each(|dir| dir.sync())
    }

    fn failed_before(&self) -> StoreError {
        let path = self.swaps.first().map(|swap| swap.doc.path()).unwrap_or_default();
        StoreError::NotDurable { path, source: std::io::Error::other("it failed before") }
    }
}
