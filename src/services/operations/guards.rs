//! Refuses agents that have lost a task, and says who has it.

use crate::core::entity::{self, Task, TaskStatus};
use crate::core::lease::{
    self, ClaimVerdict, LeaseEntry, LeaseEvidence, LeasePlace, LeaseProof, LeaseRequest, Override, decide,
};
use crate::core::name::DocPath;
use crate::core::time::Timestamp;
use crate::services::claim_arbiter::ClaimDenied;
use crate::services::{Error, Passing, Project};

/// The error of an edit that was refused. Where another agent has the task by now, or has it in another worktree, that is the
/// reason, since no transition here is allowed then.
pub(super) fn refused_edit(
    workspace: &Project,
    path: &DocPath,
    (task, evidence): (&Task, &LeaseEvidence),
    refusal: entity::Refusal,
    passing: &Passing,
) -> Result<Error, Error> {
    let is_illegal = matches!(refusal, entity::Refusal::IllegalStep { .. });
    if is_illegal
        && task.status != TaskStatus::Running
        && let Some(lost) = workspace.lost_since(path, task, evidence)
    {
        return Ok(lost);
    }
    workspace.let_pass(path, task, evidence, passing)?;
    let refusal = Error::Refused { path: path.clone(), source: Box::new(refusal.about(path.stem())) };
    let Some(by) = workspace.agent.as_ref().filter(|_| passing.over == Override::None) else { return Ok(refusal) };
    if !is_illegal || task.status != TaskStatus::Pending {
        return Ok(refusal);
    }
    let ask = LeaseRequest { by: by.clone(), lease: workspace.lease(), over: Override::None };
    Ok(match decide(task.id.as_str(), evidence, &[], &ask, &workspace.moment(), &workspace.here(path)) {
        ClaimVerdict::Lost { lost, .. } => workspace.lost(*lost),
        _ => workspace.refuse_unmerged(&task.id, path, evidence, &ask).err().unwrap_or(refusal),
    })
}

/// Refuses a caller that the registry does not let pass.
fn guard(
    workspace: &Project,
    path: &DocPath,
    (task, evidence): (&Task, &LeaseEvidence),
    pass: LeaseProof<'_>,
) -> Result<(), Error> {
    let guarded = lease::authorize(task.id.as_str(), evidence, pass, &workspace.moment(), &workspace.here(path));
    guarded.map_err(|lost| workspace.lost(*lost))
}

impl Project {
    /// Refuses an agent that has lost the task.
    pub(in crate::services) fn let_pass(
        &self,
        path: &DocPath,
        task: &Task,
        evidence: &LeaseEvidence,
        passing: &Passing,
    ) -> Result<(), Error> {
        if passing.over != Override::None || self.agent.is_none() && passing.fence.is_none() {
            return Ok(());
        }
        guard(self, path, (task, evidence), LeaseProof { by: self.agent.as_ref(), fence: passing.fence })
    }

    /// Refuses a caller that begins a task with another fence than it has.
    pub(super) fn check_fence(
        &self,
        path: &DocPath,
        task: &Task,
        evidence: &LeaseEvidence,
        passing: &Passing,
    ) -> Result<(), Error> {
        if passing.over != Override::None || passing.fence.is_none() {
            return Ok(());
        }
        guard(self, path, (task, evidence), LeaseProof { by: None, fence: passing.fence })
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
            (_, Some(by)) => Ok(Some(self.new_entry(by, &evidence.here, place()?))),
            (_, None) => Ok(None),
        }
    }

    /// The error of an agent to which the arbiter does not give a task.
    pub(in crate::services) fn denied(&self, denied: ClaimDenied) -> Error {
        match denied {
            ClaimDenied::Lost(loss) => self.lost(*loss),
            ClaimDenied::Undecided { task, why } => Error::Undecided { task: task.to_string(), why },
        }
    }

    /// A claim that was lost, with the moment until which the holder has the task.
    pub(in crate::services) fn lost(&self, mut loss: lease::LostLease) -> Error {
        let ms = loss.left.and_then(|left| i64::try_from(left.as_millis()).ok());
        loss.ended = loss.ended.or_else(|| loss.ended_ago.map(|ago| self.before(ago)));
        loss.until = ms.map(|ms| Timestamp::from_unix_ms(self.now().unix_ms().saturating_add(ms)));
        Error::ClaimLost(Box::new(loss))
    }
}
