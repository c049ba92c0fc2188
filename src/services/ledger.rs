//! The ledger of claims as the operations need it: what is known of a task, and the entry of an operation that is under way.
//!
//! An entry is written under the claim lock before the document is changed, and kept open until it is: others see then that
//! its writer lives. One whose writer died is judged by the document. The lock itself is never held while waiting for the
//! disk.

use std::path::Path;
use std::time::Duration;

use super::{Error, Project};
use crate::adapters::git::{Repository, Target};
use crate::adapters::store::{
    self, BootClock, ClaimFile, ClaimLock, ClaimPart, DOCUMENT_BYTES_MAX, Durability, FOLDER_WAIT, StoreError,
};
use crate::core::document::Document;
use crate::core::entity::{self, Task};
use crate::core::lease::{
    BootTime, EntryState, EntryWriter, HolderDocument, LeaseEntry, LeaseEvidence, LeaseFacts, LeasePlace, LeaseRecord,
    LeaseRequest,
};
use crate::core::name::{AgentName, DocId, DocPath};
use crate::core::time::parse_span;

/// The lease where the configuration says nothing that can be used.
const LEASE_DEFAULT: Duration = Duration::from_secs(1_800);

/// What was in the ledger before.
#[derive(Debug, Clone)]
enum Before {
    Nothing,
    Something(ClaimPart, Vec<u8>),
}

/// The entry of an operation that is under way. Dropped, it is left to be judged by the document.
#[derive(Debug)]
pub(super) struct Seat {
    /// What the entry says.
    pub(super) entry: LeaseEntry,
    pub(super) file: ClaimFile,
    id: DocId,
    bytes: Vec<u8>,
    before: Before,
}

/// The task in a document, if it can be read as one.
pub(super) fn task_of(path: &DocPath, document: &Document) -> Option<Task> {
    match entity::read(path, document).entity {
        Some(entity::Entity::Task(task)) => Some(*task),
        _ => None,
    }
}

impl Project {
    /// The moment by which leases are counted.
    pub(super) fn moment(&self) -> BootTime {
        let BootClock { boot, ms, slept_ms } = self.store.boot_clock();
        BootTime { boot, ms, slept_ms }
    }

    /// A document of this work tree, as the place of a claim, without the branch.
    pub(super) fn here(&self, path: &DocPath) -> LeasePlace {
        LeasePlace { root: self.root.clone(), document: self.documents().in_repository(path), branch: None }
    }

    /// The same with the branch, for an entry of the ledger.
    pub(super) fn place(&self, path: &DocPath) -> Result<LeasePlace, Error> {
        let branch = self.records().head()?.and_then(|head| head.branch);
        Ok(LeasePlace { branch, ..self.here(path) })
    }

    /// The lock under which tasks are given.
    pub(super) fn lock_claims(&self) -> Result<ClaimLock, Error> {
        let busy = || StoreError::Busy { path: self.store.claim_lock_path(), waited: FOLDER_WAIT };
        Ok(self.store.lock_claims(FOLDER_WAIT)?.ok_or_else(busy)?)
    }

