//! Pauses, resumes, cancels and retries a workflow: each is one operation over its document and its steps.

use super::{WorkflowError, Workflows};
use crate::core::document::Value;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::workflow::WorkflowUpdate;
use crate::core::entity::{Task, TaskEnd, TaskStatus, Workflow, WorkflowStatus};
use crate::core::lease::Override;
use crate::core::name::{DocId, Kind};
use crate::core::operation::{Passing, Request, TaskChange, WorkflowChange};
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::workflow::steps_of;
use crate::services::operations::Outcome;
use crate::services::{Error, Scope};

/// A driver may end what an agent holds: the lease says so to the agent.
const OVER_ALL: Passing = Passing { fence: None, over: Override::Steal };

impl Workflows<'_> {
    /// Pauses a running workflow: none of its steps starts any more. Those that run go on.
    ///
    /// # Errors
    /// [`WorkflowError::Ended`] if it does not run; others if it is not found or cannot be written.
    pub fn pause(&self, id: &str) -> Result<Outcome, Error> {
        let (live, workflow) = self.running(id, "paused")?;
        let set = vec![("paused".to_owned(), Value::plain("true"))];
        let mut requests = name_workflow(&live, &workflow);
        requests.push(update(&workflow, WorkflowUpdate { set, ..WorkflowUpdate::default() }));
        self.carry_out(&called(requests, "workflow.pause"))
    }

    /// Lets the steps of a paused workflow start again.
    ///
    /// # Errors
    /// As [`Workflows::pause`].
    pub fn resume(&self, id: &str) -> Result<Outcome, Error> {
        let (_, workflow) = self.running(id, "resumed")?;
        let unset = vec!["paused".to_owned()];
        let request = update(&workflow, WorkflowUpdate { unset, ..WorkflowUpdate::default() });
        self.carry_out(&called(vec![request], "workflow.resume"))
    }

    /// Cancels a running workflow: every step that has not ended fails, and it does.
    ///
    /// # Errors
    /// As [`Workflows::pause`].
    pub fn cancel(&self, id: &str, by: &str) -> Result<Outcome, Error> {
        let (live, workflow) = self.running(id, "cancelled")?;
        let is_open = |task: &&Task| matches!(task.status, TaskStatus::Pending | TaskStatus::Running);
        let open = tasks_of(&live, &workflow).into_iter().filter(is_open);
        let cancel =
            |task: &Task| Request::task(task.id.as_str(), TaskChange::Cancel { by: by.to_owned() }).with(OVER_ALL);
        let mut requests: Vec<Request<'static>> = open.map(cancel).collect();
        let error = format!("cancelled by {}", crate::core::template::one_line(by));
        requests.push(Request::workflow(workflow.id.as_str(), WorkflowChange::Fail { error: Some(error.into()) }));
        self.carry_out(&called(requests, "workflow.cancel"))
    }

    /// Tries again what failed in a workflow, and what was skipped for that; with `from` this step and all behind it.
    ///
    /// # Errors
    /// [`WorkflowError::NothingToRetry`], [`WorkflowError::NoStep`]; others if it is not found or cannot be written.
    pub fn retry(&self, id: &str, from: Option<&str>) -> Result<Outcome, Error> {
        let (live, workflow) = self.find(id)?;
        let steps = steps_of(&live, &workflow);
        let again: Vec<&Task> = match from {
            None => {
                let is_again = |task: &&Task| matches!(task.end(), Some(TaskEnd::Failed | TaskEnd::SkippedByFailure));
                steps.into_iter().filter(is_again).collect()
            }
            Some(name) => {
                let is_it = |task: &&&Task| task.execution.step.as_deref() == Some(name) || task.id.as_str() == name;
                let first = steps
                    .iter()
                    .find(is_it)
                    .ok_or_else(|| WorkflowError::NoStep { id: workflow.id.to_string(), step: name.to_owned() })?;
                behind(&live, &steps, first)
            }
        };
        // Of a fan-out that is tried again for its failures, the items that are completed stay so.
        let is_item_of = |task: &&Task| {
            let parent = task.execution.fan_out.as_ref();
            parent.is_some_and(|parent| again.iter().any(|step| step.id == *parent))
        };
        let items = tasks_of(&live, &workflow).into_iter().filter(is_item_of);
        let items: Vec<&Task> = items.filter(|task| from.is_some() || task.status == TaskStatus::Failed).collect();
        let has_ended = |task: &&Task| matches!(task.status, TaskStatus::Failed | TaskStatus::Completed);
        let ended: Vec<&Task> = again.into_iter().chain(items).filter(has_ended).collect();
        if ended.is_empty() {
            return Err(WorkflowError::NothingToRetry { id: workflow.id.to_string() }.into());
        }
        let change = |task: &&Task| match task.status {
            TaskStatus::Failed => Request::task(task.id.as_str(), TaskChange::Retry).with(OVER_ALL),
            _ => Request::task(task.id.as_str(), TaskChange::Reopen).with(OVER_ALL),
        };
        let mut requests: Vec<Request<'static>> = ended.iter().map(change).collect();
        if workflow.status != WorkflowStatus::Running {
            let unset = vec!["progress".to_owned(), "current_task".to_owned()];
            let status = Some(WorkflowStatus::Running);
            requests.push(update(&workflow, WorkflowUpdate { status, unset, ..WorkflowUpdate::default() }));
        }
        self.carry_out(&called(requests, "workflow.retry"))
    }

    fn find(&self, id: &str) -> Result<(Snapshot, Workflow), Error> {
        let live = self.documents.snapshot(Scope::Named)?;
        let entry = live.find(Some(Kind::Workflow), id)?;
        let workflow = entry.workflow().cloned().ok_or_else(|| Error::Gone { path: entry.path.clone() })?;
        Ok((live, workflow))
    }

    fn running(&self, id: &str, what: &'static str) -> Result<(Snapshot, Workflow), Error> {
        let (live, workflow) = self.find(id)?;
        if workflow.status != WorkflowStatus::Running {
            let (id, status) = (workflow.id.to_string(), workflow.status.word());
            return Err(WorkflowError::Ended { id, status, what }.into());
        }
        Ok((live, workflow))
    }
}

