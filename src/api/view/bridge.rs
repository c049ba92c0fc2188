//! The bridge to a server, and exchanges with it, as data.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::command_hints::complete_hint;
use super::document::document_path;
use super::envelope::ITEMS_DEFAULT;
use crate::core::name::DocPath;
use crate::core::problem::Problem;
use crate::services::{
    BRIDGE_UNKNOWN, BackendHealth, BackendId, BackendPass, BridgeStats, Detected, DetectedBackend, Enabling,
    FoundTaskQueue, PassReport, Project,
};

/// Returns the state of the bridge as data.
#[must_use]
pub fn bridge_data(stats: &BridgeStats) -> Value {
    json!({
        "backend": stats.backend.word(),
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

/// Returns the mode, and the state of each backend with the health of its server, as an answer's data. `bridge` and `more` are
/// those of the first, `offered` is a server that is installed and not asked for.
#[must_use]
pub fn bridge_status_data(
    mode: &str,
    bridges: &[(BridgeStats, Option<BackendHealth>)],
    offered: Option<&FoundTaskQueue>,
) -> Value {
    let first = bridges.first();
    json!({
        "offered": offered.map(|offered| &offered.address),
        "mode": mode,
        "bridge": first.map(|(stats, _)| bridge_data(stats)),
        "more": first.and_then(|(_, health)| health.as_ref()).map(health_data),
        "bridges": bridges.iter().map(|(stats, health)| {
            let mut data = bridge_data(stats);
            data["more"] = json!(health.as_ref().map(health_data));
            data
        }).collect::<Vec<_>>(),
    })
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
pub fn bridge_consent_data(enabling: &Enabling, detected: Option<&DetectedBackend>) -> Value {
    json!({
        "backend": enabling.target.backend.word(),
        "address": enabling.target.address,
        "branch": enabling.target.branch,
        "was_enabled": enabling.was_enabled,
        "live": detected.is_some_and(DetectedBackend::is_live),
        "why": detected.and_then(|detected| detected.unreached.as_ref()),
    })
}

/// A backend and what came of asking it.
#[derive(Debug, Clone)]
pub struct BackendRow {
    /// Its name.
    pub name: &'static str,
    /// It is live.
    pub is_live: bool,
    /// What it is and where, or why it is not live.
    pub told: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Returns what came of asking each backend, the files last. `asked` is the mode of the settings, `offered` a server that is
/// installed and not asked for.
#[must_use]
pub fn backend_rows(detected: &Detected, asked: &str, offered: Option<&FoundTaskQueue>) -> Vec<BackendRow> {
    let row = |id: BackendId| {
        let name = id.word();
        let Some(found) = detected.backends.iter().find(|found| found.backend == id) else {
            if let Some(offered) = offered.filter(|_| id == BackendId::TaskQueue) {
                return BackendRow { name, is_live: false, told: offered.words(), hint: Some(offered.hint()) };
            }
            let told = match asked {
                "auto" => "none is named".to_owned(),
                mode => format!("not looked for: `coordination.mode` is {mode}"),
            };
            return BackendRow { name, is_live: false, told, hint: None };
        };
        let server = found.server.as_ref().map_or("", |server| server.name.as_str());
        let told = found.unreached.clone().unwrap_or_else(|| format!("{server} at {}", found.address));
        BackendRow { name, is_live: found.is_live(), told, hint: found.hint.clone() }
    };
    let files = "the files, which are always there".to_owned();
    let markdown = BackendRow { name: "markdown", is_live: true, told: files, hint: None };
    BackendId::ALL.into_iter().map(row).chain([markdown]).collect()
}

/// Returns what came of asking each backend as an answer's data. `server` is that of the first that answered.
#[must_use]
pub fn bridge_detect_data(detected: &Detected, asked: &str, rows: &[BackendRow]) -> Value {
    let row = |row: &BackendRow| {
        let hint = complete_hint(row.hint.as_deref());
        json!({ "follower": row.name, "live": row.is_live, "told": row.told, "hint": hint })
    };
    json!({
        "mode": detected.mode(),
        "asked": asked,
        "took_ms": milliseconds(detected.took),
        "found": rows.iter().map(row).collect::<Vec<_>>(),
        "server": detected.backends.iter().find_map(|found| found.server.as_ref()).map(|server| json!({
            "name": server.name, "replica": false, "memory_bytes": server.memory_bytes,
        })),
    })
}

/// Returns the servers that were forgotten as an answer's data, with the fields of the first; `still` says who names one
/// nevertheless.
#[must_use]
pub fn bridge_disable_data(forgotten: &[(BackendId, String)], still: Option<&str>) -> Value {
    let first = forgotten.first();
    let all = forgotten.iter().map(|(backend, address)| json!({ "backend": backend.word(), "address": address }));
    json!({
        "backend": first.map(|(backend, _)| backend.word()),
        "address": first.map(|(_, address)| address),
        "still": still,
        "forgotten": all.collect::<Vec<_>>(),
    })
}

/// Returns exchanges with the servers as an answer's data: the fields of the first that was reached, and all below `backends`.
#[must_use]
pub fn bridge_passes_data(project: &Project, done: &[BackendPass]) -> Value {
    let all = done.iter().map(|BackendPass { backend, done }| {
        let mut data = match done {
            Ok(report) => pass_data(project, report),
            Err(error) => json!({ "error": error.to_string(), "code": error.code() }),
        };
        data["backend"] = json!(backend.word());
        data
    });
    let mut data =
        done.iter().find_map(|pass| pass.done.as_ref().ok()).map_or(json!({}), |report| pass_data(project, report));
    data["backends"] = all.collect();
    data
}

/// One exchange, each list cut to its first items and counted.
fn pass_data(project: &Project, report: &PassReport) -> Value {
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
