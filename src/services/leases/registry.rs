//! The lease registry: what it says of a task, and the entries of an operation that is in progress.
//!
//! An entry is written under the claim lock before the document is changed, and its file stays open until then: so others see
//! that its writer is alive. An entry whose writer died is judged by the document. The lock is never held while waiting for
//! the disk.

use std::path::Path;

use super::{Leases, task_of};
use crate::adapters::git::{Repository, Target};
use crate::adapters::store::{
    self, ClaimFile, ClaimLock, ClaimPart, DOCUMENT_BYTES_MAX, Durability, FOLDER_WAIT, LeaseFiles, StoreError,
};
use crate::core::document::Document;
use crate::core::lease::{
    EntryState, EntryWriter, HolderDocument, LeaseEntry, LeaseEvidence, LeaseFacts, LeasePlace, LeaseRecord,
    LeaseRequest,
};
use crate::core::name::{AgentName, DocId, DocPath};
use crate::services::{Error, environment};

/// What the registry had before.
#[derive(Debug, Clone)]
enum Before {
    Absent,
    Present(ClaimPart, Vec<u8>),
}

/// The entry of an operation in progress. Dropped, it is left to be judged by the document.
#[derive(Debug)]
pub(in crate::services) struct PendingLease {
    /// What the registry says.
    pub(in crate::services) entry: LeaseEntry,
    pub(in crate::services) file: ClaimFile,
    id: DocId,
    bytes: Vec<u8>,
    before: Before,
}

