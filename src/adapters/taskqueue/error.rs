//! Why a call of a `TaskQueue` server failed.

use std::time::Duration;

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
        None
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; it said: {stderr}") }
}
