//! What a server said of the tasks that an operation claims. It is asked for all of them in one go, before a lock is held.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::claim::Taking;
use crate::core::name::DocId;
use crate::services::Project;
use crate::services::bridge::{ClaimDenied, ClaimRequest, Reserved};

/// The answers are kept while the steps are planned again, so no task is asked for twice; what was reserved and is not needed
/// in the end is given back.
#[derive(Debug, Default)]
pub(super) struct ClaimAnswers {
    is_asking: bool,
    answers: BTreeMap<ClaimKey, Result<Reserved, ClaimDenied>>,
    /// The reservations that are needed: task and fence there.
    needed: BTreeSet<(DocId, u64)>,
}

/// What makes one question differ from another: the task, the fence in its document, how hard it is asked for.
pub(super) type ClaimKey = (DocId, u64, Taking);

pub(super) fn key(request: &ClaimRequest) -> ClaimKey {
    (request.task.clone(), request.fence, request.ask.taking)
}

impl ClaimAnswers {
    /// Nothing was asked yet.
    pub(super) fn new(workspace: &Project) -> Self {
        Self { is_asking: workspace.asks_for_claims(), ..Self::default() }
    }

    /// Asks the server for tasks.
    pub(super) fn ask(&mut self, workspace: &Project, requests: &[ClaimRequest]) {
        let answers = workspace.reserve(requests);
        self.answers.extend(requests.iter().map(key).zip(answers));
    }

    /// The answer for a task; `None` if the server has still to be asked.
    pub(super) fn answer(&self, request: &ClaimRequest) -> Option<Result<Reserved, ClaimDenied>> {
        if self.is_asking { self.answers.get(&key(request)).cloned() } else { Some(Ok(Reserved::NotAsked)) }
    }

    /// The operation is done: these reservations are needed.
    pub(super) fn need<'a>(&mut self, reserved: impl IntoIterator<Item = &'a Reserved>) {
        self.needed = reserved.into_iter().filter_map(identity).collect();
    }

    /// Gives back what was reserved and is not needed.
    pub(super) fn release_unneeded(&self, workspace: &Project) {
        let is_unneeded = |reserved: &&Reserved| !identity(reserved).is_some_and(|there| self.needed.contains(&there));
        workspace.unreserve(self.answers.values().flatten().filter(is_unneeded));
    }
}

fn identity(reserved: &Reserved) -> Option<(DocId, u64)> {
    match reserved {
        Reserved::There(there) => Some((there.id.clone(), there.fence)),
        Reserved::NotAsked | Reserved::Local(_) => None,
    }
}
