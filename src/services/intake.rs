//! What the store cannot know of operations that a process left in the outbox: whether git tracks a record, and whose lease an
//! operation renews.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use crate::adapters::git::Repository;
use crate::adapters::store::{
    BootClock, ClaimPart, Intake, IntakeRules, LeaseFiles, Record, RecordFault, RefusedRecord, StoreError,
};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::lease::{BootTime, LeaseEntry};
use crate::core::name::{AgentName, DocId, DocPath, Kind};

/// Longest wait for the lock of claims. Who holds it may wait for the folder lock, which is held here.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// The rules of the worktree at `root`.
pub(super) fn rules(root: PathBuf) -> Intake {
    Intake(Arc::new(WorktreeRules { root }))
}

#[derive(Debug)]
struct WorktreeRules {
    root: PathBuf,
}

impl IntakeRules for WorktreeRules {
    fn tracked(&self, paths: &[String]) -> Option<BTreeSet<String>> {
        let Some(repository) = Repository::discover(&self.root).ok()? else { return Some(BTreeSet::new()) };
        let mut tracked = BTreeSet::new();
        for path in paths {
            if repository.view().tracks(path).ok()? {
                tracked.insert(path.clone());
            }
        }
        Some(tracked)
    }

    fn note_taken_in(&self, leases: &LeaseFiles, records: &[Record]) {
        // A lease that is not renewed now is renewed by the next operation.
        let _ = self.renew_leases(leases, records);
    }
}

impl WorktreeRules {
    fn renew_leases(&self, leases: &LeaseFiles, records: &[Record]) -> Result<(), StoreError> {
        let agents: BTreeSet<&AgentName> =
            records.iter().filter_map(|record| record.operation.agent.as_ref()).collect();
        let removed: BTreeSet<DocId> = records.iter().flat_map(removed_tasks).collect();
        let held = leases.list(ClaimPart::Held)?;
        if held.is_empty() || agents.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let Some(lock) = leases.lock(LOCK_WAIT)? else { return Ok(()) };
        let BootClock { boot, ms, slept_ms } = leases.boot_clock();
        let now = BootTime { boot, ms, slept_ms };
        for id in held {
            let entries = leases.records(&id)?.into_iter();
            let newest =
                entries.filter_map(|record| LeaseEntry::from_bytes(&record.bytes)).max_by_key(|entry| entry.fence);
            let Some(entry) = newest.filter(|entry| entry.place.root == self.root && entry.state.is_held()) else {
                continue;
            };
            if removed.contains(&id) {
                leases.remove(&lock, &id)?;
            } else if agents.contains(&entry.by) {
                drop(leases.write(&lock, &id, ClaimPart::Held, &entry.renewed_at(&now).to_bytes())?);
            }
        }
        Ok(())
    }
}

/// The tasks that an operation removed for good.
fn removed_tasks(record: &Record) -> impl Iterator<Item = DocId> {
    let is_kept = |path: &DocPath| {
        record.changes.iter().any(|one| one.after.is_some() && one.path.file_name() == path.file_name())
    };
    let removed = record.changes.iter().filter(move |one| one.after.is_none() && !is_kept(&one.path));
    removed.filter(|one| one.path.kind() == Some(Kind::Task)).map(|one| DocId::of_file(&one.path))
}

/// A record that was not honoured, as a finding.
pub(super) fn refused_record(refused: &RefusedRecord) -> Diagnostic {
    let why = match &refused.why {
        RecordFault::Unreadable => "it cannot be read as one".to_owned(),
        RecordFault::Foreign => "its file belongs to another user".to_owned(),
        RecordFault::Tracked => "git tracks it".to_owned(),
        RecordFault::Differs(path) => format!("`{path}` has changed since"),
    };
    let message = format!("the operation record `{}` is not honoured and was removed: {why}", refused.name);
    let hint = "run `mycelium log` to see in whose name the change is committed";
    Diagnostic::warning(Code::RefusedRecord, message).hint(hint)
}

/// What was done, or nothing where it needs local state that this process may not write.
pub(super) fn unless_read_only<T: Default>(done: Result<T, Error>) -> Result<T, Error> {
    match done {
        Err(error) if error.is_state_read_only() => Ok(T::default()),
        done => done,
    }
}
