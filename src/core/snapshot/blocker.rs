//! What a pending task waits for: other tasks, its condition, its moment, its workflow.

use std::collections::BTreeSet;
use std::fmt;

use super::queue::Cause;
use super::step_condition::{ConditionDecision, decision};
use super::{Entry, Snapshot};
use crate::core::entity::{Condition, StatedValue, Task, TaskEnd, TaskStatus, Workflow};
use crate::core::name::{DocId, Kind};
use crate::core::time::Timestamp;

/// Why a task has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// The dependency, as the task names it; the workflow, or the task itself, where [`Wait::is_own`] says so.
    pub id: DocId,
    /// What about it.
    pub why: Wait,
}

impl fmt::Display for Blocker {
    /// Writes what is waited for: `task-1 (running)`, `its condition (false)`, `2025-10-17T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Wait::Until(at) => write!(f, "{at}"),
            Wait::ConditionFalse => f.write_str("its condition (false)"),
            Wait::ConditionUnknown => f.write_str("its condition (cannot be evaluated)"),
            Wait::FanOut => f.write_str("its items (a fan-out is given to no agent)"),
            Wait::Unfilled => f.write_str("its payload (not filled)"),
            Wait::Paused | Wait::Cancelled => write!(f, "its workflow {} ({})", self.id, self.why.word()),
            why => write!(f, "{} ({})", self.id, why.word()),
        }
    }
}

/// What a dependency lacks, or the task itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is no such task.
    Missing,
    /// Its file cannot be used.
    Unreadable,
    /// It is not completed.
    Status(TaskStatus),
    /// It is completed, and nobody but its holder has approved it.
    Unapproved,
    /// It was skipped.
    Skipped,
    /// It has failed, and is to be tried again.
    Retry,
    /// The task's own moment has not come.
    Until(Timestamp),
    /// The task's own condition is false.
    ConditionFalse,
    /// The task's own condition cannot be evaluated.
    ConditionUnknown,
    /// The task is a fan-out: its items are worked on.
    FanOut,
    /// The payload of the task holds expressions that are not filled yet.
    Unfilled,
    /// The workflow is paused.
    Paused,
    /// The workflow was cancelled.
    Cancelled,
}

impl Wait {
    /// The word for it: `running`, `missing`, `not approved`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Status(status) => status.word(),
            Self::Unapproved => "not approved",
            Self::Skipped => "skipped",
            Self::Retry => "failed, attempts left",
            Self::Until(_) => "not yet due",
            Self::ConditionFalse => "condition false",
            Self::ConditionUnknown => "condition cannot be evaluated",
            Self::FanOut => "fan-out",
            Self::Unfilled => "not filled",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns true if the blocker is no dependency: the task itself or its workflow.
    #[must_use]
    pub const fn is_own(self) -> bool {
        match self {
            Self::Until(_)
            | Self::ConditionFalse
            | Self::ConditionUnknown
            | Self::FanOut
            | Self::Unfilled
            | Self::Paused
            | Self::Cancelled => true,
            Self::Missing | Self::Unreadable | Self::Status(_) | Self::Unapproved | Self::Skipped | Self::Retry => {
                false
            }
        }
    }

    /// What a dependency lacks before it has ended; `None` once it has, in whatever way.
    fn before_end(found: Option<&Entry>, held: &BTreeSet<DocId>) -> Option<Self> {
        let task = match found.map(Entry::task) {
            None => return Some(Self::Missing),
            Some(None) => return Some(Self::Unreadable),
            Some(Some(task)) => task,
        };
        match task.end() {
            _ if is_held(task, held) => Some(Self::Status(TaskStatus::Running)),
            Some(TaskEnd::Completed) if !task.is_approved() => Some(Self::Unapproved),
            Some(_) => None,
            None if task.status == TaskStatus::Failed => Some(Self::Retry),
            None => Some(Self::Status(task.status)),
        }
    }

