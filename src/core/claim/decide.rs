//! The decision: who gets a task that is asked for, and who may change one. Pure.

use std::time::Duration;

use super::entry::{Moment, Place, State};
use super::loss::{Loss, Why};
use super::standing::{Home, Left, Sight, Standing, Writing, over_for, standing};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::TaskStatus;
use crate::core::name::AgentName;
use crate::core::sabotage::{self, Sabotage};
use crate::core::snapshot::Blocker;

/// How hard somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Taking {
    /// Only what is free, and meant for them or for anybody.
    #[default]
    Polite,
    /// Also what is assigned to somebody else, and a task with a restricting value that cannot be used.
    Force,
    /// Also what somebody else has.
    Steal,
}

/// Somebody asks for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Who.
    pub by: AgentName,
    /// For how long they want it without a word.
    pub lease: Duration,
    /// How hard they ask.
    pub taking: Taking,
}

/// Origin whom a task comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody had it.
    Nobody,
    /// Their lease was over.
    Expired(AgentName),
    /// They had it.
    Stolen(AgentName),
}

/// A task is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Give {
    /// The fence of the new holder.
    pub fence: u64,
    /// Origin whom it comes.
    pub origin: Origin,
}

/// Why a task is given to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is meant for somebody else.
    Assigned(AgentName),
    /// A value that restricts it cannot be used.
    Unusable(Box<Diagnostic>),
    /// It waits for others.
    Waits(Vec<Blocker>),
    /// It is not pending, and no agent has it.
    Status(TaskStatus),
}

/// What comes of asking for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is theirs from now on.
    Give(Give),
    /// It is theirs already; their lease begins anew.
    Keep {
        /// Their fence.
        fence: u64,
    },
    /// The same agent is getting it this very moment: ask again.
    Wait,
    /// Somebody else has it, or has finished it.
    Lost {
        /// Who, and for how long.
        loss: Box<Loss>,
        /// Their lease has to be counted anew: note that it is, from now on.
        anew: Option<AgentName>,
    },
    /// Nobody gets it.
    Refused(Refusal),
}

/// Decides who gets a task. `task` is its id, for words; `blockers` is what it waits for; `here` is this work tree.
#[must_use]
pub fn decide(task: &str, sight: &Sight, blockers: &[Blocker], ask: &Ask, now: &Moment, here: &Place) -> Verdict {
    let facts = &sight.here;
    if matches!(facts.status, TaskStatus::Completed | TaskStatus::Failed) {
        return Verdict::Refused(Refusal::Status(facts.status));
    }
    let standing = standing(sight, now);
    if let Some(fence) = kept(sight, &standing, ask, here) {
        return Verdict::Keep { fence };
    }
    if sight.writing == Writing::UnderWay && sight.entry().is_some_and(|e| e.state == State::Begun && e.by == ask.by) {
        return Verdict::Wait;
    }
    if let Some(to) = facts.assigned_to.as_ref().filter(|to| **to != ask.by && ask.taking == Taking::Polite) {
        return Verdict::Refused(Refusal::Assigned(to.clone()));
    }
    if let Some(finding) = facts.unusable.as_ref().filter(|_| ask.taking == Taking::Polite) {
        return Verdict::Refused(Refusal::Unusable(finding.clone()));
    }
    let origin = match &standing {
        Standing::Free => Origin::Nobody,
        // The file came back to its holder, though the fence went on: it begins again with a fence that nobody had.
        Standing::Elsewhere(by) if sight.is_left && *by == ask.by => Origin::Nobody,
        // The branch was changed under their feet, or they come back after a crash.
        Standing::Held { entry, .. } if entry.by == ask.by && is_same(&entry.place, here) => Origin::Nobody,
        Standing::Held { entry, left } if left.is_over() => Origin::Expired(entry.by.clone()),
        Standing::Held { entry, .. } | Standing::Finished(entry) if ask.taking == Taking::Steal => {
            Origin::Stolen(entry.by.clone())
        }
        Standing::Elsewhere(by) | Standing::Lost(by) if ask.taking == Taking::Steal => Origin::Stolen(by.clone()),
        Standing::Unnamed if ask.taking == Taking::Steal => Origin::Nobody,
        Standing::Unnamed => return Verdict::Refused(Refusal::Status(facts.status)),
        _ => return lost(task, sight, &standing, here),
    };
    if facts.status == TaskStatus::Pending && !blockers.is_empty() {
        return Verdict::Refused(Refusal::Waits(blockers.to_vec()));
    }
    let step = u64::from(!sabotage::on(Sabotage::SameFence));
    Verdict::Give(Give { fence: sight.fence().saturating_add(step), origin })
}

/// The fence of whoever asks for what they have.
fn kept(sight: &Sight, standing: &Standing, ask: &Ask, here: &Place) -> Option<u64> {
    let facts = &sight.here;
    let is_theirs = facts.holder() == Some(&ask.by);
    match standing {
        Standing::Held { entry, .. } => {
            let is_in_place = is_theirs && entry.fence == facts.fence && is_same(&entry.place, here);
            (is_in_place && entry.by == ask.by).then_some(entry.fence)
        }
        // The file of another clone, or a ledger that a power cut took: the file says that it is theirs.
        Standing::Elsewhere(by) | Standing::Lost(by) if !sight.is_left => {
            (is_theirs && *by == ask.by).then_some(facts.fence)
        }
        _ => None,
    }
}

