//! One entry of a queue list, as others put it there.

use serde_json::Value as Json;

use super::take::Garbage;
use crate::entity::Priority;
use crate::name::{AgentName, DocId};
use crate::time::Timestamp;

/// What an entry of a queue is.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The id of a task.
    Id(DocId),
    /// A new task.
    Task(Box<QueuedTask>),
    /// Nothing that can be used.
    Garbage(Garbage),
}

/// A task as the reference document writes it into a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedTask {
    /// Its id; without one the caller gives it one.
    pub id: Option<DocId>,
    /// What sort of work.
    pub kind: String,
    /// Its heading.
    pub title: Option<String>,
    /// Who is to do it.
    pub assigned_to: Option<AgentName>,
    /// What must be completed before.
    pub depends_on: Vec<DocId>,
    /// How urgent; without a word that of the queue.
    pub priority: Option<Priority>,
    /// The workflow it belongs to.
    pub workflow: Option<DocId>,
    /// What it is to work with.
    pub payload: Option<Json>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// Reads one entry of a queue.
#[must_use]
pub fn entry(text: &str) -> Entry {
    DocId::new(text)
        .map_or_else(|error| Entry::Garbage(Garbage { field: String::new(), why: error.to_string() }), Entry::Id)
}
