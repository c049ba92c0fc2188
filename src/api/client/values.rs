//! What callers give and get: builders of what is to be written, and the receipt of what was. No files, no clock.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::Error;
use crate::api::view::texts;
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Value;
use crate::core::entity::{ActiveTask, AgentStatus, Priority};
use crate::core::name::{AgentName, DocId, EventId, OperationId, Revision};
use crate::services::{self, Decided, Outcome, Waiting};

/// What an agent says of itself. What is left out stays as it is in the agent's document.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentReport {
    pub(super) status: AgentStatus,
    pub(super) active_tasks: Option<Vec<ActiveTask>>,
    pub(super) metadata: Option<Json>,
    pub(super) ttl: Option<Duration>,
}

impl AgentReport {
    /// With this status.
    #[must_use]
    pub const fn new(status: AgentStatus) -> Self {
        Self { status, active_tasks: None, metadata: None, ttl: None }
    }

    /// It has nothing to do.
    #[must_use]
    pub const fn idle() -> Self {
        Self::new(AgentStatus::Idle)
    }

    /// It works.
    #[must_use]
    pub const fn busy() -> Self {
        Self::new(AgentStatus::Busy)
    }

    /// It cannot go on.
    #[must_use]
    pub const fn error() -> Self {
        Self::new(AgentStatus::Error)
    }

    /// What it works on, all of it; since now, unless the document says since when.
    #[must_use]
    pub fn active_tasks(mut self, tasks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let active = |task: String| ActiveTask { task, started: None };
        self.active_tasks = Some(tasks.into_iter().map(|task| active(task.into())).collect());
        self
    }

    setters! {
        /// Anything else it wants to say, as a JSON object.
        json metadata => metadata;
        /// For how long it counts as alive without a sign, in whole seconds; 300 s where nobody says.
        value(Duration) ttl => ttl;
    }
}

impl From<AgentStatus> for AgentReport {
    fn from(status: AgentStatus) -> Self {
        Self::new(status)
    }
}

/// A task that is to be made. Names are looked at when it is.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) assigned_to: Option<String>,
    pub(super) depends_on: Vec<String>,
    pub(super) priority: Option<Priority>,
    pub(super) workflow: Option<String>,
    pub(super) payload: Option<Json>,
    pub(super) steps: Vec<String>,
}

impl NewTask {
    /// A task of this type, such as `train-model`.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            id: None,
            title: None,
            description: None,
            assigned_to: None,
            depends_on: Vec::new(),
            priority: None,
            workflow: None,
            payload: None,
            steps: Vec::new(),
        }
    }

    setters! {
        /// Its id; a random one where none is given. Who gives one may call again after a timeout: [`Error::Conflict`] tells
        /// that the first call was carried out.
        text id => id;
        /// What it is about, in a few words.
        text title => title;
        /// What is to be done, in markdown: anything but the headings that mean something, such as `## Notes`.
        text description => description;
        /// The agent that is to do it.
        text assigned_to => assigned_to;
        /// Tasks that must be completed first.
        names depends_on => depends_on;
        /// How urgent it is: normal by default.
        value(Priority) priority => priority;
        /// The workflow it belongs to.
        name workflow => workflow;
        /// What it is to work with.
        json payload => payload;
        /// Steps to tick off later.
        texts steps => steps;
    }
}

/// A workflow that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWorkflow {
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tasks: Vec<String>,
    pub(super) metadata: Option<Json>,
}

impl NewWorkflow {
    /// A workflow of this type, such as `model-training`.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: None, title: None, description: None, tasks: Vec::new(), metadata: None }
    }

    setters! {
        /// Its id; a random one where none is given.
        text id => id;
        /// What it is about, in a few words.
        text title => title;
        /// What it is for, in markdown: anything but the headings that mean something, such as `## Notes`.
        text description => description;
        /// Its tasks, in their order: ids, stems of files, or types; see
        /// [`CoordinationClient::create_workflow`](super::CoordinationClient::create_workflow).
        names tasks => tasks;
        /// Anything else to say about it, as a JSON object.
        json metadata => metadata;
    }
}

/// Further fields of an update: an object of keys and values; the default is none. `progress` (0 to 1) and keys of one's own; `null`
/// removes a key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields(Json);

impl From<Json> for Fields {
    fn from(fields: Json) -> Self {
        Self(fields)
    }
}

impl From<Map<String, Json>> for Fields {
    fn from(fields: Map<String, Json>) -> Self {
        Self(Json::Object(fields))
    }
}

impl Fields {
    /// The fields in their order.
    ///
    /// # Errors
    /// [`Error::NoObject`] if they are something else.
    pub(super) fn into_pairs(self) -> Result<Vec<(String, Json)>, Error> {
        match self.0 {
            Json::Null => Ok(Vec::new()),
            Json::Object(map) => Ok(map.into_iter().collect()),
            Json::Bool(_) => Err(Error::NoObject("a truth value")),
            Json::Number(_) => Err(Error::NoObject("a number")),
            Json::String(_) => Err(Error::NoObject("a text")),
            Json::Array(_) => Err(Error::NoObject("a list")),
        }
    }
}

