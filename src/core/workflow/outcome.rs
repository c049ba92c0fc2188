//! The state of a workflow as it follows from its steps: status, progress, result, error. Derived, written by who drives it.

use serde_json::{Map, Value as Json};

use super::decide::is_driven;
use crate::core::entity::{Condition, Task, TaskEnd, TaskStatus, Workflow, WorkflowStatus};
use crate::core::name::DocId;
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::template;

/// Characters of a step's error that the error of its workflow repeats.
const ERROR_COLUMNS_MAX: usize = 120;

/// How a workflow has ended, by its steps.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkflowEnd {
    /// Every step has ended, and each failure was handled.
    Completed {
        /// The result of the last step; of several, all of them by name.
        result: Option<Json>,
    },
    /// A step failed, and nothing handled that.
    Failed {
        /// The steps, each with its error.
        error: String,
    },
}

/// Returns the tasks of a workflow that are its steps: without the items of fan-outs.
#[must_use]
pub fn steps_of<'a>(snapshot: &'a Snapshot, workflow: &Workflow) -> Vec<&'a Task> {
    let ids = snapshot.workflow_tasks(workflow);
    let tasks = ids.iter().filter_map(|id| snapshot.named_task(id)).filter_map(Entry::task);
    tasks.filter(|task| task.execution.fan_out.is_none()).collect()
}

/// Returns how a workflow has ended; `None` while a step has not.
#[must_use]
pub fn workflow_end(snapshot: &Snapshot, workflow: &Workflow) -> Option<WorkflowEnd> {
    let steps = steps_of(snapshot, workflow);
    let has_ended = |task: &&Task| task.end().is_some() && (task.status != TaskStatus::Completed || task.is_approved());
    // One that cannot be read is not known to have ended.
    if steps.is_empty() || steps.len() < step_count(snapshot, workflow) || !steps.iter().all(has_ended) {
        return None;
    }
    let failed: Vec<&&Task> = steps.iter().filter(|task| task.end() == Some(TaskEnd::Failed)).collect();
    let unhandled: Vec<String> =
        failed.iter().filter(|task| !is_handled(snapshot, &steps, task)).map(|task| describe(task)).collect();
    if unhandled.is_empty() {
        return Some(WorkflowEnd::Completed { result: result(snapshot, &steps) });
    }
    Some(WorkflowEnd::Failed { error: unhandled.join("; ") })
}

/// Returns a workflow as readers show it: with its tasks, progress and current task where it does not state them, and with the end
/// that follows from its steps where its driver has not written it yet. [`Workflow::file_status`] then has what the file says.
#[must_use]
pub fn derived_workflow(snapshot: &Snapshot, workflow: &Workflow) -> Workflow {
    let mut shown = workflow.clone();
    let end = if is_driven(workflow) && !workflow.is_paused() { workflow_end(snapshot, workflow) } else { None };
    if let Some(end) = end {
        shown.file_status = Some(shown.status);
        (shown.progress, shown.current_task) = (None, None);
        (shown.status, shown.result, shown.error) = match end {
            WorkflowEnd::Completed { result } => (WorkflowStatus::Completed, result, None),
            WorkflowEnd::Failed { error } => (WorkflowStatus::Failed, None, Some(Json::from(error))),
        };
    }
    shown.progress = snapshot.workflow_progress(&shown);
    shown.current_task = snapshot.workflow_current_task(&shown);
    shown.tasks = snapshot.workflow_tasks(workflow);
    shown
}

/// The steps that a workflow names, whether they can be read or not.
fn step_count(snapshot: &Snapshot, workflow: &Workflow) -> usize {
    let is_item =
        |id: &DocId| snapshot.named_task(id).and_then(Entry::task).is_some_and(|task| task.execution.fan_out.is_some());
    snapshot.workflow_tasks(workflow).iter().filter(|id| !is_item(id)).count()
}

