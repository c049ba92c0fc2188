//! What others wrote into a hash, taken into the document as if it were written by hand.

use super::remote::Fields;
use crate::document::Document;
use crate::entity::{NewAgent, NewTask, NewWorkflow};
use crate::name::{AgentName, DocId, Kind};
use crate::time::Timestamp;

/// A field that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Which field, safe to show; empty for the hash or entry as a whole.
    pub field: String,
    /// What is wrong with it, in plain words.
    pub why: String,
}

/// What became of the fields that others changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Taken {
    /// The document with all that could be used; `None` if that changes nothing.
    pub document: Option<Document>,
    /// Whose change it is, as far as the fields tell.
    pub author: Option<AgentName>,
    /// What could not be used.
    pub garbage: Vec<Garbage>,
}

/// A document that somebody made on the server, to be rendered from a template.
#[derive(Debug, Clone, PartialEq)]
pub enum NewDoc {
    /// An agent.
    Agent(NewAgent),
    /// A task.
    Task(NewTask),
    /// A workflow.
    Workflow(NewWorkflow),
}

/// Takes the fields that differ from what a mirror wrote into the document.
#[must_use]
pub fn take(kind: Kind, key_id: &str, doc: &Document, wrote: &Fields, shown: &Fields, now: Timestamp) -> Taken {
    let _ = (kind, key_id, doc, wrote, shown, now);
    Taken::default()
}

/// A hash that appeared without a document. What does not fit into the new one is taken afterwards, by [`take`].
///
/// # Errors
/// [`Garbage`] if its id is none or it does not say what it needs to.
pub fn create(kind: Kind, key_id: &str, shown: &Fields, now: Timestamp) -> Result<NewDoc, Garbage> {
    let _ = (kind, shown, now);
    DocId::new(key_id)
        .map_err(|error| Garbage { field: String::new(), why: error.to_string() })
        .and(Err(Garbage { field: String::new(), why: String::new() }))
}
