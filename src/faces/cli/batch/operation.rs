//! One line of a batch as a request: which operation, on which document, with which fields. Carries nothing out.

use serde_json::{Map, Value as Json, json};

use super::fields::{Fault, Fields};
use crate::core::document::{Mark, Value};
use crate::core::entity::agent::AgentUpdate;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::workflow::WorkflowUpdate;
use crate::core::entity::{ActiveTask, Priority, TaskDraft, WorkflowDraft};
use crate::core::lease::Override;
use crate::core::name::{AgentName, DocId, Kind, visible};
use crate::core::operation::{DocumentChange, New, Passing, Request, Taken, TaskChange, WorkflowChange};
use crate::core::time::{Timestamp, parse_span};
use crate::faces::cli::task::fraction;
use crate::services::Error;

/// Every operation with its fields, as `--help` shows them; `*` marks what must be there.
pub(super) const OPERATIONS: &str = "\
Operations and their fields (* must be there; lists may be one text):
  task.create        type* id title description assigned_to depends_on priority workflow payload step
  task.update        id* status progress set unset priority assigned_to title depends_on no_depends_on fence force
                     type description payload step
  task.complete      id* result fence force
  task.fail          id* error* stack_trace fence force
  task.release       id* fence force
  task.retry         id*
  task.reopen        id*
  task.note          id* text*
  task.tick          id* step* open
  task.remove        id*
  agent.set          name* status active_task no_active_task metadata ttl
  agent.remove       name*
  workflow.create    type* id title description task metadata
  workflow.update    id* status progress current_task task no_task metadata set unset description
  workflow.complete  id* result
  workflow.fail      id* error*

`fence` and `force` are the options of the single commands. A line that begins a task claims it, as `task claim` does.";

/// What a line needs from outside: the moment, and an id for a document that names none.
pub(super) struct Given<'a> {
    pub(super) now: Timestamp,
    /// The moment for a new document.
    pub(super) made: &'a dyn Fn() -> Timestamp,
    pub(super) new_id: &'a dyn Fn(Kind) -> Result<DocId, Error>,
}

/// A line as a request, with the operation's name.
pub(super) fn read(line: &str, given: &Given<'_>) -> Result<(String, Request<'static>), Fault> {
    let mut fields = Fields::read(line)?;
    let Some(op) = fields.text("op")? else {
        let fault = Fault::new(0, "the line names no operation");
        return Err(fault.hint("begin with its name: {\"op\": \"task.create\", …}"));
    };
    let Some(step) = step(&op, &mut fields, given)? else {
        let at = line.find("\"op\"").unwrap_or(0);
        let fault = Fault::new(at, format!("there is no operation `{}`", visible(&op)));
        return Err(fault.hint("run `mycelium batch --help` to see them"));
    };
    fields.end(&op)?;
    Ok((op, step))
}

/// The request of an operation; `None` if there is no such operation.
fn step(op: &str, fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Option<Request<'static>>, Fault> {
    Ok(Some(match op {
        "task.create" => create_task(fields, given)?,
        "task.update" => update_task(fields)?,
        "task.complete" => {
            let (id, result) = (id(fields, op)?, fields.json("result")?);
            Request::task(&id, TaskChange::Complete { result }).with(passing(fields)?)
        }
        "task.fail" => {
            let (id, error) = (id(fields, op)?, Some(reason(fields, op)?));
            Request::task(&id, TaskChange::Fail { error }).with(passing(fields)?)
        }
        "task.release" => Request::task(&id(fields, op)?, TaskChange::Release).with(passing(fields)?),
        "task.retry" => Request::task(&id(fields, op)?, TaskChange::Retry),
        "task.reopen" => Request::task(&id(fields, op)?, TaskChange::Reopen),
        "task.note" => note(fields)?,
        "task.tick" => tick(fields)?,
        "task.remove" => DocumentChange::Remove { kind: Kind::Task, id: id(fields, op)? }.into(),
        "agent.set" => set_agent(fields, given)?,
        "agent.remove" => DocumentChange::Remove { kind: Kind::Agent, id: need(fields, op, "name")? }.into(),
        "workflow.create" => create_workflow(fields, given)?,
        "workflow.update" => update_workflow(fields)?,
        "workflow.complete" => {
            let (id, result) = (id(fields, op)?, fields.json("result")?);
            Request::workflow(&id, WorkflowChange::Complete { result })
        }
        "workflow.fail" => {
            let (id, error) = (id(fields, op)?, Some(reason(fields, op)?));
            Request::workflow(&id, WorkflowChange::Fail { error })
        }
        _ => return Ok(None),
    }))
}

/// The fence that the line names, and whether it goes on also if another agent has the task.
fn passing(fields: &mut Fields<'_>) -> Result<Passing, Fault> {
    let fence = fields.made("fence", str::parse::<u64>)?;
    let over = if fields.flag("force")? { Override::Force } else { Override::None };
    Ok(Passing { fence, over })
}

fn need(fields: &mut Fields<'_>, op: &str, key: &str) -> Result<String, Fault> {
    fields.text(key)?.ok_or_else(|| fields.missing(op, key))
}

fn id(fields: &mut Fields<'_>, op: &str) -> Result<String, Fault> {
    need(fields, op, "id")
}

/// The id of a new document, and how careful to be about it.
fn new_id(fields: &mut Fields<'_>, given: &Given<'_>, kind: Kind) -> Result<(DocId, Taken), Fault> {
    match fields.word("id")? {
        Some(id) => Ok((id, Taken::LookUp)),
        None => match (given.new_id)(kind) {
            Ok(id) => Ok((id, Taken::FileName)),
            Err(error) => Err(Fault::new(0, error.to_string())),
        },
    }
}

