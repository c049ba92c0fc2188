//! What a run of a definition writes: one workflow, and a task for each step. Pure; ids and the moment are given.

use serde_json::{Map, Value as Json, json};

use super::definition::{EngineKind, StepDefinition, WorkflowDefinition};
use super::validate::collect_texts;
use crate::core::document::Value;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::{Condition, ForEach, TaskDraft, WorkflowDraft, span_text, step_lines};
use crate::core::name::{DocId, NameError};
use crate::core::operation::{DocumentChange, New, Request, Taken};
use crate::core::template::{fill, names_in_text};
use crate::core::time::Timestamp;

use crate::core::entity::workflow::WorkflowUpdate;

/// The value of the key `engine` of a workflow that Mycelium drives itself.
pub const EMBEDDED: &str = EngineKind::Embedded.word();

/// The documents of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// The workflow.
    pub workflow: WorkflowDraft,
    /// What moves it on.
    pub engine: EngineKind,
    /// Its steps, in the order of the definition.
    pub tasks: Vec<PlannedTask>,
}

/// The task of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedTask {
    /// The name of the step.
    pub step: String,
    /// What the document says.
    pub draft: TaskDraft,
    /// Further keys of it.
    pub keys: Vec<(String, Value)>,
}

/// Returns what a run writes.
///
/// # Errors
/// [`NameError`] if an id of a step would be too long.
pub fn plan_run(
    definition: &WorkflowDefinition,
    inputs: &Map<String, Json>,
    id: &DocId,
    created: Timestamp,
) -> Result<RunPlan, NameError> {
    let tasks = definition.steps.iter().map(|step| plan_task(definition, step, inputs, id, created));
    let tasks: Vec<PlannedTask> = tasks.collect::<Result<_, _>>()?;
    let workflow = WorkflowDraft {
        id: id.clone(),
        kind: definition.name.clone(),
        title: definition.title.clone(),
        description: definition.description.clone(),
        tasks: tasks.iter().map(|task| task.draft.id.clone()).collect(),
        metadata: Some(json!({ "inputs": inputs })),
        created,
    };
    Ok(RunPlan { workflow, engine: definition.engine, tasks })
}

/// Returns the id of the task of a step: that of the workflow with the name of the step.
///
/// # Errors
/// [`NameError`] if it would be too long.
pub fn step_id(workflow: &DocId, step: &str) -> Result<DocId, NameError> {
    let short = workflow.as_str().strip_prefix("workflow-").unwrap_or(workflow.as_str());
    DocId::new(format!("task-{short}-{step}"))
}

fn plan_task(
    definition: &WorkflowDefinition,
    step: &StepDefinition,
    inputs: &Map<String, Json>,
    id: &DocId,
    created: Timestamp,
) -> Result<PlannedTask, NameError> {
    let (payload, is_filled) = payload(step, inputs);
    let mut keys = vec![("step".to_owned(), Value::text(&step.name))];
    let mut put = |key: &str, value: Value| keys.push((key.to_owned(), value));
    if step.when != Condition::Success {
        put("when", Value::text(step.when.text()));
    }
    match &step.for_each {
        Some(ForEach::Expression(text)) => put("for_each", Value::text(format!("{{{{ {text} }}}}"))),
        Some(ForEach::Items(json)) => {
            put("for_each", Value::from_json(&serde_json::from_str(json).unwrap_or_default()));
        }
        None => {}
    }
    if let Some(max) = step.max_parallel {
        put("max_parallel", Value::plain(max.to_string()));
    }
    if let Some(retry) = &step.retry {
        put("retry", retry.clone());
    }
    if let Some(timeout) = step.timeout {
        put("timeout", Value::text(span_text(timeout)));
    }
    if let Some(review) = step.review {
        put("review", Value::text(review.word()));
    }
    if !is_filled {
        put("fill", Value::plain("true"));
    }
    let needs = step.needs.iter().filter(|need| definition.step(need).is_some());
    let draft = TaskDraft {
        id: step_id(id, &step.name)?,
        kind: step.kind.clone(),
        title: step.title.clone(),
        description: step.description.clone(),
        assigned_to: step.agent.clone(),
        depends_on: needs.map(|need| step_id(id, need)).collect::<Result<_, _>>()?,
        priority: step.priority,
        workflow: Some(id.clone()),
        payload,
        steps: Vec::new(),
        created,
    };
    Ok(PlannedTask { step: step.name.clone(), draft, keys })
}

/// The payload of a step, filled where it reads nothing but inputs; whether it is. That of a fan-out is the template of its
/// items.
fn payload(step: &StepDefinition, inputs: &Map<String, Json>) -> (Option<Json>, bool) {
    let Some(payload) = &step.payload else { return (None, true) };
    if step.for_each.is_some() {
        return (Some(payload.clone()), true);
    }
    let mut texts = Vec::new();
    collect_texts(payload, &mut texts);
    let reads_results = texts.iter().any(|text| {
        names_in_text(text).is_ok_and(|names| names.iter().any(|name| name == "steps" || name.starts_with("steps.")))
    });
    let values = Map::from_iter([("inputs".to_owned(), Json::Object(inputs.clone())), ("steps".to_owned(), json!({}))]);
    match fill(payload, &values) {
        Ok(filled) if !reads_results => (Some(filled), true),
        _ => (Some(payload.clone()), false),
    }
}

impl RunPlan {
    /// Returns the changes that make the documents: one operation.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<'static>> {
        let mut requests = Vec::with_capacity(2 * self.tasks.len() + 2);
        for task in &self.tasks {
            requests.extend(create_task(&task.draft, &task.keys));
        }
        let id = self.workflow.id.to_string();
        requests.push(create(New::Workflow(self.workflow.clone()), Taken::FileName));
        let steps = step_lines::new_section(self.tasks.iter().map(|task| task.step.as_str()));
        let set = vec![("engine".to_owned(), Value::text(self.engine.word()))];
        requests.push(Request::workflow(
            &id,
            WorkflowUpdate { set, steps: Some(steps), ..WorkflowUpdate::default() }.into(),
        ));
        requests.into_iter().map(|request| request.called("workflow.run")).collect()
    }
}

/// Returns the changes that make a task with further keys.
pub(super) fn create_task(draft: &TaskDraft, keys: &[(String, Value)]) -> [Request<'static>; 2] {
    let update = TaskUpdate { set: keys.to_vec(), ..TaskUpdate::default() };
    [create(New::Task(draft.clone()), Taken::FileName), Request::task(draft.id.as_str(), update.into())]
}

fn create(new: New, taken: Taken) -> Request<'static> {
    DocumentChange::Create { new, taken }.into()
}
