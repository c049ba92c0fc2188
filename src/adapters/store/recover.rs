//! Taking the folder lock, and finishing what a dead process left half done. It needs no daemon: whoever locks next
//! recovers first, at the price of one small read when there is nothing to do.

use std::io::ErrorKind;
use std::sync::Arc;

use super::error::StoreError;
use super::folder::{Dir, Site, Walk};
use super::journal::{Header, Journal};
use super::lock::Locked;
use super::record::{Entry, Frame, Record, State};
use super::sabotage::{self, Sabotage};
use super::swap::{self, Stand, Swap};
use super::temp::BESIDE_PREFIX;
use super::{OperationLog, StateFolder, TempFiles};
use crate::core::name::OperationId;

/// What was half done and is finished now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveredOperations {
    /// Operations that were put in place.
    pub finished: Vec<OperationId>,
    /// Operations that were taken back or given up: somebody's save had come first.
    pub dropped: Vec<OperationId>,
}

/// The folder lock with the journal under it. Dropping it unlocks.
#[derive(Debug)]
pub(super) struct Held {
    #[allow(dead_code, reason = "holding the open file is holding the lock")]
    lock: Option<Locked>,
    pub(super) journal: Journal,
    pub(super) recovered: RecoveredOperations,
}

impl Held {
    /// Gives the lock back and keeps the journal, to be synced.
    pub(super) fn unlock(self) -> Journal {
        self.journal
    }
}

impl OperationLog {
    /// Finishes what a dead process, or a power cut, left half done. Every write does so by itself.
    ///
    /// # Errors
    /// [`StoreError`] if the run state or a document cannot be read or written.
    pub fn recover(&self) -> Result<RecoveredOperations, StoreError> {
        if !self.state.has_journal()? {
            return Ok(RecoveredOperations::default());
        }
        Ok(self.hold(None)?.recovered)
    }

    /// Does as [`OperationLog::recover`], and gives what [`OperationLog::journal`] does, under one lock of the folder.
    ///
    /// # Errors
    /// As [`OperationLog::recover`].
    pub fn recovered_journal(&self) -> Result<Vec<Record>, StoreError> {
        if !self.state.has_journal()? && !self.outbox.folder().exists() {
            return Ok(Vec::new());
        }
        Ok(live_records(self.hold(None)?.unlock().frames()?).collect())
    }

    /// Every operation that was applied and is not yet forgotten, in the order in which they were applied.
    ///
    /// # Errors
    /// [`StoreError`] if local state or a document cannot be read or written.
    pub fn journal(&self) -> Result<Vec<Record>, StoreError> {
        if !self.state.has_journal()? && !self.outbox.folder().exists() {
            return Ok(Vec::new());
        }
        let (journal, waiting) = match self.hold(None) {
            Ok(held) => (Some(held.unlock()), Vec::new()),
            // What is half done cannot be finished here; what lies in the outbox will be taken in by somebody else.
            Err(error) if error.is_state_read_only() => {
                let waiting =
                    match self.outbox.folder().exists().then(|| self.locks.lock_folder_read_only()).transpose()? {
                        Some(_lock) => self.outbox.waiting()?,
                        None => Vec::new(),
                    };
                (Journal::open(&self.state.journal_path(), self.state.boot)?, waiting)
            }
            Err(error) => return Err(error),
        };
        let frames = journal.map_or(Ok(Vec::new()), |journal| journal.frames())?;
        Ok(live_records(frames).chain(waiting).collect())
    }

