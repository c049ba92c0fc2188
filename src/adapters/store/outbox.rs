//! The outbox: where a process that may not write local state leaves its operations, beside the documents, for one that may.
//!
//! Each operation is a record `NNNNNNNN-<operation>.json` in the folder `.operations`: who did what to which documents, with
//! digests of what they said before and after. Beside it lies the file that was replaced. The folder ignores itself, so git
//! sees none of it. Records are put in place under the folder lock, so their numbers are the order of the operations.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::apply::{Draft, Planned, entry_of};
use super::error::StoreError;
use super::folder::{Dir, Renamed, Site, Sync};
use super::lock::Locked;
use super::record::{self, Operation};
use super::swap::{self, Seen, Swap};
use super::temp::{self, Guard, Temp};
use super::unsynced::Unsynced;
use super::{OperationLog, Outbox};
use crate::core::event::digest;
use crate::core::name::{AgentName, DocPath, OperationId, Revision};
use crate::core::time::Timestamp;

/// The folder of the records, in the coordination folder.
pub(super) const FOLDER: &str = ".operations";
/// What keeps git from looking into it.
const IGNORE: (&str, &str) = (".gitignore", "*\n");
/// The version of the records; one of another version is not honoured.
const VERSION: u32 = 1;
/// Digits of the number that a record's name begins with.
const DIGITS: usize = 8;
/// What the names of files begin with in which somebody else's bytes were found: nothing removes them.
const FOREIGN_PREFIX: &str = "save-";

/// One operation as it lies in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutboxRecord {
    pub(super) operation: Operation,
    pub(super) changes: Vec<OutboxChange>,
}

/// What it did to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutboxChange {
    pub(super) path: DocPath,
    /// Digest of the bytes before; `None`: it was not there.
    pub(super) before: Option<String>,
    /// Digest of the bytes after; `None`: it was removed.
    pub(super) after: Option<String>,
    /// The file in the outbox that holds what was replaced.
    pub(super) replaced: String,
}

#[derive(Serialize, Deserialize)]
struct WrittenRecord {
    version: u32,
    operation: String,
    agent: Option<String>,
    verb: String,
    at_ms: i64,
    base: Option<String>,
    changes: Vec<WrittenChange>,
}

#[derive(Serialize, Deserialize)]
struct WrittenChange {
    path: String,
    before: Option<String>,
    after: Option<String>,
    replaced: String,
}

impl OutboxRecord {
    fn new(operation: &Operation, drafts: &[Draft<'_>]) -> Self {
        let change = |draft: &Draft<'_>| OutboxChange {
            path: draft.planned.path.clone(),
            before: draft.planned.before().map(digest_of),
            after: draft.planned.after().map(digest_of),
            replaced: draft.temp.name.clone(),
        };
        Self { operation: operation.clone(), changes: drafts.iter().map(change).collect() }
    }

    /// The record as JSON with a line end.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Operation { id, agent, verb, at, base, .. } = &self.operation;
        let change = |change: &OutboxChange| WrittenChange {
            path: change.path.to_string(),
            before: change.before.clone(),
            after: change.after.clone(),
            replaced: change.replaced.clone(),
        };
        let written = WrittenRecord {
            version: VERSION,
            operation: id.to_string(),
            agent: agent.as_ref().map(ToString::to_string),
            verb: verb.clone(),
            at_ms: at.unix_ms(),
            base: base.as_ref().map(ToString::to_string),
            changes: self.changes.iter().map(change).collect(),
        };
        let mut bytes = serde_json::to_vec(&written).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a record; `None` if it is none of this version, or could lead out of the folder.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let written: WrittenRecord = serde_json::from_slice(bytes).ok()?;
        let change = |change: WrittenChange| {
            let is_own = record::is_temp_name(&change.replaced) && !is_record_name(&change.replaced);
            let path = DocPath::new(change.path).ok().filter(|_| is_own)?;
            Some(OutboxChange { path, before: change.before, after: change.after, replaced: change.replaced })
        };
        let operation = Operation {
            id: OperationId::new(written.operation).ok()?,
            agent: written.agent.map(AgentName::new).transpose().ok()?,
            verb: written.verb,
            at: Timestamp::from_unix_ms(written.at_ms),
            base: written.base.map(|base| Revision::new(base).ok_or(())).transpose().ok()?,
            branch: None,
        };
        let changes: Vec<OutboxChange> = written.changes.into_iter().map(change).collect::<Option<_>>()?;
        (written.version == VERSION && !changes.is_empty()).then_some(Self { operation, changes })
    }
}

