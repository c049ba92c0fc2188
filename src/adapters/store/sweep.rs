//! Cleaning up: temporary files whose time has come, late saves found in them, records nobody needs. A person's bytes
//! are never among what is cleaned: they are put back, or kept as a copy and reported.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::{EntryType, StoreError};
use super::folder::{Dir, Renamed, Site, stamp_of, what_of};
use super::journal::is_worth_compacting;
use super::read;
use super::record::{Entry, Frame, State};
use super::recover::Held;
use super::sabotage::{self, Sabotage};
use super::swap::{Seen, Swap};
use super::temp::{self, BESIDE_PREFIX};
use super::{OperationLog, Stamp, TempFiles};
use crate::core::name::{DocPath, OperationId};

/// A replaced file is kept this long after its last change: an editor that had it open may still write to it.
pub(super) const KEPT: Duration = Duration::from_secs(2);

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Temporary files removed.
    pub removed: usize,
    /// Saves that reached a replaced file.
    pub late: Vec<LateSave>,
}

/// Somebody's save that went to a file after it had been replaced, because their program had it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateSave {
    /// The document they meant.
    pub path: DocPath,
    /// The operation that had replaced it.
    pub operation: OperationId,
    /// Where their bytes are now.
    pub outcome: LateOutcome,
}

/// Where the bytes of a late save went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LateOutcome {
    /// Into the document, which nobody had changed since the operation.
    PutBack,
    /// Into this file, since the document has changed again.
    Copied(PathBuf),
}

/// The temporary files that there are.
pub(super) struct TempList {
    /// The folder in local state where they lie, unless they have to lie beside the documents.
    temps: Arc<Dir>,
    pub(super) sites: Vec<Site>,
}

/// What the sweep finds in a temporary file that a record names.
enum Parked {
    Gone,
    Young,
    Idle,
    Late,
}

impl OperationLog {
    /// Tells the journal that these operations are committed: their records go, and their temporary files once they
    /// are old enough.
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be read or written.
    pub fn forget(&self, operations: &[OperationId]) -> Result<Swept, StoreError> {
        if !self.state.has_journal()? {
            return Ok(Swept::default());
        }
        let wanted: HashSet<&OperationId> = operations.iter().collect();
        let mut held = self.hold(None)?;
        let listed = self.temps.list()?;
        let mut frames = held.journal.frames()?;
        for frame in frames.iter_mut().filter(|frame| wanted.contains(&frame.entry.record.operation.id)) {
            frame.state = frame.state.forgotten();
            held.journal.set_state(frame.state_at as u64, frame.state)?;
        }
        if sabotage::active(Sabotage::NoSweep) {
            return Ok(Swept::default());
        }
        if listed.sites.is_empty() {
            // The usual end of a command: while the folder is held nobody can leave a temporary file to a record.
            frames.iter_mut().filter(|frame| waits_for_sweep(frame)).try_for_each(|frame| settle(&held, frame))?;
            held.journal.compact(&self.state, &frames)?;
            return Ok(Swept::default());
        }
        drop(held);
        self.sweep_listed(&listed, &frames)
    }

    /// Removes temporary files that are older than two seconds and belong to nobody alive, and saves what people wrote
    /// to files that were replaced under them.
    ///
    /// # Errors
    /// [`StoreError`] if the run state or a document cannot be read or written.
    pub fn sweep(&self) -> Result<Swept, StoreError> {
        if !self.state.has_journal()? || sabotage::active(Sabotage::NoSweep) {
            return Ok(Swept::default());
        }
        // Listed before the journal is read: what is recorded in between is not taken for an orphan.
        let listed = self.temps.list()?;
        let frames = self.hold(None)?.unlock().frames()?;
        self.sweep_listed(&listed, &frames)
    }

