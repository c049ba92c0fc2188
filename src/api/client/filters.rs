//! Which documents a list is to have. What a filter does not name it lets through.

use crate::core::entity::{AgentStatus, TaskStatus, WorkflowStatus};

/// Which tasks to list; see [`CoordinationClient::list_tasks`](super::CoordinationClient::list_tasks).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    pub(super) status: Option<TaskStatus>,
    pub(super) assigned_to: Option<String>,
    pub(super) archived: bool,
}

impl TaskFilter {
    setters! {
        /// Only tasks with this status.
        value(TaskStatus) status => status;
        /// Only tasks that are assigned to this agent.
        text assigned_to => assigned_to;
    }

    /// Archived tasks too.
    #[must_use]
    pub const fn archived(mut self) -> Self {
        self.archived = true;
        self
    }
}

impl From<TaskStatus> for TaskFilter {
    fn from(status: TaskStatus) -> Self {
        Self::default().status(status)
    }
}

/// Which of the tasks that may be started now to list; see
/// [`CoordinationClient::list_ready`](super::CoordinationClient::list_ready).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadyFilter {
    pub(super) kind: Option<String>,
    pub(super) taker: Option<String>,
}

impl ReadyFilter {
    setters! {
        /// Only tasks of this type.
        text kind => kind;
        /// Only tasks that this agent may take: those that are assigned to it, or to no agent.
        text for_agent => taker;
    }
}

/// Which workflows to list; see [`CoordinationClient::list_workflows`](super::CoordinationClient::list_workflows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkflowFilter {
    pub(super) status: Option<WorkflowStatus>,
}

impl WorkflowFilter {
    setters! {
        /// Only workflows with this status.
        value(WorkflowStatus) status => status;
    }
}

impl From<WorkflowStatus> for WorkflowFilter {
    fn from(status: WorkflowStatus) -> Self {
        Self::default().status(status)
    }
}

/// Which agents to list; see [`CoordinationClient::list_agent_states`](super::CoordinationClient::list_agent_states).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentFilter {
    pub(super) status: Option<AgentStatus>,
}

impl AgentFilter {
    setters! {
        /// Only agents with this status.
        value(AgentStatus) status => status;
    }
}

impl From<AgentStatus> for AgentFilter {
    fn from(status: AgentStatus) -> Self {
        Self::default().status(status)
    }
}