/// What a record says of the bytes of a document.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    digest(&[bytes])
}

/// Returns true if a file of the outbox is called like a record.
pub(super) fn is_record_name(name: &str) -> bool {
    number_of(name).is_some() && name.ends_with(".json")
}

fn number_of(name: &str) -> Option<u64> {
    let (number, _) = name.split_once('-')?;
    number.parse().ok().filter(|_| number.len() == DIGITS)
}

/// The names of the records of an outbox, in the order of the operations.
pub(super) fn record_names(outbox: &Dir) -> Result<Vec<String>, StoreError> {
    let mut names = file_names(outbox)?;
    names.retain(|name| is_record_name(name));
    names.sort_unstable();
    Ok(names)
}

/// The names of all files of an outbox but those that stay.
pub(super) fn file_names(outbox: &Dir) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in outbox.list()? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != IGNORE.0 && !name.starts_with(FOREIGN_PREFIX) {
            names.push(name);
        }
    }
    Ok(names)
}

impl Outbox {
    /// The outbox, if it is there.
    pub(super) fn open(&self) -> Result<Option<Arc<Dir>>, StoreError> {
        let parts = [&self.folder.parts, [FOLDER.to_owned()].as_slice()].concat();
        Ok(Dir::below(&self.folder.root, &parts)?.map(Arc::new))
    }

    /// The folder of the outbox, whether it is there or not.
    #[must_use]
    pub fn folder(&self) -> std::path::PathBuf {
        self.folder.path().join(FOLDER)
    }

    /// Makes the outbox, where it is missing.
    ///
    /// # Errors
    /// [`StoreError`] if something else stands in its place, or the system refuses.
    pub fn make(&self) -> Result<(), StoreError> {
        self.made().map(drop)
    }

    /// The outbox, after making it with the coordination folder.
    pub(super) fn made(&self) -> Result<Arc<Dir>, StoreError> {
        self.folder.make()?;
        let missing = || StoreError::io("open", &self.folder(), std::io::ErrorKind::NotFound);
        let outbox = Arc::new(self.folder.open()?.ok_or_else(missing)?.make_child(FOLDER, self.state.sync())?);
        if outbox.stat(IGNORE.0)?.is_none() {
            let draft = temp::write(fresh(&outbox), IGNORE.1.as_bytes(), None, Sync::No, Guard::Own)?;
            draft.site.move_to(&Site { dir: Arc::clone(&outbox), name: IGNORE.0.to_owned() })?;
        }
        Ok(outbox)
    }

    fn sync(&self, outbox: &Dir, swaps: &[Swap]) -> Result<(), StoreError> {
        if self.state.sync() == Sync::No {
            return Ok(());
        }
        outbox.sync()?;
        swaps.iter().try_for_each(|swap| swap.doc.dir.sync())
    }
}

