//! Words about a task that cannot be had as it is.

use crate::core::entity::TaskStatus;

/// What is missing beside a status.
pub(super) const fn unnamed(status: TaskStatus) -> &'static str {
    if matches!(status, TaskStatus::Running) { ", and its file names no agent" } else { "" }
}

/// How a task that is not pending can be had.
pub(super) fn way_on(task: &str, status: TaskStatus) -> String {
    match status {
        TaskStatus::Completed => format!("run `mycelium task reopen {task}` to open it again"),
        TaskStatus::Failed => format!("run `mycelium task retry {task}` to make it pending again"),
        TaskStatus::Pending | TaskStatus::Running => {
            format!("run `mycelium task claim {task} --steal` to take it over")
        }
    }
}
