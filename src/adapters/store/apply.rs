//! Applying one operation: read, decide, write aside, lock, compare, record, exchange, look, unlock, sync.
//! It never merges: when somebody was faster, the caller decides again on the new bytes.

use std::sync::atomic::Ordering;

use super::error::{ApplyError, StoreError};
use super::folder::{Site, Sync, Walk};
use super::lock::Locked;
use super::record::{Entry, Operation, Record, RecordedChange, State};
use super::recover::Held;
use super::sabotage::{self, Sabotage};
use super::swap::{self, Forward, Stand, Swap};
use super::temp::{self, Guard, Temp};
use super::unsynced::Unsynced;
use super::{Contents, DOCUMENT_BYTES_MAX, Durability, OperationLog, TempFiles};
use crate::core::name::DocPath;

/// How often an operation is decided without the folder lock. After that many defeats the lock is held from reading to
/// exchanging, so that no other process of ours can win again.
const FREE_ATTEMPTS: u32 = 4;
/// How often an operation is decided in all; beyond that a person's program saves faster than we can follow.
const ATTEMPTS_MAX: u32 = 50;
/// From so many documents on, the contents of one operation are written to the disk by one flush of the file system: then it
/// takes less than a flush of each.
const FLUSH_TOGETHER_MIN: usize = 64;

/// What is to happen to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing. It is still compared, so the decision holds for it too.
    Keep,
    /// These are its bytes from now on; made if it was not there.
    Write(Vec<u8>),
    /// It is removed.
    Remove,
}

/// A caller's decision: the documents' bytes, in order, to one action for each, or a refusal.
pub type Decide<'a, E> = dyn FnMut(&[Option<Vec<u8>>]) -> Result<Vec<Action>, E> + 'a;

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedChanges {
    /// The documents whose bytes changed; none if the decision kept everything as it was (then nothing is recorded).
    pub changes: Vec<RecordedChange>,
    /// How often it was decided.
    pub attempts: u32,
}

/// When an operation waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Now,
    Later,
}

/// One document of the operation as it was read, with what was decided.
pub(super) struct Planned<'a> {
    pub(super) path: &'a DocPath,
    read: Option<Contents>,
    action: Action,
}

impl Planned<'_> {
    pub(super) fn before(&self) -> Option<&[u8]> {
        self.read.as_ref().map(|contents| contents.bytes.as_slice())
    }

    pub(super) fn after(&self) -> Option<&[u8]> {
        match &self.action {
            Action::Keep => self.before(),
            Action::Write(bytes) => Some(bytes),
            Action::Remove => None,
        }
    }

    fn changes(&self) -> bool {
        self.before() != self.after()
    }
}

/// A change that is written aside.
pub(super) struct Draft<'a> {
    pub(super) planned: &'a Planned<'a>,
    pub(super) temp: Site,
    pub(super) file: Option<Temp>,
}

/// The folder lock as an operation holds it.
enum FolderGuard {
    /// With the journal.
    Journal(Held),
    /// Without: the operation's record goes to the outbox.
    Outbox(Locked),
}

impl OperationLog {
    /// Applies an operation to the documents it names, all or none.
    ///
    /// `decide` is given their bytes, in order (`None`: not there), and answers with one action for each. It is asked
    /// again whenever somebody else was faster, so it must not do anything but decide, and must not use the store.
    /// When this returns `Ok`, the change is durable (see [`Durability`]) and in the journal.
    ///
    /// # Errors
    /// [`ApplyError::Refused`] with the error of `decide`; [`ApplyError::Store`] if the system refuses, a document is
    /// too big or strange, or others keep changing it. In each case the documents are as they would be without the call.
    pub fn apply<E>(
        &self,
        operation: &Operation,
        paths: &[DocPath],
        decide: &mut Decide<'_, E>,
    ) -> Result<AppliedChanges, ApplyError<E>> {
        Ok(self.apply_as(operation, paths, decide, Wait::Now)?.0)
    }

