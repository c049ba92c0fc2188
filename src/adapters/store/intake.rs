//! Taking in what lies in the outbox: operations of processes that may not write local state become records of the journal.
//! Whoever holds the folder lock and may write the journal does so first, so the journal has all operations in their order.
//!
//! A record is honoured if it is the user's own, git does not track it, and the documents are as it says. What is not
//! honoured stays until [`OperationLog::clear_outbox`] removes it and says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{EntryType, StoreError};
use super::folder::{Dir, Site, stamp_of, what_of};
use super::journal::Journal;
use super::outbox::{OutboxRecord, digest_of, file_names, is_record_name, record_names};
use super::plain;
use super::record::{Entry, Record, RecordedChange, State};
use super::swap::{Seen, Swap};
use super::{DOCUMENT_BYTES_MAX, Durability, LeaseFiles, OperationLog, Outbox, StateFolder, read, sweep, temp};
use crate::core::name::{DocPath, visible};

/// Knows of records what the store cannot know.
pub trait IntakeRules: fmt::Debug + Send + Sync {
    /// Which of these paths below the worktree git tracks: what came with a commit proves nothing. `None` if that cannot be
    /// known now.
    fn tracked(&self, paths: &[String]) -> Option<BTreeSet<String>>;

    /// Called for operations that were taken in, under the folder lock.
    fn note_taken_in(&self, leases: &LeaseFiles, records: &[Record]);
}

/// The rules of a store.
#[derive(Debug, Clone)]
pub struct Intake(pub Arc<dyn IntakeRules>);

/// A record that is not honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecord {
    /// The name of its file in the outbox, control characters made visible.
    pub name: String,
    /// Why.
    pub why: RecordFault,
}

/// Why a record is not honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordFault {
    /// It cannot be read as one, or is no plain file.
    Unreadable,
    /// Its file belongs to another user.
    Foreign,
    /// Git tracks its file.
    Tracked,
    /// This document is not as the record says.
    Differs(DocPath),
}

/// A record that was found.
struct FoundRecord {
    site: Site,
    record: Result<OutboxRecord, RecordFault>,
}

/// What the outbox comes to at one moment, in the order of the operations.
#[derive(Default)]
struct Judged {
    honoured: Vec<HonouredRecord>,
    refused: Vec<(FoundRecord, RecordFault)>,
}

/// An operation that is to be taken in, with the bytes of its documents.
struct HonouredRecord {
    site: Site,
    record: Record,
    /// The files in the outbox that hold what was replaced.
    replaced: Vec<String>,
}

impl Outbox {
    /// Operations in the outbox that will be taken in, for a process that may not do so. The caller holds the folder lock.
    pub(super) fn waiting(&self) -> Result<Vec<Record>, StoreError> {
        let Some(outbox) = self.open_filled()? else { return Ok(Vec::new()) };
        Ok(self.judge(&outbox)?.honoured.into_iter().map(|honoured| honoured.record).collect())
    }

    /// Removes drafts of writers that died before their record was in place.
    fn sweep(outbox: &Arc<Dir>) -> Result<(), StoreError> {
        for name in file_names(outbox)? {
            let site = Site { dir: Arc::clone(outbox), name };
            let Some(stat) = outbox.stat(&site.name)? else { continue };
            let is_young = read::age(&stamp_of(&stat)).is_some_and(|age| age < sweep::KEPT);
            let is_draft = !is_record_name(&site.name) && !site.name.ends_with(".json");
            if is_draft && what_of(&stat) == EntryType::File && !is_young && site.is_unlocked()? {
                site.unlink()?;
            }
        }
        Ok(())
    }

    /// The outbox, if there is a record in it. Where there never was one, it costs one look.
    fn open_filled(&self) -> Result<Option<Arc<Dir>>, StoreError> {
        if fs::symlink_metadata(self.folder()).is_err() {
            return Ok(None);
        }
        let Some(outbox) = self.open()? else { return Ok(None) };
        Ok((!record_names(&outbox)?.is_empty()).then_some(outbox))
    }

    /// Decides which records are honoured: from the newest back, each must have left what the next one found, and the newest
    /// what the documents say now.
    fn judge(&self, outbox: &Arc<Dir>) -> Result<Judged, StoreError> {
        let mut judged = Judged::default();
        let mut now: BTreeMap<DocPath, Option<Vec<u8>>> = BTreeMap::new();
        for found in self.found_records(outbox)?.into_iter().rev() {
            let fault = match &found.record {
                Err(fault) => fault.clone(),
                Ok(record) => match self.traced(outbox, record, &mut now)? {
                    Ok(changes) => {
                        let replaced = record.changes.iter().map(|change| change.replaced.clone()).collect();
                        let record = Record { operation: record.operation.clone(), changes };
                        judged.honoured.push(HonouredRecord { site: found.site, record, replaced });
                        continue;
                    }
                    Err(fault) => fault,
                },
            };
            judged.refused.push((found, fault));
        }
        judged.honoured.reverse();
        judged.refused.reverse();
        Ok(judged)
    }

