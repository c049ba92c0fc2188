//! What a task states about its execution as a step of a workflow: on which condition, when, how long, and over which items. Values only; `read` is the way in, and `snapshot` decides what is ready.

use std::str::FromStr;
use std::time::Duration;

use super::retry::RetryPolicy;
use super::status::UnknownWord;
use crate::core::name::DocId;
use crate::core::time::Timestamp;

/// Most items of one fan-out.
pub const FAN_OUT_ITEMS_MAX: usize = 1_000;
/// How many leases in a row may expire before a step has failed.
pub(super) const EXPIRIES_MAX: u64 = 3;

/// On which ends of the tasks in `depends_on` a task runs. It is decided once all of them have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Condition {
    /// All are completed.
    #[default]
    Success,
    /// One has failed, or was skipped because of a failure.
    Failure,
    /// None has failed, and at least one is completed: the join after a branch.
    Any,
    /// Whatever their ends are.
    Always,
    /// All are completed, and the expression is true.
    Expression(String),
}

impl Condition {
    /// The words for conditions without an expression.
    pub const WORDS: &'static [&'static str] = &["success", "failure", "any", "always"];

    /// Its text in a document: `failure`, `{{ steps.a.result.ok }}`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Success => "success".to_owned(),
            Self::Failure => "failure".to_owned(),
            Self::Any => "any".to_owned(),
            Self::Always => "always".to_owned(),
            Self::Expression(expression) => format!("{{{{ {expression} }}}}"),
        }
    }
}

impl FromStr for Condition {
    type Err = UnknownWord;

    /// Reads one of [`Condition::WORDS`]. An expression is no word.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            "any" => Ok(Self::Any),
            "always" => Ok(Self::Always),
            _ => {
                Err(UnknownWord::new("condition", text, "success, failure, any, always, {{ EXPRESSION }}", Self::WORDS))
            }
        }
    }
}

/// Over what a fan-out runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ForEach {
    /// The list that an expression gives.
    Expression(String),
    /// A list as JSON.
    Items(String),
}

/// Why a task was skipped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SkipReason(String);

impl SkipReason {
    /// How the reason of a task begins that was skipped because of a failure before it.
    const FAILURE: &'static str = "failure of ";

    /// A task that it depends on has failed, or was skipped for a failure.
    #[must_use]
    pub fn failure_of(id: &DocId) -> Self {
        Self(format!("{}{id}", Self::FAILURE))
    }

    /// Any other reason.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the key `skipped`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Returns true if the task was skipped because of a failure before it.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.0.starts_with(Self::FAILURE)
    }
}

/// What a task states about its execution. Values that restrict when it may start are in [`super::TaskGates`].
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Execution {
    /// The step of its workflow that it is.
    pub step: Option<String>,
    /// How often it is tried.
    pub retry: Option<RetryPolicy>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// When the attempt began; kept only where there is a timeout.
    pub started: Option<Timestamp>,
    /// How often in a row its lease expired: its holders gave no sign of life.
    pub expiries: u64,
    /// Why it was skipped; counts only while it is completed.
    pub skipped: Option<SkipReason>,
    /// Most items of a fan-out that run at once.
    pub max_parallel: Option<u64>,
    /// The fan-out that it is an item of.
    pub fan_out: Option<DocId>,
    /// Which item, from 1.
    pub item: Option<u64>,
    /// Its payload holds expressions that are to be filled before it starts.
    pub fill: bool,
}

/// How a task has ended, as far as those that depend on it are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// It is completed.
    Completed,
    /// It has failed, and is not tried again.
    Failed,
    /// It was skipped because of a failure before it.
    SkippedByFailure,
    /// It was skipped for another reason.
    Skipped,
}

/// How the error of what was cancelled begins.
pub(super) const CANCELLED_BY: &str = "cancelled by ";

/// Returns true if an error says that something was cancelled.
pub(super) fn is_cancellation(error: Option<&serde_json::Value>) -> bool {
    error.and_then(serde_json::Value::as_str).is_some_and(|text| text.starts_with(CANCELLED_BY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit() {
        let seconds = |n| Duration::from_secs(n);
        let policy = RetryPolicy { max_attempts: 9, backoff: seconds(30), factor: 2.0, max_backoff: seconds(600) };
        let waits: Vec<u64> = (1..=7).map(|attempt| policy.backoff_after(attempt).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(policy.backoff_after(u64::MAX), seconds(600));
        let steady = RetryPolicy { factor: 1.0, ..policy };
        assert_eq!(steady.backoff_after(500), seconds(30));
        let none = RetryPolicy { backoff: Duration::ZERO, ..policy };
        assert_eq!(none.backoff_after(500), Duration::ZERO);
    }

    #[test]
    fn a_reason_says_whether_a_failure_was_it() {
        let id = DocId::new("task-1").expect("valid");
        assert!(SkipReason::failure_of(&id).is_failure());
        assert!(!SkipReason::new("the condition is false").is_failure());
    }
}
