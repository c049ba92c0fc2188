//! What an operation came to, the record that it leaves in the journal, and its commit.

use super::{Actor, Operations};
use crate::adapters::store::Unsynced;
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::lease::{LeaseEntry, PreviousHolder};
use crate::core::name::{DocPath, OperationId, Revision};
use crate::services::claim_arbiter::Decided;
use crate::services::{Error, Waiting};

/// What an operation came to. It is on disk for good when this is returned (with the default durability).
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which document.
    pub path: DocPath,
    /// Its text now; for a removal, the text that was removed.
    pub document: Document,
    /// What it says.
    pub entity: Option<Entity>,
    /// What is odd about it.
    pub findings: Vec<Diagnostic>,
    /// The operation; `None` if nothing had to change.
    pub operation: Option<OperationId>,
    /// The commit it is in, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
    /// The document as it was found under the lock of the folder; `None` for a new one.
    pub before: Option<Document>,
    /// For a step that claimed a task: who has it now.
    pub claim: Option<ClaimDecision>,
}

impl Outcome {
    /// Nothing is known but the document.
    pub(super) fn new(path: DocPath, document: Document) -> Self {
        let (entity, findings, operation, committed) = (None, Vec::new(), None, None);
        Self { path, document, entity, findings, operation, committed, waiting: None, before: None, claim: None }
    }
}

/// Who has a task after a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimDecision {
    /// The lease.
    pub entry: LeaseEntry,
    /// From whom the task comes.
    pub origin: PreviousHolder,
    /// Where it was decided.
    pub decided: Decided,
}

impl Operations<'_> {
    /// Commits what was written, unless a watcher does, waits until all of it is on the disk, and passes it on. The outcome is
    /// that of the last operation.
    pub(in crate::services) fn commit_written(&self, by: &Actor, written: &[Unsynced]) -> Result<CommitOutcome, Error> {
        let mut outcome = CommitOutcome::default();
        // One after the other: a later one must not be acknowledged if an earlier one was lost.
        let last =
            written.split_last().map(|(last, earlier)| earlier.iter().try_for_each(Unsynced::wait).map(|()| last));
        let last = last.transpose()?;
        self.leases.record_activity(by.agent.as_ref());
        let watcher = self.documents.store.locks.watcher();
        let is_watched = matches!(watcher, Ok(Some(_))) && self.documents.repository.is_some();
        match watcher {
            Ok(Some(_)) if self.documents.repository.is_some() => outcome.waiting = Some(Waiting::Watcher),
            _ => match self.commits.commit_together(last) {
                Ok(done) => {
                    outcome.findings.clone_from(&done.findings);
                    let Some(last) = last else { return Ok(outcome) };
                    let operation = &last.record().operation.id;
                    outcome.committed = done.operations.get(operation).cloned();
                    outcome.waiting = if outcome.committed.is_some() { None } else { done.waiting.clone() };
                    if outcome.committed.is_none() && outcome.waiting.is_none() {
                        outcome.committed = self.commits.committed_by_another(operation);
                    }
                }
                Err(error) => outcome.waiting = Some(Waiting::failed(&error)),
            },
        }
        // Where there was no commit to wait with.
        last.map_or(Ok(()), Unsynced::wait)?;
        for written in written.iter().filter(|_| !is_watched) {
            self.after.after_write(written.record(), by.origin);
        }
        Ok(outcome)
    }
}

/// What became of an operation once it was written.
#[derive(Debug, Clone, Default)]
pub(in crate::services) struct CommitOutcome {
    pub(in crate::services) committed: Option<Revision>,
    pub(in crate::services) waiting: Option<Waiting>,
    pub(in crate::services) findings: Vec<Diagnostic>,
}
