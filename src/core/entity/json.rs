//! Entities as JSON, with the names of the frontmatter. Keys that every document of a kind has are always there.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::model::{Agent, Entity, Task, Workflow};
use crate::core::document::{Note, Step};
use crate::core::name::{AgentName, DocId};
use crate::core::time::Timestamp;

impl Entity {
    /// The shape of `get --json`: frontmatter names, `null` for what is absent, unknown keys beside the known.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Agent(agent) => agent.to_json(),
            Self::Task(task) => task.to_json(),
            Self::Workflow(workflow) => workflow.to_json(),
        }
    }
}

impl Task {
    /// The shape of `task get --json`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut map = Map::new();
        let mut put = |key: &str, value: Json| map.insert(key.to_owned(), value);
        put("id", json!(self.id.as_str()));
        put("type", json!(self.kind));
        put("title", json!(self.title));
        put("description", json!(self.description));
        put("status", json!(self.status.word()));
        put("assigned_to", json!(self.assigned_to.as_ref().map(AgentName::as_str)));
        put("priority", json!(self.priority.word()));
        put("depends_on", json!(self.depends_on.iter().map(DocId::as_str).collect::<Vec<_>>()));
        put("payload", json!(self.payload));
        put("created", json!(self.created.map(Timestamp::exact)));
        put("progress", fraction_json(self.progress));
        put("workflow", json!(self.workflow.as_ref().map(DocId::as_str)));
        put("result", json!(self.result));
        put("error", json!(self.error));
        put("steps", steps_json(&self.steps));
        put("notes", notes_json(&self.notes));
        let sometimes = [
            ("claimed_by", self.claimed_by.as_ref().map(|name| json!(name.as_str()))),
            ("fence", self.fence.map(|n| json!(n))),
            ("lease", self.lease.map(|span| json!(span_text(span)))),
            ("attempt", self.attempt.map(|n| json!(n))),
            ("review", self.review.map(|review| json!(review.word()))),
            ("approved", self.approved.as_ref().map(|name| json!(name))),
        ];
        for (key, value) in sometimes {
            if let Some(value) = value {
                put(key, value);
            }
        }
        with_extra(map, &self.extra)
    }
}

impl Agent {
    /// The shape of `agent get --json`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let started =
            self.active_tasks.iter().filter_map(|task| Some((task.task.clone(), json!(task.started?.to_string()))));
        let map = json!({
            "agent": self.name.as_str(),
            "status": self.status.word(),
            "last_updated": self.last_updated.map(|at| at.to_string()),
            "ttl": self.ttl.map(|span| span.as_secs()),
            "active_tasks": self.active_tasks.iter().map(|task| task.task.as_str()).collect::<Vec<_>>(),
            "started": started.collect::<Map<_, _>>(),
            "description": self.description,
            "metadata": self.metadata,
            "notes": notes_json(&self.notes),
        });
        with_extra(map.as_object().cloned().unwrap_or_default(), &self.extra)
    }
}

impl Workflow {
    /// The shape of `workflow get --json`; `file_status` only where the file lags behind.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let map = json!({
            "id": self.id.as_str(),
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "status": self.status.word(),
            "tasks": self.tasks.iter().map(DocId::as_str).collect::<Vec<_>>(),
            "created": self.created.map(Timestamp::exact),
            "progress": fraction_json(self.progress),
            "current_task": self.current_task.as_ref().map(DocId::as_str),
            "metadata": self.metadata,
            "result": self.result,
            "error": self.error,
            "steps": steps_json(&self.steps),
            "notes": notes_json(&self.notes),
        });
        let mut map = map.as_object().cloned().unwrap_or_default();
        if let Some(status) = self.file_status {
            map.insert("file_status".to_owned(), json!(status.word()));
        }
        with_extra(map, &self.extra)
    }
}

/// Writes an entity as its `to_json` says: what a program gets with `serde_json::to_value` is what `get --json` shows.
macro_rules! serialized_as_json {
    ($($entity:ident),*) => {$(
        impl serde::Serialize for $entity {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.to_json().serialize(to)
            }
        }
    )*};
}

serialized_as_json!(Entity, Task, Agent, Workflow);

/// A progress as JSON: a whole number for 0 and 1, so that it reads as it is written in files.
#[must_use]
pub fn fraction_json(progress: Option<f64>) -> Json {
    match progress {
        Some(0.0) => json!(0),
        Some(1.0) => json!(1),
        other => json!(other),
    }
}

/// A span in the largest unit that says it exactly: `5m`, `90s`, `1500ms`.
#[must_use]
pub fn span_text(span: Duration) -> String {
    let ms = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let exact = units.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    exact.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

fn steps_json(steps: &[Step]) -> Json {
    steps.iter().map(|step| json!({ "text": step.text, "done": step.done })).collect()
}

fn notes_json(notes: &[Note]) -> Json {
    notes.iter().map(|note| Json::from(note.text.as_str())).collect()
}

/// Adds unknown keys; one that bears the name of something else in the answer does not replace it.
fn with_extra(mut map: Map<String, Json>, extra: &Map<String, Json>) -> Json {
    for (key, value) in extra {
        if !map.contains_key(key) {
            map.insert(key.clone(), value.clone());
        }
    }
    Json::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short_and_exact() {
        for (ms, text) in [(0, "0ms"), (300_000, "5m"), (90_000, "90s"), (1_500, "1500ms"), (86_400_000, "1d")] {
            assert_eq!(span_text(Duration::from_millis(ms)), text);
            assert_eq!(crate::core::time::parse_span(text), Ok(Duration::from_millis(ms)));
        }
    }
}