    fn sweep_listed(&self, listed: &TempList, frames: &[Frame]) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let known: HashSet<&str> = frames.iter().flat_map(|f| &f.entry.temps).map(String::as_str).collect();
        let journal = LazyCell::new(|| fs::metadata(self.state.journal_path()).map(|meta| meta.ino()).ok());
        for site in listed.sites.iter().filter(|site| !known.contains(site.name.as_str())) {
            if remove_second_name(site, *journal)? || remove_orphan(site)? {
                swept.removed += 1;
            }
        }
        let mut settled = HashSet::new();
        for frame in frames.iter().filter(|frame| waits_for_sweep(frame)) {
            if self.sweep_frame(frame, &listed.temps, &mut swept)? {
                settled.insert(frame.entry.temps.clone());
            }
        }
        if !settled.is_empty() || is_worth_compacting(frames) {
            self.settle(&settled)?;
        }
        Ok(swept)
    }

    /// Notes in the journal which records have no temporary files left, and drops those that nobody needs.
    fn settle(&self, settled: &HashSet<Vec<String>>) -> Result<(), StoreError> {
        let mut held = self.hold(None)?;
        let mut frames = held.journal.frames()?;
        for frame in frames.iter_mut().filter(|frame| settled.contains(&frame.entry.temps)) {
            settle(&held, frame)?;
        }
        held.journal.compact(&self.state, &frames)
    }

    /// Looks at the temporary files of one record; true if none is left.
    fn sweep_frame(&self, frame: &Frame, temps: &Arc<Dir>, swept: &mut Swept) -> Result<bool, StoreError> {
        let mut left = false;
        for (index, site) in self.temps.parked(&frame.entry, temps)?.into_iter().enumerate() {
            let Some(site) = site else { continue };
            match look(frame, index, &site)? {
                Parked::Gone => {}
                Parked::Young => left = true,
                Parked::Idle => {
                    site.unlink()?;
                    swept.removed += 1;
                }
                Parked::Late => {
                    // The put-back leaves our own bytes under the name, for the next sweep.
                    left = true;
                    swept.late.extend(self.save_late(frame, index, temps)?);
                }
            }
        }
        Ok(!left)
    }

    /// Puts a late save into the document if nobody changed it since, else keeps a copy.
    fn save_late(&self, frame: &Frame, index: usize, temps: &Arc<Dir>) -> Result<Option<LateSave>, StoreError> {
        let _held = self.hold(None)?;
        let change = &frame.entry.record.changes[index];
        let saved = |outcome| {
            let operation = frame.entry.record.operation.id.clone();
            Ok(Some(LateSave { path: change.path.clone(), operation, outcome }))
        };
        let swap = self.temps.swaps(&frame.entry)?.into_iter().nth(index).flatten();
        if let Some(swap) = &swap {
            if Seen::at(&swap.doc)? == Seen::at(&swap.temp)? {
                swap.temp.unlink()?;
                return Ok(None);
            }
            if put_back(swap, frame.state.is_done())? {
                return saved(LateOutcome::PutBack);
            }
        }
        let Some(site) = self.temps.parked(&frame.entry, temps)?.into_iter().nth(index).flatten() else {
            return Ok(None);
        };
        let Some(bytes) = site.bytes()? else { return Ok(None) };
        // On the disk before what it is a copy of goes.
        let copy = self.state.keep_copy(&change.path, &bytes)?;
        site.unlink()?;
        saved(LateOutcome::Copied(copy))
    }
}

impl TempFiles {
    /// Where the temporary files of an entry are, also if the document's folder is gone.
    fn parked(&self, entry: &Entry, temps: &Arc<Dir>) -> Result<Vec<Option<Site>>, StoreError> {
        let place = |(path, name): (&DocPath, &String)| {
            let dir = if name.starts_with(BESIDE_PREFIX) {
                self.folder.site(path)?.map(|site| site.dir)
            } else {
                Some(Arc::clone(temps))
            };
            Ok(dir.map(|dir| Site { dir, name: name.clone() }))
        };
        entry.record.changes.iter().map(|change| &change.path).zip(&entry.temps).map(place).collect()
    }

    /// Every temporary file there is.
    pub(super) fn list(&self) -> Result<TempList, StoreError> {
        let temps = self.state.temp_folder()?;
        let mut sites = names(&temps, "")?;
        if self.beside_path().exists()
            && let Some(folder) = self.folder.open()?.map(Arc::new)
        {
            sites.extend(names(&folder, BESIDE_PREFIX)?);
            for (path, _) in self.folder.scan()?.files {
                if path.is_archived()
                    && let Some(site) = self.folder.site(&path)?
                {
                    sites.extend(names(&site.dir, BESIDE_PREFIX)?);
                }
            }
        }
        Ok(TempList { temps, sites })
    }

