//! What a document says, as typed values. No rules: see `read` for the way in and `json` for the way out.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::gate::{StatedValue, TaskGates, TaskReference};
use super::status::{AgentStatus, Priority, Review, TaskStatus, WorkflowStatus};
use super::step_settings::Execution;
use crate::core::document::{Note, Step};
use crate::core::name::{AgentName, DocId, Kind};
use crate::core::time::Timestamp;

/// A piece of work.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Its id; the identity, whatever the file is called.
    pub id: DocId,
    /// What sort of work: the key `type`.
    pub kind: String,
    /// The first heading, without `Task: `.
    pub title: Option<String>,
    /// Everything in the body outside of the title and the sections that mean something.
    pub description: Option<String>,
    /// Where it stands.
    pub status: TaskStatus,
    /// Who is to do it.
    pub assigned_to: Option<AgentName>,
    /// How urgent it is; normal unless it says otherwise.
    pub priority: Priority,
    /// What must be completed before it may start.
    pub depends_on: Vec<DocId>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The workflow it belongs to.
    pub workflow: Option<DocId>,
    /// How far it is, from 0 to 1.
    pub progress: Option<f64>,
    /// Who holds it.
    pub claimed_by: Option<AgentName>,
    /// How many holders it has had.
    pub fence: Option<u64>,
    /// For how long a holder that says nothing keeps it.
    pub lease: Option<Duration>,
    /// How many times it was started.
    pub attempt: Option<u64>,
    /// Whether it must be approved.
    pub review: Option<Review>,
    /// Who approved it: an agent's name or a person's.
    pub approved: Option<String>,
    /// Everything that restricts it, as it is stated; the fields above hold what of it can be used.
    #[doc(hidden)]
    pub gates: TaskGates,
    /// What it states about its execution as a step of a workflow.
    pub execution: Execution,
    /// What it is to work with.
    pub payload: Option<Json>,
    /// What came out; a text that is not JSON is a string.
    pub result: Option<Json>,
    /// Why it failed; a text that is not JSON is a string.
    pub error: Option<Json>,
    /// Its check boxes.
    pub steps: Vec<Step>,
    /// Its notes.
    pub notes: Vec<Note>,
    /// Every other key of the frontmatter, in file order.
    pub extra: Map<String, Json>,
}

/// One line of an agent's active tasks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ActiveTask {
    /// An id, or whatever else the agent calls it.
    pub task: String,
    /// Since when.
    pub started: Option<Timestamp>,
}

impl ActiveTask {
    /// An active task that was started at this time, if that is known.
    #[must_use]
    pub fn new(task: impl Into<String>, started: Option<Timestamp>) -> Self {
        Self { task: task.into(), started }
    }

    /// Reads `train-model (started: 2025-10-17T00:00:00Z)`; a bullet without text is nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let parts = text.strip_suffix(')').and_then(|text| text.rsplit_once("(started:"));
        let started = parts.and_then(|(_, at)| at.trim().parse().ok());
        let task = if started.is_some() { parts.map_or(text, |(task, _)| task.trim()) } else { text };
        (!task.is_empty()).then(|| Self { task: task.to_owned(), started })
    }

    /// The bullet that [`ActiveTask::parse`] reads.
    #[must_use]
    pub fn to_bullet(&self) -> String {
        match self.started {
            Some(at) => format!("{} (started: {at})", self.task),
            None => self.task.clone(),
        }
    }
}

/// Somebody who works.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// What it is doing.
    pub status: AgentStatus,
    /// When the file last changed, as it says itself.
    pub last_updated: Option<Timestamp>,
    /// For how long it counts as alive without a sign.
    pub ttl: Option<Duration>,
    /// What it works on.
    pub active_tasks: Vec<ActiveTask>,
    /// Everything in the body outside of the title and the sections that mean something.
    pub description: Option<String>,
    /// Anything else it wants to say.
    pub metadata: Option<Json>,
    /// Its notes.
    pub notes: Vec<Note>,
    /// Every other key of the frontmatter, in file order.
    pub extra: Map<String, Json>,
}

/// Tasks that belong together.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Workflow {
    /// Its id.
    pub id: DocId,
    /// What sort of workflow: the key `type`.
    pub kind: String,
    /// The first heading, without `Workflow: `.
    pub title: Option<String>,
    /// Everything in the body outside of the title and the sections that mean something.
    pub description: Option<String>,
    /// Where it stands.
    pub status: WorkflowStatus,
    /// What its file says where that lags behind: its steps have ended, and the end is not written yet. `None` where the file
    /// says the same, and of what was read alone.
    pub file_status: Option<WorkflowStatus>,
    /// Its tasks, in their order.
    pub tasks: Vec<DocId>,
    /// Its tasks as they are stated; the field above holds what of it can be used.
    #[doc(hidden)]
    pub listed: StatedValue<Vec<TaskReference>>,
    /// No step of it starts while this is true and it is running.
    pub paused: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// How far it is, from 0 to 1, if it says so itself; else it follows from the tasks.
    pub progress: Option<f64>,
    /// The task under way, if it says so itself.
    pub current_task: Option<DocId>,
    /// Anything else to say about it.
    pub metadata: Option<Json>,
    /// What came out.
    pub result: Option<Json>,
    /// Why it failed.
    pub error: Option<Json>,
    /// Its check boxes.
    pub steps: Vec<Step>,
    /// Its notes.
    pub notes: Vec<Note>,
    /// Every other key of the frontmatter, in file order.
    pub extra: Map<String, Json>,
}

/// A document that could be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    /// `agent-<name>.md`
    Agent(Box<Agent>),
    /// `task-<id>.md`
    Task(Box<Task>),
    /// `workflow-<id>.md`
    Workflow(Box<Workflow>),
}

impl Entity {
    /// Tells whether nothing is left to do; an agent is never finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self {
            Self::Agent(_) => false,
            Self::Task(task) => matches!(task.status, TaskStatus::Completed | TaskStatus::Failed),
            Self::Workflow(workflow) => workflow.status != WorkflowStatus::Running,
        }
    }

    /// Its id; an agent's is its name.
    #[must_use]
    pub fn id(&self) -> DocId {
        match self {
            Self::Agent(agent) => agent.name.clone().into(),
            Self::Task(task) => task.id.clone(),
            Self::Workflow(workflow) => workflow.id.clone(),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Agent(_) => Kind::Agent,
            Self::Task(_) => Kind::Task,
            Self::Workflow(_) => Kind::Workflow,
        }
    }

    /// Its status in one word.
    #[must_use]
    pub fn status_word(&self) -> &'static str {
        match self {
            Self::Agent(agent) => agent.status.word(),
            Self::Task(task) => task.status.word(),
            Self::Workflow(workflow) => workflow.status.word(),
        }
    }

    /// The task, if it is one.
    #[must_use]
    pub fn as_task(&self) -> Option<&Task> {
        if let Self::Task(task) = self { Some(task) } else { None }
    }

    /// The agent, if it is one.
    #[must_use]
    pub fn as_agent(&self) -> Option<&Agent> {
        if let Self::Agent(agent) = self { Some(agent) } else { None }
    }

    /// The workflow, if it is one.
    #[must_use]
    pub fn as_workflow(&self) -> Option<&Workflow> {
        if let Self::Workflow(workflow) = self { Some(workflow) } else { None }
    }
}
