//! Why a workflow cannot be run or moved on.

use crate::core::diagnostic::Diagnostic;
use crate::core::name::visible;
use crate::core::problem::{ErrorClass, Problem};
use crate::core::workflow::InputError;
use crate::services::Error;
use crate::services::error::ServiceError;

/// Why a workflow cannot be run or moved on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// There is no definition of this name.
    #[error("there is no workflow definition `{}`", visible(.name))]
    NoDefinition {
        /// The name.
        name: String,
        /// Where it would lie.
        path: String,
    },
    /// The definition has errors.
    #[error("{}", .findings.first().map_or(path.as_str(), |finding| finding.message.as_str()))]
    BadDefinition {
        /// Its path.
        path: String,
        /// What is wrong with it.
        findings: Vec<Diagnostic>,
    },
    /// There is a definition of this name.
    #[error("{path} is there already")]
    Exists {
        /// Its path.
        path: String,
    },
    /// The inputs do not fit.
    #[error(transparent)]
    Inputs(InputError),
    /// The workflow has ended.
    #[error("`{id}` is {status}: only a running workflow can be {what}")]
    Ended {
        /// Its id.
        id: String,
        /// Its status.
        status: &'static str,
        /// `paused`, `resumed` or `cancelled`.
        what: &'static str,
    },
    /// Nothing of the workflow can be tried again.
    #[error("`{id}` has no step to try again")]
    NothingToRetry {
        /// Its id.
        id: String,
    },
    /// The engine of the definition is not built into this program.
    #[error("the engine `{engine}` is not built into this program")]
    NoEngine {
        /// Its word.
        engine: &'static str,
    },
    /// The workflow that was waited for has failed.
    #[error("`{id}` failed: {error}")]
    Failed {
        /// Its id.
        id: String,
        /// Its error, on one line.
        error: String,
    },
    /// The workflow has no such step.
    #[error("`{id}` has no step `{}`", visible(.step))]
    NoStep {
        /// Its id.
        id: String,
        /// The name.
        step: String,
    },
}

impl Problem for WorkflowError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoDefinition { .. } => "no-definition",
            Self::BadDefinition { .. } => "bad-definition",
            Self::Exists { .. } => "definition-exists",
            Self::Inputs(_) => "bad-input",
            Self::Ended { .. } => "workflow-ended",
            Self::NothingToRetry { .. } => "nothing-to-retry",
            Self::NoEngine { .. } => "no-engine",
            Self::Failed { .. } => "workflow-failed",
            Self::NoStep { .. } => "no-step",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::NoDefinition { .. } | Self::NoStep { .. } => ErrorClass::NotFound,
            Self::BadDefinition { .. } | Self::Failed { .. } => ErrorClass::Problem,
            Self::NoEngine { .. } => ErrorClass::Busy,
            Self::Exists { .. } | Self::Ended { .. } | Self::NothingToRetry { .. } => ErrorClass::Conflict,
            Self::Inputs(_) => ErrorClass::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoDefinition { name, .. } => {
                Some(format!("run `mycelium workflow new {}` to make one", visible(name)))
            }
            Self::BadDefinition { findings, .. } => findings.first().and_then(|finding| finding.hint.clone()),
            Self::Exists { .. } => Some("give another name, or edit that file".to_owned()),
            Self::Inputs(error) => Some(error.hint.clone()),
            Self::Ended { id, .. } => Some(format!("run `mycelium workflow graph {id}` to see how its steps ended")),
            Self::NothingToRetry { id } => {
                Some(format!("run `mycelium workflow graph {id}` to see how its steps stand"))
            }
            Self::NoEngine { .. } => {
                Some("take `engine` out of the definition, or write `engine: embedded`".to_owned())
            }
            Self::Failed { id, .. } => Some(format!("see the errors of the steps of `{id}`, then try it again")),
            Self::NoStep { id, .. } => Some(format!("run `mycelium workflow graph {id}` to see its steps")),
        }
    }

    fn findings(&self) -> Vec<Diagnostic> {
        if let Self::BadDefinition { findings, .. } = self { findings.clone() } else { Vec::new() }
    }
}

impl From<WorkflowError> for Error {
    fn from(error: WorkflowError) -> Self {
        Self::Service(ServiceError::new(error))
    }
}
