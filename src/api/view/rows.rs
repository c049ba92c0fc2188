//! Rows of lists: one document each, as every face gives it to programs.

use serde::Serialize;
use serde_json::Value;

use super::document::{document_path, lease_data};
use super::envelope::finding_data;
use crate::core::entity::{self, Agent, AgentStatus, Liveness, Priority, Task, TaskStatus, Workflow, WorkflowStatus};
use crate::core::lease::EntryState;
use crate::core::name::{AgentName, DocId};
use crate::core::snapshot::{Entry, Outlook, Queue, Snapshot};
use crate::core::time::Timestamp;
use crate::services::{Project, TaskHolder};

/// Ids of one task in a list; the rest is counted.
const IDS_SHOWN_MAX: usize = 50;

/// One task of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskRow {
    /// Its id.
    pub id: DocId,
    /// Its status in this worktree.
    pub status: TaskStatus,
    /// Its status with its dependencies and other worktrees in mind: `ready`, `waiting`, `blocked` or a status.
    pub outlook: &'static str,
    /// Whether it could be started now.
    pub ready: bool,
    /// How urgent it is.
    pub priority: Priority,
    /// The agent that is to do it.
    pub assigned_to: Option<AgentName>,
    /// What sort of work it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub title: Option<String>,
    /// How far it is, from 0 to 1.
    pub progress: Option<f64>,
    /// The first tasks that it depends on.
    pub depends_on: Vec<DocId>,
    /// How many it depends on.
    pub depends_on_total: usize,
    /// The first tasks that it waits for.
    pub waits_for: Vec<DocId>,
    /// How many it waits for.
    pub waits_for_total: usize,
    /// Its document, below the root.
    pub path: String,
    /// What it waits for or what blocks it, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who holds it or has finished it in another worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Value>,
}

impl TaskRow {
    /// Makes the row of a task. `hold` is who holds it or has finished it in another worktree, `reason` why it cannot start.
    #[must_use]
    pub fn new(task: &Task, queue: &Queue<'_>, hold: Option<&TaskHolder>, path: String, reason: String) -> Self {
        let (depends_on, waits_for) = (queue.dependencies(task), queue.waits_for(task));
        let ended = hold.map(|hold| hold.state).filter(|state| !state.is_held());
        Self {
            id: task.id.clone(),
            status: task.status,
            outlook: ended.map_or_else(|| queue.outlook(task).word(), EntryState::word),
            ready: ended.is_none() && queue.outlook(task) == Outlook::Ready,
            priority: task.priority,
            assigned_to: task.assigned_to.clone(),
            kind: task.kind.clone(),
            title: task.title.clone(),
            progress: task.progress,
            depends_on: depends_on.iter().take(IDS_SHOWN_MAX).cloned().collect(),
            depends_on_total: depends_on.len(),
            waits_for: waits_for.iter().take(IDS_SHOWN_MAX).map(|blocker| blocker.id.clone()).collect(),
            waits_for_total: waits_for.len(),
            path,
            reason,
            held: hold.map(lease_data),
        }
    }
}

/// One task that could be started now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReadyRow {
    /// Its id.
    pub id: DocId,
    /// How urgent it is.
    pub priority: Priority,
    /// What sort of work it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub title: Option<String>,
    /// The agent that is to do it.
    pub assigned_to: Option<AgentName>,
    /// When it was made.
    pub created: Option<String>,
    /// How many times it was started.
    pub attempt: Option<u64>,
    /// Its document, below the root.
    pub path: Option<String>,
}

impl ReadyRow {
    /// Makes the row of a task.
    #[must_use]
    pub fn new(task: &Task, project: &Project, snapshot: &Snapshot) -> Self {
        Self {
            id: task.id.clone(),
            priority: task.priority,
            kind: task.kind.clone(),
            title: task.title.clone(),
            assigned_to: task.assigned_to.clone(),
            created: task.created.map(Timestamp::exact),
            attempt: task.attempt,
            path: snapshot.named_task(&task.id).map(|entry| document_path(project, &entry.path)),
        }
    }
}

/// One workflow of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowRow {
    /// Its id.
    pub id: DocId,
    /// Its status; of one that Mycelium drives the one that follows from its steps.
    pub status: WorkflowStatus,
    /// What its file says, where that lags behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_status: Option<WorkflowStatus>,
    /// What sort of workflow it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub title: Option<String>,
    /// How far it is, from 0 to 1.
    pub progress: Option<f64>,
    /// Its tasks: those that it lists and those that name it.
    pub tasks: Vec<DocId>,
    /// Its document, below the root.
    pub path: String,
}

impl WorkflowRow {
    /// Makes the row of a workflow whose values follow from its tasks.
    #[must_use]
    pub fn new(workflow: &Workflow, path: String) -> Self {
        Self {
            id: workflow.id.clone(),
            status: workflow.status,
            file_status: workflow.file_status,
            kind: workflow.kind.clone(),
            title: workflow.title.clone(),
            progress: workflow.progress,
            tasks: workflow.tasks.clone(),
            path,
        }
    }
}

/// One agent of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentRow {
    /// Its name.
    pub agent: AgentName,
    /// What it is doing.
    pub status: AgentStatus,
    /// When its document last changed, as it says itself.
    pub last_updated: Option<String>,
    /// When it was seen last.
    pub seen: Option<String>,
    /// Whether that is too long ago.
    pub stale: bool,
    /// What it works on.
    pub active_tasks: Vec<String>,
    /// Its document, below the root.
    pub path: String,
}

impl AgentRow {
    /// Makes the row of an agent.
    #[must_use]
    pub fn new(agent: &Agent, liveness: &Liveness, path: String) -> Self {
        Self {
            agent: agent.name.clone(),
            status: agent.status,
            last_updated: agent.last_updated.map(|at| at.to_string()),
            seen: liveness.seen.map(|at| at.to_string()),
            stale: liveness.is_stale(),
            active_tasks: agent.active_tasks.iter().map(|active| active.task.clone()).collect(),
            path,
        }
    }
}

/// A document of a list that cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// Its id, if it states one.
    pub id: Option<DocId>,
    /// Always none.
    pub status: Option<TaskStatus>,
    /// Its heading, if it has one.
    pub title: Option<String>,
    /// Its document, below the root.
    pub path: String,
    /// What is wrong with it.
    pub findings: Vec<Value>,
}

impl UnreadableRow {
    /// Makes the row of a document.
    #[must_use]
    pub fn new(project: &Project, entry: &Entry) -> Self {
        Self {
            id: entry.id.clone(),
            status: None,
            title: entry.kind.and_then(|kind| entity::title(kind, &entry.document)),
            path: document_path(project, &entry.path),
            findings: entry.findings.iter().map(|one| finding_data(project.folder(), one)).collect(),
        }
    }
}
