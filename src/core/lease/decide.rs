//! Decides who gets a task that is requested, and who may change one.

use std::time::Duration;

use super::entry::{BootTime, EntryState, LeasePlace};
use super::lost::{LossReason, LostLease};
use super::state::{EntryWriter, HolderDocument, LeaseEvidence, LeaseState, TimeLeft, expired_for, lease_state};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::TaskStatus;
use crate::core::name::AgentName;
use crate::core::sabotage::{self, Sabotage};
use crate::core::snapshot::Blocker;

/// What a request for a task overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Override {
    /// Nothing: the task has to be free, and assigned to the requesting agent or to none.
    #[default]
    None,
    /// An assignment to another agent, and a restricting value that cannot be used.
    Force,
    /// Also the lease of another agent.
    Steal,
}

/// A request for the lease of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The agent that is to hold it.
    pub by: AgentName,
    /// How long the lease lasts unless it is renewed.
    pub lease: Duration,
    /// What the request overrides.
    pub over: Override,
}

/// Who held a task before the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviousHolder {
    /// No agent.
    None,
    /// This agent, whose lease has expired.
    Expired(AgentName),
    /// This agent, whose lease has not expired.
    Stolen(AgentName),
}

/// A lease that a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseGrant {
    /// The fencing token of the new holder.
    pub fence: u64,
    /// Who held the task before.
    pub previous: PreviousHolder,
}

/// Why no agent, or not this one, gets a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// It is assigned to another agent.
    Assigned(AgentName),
    /// A value that restricts it cannot be used.
    Unusable(Box<Diagnostic>),
    /// It is blocked by these.
    Blocked(Vec<Blocker>),
    /// It is not pending, and no agent holds it.
    Status(TaskStatus),
}

/// The answer to a request for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimVerdict {
    /// The agent holds the task from now on.
    Grant(LeaseGrant),
    /// The agent holds the task already; its lease is renewed.
    Keep {
        /// Its fencing token.
        fence: u64,
    },
    /// Another process of the same agent is claiming the task at this moment: request it again.
    Wait,
    /// Another agent holds the task, or has finished it.
    Lost {
        /// The holder, and for how long.
        lost: Box<LostLease>,
        /// The holder whose lease is to be measured from now on, since its age is unknown.
        reanchor: Option<AgentName>,
    },
    /// No agent gets the task.
    Refused(ClaimRefusal),
}

/// Decides who gets a task. `task` is its id, for messages; `blockers` is what blocks it; `here` is this worktree.
#[must_use]
pub fn decide(
    task: &str,
    evidence: &LeaseEvidence,
    blockers: &[Blocker],
    ask: &LeaseRequest,
    now: &BootTime,
    here: &LeasePlace,
) -> ClaimVerdict {
    let facts = &evidence.here;
    if matches!(facts.status, TaskStatus::Completed | TaskStatus::Failed) {
        return ClaimVerdict::Refused(ClaimRefusal::Status(facts.status));
    }
    let state = lease_state(evidence, now);
    if let Some(fence) = held_fence(evidence, &state, ask, here) {
        return ClaimVerdict::Keep { fence };
    }
    if evidence.writer == EntryWriter::Active
        && evidence.entry().is_some_and(|e| e.state == EntryState::Begun && e.by == ask.by)
    {
        return ClaimVerdict::Wait;
    }
    if let Some(to) = facts.assigned_to.as_ref().filter(|to| **to != ask.by && ask.over == Override::None) {
        return ClaimVerdict::Refused(ClaimRefusal::Assigned(to.clone()));
    }
    if let Some(finding) = facts.unusable.as_ref().filter(|_| ask.over == Override::None) {
        return ClaimVerdict::Refused(ClaimRefusal::Unusable(finding.clone()));
    }
    let previous = match &state {
        LeaseState::Free => PreviousHolder::None,
        // The file came back to its holder, though the fence went on: the holder begins again with a new fence.
        LeaseState::Elsewhere(by) if evidence.is_reverted && *by == ask.by => PreviousHolder::None,
        // The branch was changed under their feet, or they come back after a crash.
        LeaseState::Held { entry, .. } if entry.by == ask.by && is_same(&entry.place, here) => PreviousHolder::None,
        LeaseState::Held { entry, left } if left.is_over() => PreviousHolder::Expired(entry.by.clone()),
        LeaseState::Held { entry, .. } | LeaseState::Finished(entry) if ask.over == Override::Steal => {
            PreviousHolder::Stolen(entry.by.clone())
        }
        LeaseState::Elsewhere(by) | LeaseState::Lost(by) if ask.over == Override::Steal => {
            PreviousHolder::Stolen(by.clone())
        }
        LeaseState::Unnamed if ask.over == Override::Steal => PreviousHolder::None,
        LeaseState::Unnamed => return ClaimVerdict::Refused(ClaimRefusal::Status(facts.status)),
        _ => return lost(task, evidence, &state, here),
    };
    if facts.status == TaskStatus::Pending && !blockers.is_empty() {
        return ClaimVerdict::Refused(ClaimRefusal::Blocked(blockers.to_vec()));
    }
    let step = u64::from(!sabotage::on(Sabotage::SameFence));
    ClaimVerdict::Grant(LeaseGrant { fence: evidence.fence().saturating_add(step), previous })
}