fn lost(task: &str, sight: &Sight, standing: &Standing, here: &Place) -> Verdict {
    let anew = match standing {
        Standing::Held { left: Left::Anew(_), entry } => Some(entry.by.clone()),
        Standing::Lost(by) => Some(by.clone()),
        _ => None,
    };
    Verdict::Lost { loss: Box::new(loss(task, sight, standing, here)), anew }
}

/// Who has it, in a form that can be told.
fn loss(task: &str, sight: &Sight, standing: &Standing, here: &Place) -> Loss {
    let mut loss = Loss::new(task, Why::Held, None, sight.fence());
    // Where neither branch nor document is left, nothing can be done there.
    let is_there = |place: &&Place| place.branch.is_some() || sight.home != Home::Unseen;
    loss.place = standing.place().filter(|place| !is_same(place, here)).filter(is_there).cloned();
    match standing {
        Standing::Held { entry, left } => {
            loss.by = Some(entry.by.clone());
            loss.since = Some(entry.since);
            loss.left = Some(left.span());
            if sight.writing == Writing::UnderWay && sight.entry().is_some_and(|entry| entry.state == State::Begun) {
                loss.why = Why::Taking;
            }
        }
        Standing::Finished(entry) => {
            loss.why = if entry.state == State::Failed { Why::Failed } else { Why::Completed };
            loss.by = Some(entry.by.clone());
        }
        Standing::Lost(by) => {
            loss.by = Some(by.clone());
            loss.left = sight.here.lease;
        }
        Standing::Elsewhere(by) => {
            loss.why = Why::Elsewhere;
            loss.by = Some(by.clone());
        }
        Standing::Free | Standing::Unnamed => {}
    }
    loss
}

/// Whoever wants to change a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass<'a> {
    /// Who, if it is an agent; a person may do anything.
    pub by: Option<&'a AgentName>,
    /// The fence that they believe to have.
    pub fence: Option<u64>,
}

/// Decides whether somebody may change a task that runs, or say how it ended. Whoever has lost it is told who has it.
///
/// # Errors
/// [`Loss`] if an agent asks and another one has it, or if the fence is not the one that they name.
pub fn guard(task: &str, sight: &Sight, pass: Pass<'_>, now: &Moment, here: &Place) -> Result<(), Box<Loss>> {
    let facts = &sight.here;
    let standing = standing(sight, now);
    let is_running = facts.status == TaskStatus::Running;
    let refused = |why: Option<Why>| {
        let loss = loss(task, sight, &standing, here);
        Err(Box::new(late(Loss { why: why.unwrap_or(loss.why), ..loss }, sight, pass.by, now)))
    };
    if let Some(fence) = pass.fence {
        let is_behind = fence != facts.fence || is_running && sight.fence() > fence;
        if is_behind && !sabotage::on(Sabotage::NoFence) {
            return refused(Some(Why::Fence));
        }
    }
    let Some(by) = pass.by.filter(|_| is_running && !sabotage::on(Sabotage::NoFence)) else { return Ok(()) };
    match &standing {
        // Also for the holder, in a work tree whose file tells of an earlier claim.
        Standing::Held { entry, .. } if entry.by != *by || entry.fence > facts.fence => refused(None),
        Standing::Elsewhere(other) | Standing::Lost(other) if other != by => refused(None),
        Standing::Finished(_) => refused(None),
        // What they had was given to somebody else, who has given it back since.
        Standing::Free => refused(Some(Why::Fence)),
        _ => Ok(()),
    }
}

/// The loss of an agent that would change a task, with the end of the lease that it had.
fn late(mut loss: Loss, sight: &Sight, by: Option<&AgentName>, now: &Moment) -> Loss {
    let (Some(by), Some(entry)) = (by, sight.entry()) else { return Loss { late: by.cloned(), ..loss } };
    let former = entry.former.iter().find(|former| former.by == *by);
    loss.ended = former.and_then(|former| former.ended);
    if entry.by == *by && entry.fence < sight.here.fence {
        loss.ended_ago = over_for(entry, sight.heard, now);
    }
    Loss { late: Some(by.clone()), ..loss }
}

/// Returns why an agent may not end a task that does not run any more: its lease ended, and another one had the task since.
#[must_use]
pub fn lost_since(task: &str, sight: &Sight, by: &AgentName, now: &Moment, here: &Place) -> Option<Box<Loss>> {
    let entry = sight.entry().filter(|entry| entry.by != *by && sight.here.status != TaskStatus::Running)?;
    entry.former.iter().find(|former| former.by == *by)?;
    let why = match entry.state {
        State::Completed => Why::Completed,
        State::Failed => Why::Failed,
        State::Begun | State::Held | State::Released | State::Expired => Why::Had,
    };
    let mut loss = Loss::new(task, why, Some(entry.by.clone()), sight.fence());
    loss.place = Some(&entry.place).filter(|place| !is_same(place, here)).cloned();
    Some(Box::new(late(loss, sight, Some(by), now)))
}

fn is_same(one: &Place, other: &Place) -> bool {
    one.root == other.root && one.document == other.document
}

#[cfg(test)]
mod tests;
