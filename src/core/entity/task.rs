//! What can be done to a task, as pure functions from document to document. Each changes only what it must.

use serde_json::Value as Json;

use super::bullet::DependencyBullet;
use super::edit::{
    Refusal, accept, add_ids, id_of, progress_value, remove_ids, remove_key, set_description, set_key, set_keys,
    set_outcome, set_placeholder, status,
};
use super::model::{Entity, Task};
use super::read::reread;
use super::status::{Priority, TaskStatus};
use super::step_settings::{CANCELLED_BY, EXPIRIES_MAX, SkipReason};
use crate::core::document::{Document, Mark, Value};
use crate::core::name::{AgentName, DocId, Kind};
use crate::core::template::one_line;
use crate::core::time::Timestamp;

const DEPENDENCIES: &str = "Dependencies";

/// What `update` changes; what is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskUpdate {
    /// The next status; the present one is no change.
    pub status: Option<TaskStatus>,
    /// From 0 to 1.
    pub progress: Option<f64>,
    /// Further keys with their values; `null` removes.
    pub set: Vec<(String, Value)>,
    /// Keys to remove.
    pub unset: Vec<String>,
    /// How urgent.
    pub priority: Option<Priority>,
    /// Who is to do it; `unset` with `assigned_to` for nobody.
    pub assigned_to: Option<AgentName>,
    /// A new heading.
    pub title: Option<String>,
    /// Dependencies to add; those that are there are no change.
    pub depends_on_add: Vec<DocId>,
    /// Dependencies to take out.
    pub depends_on_remove: Vec<DocId>,
    /// What sort of work: the key `type`.
    pub kind: Option<String>,
    /// Replaces the description; an empty text removes it.
    pub description: Option<String>,
    /// Replaces the payload; `null` removes it.
    pub payload: Option<Json>,
    /// Check boxes to add, open, at the end; those whose text is there are no change.
    pub steps_add: Vec<String>,
}

/// Changes what the update names, all of it or nothing.
///
/// # Errors
/// [`Refusal`] for an illegal step, a value of the wrong shape, or a document that does not allow the edit.
pub fn update(document: &Document, update: &TaskUpdate) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    let mut new = set_keys(Kind::Task, document, &update.set, &update.unset)?;
    if let Some(next) = update.status {
        new = step(&new, now, next)?;
    }
    if let Some(name) = &update.assigned_to {
        new = set_key(&new, "assigned_to", &Value::text(name.as_str()))?;
    }
    if let Some(priority) = update.priority {
        new = set_key(&new, "priority", &Value::text(priority.word()))?;
    }
    if let Some(progress) = update.progress {
        new = set_key(&new, "progress", &progress_value(id_of(Kind::Task, &new), progress)?)?;
    }
    if let Some(title) = &update.title {
        new = set_title(&new, title)?;
    }
    if let Some(kind) = &update.kind {
        new = set_kind(&new, kind)?;
    }
    if let Some(text) = &update.description {
        new = set_description(Kind::Task, &new, text)?;
    }
    if let Some(payload) = &update.payload {
        new = set_payload(&new, payload)?;
    }
    new = add_steps(&new, &update.steps_add)?;
    new = add_ids(&new, "depends_on", DEPENDENCIES, &update.depends_on_add)?;
    new = remove_ids(&new, "depends_on", DEPENDENCIES, &update.depends_on_remove)?;
    accept(Kind::Task, document, new)
}

/// Pending → running.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn start(document: &Document) -> Result<Document, Refusal> {
    go(document, TaskStatus::Running)
}

/// Running → completed, with a result if there is one. The error of an earlier try stays where it is: a branch that
/// changes only the status must not touch it.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn complete(document: &Document, result: Option<&Json>) -> Result<Document, Refusal> {
    let new = finish(document, TaskStatus::Completed)?;
    match result {
        Some(result) => set_outcome(&new, "Result", result),
        None => set_placeholder(&new, "Result", "_None_"),
    }
}

