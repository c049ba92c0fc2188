//! What a document says that restricts when a task may start and what its end opens: each value is absent, usable, or stated
//! and unusable. What is stated and cannot be used closes the gate; it never counts as absent.

use super::model::{Task, Workflow};
use super::status::{Review, TaskStatus, WorkflowStatus};
use super::step_settings::{Condition, ForEach, SkipReason, TaskEnd, is_cancellation};
use crate::core::diagnostic::Diagnostic;
use crate::core::name::{AgentName, DocId};
use crate::core::time::Timestamp;

/// The value of a key that restricts something.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum StatedValue<T> {
    /// Nothing is stated: the key is missing, null, empty or `[]`, or holds a word for nothing.
    #[default]
    Absent,
    /// A value that can be used.
    Usable(T),
    /// Something is stated that cannot be used; the finding says where and why.
    #[serde(skip)]
    Unusable(Box<Diagnostic>),
}

impl<T> StatedValue<T> {
    /// Returns the value for display. Decisions match all three variants.
    #[must_use]
    pub const fn usable(&self) -> Option<&T> {
        match self {
            Self::Usable(value) => Some(value),
            Self::Absent | Self::Unusable(_) => None,
        }
    }

    /// Returns why the value cannot be used, if something is stated that cannot.
    #[must_use]
    pub fn unusable(&self) -> Option<&Diagnostic> {
        match self {
            Self::Unusable(finding) => Some(finding),
            Self::Absent | Self::Usable(_) => None,
        }
    }
}

/// What a reference means where there is no such task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum WhenMissing {
    /// It was prose: nothing is referred to.
    Ignored,
    /// The text says that the task is completed, so it blocks nothing; it is worth a warning.
    Warns,
    /// A task is missing.
    Blocks,
}

/// A task that a document refers to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TaskReference {
    /// The id, as it is written.
    pub id: DocId,
    /// What it means where there is no such task.
    pub when_missing: WhenMissing,
}

impl TaskReference {
    /// Returns true if it is written as a task's id, so that it is shown also where nothing is known of other tasks.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.when_missing != WhenMissing::Ignored || self.id.as_str().starts_with("task-")
    }
}

/// What `approved` says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ApprovalMark {
    /// This agent or person approved.
    By(String),
    /// A word that is no name, such as `false` or `pending`: not approved. The finding says so.
    #[serde(skip)]
    Withheld(Box<Diagnostic>),
}

/// Everything that a task states about when it may start and whether its result counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct TaskGates {
    /// What must be completed before: the key, else the words of `## Dependencies`.
    pub depends_on: StatedValue<Vec<TaskReference>>,
    /// On which ends of these it runs.
    pub when: StatedValue<Condition>,
    /// The moment before which it does not start.
    pub not_before: StatedValue<Timestamp>,
    /// It is a fan-out over these: given to no agent itself.
    pub for_each: StatedValue<ForEach>,
    /// Who is to do it.
    pub assigned_to: StatedValue<AgentName>,
    /// Whether it must be approved.
    pub review: StatedValue<Review>,
    /// Who approved it.
    pub approved: StatedValue<ApprovalMark>,
    /// The document can be read and not edited: no operation could write a claim.
    pub layout: StatedValue<()>,
}

impl TaskGates {
    /// Returns the first stated value that cannot be used, or why the document cannot be edited. Such a task is not ready
    /// and is given to no agent.
    #[must_use]
    pub fn unusable(&self) -> Option<&Diagnostic> {
        let Self { depends_on, when, not_before, for_each, assigned_to, review, approved, layout } = self;
        let first = depends_on.unusable().or_else(|| when.unusable()).or_else(|| not_before.unusable());
        let first = first.or_else(|| for_each.unusable()).or_else(|| assigned_to.unusable());
        first.or_else(|| review.unusable()).or_else(|| approved.unusable()).or_else(|| layout.unusable())
    }
}