/// Takes a number out of the fields, so that it is written as the format says.
pub(super) fn take_number(fields: &mut Vec<(String, Json)>, key: &str) -> Option<f64> {
    let place = fields.iter().position(|(name, value)| name == key && value.is_number())?;
    fields.remove(place).1.as_f64()
}

/// Fields as values of a document.
pub(super) fn document_values(fields: Vec<(String, Json)>) -> Vec<(String, Value)> {
    fields.into_iter().map(|(key, json)| (key, Value::from_json(&json))).collect()
}

/// Why a task or a workflow failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    error: Json,
    stack_trace: Option<String>,
}

impl Failure {
    /// For this reason: a text, or anything that JSON can say.
    #[must_use]
    pub fn new(error: impl Into<Json>) -> Self {
        Self { error: error.into(), stack_trace: None }
    }

    setters! {
        /// Where it happened.
        text stack_trace => stack_trace;
    }

    /// As it stands in the document: with a stack trace an object with the keys `error` and `stack_trace`.
    pub(super) fn into_json(self) -> Json {
        match (self.error, self.stack_trace) {
            (error, None) => error,
            (Json::Object(mut map), Some(trace)) => {
                map.insert("stack_trace".to_owned(), Json::from(trace));
                Json::Object(map)
            }
            (error, Some(trace)) => json!({ "error": error, "stack_trace": trace }),
        }
    }
}

impl<T: Into<Json>> From<T> for Failure {
    fn from(error: T) -> Self {
        Self::new(error)
    }
}

/// What became of a write. The document is on the disk when this is given.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Which document; of a published event, its id.
    pub id: DocId,
    /// The operation, as history and events name it; `None` if nothing had to change.
    pub operation: Option<OperationId>,
    /// The commit it is in, if it is committed already.
    #[serde(serialize_with = "texts::optional_text")]
    pub committed: Option<Revision>,
    /// Why it is not.
    #[serde(serialize_with = "texts::optional_text")]
    pub waiting: Option<Waiting>,
    /// What is odd about the document.
    #[serde(serialize_with = "texts::findings")]
    pub findings: Vec<Diagnostic>,
    /// Where it was decided that the agent has the task, if this began one. [`Claim`](super::Claim) says it of a claim.
    #[serde(flatten, serialize_with = "texts::optional_decision")]
    pub decided: Option<Decided>,
    /// The fence of that agent; see [`CoordinationClient::fenced`](super::CoordinationClient::fenced).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// The event that a pipeline has published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
}

/// The id of the document: the receipt of what was made stands for it in every method.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl AsRef<str> for Receipt {
    fn as_ref(&self) -> &str {
        self.id.as_str()
    }
}

impl From<Receipt> for DocId {
    fn from(receipt: Receipt) -> Self {
        receipt.id
    }
}

impl Receipt {
    /// Of an event that was published.
    pub(super) fn of_event(event: EventId) -> Result<Self, Error> {
        let (id, operation) = (doc_id(event.to_string())?, OperationId::new(event.as_str()).ok());
        let (findings, event) = (Vec::new(), Some(event));
        Ok(Self { id, operation, committed: None, waiting: None, findings, decided: None, fence: None, event })
    }
}

impl From<Outcome> for Receipt {
    fn from(outcome: Outcome) -> Self {
        let Outcome { path, entity, findings, operation, committed, waiting, claim, .. } = outcome;
        let id = entity.map_or_else(|| DocId::of_file(&path), |entity| entity.id());
        let fence = claim.as_ref().map(|claim| claim.entry.fence);
        let decided = claim.map(|claim| claim.decided);
        Self { id, operation, committed, waiting, findings, decided, fence, event: None }
    }
}

/// Checks an id.
pub(super) fn doc_id(text: String) -> Result<DocId, Error> {
    Ok(DocId::new(text).map_err(services::Error::from)?)
}

/// Checks ids.
pub(super) fn doc_ids(texts: Vec<String>) -> Result<Vec<DocId>, Error> {
    texts.into_iter().map(doc_id).collect()
}

/// Checks an agent's name.
pub(super) fn agent_name(text: &str) -> Result<AgentName, Error> {
    Ok(AgentName::new(text).map_err(services::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::problem::Problem as _;

    #[test]
    fn a_failure_is_written_as_the_command_line_writes_it() {
        let text = |failure: Failure| failure.into_json();
        assert_eq!(text("x".into()), json!("x"));
        assert_eq!(text(Failure::new("x").stack_trace("y")), json!({"error": "x", "stack_trace": "y"}));
        let map = json!({"error": "Out of memory", "step": 3});
        let expected = json!({"error": "Out of memory", "step": 3, "stack_trace": "y"});
        assert_eq!(text(Failure::new(map).stack_trace("y")), expected);
    }

    #[test]
    fn fields_are_an_object_or_nothing() {
        assert_eq!(Fields::default().into_pairs().expect("nothing"), Vec::new());
        for wrong in [json!(1), json!("x"), json!([1]), json!(true)] {
            let error = Fields::from(wrong).into_pairs().expect_err("no object");
            assert!(error.hint().is_some(), "{error}");
        }
        let mut pairs = Fields::from(json!({"progress": 0.5, "epoch": 2})).into_pairs().expect("an object");
        assert_eq!(take_number(&mut pairs, "progress"), Some(0.5));
        assert_eq!(pairs, [("epoch".to_owned(), json!(2))]);
    }
}
