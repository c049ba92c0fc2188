//! Fan-outs: a step that runs once for each item of a list, at most so many at once, and ends when all of them have.

use serde_json::{Map, Value as Json, json};

use crate::core::document::Value;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::{Task, TaskDraft, TaskEnd, TaskStatus, Workflow};
use crate::core::name::{DocId, Kind};
use crate::core::operation::TaskChange;
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::template::fill;
use crate::core::time::Timestamp;

/// What follows for a fan-out that has begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FanOutStep {
    /// These items are to be made, with their further keys.
    Create(Vec<(TaskDraft, Vec<(String, Value)>)>),
    /// It ends.
    End(TaskChange),
    /// Items are worked on.
    Wait,
}

/// Begins a fan-out, or fails it if there is no list.
pub(super) fn start(snapshot: &Snapshot, task: &Task) -> TaskChange {
    match snapshot.fan_out_items(task) {
        Ok(_) => TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() }.into(),
        Err(error) => TaskChange::FailUnstarted { error: json!(error) },
    }
}

/// Makes the next items of a fan-out that runs, or ends it.
pub(super) fn go_on(snapshot: &Snapshot, task: &Task, workflow: &Workflow, now: Timestamp) -> FanOutStep {
    let list = match snapshot.fan_out_items(task) {
        Ok(list) => list,
        Err(error) => return FanOutStep::End(TaskChange::Fail { error: Some(json!(error)) }),
    };
    let made: Vec<Option<&Task>> = (1..=list.len()).map(|number| item_task(snapshot, task, number)).collect();
    let open = made.iter().flatten().filter(|item| item.end().is_none()).count();
    let limit = task.execution.max_parallel.and_then(|max| usize::try_from(max.max(1)).ok()).unwrap_or(list.len());
    let missing = made.iter().zip(&list).enumerate().filter(|(_, (found, _))| found.is_none());
    if workflow.is_paused() {
        return FanOutStep::Wait;
    }
    let mut drafts = Vec::new();
    for (index, (_, item)) in missing.take(limit.saturating_sub(open)) {
        match draft(snapshot, task, (index + 1, list.len()), item, now) {
            Ok(made) => drafts.push(made),
            Err(error) => return FanOutStep::End(TaskChange::Fail { error: Some(json!(error)) }),
        }
    }
    if !drafts.is_empty() {
        return FanOutStep::Create(drafts);
    }
    let ends: Option<Vec<(&Task, TaskEnd)>> = made.into_iter().map(|item| Some((item?, item?.end()?))).collect();
    let is_approved = |(item, _): &(&Task, TaskEnd)| item.status != TaskStatus::Completed || item.is_approved();
    match ends {
        Some(ends) if ends.iter().all(is_approved) => FanOutStep::End(join(&ends)),
        _ => FanOutStep::Wait,
    }
}

/// The end of a fan-out whose items have ended: failed if one has, else the results in the order of the items.
fn join(ends: &[(&Task, TaskEnd)]) -> TaskChange {
    let failed: Vec<String> = ends
        .iter()
        .enumerate()
        .filter(|(_, (_, end))| *end == TaskEnd::Failed)
        .map(|(index, _)| (index + 1).to_string())
        .collect();
    if failed.is_empty() {
        let results: Vec<Json> = ends.iter().map(|(item, _)| item.result.clone().unwrap_or_default()).collect();
        return TaskChange::Complete { result: Some(Json::Array(results)) };
    }
    let error = format!("{} of {} items failed: {}", failed.len(), ends.len(), failed.join(", "));
    TaskChange::Fail { error: Some(json!(error)) }
}

/// The id of an item: that of the fan-out with its number.
fn item_id(task: &Task, number: usize) -> Option<DocId> {
    DocId::new(format!("{}.{number}", task.id)).ok()
}

fn item_task<'a>(snapshot: &'a Snapshot, task: &Task, number: usize) -> Option<&'a Task> {
    let id = item_id(task, number)?;
    let path = snapshot.paths_of(Kind::Task, id.as_str()).first()?;
    snapshot.get(path).and_then(Entry::task)
}

fn draft(
    snapshot: &Snapshot,
    task: &Task,
    (number, count): (usize, usize),
    item: &Json,
    now: Timestamp,
) -> Result<(TaskDraft, Vec<(String, Value)>), String> {
    let mut values = snapshot.expression_values(task);
    values.insert("item".to_owned(), item.clone());
    values.insert("index".to_owned(), json!(number));
    let payload = match &task.payload {
        None => Json::Object(Map::from_iter([("item".to_owned(), item.clone())])),
        Some(payload) => fill(payload, &values).map_err(|error| {
            let key = if error.key.is_empty() { String::new() } else { format!(".{}", error.key) };
            format!("payload{key} of item {number} cannot be filled: {}", error.error.message)
        })?,
    };
    let id = item_id(task, number).ok_or_else(|| format!("the id of item {number} would be too long"))?;
    let title = task.title.as_deref().unwrap_or(&task.kind);
    let mut keys: Vec<(String, Value)> = Vec::new();
    let mut put = |key: &str, value: Value| keys.push((key.to_owned(), value));
    if let Some(step) = &task.execution.step {
        put("step", Value::text(step));
    }
    for key in ["retry", "timeout", "review"] {
        let value = task
            .extra
            .get(key)
            .cloned()
            .or_else(|| task.review.filter(|_| key == "review").map(|review| json!(review.word())));
        if let Some(value) = value {
            put(key, Value::from_json(&value));
        }
    }
    put("fan_out", Value::text(task.id.as_str()));
    put("item", Value::plain(number.to_string()));
    let draft = TaskDraft {
        id,
        kind: task.kind.clone(),
        title: Some(format!("{title} ({number}/{count})")),
        description: task.description.clone(),
        assigned_to: task.assigned_to.clone(),
        depends_on: Vec::new(),
        priority: task.priority,
        workflow: task.workflow.clone(),
        payload: Some(payload),
        steps: Vec::new(),
        created: now,
    };
    Ok((draft, keys))
}