/// Returns true if a step that runs after a failure came after this one and is completed. Between the two may be steps that were skipped for
/// the failure.
fn is_handled(snapshot: &Snapshot, steps: &[&Task], failed: &Task) -> bool {
    let is_handler = |task: &&&Task| *task.condition() == Condition::Failure && task.end() == Some(TaskEnd::Completed);
    let mut next: Vec<&Task> = steps.iter().filter(is_handler).copied().collect();
    let mut seen: Vec<&DocId> = Vec::new();
    while let Some(task) = next.pop() {
        for (_, entry) in snapshot.dependencies(task) {
            let Some(before) = entry.and_then(Entry::task) else { continue };
            if before.id == failed.id {
                return true;
            }
            if before.end() == Some(TaskEnd::SkippedByFailure) && !seen.contains(&&before.id) {
                seen.push(&before.id);
                next.push(before);
            }
        }
    }
    false
}

fn name(task: &Task) -> &str {
    task.execution.step.as_deref().unwrap_or(task.id.as_str())
}

/// `train failed: out of memory`
fn describe(task: &Task) -> String {
    let why = match &task.error {
        None => return format!("{} failed", name(task)),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Object(map)) => match map.get("error").and_then(Json::as_str) {
            Some(text) => text.to_owned(),
            None => Json::Object(map.clone()).to_string(),
        },
        Some(other) => other.to_string(),
    };
    format!("{} failed: {}", name(task), template::cut(&template::one_line(&why), ERROR_COLUMNS_MAX))
}

/// The result of the last step; of several steps that no other one needs, a map by their names.
fn result(snapshot: &Snapshot, steps: &[&Task]) -> Option<Json> {
    let mut needed: Vec<DocId> = Vec::new();
    for step in steps {
        needed.extend(snapshot.dependencies(step).into_iter().filter_map(|(_, entry)| entry?.id.clone()));
    }
    let last: Vec<&&Task> = steps.iter().filter(|step| !needed.contains(&step.id)).collect();
    if let [only] = last[..] {
        return only.result.clone().filter(|_| only.end() == Some(TaskEnd::Completed));
    }
    let completed = last.into_iter().filter(|step| step.end() == Some(TaskEnd::Completed));
    let by_name = completed.filter_map(|step| Some((name(step).to_owned(), step.result.clone()?)));
    let map: Map<String, Json> = by_name.collect();
    (!map.is_empty()).then_some(Json::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::snapshot::fixture::snapshot;

    fn shown(workflow: &str, step: &str) -> Workflow {
        let workflow = format!("id: w\ntasks: [task-a]\n{workflow}");
        let step = format!("id: task-a\nworkflow: w\n{step}");
        let snapshot = snapshot(&[("workflow-w.md", &workflow), ("task-a.md", &step)]);
        let workflow = snapshot.workflows().next().expect("there");
        derived_workflow(&snapshot, workflow)
    }

    #[test]
    fn readers_see_the_end_before_it_is_written() {
        let running = Some(WorkflowStatus::Running);
        let ended =
            shown("status: running\nengine: embedded\nprogress: 0.5\ncurrent_task: task-a", "status: completed");
        assert_eq!((ended.status, ended.file_status), (WorkflowStatus::Completed, running));
        assert_eq!((ended.progress, ended.current_task), (Some(1.0), None));
        let failed = shown("status: running\nengine: embedded", "status: failed");
        assert_eq!((failed.status, failed.file_status), (WorkflowStatus::Failed, running));
        assert_eq!((failed.error, failed.progress), (Some(Json::from("task-a failed")), Some(0.0)));
    }

    #[test]
    fn what_nobody_drives_is_as_its_file_says() {
        for (workflow, step) in [
            ("status: running", "status: completed"),
            ("status: running\nengine: embedded\npaused: true", "status: completed"),
            ("status: running\nengine: embedded", "status: running"),
            ("status: failed\nengine: embedded", "status: completed"),
        ] {
            let shown = shown(workflow, step);
            assert!(workflow.contains(shown.status.word()), "{workflow}: {}", shown.status);
            assert_eq!(shown.file_status, None, "{workflow}");
        }
    }
}
