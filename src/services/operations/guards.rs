//! Refuses agents that have lost a task, and says who has it.

use super::{Actor, Operations};
use crate::core::entity::{self, Task, TaskStatus};
use crate::core::lease::{
    ClaimVerdict, LeaseEntry, LeaseEvidence, LeasePlace, LeaseProof, LeaseRequest, Override, decide,
};
use crate::core::name::DocPath;
use crate::core::operation::Passing;
use crate::services::Error;
use crate::services::claim_arbiter::ClaimDenied;
use crate::services::leases::claim_lost;

/// A task, and what is known of its lease.
type Known<'a> = (&'a Task, &'a LeaseEvidence);

impl Operations<'_> {
    /// The error of an edit that was refused. Where another agent has the task by now, or has it in another worktree, that is the
    /// reason, since no transition here is allowed then.
    pub(super) fn refused_edit(
        &self,
        by: &Actor,
        path: &DocPath,
        (task, evidence): Known<'_>,
        refusal: entity::Refusal,
        passing: &Passing,
    ) -> Result<Error, Error> {
        let is_illegal = matches!(refusal, entity::Refusal::IllegalStep { .. });
        if is_illegal
            && task.status != TaskStatus::Running
            && let Some(loss) = self.leases.taken_over_since(by.agent.as_ref(), path, task, evidence)
        {
            return Ok(claim_lost(loss));
        }
        self.let_pass(by, path, (task, evidence), passing)?;
        let refusal = Error::Refused { path: path.clone(), source: Box::new(refusal.about(path.stem())) };
        let Some(by) = by.agent.as_ref().filter(|_| passing.over == Override::None) else { return Ok(refusal) };
        if !is_illegal || task.status != TaskStatus::Pending {
            return Ok(refusal);
        }
        let ask = LeaseRequest { by: by.clone(), lease: self.leases.default_lease(), over: Override::None };
        Ok(match decide(task.id.as_str(), evidence, &[], &ask, &self.leases.boot_time(), &self.leases.here(path)) {
            ClaimVerdict::Lost { lost, .. } => claim_lost(*lost),
            _ => self.leases.refuse_unmerged(&task.id, path, evidence, &ask).err().unwrap_or(refusal),
        })
    }

    /// Refuses an agent that has lost the task, and a caller with another fence than the holder.
    pub(super) fn let_pass(&self, by: &Actor, path: &DocPath, of: Known<'_>, passing: &Passing) -> Result<(), Error> {
        let fence = passing.fence.or(by.fence);
        if passing.over != Override::None || by.agent.is_none() && fence.is_none() {
            return Ok(());
        }
        self.leases.authorize(path, of, LeaseProof { by: by.agent.as_ref(), fence })
    }

    /// The entry of a task that ends or goes back, in the state in which it was; `None` if the registry needs none.
    pub(super) fn end_entry(
        &self,
        task: &Task,
        evidence: &LeaseEvidence,
        place: impl Fn() -> Result<LeasePlace, Error>,
    ) -> Result<Option<LeaseEntry>, Error> {
        match (evidence.entry(), &task.claimed_by) {
            // Another agent has it by now: that stands.
            (Some(entry), _) if entry.fence > evidence.here.fence => Ok(None),
            (Some(entry), _) if entry.fence == evidence.here.fence => {
                Ok(Some(LeaseEntry { place: place()?, ..entry.clone() }))
            }
            (_, Some(by)) => Ok(Some(self.leases.new_entry(by, &evidence.here, place()?))),
            (_, None) => Ok(None),
        }
    }
}

/// The error of an agent to which the arbiter does not give a task.
pub(super) fn denied(denied: ClaimDenied) -> Error {
    match denied {
        ClaimDenied::Lost(loss) => claim_lost(*loss),
        ClaimDenied::Undecided { task, why } => Error::Undecided { task: task.to_string(), why },
    }
}
