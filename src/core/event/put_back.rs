//! The event about an operation that git put back before it was committed. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, json};

use super::feed::Told;
use crate::core::name::{AgentName, Channel, DocId, EventId, Kind, OperationId};
use crate::core::time::Timestamp;

/// The event `put-back`, on the channels of the kinds of documents that lack the operation now.
#[must_use]
pub fn put_back(
    operation: &OperationId,
    verb: &str,
    agent: Option<&AgentName>,
    documents: &[DocId],
    kinds: &BTreeSet<Kind>,
    at: Timestamp,
) -> Told {
    let name = |kind: &Kind| match kind {
        Kind::Agent => "agents:events",
        Kind::Task => "tasks:events",
        Kind::Workflow => "workflows:events",
    };
    let mut names: Vec<&str> = kinds.iter().map(name).collect();
    if names.is_empty() {
        // A file of published events belongs to no kind.
        names.push("tasks:events");
    }
    let mut body = Map::new();
    body.insert("operation".to_owned(), json!(operation.as_str()));
    body.insert("verb".to_owned(), json!(verb));
    body.insert("agent".to_owned(), json!(agent.map(AgentName::as_str)));
    body.insert("actor".to_owned(), json!(agent.map(AgentName::as_str)));
    body.insert("documents".to_owned(), json!(documents.iter().map(DocId::as_str).collect::<Vec<_>>()));
    let id = EventId::new(format!("put-back-{operation}")).unwrap_or_else(|_| EventId::from(operation));
    let channels = names.into_iter().filter_map(|name| Channel::new(name).ok()).collect();
    Told { id, at, channels, event: "put-back".to_owned(), body }
}
