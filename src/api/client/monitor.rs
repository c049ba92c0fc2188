//! Following a workflow or a list of tasks: a stream of how far they are, woken by the bell that all who wait share.

use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::{Serialize, Serializer};
use serde_json::json;
use tokio::sync::watch;

use super::crew::Crew;
use super::wait::heard;
use super::{CoordinationClient, Error, Receipt};
use crate::core::entity::{Task, TaskStatus, WorkflowStatus, fraction_json};
use crate::core::name::{DocId, Kind};
use crate::core::snapshot::{Entry, Snapshot, Wait};
use crate::core::workflow::{derived_workflow, is_driven};
use crate::services::{self, Project, Scope};

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
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WorkflowProgress {
    /// All tasks, by their own ids, in the order given.
    pub tasks: Vec<(DocId, TaskStatus)>,
    /// Named tasks that are not there.
    pub missing: Vec<DocId>,
    /// Pending tasks that cannot start any more unless an agent or a person acts: something that they wait for, or that waits for
    /// something in turn, has failed. A step that its workflow skips or tries again is none of them.
    pub blocked: Vec<DocId>,
    /// The status of the workflow, if one is followed; where its file lags behind, the one that follows from its steps.
    pub status: Option<WorkflowStatus>,
    /// How far the workflow is, from 0 to 1, if one is followed.
    pub progress: Option<f64>,
    /// Its end comes from what moves it on, and not from its tasks alone.
    is_driven: bool,
}

/// The tasks with their statuses, what is missing and blocked, and the completed share as `progress`; of a workflow its `status`.
impl Serialize for WorkflowProgress {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let tasks: Vec<_> = self.tasks.iter().map(|(id, status)| json!({ "id": id, "status": status })).collect();
        let (missing, blocked, progress) = (&self.missing, &self.blocked, fraction_json(Some(self.share())));
        let mut value = json!({ "tasks": tasks, "missing": missing, "blocked": blocked, "progress": progress });
        if let Some(status) = self.status {
            value["status"] = json!(status.word());
        }
        value.serialize(to)
    }
}

impl WorkflowProgress {
    /// How many tasks have this status.
    #[must_use]
    pub fn count(&self, status: TaskStatus) -> usize {
        self.tasks.iter().filter(|(_, other)| *other == status).count()
    }

    /// How far it is, from 0 to 1: of a workflow its progress, else the completed share; 1 without tasks.
    #[must_use]
    pub fn share(&self) -> f64 {
        if let Some(progress) = self.progress {
            return progress;
        }
        let whole = u32::try_from(self.tasks.len() + self.missing.len()).unwrap_or(u32::MAX);
        let part = u32::try_from(self.count(TaskStatus::Completed)).unwrap_or(u32::MAX);
        if whole == 0 { 1.0 } else { f64::from(part) / f64::from(whole) }
    }

    /// Returns true if every task is completed; of a workflow that is run, if it is.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        if self.is_driven {
            return self.status == Some(WorkflowStatus::Completed);
        }
        self.missing.is_empty() && self.count(TaskStatus::Completed) == self.tasks.len()
    }

    /// Returns true if nothing moves any more by itself: each task has ended, is blocked or is missing; or the workflow has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.status {
            Some(WorkflowStatus::Completed | WorkflowStatus::Failed) => return true,
            Some(WorkflowStatus::Running) if self.is_driven => return false,
            Some(WorkflowStatus::Running) | None => {}
        }
        self.count(TaskStatus::Running) == 0 && self.count(TaskStatus::Pending) == self.blocked.len()
    }
}

/// How far a workflow or a list of tasks is: a [`Stream`] that begins with the present, goes on whenever that changes, and ends
/// behind the state in which nothing moves any more. It costs no thread, and nothing is polled where files can be watched.
pub struct WorkflowStates {
    next: Option<Pin<Box<dyn Future<Output = Looked> + Send>>>,
}

/// What a look gave, and the rest of the stream.
type Looked = (Result<WorkflowProgress, Error>, Option<WorkflowFollower>);

impl fmt::Debug for WorkflowStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowStates").field("is_over", &self.next.is_none()).finish()
    }
}

impl WorkflowStates {
    /// The next state; `None` behind the last one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such workflow any more; [`Error::Closed`] once the client is closed; others if the folder
    /// cannot be read. Then the stream is over.
    pub async fn next(&mut self) -> Option<Result<WorkflowProgress, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Waits for the last state.
    ///
    /// # Errors
    /// As [`WorkflowStates::next`].
    pub async fn last(mut self) -> Result<WorkflowProgress, Error> {
        let mut last = WorkflowProgress::default();
        while let Some(state) = self.next().await {
            last = state?;
        }
        Ok(last)
    }
}

impl Stream for WorkflowStates {
    type Item = Result<WorkflowProgress, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(looks) = self.next.as_mut() else { return Poll::Ready(None) };
        let Poll::Ready((state, rest)) = looks.as_mut().poll(context) else { return Poll::Pending };
        self.next = rest.map(|rest| Box::pin(rest.look()) as Pin<Box<dyn Future<Output = Looked> + Send>>);
        Poll::Ready(Some(state))
    }
}

/// One who looks whenever it rings.
struct WorkflowFollower {
    client: CoordinationClient,
    what: Monitored,
    ear: watch::Receiver<u64>,
    last: Option<WorkflowProgress>,
    /// Some things do not ring.
    deaf: bool,
}

impl WorkflowFollower {
    async fn look(mut self) -> Looked {
        match self.next_state().await {
            Ok(state) if state.is_over() => (Ok(state), None),
            Ok(state) => {
                self.last = Some(state.clone());
                (Ok(state), Some(self))
            }
            Err(error) => (Err(error), None),
        }
    }

