//! One commit of the history as data, bounded whatever it says.

use serde_json::{Value, json};

use crate::core::change::{Change, ChangeKind, How};
use crate::core::commit_message;
use crate::core::name::{AgentName, DocId, Kind, OperationId};
use crate::services::HistoryEntry;

/// Changes shown of one commit; the rest is counted.
pub const CHANGES_SHOWN_MAX: usize = 20;
/// Bytes of JSON of the changes of one commit, behind which no further one is shown; the first one always is.
const CHANGES_BYTES_MAX: usize = 16 * 1024;
/// Characters of one text of a commit for programs: its author, its subject, a note, a value.
const TEXT_CHARS_MAX: usize = 500;
/// Bytes of JSON of one list or map.
const VALUE_BYTES_MAX: usize = 2 * 1024;

/// Returns a commit as an answer's data: `cut` says of an object that a value in it was too long.
#[must_use]
pub fn history_data(folder: &str, entry: &HistoryEntry) -> Value {
    let mut left = CHANGES_BYTES_MAX;
    let mut changes = Vec::new();
    for one in entry.changes.iter().take(CHANGES_SHOWN_MAX) {
        let one = bounded(change(folder, one));
        let bytes = one.to_string().len();
        if bytes > left && !changes.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        changes.push(one);
    }
    let operations: Vec<&str> = entry.operations.iter().map(OperationId::as_str).collect();
    let mut data = bounded(json!({
        "revision": entry.revision.as_str(),
        "at": entry.at.to_string(),
        "author": entry.author,
        "agent": entry.agent.as_ref().map(AgentName::as_str),
        "holder": entry.holder.as_ref().map(AgentName::as_str),
        "operations": operations,
        "subject": entry.subject,
    }));
    data["changes"] = Value::Array(changes);
    data["changes_total"] = json!(entry.changes.len());
    data["missing"] = json!(entry.missing.len());
    data["boundary"] = json!(entry.is_boundary);
    data
}

/// An object whose values are as long as an answer takes them; `cut` is added where one was longer.
fn bounded(object: Value) -> Value {
    let Value::Object(fields) = object else { return object };
    let mut is_cut = false;
    let mut out: serde_json::Map<String, Value> = fields
        .into_iter()
        .map(|(key, value)| {
            let short = shortened(&value);
            is_cut |= short.is_some();
            (key, short.unwrap_or(value))
        })
        .collect();
    if is_cut {
        out.insert("cut".to_owned(), Value::Bool(true));
    }
    Value::Object(out)
}

/// What is left of a value that is too long: the beginning of a text, the first items of a list, nothing of a map.
fn shortened(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => {
            let (end, _) = text.char_indices().nth(TEXT_CHARS_MAX)?;
            Some(json!(format!("{}…", &text[..end])))
        }
        Value::Array(items) if value.to_string().len() > VALUE_BYTES_MAX => {
            let mut left = VALUE_BYTES_MAX;
            let first = items.iter().take_while(|item| {
                let bytes = item.to_string().len() + 1;
                let fits = bytes <= left;
                left = left.saturating_sub(bytes);
                fits
            });
            Some(first.cloned().collect())
        }
        Value::Object(_) if value.to_string().len() > VALUE_BYTES_MAX => Some(Value::Null),
        _ => None,
    }
}

/// A change as an object: which document, what sort of change, and what it says in words; with values where it has some.
fn change(folder: &str, change: &Change) -> Value {
    let (what, values) = match &change.what {
        ChangeKind::Created { status, about, assigned_to } => {
            ("created", json!({ "status": status, "type": about, "assigned_to": assigned_to }))
        }
        ChangeKind::Removed => ("removed", json!({})),
        ChangeKind::Moved { from } => ("moved", json!({ "from": format!("{folder}/{from}") })),
        ChangeKind::Status { from, to } => ("status", json!({ "from": from, "to": to })),
        ChangeKind::Field { key, from, to } => ("field", json!({ "key": key, "from": from, "to": to })),
        ChangeKind::List { key, added, removed } => ("list", json!({ "key": key, "added": added, "removed": removed })),
        ChangeKind::Step { n, text, done } => ("step", json!({ "step": n, "text": text, "done": done })),
        ChangeKind::StepAdded { n, text } => ("step-added", json!({ "step": n, "text": text })),
        ChangeKind::StepRemoved { text } => ("step-removed", json!({ "text": text })),
        ChangeKind::Note { text } => ("note", json!({ "text": text })),
        ChangeKind::NoteRemoved { text } => ("note-removed", json!({ "text": text })),
        ChangeKind::Section { name, how } => {
            let how = match how {
                How::Added => "added",
                How::Changed => "changed",
                How::Removed => "removed",
            };
            ("section", json!({ "section": name, "how": how }))
        }
        ChangeKind::Prose { added, removed } => ("text", json!({ "added": added, "removed": removed })),
        ChangeKind::Published { events } => ("published", json!({ "events": events })),
        ChangeKind::Unreadable { code } => ("unreadable", json!({ "code": code.as_str() })),
        ChangeKind::Healed => ("healed", json!({})),
    };
    let mut out = json!({
        "id": change.id.as_ref().map(DocId::as_str),
        "kind": change.kind.map(Kind::word),
        "path": format!("{folder}/{}", change.path),
        "what": what,
        "words": commit_message::phrase(&change.what),
    });
    if let (Some(out), Value::Object(values)) = (out.as_object_mut(), values) {
        out.extend(values);
    }
    out
}
