//! One line of a batch as a step: which operation, on which document, with which fields. Carries nothing out.

use serde_json::{Map, Value as Json, json};

use super::fields::{Fault, Fields};
use crate::core::document::{Document, Mark, Value};
use crate::core::entity::agent::{self, AgentUpdate};
use crate::core::entity::task::{self, TaskUpdate};
use crate::core::entity::workflow::{self, WorkflowUpdate};
use crate::core::entity::{ActiveTask, NewTask, NewWorkflow, Priority, Refusal};
use crate::core::lease::Override;
use crate::core::name::{AgentName, DocId, Kind, visible};
use crate::core::time::{Timestamp, parse_span};
use crate::faces::cli::task::fraction;
use crate::services::{Editing, Error, New, Passing, Step, Taken};

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

/// A line as a step, with the operation's name.
pub(super) fn read(line: &str, given: &Given<'_>) -> Result<(String, Step<'static>), Fault> {
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

/// The step of an operation; `None` if there is no such operation.
fn step(op: &str, fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Option<Step<'static>>, Fault> {
    Ok(Some(match op {
        "task.create" => create_task(fields, given)?,
        "task.update" => update_task(fields)?,
        "task.complete" => {
            let (id, result, passing) = (id(fields, op)?, fields.json("result")?, passing(fields)?);
            let edit = move |document: &_| task::complete(document, result.as_ref());
            change_as(Kind::Task, id, "complete", passing, edit)
        }
        "task.fail" => {
            let (id, error, passing) = (id(fields, op)?, reason(fields, op)?, passing(fields)?);
            change_as(Kind::Task, id, "fail", passing, move |document| task::fail(document, Some(&error)))
        }
        "task.release" => {
            let (id, passing) = (id(fields, op)?, passing(fields)?);
            change_as(Kind::Task, id, "release", passing, task::release)
        }
        "task.retry" => change(Kind::Task, id(fields, op)?, "retry", task::retry),
        "task.reopen" => change(Kind::Task, id(fields, op)?, "reopen", task::reopen),
        "task.note" => note(fields)?,
        "task.tick" => tick(fields)?,
        "task.remove" => Step::Remove { kind: Kind::Task, id: id(fields, op)? },
        "agent.set" => set_agent(fields, given)?,
        "agent.remove" => Step::Remove { kind: Kind::Agent, id: need(fields, op, "name")? },
        "workflow.create" => create_workflow(fields, given)?,
        "workflow.update" => update_workflow(fields)?,
        "workflow.complete" => {
            let (id, result) = (id(fields, op)?, fields.json("result")?);
            change(Kind::Workflow, id, "complete", move |document| workflow::complete(document, result.as_ref()))
        }
        "workflow.fail" => {
            let (id, error) = (id(fields, op)?, reason(fields, op)?);
            change(Kind::Workflow, id, "fail", move |document| workflow::fail(document, Some(&error)))
        }
        _ => return Ok(None),
    }))
}

fn change(
    kind: Kind,
    id: String,
    verb: &'static str,
    edit: impl Fn(&Document) -> Result<Document, Refusal> + Send + Sync + 'static,
) -> Step<'static> {
    change_as(kind, id, verb, Passing::default(), edit)
}

fn change_as(
    kind: Kind,
    id: String,
    verb: &'static str,
    passing: Passing,
    edit: impl Fn(&Document) -> Result<Document, Refusal> + Send + Sync + 'static,
) -> Step<'static> {
    let edit: Editing = Box::new(edit);
    Step::Change { kind, id, verb, passing, edit }
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

fn create_task(fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Step<'static>, Fault> {
    let (id, taken) = new_id(fields, given, Kind::Task)?;
    let new = NewTask {
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
    Ok(Step::Create { new: New::Task(new), taken })
}

fn update_task(fields: &mut Fields<'_>) -> Result<Step<'static>, Fault> {
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
    Ok(change_as(Kind::Task, id, "update", passing, move |document| task::update(document, &update)))
}

fn note(fields: &mut Fields<'_>) -> Result<Step<'static>, Fault> {
    let (id, text) = (id(fields, "task.note")?, need(fields, "task.note", "text")?);
    if text.trim().is_empty() {
        return Err(fields.missing("task.note", "text"));
    }
    Ok(change(Kind::Task, id, "note", move |document| task::note(document, &text)))
}

fn tick(fields: &mut Fields<'_>) -> Result<Step<'static>, Fault> {
    let id = id(fields, "task.tick")?;
    let step = fields.made("step", str::parse::<usize>)?.ok_or_else(|| fields.missing("task.tick", "step"))?;
    let mark = if fields.flag("open")? { Mark::Open } else { Mark::Done };
    Ok(change(Kind::Task, id, "tick", move |document| task::tick(document, step, mark)))
}

fn set_agent(fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Step<'static>, Fault> {
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
    let new = New::Agent(update.clone().into_new(name));
    Ok(Step::Set { new, verb: "set", edit: Box::new(move |document| agent::set(document, &update)) })
}

fn create_workflow(fields: &mut Fields<'_>, given: &Given<'_>) -> Result<Step<'static>, Fault> {
    let (id, taken) = new_id(fields, given, Kind::Workflow)?;
    let new = NewWorkflow {
        id,
        kind: need(fields, "workflow.create", "type")?,
        title: fields.text("title")?,
        description: fields.text("description")?,
        tasks: fields.words("task")?,
        metadata: fields.object("metadata")?.map(Json::Object),
        created: (given.made)(),
    };
    Ok(Step::Create { new: New::Workflow(new), taken })
}

fn update_workflow(fields: &mut Fields<'_>) -> Result<Step<'static>, Fault> {
    let id = id(fields, "workflow.update")?;
    let update = WorkflowUpdate {
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
    Ok(change(Kind::Workflow, id, "update", move |document| workflow::update(document, &update)))
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
