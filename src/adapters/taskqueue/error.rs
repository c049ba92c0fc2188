//! Why a call of a `TaskQueue` server failed.

use std::path::PathBuf;
use std::time::Duration;

use crate::core::name::visible;
use crate::core::problem::{ErrorClass, Problem};

/// Why a call failed. What a server says about the state of its tasks is a [`TaskQueueError::Refused`]; after any other error
/// its process is ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskQueueError {
    /// The program could not be started.
    #[error("`{program}` could not be started: {why}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system says.
        why: String,
    },
    /// There is no program that may be started.
    #[error("`{program}` is not started: {why}")]
    NoProgram {
        /// What is wanted.
        program: String,
        /// Why there is none.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The process ended, or closed its output.
    #[error("`{program}` ended without an answer to `{call}`{}", said(stderr))]
    Ended {
        /// The program.
        program: String,
        /// What it was asked.
        call: String,
        /// The end of what it wrote on its standard error.
        stderr: String,
    },
    /// There was no answer in time. Whether it was done is not known.
    #[error("`{program}` did not answer `{call}` within {} ms", after.as_millis())]
    TimedOut {
        /// The program.
        program: String,
        /// What it was asked.
        call: String,
        /// How long the wait was.
        after: Duration,
    },
    /// A program that speaks the protocol and is no `TaskQueue` server.
    #[error("`{program}` is no TaskQueue server: {why}")]
    Foreign {
        /// The program.
        program: String,
        /// How that was seen.
        why: String,
    },
    /// An answer that makes no sense, or that is too long.
    #[error("`{program}` answered `{call}` with what makes no sense: {why}")]
    Senseless {
        /// The program.
        program: String,
        /// What it was asked.
        call: String,
        /// What is wrong with it.
        why: String,
    },
    /// A lock beside the file of the server stays: its maker was killed, and every call would wait for it.
    #[error("the lock `{}` has been there for {} s: each call of a server would wait for it", lock.display(), age.as_secs())]
    Locked {
        /// The lock.
        lock: PathBuf,
        /// How long it has been there.
        age: Duration,
    },
    /// The server understood it and refuses it. Forks translate the text: nothing is decided by it.
    #[error("TaskQueue refuses `{call}`: {why}")]
    Refused {
        /// What it was asked.
        call: String,
        /// Its words.
        why: String,
    },
}

impl TaskQueueError {
    /// Returns whether the server answered, so that its process can be used further.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl Problem for TaskQueueError {
    fn code(&self) -> &'static str {
        "unreached"
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Busy
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotStarted { .. } => {
                "name a program that can be started in `coordination.taskqueue.command`".to_owned()
            }
            Self::NoProgram { hint, .. } => hint.clone(),
            Self::Ended { program, .. } => format!("start {program} in a terminal to see why it ends"),
            Self::TimedOut { .. } => {
                "it is started again by itself; look whether it waits for a person, or for a lock beside its file"
                    .to_owned()
            }
            Self::Foreign { .. } | Self::Senseless { .. } => {
                "name the program of a TaskQueue server in `coordination.taskqueue.command`".to_owned()
            }
            Self::Locked { lock, .. } => {
                format!("run `rm {}` if no TaskQueue server is at work", visible(&lock.display().to_string()))
            }
            Self::Refused { .. } => {
                "correct what it says, or move the file of the server away: it is made again".to_owned()
            }
        })
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; it said: {stderr}") }
}
