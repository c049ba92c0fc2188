//! Waiting for tasks: look, and sleep until a document may have changed. Nothing is polled where files can be watched.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;
use tokio::sync::watch;

use super::crew::Crew;
use super::{CoordinationClient, Error, Receipt, timer};
use crate::core::entity::{Task, TaskStatus, fraction_json};
use crate::core::name::{DocId, Kind};
use crate::core::snapshot::{Entry, Snapshot, Wait};
use crate::services::{self, Project, Scope};

/// Pause between two looks where file events do not come.
const POLL: Duration = Duration::from_secs(1);
/// After a ring nothing is looked at for this long: a burst of writes is a few looks, not thousands.
const SETTLE: Duration = Duration::from_millis(2);

/// What to monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Monitored {
    /// The tasks of a workflow: those that it lists and those that name it.
    Workflow(String),
    /// These tasks.
    Tasks(Vec<String>),
}

impl From<&DocId> for Monitored {
    fn from(workflow: &DocId) -> Self {
        Self::Workflow(workflow.to_string())
    }
}

impl From<&Receipt> for Monitored {
    fn from(workflow: &Receipt) -> Self {
        Self::Workflow(workflow.to_string())
    }
}

impl From<&str> for Monitored {
    fn from(workflow: &str) -> Self {
        Self::Workflow(workflow.to_owned())
    }
}

impl<I: ToString, const N: usize> From<[I; N]> for Monitored {
    fn from(tasks: [I; N]) -> Self {
        Self::Tasks(tasks.iter().map(ToString::to_string).collect())
    }
}

impl<I: ToString> From<&[I]> for Monitored {
    fn from(tasks: &[I]) -> Self {
        Self::Tasks(tasks.iter().map(ToString::to_string).collect())
    }
}

impl<I: ToString> From<Vec<I>> for Monitored {
    fn from(tasks: Vec<I>) -> Self {
        Self::Tasks(tasks.iter().map(ToString::to_string).collect())
    }
}

/// How far the monitored tasks are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkflowProgress {
    /// All tasks, by their own ids, in the order given.
    pub tasks: Vec<(DocId, TaskStatus)>,
    /// Named tasks that are not there.
    pub missing: Vec<DocId>,
    /// Pending tasks that cannot start any more unless somebody steps in: something that they wait for, or that waits for
    /// something in turn, has failed.
    pub blocked: Vec<DocId>,
}

/// The tasks with their statuses, what is missing and blocked, and the completed share as `progress`.
impl Serialize for WorkflowProgress {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let tasks: Vec<_> = self.tasks.iter().map(|(id, status)| json!({ "id": id, "status": status })).collect();
        let (missing, blocked, progress) = (&self.missing, &self.blocked, fraction_json(Some(self.share())));
        json!({ "tasks": tasks, "missing": missing, "blocked": blocked, "progress": progress }).serialize(to)
    }
}

impl WorkflowProgress {
    /// How many tasks have this status.
    #[must_use]
    pub fn count(&self, status: TaskStatus) -> usize {
        self.tasks.iter().filter(|(_, other)| *other == status).count()
    }

    /// The completed share, from 0 to 1; 1 without tasks.
    #[must_use]
    pub fn share(&self) -> f64 {
        let whole = u32::try_from(self.tasks.len() + self.missing.len()).unwrap_or(u32::MAX);
        let part = u32::try_from(self.count(TaskStatus::Completed)).unwrap_or(u32::MAX);
        if whole == 0 { 1.0 } else { f64::from(part) / f64::from(whole) }
    }

    /// Tells whether every task is completed.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.missing.is_empty() && self.count(TaskStatus::Completed) == self.tasks.len()
    }

    /// Tells whether nothing moves any more by itself: each task has ended, is blocked or is missing.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.count(TaskStatus::Running) == 0 && self.count(TaskStatus::Pending) == self.blocked.len()
    }
}

impl CoordinationClient {
    /// Waits until a task is completed or has failed, and gives it: its status tells which, its `result` or `error` what came
    /// out. Woken by file events, whoever writes: this client, another process or an editor. It waits as long as it takes;
    /// wrap it in `tokio::time::timeout` for less.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such task, or no longer; [`Error::Closed`] once the client is closed;
    /// [`Error::NoTimer`] outside of a tokio runtime with a timer.
    pub async fn wait_task(&self, id: impl AsRef<str>) -> Result<Task, Error> {
        let id = id.as_ref();
        let mut ear = self.ear().await?;
        loop {
            let deaf = self.arm(&mut ear).await?;
            let task = self.get_task(id).await?;
            if matches!(task.status, TaskStatus::Completed | TaskStatus::Failed) {
                return Ok(task);
            }
            heard(&mut ear, deaf).await?;
        }
    }

