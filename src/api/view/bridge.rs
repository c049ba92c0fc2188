//! The bridge to a server, and exchanges with it, as data.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::document::document_path;
use super::envelope::ITEMS_DEFAULT;
use crate::core::name::DocPath;
use crate::services::{BRIDGE_UNKNOWN, BackendHealth, BridgeStats, DetectedBackend, Enabling, PassReport, Project};

/// Returns the state of the bridge as data.
#[must_use]
pub fn bridge_data(stats: &BridgeStats) -> Value {
    json!({
        "address": stats.address,
        "state": stats.state,
        "server": stats.server,
        "why": stats.why,
        "branch": stats.branch,
        "behind": stats.behind,
        "last_pass": stats.last_pass.map(|at| at.to_string()),
        "follower": stats.follower,
    })
}

/// Returns the mode, the state of the bridge and the health of its server as an answer's data.
#[must_use]
pub fn bridge_status_data(mode: &str, stats: Option<&BridgeStats>, health: Option<&BackendHealth>) -> Value {
    json!({ "mode": mode, "bridge": stats.map(bridge_data), "more": health.map(health_data) })
}

fn health_data(health: &BackendHealth) -> Value {
    json!({
        "since": health.since.to_string(),
        "checked": health.checked.to_string(),
        "failures": health.failures,
        "sent": health.sent,
        "came": health.came,
        "last_pass_ms": health.last_pass.map(|_| health.last_pass_ms),
        "lost": health.lost,
        "gaps": health.gaps,
        "held": health.held,
        "garbage": health.garbage,
        "popped": health.popped.iter().map(|(task, until)| json!({
            "task": task, "by": BRIDGE_UNKNOWN, "until": until.to_string(),
        })).collect::<Vec<_>>(),
    })
}

/// Returns the consent to a server as an answer's data, with whether the server was reached.
#[must_use]
pub fn bridge_consent_data(enabling: &Enabling, detected: &DetectedBackend) -> Value {
    json!({
        "address": enabling.target.address(),
        "branch": enabling.target.branch,
        "was_enabled": enabling.was_enabled,
        "live": detected.unreached.is_none(),
        "why": detected.unreached,
    })
}

/// Returns an exchange with a server as an answer's data, each list cut to its first items and counted.
#[must_use]
pub fn bridge_pass_data(project: &Project, report: &PassReport) -> Value {
    let documents = |all: &[(DocPath, String)]| {
        let all = all.iter().take(ITEMS_DEFAULT);
        all.map(|(path, what)| json!({ "path": document_path(project, path), "what": what })).collect::<Vec<_>>()
    };
    let named = |all: &[(String, String)]| {
        all.iter().take(ITEMS_DEFAULT).map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>()
    };
    let queues = report.queues.iter().map(|(priority, count)| (priority.word().to_owned(), json!(count)));
    json!({
        "dry_run": report.is_dry,
        "sent": documents(&report.sent),
        "sent_count": report.sent.len(),
        "came": documents(&report.came),
        "came_count": report.came.len(),
        "removed": report.removed,
        "held": named(&report.held),
        "held_count": report.held.len(),
        "garbage": named(&report.garbage),
        "garbage_count": report.garbage.len(),
        "conflicts": report.conflicts.iter().take(ITEMS_DEFAULT).map(|(path, one)| json!({
            "path": document_path(project, path), "rule": one.rule, "what": one.what,
        })).collect::<Vec<_>>(),
        "conflicts_count": report.conflicts.len(),
        "queues": queues.collect::<Map<_, _>>(),
        "too_much": report.mass.map(|removal| removal.to_string()),
        "took_ms": milliseconds(report.took),
    })
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
