//! Refuses agents that have lost a task, and says who has it.

use super::{Actor, Operations};
use crate::core::entity::{self, Task, TaskStatus};
use crate::core::lease::{
    self, ClaimVerdict, LeaseEntry, LeaseEvidence, LeasePlace, LeaseProof, LeaseRequest, Override, decide,
};
use crate::core::name::DocPath;
use crate::core::operation::Passing;
use crate::core::time::Timestamp;
use crate::services::Error;
use crate::services::claim_arbiter::ClaimDenied;

impl Operations<'_> {
    /// The error of an edit that was refused. Where another agent has the task by now, or has it in another worktree, that is the
    /// reason, since no transition here is allowed then.
    pub(super) fn refused_edit(
        &self,
        by: &Actor,
        path: &DocPath,
        (task, evidence): (&Task, &LeaseEvidence),
        refusal: entity::Refusal,
        passing: &Passing,
    ) -> Result<Error, Error> {
        let project = self.project;
        let is_illegal = matches!(refusal, entity::Refusal::IllegalStep { .. });
        if is_illegal
            && task.status != TaskStatus::Running
            && let Some(loss) = project.taken_over_since(by, path, task, evidence)
        {
            return Ok(self.lost(loss));
        }
        self.let_pass(by, path, task, evidence, passing)?;
        let refusal = Error::Refused { path: path.clone(), source: Box::new(refusal.about(path.stem())) };
        let Some(by) = by.agent.as_ref().filter(|_| passing.over == Override::None) else { return Ok(refusal) };
        if !is_illegal || task.status != TaskStatus::Pending {
            return Ok(refusal);
        }
        let ask = LeaseRequest { by: by.clone(), lease: project.lease(), over: Override::None };
        Ok(match decide(task.id.as_str(), evidence, &[], &ask, &project.moment(), &project.here(path)) {
            ClaimVerdict::Lost { lost, .. } => self.lost(*lost),
            _ => project.refuse_unmerged(&task.id, path, evidence, &ask).err().unwrap_or(refusal),
        })
    }

    /// Refuses a caller that the registry does not let pass.
    fn guard(
        &self,
        path: &DocPath,
        (task, evidence): (&Task, &LeaseEvidence),
        pass: LeaseProof<'_>,
    ) -> Result<(), Error> {
        let (moment, here) = (self.project.moment(), self.project.here(path));
        lease::authorize(task.id.as_str(), evidence, pass, &moment, &here).map_err(|loss| self.lost(*loss))
    }

    /// Refuses an agent that has lost the task.
    pub(super) fn let_pass(
        &self,
        by: &Actor,
        path: &DocPath,
        task: &Task,
        evidence: &LeaseEvidence,
        passing: &Passing,
    ) -> Result<(), Error> {
        let fence = passing.fence.or(by.fence);
        if passing.over != Override::None || by.agent.is_none() && fence.is_none() {
            return Ok(());
        }
        self.guard(path, (task, evidence), LeaseProof { by: by.agent.as_ref(), fence })
    }

    /// Refuses a caller that begins a task with another fence than it has.
    pub(super) fn check_fence(
        &self,
        by: &Actor,
        path: &DocPath,
        task: &Task,
        evidence: &LeaseEvidence,
        passing: &Passing,
    ) -> Result<(), Error> {
        let fence = passing.fence.or(by.fence);
        if passing.over != Override::None || fence.is_none() {
            return Ok(());
        }
        self.guard(path, (task, evidence), LeaseProof { by: None, fence })
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
            (_, Some(by)) => Ok(Some(self.project.new_entry(by, &evidence.here, place()?))),
            (_, None) => Ok(None),
        }
    }

    /// The error of an agent to which the arbiter does not give a task.
    pub(super) fn denied(&self, denied: ClaimDenied) -> Error {
        match denied {
            ClaimDenied::Lost(loss) => self.lost(*loss),
            ClaimDenied::Undecided { task, why } => Error::Undecided { task: task.to_string(), why },
        }
    }

    /// A claim that was lost, with the moment until which the holder has the task.
    pub(in crate::services) fn lost(&self, mut loss: lease::LostLease) -> Error {
        let ms = loss.left.and_then(|left| i64::try_from(left.as_millis()).ok());
        loss.ended = loss.ended.or_else(|| loss.ended_ago.map(|ago| self.project.before(ago)));
        loss.until = ms.map(|ms| Timestamp::from_unix_ms(self.project.now().unix_ms().saturating_add(ms)));
        Error::ClaimLost(Box::new(loss))
    }
}