fn update(workflow: &Workflow, update: WorkflowUpdate) -> Request<'static> {
    Request::workflow(workflow.id.as_str(), update.into())
}

fn called(requests: Vec<Request<'static>>, verb: &'static str) -> Vec<Request<'static>> {
    requests.into_iter().map(|request| request.called(verb)).collect()
}

/// The tasks of a workflow, items of fan-outs too, that are live.
fn tasks_of<'a>(live: &'a Snapshot, workflow: &Workflow) -> Vec<&'a Task> {
    let ids = live.workflow_tasks(workflow);
    let entries = ids.iter().filter_map(|id| live.named_task(id)).filter(|entry| !entry.path.is_archived());
    entries.filter_map(Entry::task).collect()
}

/// Has the tasks that a workflow lists name it as theirs: only then a pause keeps them back.
fn name_workflow(live: &Snapshot, workflow: &Workflow) -> Vec<Request<'static>> {
    let nameless = tasks_of(live, workflow).into_iter().filter(|task| task.workflow.is_none());
    let set = || vec![("workflow".to_owned(), Value::text(workflow.id.as_str()))];
    let name = |task: &Task| Request::task(task.id.as_str(), TaskUpdate { set: set(), ..TaskUpdate::default() }.into());
    nameless.map(|task| name(task).with(OVER_ALL)).collect()
}

/// A step and all that come behind it.
fn behind<'a>(live: &Snapshot, steps: &[&'a Task], first: &Task) -> Vec<&'a Task> {
    let mut found: Vec<&DocId> = vec![&first.id];
    let mut count = 0;
    while count < found.len() {
        count = found.len();
        for step in steps {
            let needs = live.dependencies(step);
            let mut needs = needs.iter().filter_map(|(_, entry)| entry.and_then(|entry| entry.id.as_ref()));
            if !found.contains(&&step.id) && needs.any(|need| found.contains(&need)) {
                found.push(&step.id);
            }
        }
    }
    steps.iter().filter(|step| found.contains(&&step.id)).copied().collect()
}
