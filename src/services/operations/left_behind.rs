//! Warnings about what an operation leaves behind in other documents: tasks that depend on a removed one, open tasks of a
//! completed workflow.

use std::collections::BTreeSet;

use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::entity::{Task, TaskStatus, Workflow};
use crate::core::name::DocId;
use crate::core::snapshot::{Entry, Snapshot};

/// Tasks that are named; the rest is counted.
const NAMED_MAX: usize = 5;

/// A warning for the tasks that depend on a task which is removed, and one for the workflows that list it.
pub(super) fn dependents_left(live: &Snapshot, id: &DocId) -> Vec<Diagnostic> {
    // A completed task waits for nothing any more.
    let is_open = |task: &&Task| task.status != TaskStatus::Completed && task.id != *id;
    let tasks: Vec<&Task> = live.dependents(id).into_iter().filter_map(Entry::task).filter(is_open).collect();
    let short = id.as_str().strip_prefix("task-");
    let is_named = |other: &DocId| other == id || short == Some(other.as_str());
    let lists = |workflow: &&Workflow| workflow.references().iter().any(|reference| is_named(&reference.id));
    let workflows: Vec<&Workflow> = live.workflows().filter(lists).collect();
    let mut findings = Vec::new();
    if let Some(first) = tasks.first() {
        let ids: Vec<&DocId> = tasks.iter().map(|task| &task.id).collect();
        let stated = first.references().iter().map(|reference| &reference.id).find(|other| is_named(other));
        let message = format!("blocked without `{id}`, on which they depend: {}", named(&ids));
        let hint = format!(
            "run `mycelium task update {} --no-depends-on {}` for each, or make a task `{id}` again",
            first.id,
            stated.unwrap_or(id)
        );
        findings.push(Diagnostic::warning(Code::MissingDependency, message).hint(hint));
    }
    if let Some(first) = workflows.first() {
        let ids: Vec<&DocId> = workflows.iter().map(|workflow| &workflow.id).collect();
        let stated = first.references().iter().map(|reference| &reference.id).find(|other| is_named(other));
        let message = format!("`{id}` is still listed by: {}", named(&ids));
        let hint = format!("run `mycelium workflow update {} --no-task {}` for each", first.id, stated.unwrap_or(id));
        findings.push(Diagnostic::warning(Code::MissingTask, message).hint(hint));
    }
    findings
}

/// A warning for the tasks of a completed workflow that are not completed.
pub(super) fn open_tasks(live: &Snapshot, workflow: &Workflow) -> Option<Diagnostic> {
    let ids: BTreeSet<DocId> = live.workflow_tasks(workflow).into_iter().collect();
    let is_open = |id: &&DocId| {
        let task = live.named_task(id).and_then(Entry::task);
        task.is_some_and(|task| task.status != TaskStatus::Completed)
    };
    let open: Vec<&DocId> = ids.iter().filter(is_open).collect();
    let first = open.first()?;
    let count = match open.len() {
        1 => "1 of its tasks is".to_owned(),
        count => format!("{count} of its tasks are"),
    };
    let message = format!("`{}` is completed, and {count} not: {}", workflow.id, named(&open));
    let hint = format!(
        "they stay as they are and can still be claimed: see `mycelium task get {first}`, or run \
         `mycelium workflow update {} --status running`",
        workflow.id
    );
    Some(Diagnostic::warning(Code::OpenTasks, message).hint(hint))
}

/// `task-1`, `task-2` and 3 more
fn named(ids: &[&DocId]) -> String {
    let shown: Vec<String> = ids.iter().take(NAMED_MAX).map(|id| format!("`{id}`")).collect();
    let more = if ids.len() > NAMED_MAX { format!(" and {} more", ids.len() - NAMED_MAX) } else { String::new() };
    shown.join(", ") + &more
}