/// The fencing token of an agent that requests what it holds.
fn held_fence(evidence: &LeaseEvidence, state: &LeaseState, ask: &LeaseRequest, here: &LeasePlace) -> Option<u64> {
    let facts = &evidence.here;
    let is_theirs = facts.holder() == Some(&ask.by);
    match state {
        LeaseState::Held { entry, .. } => {
            let is_in_place = is_theirs && entry.fence == facts.fence && is_same(&entry.place, here);
            (is_in_place && entry.by == ask.by).then_some(entry.fence)
        }
        // The file of another clone, or a registry that a power cut took: the file names the agent.
        LeaseState::Elsewhere(by) | LeaseState::Lost(by) if !evidence.is_reverted => {
            (is_theirs && *by == ask.by).then_some(facts.fence)
        }
        _ => None,
    }
}

fn lost(task: &str, evidence: &LeaseEvidence, state: &LeaseState, here: &LeasePlace) -> ClaimVerdict {
    let reanchor = match state {
        LeaseState::Held { left: TimeLeft::Reanchored(_), entry } => Some(entry.by.clone()),
        LeaseState::Lost(by) => Some(by.clone()),
        _ => None,
    };
    ClaimVerdict::Lost { lost: Box::new(describe(task, evidence, state, here)), reanchor }
}

/// Describes who holds a task.
fn describe(task: &str, evidence: &LeaseEvidence, state: &LeaseState, here: &LeasePlace) -> LostLease {
    let mut lost = LostLease::new(task, LossReason::Held, None, evidence.fence());
    // Where neither branch nor document exists any more, the place does not help.
    let is_there = |place: &&LeasePlace| place.branch.is_some() || evidence.holder_document != HolderDocument::Unseen;
    lost.place = state.place().filter(|place| !is_same(place, here)).filter(is_there).cloned();
    match state {
        LeaseState::Held { entry, left } => {
            lost.by = Some(entry.by.clone());
            lost.since = Some(entry.since);
            lost.left = Some(left.span());
            if evidence.writer == EntryWriter::Active
                && evidence.entry().is_some_and(|entry| entry.state == EntryState::Begun)
            {
                lost.why = LossReason::BeingClaimed;
            }
        }
        LeaseState::Finished(entry) => {
            lost.why = if entry.state == EntryState::Failed { LossReason::Failed } else { LossReason::Completed };
            lost.by = Some(entry.by.clone());
        }
        LeaseState::Lost(by) => {
            lost.by = Some(by.clone());
            lost.left = evidence.here.lease;
        }
        LeaseState::Elsewhere(by) => {
            lost.why = LossReason::Elsewhere;
            lost.by = Some(by.clone());
        }
        LeaseState::Free | LeaseState::Unnamed => {}
    }
    lost
}

