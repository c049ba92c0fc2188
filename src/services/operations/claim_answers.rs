//! What an arbiter said of the tasks that an operation claims. It is asked for all of them in one go, before a lock is held.

use std::collections::{BTreeMap, BTreeSet};

use super::{Actor, Operations};
use crate::adapters::store::LeaseFiles;
use crate::core::lease::{LeaseEntry, Override};
use crate::core::name::DocId;
use crate::services::after_write::WriteOrigin;
use crate::services::claim_arbiter::{ClaimArbiter, ClaimDenied, ClaimRequest, RemoteClaims, RemoteLease, Reservation};

/// The answers are kept while the steps are planned again, so no task is asked for twice; what was reserved and is not needed
/// in the end is given back.
#[derive(Debug, Default)]
pub(super) struct ClaimAnswers {
    is_asking: bool,
    answers: BTreeMap<ClaimKey, Result<Reservation, ClaimDenied>>,
    /// The reservations that are needed: task and fence there.
    needed: BTreeSet<(DocId, u64)>,
}

/// What makes one question differ from another: the task, the fence in its document, how hard it is asked for.
pub(super) type ClaimKey = (DocId, u64, Override);

pub(super) fn key(request: &ClaimRequest) -> ClaimKey {
    (request.task.clone(), request.fence, request.ask.over)
}

impl ClaimAnswers {
    /// Nothing was asked yet. What a backend brings it has decided already.
    pub(super) fn new(arbiter: &dyn ClaimArbiter, by: &Actor) -> Self {
        Self { is_asking: by.origin == WriteOrigin::Here && arbiter.is_asked(), ..Self::default() }
    }

    /// Asks the arbiter for tasks.
    pub(super) fn ask(&mut self, arbiter: &dyn ClaimArbiter, requests: &[ClaimRequest], mode: RemoteClaims) {
        let answers = arbiter.reserve(requests, mode);
        self.answers.extend(requests.iter().map(key).zip(answers));
    }

    /// The answer for a task; `None` if the arbiter has still to be asked.
    pub(super) fn answer(&self, request: &ClaimRequest) -> Option<Result<Reservation, ClaimDenied>> {
        if self.is_asking { self.answers.get(&key(request)).cloned() } else { Some(Ok(Reservation::NotAsked)) }
    }

    /// The operation is done: these reservations are needed.
    pub(super) fn need<'a>(&mut self, reserved: impl IntoIterator<Item = &'a Reservation>) {
        self.needed = reserved.into_iter().filter_map(Reservation::remote).map(identity).collect();
    }

    /// Gives back what was reserved and is not needed.
    pub(super) fn release_unneeded(&self, operations: &Operations<'_>, mode: RemoteClaims) {
        let is_unneeded = |lease: &&RemoteLease| {
            lease.is_new
                && !self.needed.contains(&identity(lease))
                && !is_held_by_another_process(&operations.documents.store.leases, lease)
        };
        let remote = self.answers.values().flatten().filter_map(Reservation::remote);
        let unneeded: Vec<RemoteLease> = remote.filter(is_unneeded).cloned().collect();
        if !unneeded.is_empty() {
            operations.arbiter.release(&unneeded, mode);
        }
    }
}

fn identity(lease: &RemoteLease) -> (DocId, u64) {
    (lease.id.clone(), lease.fence)
}

/// Returns true if another process of the same agent has got the task in this clone by what is reserved.
fn is_held_by_another_process(leases: &LeaseFiles, lease: &RemoteLease) -> bool {
    let records = leases.records(&lease.id).unwrap_or_default();
    let mut entries = records.iter().filter_map(|record| LeaseEntry::from_bytes(&record.bytes));
    entries.any(|entry| entry.by == lease.by && entry.fence >= lease.fence && entry.state.is_held())
}