fn create_task(fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Request<'static>, Fault> {
    let (id, taken) = new_id(fields, given, Kind::Task)?;
    let new = TaskDraft {
        id,
        kind: need(fields, "task.create", "type")?,
        title: fields.text("title")?,
        description: fields.text("description")?,
        assigned_to: fields.word("assigned_to")?,
        depends_on: fields.words("depends_on")?,
        priority: fields.word("priority")?.unwrap_or(Priority::Normal),
        workflow: fields.word("workflow")?,
        payload: fields.json("payload")?,
        steps: fields.words("step")?,
        created: (given.made)(),
    };
    Ok(DocumentChange::Create { new: New::Task(new), taken }.into())
}

fn update_task(fields: &mut Fields<'_>) -> Result<Request<'static>, Fault> {
    let (id, passing) = (id(fields, "task.update")?, passing(fields)?);
    let update = TaskUpdate {
        status: fields.word("status")?,
        progress: fields.made("progress", fraction)?,
        set: pairs(fields.object("set")?),
        unset: fields.words("unset")?,
        priority: fields.word("priority")?,
        assigned_to: fields.word("assigned_to")?,
        title: fields.text("title")?,
        depends_on_add: fields.words("depends_on")?,
        depends_on_remove: fields.words("no_depends_on")?,
        kind: fields.text("type")?,
        description: fields.text("description")?,
        payload: fields.json("payload")?,
        steps_add: fields.words("step")?,
    };
    if update == TaskUpdate::default() {
        return Err(fields.missing("task.update", "something to change"));
    }
    Ok(Request::task(&id, update.into()).with(passing))
}

fn note(fields: &mut Fields<'_>) -> Result<Request<'static>, Fault> {
    let (id, text) = (id(fields, "task.note")?, need(fields, "task.note", "text")?);
    if text.trim().is_empty() {
        return Err(fields.missing("task.note", "text"));
    }
    Ok(Request::task(&id, TaskChange::Note(text)))
}

fn tick(fields: &mut Fields<'_>) -> Result<Request<'static>, Fault> {
    let id = id(fields, "task.tick")?;
    let step = fields.made("step", str::parse::<usize>)?.ok_or_else(|| fields.missing("task.tick", "step"))?;
    let mark = if fields.flag("open")? { Mark::Open } else { Mark::Done };
    Ok(Request::task(&id, TaskChange::Tick { item: step, mark }))
}

fn set_agent(fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Request<'static>, Fault> {
    let name = fields.word::<AgentName>("name")?.ok_or_else(|| fields.missing("agent.set", "name"))?;
    let tasks: Vec<String> = fields.words("active_task")?;
    let none = fields.flag("no_active_task")?;
    let tasks: Vec<ActiveTask> = tasks.into_iter().map(|task| ActiveTask { task, started: None }).collect();
    let update = AgentUpdate {
        status: fields.word("status")?,
        active_tasks: (none || !tasks.is_empty()).then_some(tasks),
        metadata: fields.object("metadata")?.map(Json::Object),
        ttl: fields.made("ttl", parse_span)?,
        ..AgentUpdate::at(given.now)
    };
    Ok(DocumentChange::SetAgent { name, update: Box::new(update) }.into())
}

fn create_workflow(fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Request<'static>, Fault> {
    let (id, taken) = new_id(fields, given, Kind::Workflow)?;
    let new = WorkflowDraft {
        id,
        kind: need(fields, "workflow.create", "type")?,
        title: fields.text("title")?,
        description: fields.text("description")?,
        tasks: fields.words("task")?,
        metadata: fields.object("metadata")?.map(Json::Object),
        created: (given.made)(),
    };
    Ok(DocumentChange::Create { new: New::Workflow(new), taken }.into())
}

fn update_workflow(fields: &mut Fields<'_>) -> Result<Request<'static>, Fault> {
    let id = id(fields, "workflow.update")?;
    let update = WorkflowUpdate {
        steps: None,
        status: fields.word("status")?,
        progress: fields.made("progress", fraction)?,
        current_task: fields.word("current_task")?,
        tasks_add: fields.words("task")?,
        tasks_remove: fields.words("no_task")?,
        description: fields.text("description")?,
        metadata: fields.object("metadata")?.map(Json::Object),
        set: pairs(fields.object("set")?),
        unset: fields.words("unset")?,
    };
    if update == WorkflowUpdate::default() {
        return Err(fields.missing("workflow.update", "something to change"));
    }
    Ok(Request::workflow(&id, update.into()))
}

fn pairs(map: Option<Map<String, Json>>) -> Vec<(String, Value)> {
    map.unwrap_or_default().into_iter().map(|(key, value)| (key, Value::from_json(&value))).collect()
}

/// The error, with the stack trace as a key of its own if there is one.
fn reason(fields: &mut Fields<'_>, op: &str) -> Result<Json, Fault> {
    let error = fields.json("error")?.ok_or_else(|| fields.missing(op, "error"))?;
    let trace = if op == "task.fail" { fields.text("stack_trace")? } else { None };
    let Some(trace) = trace else { return Ok(error) };
    Ok(match error {
        Json::Object(mut map) => {
            map.insert("stack_trace".to_owned(), Json::from(trace));
            Json::Object(map)
        }
        other => json!({ "error": other, "stack_trace": trace }),
    })
}
