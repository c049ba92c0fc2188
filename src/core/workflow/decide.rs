//! How workflows go on: which operations follow from the state of their steps. Pure: documents and a moment in, operations as
//! data out. Who carries them out does not matter, and several may at once: each operation names the text that it expects.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::fan_out;
use super::outcome::{WorkflowEnd, steps_of, workflow_end};
use super::plan::{EMBEDDED, create_task};
use crate::core::document::Value;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::workflow::WorkflowUpdate;
use crate::core::entity::{Refusal, Task, TaskDraft, TaskStatus, Workflow, WorkflowStatus, span_text, step_lines};
use crate::core::name::{DocId, DocPath, Kind, OperationId};
use crate::core::operation::{Expect, Request, TaskChange, WorkflowChange};
use crate::core::reconcile;
use crate::core::snapshot::{ConditionDecision, Entry, Snapshot};
use crate::core::template::{Shape, fill};
use crate::core::time::Timestamp;

/// Rounds of one call of [`settle`]: each ends at least one step.
const ROUNDS_MAX: usize = 10_000;

/// One operation of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverOperation {
    /// Its workflow.
    pub workflow: DocId,
    /// The document that it changes or makes.
    pub document: DocId,
    /// What it does.
    pub action: DriverAction,
    /// What the document must be.
    pub expects: Expect,
    /// Its id. All who decide the same give it the same one.
    pub id: OperationId,
    /// When it was decided; the lines of steps name it.
    pub at: Timestamp,
}

/// What an operation of a workflow does.
#[derive(Debug, Clone, PartialEq)]
pub enum DriverAction {
    /// Changes a step.
    Task(TaskChange),
    /// Makes an item of a fan-out.
    CreateItem(Box<TaskDraft>, Vec<(String, Value)>),
    /// Ends the workflow.
    Workflow(WorkflowChange),
}

impl DriverOperation {
    /// An operation on a document as it is now.
    fn on(workflow: &Workflow, entry: &Entry, action: DriverAction, count: (u64, u64), at: Timestamp) -> Option<Self> {
        let document = entry.id.clone()?;
        let verb = match &action {
            DriverAction::Task(change) => change.verb(),
            DriverAction::CreateItem(..) => "create",
            DriverAction::Workflow(change) => change.verb(),
        };
        let (fence, attempt) = count;
        let key = format!("{}/{document}/{fence}/{attempt}/{verb}", workflow.id);
        let digest = reconcile::digest(key.as_bytes());
        let id = OperationId::new(format!("wf-{}", digest.get(..20).unwrap_or(&digest))).ok()?;
        let expects = Expect::text_of(&entry.document);
        Some(Self { workflow: workflow.id.clone(), document, action, expects, id, at })
    }

    /// Returns true if it ends its workflow.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.action, DriverAction::Workflow(WorkflowChange::Complete { .. } | WorkflowChange::Fail { .. }))
    }

    /// Returns the requests that carry it out.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<'static>> {
        let id = self.document.as_str();
        let requests = match &self.action {
            DriverAction::Task(change) => vec![Request::task(id, change.clone()).expecting(self.expects.clone())],
            DriverAction::Workflow(change) => {
                vec![Request::workflow(id, change.clone()).expecting(self.expects.clone())]
            }
            DriverAction::CreateItem(draft, keys) => create_task(draft, keys).into(),
        };
        requests.into_iter().map(|request| request.with_id(self.id.clone()).decided_at(self.at)).collect()
    }

    /// Applies it to a snapshot, as it would be written.
    ///
    /// # Errors
    /// [`Refusal`] if the document does not allow it.
    fn apply(&self, snapshot: &mut Snapshot) -> Result<(), Refusal> {
        let kind = match &self.action {
            DriverAction::Task(_) => Kind::Task,
            DriverAction::Workflow(_) => Kind::Workflow,
            DriverAction::CreateItem(draft, keys) => {
                let update = TaskUpdate { set: keys.clone(), ..TaskUpdate::default() };
                // A draft that cannot be rendered is refused when the operation is carried out.
                if let Ok(document) = draft.render(Shape::Lean, None) {
                    let document = TaskChange::from(update).apply(&document)?;
                    snapshot.insert(DocPath::for_new(Kind::Task, &draft.id), document);
                }
                return Ok(());
            }
        };
        let path = snapshot.paths_of(kind, self.document.as_str()).first().cloned();
        let Some((path, entry)) = path.and_then(|path| Some((path.clone(), snapshot.get(&path)?))) else {
            return Ok(());
        };
        let document = match &self.action {
            DriverAction::Task(change) => change.apply(&entry.document)?,
            DriverAction::Workflow(change) => change.apply(&entry.document)?,
            DriverAction::CreateItem(..) => return Ok(()),
        };
        snapshot.insert(path.clone(), document);
        repeat_step(snapshot, &path, self.at);
        Ok(())
    }
}

