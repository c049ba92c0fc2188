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
    /// Only tasks with this status.
    #[must_use]
    pub const fn status(mut self, status: TaskStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Only tasks that are assigned to this agent.
    #[must_use]
    pub fn assigned_to(mut self, agent: impl Into<String>) -> Self {
        self.assigned_to = Some(agent.into());
        self
    }

    /// Archived tasks too.
    #[must_use]
    pub const fn archived(mut self) -> Self {
        self.archived = true;
        self
    }
}

impl From<()> for TaskFilter {
    fn from((): ()) -> Self {
        Self::default()
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
    /// Only tasks of this type.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Only tasks that this agent may take: those that are assigned to it, or to no agent.
    #[must_use]
    pub fn for_agent(mut self, agent: impl Into<String>) -> Self {
        self.taker = Some(agent.into());
        self
    }
}

impl From<()> for ReadyFilter {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// Which workflows to list; see [`CoordinationClient::list_workflows`](super::CoordinationClient::list_workflows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkflowFilter {
    pub(super) status: Option<WorkflowStatus>,
}

impl WorkflowFilter {
    /// Only workflows with this status.
    #[must_use]
    pub const fn status(mut self, status: WorkflowStatus) -> Self {
        self.status = Some(status);
        self
    }
}

impl From<()> for WorkflowFilter {
    fn from((): ()) -> Self {
        Self::default()
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
    /// Only agents with this status.
    #[must_use]
    pub const fn status(mut self, status: AgentStatus) -> Self {
        self.status = Some(status);
        self
    }
}

impl From<()> for AgentFilter {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<AgentStatus> for AgentFilter {
    fn from(status: AgentStatus) -> Self {
        Self::default().status(status)
    }
}
