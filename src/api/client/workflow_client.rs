//! Workflows as the reference document's `WorkflowClient` has them: created by the name of a definition, asked, waited for, cancelled;
//! behind a trait that an engine of another make fits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::wait::heard_until;
use super::{CoordinationClient, Error};
use crate::core::entity::{Workflow, WorkflowStatus, fraction_json};
use crate::core::name::{DocId, Kind};
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::template::{cut, one_line};
use crate::core::workflow::derived_workflow;
use crate::services::{self, Project, Scope, WorkflowError};

/// Characters of the error of a workflow that an error repeats.
const ERROR_COLUMNS_MAX: usize = 200;

/// What a method of an engine gives.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What runs workflows: Mycelium itself, or an engine of another make whose state is written back to the files.
pub trait WorkflowEngine: fmt::Debug + Send + Sync {
    /// Begins a workflow of a definition with its input, a JSON object or null; gives its id.
    fn create(&self, definition: String, input: Json) -> EngineFuture<'_, DocId>;

    /// How a workflow stands.
    fn status(&self, id: String) -> EngineFuture<'_, WorkflowState>;

    /// Waits until a workflow has ended, and gives its result.
    fn wait(&self, id: String) -> EngineFuture<'_, Json>;

    /// Ends a workflow and every step of it that has not ended.
    fn cancel(&self, id: String) -> EngineFuture<'_, ()>;
}

/// How a workflow stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowState {
    /// Its status; the one that follows from its steps where its file lags behind.
    pub status: WorkflowStatus,
    /// How far it is, from 0 to 1; `None` without tasks.
    #[serde(serialize_with = "progress_json")]
    pub progress: Option<f64>,
    /// The step that it is at, by its name or else the id of its task; `None` once it has ended.
    pub step: Option<String>,
    /// Why it failed.
    pub error: Option<Json>,
}

impl WorkflowState {
    /// With this status and nothing else.
    #[must_use]
    pub const fn new(status: WorkflowStatus) -> Self {
        Self { status, progress: None, step: None, error: None }
    }
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn progress_json<S: serde::Serializer>(progress: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    fraction_json(*progress).serialize(to)
}

/// Workflows as a whole: begun by the name of a definition, asked how they stand, waited for, cancelled. Cheap to clone.
///
/// ```no_run
/// use mycelium::{CoordinationClient, WorkflowClient};
/// use serde_json::json;
///
/// # async fn example() -> Result<(), mycelium::Error> {
/// let workflows = WorkflowClient::new(CoordinationClient::builder().build().await?);
/// let id = workflows.create_workflow("train-model", json!({ "dataset": "alice-voice", "epochs": 3 })).await?;
/// println!("{:?}", workflows.get_workflow_status(&id).await?.progress);
/// println!("{}", workflows.wait_for_completion(&id).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WorkflowClient(Arc<dyn WorkflowEngine>);

impl WorkflowClient {
    /// Workflows that Mycelium moves on itself, in the repository of a client.
    #[must_use]
    pub fn new(client: CoordinationClient) -> Self {
        Self(Arc::new(EmbeddedEngine(client)))
    }

    /// Workflows of another engine.
    #[must_use]
    pub fn with_engine(engine: impl WorkflowEngine + 'static) -> Self {
        Self(Arc::new(engine))
    }

    /// Runs the definition of this name (`.mycelium/workflows/NAME.yaml`) with its inputs, a JSON object; gives the workflow's id.
    ///
    /// Durable on return: the workflow and its tasks.
    ///
    /// # Errors
    /// As [`CoordinationClient::run_workflow`].
    pub async fn create_workflow(&self, definition: &str, input: impl Into<Json>) -> Result<DocId, Error> {
        self.0.create(definition.to_owned(), input.into()).await
    }

    /// How a workflow stands, by its id or the unique beginning of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn get_workflow_status(&self, id: impl AsRef<str>) -> Result<WorkflowState, Error> {
        self.0.status(id.as_ref().to_owned()).await
    }