/// Writes the line of a step into the document of its workflow, as the operation on the step does when it is carried out.
fn repeat_step(snapshot: &mut Snapshot, step: &DocPath, at: Timestamp) {
    let Some(task) = snapshot.get(step).and_then(Entry::task) else { return };
    let Some(path) = task.workflow.as_ref().map(|workflow| DocPath::for_new(Kind::Workflow, workflow)) else { return };
    let workflow = snapshot.get(&path).and_then(|entry| step_lines::with_step(&entry.document, task, at));
    if let Some(workflow) = workflow {
        snapshot.insert(path, workflow);
    }
}

/// Returns true if Mycelium drives a workflow: its key `engine` says so, and it runs.
#[must_use]
pub fn is_driven(workflow: &Workflow) -> bool {
    let engine = workflow.extra.get("engine").and_then(Json::as_str);
    workflow.status == WorkflowStatus::Running && engine == Some(EMBEDDED)
}

/// When a driver decides, and beside whom.
#[derive(Debug, Clone, Copy)]
pub struct DriverMoment<'a> {
    /// The moment.
    pub now: Timestamp,
    /// The tasks whose commands workers run here. A worker ends the attempt itself when its time is over, once the command has
    /// ended: before that the next attempt would run beside it.
    pub worked: &'a BTreeSet<DocId>,
}

/// Returns all operations that follow from the documents at a moment, each on the documents as those before it leave them. There
/// are none if everything waits for agents or for time.
#[must_use]
pub fn settle(snapshot: &Snapshot, moment: DriverMoment<'_>) -> Vec<DriverOperation> {
    let mut next = decide(snapshot, moment);
    let mut all = Vec::new();
    if next.is_empty() {
        return all;
    }
    let mut after = snapshot.clone();
    for _ in 0..ROUNDS_MAX {
        next.retain(|operation| operation.apply(&mut after).is_ok());
        if next.is_empty() {
            break;
        }
        // Only those that went on can go on further. Where a step depends on one of another workflow, the next call sees it.
        let moved: BTreeSet<DocId> = next.iter().map(|operation| operation.workflow.clone()).collect();
        all.append(&mut next);
        next = moved
            .iter()
            .filter_map(|id| driven(&after, id))
            .flat_map(|entry| decide_one(&after, entry, moment))
            .collect();
    }
    all
}

/// The document of a workflow that is driven and whose id no other document has.
fn driven<'a>(snapshot: &'a Snapshot, id: &DocId) -> Option<&'a Entry> {
    let [path] = snapshot.paths_of(Kind::Workflow, id.as_str()) else { return None };
    snapshot.get(path).filter(|entry| !entry.path.is_archived() && entry.workflow().is_some_and(is_driven))
}

/// Returns the operations that follow from the documents as they are, one for each step at most.
#[must_use]
pub fn decide(snapshot: &Snapshot, moment: DriverMoment<'_>) -> Vec<DriverOperation> {
    let ids = snapshot.workflows().map(|workflow| &workflow.id);
    ids.filter_map(|id| driven(snapshot, id)).flat_map(|entry| decide_one(snapshot, entry, moment)).collect()
}

fn decide_one(snapshot: &Snapshot, entry: &Entry, moment: DriverMoment<'_>) -> Vec<DriverOperation> {
    let now = moment.now;
    let Some(workflow) = entry.workflow() else { return Vec::new() };
    let mut operations = Vec::new();
    for id in snapshot.workflow_tasks(workflow) {
        let Some((entry, task)) = snapshot.named_task(&id).and_then(|entry| Some((entry, entry.task()?))) else {
            continue;
        };
        let is_alone = snapshot.paths_of(Kind::Task, task.id.as_str()).len() == 1;
        if is_alone && !entry.path.is_archived() && task.gates.unusable().is_none() {
            operations.extend(decide_task(snapshot, workflow, entry, task, moment));
        }
    }
    if operations.is_empty() && !workflow.is_paused() {
        operations.extend(decide_end(snapshot, entry, workflow, now));
    }
    if operations.is_empty() {
        operations.extend(correct_lines(snapshot, entry, workflow, now));
    }
    operations
}

/// The lines of the steps, where an edit by hand or a merge left them behind.
fn correct_lines(snapshot: &Snapshot, entry: &Entry, workflow: &Workflow, now: Timestamp) -> Option<DriverOperation> {
    let mut document = None;
    for step in steps_of(snapshot, workflow).into_iter().filter(|step| step.workflow.as_ref() == Some(&workflow.id)) {
        let text = document.as_ref().unwrap_or(&entry.document);
        document = step_lines::with_step(text, step, now).or(document);
    }
    let steps = document?.body().section_text(step_lines::STEPS)?.to_owned();
    let count = (now.unix_ms().unsigned_abs(), 0);
    let change = WorkflowUpdate { steps: Some(steps), ..WorkflowUpdate::default() }.into();
    DriverOperation::on(workflow, entry, DriverAction::Workflow(change), count, now)
}