/// Running → failed, with the reason if there is one.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn fail(document: &Document, error: Option<&Json>) -> Result<Document, Refusal> {
    let new = finish(document, TaskStatus::Failed)?;
    let new = set_placeholder(&new, "Result", "_None_")?;
    error.map_or(Ok(new.clone()), |error| set_outcome(&new, "Error", error))
}

/// Running → pending: whoever holds it gives it back.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn release(document: &Document) -> Result<Document, Refusal> {
    back(document, TaskStatus::Running)
}

/// Running → pending: the lease of its holder expired. A step of which that is true three times in a row has failed:
/// whatever it does, its holders do not survive it.
///
/// # Errors
/// [`Refusal`] if it is not running or the document does not allow the edit.
pub fn expire(document: &Document) -> Result<Document, Refusal> {
    let entity = reread(Kind::Task, document).entity;
    let step = entity.as_ref().and_then(Entity::as_task).filter(|task| task.execution.step.is_some());
    let Some(step) = step else { return release(document) };
    if step.execution.expiries.saturating_add(1) < EXPIRIES_MAX {
        return count_expiry(&release(document)?, step);
    }
    let error = format!("the leases of {EXPIRIES_MAX} holders in a row expired");
    fail(document, Some(&Json::from(error)))
}

/// Adds one to the expired leases of a step; any other task has no such number.
pub(super) fn count_expiry(document: &Document, task: &Task) -> Result<Document, Refusal> {
    if task.execution.step.is_none() {
        return Ok(document.clone());
    }
    let count = task.execution.expiries.saturating_add(1);
    set_key(document, "expiries", &Value::plain(count.to_string()))
}

/// Failed → pending. The error stays, for whoever tries again.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn retry(document: &Document) -> Result<Document, Refusal> {
    back(document, TaskStatus::Failed)
}

/// Failed → pending, as its retry policy says: not before a moment, and one more attempt.
///
/// # Errors
/// [`Refusal`] if the transition is illegal or the document does not allow the edit.
pub fn retry_later(document: &Document, not_before: Timestamp) -> Result<Document, Refusal> {
    set_key(&retry(document)?, "not_before", &Value::text(not_before.exact()))
}

/// Pending → completed, skipped for a reason.
///
/// # Errors
/// [`Refusal`] if it is not pending or the document does not allow the edit.
pub fn skip(document: &Document, reason: &SkipReason) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    if now != TaskStatus::Pending {
        return Err(illegal(document, now, "completed by skip"));
    }
    let new = set_key(document, "status", &Value::text(TaskStatus::Completed.word()))?;
    let new = set_key(&new, "skipped", &Value::text(reason.text()))?;
    set_placeholder(&new, "Result", "_None_")
}

/// Pending or running → failed, cancelled by an agent or a person.
///
/// # Errors
/// [`Refusal`] if it has ended or the document does not allow the edit.
pub fn cancel(document: &Document, by: &str) -> Result<Document, Refusal> {
    end_open(document, "failed by cancel", &Json::from(format!("{CANCELLED_BY}{}", one_line(by))))
}

/// Pending or running → failed, without having been done: what it needs to start cannot be made.
///
/// # Errors
/// [`Refusal`] if it has ended or the document does not allow the edit.
pub fn fail_unstarted(document: &Document, error: &Json) -> Result<Document, Refusal> {
    end_open(document, "failed by fail", error)
}

fn end_open(document: &Document, how: &'static str, error: &Json) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    if matches!(now, TaskStatus::Completed | TaskStatus::Failed) {
        return Err(illegal(document, now, how));
    }
    let new = set_key(document, "status", &Value::text(TaskStatus::Failed.word()))?;
    let new = set_placeholder(&new, "Result", "_None_")?;
    set_outcome(&new, "Error", error)
}

/// Completed → pending. The result stays until there is a new one; its approval does not.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn reopen(document: &Document) -> Result<Document, Refusal> {
    super::review::forget(&back(document, TaskStatus::Completed)?)
}

/// Sets the mark of a check box, counted from 1.
///
/// # Errors
/// [`Refusal::Edit`] if there is no such check box.
pub fn tick(document: &Document, step: usize, mark: Mark) -> Result<Document, Refusal> {
    Ok(document.edit().tick(step, mark)?)
}

