//! How entities lie in the cache of readings: compact, and nobody else's business. What programs get is `json`.
//!
//! Each record names the fields of its entity once more; the compiler sees to it that none is left out.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::gate::{StatedValue, TaskGates, TaskReference};
use super::model::{ActiveTask, Agent, Entity, Task, Workflow};
use super::status::{AgentStatus, Priority, Review, TaskStatus, WorkflowStatus};
use super::step_settings::Execution;
use crate::core::document::{Note, Step};
use crate::core::name::{AgentName, DocId};
use crate::core::time::Timestamp;

/// Writes an entity as it lies in the cache.
pub(crate) fn serialize<S: Serializer>(entity: &Entity, to: S) -> Result<S::Ok, S::Error> {
    EntityRecord::serialize(entity, to)
}

/// Reads an entity as it lies in the cache.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Entity, D::Error> {
    EntityRecord::deserialize(from)
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Task")]
struct TaskRecord {
    id: DocId,
    kind: String,
    title: Option<String>,
    description: Option<String>,
    status: TaskStatus,
    assigned_to: Option<AgentName>,
    priority: Priority,
    depends_on: Vec<DocId>,
    created: Option<Timestamp>,
    workflow: Option<DocId>,
    progress: Option<f64>,
    claimed_by: Option<AgentName>,
    fence: Option<u64>,
    lease: Option<Duration>,
    attempt: Option<u64>,
    review: Option<Review>,
    approved: Option<String>,
    gates: TaskGates,
    execution: Execution,
    #[serde(with = "text")]
    payload: Option<Json>,
    #[serde(with = "text")]
    result: Option<Json>,
    #[serde(with = "text")]
    error: Option<Json>,
    steps: Vec<Step>,
    notes: Vec<Note>,
    #[serde(with = "text")]
    extra: Map<String, Json>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Agent")]
struct AgentRecord {
    name: AgentName,
    status: AgentStatus,
    last_updated: Option<Timestamp>,
    ttl: Option<Duration>,
    active_tasks: Vec<ActiveTask>,
    description: Option<String>,
    #[serde(with = "text")]
    metadata: Option<Json>,
    notes: Vec<Note>,
    #[serde(with = "text")]
    extra: Map<String, Json>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Workflow")]
struct WorkflowRecord {
    id: DocId,
    kind: String,
    title: Option<String>,
    description: Option<String>,
    status: WorkflowStatus,
    #[serde(skip)]
    file_status: Option<WorkflowStatus>,
    tasks: Vec<DocId>,
    listed: StatedValue<Vec<TaskReference>>,
    paused: bool,
    created: Option<Timestamp>,
    progress: Option<f64>,
    current_task: Option<DocId>,
    #[serde(with = "text")]
    metadata: Option<Json>,
    #[serde(with = "text")]
    result: Option<Json>,
    #[serde(with = "text")]
    error: Option<Json>,
    steps: Vec<Step>,
    notes: Vec<Note>,
    #[serde(with = "text")]
    extra: Map<String, Json>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Entity")]
enum EntityRecord {
    Agent(#[serde(with = "AgentBox")] Box<Agent>),
    Task(#[serde(with = "TaskBox")] Box<Task>),
    Workflow(#[serde(with = "WorkflowBox")] Box<Workflow>),
}

macro_rules! boxed {
    ($name:ident, $entity:ident, $record:ident) => {
        struct $name;

        impl $name {
            fn serialize<S: Serializer>(entity: &$entity, to: S) -> Result<S::Ok, S::Error> {
                $record::serialize(entity, to)
            }

            fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<$entity>, D::Error> {
                $record::deserialize(from).map(Box::new)
            }
        }
    };
}

boxed!(AgentBox, Agent, AgentRecord);
boxed!(TaskBox, Task, TaskRecord);
boxed!(WorkflowBox, Workflow, WorkflowRecord);

/// JSON as its text, for formats that do not say what comes next.
mod text {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T, S>(value: &T, to: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Default + PartialEq,
        S: Serializer,
    {
        // Most have none: an empty text takes no reading.
        if *value == T::default() {
            return to.serialize_str("");
        }
        to.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        if text.is_empty() { Ok(T::default()) } else { serde_json::from_str(&text).map_err(D::Error::custom) }
    }
}