    /// Locks the folder, recovers where needed, and takes in what lies in the outbox: on the branch of the operation for which
    /// it is locked.
    pub(super) fn hold(&self, branch: Option<&str>) -> Result<Held, StoreError> {
        loop {
            let lock = match (!sabotage::active(Sabotage::NoLock)).then(|| self.locks.lock_folder()).transpose() {
                Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    self.state.make_run()?;
                    continue;
                }
                locked => locked?,
            };
            let journal = Journal::open(&self.state.journal_path(), self.state.boot)?;
            let Some(mut journal) = journal.filter(|journal| journal.is_writable) else {
                drop(lock);
                self.state.make_run()?;
                continue;
            };
            let mut recovered = RecoveredOperations::default();
            if journal.header.boot != self.state.boot {
                self.recover_all(&mut journal, branch, &mut recovered)?;
            } else if journal.header.busy {
                self.recover_newest(&mut journal, branch, &mut recovered)?;
            }
            self.take_in(&mut journal, branch)?;
            return Ok(Held { lock, journal, recovered });
        }
    }

    /// The last holder died: only its own record, the newest, can be half done.
    fn recover_newest(
        &self,
        journal: &mut Journal,
        branch: Option<&str>,
        recovered: &mut RecoveredOperations,
    ) -> Result<(), StoreError> {
        if sabotage::active(Sabotage::IgnoreJournal) {
            return journal.set_header(Header { busy: false, ..journal.header });
        }
        let Some(mut frame) = journal.newest()? else { return self.recover_all(journal, branch, recovered) };
        frame.entry.record.operation.branch = branch.map(str::to_owned);
        self.recover_frame(journal, &frame, recovered)?;
        journal.set_header(Header { busy: false, ..journal.header })
    }

    /// The machine was started anew since: any number of records may be ahead of their exchanges.
    fn recover_all(
        &self,
        journal: &mut Journal,
        branch: Option<&str>,
        recovered: &mut RecoveredOperations,
    ) -> Result<(), StoreError> {
        let mut frames = journal.frames()?;
        for frame in &mut frames {
            frame.entry.record.operation.branch = branch.map(str::to_owned);
            self.recover_frame(journal, frame, recovered)?;
        }
        let start = Header::fresh(self.state.boot);
        let header = frames.last().map_or(start, |frame| Header {
            last: frame.start as u64,
            end: frame.state_at as u64 + 1,
            ..start
        });
        journal.set_header(header)
    }

    fn recover_frame(
        &self,
        journal: &Journal,
        frame: &Frame,
        recovered: &mut RecoveredOperations,
    ) -> Result<(), StoreError> {
        let state_at = frame.state_at as u64;
        if frame.state.is_settled() || !frame.state.is_pending() && !frame.state.is_done() {
            return Ok(());
        }
        let swaps = self.temps.swaps(&frame.entry)?;
        let mut waiting = Vec::new();
        let mut made = Vec::new();
        let mut overtaken = swaps.iter().any(Option::is_none);
        let swaps: Vec<Swap> = swaps.into_iter().flatten().collect();
        for (index, swap) in swaps.iter().enumerate() {
            match swap.stand()? {
                Stand::Waiting => waiting.push(index),
                Stand::Done if swap.is_untouched()? => made.push(index),
                Stand::Done => {}
                Stand::Slipped => {
                    made.push(index);
                    overtaken = true;
                }
                Stand::Overtaken => overtaken = true,
            }
        }
        let id = frame.entry.record.operation.id.clone();
        if frame.state.is_done() {
            // It was complete, so a save that came out since is a late one, for the sweep. Only a power cut makes it wait.
            if !waiting.is_empty() && swap::forward_all(&swaps, &waiting)?.is_none() {
                recovered.finished.push(id);
            }
            return Ok(());
        }
        if overtaken {
            swap::back_all(&swaps, &made)?;
        } else if swap::forward_all(&swaps, &waiting)?.is_none() {
            recovered.finished.push(id);
            // It may have been told by the process that died: whoever reads the feed knows the event by its id.
            self.changes.tell(&self.changes.lines_of(&frame.entry.record, 0));
            return journal.set_state(state_at, State::DONE);
        } else {
            swap::back_all(&swaps, &made)?;
        }
        recovered.dropped.push(id);
        journal.set_state(state_at, State::DROPPED)
    }
}

/// The records that are applied and not forgotten.
fn live_records(frames: Vec<Frame>) -> impl Iterator<Item = Record> {
    let live = frames.into_iter().filter(|frame| frame.state.is_done() && !frame.state.is_forgotten());
    live.map(|frame| frame.entry.record)
}

impl StateFolder {
    /// Returns false only if the system says that there is no journal. What it cannot tell is an error: operations that are
    /// half done must not be taken for none.
    pub(super) fn has_journal(&self) -> Result<bool, StoreError> {
        let path = self.journal_path();
        path.try_exists().map_err(|error| StoreError::io("look at", &path, error))
    }

    /// Opens the folder of temporary files; makes it where it is missing, as in a copy without empty folders.
    pub(super) fn temp_folder(&self) -> Result<Arc<Dir>, StoreError> {
        let path = self.temp_dir();
        if let Some(dir) = Dir::open(&path)? {
            return Ok(Arc::new(dir));
        }
        self.make_run()?;
        let missing = || StoreError::io("open", &path, std::io::Error::from(ErrorKind::NotFound));
        Dir::open(&path)?.map(Arc::new).ok_or_else(missing)
    }
}

impl TempFiles {
    /// The changes of an entry; `None` where the document's folder is gone or no folder any more.
    pub(super) fn swaps(&self, entry: &Entry) -> Result<Vec<Option<Swap>>, StoreError> {
        let temps = self.state.temp_folder()?;
        let mut swaps = Vec::new();
        let mut walk = Walk::new(&self.folder);
        for (change, name) in entry.record.changes.iter().zip(&entry.temps) {
            let doc = match walk.site(&change.path) {
                Ok(Some(doc)) => doc,
                Ok(None) => {
                    swaps.push(None);
                    continue;
                }
                Err(error) if error.concerns_one_file() => {
                    swaps.push(None);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let dir = if name.starts_with(BESIDE_PREFIX) { Arc::clone(&doc.dir) } else { Arc::clone(&temps) };
            let temp = Site { dir, name: name.clone() };
            swaps.push(Some(Swap { doc, temp, before: change.before.clone(), after: change.after.clone() }));
        }
        Ok(swaps)
    }
}
