//! A task of which a worker runs the command: whose it is, and what the command is given.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::command_run::RunOrder;
use super::{WorkedTask, WorkerError, Workers, environment};
use crate::adapters::store::TaskLogName;
use crate::core::entity::{Task, TaskStatus};
use crate::core::name::AgentName;
use crate::services::Error;

/// A task of which the command runs.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) task: WorkedTask,
    pub(super) log_name: String,
    pub(super) orders: Sender<RunOrder>,
    pub(super) state: JobState,
    pub(super) began: Instant,
    pub(super) renew_every: Duration,
    pub(super) renew_at: Instant,
    pub(super) missing_since: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobState {
    Running,
    /// Its command is being ended: the time of the task is over.
    TimedOut,
    /// Its command is being ended: the task is not this worker's any more.
    Lost(String),
    /// Its command is being ended, and the task given back.
    Released,
}

impl Job {
    pub(super) fn is_running(&self) -> bool {
        self.state == JobState::Running
    }

    pub(super) fn lose(&mut self, why: String) {
        self.state = JobState::Lost(why);
        let _ = self.orders.send(RunOrder::Terminate);
    }
}

/// The failure of a worker that cannot start the command of a task.
pub(super) fn cannot_start(task: &WorkedTask, source: std::io::Error) -> Error {
    WorkerError::CannotStart { task: task.id.clone(), source }.into()
}

/// A task as it was claimed; `None` if it has no holder.
pub(super) fn worked(task: &Task, agent: &AgentName) -> Option<WorkedTask> {
    Some(WorkedTask {
        id: task.id.clone(),
        kind: task.kind.clone(),
        by: agent.clone(),
        fence: task.fence?,
        attempt: task.attempt.unwrap_or(1),
    })
}

/// Why a task is not a job's any more; `None` if it is.
pub(super) fn loss(task: &Task, job: &WorkedTask) -> Option<String> {
    match (&task.claimed_by, task.status) {
        (_, TaskStatus::Pending) => Some("it is pending again".to_owned()),
        (_, status @ (TaskStatus::Completed | TaskStatus::Failed)) => Some(format!("it is {status} already")),
        (Some(by), TaskStatus::Running) if *by == job.by && task.fence == Some(job.fence) => None,
        (Some(by), TaskStatus::Running) => Some(format!("{by} holds it, fence {}", task.fence.unwrap_or_default())),
        (None, TaskStatus::Running) => Some("it has no holder".to_owned()),
    }
}

/// When the time of an attempt is over.
pub(super) fn end_of_timeout(task: &Task, timeout: Duration) -> Option<Instant> {
    let began =
        task.execution.started.map_or(0, |started| environment::now().unix_ms().saturating_sub(started.unix_ms()));
    let gone = Duration::from_millis(u64::try_from(began).unwrap_or(0));
    Instant::now().checked_add(timeout.saturating_sub(gone))
}

/// The key under which effects of an attempt are to be made once: workflow, step and attempt, or task and attempt.
pub(super) fn idempotency_key(task: &Task, attempt: u64) -> String {
    match (&task.workflow, &task.execution.step, task.execution.item) {
        (Some(workflow), Some(step), Some(item)) => format!("{workflow}/{step}.{item}/{attempt}"),
        (Some(workflow), Some(step), None) => format!("{workflow}/{step}/{attempt}"),
        (Some(workflow), None, _) => format!("{workflow}/{}/{attempt}", task.id),
        (None, ..) => format!("{}/{attempt}", task.id),
    }
}

/// The log of a task, below the worktree where it lies there.
pub(super) fn log_name(workers: &Workers<'_>, task: &WorkedTask) -> String {
    let name = TaskLogName { task: task.id.clone(), attempt: task.attempt };
    let path = workers.store.local.task_logs().path(&name);
    path.strip_prefix(workers.root).unwrap_or(&path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;
    use crate::core::entity::{self, Entity};
    use crate::core::name::DocPath;

    fn task(keys: &str) -> Task {
        let path = DocPath::new("task-a.md".to_owned()).expect("valid");
        let text = format!("---\nid: task-a\ntype: t\n{keys}---\n\n# A\n");
        match entity::read(&path, &Document::parse(text.into_bytes())).entity {
            Some(Entity::Task(task)) => *task,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_task_is_lost_with_its_status_holder_or_fence() {
        let ann = AgentName::new("ann").expect("valid");
        let held = task("status: running\nclaimed_by: ann\nfence: 3\nattempt: 2\n");
        let job = worked(&held, &ann).expect("held");
        assert_eq!((job.fence, job.attempt, job.kind.as_str()), (3, 2, "t"));
        for (keys, expected) in [
            ("status: running\nclaimed_by: ann\nfence: 3\nprogress: 0.5\n", None),
            ("status: running\nclaimed_by: ben\nfence: 4\n", Some("ben holds it, fence 4")),
            ("status: running\nclaimed_by: ann\nfence: 4\n", Some("ann holds it, fence 4")),
            ("status: running\n", Some("it has no holder")),
            ("status: pending\nfence: 3\n", Some("it is pending again")),
            ("status: failed\nclaimed_by: ann\nfence: 3\n", Some("it is failed already")),
        ] {
            assert_eq!(loss(&task(keys), &job).as_deref(), expected, "{keys}");
        }
    }

    #[test]
    fn the_key_of_an_attempt_names_workflow_step_and_item() {
        for (keys, expected) in [
            ("status: pending\n", "task-a/2"),
            ("status: pending\nworkflow: wf-1\n", "wf-1/task-a/2"),
            ("status: pending\nworkflow: wf-1\nstep: train\n", "wf-1/train/2"),
            ("status: pending\nworkflow: wf-1\nstep: train\nitem: 4\n", "wf-1/train.4/2"),
        ] {
            assert_eq!(idempotency_key(&task(keys), 2), expected);
        }
    }
}