    pub(super) fn beside_path(&self) -> PathBuf {
        self.state.run.join("beside")
    }
}

/// Tells whether there may be temporary files of a record to look at.
fn waits_for_sweep(frame: &Frame) -> bool {
    !frame.state.is_settled() && !frame.state.is_pending()
}

/// Notes that a record has no temporary files left.
fn settle(held: &Held, frame: &mut Frame) -> Result<(), StoreError> {
    // What was taken back was never acknowledged and is in no commit: nobody will ask to forget it.
    let state = if frame.state.is_done() { frame.state } else { State::DROPPED.forgotten() };
    frame.state = state.settled();
    held.journal.set_state(frame.state_at as u64, frame.state)
}

fn names(dir: &Arc<Dir>, prefix: &str) -> Result<Vec<Site>, StoreError> {
    let mut sites = Vec::new();
    for entry in dir.list()? {
        if let Ok(name) = entry.file_name().to_str()
            && name.starts_with(prefix)
        {
            sites.push(Site { dir: Arc::clone(dir), name: name.to_owned() });
        }
    }
    Ok(sites)
}

fn look(frame: &Frame, index: usize, site: &Site) -> Result<Parked, StoreError> {
    let Some(stat) = site.dir.stat(&site.name)? else { return Ok(Parked::Gone) };
    if is_young(&stamp_of(&stat)) {
        return Ok(Parked::Young);
    }
    let change = &frame.entry.record.changes[index];
    let seen = Seen::at(site)?;
    if seen == Seen::Strange {
        // A link or folder that came out of an exchange and could not go back: left where it is, not followed.
        return Ok(Parked::Gone);
    }
    // A file that was emptied and never written again is no save: the program died between the two.
    let ours = sabotage::is_blind()
        || seen.is(change.before.as_deref())
        || seen.is(change.after.as_deref())
        || seen.is(Some(b""));
    Ok(if ours { Parked::Idle } else { Parked::Late })
}

/// Puts a late save back where the document is as the operation left it; false if it is not.
fn put_back(swap: &Swap, done: bool) -> Result<bool, StoreError> {
    let expected = if done { &swap.after } else { &swap.before };
    if !Seen::at(&swap.doc)?.is(expected.as_deref()) {
        return Ok(false);
    }
    if expected.is_none() {
        return Ok(swap.temp.move_to(&swap.doc)? == Renamed::Yes);
    }
    if swap.doc.exchange(&swap.temp)? != Renamed::Yes {
        return Ok(false);
    }
    if Seen::at(&swap.temp)?.is(expected.as_deref()) {
        return Ok(true);
    }
    // Somebody saved in this very moment: theirs is newer, ours goes back to be copied.
    swap.doc.exchange(&swap.temp)?;
    Ok(false)
}

fn is_young(stamp: &Stamp) -> bool {
    read::age(stamp).is_some_and(|age| age < KEPT)
}

/// Removes the name under which the journal was made, if it is still there: the file never gets old under it.
fn remove_second_name(site: &Site, journal: Option<u64>) -> Result<bool, StoreError> {
    let Some(stat) = site.dir.stat(&site.name)? else { return Ok(false) };
    if journal != Some(stat.st_ino) {
        return Ok(false);
    }
    site.unlink()?;
    Ok(true)
}

/// Removes a temporary file that no record names, if it is old and its writer is dead; a living one holds its lock.
fn remove_orphan(site: &Site) -> Result<bool, StoreError> {
    let Some(stat) = site.dir.stat(&site.name)? else { return Ok(false) };
    if what_of(&stat) != EntryType::File || is_young(&stamp_of(&stat)) || !site.is_unlocked()? {
        return Ok(false);
    }
    if let Some(leader) = temp::leader(site)
        && !leader.is_unlocked()?
    {
        return Ok(false);
    }
    site.unlink()?;
    Ok(true)
}
