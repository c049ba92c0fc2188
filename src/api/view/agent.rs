//! Liveness of agents, and agents that were pruned, as data.

use serde_json::{Value, json};

use super::document::document_path;
use crate::core::entity::Liveness;
use crate::core::name::AgentName;
use crate::core::time::Timestamp;
use crate::services::{Project, Pruned, Pruning, Stale};

/// Adds when an agent was seen last, and whether it is stale, to the data of its document.
pub fn add_liveness(data: &mut Value, liveness: Option<&Liveness>) {
    data["seen"] = json!(liveness.and_then(|liveness| liveness.seen).map(|at| at.to_string()));
    data["stale"] = json!(liveness.is_some_and(Liveness::is_stale));
}

/// Returns a heartbeat as an answer's data.
#[must_use]
pub fn heartbeat_data(agent: &AgentName, at: Timestamp) -> Value {
    json!({ "agent": agent, "seen": at.to_string() })
}

/// Returns the agents that were or would be pruned as an answer's data.
#[must_use]
pub fn prune_data(project: &Project, pruning: Pruning, pruned: &Pruned) -> Value {
    let stale = |one: &Stale| {
        json!({
            "agent": one.name,
            "seen": one.seen.map(|at| at.to_string()),
            "holds": one.holds,
            "path": document_path(project, &one.path),
        })
    };
    json!({
        "removed": pruned.gone.iter().map(stale).collect::<Vec<_>>(),
        "kept": pruned.kept.iter().map(stale).collect::<Vec<_>>(),
        "dry_run": pruning == Pruning::DryRun,
        "operation": pruned.operation,
    })
}
