//! A change that is in place but may not be on the disk yet. Whoever has more to write waits for all of it at once: each
//! wait for the disk takes about as long as one file or as ten.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::StoreError;
use super::folder::{Dir, FileId};
use super::journal::Journal;
use super::record::{Entry, Record};
use super::sabotage::{self, Sabotage};
use super::swap::Swap;
use super::{Durability, OperationLog};

/// A change that others see already and a power cut may still undo. It must not be acknowledged before [`Unsynced::wait`].
/// A clone is the same change.
#[derive(Debug, Clone)]
pub struct Unsynced {
    log: OperationLog,
    pub(super) entry: Arc<Entry>,
    pub(super) swaps: Arc<Vec<Swap>>,
    work: Arc<Mutex<Work>>,
}

#[derive(Debug)]
enum Work {
    ToDo(Journal),
    Done,
    Failed,
}

impl Unsynced {
    /// A change whose record is in a journal; without one it is on the disk already.
    pub(super) fn new(log: &OperationLog, journal: Option<Journal>, entry: Entry, swaps: Vec<Swap>) -> Self {
        let work = Arc::new(Mutex::new(journal.map_or(Work::Done, Work::ToDo)));
        Self { log: log.clone(), entry: Arc::new(entry), swaps: Arc::new(swaps), work }
    }

    /// What was changed, by whom.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.entry.record
    }

    /// Waits until the disk has the record and the documents. Asked again, it does nothing more.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if the disk does not confirm it. Then the change is taken back, unless others have built
    /// on it; asked again, it fails again: a disk that failed once confirms the next time what it has lost.
    pub fn wait(&self) -> Result<(), StoreError> {
        Self::wait_for_all(&[self])
    }

    /// The same for changes of one folder, none of them twice: they are waited for at once.
    ///
    /// # Errors
    /// As [`Unsynced::wait`], for all of them; those that are there already stay.
    pub fn wait_for_all(all: &[&Self]) -> Result<(), StoreError> {
        let mut to_do = Vec::new();
        for one in all {
            let work = one.work.lock().unwrap_or_else(PoisonError::into_inner);
            match &*work {
                Work::ToDo(_) => to_do.push((*one, work)),
                Work::Done => {}
                Work::Failed => return Err(one.failed_before()),
            }
        }
        let mut journal = None;
        for (_, work) in &mut to_do {
            if let Work::ToDo(opened) = std::mem::replace(&mut **work, Work::Failed) {
                journal = Some(opened);
            }
        }
        let changes: Vec<&Self> = to_do.iter().map(|(one, _)| *one).collect();
        let (Some(journal), Some(first)) = (journal, changes.first()) else { return Ok(()) };
        let synced = first.log.sync_changes(journal, &changes);
        for (one, work) in &mut to_do {
            match &synced {
                Ok(()) => **work = Work::Done,
                // Never acknowledged, so it goes if it can; what was wrong with the disk first is what the caller hears.
                Err(_) => drop(one.log.take_back(&one.entry, &one.swaps)),
            }
        }
        synced
    }

    fn failed_before(&self) -> StoreError {
        let path = self.swaps.first().map(|swap| swap.doc.path()).unwrap_or_default();
        StoreError::NotDurable { path, source: std::io::Error::other("it failed before") }
    }
}

impl OperationLog {
    /// Forces the journal to the disk, which holds the records of all these changes whichever of them opened it, and the
    /// folders of their documents.
    fn sync_changes(&self, journal: Journal, changes: &[&Unsynced]) -> Result<(), StoreError> {
        let is_broken = sabotage::active(Sabotage::NoFsync) || sabotage::active(Sabotage::EarlyAnswer);
        if self.state.durability == Durability::Off || is_broken {
            return Ok(());
        }
        let mut folders: Vec<(FileId, &Arc<Dir>)> = Vec::new();
        for swap in changes.iter().flat_map(|change| change.swaps.iter()) {
            // A folder may have been replaced by another between two of the changes.
            let id = swap.doc.dir.id()?;
            if !folders.iter().any(|(other, _)| *other == id) {
                folders.push((id, &swap.doc.dir));
            }
        }
        journal.sync(&self.state)?;
        folders.into_iter().try_for_each(|(_, dir)| dir.sync())
    }
}
