//! How far a workflow is, by its tasks.

use std::collections::BTreeSet;

use super::{Entry, Snapshot};
use crate::core::entity::{StatedValue, TaskStatus, Workflow};
use crate::core::name::DocId;

impl Snapshot {
    /// The tasks of a workflow: those that it lists, then those that name it, by path.
    #[must_use]
    pub fn workflow_tasks(&self, workflow: &Workflow) -> Vec<DocId> {
        let mut ids: Vec<DocId> = self.resolve(workflow.references()).into_iter().map(|(id, _)| id).collect();
        let listed: BTreeSet<DocId> = ids.iter().map(|id| self.task_id(id)).collect();
        let naming = self.tasks().filter(|task| task.workflow.as_ref() == Some(&workflow.id));
        ids.extend(naming.filter(|task| !listed.contains(&task.id)).map(|task| task.id.clone()));
        ids
    }

    /// How far a workflow is, from 0 to 1: what it says itself, else the share of its tasks that are completed; `None`
    /// without tasks, and where its list of tasks cannot be used.
    #[must_use]
    pub fn workflow_progress(&self, workflow: &Workflow) -> Option<f64> {
        if workflow.progress.is_some() {
            return workflow.progress;
        }
        match workflow.listed {
            StatedValue::Absent | StatedValue::Usable(_) => {}
            StatedValue::Unusable(_) => return None,
        }
        let tasks = self.workflow_tasks(workflow);
        let done = tasks.iter().filter(|id| self.task_status(id) == Some(TaskStatus::Completed)).count();
        let share = |part: usize, whole: usize| {
            Some(f64::from(u32::try_from(part).ok()?) / f64::from(u32::try_from(whole).ok()?))
        };
        if tasks.is_empty() { None } else { share(done, tasks.len()) }
    }

    /// The task that a workflow is at: what it says itself, else its first running task, else its first pending one.
    #[must_use]
    pub fn workflow_current_task(&self, workflow: &Workflow) -> Option<DocId> {
        if workflow.current_task.is_some() {
            return workflow.current_task.clone();
        }
        let tasks = self.workflow_tasks(workflow);
        let first = |status| tasks.iter().find(|id| self.task_status(id) == Some(status));
        first(TaskStatus::Running).or_else(|| first(TaskStatus::Pending)).cloned()
    }

    fn task_status(&self, id: &DocId) -> Option<TaskStatus> {
        self.named_task(id).and_then(Entry::task).map(|task| task.status)
    }

    /// The id that the task which is named so states itself; the name if there is none.
    pub(super) fn task_id(&self, id: &DocId) -> DocId {
        self.named_task(id).and_then(|entry| entry.id.clone()).unwrap_or_else(|| id.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::core::snapshot::fixture::snapshot;

    #[test]
    fn a_workflow_is_as_far_as_its_tasks() {
        let files = [
            ("task-a.md", "id: task-a\nstatus: completed"),
            ("task-b.md", "id: task-b\nstatus: running"),
            ("task-c.md", "id: task-c\nstatus: completed\nworkflow: w"),
            ("workflow-v.md", "id: v\nstatus: running"),
            ("workflow-w.md", "id: w\nstatus: running\ntasks: [a, task-b, missing]"),
            ("workflow-x.md", "id: x\nstatus: running\ntasks: [a]\nprogress: 0.25\ncurrent_task: z"),
            ("workflow-y.md", "id: y\nstatus: running\ntasks: {a: b}"),
            ("task-y.md", "id: task-y\nstatus: completed\nworkflow: y"),
        ];
        let snapshot = snapshot(&files);
        let seen: Vec<_> = snapshot
            .workflows()
            .map(|w| (snapshot.workflow_progress(w), snapshot.workflow_current_task(w).map(|id| id.to_string())))
            .collect();
        let text = |id: &str| Some(id.to_owned());
        assert_eq!(seen, [(None, None), (Some(0.5), text("task-b")), (Some(0.25), text("z")), (None, None)]);
    }
}
