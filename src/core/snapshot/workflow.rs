//! How far a workflow is, by its tasks.

use std::collections::BTreeSet;

use super::{Entry, Snapshot};
use crate::core::entity::{StatedValue, Task, TaskStatus, Workflow, WorkflowStatus};
use crate::core::name::DocId;

impl Snapshot {
    /// The tasks of a workflow: those that it lists, then those that name it, by path.
    #[must_use]
    pub fn workflow_tasks(&self, workflow: &Workflow) -> Vec<DocId> {
        let mut ids: Vec<DocId> = self.resolve(workflow.references()).into_iter().map(|(id, _)| id).collect();
        let listed: BTreeSet<DocId> = ids.iter().map(|id| self.task_id(id)).collect();
        let paths = self.naming.get(&workflow.id).into_iter().flatten();
        let naming = paths.filter_map(|path| self.get(path)).filter_map(Entry::task);
        ids.extend(naming.filter(|task| !listed.contains(&task.id)).map(|task| task.id.clone()));
        ids
    }

    /// How far a workflow is, from 0 to 1: all of it once it is completed, else what it says itself, else the share of its tasks
    /// that are completed; `None` without tasks, and where its list of tasks cannot be used. A fan-out counts as its items, those
    /// that are not made yet included.
    #[must_use]
    pub fn workflow_progress(&self, workflow: &Workflow) -> Option<f64> {
        if workflow.status == WorkflowStatus::Completed {
            return Some(1.0);
        }
        if workflow.progress.is_some() {
            return workflow.progress;
        }
        match workflow.listed {
            StatedValue::Absent | StatedValue::Usable(_) => {}
            StatedValue::Unusable(_) => return None,
        }
        let (done, whole) = count_tasks(self, workflow);
        let share = |part: usize, whole: usize| {
            Some(f64::from(u32::try_from(part).ok()?) / f64::from(u32::try_from(whole).ok()?))
        };
        if whole == 0 { None } else { share(done, whole) }
    }

    /// The task that a running workflow is at: what it says itself, else its first running task, else its first pending one. One
    /// that has ended is at none, unless it says so.
    #[must_use]
    pub fn workflow_current_task(&self, workflow: &Workflow) -> Option<DocId> {
        if workflow.current_task.is_some() || workflow.status != WorkflowStatus::Running {
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

/// The completed tasks of a workflow, and all of them.
fn count_tasks(snapshot: &Snapshot, workflow: &Workflow) -> (usize, usize) {
    let ids = snapshot.workflow_tasks(workflow);
    let tasks: Vec<Option<&Task>> = ids.iter().map(|id| snapshot.named_task(id).and_then(Entry::task)).collect();
    let (mut done, mut whole) = (0, 0);
    for task in &tasks {
        let is_completed = task.is_some_and(|task| task.status == TaskStatus::Completed);
        let is_item_of = |item: &&Task| task.is_some_and(|task| item.execution.fan_out.as_ref() == Some(&task.id));
        let units = match task.filter(|task| task.gates.for_each.usable().is_some()) {
            None => 1,
            Some(fan_out) => {
                let made = tasks.iter().flatten().copied().filter(is_item_of).count();
                // The list may read results that are not there yet: then the number is not known.
                let listed = snapshot.fan_out_items(fan_out).map_or(0, |items| items.len());
                if made == 0 && listed == 0 { 1 } else { listed.saturating_sub(made) }
            }
        };
        whole += units;
        done += if is_completed { units } else { 0 };
    }
    (done, whole)
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

    #[test]
    fn a_fan_out_counts_as_its_items() {
        let workflow = |status: &str| format!("id: w\nstatus: {status}\ntasks: [task-f, task-j]");
        let fan_out = |status: &str| format!("id: task-f\nstatus: {status}\nworkflow: w\nfor_each: [1, 2, 3]");
        let item = |number: u64, status: &str| {
            format!("id: task-f.{number}\nstatus: {status}\nworkflow: w\nfan_out: task-f\nitem: {number}")
        };
        let progress = |files: &[(&str, String)]| {
            let mut all: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
            all.push(("task-j.md", "id: task-j\nstatus: pending\nworkflow: w\ndepends_on: [task-f]"));
            let snapshot = snapshot(&all);
            snapshot.workflows().next().and_then(|workflow| snapshot.workflow_progress(workflow))
        };
        let whole = ("workflow-w.md", workflow("running"));
        // Three items and the join, whether the items are there or not.
        assert_eq!(progress(&[whole.clone(), ("task-f.md", fan_out("pending"))]), Some(0.0));
        let first = ("task-f.1.md", item(1, "completed"));
        assert_eq!(progress(&[whole.clone(), ("task-f.md", fan_out("running")), first.clone()]), Some(0.25));
        let second = ("task-f.2.md", item(2, "running"));
        assert_eq!(progress(&[whole.clone(), ("task-f.md", fan_out("running")), first, second]), Some(0.25));
        // What was skipped is done with.
        let skipped = format!("{}\nskipped: its condition is false", fan_out("completed"));
        assert_eq!(progress(&[whole.clone(), ("task-f.md", skipped)]), Some(0.75));
        // A list that cannot be told yet is one task.
        let unknown = fan_out("pending").replace("[1, 2, 3]", "\"{{ steps.none.result }}\"");
        assert_eq!(progress(&[whole, ("task-f.md", unknown)]), Some(0.0));
        assert_eq!(progress(&[("workflow-w.md", workflow("completed")), ("task-f.md", fan_out("failed"))]), Some(1.0));
    }
}