fn decide_end(snapshot: &Snapshot, entry: &Entry, workflow: &Workflow, now: Timestamp) -> Option<DriverOperation> {
    let change = match workflow_end(snapshot, workflow)? {
        WorkflowEnd::Completed { result } => WorkflowChange::Complete { result },
        WorkflowEnd::Failed { error } => WorkflowChange::Fail { error: Some(Json::from(error)) },
    };
    DriverOperation::on(workflow, entry, DriverAction::Workflow(change), (0, 0), now)
}

fn decide_task(
    snapshot: &Snapshot,
    workflow: &Workflow,
    entry: &Entry,
    task: &Task,
    DriverMoment { now, worked }: DriverMoment<'_>,
) -> Vec<DriverOperation> {
    let count = (task.fence.unwrap_or(0), task.attempt.unwrap_or(0));
    let on = |change: TaskChange| DriverOperation::on(workflow, entry, DriverAction::Task(change), count, now);
    let is_fan_out = task.gates.for_each.usable().is_some();
    match task.status {
        TaskStatus::Running if is_fan_out => {
            let make = |draft: TaskDraft, keys| {
                let action = DriverAction::CreateItem(Box::new(draft.clone()), keys);
                let made = DriverOperation::on(workflow, entry, action, (count.0, 0), now)?;
                let key = reconcile::digest(draft.id.as_str().as_bytes());
                let id = OperationId::new(format!("wf-{}", key.get(..20).unwrap_or(&key))).ok()?;
                Some(DriverOperation { document: draft.id, expects: Expect::Absent, id, ..made })
            };
            match fan_out::go_on(snapshot, task, workflow, now) {
                fan_out::FanOutStep::Create(items) => {
                    items.into_iter().filter_map(|(draft, keys)| make(draft, keys)).collect()
                }
                fan_out::FanOutStep::End(change) => on(change).into_iter().collect(),
                fan_out::FanOutStep::Wait => Vec::new(),
            }
        }
        TaskStatus::Running if worked.contains(&task.id) => Vec::new(),
        TaskStatus::Running => timed_out(task, now).and_then(on).into_iter().collect(),
        _ if workflow.is_paused() => Vec::new(),
        TaskStatus::Pending => match snapshot.decide_condition(task) {
            Some(ConditionDecision::Skip(reason)) => on(TaskChange::Skip(reason)).into_iter().collect(),
            Some(ConditionDecision::Run) if is_fan_out => on(fan_out::start(snapshot, task)).into_iter().collect(),
            Some(ConditionDecision::Run) if task.execution.fill => on(filled(snapshot, task)).into_iter().collect(),
            Some(ConditionDecision::Run | ConditionDecision::Unknown(_)) | None => Vec::new(),
        },
        TaskStatus::Failed if task.has_attempts_left() => {
            let policy = task.execution.retry.unwrap_or_default();
            let not_before = now.later_by(policy.backoff_after(task.attempt.unwrap_or(1)));
            on(TaskChange::RetryLater { not_before }).into_iter().collect()
        }
        TaskStatus::Failed | TaskStatus::Completed => Vec::new(),
    }
}

/// Returns when the first attempt of a driven workflow takes longer than it may; `None` if there is none with a timeout that a driver
/// looks after.
#[must_use]
pub fn next_timeout(snapshot: &Snapshot, worked: &BTreeSet<DocId>) -> Option<Timestamp> {
    let is_open = |task: &&Task| task.status == TaskStatus::Running && !worked.contains(&task.id);
    let driven = |task: &&Task| snapshot.workflow_of(task).is_some_and(is_driven);
    let end = |task: &Task| Some(task.execution.started?.later_by(task.execution.timeout?));
    snapshot.tasks().filter(is_open).filter(driven).filter_map(end).min()
}

/// The failure of an attempt that takes longer than it may.
fn timed_out(task: &Task, now: Timestamp) -> Option<TaskChange> {
    let (timeout, started) = (task.execution.timeout?, task.execution.started?);
    let error = json!(format!("timed out after {}", span_text(timeout)));
    (started.later_by(timeout) <= now).then_some(TaskChange::Fail { error: Some(error) })
}

/// The payload with the results that it reads.
fn filled(snapshot: &Snapshot, task: &Task) -> TaskChange {
    let payload = task.payload.clone().unwrap_or_default();
    match fill(&payload, &snapshot.expression_values(task)) {
        Ok(payload) => {
            let unset = vec!["fill".to_owned()];
            TaskUpdate { payload: Some(payload), unset, ..TaskUpdate::default() }.into()
        }
        Err(error) => {
            let at = if error.key.is_empty() { "payload".to_owned() } else { format!("payload.{}", error.key) };
            TaskChange::FailUnstarted { error: json!(format!("{at} cannot be filled: {}", error.error.message)) }
        }
    }
}

#[cfg(test)]
mod tests;
