//! What a worker says while it works.

use std::time::Duration;

use crate::core::name::{AgentName, DocId};
use crate::services::Error;

/// Something that a worker did or met.
#[derive(Debug)]
pub enum WorkerNotice {
    /// It works from now on.
    Ready,
    /// A command was started.
    Started(WorkedTask),
    /// A command says that its failure is temporary; it is run again after this time.
    Temporary(WorkedTask, Duration),
    /// A command and all that it started have ended.
    Ended {
        /// Its task.
        task: WorkedTask,
        /// What became of the task.
        end: WorkEnd,
        /// How long the command ran, waits included.
        took: Duration,
    },
    /// A task that a worker of the same agent left behind when it was killed was given back.
    Recovered(WorkedTask),
    /// Something is in the way; it is tried again.
    Trouble(Error),
    /// It was asked to stop.
    Stopping,
}

/// A task as a worker has claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkedTask {
    /// Its id.
    pub id: DocId,
    /// Its type.
    pub kind: String,
    /// The agent.
    pub by: AgentName,
    /// The fencing token.
    pub fence: u64,
    /// The attempt, from 1.
    pub attempt: u64,
}

/// What became of a task that a worker had claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkEnd {
    /// It is completed.
    Completed,
    /// It has failed: the first line of the error.
    Failed(String),
    /// It was given back.
    Released,
    /// It is not this worker's any more; nothing was written. Why.
    Lost(String),
    /// Its end could not be written. Why.
    Unwritten(String),
}

impl WorkEnd {
    /// The word for it in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed(_) => "failed",
            Self::Released => "released",
            Self::Lost(_) => "lost",
            Self::Unwritten(_) => "unwritten",
        }
    }

    /// Why, if there is anything to say.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Completed | Self::Released => None,
            Self::Failed(why) | Self::Lost(why) | Self::Unwritten(why) => Some(why),
        }
    }
}