impl Leases<'_> {
    /// Takes the lock of the registry.
    pub(in crate::services) fn lock(&self) -> Result<ClaimLock, Error> {
        let busy = || StoreError::Busy { path: self.store.leases.lock_path(), waited: FOLDER_WAIT };
        Ok(self.store.leases.lock(FOLDER_WAIT)?.ok_or_else(busy)?)
    }

    /// Returns all that is known of the lease of a task whose document here has these fields.
    pub(in crate::services) fn evidence(
        &self,
        id: &DocId,
        path: &DocPath,
        here: LeaseFacts,
    ) -> Result<LeaseEvidence, Error> {
        let records = self.store.leases.records(id)?;
        let read = records.iter().map(|record| (record, LeaseEntry::from_bytes(&record.bytes)));
        // Where a writer died in between there are two: the newer holder counts, and of the same holder how it ended.
        let newest = read
            .max_by_key(|(record, entry)| (entry.as_ref().map(|entry| entry.fence), record.part == ClaimPart::Past));
        let Some((record, entry)) = newest else { return Ok(LeaseEvidence::of_document(here)) };
        let writer = if record.is_open { EntryWriter::Active } else { EntryWriter::Gone };
        let Some(mut entry) = entry else {
            return Ok(LeaseEvidence { record: Some(LeaseRecord::Torn), writer, ..LeaseEvidence::of_document(here) });
        };
        let holder_document = if entry.place.root == *self.root && entry.place.document == self.here(path).document {
            HolderDocument::Here
        } else {
            entry.place.branch = self.repository.and_then(|here| branch_of(here, &entry.place));
            read_there(&entry.place)
        };
        let at_home = if let HolderDocument::There(facts) = &holder_document { facts } else { &here };
        let may_be_held = entry.state.is_held() || entry.state == EntryState::Expired;
        let last_seen = may_be_held.then(|| self.last_seen(&entry, at_home, &self.boot_time())).flatten();
        let is_reverted = writer == EntryWriter::Gone && self.is_reverted(path, &entry, &here, &holder_document)?;
        Ok(LeaseEvidence {
            here,
            record: Some(LeaseRecord::Entry(entry)),
            holder_document,
            writer,
            last_seen,
            is_reverted,
        })
    }

    /// Writes an entry; the caller then changes the document. Also one of a lease that ends stands among the held ones until the
    /// document says so: a process that dies in between leaves a running task, whose lease has to be found to expire.
    pub(in crate::services) fn begin(
        &self,
        lock: &ClaimLock,
        id: &DocId,
        entry: LeaseEntry,
    ) -> Result<PendingLease, Error> {
        let records = self.store.leases.records(id)?;
        let before = records.into_iter().next_back();
        let before = before.map_or(Before::Absent, |record| Before::Present(record.part, record.bytes));
        let bytes = entry.to_bytes();
        let file = self.store.leases.write(lock, id, ClaimPart::Held, &bytes)?;
        Ok(PendingLease { entry, file, id: id.clone(), bytes, before })
    }

    /// Finishes an entry whose document is written.
    pub(in crate::services) fn commit(&self, pending: &mut PendingLease) -> Result<(), Error> {
        if pending.entry.state == EntryState::Begun {
            let lock = self.lock()?;
            // Another agent may have stolen it since.
            if has_record(&self.store.leases, pending)? {
                pending.entry.state = EntryState::Held;
                pending.bytes = pending.entry.to_bytes();
                pending.file = self.store.leases.write(&lock, &pending.id, ClaimPart::Held, &pending.bytes)?;
            }
        } else if part(&pending.entry) == ClaimPart::Past {
            let lock = self.lock()?;
            if has_record(&self.store.leases, pending)? {
                self.store.leases.retire(&lock, &mut pending.file)?;
            }
        }
        Ok(pending.file.close()?)
    }

    /// Restores what the registry said before an entry whose document was not written.
    pub(in crate::services) fn rollback(&self, pending: &PendingLease) -> Result<(), Error> {
        let lock = self.lock()?;
        if has_record(&self.store.leases, pending)? {
            match &pending.before {
                Before::Absent => self.store.leases.remove(&lock, &pending.id)?,
                Before::Present(part, bytes) => drop(self.store.leases.write(&lock, &pending.id, *part, bytes)?),
            }
        }
        Ok(())
    }

    /// Writes an entry that needs no change of the document.
    pub(in crate::services) fn write(
        &self,
        lock: &ClaimLock,
        id: &DocId,
        entry: &LeaseEntry,
    ) -> Result<ClaimFile, Error> {
        Ok(self.store.leases.write(lock, id, part(entry), &entry.to_bytes())?)
    }

    /// Returns true if an entry has to be durable: with several worktrees, no document that all of them see says the same.
    pub(in crate::services) fn must_last(&self) -> bool {
        let is_shared = self.repository.is_some_and(Repository::has_linked_work_trees);
        is_shared && self.durability != Durability::Off
    }

    /// Waits until an entry is on the disk, if it has to be durable.
    pub(in crate::services) fn sync(&self, file: &ClaimFile) -> Result<(), Error> {
        if self.must_last() { Ok(file.sync()?) } else { Ok(()) }
    }

    /// Measures a lease of unknown age from now on.
    pub(in crate::services) fn reanchor(
        &self,
        lock: &ClaimLock,
        id: &DocId,
        evidence: &LeaseEvidence,
        by: &AgentName,
        place: LeasePlace,
    ) -> Result<LeaseEntry, Error> {
        let entry = match &evidence.record {
            Some(LeaseRecord::Entry(entry)) => entry.renewed_at(&self.boot_time()),
            _ => self.new_entry(by, &evidence.here, place),
        };
        self.write(lock, id, &entry)?;
        Ok(entry)
    }

    /// Removes the entry of a removed task, unless the task is held in another worktree.
    pub(in crate::services) fn remove(&self, id: &DocId, path: &DocPath) -> Result<(), Error> {
        if self.store.leases.records(id)?.is_empty() {
            return Ok(());
        }
        let lock = self.lock()?;
        let here = self.here(path).document;
        let entries =
            self.store.leases.records(id)?.into_iter().filter_map(|record| LeaseEntry::from_bytes(&record.bytes));
        let is_elsewhere =
            entries.into_iter().any(|entry| entry.place.root != *self.root || entry.place.document != here);
        if !is_elsewhere {
            self.store.leases.remove(&lock, id)?;
        }
        Ok(())
    }

    /// Returns the first entry of a holder that only the document names.
    pub(in crate::services) fn new_entry(&self, by: &AgentName, facts: &LeaseFacts, place: LeasePlace) -> LeaseEntry {
        LeaseEntry {
            fence: facts.fence,
            state: EntryState::Held,
            by: by.clone(),
            lease: facts.lease.unwrap_or(self.default_lease),
            since: environment::now(),
            renewed: self.boot_time(),
            place,
            ended: None,
            former: Vec::new(),
            foreign_save: None,
        }
    }

    /// Returns the entry of a request that gets the lease.
    pub(in crate::services) fn granted_entry(
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
            since: environment::now(),
            renewed: self.boot_time(),
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

/// Returns true if the registry still has a pending entry.
fn has_record(leases: &LeaseFiles, pending: &PendingLease) -> Result<bool, Error> {
    Ok(leases.records(&pending.id)?.iter().any(|record| record.bytes == pending.bytes))
}

/// Returns the branch that has what was done in another worktree: the one that was checked out there, or what is checked out
/// there now if that was renamed or removed, or if there was none.
fn branch_of(here: &Repository, place: &LeasePlace) -> Option<String> {
    let exists =
        |name: &String| here.view().head(&Target::Branch(name.clone())).is_ok_and(|head| head.revision.is_some());
    place.branch.clone().filter(exists).or_else(|| {
        let there = Repository::discover(&place.root).ok().flatten()?;
        there.view().head(&Target::Current).ok().filter(|_| there.work_tree() == place.root)?.branch
    })
}

/// Reads the document in the worktree that an entry names.
fn read_there(place: &LeasePlace) -> HolderDocument {
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
