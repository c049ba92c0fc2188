//! Why somebody does not get a task, or has it no longer: who has it, since when and until when. Wording only.

use std::fmt;
use std::time::Duration;

use super::entry::Place;
use crate::core::name::{AgentName, shell_word, visible};
use crate::core::time::Timestamp;

/// Why it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody has it.
    Held,
    /// Somebody took it from a queue on the server, and has not said who they are.
    Popped,
    /// Somebody is getting it this very moment.
    Taking,
    /// The document says that somebody has it, and this clone knows nothing of that.
    Elsewhere,
    /// Somebody has completed it in another work tree.
    Completed,
    /// Somebody has given it up in another work tree.
    Failed,
    /// The fence that was named is not that of the holder now.
    Fence,
    /// Their lease ended, and another one had the task since.
    Had,
}

impl Why {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Popped => "popped",
            Self::Taking => "taking",
            Self::Elsewhere => "elsewhere",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Fence => "fence",
            Self::Had => "had",
        }
    }
}

/// A task that somebody else has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Loss {
    /// Which task.
    pub task: String,
    /// Why it is lost.
    pub why: Why,
    /// Who has it, or had it last.
    pub by: Option<AgentName>,
    /// The fence now.
    pub fence: u64,
    /// Since when they have it, by the clock on the wall.
    pub since: Option<Timestamp>,
    /// How long they have it without another word.
    pub left: Option<Duration>,
    /// Until when that is, by the clock on the wall; filled in by whoever reads it.
    pub until: Option<Timestamp>,
    /// Where, if it is another work tree.
    pub place: Option<Place>,
    /// The agent that would change the task and may not.
    pub late: Option<AgentName>,
    /// When the lease of that agent ended, by the clock on the wall, where it is known.
    pub ended: Option<Timestamp>,
    /// How long ago that was, where only this is known.
    pub ended_ago: Option<Duration>,
}

impl Loss {
    /// A loss of which only this is known.
    #[must_use]
    pub fn new(task: impl Into<String>, why: Why, by: Option<AgentName>, fence: u64) -> Self {
        let (task, since, left, until, place) = (task.into(), None, None, None, None);
        Self { task, why, by, fence, since, left, until, place, late: None, ended: None, ended_ago: None }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = visible(&self.task);
        let by = self.by.as_ref().map_or_else(|| "another agent".to_owned(), |by| format!("`{by}`"));
        match self.why {
            Why::Held => write!(f, "`{task}` is held by {by}")?,
            Why::Popped => write!(f, "`{task}` is held by a program that took it from the queue (redis:unknown)")?,
            Why::Taking => return write!(f, "`{task}` is being claimed by {by} this very moment"),
            Why::Elsewhere => {
                write!(f, "`{task}` is held by {by}, by its file; how long is not known in this clone")?;
                return self.write_ended(f);
            }
            Why::Had => write!(f, "`{task}` was taken over by {by}, and given back since")?,
            Why::Completed => write!(f, "`{task}` was completed by {by}")?,
            Why::Failed => write!(f, "`{task}` was given up by {by}")?,
            Why::Fence => {
                write!(f, "the fence of `{task}` is {} now", self.fence)?;
                if self.by.is_some() {
                    write!(f, ": {by} has it")?;
                }
            }
        }
        if let Some(since) = self.since.filter(|_| matches!(self.why, Why::Held | Why::Fence)) {
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

impl Loss {
    /// Says when the lease of the agent ended that comes too late.
    fn write_ended(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.late, self.ended) {
            (Some(late), Some(ended)) => write!(f, "; the lease of `{late}` ended at {ended}"),
            _ => Ok(()),
        }
    }

    /// What to do next, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let task = visible(&self.task);
        // A note is refused to nobody: what was done is not lost.
        if let Some(late) = self.late.as_ref().filter(|_| !matches!(self.why, Why::Taking)) {
            return Some(format!("leave your result as a note: `mycelium task note {task} 'RESULT' --as {late}`"));
        }
        match self.why {
            Why::Held => Some("run `mycelium task claim --next` to get another one".to_owned()),
            Why::Popped => Some(format!("if that was you, run `mycelium task claim {} --force`", visible(&self.task))),
            Why::Taking => Some(format!("run `mycelium task get {task}` in a moment")),
            Why::Elsewhere => {
                Some(format!("run `mycelium task claim {task} --steal` if no agent works on it any more"))
            }
            Why::Completed | Why::Failed => Some(match &self.place {
                Some(Place { branch: Some(branch), .. }) => format!("run `git merge {}` first", visible(branch)),
                Some(place) => {
                    let root = shell_word(&visible(&place.root.display().to_string()));
                    format!("run `git -C {root} switch -c NAME` there, then `git merge NAME` here")
                }
                None => {
                    format!("no branch has that work any more: run `mycelium task claim {task} --steal` to do it again")
                }
            }),
            Why::Fence | Why::Had => Some(format!("run `mycelium task get {task}` to see who has it")),
        }
    }
}