    /// The changes of a record with their bytes, if it left the documents as they are `now`; then they are as it found them.
    fn traced(
        &self,
        outbox: &Arc<Dir>,
        record: &OutboxRecord,
        now: &mut BTreeMap<DocPath, Option<Vec<u8>>>,
    ) -> Result<Result<Vec<RecordedChange>, RecordFault>, StoreError> {
        let mut changes = Vec::new();
        for change in &record.changes {
            let differs = || Ok(Err(RecordFault::Differs(change.path.clone())));
            if !now.contains_key(&change.path) {
                let bytes = match self.folder.site(&change.path)? {
                    Some(site) => site.bytes()?,
                    None => None,
                };
                now.insert(change.path.clone(), bytes);
            }
            let after = now.get(&change.path).cloned().flatten();
            if after.as_deref().map(digest_of) != change.after {
                return differs();
            }
            let before = match &change.before {
                None => None,
                Some(digest) => {
                    let replaced = Site { dir: Arc::clone(outbox), name: change.replaced.clone() };
                    match Seen::at(&replaced)? {
                        Seen::Bytes(bytes) if digest_of(&bytes) == *digest => Some(bytes),
                        _ => return differs(),
                    }
                }
            };
            changes.push(RecordedChange { path: change.path.clone(), before, after });
        }
        for change in &changes {
            now.insert(change.path.clone(), change.before.clone());
        }
        Ok(Ok(changes))
    }

    fn found_records(&self, outbox: &Arc<Dir>) -> Result<Vec<FoundRecord>, StoreError> {
        let names = record_names(outbox)?;
        let folder = self.folder.parts.join("/");
        let path = |name: &String| format!("{folder}/{}/{name}", super::outbox::FOLDER);
        let paths: Vec<String> = names.iter().map(path).collect();
        let tracked = match &self.intake {
            Some(Intake(rules)) => rules.tracked(&paths),
            None => Some(BTreeSet::new()),
        };
        // As long as that is not known, the records wait.
        let Some(tracked) = tracked else { return Ok(Vec::new()) };
        let each = names.into_iter().zip(paths).map(|(name, path)| {
            let site = Site { dir: Arc::clone(outbox), name };
            let record = if tracked.contains(&path) { Err(RecordFault::Tracked) } else { Self::found_record(&site)? };
            Ok(FoundRecord { site, record })
        });
        each.collect()
    }

    fn found_record(site: &Site) -> Result<Result<OutboxRecord, RecordFault>, StoreError> {
        let Some(stat) = site.dir.stat(&site.name)? else { return Ok(Err(RecordFault::Unreadable)) };
        if what_of(&stat) != EntryType::File || stat.st_nlink != 1 {
            return Ok(Err(RecordFault::Unreadable));
        }
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Ok(Err(RecordFault::Foreign));
        }
        let bytes = match site.bytes() {
            Ok(bytes) => bytes.filter(|bytes| bytes.len() as u64 <= DOCUMENT_BYTES_MAX),
            Err(error) if error.concerns_one_file() => None,
            Err(error) => return Err(error),
        };
        Ok(bytes.as_deref().and_then(OutboxRecord::from_bytes).ok_or(RecordFault::Unreadable))
    }

    /// Finishes the newest operation if its writer died between its documents: all of it or nothing.
    fn finish_half_done(&self, outbox: &Arc<Dir>) -> Result<(), StoreError> {
        let Some(FoundRecord { site, record: Ok(record) }) = self.found_records(outbox)?.pop() else { return Ok(()) };
        let mut waiting = Vec::new();
        for change in &record.changes {
            let temp = Site { dir: Arc::clone(outbox), name: change.replaced.clone() };
            let Some(doc) = self.folder.site(&change.path)? else { return Ok(()) };
            let bytes = |site: &Site| match Seen::at(site)? {
                Seen::Bytes(bytes) => Ok::<_, StoreError>(Some(bytes)),
                Seen::Nothing | Seen::Strange => Ok(None),
            };
            let (here, aside) = (bytes(&doc)?, bytes(&temp)?);
            let is = |bytes: &Option<Vec<u8>>, digest: &Option<String>| bytes.as_deref().map(digest_of) == *digest;
            if is(&here, &change.before) && is(&aside, &change.after) && change.before != change.after {
                waiting.push(Swap { doc, temp, before: here, after: aside });
            } else if !is(&here, &change.after) {
                return Ok(());
            }
        }
        if waiting.len() == record.changes.len() {
            // It had not begun, and was never acknowledged.
            waiting.iter().try_for_each(|swap| swap.temp.unlink())?;
            return site.unlink();
        }
        waiting.iter().try_for_each(|swap| swap.forward().map(drop))
    }
}

