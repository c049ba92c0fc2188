//! What a worker does, for programs and for people.

use std::time::Duration;

use serde_json::{Value, json};

use super::error_report::ErrorReport;
use crate::core::name::visible;
use crate::services::{WorkEnd, WorkedTask, WorkerLog, WorkerNotice};

/// The data of a line about a worker, `worker.event`.
#[must_use]
pub fn worker_data(notice: &WorkerNotice) -> Value {
    match notice {
        WorkerNotice::Ready => json!({ "event": "ready" }),
        WorkerNotice::Started(task) => about("started", task),
        WorkerNotice::Temporary(task, wait) => {
            let mut data = about("waiting", task);
            data["wait_ms"] = json!(millis(*wait));
            data
        }
        WorkerNotice::Ended { task, end, took } => {
            let mut data = about("ended", task);
            data["outcome"] = json!(end.word());
            data["why"] = json!(end.reason());
            data["took_ms"] = json!(millis(*took));
            data
        }
        WorkerNotice::Recovered(task) => about("recovered", task),
        WorkerNotice::Trouble(error) => {
            let report = ErrorReport::of(error);
            json!({ "event": "trouble", "error": report.to_json()["error"] })
        }
        WorkerNotice::Stopping => json!({ "event": "stopping" }),
    }
}

/// The line about what a worker did to a task; `None` if it did nothing to one.
#[must_use]
pub fn worker_line(notice: &WorkerNotice) -> Option<String> {
    let line = match notice {
        WorkerNotice::Started(task) => {
            format!("{} started ({}, fence {}, attempt {})", task.id, task.kind, task.fence, task.attempt)
        }
        WorkerNotice::Temporary(task, wait) => format!("{} is run again in {}", task.id, span(*wait)),
        WorkerNotice::Ended { task, end, took } => {
            let what = match end {
                WorkEnd::Completed => "completed".to_owned(),
                WorkEnd::Failed(why) => format!("failed: {why}"),
                WorkEnd::Released => "given back".to_owned(),
                WorkEnd::Lost(why) => format!("lost, nothing was written: {why}"),
                WorkEnd::Unwritten(why) => format!("ended, and that could not be written: {why}"),
            };
            format!("{} {what} ({})", task.id, span(*took))
        }
        WorkerNotice::Recovered(task) => format!("{} given back: the worker that had it was killed", task.id),
        WorkerNotice::Ready | WorkerNotice::Trouble(_) | WorkerNotice::Stopping => return None,
    };
    Some(visible(&line))
}

/// The data of a log, `worker.log`.
#[must_use]
pub fn worker_log_data(log: &WorkerLog, text: &str) -> Value {
    json!({
        "task": log.task.as_str(),
        "attempt": log.attempt,
        "log": log.path.display().to_string(),
        "text": text,
    })
}

fn about(event: &str, task: &WorkedTask) -> Value {
    json!({
        "event": event,
        "task": task.id.as_str(),
        "type": task.kind,
        "agent": task.by.as_str(),
        "fence": task.fence,
        "attempt": task.attempt,
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A span for people: `0.3s`, `75s`.
fn span(span: Duration) -> String {
    if span < Duration::from_secs(10) { format!("{:.1}s", span.as_secs_f64()) } else { format!("{}s", span.as_secs()) }
}
