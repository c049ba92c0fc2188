//! The message for an agent that does not get a task, or holds it no longer: who holds it, since when and until when.

use std::fmt;
use std::time::Duration;

use super::entry::LeasePlace;
use crate::core::name::{AgentName, shell_word, visible};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::time::Timestamp;

/// Why an agent does not get a lease or has lost it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// Another agent holds the task.
    Held,
    /// A program took it from a queue on the server without naming an agent.
    Popped,
    /// Another agent is claiming it at this moment.
    BeingClaimed,
    /// The document names a holder of whom this clone has no lease.
    Elsewhere,
    /// Another agent has completed it in another worktree.
    Completed,
    /// Another agent has failed it in another worktree.
    Failed,
    /// The given fencing token is not the current one.
    Fence,
    /// The lease expired, and another agent has held the task since.
    TakenOver,
}

impl LossReason {
    /// Returns the word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Popped => "popped",
            Self::BeingClaimed => "over",
            Self::Elsewhere => "elsewhere",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Fence => "fence",
            Self::TakenOver => "had",
        }
    }
}

/// A claim or change that is refused, since another agent holds the task or has finished it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct LostLease {
    /// The id of the task.
    pub task: String,
    /// Why.
    pub why: LossReason,
    /// The holder, or the last one.
    pub by: Option<AgentName>,
    /// The current fencing token.
    pub fence: u64,
    /// Since when the holder has the lease, by the wall clock.
    pub since: Option<Timestamp>,
    /// How much of the lease is left.
    pub left: Option<Duration>,
    /// When the lease ends, by the wall clock; filled in by the services.
    pub until: Option<Timestamp>,
    /// Where it is held, if in another worktree.
    pub place: Option<LeasePlace>,
    /// The agent whose change is refused.
    pub late: Option<AgentName>,
    /// When the lease of that agent ended, by the wall clock, if it is known.
    pub ended: Option<Timestamp>,
    /// How long ago that was, if only this is known.
    pub ended_ago: Option<Duration>,
}

impl LostLease {
    /// Creates one without times and place.
    #[must_use]
    pub fn new(task: impl Into<String>, why: LossReason, by: Option<AgentName>, fence: u64) -> Self {
        let (task, since, left, until, place) = (task.into(), None, None, None, None);
        Self { task, why, by, fence, since, left, until, place, late: None, ended: None, ended_ago: None }
    }
}

impl fmt::Display for LostLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = visible(&self.task);
        let by = self.by.as_ref().map_or_else(|| "another agent".to_owned(), |by| format!("`{by}`"));
        match self.why {
            LossReason::Held => write!(f, "`{task}` is held by {by}")?,
            LossReason::Popped => {
                write!(f, "`{task}` is held by a program that took it from the queue (redis:unknown)")?;
            }
            LossReason::BeingClaimed => return write!(f, "`{task}` is being claimed by {by} this very moment"),
            LossReason::Elsewhere => {
                write!(f, "`{task}` is held by {by}, by its file; how long is not known in this clone")?;
                return self.write_ended(f);
            }
            LossReason::TakenOver => write!(f, "`{task}` was taken over by {by}, and given back since")?,
            LossReason::Completed => write!(f, "`{task}` was completed by {by}")?,
            LossReason::Failed => write!(f, "`{task}` was given up by {by}")?,
            LossReason::Fence => {
                write!(f, "the fence of `{task}` is {} now", self.fence)?;
                if self.by.is_some() {
                    write!(f, ": {by} has it")?;
                }
            }
        }
        if let Some(since) = self.since.filter(|_| matches!(self.why, LossReason::Held | LossReason::Fence)) {
            write!(f, " since {since}")?;
        }
        match (self.until, self.left) {
            (_, Some(left)) if left.is_zero() => write!(f, ", whose lease is over")?,
            (Some(until), _) => write!(f, ", until {until}")?,
            _ => {}
        }
        if let Some(place) = &self.place {
            if let Some(branch) = &place.branch {
                write!(f, ", on branch `{}`", visible(branch))?;
            }
            write!(f, " in `{}`", visible(&place.root.display().to_string()))?;
        }
        self.write_ended(f)
    }
}

impl LostLease {
    /// Writes when the lease of the refused agent ended.
    fn write_ended(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.late, self.ended) {
            (Some(late), Some(ended)) => write!(f, "; the lease of `{late}` ended at {ended}"),
            _ => Ok(()),
        }
    }
}

impl Problem for LostLease {
    fn code(&self) -> &'static str {
        "claim-lost"
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Conflict
    }

    fn hint(&self) -> Option<String> {
        let task = visible(&self.task);
        // A note is never refused, so that no result is lost.
        if let Some(late) = self.late.as_ref().filter(|_| !matches!(self.why, LossReason::BeingClaimed)) {
            return Some(format!("leave your result as a note: `mycelium task note {task} 'RESULT' --as {late}`"));
        }
        match self.why {
            LossReason::Held => Some("run `mycelium task claim --next` to get another one".to_owned()),
            LossReason::Popped => {
                Some(format!("if that was you, run `mycelium task claim {} --force`", visible(&self.task)))
            }
            LossReason::BeingClaimed => Some(format!("run `mycelium task get {task}` in a moment")),
            LossReason::Elsewhere => {
                Some(format!("run `mycelium task claim {task} --steal` if no agent works on it any more"))
            }
            LossReason::Completed | LossReason::Failed => Some(match &self.place {
                Some(LeasePlace { branch: Some(branch), .. }) => format!("run `git merge {}` first", visible(branch)),
                Some(place) => {
                    let root = shell_word(&visible(&place.root.display().to_string()));
                    format!("run `git -C {root} switch -c NAME` there, then `git merge NAME` here")
                }
                None => {
                    format!("no branch has that work any more: run `mycelium task claim {task} --steal` to do it again")
                }
            }),
            LossReason::Fence | LossReason::TakenOver => {
                Some(format!("run `mycelium task get {task}` to see who has it"))
            }
        }
    }
}