impl OperationLog {
    /// Moves the operations of the outbox into the journal. The caller holds the folder lock.
    pub(super) fn take_in(&self, journal: &mut Journal, branch: Option<&str>) -> Result<(), StoreError> {
        let Some(outbox) = self.outbox.open_filled()? else { return Ok(()) };
        self.outbox.finish_half_done(&outbox)?;
        let mut honoured = self.outbox.judge(&outbox)?.honoured;
        if honoured.is_empty() {
            return Ok(());
        }
        for one in &mut honoured {
            one.record.operation.branch = branch.map(str::to_owned);
        }
        let known: Vec<_> = journal.frames()?.into_iter().map(|frame| frame.entry.record.operation.id).collect();
        let temps = self.state.temp_folder()?;
        let mut moves = Vec::new();
        let mut has_rotated = false;
        for HonouredRecord { site, record, replaced } in &honoured {
            let mut names = Vec::new();
            for (change, name) in record.changes.iter().zip(replaced) {
                let doc = self.folder.made_site(&change.path)?;
                let to = self.temps.free_site(&doc, &temps)?;
                names.push(to.name.clone());
                moves.push((Site { dir: Arc::clone(&site.dir), name: name.clone() }, to));
            }
            // It is there already if whoever took it in died before the record was removed.
            if !known.contains(&record.operation.id) {
                let entry = Entry { record: record.clone(), temps: names };
                let state_at = journal.append(&self.state.frame_of(&entry)?)?;
                has_rotated |= self.changes.tell(&self.changes.lines_of(record, 0));
                journal.finish(state_at, State::DONE)?;
            }
        }
        if self.state.durability != Durability::Off {
            journal.force()?;
        }
        // From here on the journal holds what the outbox held; a sweep looks at the replaced files when their time has come.
        for (from, to) in moves {
            from.move_to(&to)?;
        }
        honoured.iter().try_for_each(|honoured| honoured.site.unlink())?;
        if has_rotated {
            // What cannot be removed now is removed with the next segment.
            let _ = self.changes.prune();
        }
        if let Some(Intake(rules)) = &self.outbox.intake {
            let records: Vec<Record> = honoured.into_iter().map(|honoured| honoured.record).collect();
            rules.note_taken_in(&self.leases, &records);
        }
        Ok(())
    }

    /// Removes records that are not honoured, with what they left, and says which.
    ///
    /// # Errors
    /// [`StoreError`] if local state or the outbox cannot be read or written.
    pub fn clear_outbox(&self) -> Result<Vec<RefusedRecord>, StoreError> {
        let Some(outbox) = self.outbox.open()? else { return Ok(Vec::new()) };
        if file_names(&outbox)?.is_empty() {
            return Ok(Vec::new());
        }
        let _held = self.hold(None)?;
        let mut refused = Vec::new();
        for (found, why) in self.outbox.judge(&outbox)?.refused {
            for change in found.record.iter().flat_map(|record| &record.changes) {
                let replaced = Site { dir: Arc::clone(&outbox), name: change.replaced.clone() };
                let Seen::Bytes(bytes) = Seen::at(&replaced)? else { continue };
                let digest = Some(digest_of(&bytes));
                if digest != change.before && digest != change.after && !bytes.is_empty() {
                    self.state.keep_copy(&change.path, &bytes)?;
                }
                replaced.unlink()?;
            }
            found.site.unlink()?;
            refused.push(RefusedRecord { name: visible(&found.site.name), why });
        }
        Outbox::sweep(&outbox)?;
        Ok(refused)
    }
}

impl StateFolder {
    /// Keeps somebody's bytes where `doctor` names them.
    pub(super) fn keep_copy(&self, path: &DocPath, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let copy = self.run.join("recovered").join(format!("{}-{}.md", path.stem(), temp::fresh_name()));
        plain::write_copy(&copy, bytes).map_err(|source| StoreError::io("write", &copy, source))?;
        Ok(copy)
    }
}