/// Adds a note at the end of the notes.
///
/// # Errors
/// [`Refusal`] for an empty note or a document that does not allow the edit.
pub fn note(document: &Document, text: &str) -> Result<Document, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::bad_value(id_of(Kind::Task, document), "the note is empty", "say something in it"));
    }
    Ok(document.edit().append_note(text)?)
}

/// Replaces the payload; `null` removes it.
///
/// # Errors
/// [`Refusal::Edit`] if the document does not allow the edit.
pub fn set_payload(document: &Document, payload: &Json) -> Result<Document, Refusal> {
    if payload.is_null() {
        let document = remove_key(document, "payload")?;
        return match document.body().section_json("Payload") {
            Some(_) => Ok(document.edit().set_section_text("Payload", "")?),
            None => Ok(document),
        };
    }
    Ok(document.edit().set_section_json("Payload", payload)?)
}

fn set_kind(document: &Document, kind: &str) -> Result<Document, Refusal> {
    let kind = one_line(kind);
    if kind.is_empty() {
        let hint = "give a word for the sort of work, such as `train-model`";
        return Err(Refusal::bad_value(id_of(Kind::Task, document), "the type is empty", hint));
    }
    set_key(document, "type", &Value::text(kind))
}

fn add_steps(document: &Document, steps: &[String]) -> Result<Document, Refusal> {
    let mut document = document.clone();
    for step in steps {
        let text = one_line(step);
        if text.is_empty() {
            return Err(Refusal::bad_value(id_of(Kind::Task, &document), "a step is empty", "say what is to be done"));
        }
        if !document.body().steps().iter().any(|known| known.text == text) {
            document = document.edit().add_bullet("Progress", &format!("[ ] {text}"))?;
        }
    }
    Ok(document)
}

/// Brings the bullet of a dependency up to date where the body lists it with what it is and how it stands
/// (`- task-122 (prepare-dataset) - COMPLETED ✅`); a body that lists bare ids, or none, stays as it is.
///
/// # Errors
/// [`Refusal::Edit`] if the document does not allow the edit.
pub fn dependency_stands(document: &Document, id: &DocId, now: TaskStatus) -> Result<Document, Refusal> {
    let bullets = document.body().bullets(DEPENDENCIES);
    let found = bullets.iter().position(|bullet| DependencyBullet::parse(&bullet.text).id == id.as_str());
    let Some(index) = found else { return Ok(document.clone()) };
    let text = &bullets[index].text;
    if DependencyBullet::parse(text).status.is_none_or(|claimed| claimed == now) {
        return Ok(document.clone());
    }
    let kept = text.rsplit_once("- ").map_or(text.as_str(), |(kept, _)| kept).trim_end();
    Ok(document.edit().set_bullet(DEPENDENCIES, index, &format!("{kept} - {}", shout(now)))?)
}

/// Says in the bullet of a dependency what it is and how it stands, as the reference document does.
///
/// # Errors
/// [`Refusal::Edit`] if the document does not allow the edit.
pub fn describe_dependency(document: &Document, id: &DocId, kind: &str, now: TaskStatus) -> Result<Document, Refusal> {
    let bullets = document.body().bullets(DEPENDENCIES);
    let found = bullets.iter().position(|bullet| DependencyBullet::parse(&bullet.text).id == id.as_str());
    let Some(index) = found else { return Ok(document.clone()) };
    Ok(document.edit().set_bullet(DEPENDENCIES, index, &format!("{id} ({}) - {}", one_line(kind), shout(now)))?)
}

fn shout(status: TaskStatus) -> String {
    let mark = match status {
        TaskStatus::Completed => " ✅",
        TaskStatus::Failed => " ❌",
        TaskStatus::Pending | TaskStatus::Running => "",
    };
    format!("{}{mark}", status.word().to_uppercase())
}