impl Task {
    /// Returns on which ends of its dependencies it runs.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        const SUCCESS: &Condition = &Condition::Success;
        self.gates.when.usable().unwrap_or(SUCCESS)
    }

    /// Returns why it was skipped, if it was.
    #[must_use]
    pub fn skip_reason(&self) -> Option<&SkipReason> {
        self.execution.skipped.as_ref().filter(|_| self.status == TaskStatus::Completed)
    }

    /// Returns true if it has failed and is to be tried again.
    #[must_use]
    pub fn has_attempts_left(&self) -> bool {
        let max = self.execution.retry.map_or(1, |retry| retry.max_attempts);
        // The policy of a fan-out is that of its items.
        let is_tried =
            self.status == TaskStatus::Failed && !self.is_cancelled() && self.gates.for_each.usable().is_none();
        is_tried && self.attempt.unwrap_or(1).max(1) < max
    }

    /// Returns true if it was cancelled: its error says so.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.status == TaskStatus::Failed && is_cancellation(self.error.as_ref())
    }

    /// Returns true if its attempts are counted by `retry`, not by claims.
    #[must_use]
    pub fn is_retried_by_policy(&self) -> bool {
        self.execution.retry.is_some() || self.execution.step.is_some()
    }

    /// Returns how it has ended; `None` while it has not, or is to be tried again.
    #[must_use]
    pub fn end(&self) -> Option<TaskEnd> {
        match (self.status, self.skip_reason()) {
            (TaskStatus::Completed, None) => Some(TaskEnd::Completed),
            (TaskStatus::Completed, Some(reason)) if reason.is_failure() => Some(TaskEnd::SkippedByFailure),
            (TaskStatus::Completed, Some(_)) => Some(TaskEnd::Skipped),
            (TaskStatus::Failed, _) if !self.has_attempts_left() => Some(TaskEnd::Failed),
            (TaskStatus::Failed | TaskStatus::Pending | TaskStatus::Running, _) => None,
        }
    }

    /// Returns the tasks that it refers to as its dependencies; whether each counts depends on which tasks exist.
    #[must_use]
    pub fn references(&self) -> &[TaskReference] {
        self.gates.depends_on.usable().map_or(&[], Vec::as_slice)
    }

    /// Returns true if its result counts for those that depend on it: no approval is required, or another than the holder
    /// gave it. A stated value that cannot be used requires one.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        // Who writes that it is not approved expects an approval.
        let is_expected = match &self.gates.approved {
            StatedValue::Unusable(_) | StatedValue::Usable(ApprovalMark::Withheld(_)) => true,
            StatedValue::Absent | StatedValue::Usable(ApprovalMark::By(_)) => false,
        };
        let is_required = match &self.gates.review {
            StatedValue::Usable(Review::Required) | StatedValue::Unusable(_) => true,
            StatedValue::Usable(Review::None) => false,
            StatedValue::Absent => is_expected,
        };
        !is_required || self.is_approved_by_another()
    }

    /// Returns what is wrong with its review or its approval, if that keeps its result from counting.
    #[must_use]
    pub fn approval_fault(&self) -> Option<&Diagnostic> {
        let withheld = match &self.gates.approved {
            StatedValue::Usable(ApprovalMark::Withheld(finding)) | StatedValue::Unusable(finding) => Some(&**finding),
            StatedValue::Usable(ApprovalMark::By(_)) | StatedValue::Absent => None,
        };
        self.gates.review.unusable().or(withheld).filter(|_| !self.is_approved())
    }

    /// Returns true if another than its holder approved it, or a person their own work with `--self`.
    pub(super) fn is_approved_by_another(&self) -> bool {
        match &self.gates.approved {
            StatedValue::Usable(ApprovalMark::By(by)) => {
                self.holder().is_none_or(|holder| !holder.as_str().eq_ignore_ascii_case(by))
            }
            StatedValue::Usable(ApprovalMark::Withheld(_)) | StatedValue::Absent | StatedValue::Unusable(_) => false,
        }
    }
}

impl Workflow {
    /// Returns the tasks that it refers to; whether each counts depends on which tasks exist.
    #[must_use]
    pub fn references(&self) -> &[TaskReference] {
        self.listed.usable().map_or(&[], Vec::as_slice)
    }

    /// Returns true if it is paused: none of its tasks starts.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused && self.status == WorkflowStatus::Running
    }

    /// Returns true if it was cancelled: none of its tasks starts any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.status == WorkflowStatus::Failed && is_cancellation(self.error.as_ref())
    }
}