    /// The default lease.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let span = self.config.text("claim.lease").and_then(|text| parse_span(text).ok());
        span.unwrap_or(LEASE_DEFAULT)
    }

    /// All that is known of a task whose document here says this.
    pub(super) fn sight(&self, id: &DocId, path: &DocPath, here: LeaseFacts) -> Result<LeaseEvidence, Error> {
        let records = self.store.claim_records(id)?;
        let read = records.iter().map(|record| (record, LeaseEntry::from_bytes(&record.bytes)));
        // Where a writer died in between there are two: the newer holder counts, and of one holder what came of it.
        let newest = read
            .max_by_key(|(record, entry)| (entry.as_ref().map(|entry| entry.fence), record.part == ClaimPart::Past));
        let Some((record, entry)) = newest else { return Ok(LeaseEvidence::of_document(here)) };
        let writer = if record.is_open { EntryWriter::Active } else { EntryWriter::Gone };
        let Some(mut entry) = entry else {
            return Ok(LeaseEvidence { record: Some(LeaseRecord::Torn), writer, ..LeaseEvidence::of_document(here) });
        };
        let holder_document =
            if entry.place.root == self.root && entry.place.document == self.documents().in_repository(path) {
                HolderDocument::Here
            } else {
                entry.place.branch = self.repository.as_ref().and_then(|here| branch_of(here, &entry.place));
                there(&entry.place)
            };
        let at_home = if let HolderDocument::There(facts) = &holder_document { facts } else { &here };
        let may_be_held = entry.state.is_held() || entry.state == EntryState::Expired;
        let last_seen = may_be_held.then(|| self.heard(&entry, at_home, &self.moment())).flatten();
        let is_reverted = writer == EntryWriter::Gone && self.has_left(path, &entry, &here, &holder_document)?;
        Ok(LeaseEvidence {
            here,
            record: Some(LeaseRecord::Entry(entry)),
            holder_document,
            writer,
            last_seen,
            is_reverted,
        })
    }

    /// Writes an entry; the caller goes on to change the document.
    pub(super) fn take_seat(&self, lock: &ClaimLock, id: &DocId, entry: LeaseEntry) -> Result<Seat, Error> {
        let records = self.store.claim_records(id)?;
        let before = records.into_iter().next_back();
        let before = before.map_or(Before::Nothing, |record| Before::Something(record.part, record.bytes));
        let bytes = entry.to_bytes();
        let file = self.store.write_claim(lock, id, part(&entry), &bytes)?;
        Ok(Seat { entry, file, id: id.clone(), bytes, before })
    }

    /// The document says what the entry says: the entry stands, and may be judged by others.
    pub(super) fn confirm(&self, seat: &mut Seat) -> Result<(), Error> {
        if seat.entry.state == EntryState::Begun {
            let lock = self.lock_claims()?;
            // Somebody may have stolen it since.
            if self.is_in_ledger(&seat.id, &seat.bytes)? {
                seat.entry.state = EntryState::Held;
                seat.bytes = seat.entry.to_bytes();
                seat.file = self.store.write_claim(&lock, &seat.id, ClaimPart::Held, &seat.bytes)?;
            }
        }
        Ok(seat.file.close()?)
    }

    /// The document was not changed: the ledger says again what it said before.
    pub(super) fn withdraw(&self, seat: &Seat) -> Result<(), Error> {
        let lock = self.lock_claims()?;
        if self.is_in_ledger(&seat.id, &seat.bytes)? {
            match &seat.before {
                Before::Nothing => self.store.remove_claim(&lock, &seat.id)?,
                Before::Something(part, bytes) => drop(self.store.write_claim(&lock, &seat.id, *part, bytes)?),
            }
        }
        Ok(())
    }

    /// Writes an entry that needs no change of the document.
    pub(super) fn note(&self, lock: &ClaimLock, id: &DocId, entry: &LeaseEntry) -> Result<ClaimFile, Error> {
        Ok(self.store.write_claim(lock, id, part(entry), &entry.to_bytes())?)
    }

    /// Tells whether what the ledger says may be found nowhere else: where there are several work trees, a claim is in no
    /// document that all of them see.
    pub(super) fn shares_claims(&self) -> bool {
        let is_shared = self.repository.as_ref().is_some_and(Repository::has_linked_work_trees);
        is_shared && self.durability != Durability::Off
    }

    /// Waits for the disk, where the entry must last.
    pub(super) fn sync_claim(&self, file: &ClaimFile) -> Result<(), Error> {
        if self.shares_claims() { Ok(file.sync()?) } else { Ok(()) }
    }

    fn is_in_ledger(&self, id: &DocId, bytes: &[u8]) -> Result<bool, Error> {
        Ok(self.store.claim_records(id)?.iter().any(|record| record.bytes == bytes))
    }

    /// The lease of somebody begins anew, since nobody knows how long it has lasted.
    pub(super) fn count_anew(
        &self,
        lock: &ClaimLock,
        id: &DocId,
        evidence: &LeaseEvidence,
        by: &AgentName,
        place: LeasePlace,
    ) -> Result<LeaseEntry, Error> {
        let entry = match &evidence.record {
            Some(LeaseRecord::Entry(entry)) => entry.renewed_at(&self.moment()),
            _ => self.new_entry(by, &evidence.here, place),
        };
        self.note(lock, id, &entry)?;
        Ok(entry)
    }

    /// A removed task needs no entry, unless another work tree has it.
    pub(super) fn forget_claim(&self, id: &DocId, path: &DocPath) -> Result<(), Error> {
        if self.store.claim_records(id)?.is_empty() {
            return Ok(());
        }
        let lock = self.lock_claims()?;
        let here = self.documents().in_repository(path);
        let entries =
            self.store.claim_records(id)?.into_iter().filter_map(|record| LeaseEntry::from_bytes(&record.bytes));
        let is_elsewhere =
            entries.into_iter().any(|entry| entry.place.root != self.root || entry.place.document != here);
        if !is_elsewhere {
            self.store.remove_claim(&lock, id)?;
        }
        Ok(())
    }

    /// A new entry for a holder of whom the ledger knew nothing.
    pub(super) fn new_entry(&self, by: &AgentName, facts: &LeaseFacts, place: LeasePlace) -> LeaseEntry {
        LeaseEntry {
            fence: facts.fence,
            state: EntryState::Held,
            by: by.clone(),
            lease: facts.lease.unwrap_or_else(|| self.lease()),
            since: self.now(),
            renewed: self.moment(),
            place,
            ended: None,
            former: Vec::new(),
            foreign_save: None,
        }
    }

    /// The entry of a task that is given to an agent.
    pub(super) fn given_entry(
        &self,
        evidence: &LeaseEvidence,
        fence: u64,
        ask: &LeaseRequest,
        state: EntryState,
        place: LeasePlace,
    ) -> LeaseEntry {
        LeaseEntry {
            fence,
            state,
            by: ask.by.clone(),
            lease: ask.lease,
            since: self.now(),
            renewed: self.moment(),
            place,
            ended: None,
            former: self.former_holders(evidence, &ask.by),
            foreign_save: None,
        }
    }
}