    /// Follows a workflow or a list of tasks until nothing moves any more: every task has ended or is blocked by one that has
    /// failed. `report` is told how far they are, first at once and then whenever that changes. Gives the end.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such workflow, or no longer; [`Error::Closed`] and [`Error::NoTimer`] as for
    /// [`CoordinationClient::wait_task`].
    pub async fn monitor_workflow(
        &self,
        what: impl Into<Monitored>,
        mut report: impl FnMut(&WorkflowProgress),
    ) -> Result<WorkflowProgress, Error> {
        let what = what.into();
        let mut ear = self.ear().await?;
        let mut told = None;
        loop {
            let deaf = self.arm(&mut ear).await?;
            let wanted = what.clone();
            let look = move |crew: &Crew, project: &Project| {
                crew.follow(project);
                Ok(progress(&project.documents().snapshot(Scope::Named)?, &wanted)?)
            };
            let now = self.crew.run(look).await?;
            if told.as_ref() != Some(&now) {
                report(&now);
                told = Some(now.clone());
            }
            if now.is_over() {
                return Ok(now);
            }
            heard(&mut ear, deaf).await?;
        }
    }

    /// An ear for the client's bell, for a call that has to wait.
    async fn ear(&self) -> Result<watch::Receiver<u64>, Error> {
        // Told at once, not only where a task has not ended yet.
        drop(timer::sleep(Duration::ZERO)?);
        self.crew.run(|crew, project| Ok(crew.bell(project).listen())).await
    }

    /// Arms the watches; what rings from now on is heard by the next [`heard`]. Tells whether some things do not ring.
    async fn arm(&self, ear: &mut watch::Receiver<u64>) -> Result<bool, Error> {
        ear.mark_unchanged();
        self.crew.run(|crew, project| Ok(crew.bell(project).arm().is_err())).await
    }
}

/// Waits for a ring; where the bell is deaf, no longer than a moment.
async fn heard(ear: &mut watch::Receiver<u64>, deaf: bool) -> Result<(), Error> {
    let rung = async {
        // The bell lives as long as its client.
        ear.changed().await.map_err(|_| Error::Closed)?;
        timer::sleep(SETTLE)?.await;
        Ok(())
    };
    if !deaf {
        return rung.await;
    }
    tokio::select! {
        rung = rung => rung,
        () = timer::sleep(POLL)? => Ok(()),
    }
}

/// How far tasks are.
fn progress(snapshot: &Snapshot, what: &Monitored) -> Result<WorkflowProgress, services::Error> {
    let ids = match what {
        Monitored::Workflow(id) => {
            let found = snapshot.find(Some(Kind::Workflow), id)?;
            found.workflow().map(|workflow| snapshot.workflow_tasks(workflow)).unwrap_or_default()
        }
        Monitored::Tasks(ids) => ids.iter().map(|id| Ok(DocId::new(id)?)).collect::<Result<_, services::Error>>()?,
    };
    let mut progress = WorkflowProgress::default();
    for id in ids {
        match snapshot.named_task(&id).and_then(Entry::task) {
            Some(task) => {
                if task.status == TaskStatus::Pending && is_blocked(snapshot, task) {
                    progress.blocked.push(task.id.clone());
                }
                progress.tasks.push((task.id.clone(), task.status));
            }
            None => progress.missing.push(id),
        }
    }
    Ok(progress)
}

/// Tells whether something that a task waits for, near or far, has failed, or if one of them is given to no agent. Takes
/// circles and chains of any length.
fn is_blocked(snapshot: &Snapshot, task: &Task) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let mut next = vec![task];
    while let Some(task) = next.pop() {
        if task.status == TaskStatus::Pending && task.gates.unusable().is_some() {
            return true;
        }
        for blocker in snapshot.blockers(task) {
            match blocker.why {
                Wait::Status(TaskStatus::Failed) => return true,
                Wait::Status(_) if seen.insert(blocker.id.clone()) => {
                    next.extend(snapshot.named_task(&blocker.id).and_then(Entry::task));
                }
                _ => {}
            }
        }
    }
    false
}