fn set_title(document: &Document, title: &str) -> Result<Document, Refusal> {
    let title = one_line(title);
    if title.is_empty() {
        return Err(Refusal::bad_value(id_of(Kind::Task, document), "the title is empty", "give at least one word"));
    }
    let document = match document.field("title") {
        Some(_) => set_key(document, "title", &Value::text(title.as_str()))?,
        None => document.clone(),
    };
    let prefix = document.body().title().is_some_and(|heading| heading.starts_with("Task:"));
    let heading = if prefix { format!("Task: {title}") } else { title };
    if document.body().title() == Some(heading.as_str()) {
        return Ok(document);
    }
    Ok(document.edit().set_title(&heading)?)
}

fn go(document: &Document, to: TaskStatus) -> Result<Document, Refusal> {
    step(document, status(Kind::Task, document)?, to)
}

/// To an end; unlike `update`, doing it twice is refused, since the second outcome would replace the first.
fn finish(document: &Document, to: TaskStatus) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    if now == to {
        return Err(illegal(document, now, to.word()));
    }
    step(document, now, to)
}

fn back(document: &Document, from: TaskStatus) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    if now != from {
        let how = match from {
            TaskStatus::Running => "pending by release",
            TaskStatus::Failed => "pending by retry",
            _ => "pending by reopen",
        };
        return Err(illegal(document, now, how));
    }
    step(document, now, TaskStatus::Pending)
}

fn step(document: &Document, now: TaskStatus, to: TaskStatus) -> Result<Document, Refusal> {
    if now.step(to).is_err() {
        return Err(illegal(document, now, to.word()));
    }
    let mut new = set_key(document, "status", &Value::text(to.word()))?;
    if now == TaskStatus::Running && now != to {
        // Its holder has given a sign of life.
        new = remove_key(&new, "expiries")?;
    }
    if to != TaskStatus::Pending || now == to {
        return Ok(new);
    }
    // No agent has it any more.
    let new = remove_key(&remove_key(&new, "claimed_by")?, "lease")?;
    forget_end(&new, now)
}

/// Removes what a pending task states of its last attempt. A step that has ended begins its next attempt; any other task
/// counts its attempts when it is claimed.
fn forget_end(document: &Document, before: TaskStatus) -> Result<Document, Refusal> {
    let entity = reread(Kind::Task, document).entity;
    let Some(task) = entity.as_ref().and_then(Entity::as_task) else { return Ok(document.clone()) };
    let mut new = document.clone();
    if task.execution.timeout.is_some() {
        new = remove_key(&new, "started")?;
    }
    if before == TaskStatus::Running {
        return Ok(new);
    }
    for key in ["not_before", "skipped", "expiries"] {
        new = remove_key(&new, key)?;
    }
    if task.is_retried_by_policy() {
        let attempt = task.attempt.unwrap_or(1).saturating_add(1);
        new = set_key(&new, "attempt", &Value::plain(attempt.to_string()))?;
    }
    Ok(new)
}

fn illegal(document: &Document, now: TaskStatus, to: &'static str) -> Refusal {
    let id = id_of(Kind::Task, document);
    let hint = match now {
        TaskStatus::Pending if to == "completed" || to == "failed" => {
            Some(format!("run `mycelium task update {id} --status running` first"))
        }
        TaskStatus::Completed if to.starts_with("pending") => {
            Some(format!("run `mycelium task reopen {id}`, which leads there"))
        }
        TaskStatus::Completed if to == "completed" => {
            Some(format!("it is completed already; `mycelium task reopen {id}` opens it again"))
        }
        TaskStatus::Completed => Some(format!("run `mycelium task reopen {id}` first")),
        TaskStatus::Failed if to.starts_with("pending") => {
            Some(format!("run `mycelium task retry {id}`, which leads there"))
        }
        TaskStatus::Failed if to == "failed" => {
            Some(format!("it has failed already; `mycelium task retry {id}` makes it pending again"))
        }
        TaskStatus::Failed => Some(format!("run `mycelium task retry {id}` first")),
        TaskStatus::Pending => {
            Some(format!("it is pending already; `mycelium task update {id} --status running` begins it"))
        }
        TaskStatus::Running => Some(format!("run `mycelium task release {id}`, which leads there")),
    };
    Refusal::IllegalStep { id, step: now.refuse(to), hint }
}

#[cfg(test)]
mod tests;
