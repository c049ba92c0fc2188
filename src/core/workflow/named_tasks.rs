//! Which tasks a new workflow gets: each name is the id of a task, the stem of its file, or a type. Pure.

use std::collections::BTreeSet;

use crate::core::entity::{Task, TaskStatus, WorkflowStatus};
use crate::core::name::{DocId, Kind};
use crate::core::snapshot::{Entry, Snapshot};

/// What a name in the list of a new workflow means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedTask {
    /// A task by its id, or an id that no task has yet.
    Listed(DocId),
    /// The one pending task of this type that belongs to no workflow.
    Adopted(DocId),
    /// No task: one of this type is to be made.
    New(String),
}

/// Returns what the names of a list mean, each once. A name that begins with `task-` is an id, whether there is such a task or not.
#[must_use]
pub fn resolve_task_names(snapshot: &Snapshot, names: &[DocId]) -> Vec<NamedTask> {
    let mut taken: BTreeSet<DocId> = listed_elsewhere(snapshot);
    let mut resolved = Vec::with_capacity(names.len());
    for name in names {
        let meant = resolve(snapshot, name, &taken);
        if let NamedTask::Listed(id) | NamedTask::Adopted(id) = &meant {
            taken.insert(id.clone());
        }
        resolved.push(meant);
    }
    resolved
}

fn resolve(snapshot: &Snapshot, name: &DocId, taken: &BTreeSet<DocId>) -> NamedTask {
    if snapshot.named_task(name).is_some() {
        return NamedTask::Listed(name.clone());
    }
    let by_stem = snapshot.of_kind(Kind::Task).find(|entry| entry.path.stem() == name.as_str());
    if let Some(id) = by_stem.and_then(|entry| entry.id.clone()) {
        return NamedTask::Listed(id);
    }
    if name.as_str().starts_with("task-") {
        return NamedTask::Listed(name.clone());
    }
    let live = snapshot.of_kind(Kind::Task).filter(|entry| !entry.path.is_archived()).filter_map(Entry::task);
    let is_free = |task: &&Task| task.status == TaskStatus::Pending && task.workflow.is_none();
    let mut of_type =
        live.filter(is_free).filter(|task| task.kind == name.as_str()).filter(|task| !taken.contains(&task.id));
    match (of_type.next(), of_type.next()) {
        (Some(only), None) => NamedTask::Adopted(only.id.clone()),
        _ => NamedTask::New(name.to_string()),
    }
}

/// The tasks that running workflows list.
fn listed_elsewhere(snapshot: &Snapshot) -> BTreeSet<DocId> {
    let running = snapshot.workflows().filter(|workflow| workflow.status == WorkflowStatus::Running);
    running.flat_map(|workflow| snapshot.workflow_tasks(workflow)).map(|id| own_id(snapshot, id)).collect()
}

fn own_id(snapshot: &Snapshot, id: DocId) -> DocId {
    snapshot.named_task(&id).and_then(|entry| entry.id.clone()).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::snapshot::fixture::snapshot;

    fn resolved(names: &[&str]) -> Vec<String> {
        let snapshot = snapshot(&[
            ("task-1.md", "id: task-1\nstatus: pending"),
            ("task-train.md", "id: t-77\nstatus: running"),
            ("task-2.md", "id: task-2\nstatus: pending"),
            ("task-3.md", "id: task-3\nstatus: completed"),
            ("task-4.md", "id: task-4\nstatus: pending\nworkflow: w"),
            ("task-5.md", "id: task-5\nstatus: pending"),
            ("workflow-w.md", "id: w\nstatus: running\ntasks: [task-5]"),
        ]);
        let ids: Vec<DocId> = names.iter().map(|name| DocId::new(*name).expect("valid")).collect();
        let text = |named: NamedTask| match named {
            NamedTask::Listed(id) => format!("listed {id}"),
            NamedTask::Adopted(id) => format!("adopted {id}"),
            NamedTask::New(kind) => format!("new {kind}"),
        };
        resolve_task_names(&snapshot, &ids).into_iter().map(text).collect()
    }

    #[test]
    fn a_name_is_an_id_a_stem_or_a_type() {
        // Every task of the fixture has the type `t`: the pending ones without a workflow are task-1 and task-2.
        assert_eq!(resolved(&["task-1", "task-train", "task-9"]), ["listed task-1", "listed t-77", "listed task-9"]);
        assert_eq!(resolved(&["3"]), ["listed 3"]);
        assert_eq!(resolved(&["t"]), ["new t"], "two are meant: none is taken");
        assert_eq!(resolved(&["task-1", "t"]), ["listed task-1", "adopted task-2"]);
        assert_eq!(resolved(&["task-1", "t", "t"]), ["listed task-1", "adopted task-2", "new t"]);
        assert_eq!(resolved(&["evaluate-model"]), ["new evaluate-model"]);
    }
}