/// What a caller shows for its right to change a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeaseProof<'a> {
    /// The agent, if it is one; a person may change every task.
    pub by: Option<&'a AgentName>,
    /// The fencing token that it believes to be the current one.
    pub fence: Option<u64>,
}

/// Decides whether a caller may change a running task or end it.
///
/// # Errors
/// [`LostLease`] if an agent asks and another one holds the task, or if the fencing token is not the current one.
pub fn authorize(
    task: &str,
    evidence: &LeaseEvidence,
    proof: LeaseProof<'_>,
    now: &BootTime,
    here: &LeasePlace,
) -> Result<(), Box<LostLease>> {
    let facts = &evidence.here;
    let state = lease_state(evidence, now);
    let is_running = facts.status == TaskStatus::Running;
    let refused = |why: Option<LossReason>| {
        let lost = describe(task, evidence, &state, here);
        Err(Box::new(with_late(LostLease { why: why.unwrap_or(lost.why), ..lost }, evidence, proof.by, now)))
    };
    if let Some(fence) = proof.fence {
        let is_behind = fence != facts.fence || is_running && evidence.fence() > fence;
        if is_behind && !sabotage::on(Sabotage::NoFence) {
            return refused(Some(LossReason::Fence));
        }
    }
    let Some(by) = proof.by.filter(|_| is_running && !sabotage::on(Sabotage::NoFence)) else { return Ok(()) };
    match &state {
        // Also for the holder, in a worktree whose file is of an earlier claim.
        LeaseState::Held { entry, .. } if entry.by != *by || entry.fence > facts.fence => refused(None),
        LeaseState::Elsewhere(other) | LeaseState::Lost(other) if other != by => refused(None),
        LeaseState::Finished(_) => refused(None),
        // The task went to another agent, which has released it since.
        LeaseState::Free => refused(Some(LossReason::Fence)),
        _ => Ok(()),
    }
}

/// Adds when the lease ended of the agent that is refused.
fn with_late(mut lost: LostLease, evidence: &LeaseEvidence, by: Option<&AgentName>, now: &BootTime) -> LostLease {
    let (Some(by), Some(entry)) = (by, evidence.entry()) else { return LostLease { late: by.cloned(), ..lost } };
    let former = entry.former.iter().find(|former| former.by == *by);
    lost.ended = former.and_then(|former| former.ended);
    if entry.by == *by && entry.fence < evidence.here.fence {
        lost.ended_ago = expired_for(entry, evidence.last_seen, now);
    }
    LostLease { late: Some(by.clone()), ..lost }
}

/// Returns why an agent may not end a task that does not run any more: its lease expired, and another agent has held the task
/// since.
#[must_use]
pub fn taken_over_since(
    task: &str,
    evidence: &LeaseEvidence,
    by: &AgentName,
    now: &BootTime,
    here: &LeasePlace,
) -> Option<Box<LostLease>> {
    let entry = evidence.entry().filter(|entry| entry.by != *by && evidence.here.status != TaskStatus::Running)?;
    entry.former.iter().find(|former| former.by == *by)?;
    let why = match entry.state {
        EntryState::Completed => LossReason::Completed,
        EntryState::Failed => LossReason::Failed,
        EntryState::Begun | EntryState::Held | EntryState::Released | EntryState::Expired => LossReason::TakenOver,
    };
    let mut lost = LostLease::new(task, why, Some(entry.by.clone()), evidence.fence());
    lost.place = Some(&entry.place).filter(|place| !is_same(place, here)).cloned();
    Some(Box::new(with_late(lost, evidence, Some(by), now)))
}

fn is_same(one: &LeasePlace, other: &LeasePlace) -> bool {
    one.root == other.root && one.document == other.document
}

#[cfg(test)]
mod tests;
