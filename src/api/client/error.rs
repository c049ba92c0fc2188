//! Why a call of the library did not do its work, and what to do next. Wording only.

use std::time::Duration;

use super::mode::{Mode, Unreached};
use crate::core::diagnostic::Diagnostic;
use crate::core::lease::LostLease;
use crate::core::problem::{ErrorClass, Problem};
use crate::services;

/// Why a method did not do its work. Nothing was changed, but for [`Error::Timeout`], which says what is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such document.
    #[error(transparent)]
    NotFound(Box<services::Error>),
    /// It clashes with what is there: an id that is taken, one that stands in two files, the beginning of several.
    #[error(transparent)]
    Conflict(Box<services::Error>),
    /// The rules forbid it, such as completing a task that nobody has started.
    #[error(transparent)]
    Refused(Box<services::Error>),
    /// Another agent has the task, or the fence is not this one any more: who, since when and until when.
    #[error(transparent)]
    Lost(Box<LostLease>),
    /// A name, a value or a setting is wrong.
    #[error(transparent)]
    BadInput(Box<services::Error>),
    /// The fields of an update are no JSON object.
    #[error("the fields of an update are {0}, not an object")]
    NoObject(&'static str),
    /// The repository or a file is not safe to use.
    #[error(transparent)]
    Unsafe(Box<services::Error>),
    /// Somebody else is at it; the same call may work in a moment.
    #[error(transparent)]
    Busy(Box<services::Error>),
    /// The documents, the disk or the repository are at fault.
    #[error(transparent)]
    Failed(Box<services::Error>),
    /// The time that the client was given for one operation is over.
    #[error("no answer in {} ms; {outcome}", .after.as_millis())]
    Timeout {
        /// The time that was given.
        after: Duration,
        /// What became of the operation.
        outcome: TimedOut,
    },
    /// The follower that was required is not live.
    #[error("{wanted} was required and is not to be had: {why}")]
    Mode {
        /// What was required.
        wanted: Mode,
        /// Why it is not live.
        why: String,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The call has to wait for a time, and runs in no tokio runtime with a timer.
    #[error("there is no tokio runtime with a timer to wait in")]
    NoTimer,
    /// The system gives no thread to do it in.
    #[error("the system gives no thread")]
    NoThread(#[source] std::io::Error),
}

/// What became of an operation whose time is over. Half of it is never done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimedOut {
    /// It had not begun and will not: nothing was changed.
    NotDone,
    /// It had begun. It is done wholly or not at all, and which of the two is not known yet: look at the document later.
    Unknown,
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotDone => "nothing was done",
            Self::Unknown => "it is done wholly or not at all, and which is not known yet",
        })
    }
}

impl Error {
    /// What the operation met, where there is more to know: which document, which finding in it.
    #[must_use]
    pub fn cause(&self) -> Option<&services::Error> {
        match self {
            Self::NotFound(cause)
            | Self::Conflict(cause)
            | Self::Refused(cause)
            | Self::BadInput(cause)
            | Self::Unsafe(cause)
            | Self::Busy(cause)
            | Self::Failed(cause) => Some(cause),
            _ => None,
        }
    }

    /// The error below that has a code of its own.
    fn problem(&self) -> Option<&dyn Problem> {
        match self {
            Self::Lost(loss) => Some(&**loss),
            other => other.cause().map(|cause| cause as &dyn Problem),
        }
    }

    /// Returns true if the same call may work in a moment. A sandbox that keeps `.git` read-only stays as it is,
    /// and so does an engine that is not built in.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if let Self::Busy(cause) = self {
            return !cause.is_state_read_only() && cause.code() != "no-engine";
        }
        matches!(self, Self::NoThread(_) | Self::Timeout { outcome: TimedOut::NotDone, .. })
    }
}

/// The same codes, classes and hints as the command line has.
impl Problem for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoObject(_) => "not-an-object",
            Self::Timeout { .. } => "timeout",
            Self::Mode { .. } => "mode-unreached",
            Self::Closed => "closed",
            Self::NoTimer => "no-timer",
            Self::NoThread(_) => "no-thread",
            _ => self.problem().map_or("", Problem::code),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::NoObject(_) | Self::Closed | Self::NoTimer => ErrorClass::Usage,
            Self::Timeout { outcome: TimedOut::Unknown, .. } => ErrorClass::Problem,
            Self::Timeout { .. } | Self::Mode { .. } | Self::NoThread(_) => ErrorClass::Busy,
            _ => self.problem().map_or(ErrorClass::Problem, Problem::class),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoObject(_) => Some("give an object, such as `json!({ \"progress\": 0.5 })`".to_owned()),
            Self::Timeout { outcome: TimedOut::NotDone, .. } => Some("call it again".to_owned()),
            Self::Timeout { outcome: TimedOut::Unknown, .. } => Some("read the document, then decide".to_owned()),
            Self::Mode { .. } => Some("leave out `require_mode`: every method works on the files".to_owned()),
            Self::Closed => Some("build another client".to_owned()),
            Self::NoTimer => {
                Some("call it in a tokio runtime that was built with `enable_time` or `enable_all`".to_owned())
            }
            Self::BadInput(cause) if matches!(**cause, services::Error::NoAgent) => {
                Some("say who acts, with `.agent(NAME)` at the builder or `acting_as`".to_owned())
            }
            other => other.problem().and_then(Problem::hint),
        }
    }

    fn findings(&self) -> Vec<Diagnostic> {
        self.problem().map_or_else(Vec::new, Problem::findings)
    }
}

impl From<services::Error> for Error {
    fn from(error: services::Error) -> Self {
        use services::Error as Met;
        let is_refusal = matches!(
            error,
            Met::Refused { .. }
                | Met::Assigned { .. }
                | Met::Unmerged { .. }
                | Met::NotReady { .. }
                | Met::NotPending { .. }
                | Met::NotHeld { .. }
        );
        let class = error.class();
        let error = match error {
            Met::ClaimLost(loss) => return Self::Lost(loss),
            other => Box::new(other),
        };
        match class {
            // The folder that the client was to work in is no document.
            _ if matches!(*error, Met::Folder { .. }) => Self::Failed(error),
            ErrorClass::NotFound => Self::NotFound(error),
            ErrorClass::Conflict if is_refusal => Self::Refused(error),
            ErrorClass::Conflict => Self::Conflict(error),
            ErrorClass::Usage => Self::BadInput(error),
            ErrorClass::Unsafe => Self::Unsafe(error),
            ErrorClass::Busy => Self::Busy(error),
            ErrorClass::Problem | ErrorClass::Interrupted => Self::Failed(error),
        }
    }
}

impl From<Unreached> for Error {
    fn from(unreached: Unreached) -> Self {
        Self::Mode { wanted: unreached.wanted, why: unreached.why }
    }
}
