//! What an item shows of a task, and what of an item is taken back into the task.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::marker::ItemMarker;
use super::model::{Item, ItemStatus};
use crate::core::document::Document;
use crate::core::entity::{Entity, Priority, Task, TaskStatus};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::{digest, entity_of};

/// Longest text of an item, in bytes: the time of a call grows with the square of its size.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// Longest title, in characters.
const TITLE_MAX: usize = 200;
/// How many hexadecimal digits of a digest stand in a marker.
const DIGEST_DIGITS: usize = 12;
/// What stands for a result that is none: a server takes no empty one.
const NO_RESULT: &str = "(no result)";
/// How each description begins.
const DESCRIPTION_BEGIN: &str = "Type: ";
/// Who has approved a task that was approved on a server, which keeps no name.
pub(super) const APPROVER: &str = "taskqueue";

/// What an item shows of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Projection {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) status: ItemStatus,
    /// What came out; counts only with [`ItemStatus::Done`].
    pub(super) details: String,
}

impl Projection {
    /// What an item is to show of a task.
    pub(super) fn of(task: &Task) -> Self {
        Self { title: title(task), description: description(task), status: status(task.status), details: details(task) }
    }

    /// What an item is to show of a document; `None` if that cannot be read as the task.
    pub(super) fn of_document(id: &DocId, document: &Document) -> Option<(Self, Task)> {
        match entity_of(Kind::Task, id, &DocPath::for_new(Kind::Task, id), document) {
            Ok(Entity::Task(task)) => Some((Self::of(&task), *task)),
            _ => None,
        }
    }

    /// What an item shows now.
    pub(super) fn shown(item: &Item) -> Self {
        Self {
            title: item.title.clone(),
            description: item.description.clone(),
            status: item.status,
            details: item.completed_details.clone(),
        }
    }

    /// A name for it that two clones give to the same.
    pub(super) fn digest(&self) -> String {
        let details = if self.status == ItemStatus::Done { self.details.as_str() } else { "" };
        let text = json!([self.title, self.description, self.status.word(), details]).to_string();
        digest(text.as_bytes())[..DIGEST_DIGITS].to_owned()
    }
}

/// The rules of an item.
pub(super) fn rules(marker: &ItemMarker) -> String {
    let path = DocPath::for_new(Kind::Task, &marker.task);
    format!(
        "The file {path} is the source of truth. The status, the result and the approval are taken from here, other changes are not.\n{}",
        marker.line()
    )
}

/// The id at the end of a title, by which an item is found again that has lost its marker.
pub(super) fn id_of_title(title: &str) -> Option<DocId> {
    let (_, id) = title.strip_suffix(']')?.rsplit_once(" [")?;
    DocId::new(id).ok()
}

/// Returns true if a description looks as if a mirror had written it.
pub(super) fn is_description(text: &str) -> bool {
    text.starts_with(DESCRIPTION_BEGIN)
}

/// What others have changed of an item since a version of a task was sent, as fields of that task.
pub(super) fn changed_fields(sent: &Projection, task: &Task, item: &Item) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if item.status != sent.status {
        let status = match item.status {
            ItemStatus::NotStarted => TaskStatus::Pending,
            ItemStatus::InProgress => TaskStatus::Running,
            ItemStatus::Done => TaskStatus::Completed,
        };
        fields.push(("status", status.word().to_owned()));
    }
    let has_result = item.status == ItemStatus::Done && item.completed_details != NO_RESULT;
    if has_result && (sent.status != ItemStatus::Done || item.completed_details != sent.details) {
        fields.push(("result", result(&item.completed_details)));
    }
    if item.approved && item.status == ItemStatus::Done && task.approved.is_none() {
        fields.push(("approved", APPROVER.to_owned()));
    }
    fields
}

/// What is written into a task as its result: JSON as it is, any other text as its `details`.
fn result(details: &str) -> String {
    match serde_json::from_str::<Json>(details) {
        Ok(_) => details.to_owned(),
        Err(_) => json!({ "details": details }).to_string(),
    }
}

const fn status(status: TaskStatus) -> ItemStatus {
    match status {
        TaskStatus::Pending => ItemStatus::NotStarted,
        // A failed task that were done could be approved, which cannot be taken back.
        TaskStatus::Running | TaskStatus::Failed => ItemStatus::InProgress,
        TaskStatus::Completed => ItemStatus::Done,
    }
}

fn title(task: &Task) -> String {
    let words = task.title.as_deref().unwrap_or(&task.kind).split_whitespace().collect::<Vec<_>>().join(" ");
    let failed = if task.status == TaskStatus::Failed { "[failed] " } else { "" };
    format!("{failed}{} [{}]", words.chars().take(TITLE_MAX).collect::<String>(), task.id)
}

fn details(task: &Task) -> String {
    match task.result.as_ref().map(Json::to_string) {
        None => NO_RESULT.to_owned(),
        Some(text) if text.len() > TEXT_BYTES_MAX => {
            format!("(a result of {} bytes: see {})", text.len(), DocPath::for_new(Kind::Task, &task.id))
        }
        Some(text) => text,
    }
}

fn description(task: &Task) -> String {
    let mut text = format!("{DESCRIPTION_BEGIN}{}\n", task.kind);
    let ids = || task.depends_on.iter().map(DocId::as_str).collect::<Vec<_>>().join(", ");
    let lines = [
        ("Assigned to", task.assigned_to.as_ref().map(ToString::to_string)),
        ("Priority", (task.priority != Priority::Normal).then(|| task.priority.word().to_owned())),
        ("Depends on", (!task.depends_on.is_empty()).then(ids)),
        ("Workflow", task.workflow.as_ref().map(ToString::to_string)),
    ];
    for (label, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "{label}: {value}");
        }
    }
    if let Some(body) = &task.description {
        let _ = write!(text, "\n{}\n", body.trim_end());
    }
    for (index, step) in task.steps.iter().enumerate() {
        let _ = write!(
            text,
            "{}- [{}] {}",
            if index == 0 { "\n" } else { "" },
            if step.done { "x" } else { " " },
            step.text
        );
        text.push('\n');
    }
    for (heading, value) in [("Payload", &task.payload), ("Error", &task.error)] {
        let Some(value) = value else { continue };
        let value = serde_json::to_string_pretty(value).unwrap_or_default();
        let _ = write!(text, "\n{heading}:\n```json\n{value}\n```\n");
    }
    cut(text, &task.id)
}

/// Cuts a text that is too long, and says where the whole is.
fn cut(mut text: String, id: &DocId) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        let _ = write!(text, "\n(cut: the rest is in {})", DocPath::for_new(Kind::Task, id));
    }
    text
}
