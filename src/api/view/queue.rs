//! The tasks that a list of ready tasks leaves out, as data.

use serde_json::{Value, json};

use crate::core::entity::{Task, TaskStatus};
use crate::core::name::Kind;
use crate::core::snapshot::{Outlook, Queue, Snapshot};

/// The tasks that a list of ready tasks leaves out.
#[derive(Debug, Clone, Copy)]
pub struct OtherTasks<'a> {
    /// All pending tasks.
    pub queue: &'a Queue<'a>,
    /// Those that are pending here, and held or finished in another worktree.
    pub held: &'a [&'a Task],
    /// How many are ready, and of another type or for another agent.
    pub left_out: usize,
}

impl OtherTasks<'_> {
    /// Returns the blocked tasks that state an unusable value themselves.
    #[must_use]
    pub fn unusable(&self) -> Vec<&Task> {
        let blocked = self.queue.with(Outlook::Blocked).into_iter();
        blocked.filter(|task| task.gates.unusable().is_some()).collect()
    }
}

/// Returns the tasks that a list leaves out as an object: how many there are, and which state an unusable value.
#[must_use]
pub fn other_tasks_data(others: &OtherTasks<'_>, snapshot: &Snapshot) -> Value {
    let mut data = json!({
        "left_out": others.left_out,
        "held_elsewhere": others.held.len(),
        "waiting": others.queue.with(Outlook::Waiting).len(),
        "blocked": others.queue.with(Outlook::Blocked).len(),
        "running": running_tasks(snapshot),
    });
    let unusable = others.unusable();
    if !unusable.is_empty() {
        let item = |task: &Task| json!({ "id": task.id, "why": task.gates.unusable().map(|finding| finding.message.as_str()) });
        data["unusable"] = unusable.into_iter().map(item).collect();
    }
    data
}

/// Returns how many tasks outside the archive are running.
#[must_use]
pub fn running_tasks(snapshot: &Snapshot) -> usize {
    let live = snapshot.of_kind(Kind::Task).filter(|entry| !entry.path.is_archived());
    live.filter(|entry| entry.task().is_some_and(|task| task.status == TaskStatus::Running)).count()
}
