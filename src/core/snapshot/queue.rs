//! What is ready, what waits, and what is blocked until somebody acts: worked out for all tasks in one pass.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::block_root::{BlockedTasks, Fault, Root};
use super::blocker::{Blocker, Wait, is_held};
use super::{Entry, Snapshot};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Task, TaskStatus};
use crate::core::name::{DocId, Kind};

/// How a task stands. What a pending task may become is worked out, never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Pending, and nothing is in its way.
    Ready,
    /// Pending, and what it waits for is on its way.
    Waiting,
    /// Pending, and never ready unless somebody acts.
    Blocked,
    /// Not pending.
    Status(TaskStatus),
}

impl Outlook {
    /// The word for it: `ready`, `waiting`, `blocked`, else the status.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Status(status) => status.word(),
        }
    }
}

/// What blocks a task at the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A task has failed.
    Failed,
    /// There is no such task.
    Missing,
    /// A task's file cannot be used.
    Unreadable,
    /// Tasks wait for each other.
    Circle,
    /// Several files state the task's id.
    Duplicate,
    /// The task states something that restricts it and cannot be used.
    Unusable,
    /// A task was skipped, and so did not what others wait for.
    Skipped,
    /// The condition of the task is false, or cannot be evaluated.
    Condition,
    /// The workflow of the task is paused.
    Paused,
    /// The workflow of the task was cancelled.
    Cancelled,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Circle => "circle",
            Self::Duplicate => "duplicate",
            Self::Unusable => "unusable",
            Self::Skipped => "skipped",
            Self::Condition => "condition",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How every task of a snapshot stands.
#[derive(Debug)]
pub struct Queue<'a> {
    snapshot: &'a Snapshot,
    /// Tasks that run in another worktree.
    held: BTreeSet<DocId>,
    /// What each pending task waits for; only those that do.
    waits: HashMap<&'a DocId, Vec<Blocker>>,
    blocked: BlockedTasks<'a>,
}

impl Snapshot {
    /// Returns what a task still waits for: tasks, its condition, its moment, its workflow.
    #[must_use]
    pub fn blockers(&self, task: &Task) -> Vec<Blocker> {
        self.blockers_beside(task, &BTreeSet::new())
    }

    /// Returns true if a task may be started: pending, the only one of its id, nothing left to wait for, and every value that
    /// restricts it can be used.
    #[must_use]
    pub fn ready(&self, task: &Task) -> bool {
        let is_sound = !self.is_duplicate(&task.id) && task.gates.unusable().is_none();
        task.status == TaskStatus::Pending && is_sound && self.blockers(task).is_empty()
    }

    /// Every task that may be started: the most urgent first, then the oldest, then by id. None that is archived.
    #[must_use]
    pub fn ready_tasks(&self) -> Vec<&Task> {
        self.queue().ready()
    }

    /// How every task stands. One pass over the tasks and what they wait for.
    #[must_use]
    pub fn queue(&self) -> Queue<'_> {
        self.queue_beside(BTreeSet::new())
    }

    /// The same where other worktrees hold some tasks: one that is pending here counts as running.
    #[must_use]
    pub fn queue_beside(&self, held: BTreeSet<DocId>) -> Queue<'_> {
        Queue::of(self, held)
    }

    fn is_duplicate(&self, id: &DocId) -> bool {
        self.paths_of(Kind::Task, id.as_str()).len() > 1
    }
}

impl<'a> Queue<'a> {
    fn of(snapshot: &'a Snapshot, held: BTreeSet<DocId>) -> Self {
        let mut waits = HashMap::new();
        let (mut faults, mut edges) = (Vec::new(), Vec::new());
        for task in snapshot.tasks().filter(|task| task.status == TaskStatus::Pending && !is_held(task, &held)) {
            if snapshot.is_duplicate(&task.id) {
                faults.push(Fault { task: &task.id, via: None, cause: Cause::Duplicate });
                continue;
            }
            let mut blockers = Vec::new();
            let unusable = task.gates.unusable().is_some();
            let mut fault = unusable.then_some(Fault { task: &task.id, via: None, cause: Cause::Unusable });
            for blocker in snapshot.blockers_beside(task, &held) {
                let found = snapshot.named_task(&blocker.id).filter(|_| !blocker.why.is_own());
                if let (None, Some(cause)) = (&fault, blocker.why.cause()) {
                    let via = found.and_then(|entry| entry.id.clone()).unwrap_or_else(|| blocker.id.clone());
                    fault = Some(Fault { task: &task.id, via: (!blocker.why.is_own()).then_some(via), cause });
                }
                let pending = found.filter(|_| blocker.why == Wait::Status(TaskStatus::Pending)).and_then(Entry::task);
                edges.extend(pending.map(|other| (&task.id, &other.id)));
                blockers.push(blocker);
            }
            faults.extend(fault);
            if !blockers.is_empty() {
                waits.insert(&task.id, blockers);
            }
        }
        Self { snapshot, held, waits, blocked: BlockedTasks::new(faults, edges) }
    }

    /// How a task stands.
    #[must_use]
    pub fn outlook(&self, task: &Task) -> Outlook {
        match task.status {
            TaskStatus::Pending if self.held.contains(&task.id) => Outlook::Status(TaskStatus::Running),
            TaskStatus::Pending if self.blocked.contains(&task.id) => Outlook::Blocked,
            TaskStatus::Pending if self.waits.contains_key(&task.id) => Outlook::Waiting,
            TaskStatus::Pending => Outlook::Ready,
            status => Outlook::Status(status),
        }
    }

    /// What a pending task still waits for; nothing for any other.
    #[must_use]
    pub fn waits_for(&self, task: &Task) -> &[Blocker] {
        let waits = self.waits.get(&task.id).filter(|_| task.status == TaskStatus::Pending);
        waits.map_or(&[], Vec::as_slice)
    }

    /// What a task depends on, met or not.
    #[must_use]
    pub fn dependencies(&self, task: &Task) -> Vec<DocId> {
        self.snapshot.dependencies(task).into_iter().map(|(id, _)| id).collect()
    }

    /// What is wrong with the review or approval of a task that is waited for, if that is why it does not count.
    #[must_use]
    pub fn approval_fault(&self, blocker: &Blocker) -> Option<&'a Diagnostic> {
        let entry = self.snapshot.named_task(&blocker.id).filter(|_| blocker.why == Wait::Unapproved);
        entry.and_then(Entry::task).and_then(Task::approval_fault)
    }

    /// Why a blocked task is so, down to the root; `None` if it is not blocked.
    #[must_use]
    pub fn root(&self, id: &DocId) -> Option<Root> {
        self.blocked.root(id)
    }

    /// Every live task with this outlook: the most urgent first, then the oldest, then by id.
    #[must_use]
    pub fn with(&self, outlook: Outlook) -> Vec<&'a Task> {
        let live = self.snapshot.entries().filter(|entry| !entry.path.is_archived()).filter_map(Entry::task);
        let mut found: Vec<&Task> = live.filter(|task| self.outlook(task) == outlook).collect();
        sort_by_urgency(&mut found);
        found
    }

    /// Every live task that may be started, in the same order.
    #[must_use]
    pub fn ready(&self) -> Vec<&'a Task> {
        self.with(Outlook::Ready)
    }
}

/// The most urgent first, then the oldest, then by id.
pub fn sort_by_urgency(tasks: &mut [&Task]) {
    let key = |task: &Task| (Reverse(task.priority), task.created.is_none(), task.created);
    tasks.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
}

#[cfg(test)]
mod tests;