    /// The same, but it does not wait for the disk: the change is in place and in the journal, and not to be acknowledged
    /// before [`Unsynced::wait`]. There is nothing to wait for (`None`) if nothing changed.
    ///
    /// # Errors
    /// As [`OperationLog::apply`], but for what the disk says later.
    pub fn apply_unsynced<E>(
        &self,
        operation: &Operation,
        paths: &[DocPath],
        decide: &mut Decide<'_, E>,
    ) -> Result<Option<Unsynced>, ApplyError<E>> {
        Ok(self.apply_as(operation, paths, decide, Wait::Later)?.1)
    }

    fn apply_as<E>(
        &self,
        operation: &Operation,
        paths: &[DocPath],
        decide: &mut Decide<'_, E>,
        wait: Wait,
    ) -> Result<(AppliedChanges, Option<Unsynced>), ApplyError<E>> {
        let mut again = 0;
        for attempts in 1..=ATTEMPTS_MAX {
            let held = if attempts > FREE_ATTEMPTS { Some(self.guard_folder(operation)?) } else { None };
            let mut walk = Walk::new(&self.folder);
            let read =
                paths.iter().map(|path| self.folder.read_settled(&mut walk, path)).collect::<Result<Vec<_>, _>>()?;
            let bytes: Vec<_> = read.iter().map(|read| read.as_ref().map(|contents| contents.bytes.clone())).collect();
            let mut actions = decide(&bytes).map_err(ApplyError::Refused)?.into_iter();
            let plan: Vec<Planned> = paths
                .iter()
                .zip(read)
                .map(|(path, read)| Planned { path, read, action: actions.next().unwrap_or(Action::Keep) })
                .collect();
            if !plan.iter().any(Planned::changes) {
                drop(held);
                self.make_found_durable(&mut walk, &plan)?;
                return Ok((AppliedChanges { changes: Vec::new(), attempts }, None));
            }
            if let Some(change) = self.attempt(operation, &plan, held, wait, &mut again)? {
                let changes = change.entry.record.changes.clone();
                return Ok((AppliedChanges { changes, attempts }, Some(change)));
            }
        }
        let path = paths.first().map(|path| self.folder.root.join(path.as_str())).unwrap_or_default();
        Err(StoreError::Restless { path, attempts: ATTEMPTS_MAX }.into())
    }

    /// One try; `None` if somebody was faster.
    fn attempt(
        &self,
        operation: &Operation,
        plan: &[Planned],
        held: Option<FolderGuard>,
        wait: Wait,
        again: &mut u32,
    ) -> Result<Option<Unsynced>, StoreError> {
        self.check_sizes(plan)?;
        let held = match (held, self.state.make_run()) {
            (Some(FolderGuard::Outbox(lock)), _) => return self.attempt_by_outbox(operation, plan, Some(lock)),
            (None, Err(error)) if error.is_state_read_only() => return self.attempt_by_outbox(operation, plan, None),
            (Some(FolderGuard::Journal(held)), made) => made.map(|()| Some(held))?,
            (None, made) => made.map(|()| None)?,
        };
        let temps = self.state.temp_folder()?;
        let mut drafts = self.write_drafts(plan, &|doc| self.temps.free_site(doc, &temps))?;
        // Made before the lock is taken: it may be megabytes.
        let entry = entry_of(operation, &drafts);
        let frame = self.state.frame_of(&entry)?;
        let lines = self.changes.lines_of(&entry.record, *again);
        let mut held = held.map_or_else(|| self.hold_to_write(operation.branch.as_deref()), Ok)?;
        let Some(swaps) = self.compare(plan, &drafts)? else { return Ok(None) };
        sabotage::die_if(Sabotage::DieBeforeAppend);
        let state_at = held.journal.append(&frame)?;
        // From here on the journal knows the temporary files, and sweeping removes them.
        drafts.iter_mut().filter_map(|draft| draft.file.as_mut()).for_each(Temp::keep);
        sabotage::die_if(Sabotage::DieAfterAppend);
        let all: Vec<usize> = (0..swaps.len()).collect();
        let outcome = match swap::forward_all(&swaps, &all) {
            Ok(outcome) => outcome,
            Err(error) => {
                // What could not be taken back stays marked as under way: the next holder of the lock finishes it.
                if swaps.iter().all(|swap| matches!(swap.stand(), Ok(Stand::Waiting | Stand::Overtaken))) {
                    held.journal.finish(state_at, State::DROPPED)?;
                }
                return Err(error);
            }
        };
        if let Some(outcome) = outcome {
            if outcome == Forward::OtherFileSystem {
                self.temps.note_beside()?;
            }
            held.journal.finish(state_at, State::DROPPED)?;
            return Ok(None);
        }
        sabotage::die_if(Sabotage::DieAfterExchange);
        let has_rotated = !sabotage::active(Sabotage::TellUnlocked) && self.changes.tell(&lines);
        sabotage::die_if(Sabotage::DieAfterTelling);
        if let Err(error) = held.journal.finish(state_at, State::DONE) {
            give_up(&mut held, state_at, &swaps);
            return Err(error);
        }
        let journal = held.unlock();
        self.after_telling(has_rotated, &lines);
        drop(drafts);
        let change = Unsynced::new(self, Some(journal), entry, swaps);
        if wait == Wait::Now {
            change.wait()?;
        }
        for swap in change.swaps.iter() {
            // In place it is; where this look fails, the sweep looks again.
            if swap.has_late_save().unwrap_or(false) && self.take_back(&change.entry, &change.swaps)? {
                *again += 1;
                return Ok(None);
            }
        }
        Ok(Some(change))
    }

