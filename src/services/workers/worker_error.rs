//! Why a worker cannot work, or a log not be shown.

use std::io;

use crate::core::name::DocId;
use crate::core::problem::{ErrorClass, Problem};
use crate::services::Error;
use crate::services::error::ServiceError;

/// Why a worker cannot work, or a log not be shown.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Neither the command line nor the user's configuration says what to run.
    #[error("no command is given")]
    NoCommand,
    /// A command cannot be started, or not be kept from outliving its worker.
    #[error("the command of `{task}` cannot be started; the task was given back")]
    CannotStart {
        /// Its task.
        task: DocId,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The system does not do what every worker needs.
    #[error("a worker cannot be started")]
    System(#[source] io::Error),
    /// What a command printed is not all in its log.
    #[error("`{path}` is not complete")]
    LogIncomplete {
        /// The log.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is no log.
    #[error("`{task}` has no log{}", .attempt.map_or_else(String::new, |attempt| format!(" of attempt {attempt}")))]
    NoLog {
        /// Its task.
        task: DocId,
        /// The attempt that was asked for.
        attempt: Option<u64>,
    },
}

impl Problem for WorkerError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoCommand => "no-command",
            Self::CannotStart { .. } => "command-not-started",
            Self::System(_) => "worker",
            Self::LogIncomplete { .. } => "log-incomplete",
            Self::NoLog { .. } => "no-log",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::NoCommand => ErrorClass::Usage,
            Self::CannotStart { .. } | Self::System(_) | Self::LogIncomplete { .. } => ErrorClass::Problem,
            Self::NoLog { .. } => ErrorClass::NotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoCommand => "give `--exec 'CMD'`, or run `mycelium config set --user worker.command 'CMD'`",
            Self::CannotStart { .. } | Self::System(_) => {
                "check the limits of processes and open files, then start it again"
            }
            Self::LogIncomplete { .. } => "make room on the disk",
            Self::NoLog { task, .. } => {
                return Some(format!("run `mycelium log {task}` to see what happened to it; only workers write logs"));
            }
        };
        Some(text.to_owned())
    }
}

impl From<WorkerError> for Error {
    fn from(error: WorkerError) -> Self {
        Self::Service(ServiceError::new(error))
    }
}
