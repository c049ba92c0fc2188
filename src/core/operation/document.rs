//! The changes of a task and of a workflow, and the documents that are created.

use serde_json::Value as Json;

use crate::core::document::{Document, Mark};
use crate::core::entity::review::{self, Approver};
use crate::core::entity::task::{self, TaskUpdate};
use crate::core::entity::workflow::{self, WorkflowUpdate};
use crate::core::entity::{AgentDraft, Refusal, SkipReason, TaskDraft, WorkflowDraft};
use crate::core::name::{DocId, Kind};
use crate::core::time::Timestamp;

/// A document to be made.
#[derive(Debug, Clone)]
pub enum New {
    /// A task.
    Task(TaskDraft),
    /// An agent.
    Agent(AgentDraft),
    /// A workflow.
    Workflow(WorkflowDraft),
}

impl New {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Task(_) => Kind::Task,
            Self::Agent(_) => Kind::Agent,
            Self::Workflow(_) => Kind::Workflow,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> DocId {
        match self {
            Self::Task(new) => new.id.clone(),
            Self::Agent(new) => new.name.clone().into(),
            Self::Workflow(new) => new.id.clone(),
        }
    }
}

/// A change of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskChange {
    /// Changes fields, among them the status.
    Update(Box<TaskUpdate>),
    /// Completes it.
    Complete {
        /// What came out.
        result: Option<Json>,
    },
    /// Fails it.
    Fail {
        /// Why.
        error: Option<Json>,
    },
    /// Gives it back.
    Release,
    /// Makes a failed task pending again.
    Retry,
    /// Makes a failed task pending again, as its retry policy says.
    RetryLater {
        /// Not before this moment.
        not_before: Timestamp,
    },
    /// Skips a pending task.
    Skip(SkipReason),
    /// Fails a pending or running task that is not to be done any more.
    Cancel {
        /// The agent or person that wants it so.
        by: String,
    },
    /// Fails a task that cannot be started.
    FailUnstarted {
        /// Why.
        error: Json,
    },
    /// Makes a completed task pending again.
    Reopen,
    /// Adds a note.
    Note(String),
    /// Marks an item of its checklist.
    Tick {
        /// Which item, counted from 1.
        item: usize,
        /// How.
        mark: Mark,
    },
    /// Approves what was done.
    Approve {
        /// The name of the agent or person.
        by: String,
        /// The history says that they completed it.
        has_completed_it: bool,
        /// A note to go with it.
        note: Option<String>,
        /// A person may approve their own work.
        own: bool,
    },
    /// Rejects what was done.
    Reject {
        /// The name of the agent or person.
        by: String,
        /// What is to be done better.
        reason: String,
    },
}

impl TaskChange {
    /// What the journal calls it, behind `task.`.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Update(_) => "update",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } | Self::FailUnstarted { .. } => "fail",
            Self::Skip(_) => "skip",
            Self::Cancel { .. } => "cancel",
            Self::Release => "release",
            Self::Retry | Self::RetryLater { .. } => "retry",
            Self::Reopen => "reopen",
            Self::Note(_) => "note",
            Self::Tick { .. } => "tick",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
        }
    }

    /// Returns true if every agent may do it, also while another one holds the task.
    #[must_use]
    pub const fn is_open_to_all(&self) -> bool {
        matches!(self, Self::Note(_))
    }

    /// Returns true if the last holder of a task may do it though the lease ended and the task is pending again: the task is
    /// taken up for it.
    #[must_use]
    pub const fn takes_up(&self) -> bool {
        matches!(self, Self::Update(_) | Self::Complete { .. } | Self::Fail { .. } | Self::Tick { .. })
    }

    /// The document after the change.
    ///
    /// # Errors
    /// [`Refusal`] if the rules forbid it, or the document does not allow the edit.
    pub fn apply(&self, document: &Document) -> Result<Document, Refusal> {
        match self {
            Self::Update(update) => task::update(document, update),
            Self::Complete { result } => task::complete(document, result.as_ref()),
            Self::Fail { error } => task::fail(document, error.as_ref()),
            Self::Release => task::release(document),
            Self::Retry => task::retry(document),
            Self::RetryLater { not_before } => task::retry_later(document, *not_before),
            Self::Skip(reason) => task::skip(document, reason),
            Self::Cancel { by } => task::cancel(document, by),
            Self::FailUnstarted { error } => task::fail_unstarted(document, error),
            Self::Reopen => task::reopen(document),
            Self::Note(text) => task::note(document, text),
            Self::Tick { item, mark } => task::tick(document, *item, *mark),
            Self::Approve { by, has_completed_it, note, own } => {
                let by = Approver { name: by, has_completed_it: *has_completed_it };
                let approve = if *own { review::approve_own } else { review::approve };
                approve(document, by, note.as_deref())
            }
            Self::Reject { by, reason } => review::reject(document, by, reason),
        }
    }
}

impl From<TaskUpdate> for TaskChange {
    fn from(update: TaskUpdate) -> Self {
        Self::Update(Box::new(update))
    }
}

/// A change of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkflowChange {
    /// Changes fields, among them the status.
    Update(Box<WorkflowUpdate>),
    /// Completes it.
    Complete {
        /// What came out.
        result: Option<Json>,
    },
    /// Fails it.
    Fail {
        /// Why.
        error: Option<Json>,
    },
}

impl WorkflowChange {
    /// What the journal calls it, behind `workflow.`.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Update(_) => "update",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } => "fail",
        }
    }

    /// The document after the change.
    ///
    /// # Errors
    /// [`Refusal`] if the rules forbid it, or the document does not allow the edit.
    pub fn apply(&self, document: &Document) -> Result<Document, Refusal> {
        match self {
            Self::Update(update) => workflow::update(document, update),
            Self::Complete { result } => workflow::complete(document, result.as_ref()),
            Self::Fail { error } => workflow::fail(document, error.as_ref()),
        }
    }
}

impl From<WorkflowUpdate> for WorkflowChange {
    fn from(update: WorkflowUpdate) -> Self {
        Self::Update(Box::new(update))
    }
}