const fn part(entry: &LeaseEntry) -> ClaimPart {
    if entry.state.is_held() { ClaimPart::Held } else { ClaimPart::Past }
}

/// Returns the branch that has what was done in another work tree: the one that was checked out there, or what is checked out
/// there now if that was renamed or removed, or if there was none.
fn branch_of(here: &Repository, place: &LeasePlace) -> Option<String> {
    let exists =
        |name: &String| here.view().head(&Target::Branch(name.clone())).is_ok_and(|head| head.revision.is_some());
    place.branch.clone().filter(exists).or_else(|| {
        let there = Repository::discover(&place.root).ok().flatten()?;
        there.view().head(&Target::Current).ok().filter(|_| there.work_tree() == place.root)?.branch
    })
}

/// What the document says in the work tree that an entry names.
fn there(place: &LeasePlace) -> HolderDocument {
    let max = usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX);
    let Some(path) = Path::new(&place.document).file_name().and_then(|name| name.to_str()) else {
        return HolderDocument::Unseen;
    };
    let Ok(path) = DocPath::new(path) else { return HolderDocument::Unseen };
    match store::read_text_in(&place.root, &place.document, max) {
        Ok(Some(text)) => {
            let task = task_of(&path, &Document::parse(text.into_bytes()));
            task.map_or(HolderDocument::Unseen, |task| HolderDocument::There(LeaseFacts::of(&task)))
        }
        Ok(None) | Err(_) => HolderDocument::Unseen,
    }
}
