//! One entry of a queue list, as others put it there.

use serde_json::Value as Json;

use crate::core::entity::{Priority, TaskStatus};
use crate::core::name::{AgentName, DocId};
use crate::core::reconcile::RejectedField;
use crate::core::reconcile::field_text::{ids, json, name, one_line, word};
use crate::core::time::Timestamp;

/// What an entry of a queue is.
#[derive(Debug, Clone, PartialEq)]
pub enum QueueEntry {
    /// The id of a task.
    Id(DocId),
    /// A new task.
    Task(Box<QueuedTask>),
    /// Nothing that can be used.
    Garbage(RejectedField),
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

/// Longest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Reads one entry of a queue: an id, or a task as JSON.
#[must_use]
pub fn parse_entry(text: &str) -> QueueEntry {
    if text.len() > ENTRY_BYTES_MAX {
        return QueueEntry::Garbage(RejectedField::new("", format!("the entry has more than {ENTRY_BYTES_MAX} bytes")));
    }
    let text = text.trim();
    if !text.starts_with('{') {
        return DocId::new(text)
            .map_or_else(|error| QueueEntry::Garbage(RejectedField::new("", error.to_string())), QueueEntry::Id);
    }
    match json(text).map_err(|why| RejectedField::new("", why)).and_then(|json| task(&json)) {
        Ok(task) => QueueEntry::Task(Box::new(task)),
        Err(garbage) => QueueEntry::Garbage(garbage),
    }
}

fn task(entry: &Json) -> Result<QueuedTask, RejectedField> {
    let text = |field: &str| match entry.get(field) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(RejectedField::new(field, "it is not a text")),
    };
    if let Some(status) = text("status")?
        && status != TaskStatus::Pending.word()
    {
        return Err(RejectedField::new("status", "a new task is pending"));
    }
    let depends_on = match entry.get("depends_on") {
        None | Some(Json::Null) => Vec::new(),
        Some(list) => ids(&list.to_string()).map_err(|why| RejectedField::new("depends_on", why))?,
    };
    let kind = read("type", text("type")?, one_line)?;
    Ok(QueuedTask {
        id: read("id", text("id")?, name)?,
        kind: kind.ok_or_else(|| RejectedField::new("type", "it is missing; a new task needs one"))?,
        title: read("title", text("title")?, one_line)?,
        assigned_to: read("assigned_to", text("assigned_to")?, name)?,
        depends_on,
        priority: read("priority", text("priority")?, word)?,
        workflow: read("workflow", text("workflow")?, name)?,
        payload: entry.get("payload").filter(|payload| !payload.is_null()).cloned(),
        created: read("created_at", text("created_at")?, |text| {
            text.parse::<Timestamp>().map_err(|error| error.to_string())
        })?,
    })
}

fn read<T>(
    field: &str,
    text: Option<&str>,
    as_: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, RejectedField> {
    text.map(|text| as_(text).map_err(|why| RejectedField::new(field, why))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_id_or_a_task() {
        assert_eq!(parse_entry("task-1"), QueueEntry::Id(DocId::new("task-1").expect("valid")));
        let QueueEntry::Task(task) = parse_entry(
            r#"{"id":"task-9","type":"train","assigned_to":"a","depends_on":["task-1"],"payload":{"n":1},"priority":"high","status":"pending","created_at":"2025-10-17T00:00:00Z","further":1}"#,
        ) else {
            panic!("no task");
        };
        assert_eq!((task.id.map(|id| id.to_string()).as_deref(), task.kind.as_str()), (Some("task-9"), "train"));
        assert_eq!((task.depends_on.len(), task.priority), (1, Some(Priority::High)));
        assert!(matches!(parse_entry(r#"{"type":"train"}"#), QueueEntry::Task(task) if task.id.is_none()));
    }

    #[test]
    fn what_is_neither_says_why() {
        let deep = format!("{{\"type\":\"t\",\"payload\":{}1{}}}", "[".repeat(4_000), "]".repeat(4_000));
        for (text, field) in [
            ("", ""),
            ("../x", ""),
            ("a b", ""),
            ("{", ""),
            ("[1]", ""),
            (deep.as_str(), ""),
            (&"x".repeat(ENTRY_BYTES_MAX + 1), ""),
            ("{}", "type"),
            (r#"{"type":"a\nb"}"#, "type"),
            (r#"{"type":7}"#, "type"),
            (r#"{"type":"t","id":"../x"}"#, "id"),
            (r#"{"type":"t","status":"completed"}"#, "status"),
            (r#"{"type":"t","depends_on":"x"}"#, "depends_on"),
            (r#"{"type":"t","depends_on":["/etc"]}"#, "depends_on"),
            (r#"{"type":"t","priority":"soon"}"#, "priority"),
            (r#"{"type":"t","created_at":"soon"}"#, "created_at"),
        ] {
            let QueueEntry::Garbage(garbage) = parse_entry(text) else {
                panic!("taken: {}", &text[..text.len().min(60)])
            };
            assert_eq!(garbage.field, field, "{garbage:?}");
        }
    }
}