impl OperationLog {
    /// One try of an operation whose record goes to the outbox; `None` if somebody was faster.
    pub(super) fn attempt_by_outbox(
        &self,
        operation: &Operation,
        plan: &[Planned<'_>],
        lock: Option<Locked>,
    ) -> Result<Option<Unsynced>, StoreError> {
        let outbox = self.outbox.made()?;
        let mut drafts = self.write_drafts(plan, &|_| Ok(fresh(&outbox)))?;
        let bytes = OutboxRecord::new(operation, &drafts).to_bytes();
        let note = temp::write(fresh(&outbox), &bytes, None, self.state.sync(), Guard::Own)?;
        let lock = lock.map_or_else(|| self.locks.lock_unpaused_read_only(), Ok)?;
        let Some(swaps) = self.compare(plan, &drafts)? else { return Ok(None) };
        let last = record_names(&outbox)?.last().and_then(|name| number_of(name)).unwrap_or(0);
        let name = format!("{:0DIGITS$}-{}.json", last + 1, operation.id);
        let place = Site { dir: Arc::clone(&outbox), name };
        if note.site.move_to(&place)? != Renamed::Yes {
            return Ok(None);
        }
        drafts.iter_mut().filter_map(|draft| draft.file.as_mut()).for_each(Temp::keep);
        let all: Vec<usize> = (0..swaps.len()).collect();
        match swap::forward_all(&swaps, &all) {
            Ok(None) => {}
            Ok(Some(_)) => {
                place.unlink()?;
                clear_drafts(&swaps)?;
                return Ok(None);
            }
            Err(error) => {
                // What could not be taken back is judged by whoever takes the record in.
                if swaps.iter().all(|swap| matches!(swap.stand(), Ok(swap::Stand::Waiting | swap::Stand::Overtaken))) {
                    place.unlink()?;
                    clear_drafts(&swaps)?;
                }
                return Err(error);
            }
        }
        drop(lock);
        self.outbox.sync(&outbox, &swaps)?;
        for swap in &swaps {
            if swap.has_late_save().unwrap_or(false) && self.take_back_outbox(&place, &swaps)? {
                return Ok(None);
            }
        }
        let entry = entry_of(operation, &drafts);
        Ok(Some(Unsynced::new(self, None, entry, swaps)))
    }

    /// Takes an operation back whose record nobody has taken in yet; `false` if it stays.
    fn take_back_outbox(&self, place: &Site, swaps: &[Swap]) -> Result<bool, StoreError> {
        let _lock = self.locks.lock_folder_read_only()?;
        if place.dir.stat(&place.name)?.is_none() {
            return Ok(false);
        }
        for swap in swaps {
            if !swap.is_untouched()? {
                return Ok(false);
            }
        }
        let all: Vec<usize> = (0..swaps.len()).collect();
        swap::back_all(swaps, &all)?;
        place.unlink()?;
        clear_drafts(swaps)?;
        Ok(true)
    }
}

fn fresh(outbox: &Arc<Dir>) -> Site {
    Site { dir: Arc::clone(outbox), name: temp::fresh_name() }
}

/// Removes the drafts of an operation that was taken back. Bytes that somebody else put there stay.
fn clear_drafts(swaps: &[Swap]) -> Result<(), StoreError> {
    for swap in swaps {
        if Seen::at(&swap.temp)?.is(swap.after.as_deref()) {
            swap.temp.unlink()?;
        } else {
            let name = format!("{FOREIGN_PREFIX}{}", swap.temp.name);
            swap.temp.move_to(&Site { dir: Arc::clone(&swap.temp.dir), name })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> OutboxRecord {
        let change = |path: &str, before: Option<&str>, after: Option<&str>| OutboxChange {
            path: DocPath::new(path).expect("valid"),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            replaced: "a-1".to_owned(),
        };
        OutboxRecord {
            operation: Operation {
                id: OperationId::new("op-1").expect("valid"),
                agent: AgentName::new("bob").ok(),
                verb: "task.note".to_owned(),
                at: Timestamp::from_unix_ms(1_234_567),
                base: Revision::new("0123456789abcdef0123456789abcdef01234567"),
                branch: None,
            },
            changes: vec![change("task-1.md", Some("a"), Some("b")), change("archive/2025-10/x.md", None, None)],
        }
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let nobody =
            OutboxRecord { operation: Operation { agent: None, base: None, ..record().operation }, ..record() };
        for record in [record(), nobody] {
            assert_eq!(OutboxRecord::from_bytes(&record.to_bytes()), Some(record));
        }
    }

    #[test]
    fn what_is_torn_strange_or_leads_out_is_no_record() {
        let text = String::from_utf8(record().to_bytes()).expect("text");
        for end in 0..text.len() - 1 {
            assert_eq!(OutboxRecord::from_bytes(&text.as_bytes()[..end]), None, "{end}");
        }
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("task-1.md", "../task-1.md"),
            ("task-1.md", "task-1.txt"),
            ("a-1", "../a-1"),
            ("a-1", "00000001-x.json"),
            ("op-1", "op 1\\n"),
            ("bob", "b b"),
        ] {
            assert_eq!(OutboxRecord::from_bytes(text.replace(from, to).as_bytes()), None, "{to}");
        }
    }

    #[test]
    fn names_of_records_are_told_from_others() {
        for (name, is_record) in [
            ("00000001-op-1.json", true),
            ("99999999-x.json", true),
            ("1-x.json", false),
            ("00000001-x", false),
            ("publishing.json", false),
            (".gitignore", false),
            ("7091-0-18ecb7dc71c7b476-c048c475032172e9", false),
        ] {
            assert_eq!(is_record_name(name), is_record, "{name}");
        }
    }
}
