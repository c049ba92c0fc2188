//! Why somebody does not get a task, or has it no longer: who has it, since when and until when. Wording only.

use std::fmt;
use std::time::Duration;

use super::entry::Place;
use crate::name::{AgentName, visible};
use crate::time::Timestamp;

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
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = visible(&self.task);
        let by = self.by.as_ref().map_or_else(|| "somebody".to_owned(), |by| format!("`{by}`"));
        match self.why {
            Why::Held => write!(f, "`{task}` is held by {by}")?,
            Why::Popped => write!(f, "`{task}` is held by somebody who took it from the queue (redis:unknown)")?,
            Why::Taking => return write!(f, "`{task}` is being claimed by {by} this very moment"),
            Why::Elsewhere => {
                return write!(f, "`{task}` is held by {by}, by its file; how long is not known in this clone");
            }
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
        let Some(place) = &self.place else { return Ok(()) };
        if let Some(branch) = &place.branch {
            write!(f, ", on branch `{}`", visible(branch))?;
        }
        write!(f, " in `{}`", visible(&place.root.display().to_string()))
    }
}

impl Loss {
    /// What to do next, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let task = visible(&self.task);
        match self.why {
            Why::Held if self.left.is_some_and(|left| left.is_zero()) => {
                Some(format!("run `mycelium task claim {task}` to take it over"))
            }
            Why::Held => Some("run `mycelium task claim --next` to get another one".to_owned()),
            Why::Popped => Some(format!("if that was you, run `mycelium task claim {} --force`", visible(&self.task))),
            Why::Taking => Some(format!("run `mycelium task get {task}` in a moment")),
            Why::Elsewhere => Some(format!("run `mycelium task claim {task} --steal` if nobody works on it any more")),
            Why::Completed | Why::Failed => {
                let branch = self.place.as_ref().and_then(|place| place.branch.as_deref());
                branch.map(|branch| format!("run `git merge {}` first", visible(branch)))
            }
            Why::Fence => Some(format!("run `mycelium task get {task}` to see who has it")),
        }
    }
}