    /// Waits until a workflow has ended, and gives its result; null if it has none. While it waits it moves the workflow on, so no
    /// watcher need run; its steps are done by the agents and workers that claim them.
    ///
    /// # Errors
    /// [`Error::Failed`] with the code `workflow-failed` if it failed or was cancelled; [`Error::NotFound`] if there is none;
    /// [`Error::Closed`] and [`Error::NoTimer`] as for [`CoordinationClient::wait_task`].
    pub async fn wait_for_completion(&self, id: impl AsRef<str>) -> Result<Json, Error> {
        self.0.wait(id.as_ref().to_owned()).await
    }

    /// Ends a workflow and every step of it that has not ended.
    ///
    /// Durable on return: all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it does not run.
    pub async fn cancel(&self, id: impl AsRef<str>) -> Result<(), Error> {
        self.0.cancel(id.as_ref().to_owned()).await
    }
}

/// The engine that needs no server: what follows is read from the files, and written to them.
#[derive(Debug)]
struct EmbeddedEngine(CoordinationClient);

impl WorkflowEngine for EmbeddedEngine {
    fn create(&self, definition: String, input: Json) -> EngineFuture<'_, DocId> {
        Box::pin(async move { Ok(self.0.run_workflow(&definition, input).await?.id) })
    }

    fn status(&self, id: String) -> EngineFuture<'_, WorkflowState> {
        let look = move |_: &_, project: &Project| {
            let snapshot = project.documents().snapshot(Scope::Named)?;
            Ok(state(&snapshot, &find(&snapshot, &id)?))
        };
        Box::pin(self.0.crew.run(look))
    }

    fn wait(&self, id: String) -> EngineFuture<'_, Json> {
        Box::pin(async move {
            let mut ear = self.0.ear().await?;
            loop {
                let deaf = self.0.arm(&mut ear).await?;
                let id = id.clone();
                let look = move |crew: &super::crew::Crew, project: &Project| {
                    crew.follow(project);
                    let next = project.workflows().drive()?.next;
                    let next = next.map(|at| {
                        Duration::from_millis((at.unix_ms() - services::now().unix_ms()).max(0).unsigned_abs())
                    });
                    Ok((find(&project.documents().snapshot(Scope::Named)?, &id)?, next))
                };
                let (workflow, next) = self.0.crew.run(look).await?;
                match workflow.status {
                    WorkflowStatus::Completed => return Ok(workflow.result.unwrap_or_default()),
                    WorkflowStatus::Failed => return Err(failed(&workflow)),
                    WorkflowStatus::Running => heard_until(&mut ear, deaf, next).await?,
                }
            }
        })
    }

    fn cancel(&self, id: String) -> EngineFuture<'_, ()> {
        Box::pin(async move { self.0.cancel_workflow(id).await.map(|_| ()) })
    }
}

/// The workflow as readers see it.
fn find(snapshot: &Snapshot, id: &str) -> Result<Workflow, Error> {
    let found = snapshot.find(Some(Kind::Workflow), id).map_err(services::Error::from)?;
    let workflow = found.workflow().ok_or_else(|| super::agents::not_found(Kind::Workflow, id))?;
    Ok(derived_workflow(snapshot, workflow))
}

fn state(snapshot: &Snapshot, workflow: &Workflow) -> WorkflowState {
    let name = |id: &DocId| {
        let task = snapshot.named_task(id).and_then(Entry::task);
        task.and_then(|task| task.execution.step.clone()).unwrap_or_else(|| id.to_string())
    };
    WorkflowState {
        status: workflow.status,
        progress: workflow.progress,
        step: workflow.current_task.as_ref().filter(|_| workflow.status == WorkflowStatus::Running).map(name),
        error: workflow.error.clone(),
    }
}

fn failed(workflow: &Workflow) -> Error {
    let error = match &workflow.error {
        None => "it says not why".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let (id, error) = (workflow.id.to_string(), cut(&one_line(&error), ERROR_COLUMNS_MAX));
    services::Error::from(WorkflowError::Failed { id, error }).into()
}