    /// The next state that is another than the last one.
    async fn next_state(&mut self) -> Result<WorkflowProgress, Error> {
        if self.last.is_some() {
            heard(&mut self.ear, self.deaf).await?;
        }
        loop {
            self.deaf = self.client.arm(&mut self.ear).await?;
            let wanted = self.what.clone();
            let look = move |crew: &Crew, project: &Project| {
                crew.follow(project);
                Ok(monitored_progress(&project.documents().snapshot(Scope::Named)?, &wanted)?)
            };
            let now = self.client.crew.run(look).await?;
            if self.last.as_ref() != Some(&now) {
                return Ok(now);
            }
            heard(&mut self.ear, self.deaf).await?;
        }
    }
}

impl CoordinationClient {
    /// Follows a workflow or a list of tasks until nothing moves any more: every task has ended or is blocked by one that has
    /// failed. Of a workflow that is run (`engine: embedded`) the end is its own; it has to be moved on: by a watcher,
    /// [`CoordinationClient::drive_workflows`], or a [`WorkflowClient`](super::WorkflowClient) that waits.
    ///
    /// # Errors
    /// [`Error::NoTimer`] outside of a tokio runtime with a timer; [`Error::Closed`] once the client is closed. What is not found
    /// is the first item of the stream.
    pub async fn monitor_workflow(&self, what: impl Into<Monitored>) -> Result<WorkflowStates, Error> {
        let follower = WorkflowFollower {
            client: self.clone(),
            what: what.into(),
            ear: self.ear().await?,
            last: None,
            deaf: false,
        };
        Ok(WorkflowStates { next: Some(Box::pin(follower.look())) })
    }
}

/// Returns how far a workflow or a list of tasks is.
///
/// # Errors
/// [`services::Error`] if there is no such workflow, or a name that is none.
pub(crate) fn monitored_progress(snapshot: &Snapshot, what: &Monitored) -> Result<WorkflowProgress, services::Error> {
    let mut progress = WorkflowProgress::default();
    let ids = match what {
        Monitored::Workflow(id) => match snapshot.find(Some(Kind::Workflow), id)?.workflow() {
            Some(workflow) => {
                let shown = derived_workflow(snapshot, workflow);
                (progress.status, progress.progress) = (Some(shown.status), shown.progress);
                progress.is_driven = is_driven(workflow) || workflow.status != WorkflowStatus::Running;
                shown.tasks
            }
            None => Vec::new(),
        },
        Monitored::Tasks(ids) => ids.iter().map(|id| Ok(DocId::new(id)?)).collect::<Result<_, services::Error>>()?,
    };
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

/// Returns true if something that a task waits for, near or far, has failed, or if one of them is given to no agent. Takes
/// circles and chains of any length. A step of a workflow that runs is not blocked by a failure: it is skipped for it, or what
/// failed is tried again.
fn is_blocked(snapshot: &Snapshot, task: &Task) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![task];
    while let Some(task) = next.pop() {
        if task.status == TaskStatus::Pending && task.gates.unusable().is_some() {
            return true;
        }
        let is_settled_by_driver = snapshot.workflow_of(task).is_some_and(is_driven);
        for blocker in snapshot.blockers(task) {
            match blocker.why {
                Wait::Status(TaskStatus::Failed) | Wait::Skipped if !is_settled_by_driver => return true,
                Wait::Status(status) if status != TaskStatus::Failed && seen.insert(blocker.id.clone()) => {
                    next.extend(snapshot.named_task(&blocker.id).and_then(Entry::task));
                }
                _ => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;
    use crate::core::name::DocPath;

    /// How far a workflow of three steps is, of which the first failed.
    fn seen(engine: &str, first: &str, others: &str) -> WorkflowProgress {
        let files = [
            ("workflow-w.md", format!("id: w\nstatus: running\n{engine}tasks: [task-a, task-b, task-c]")),
            ("task-a.md", format!("id: task-a\nworkflow: w\n{first}")),
            ("task-b.md", format!("id: task-b\nworkflow: w\n{others}\ndepends_on: [task-a]")),
            ("task-c.md", format!("id: task-c\nworkflow: w\n{others}\ndepends_on: [task-b]")),
        ];
        let documents = files.into_iter().map(|(path, keys)| {
            let text = format!("---\ntype: t\n{keys}\n---\n");
            (DocPath::new(path).expect("valid"), Document::parse(text.into_bytes()))
        });
        monitored_progress(&Snapshot::from_documents(documents), &Monitored::Workflow("w".to_owned())).expect("found")
    }

    #[test]
    fn a_step_that_is_about_to_be_skipped_or_tried_again_is_not_blocked() {
        let engine = "engine: embedded\n";
        let between = seen(engine, "status: failed", "status: pending");
        assert_eq!((between.blocked.len(), between.is_over()), (0, false), "{between:?}");
        let again = seen(engine, "status: failed\nattempt: 1\nretry: { max_attempts: 3 }", "status: pending");
        assert_eq!((again.blocked.len(), again.is_over()), (0, false), "{again:?}");
        // Its driver has skipped what came behind, and has not written the end.
        let skipped = seen(engine, "status: failed", "status: completed\nskipped: failure of task-a");
        assert_eq!(skipped.status, Some(WorkflowStatus::Failed));
        assert!(skipped.is_over() && !skipped.is_completed(), "{skipped:?}");
        let plain = seen("", "status: failed", "status: pending");
        assert_eq!((plain.blocked.len(), plain.is_over()), (2, true), "{plain:?}");
    }
}
