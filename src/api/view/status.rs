//! The overview for programs.

use serde_json::{Map, Value, json};

use super::bridge::bridge_data;
use super::commit::held_data;
use super::document::{document_path, lease_data};
use super::envelope::finding_data;
use crate::core::entity::{self, AgentStatus, Liveness, fraction_json};
use crate::core::name::{AgentName, DocId};
use crate::core::snapshot::{CHAIN_SHOWN_MAX, Entry, Snapshot};
use crate::services::{Flow, Member, Project, Stats, TaskLine, UncommittedChanges};

/// What changes by itself as time goes by: not what `--watch` calls a change.
const CHANGING_FIELDS: [&str; 5] = ["seen", "left", "avg_latency", "latency_of", "last_pass"];

/// Rows of each part of the overview; the rest is counted.
pub const STATUS_ROWS_MAX: usize = 10;

/// Everything the overview is made of.
#[derive(Debug, Clone, Copy)]
pub struct StatusOverview<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its documents.
    pub snapshot: &'a Snapshot,
    /// Its figures.
    pub stats: &'a Stats,
    /// What is not committed, and why.
    pub standing: &'a UncommittedChanges,
}

/// Returns the overview as data, each list cut to its first rows and counted.
#[must_use]
pub fn status_data(seen: &StatusOverview<'_>) -> Value {
    let StatusOverview { project, snapshot, stats, standing } = seen;
    let mut data = status_figures(stats);
    let unreadable = snapshot.entries().filter(|entry| is_unreadable(entry));
    let rest = json!({
        "agents": some(&stats.team, agent),
        "running": some(&stats.running, running),
        "ended_elsewhere": some(&stats.ended_elsewhere, running),
        "ready": some(&stats.ready, |line| json!(line.task.id.as_str())),
        "waits": some(&stats.waiting, waits),
        "blocked": some(&stats.blocked, waits),
        "workflows": some(&stats.workflows, workflow),
        "unreadable": unreadable.take(STATUS_ROWS_MAX).map(|entry| json!({
            "path": document_path(project, &entry.path),
            "title": entry.kind.and_then(|kind| entity::title(kind, &entry.document)),
            "findings": entry.findings.iter().map(|one| finding_data(project.folder(), one)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "uncommitted": some(&standing.uncommitted, |path| json!(document_path(project, path))),
        "held": some(&standing.held, |held| held_data(project, held)),
        "conflicts": some(&standing.conflicts, |path| json!(document_path(project, path))),
        "uncommitted_count": standing.uncommitted.len(),
        "waiting": standing.waiting.as_ref().map(ToString::to_string),
    });
    if let (Some(data), Value::Object(rest)) = (data.as_object_mut(), rest) {
        data.extend(rest);
    }
    data
}

/// A document that should say something and does not, or a file of any sort that cannot be read.
#[must_use]
pub fn is_unreadable(entry: &Entry) -> bool {
    !entry.document.is_readable() || entry.kind.is_some() && entry.entity.is_none()
}

/// Returns the figures alone.
#[must_use]
pub fn status_figures(stats: &Stats) -> Value {
    let by_word = AgentStatus::ALL.iter().map(|status| (status.word().to_owned(), json!(stats.agents(*status))));
    let mut agents: Map<String, Value> = by_word.collect();
    agents.insert("stale".to_owned(), json!(stats.stale()));
    let queue = stats.task_queue.iter().map(|(priority, count)| (priority.word().to_owned(), json!(count)));
    let tasks = stats.tasks.iter().map(|(status, count)| (status.word().to_owned(), json!(count)));
    json!({
        "mode": stats.mode,
        "bridge": stats.bridges.first().map(bridge_data),
        "bridges": stats.bridges.iter().map(bridge_data).collect::<Vec<_>>(),
        "agent_count": stats.agent_count,
        "agent_states": agents,
        "task_queue_size": stats.task_queue_size,
        "task_queue": queue.collect::<Map<_, _>>(),
        "tasks": tasks.collect::<Map<_, _>>(),
        "outlook": {
            "ready": stats.ready.len(),
            "waiting": stats.waiting.len(),
            "blocked": stats.blocked.len(),
        },
        "avg_latency": stats.avg_latency,
        "latency_of": stats.latency_of,
        "watcher": stats.watcher.as_ref().map(|watcher| json!({
            "pid": watcher.pid, "since": watcher.since.map(|at| at.to_string()),
        })),
    })
}

fn some<T>(all: &[T], one: impl Fn(&T) -> Value) -> Vec<Value> {
    all.iter().take(STATUS_ROWS_MAX).map(one).collect()
}

fn agent(member: &Member) -> Value {
    let running = member.running.iter().map(DocId::as_str);
    let active: Vec<&str> = running.chain(member.says.iter().map(String::as_str)).collect();
    json!({
        "agent": member.name.as_str(),
        "status": member.status.map(AgentStatus::word),
        "active_tasks": active,
        "running": member.running.len(),
        "queued": member.queued,
        "seen": member.pulse.and_then(|pulse| pulse.seen).map(|at| at.to_string()),
        "stale": member.pulse.as_ref().is_some_and(Liveness::is_stale),
    })
}

fn running(line: &TaskLine) -> Value {
    json!({
        "id": line.task.id.as_str(),
        "holder": line.hold.as_ref().map(|hold| &hold.by).or_else(|| line.task.holder()).map(AgentName::as_str),
        "progress": fraction_json(line.task.progress),
        "held": line.hold.as_ref().map(lease_data),
    })
}

fn waits(line: &TaskLine) -> Value {
    let waits_for = line.waits_for.iter().take(CHAIN_SHOWN_MAX);
    let waits_for = waits_for.map(|blocker| json!({ "id": blocker.id.as_str(), "wait": blocker.why.word() }));
    json!({
        "id": line.task.id.as_str(),
        "waits_for": waits_for.collect::<Vec<_>>(),
        "waits_for_total": line.waits_for.len(),
        "root": line.root.as_ref().map(|root| json!({
            "cause": root.cause.word(),
            "path": root.path.shown.iter().map(DocId::as_str).collect::<Vec<_>>(),
            "left_out": root.path.left_out,
        })),
    })
}

fn workflow(flow: &Flow) -> Value {
    json!({
        "id": flow.workflow.id.as_str(),
        "type": flow.workflow.kind,
        "status": flow.workflow.status.word(),
        "progress": fraction_json(flow.progress),
        "current_task": flow.current_task.as_ref().map(DocId::as_str),
    })
}

/// Returns the data without what changes by itself, to see whether anything happened.
#[must_use]
pub fn status_without_time(data: &Value) -> Value {
    match data {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !CHANGING_FIELDS.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), status_without_time(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(status_without_time).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_no_change() {
        let data = json!({"avg_latency": 1.5, "agents": [{"agent": "a", "seen": "x", "held": {"left": 9, "by": "a"}}]});
        assert_eq!(status_without_time(&data), json!({"agents": [{"agent": "a", "held": {"by": "a"}}]}));
    }
}