    /// What a dependency that has ended lacks to be a success.
    const fn after_end(end: TaskEnd) -> Option<Self> {
        match end {
            TaskEnd::Completed => None,
            TaskEnd::Failed => Some(Self::Status(TaskStatus::Failed)),
            TaskEnd::Skipped | TaskEnd::SkippedByFailure => Some(Self::Skipped),
        }
    }

    /// What it means for the task that waits, where it does not pass by itself.
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Self::Missing => Some(Cause::Missing),
            Self::Unreadable => Some(Cause::Unreadable),
            Self::Status(TaskStatus::Failed) => Some(Cause::Failed),
            Self::Skipped => Some(Cause::Skipped),
            Self::ConditionFalse | Self::ConditionUnknown => Some(Cause::Condition),
            Self::Paused => Some(Cause::Paused),
            Self::Cancelled => Some(Cause::Cancelled),
            Self::Status(_) | Self::Unapproved | Self::Retry | Self::Until(_) | Self::FanOut | Self::Unfilled => None,
        }
    }
}

/// Returns true for a task that is pending here and runs in another worktree.
pub(super) fn is_held(task: &Task, held: &BTreeSet<DocId>) -> bool {
    task.status == TaskStatus::Pending && held.contains(&task.id)
}

impl Snapshot {
    /// Returns what a task still waits for, where other worktrees hold some tasks.
    pub(super) fn blockers_beside(&self, task: &Task, held: &BTreeSet<DocId>) -> Vec<Blocker> {
        let blocker = |id: DocId, why: Wait| Blocker { id, why };
        let mut found = Vec::new();
        let needs_success = matches!(task.condition(), Condition::Success | Condition::Expression(_));
        let mut ends = Vec::new();
        for (id, entry) in self.dependencies(task) {
            let end = entry.and_then(Entry::task).and_then(Task::end);
            let lack = || end.filter(|_| needs_success).and_then(Wait::after_end);
            found.extend(Wait::before_end(entry, held).or_else(lack).map(|why| blocker(id, why)));
            ends.extend(end);
        }
        if found.is_empty() {
            match decision(self, task, &ends) {
                ConditionDecision::Run => {}
                ConditionDecision::Skip(_) => found.push(blocker(task.id.clone(), Wait::ConditionFalse)),
                ConditionDecision::Unknown(_) => found.push(blocker(task.id.clone(), Wait::ConditionUnknown)),
            }
        }
        found.extend(own_waits(self, task));
        found
    }

    /// Returns the workflow that a task names as its own, if it is here and can be used.
    #[must_use]
    pub fn workflow_of(&self, task: &Task) -> Option<&Workflow> {
        let id = task.workflow.as_ref()?;
        let exact = self.paths_of(Kind::Workflow, id.as_str()).first();
        let path = exact.or_else(|| self.paths_of(Kind::Workflow, &format!("workflow-{id}")).first());
        path.and_then(|path| self.get(path)).and_then(Entry::workflow)
    }
}

/// What keeps a task from being started, whatever it depends on.
fn own_waits(snapshot: &Snapshot, task: &Task) -> Vec<Blocker> {
    let own = |why: Wait| Blocker { id: task.id.clone(), why };
    let mut found = Vec::new();
    if let Some(at) =
        task.gates.not_before.usable().copied().filter(|at| snapshot.moment.is_none_or(|moment| moment < *at))
    {
        found.push(own(Wait::Until(at)));
    }
    if let StatedValue::Usable(_) = task.gates.for_each {
        found.push(own(Wait::FanOut));
    }
    if task.execution.fill {
        found.push(own(Wait::Unfilled));
    }
    if let Some(workflow) = snapshot.workflow_of(task) {
        let why = match () {
            () if workflow.is_paused() => Some(Wait::Paused),
            () if workflow.is_cancelled() => Some(Wait::Cancelled),
            () => None,
        };
        found.extend(why.map(|why| Blocker { id: workflow.id.clone(), why }));
    }
    found
}