    /// Holds the folder from reading to exchanging.
    fn guard_folder(&self, operation: &Operation) -> Result<FolderGuard, StoreError> {
        match self.hold_to_write(operation.branch.as_deref()) {
            Err(error) if error.is_state_read_only() => self.locks.lock_unpaused_read_only().map(FolderGuard::Outbox),
            held => held.map(FolderGuard::Journal),
        }
    }

    /// What is left to do for the feed when the lock is given back.
    fn after_telling(&self, has_rotated: bool, lines: &[u8]) {
        if sabotage::active(Sabotage::TellUnlocked) {
            sabotage::linger_until_grown(&self.changes.folder());
            self.changes.tell(lines);
        }
        if has_rotated {
            // What cannot be removed now is removed with the next segment.
            let _ = self.changes.prune();
        }
    }

    fn check_sizes(&self, plan: &[Planned]) -> Result<(), StoreError> {
        for planned in plan.iter().filter(|planned| planned.changes()) {
            let size = planned.before().map_or(0, <[u8]>::len).max(planned.after().map_or(0, <[u8]>::len));
            if size as u64 > DOCUMENT_BYTES_MAX {
                let path = self.folder.path().join(planned.path.as_str());
                return Err(StoreError::TooBig { path, max: DOCUMENT_BYTES_MAX });
            }
        }
        Ok(())
    }

    /// Writes what is new aside, each document to the free name that `place` gives for it.
    pub(super) fn write_drafts<'a>(
        &self,
        plan: &'a [Planned<'a>],
        place: &dyn Fn(&Site) -> Result<Site, StoreError>,
    ) -> Result<Vec<Draft<'a>>, StoreError> {
        let changing: Vec<&Planned> = plan.iter().filter(|planned| planned.changes()).collect();
        let together = match self.state.durability {
            Durability::Full => changing.len() >= FLUSH_TOGETHER_MIN,
            Durability::Batch => changing.len() > 1,
            Durability::Off => false,
        };
        let sync = if together { Sync::No } else { self.state.sync() };
        let mut drafts: Vec<Draft> = Vec::new();
        let mut walk = Walk::new(&self.folder);
        for planned in changing {
            let doc = match walk.site(planned.path)? {
                Some(doc) => doc,
                None => self.folder.made_site(planned.path)?,
            };
            let leader = drafts.iter().find(|draft| draft.file.is_some()).map(|draft| draft.temp.clone());
            let temp = place(&doc)?;
            let (temp, guard) = match leader.filter(|leader| leader.dir.path() == temp.dir.path()) {
                Some(leader) => (temp::following(&leader, drafts.len()), Guard::Leader),
                None => (temp, Guard::Own),
            };
            let mode = planned.read.as_ref().map(|contents| contents.stamp.mode);
            let file = match planned.after() {
                Some(bytes) => Some(temp::write(temp.clone(), bytes, mode, sync, guard)?),
                None => None,
            };
            drafts.push(Draft { planned, temp, file });
        }
        if together && let Some(draft) = drafts.first() {
            draft.temp.dir.sync_file_system()?;
        }
        Ok(drafts)
    }

    /// Compares every document with what was read; `None` if one differs, its folder is gone, or a draft was swept.
    pub(super) fn compare(&self, plan: &[Planned], drafts: &[Draft]) -> Result<Option<Vec<Swap>>, StoreError> {
        let mut walk = Walk::new(&self.folder);
        for planned in plan {
            let now = match walk.site(planned.path)? {
                Some(site) => site.bytes()?,
                None => None,
            };
            if now.as_deref() != planned.before() && !sabotage::active(Sabotage::NoCompare) {
                return Ok(None);
            }
        }
        let mut swaps = Vec::new();
        for draft in drafts {
            let Some(doc) = walk.site(draft.planned.path)? else { return Ok(None) };
            swaps.push(Swap {
                doc,
                temp: draft.temp.clone(),
                before: draft.planned.before().map(<[u8]>::to_vec),
                after: draft.planned.after().map(<[u8]>::to_vec),
            });
        }
        Ok(Some(swaps))
    }

    /// What is so already was done by somebody who may have died before it was on the disk: an answer waits for the disk
    /// in any case.
    fn make_found_durable(&self, walk: &mut Walk<'_>, plan: &[Planned]) -> Result<(), StoreError> {
        if self.state.durability == Durability::Off {
            return Ok(());
        }
        if let Some(journal) = super::journal::Journal::open(&self.state.journal_path(), self.state.boot)? {
            match journal.sync(&self.state) {
                // Whoever may only read it has not written it.
                Err(StoreError::NotDurable { source, .. }) if super::error::is_refusal(&source) => {}
                synced => synced?,
            }
        }
        for planned in plan {
            if let Some(site) = walk.site(planned.path)? {
                site.sync()?;
                site.dir.sync()?;
            }
        }
        Ok(())
    }

    /// Takes an operation back that was never acknowledged. `false` if others have built on it: then it stays.
    pub(super) fn take_back(&self, entry: &Entry, swaps: &[Swap]) -> Result<bool, StoreError> {
        let held = self.hold(None)?;
        let frames = held.journal.frames()?;
        let Some(frame) = frames.iter().rev().find(|frame| frame.entry.temps == entry.temps) else { return Ok(false) };
        for swap in swaps {
            if !swap.is_untouched()? {
                return Ok(false);
            }
        }
        let all: Vec<usize> = (0..swaps.len()).collect();
        swap::back_all(swaps, &all)?;
        held.journal.set_state(frame.state_at as u64, State::DROPPED)?;
        Ok(true)
    }
}

impl TempFiles {
    /// Remembers that temporary files lie beside the documents: this store at once, sweeps for good.
    pub(super) fn note_beside(&self) -> Result<(), StoreError> {
        self.beside.store(true, Ordering::Relaxed);
        let path = self.beside_path();
        super::share::write(&path, b"").map_err(|source| StoreError::io("write", &path, source))
    }
}

/// Takes everything back after the journal failed in the middle. If it fails again, the drafts go, so that nobody
/// finishes what its caller was told had failed.
fn give_up(held: &mut Held, state_at: u64, swaps: &[Swap]) {
    let all: Vec<usize> = (0..swaps.len()).collect();
    let back = swap::back_all(swaps, &all);
    if back.is_ok() && held.journal.finish(state_at, State::DROPPED).is_err() {
        for swap in swaps.iter().filter(|swap| swap.after.is_some()) {
            // What cannot be removed is swept later, or finished by the next holder: no more can be done here.
            let _ = swap.temp.unlink();
        }
    }
}

pub(super) fn entry_of(operation: &Operation, drafts: &[Draft]) -> Entry {
    let changes = drafts.iter().map(|draft| RecordedChange {
        path: draft.planned.path.clone(),
        before: draft.planned.before().map(<[u8]>::to_vec),
        after: draft.planned.after().map(<[u8]>::to_vec),
    });
    Entry {
        record: Record { operation: operation.clone(), changes: changes.collect() },
        temps: drafts.iter().map(|draft| draft.temp.name.clone()).collect(),
    }
}
