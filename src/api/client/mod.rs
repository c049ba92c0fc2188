//! The library: agents coordinate through [`CoordinationClient`], from any number of tasks, threads and processes at once.
//!
//! Every method does its work in a thread that waits for files, so an async runtime is never held up, and a future that is
//! dropped has done its work wholly or not at all. [`crate::guide`] shows all of it.
//!
//! ```no_run
//! use mycelium::{AgentReport, CoordinationClient, NewTask};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), mycelium::Error> {
//! let client = CoordinationClient::builder().agent("ai-engineer").build().await?;
//! client.store_agent_status("ai-engineer", AgentReport::busy().metadata(json!({ "gpu": "RTX 4090" }))).await?;
//! let task = client.create_task(NewTask::new("train-model").payload(json!({ "epochs": 3 }))).await?;
//! println!("{}", client.get_task(&task).await?.status);
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod setters;

mod agents;
mod bell;
mod builder;
mod changes;
mod claims;
mod crew;
mod edits;
mod error;
mod events;
mod filters;
mod follow;
mod held;
mod mode;
mod monitor;
mod pipeline;
mod pool;
mod runs;
mod sabotage;
mod stats;
mod tasks;
mod timer;
mod values;
mod wait;
mod workflow_client;
mod workflows;

use std::sync::Arc;

pub use agents::AgentState;
pub use builder::Builder;
pub use changes::{TaskChanges, WorkflowChanges};
pub use claims::{Claim, ClaimOptions};
pub use error::{Error, TimedOut};
pub use events::Events;
pub use filters::{AgentFilter, ReadyFilter, TaskFilter, WorkflowFilter};
pub use mode::{Mode, Unreached};
#[cfg(feature = "cli")]
pub(crate) use monitor::monitored_progress;
pub use monitor::{Monitored, WorkflowProgress, WorkflowStates};
pub use pipeline::Pipeline;
pub use stats::{QueueSize, TeamStats};
pub use values::{AgentReport, Failure, Fields, NewTask, NewWorkflow, Receipt};
pub use workflow_client::{EngineFuture, WorkflowClient, WorkflowEngine, WorkflowState};

use crate::core::name::AgentName;
pub use crate::core::problem::{ErrorClass, Problem};
use crate::services::Actor;
pub use crate::services::{Decided, DriveReport, RenewedLease, Waiting};
use crew::Crew;

/// The way of agents to each other: what they do, their tasks and their workflows, as files of a repository.
///
/// A client is cheap to clone, and any number of tasks and threads may use it at once; what they write at the same time
/// shares its waits for the disk and its commits. Its work is done by a few threads of its own, so it can be called from any
/// async runtime; what waits for a time ([`Builder::operation_timeout`], [`CoordinationClient::wait_task`],
/// [`CoordinationClient::monitor_workflow`]) needs one of tokio, of either flavour.
///
/// # What is durable
/// When a method that writes returns `Ok`, the document and the record of the operation are on the disk (with the setting
/// `markdown.durability` at its default, `full`): they survive `kill -9` and a power cut. The commit follows at once or, where
/// something is in the way, later; [`Receipt`] tells. A method that returns an error has changed nothing, but for
/// [`Error::Timeout`], which says what is known.
///
/// # Cancelling
/// A future that is dropped before it is done has done all of its work or none, and its thread finishes what it has begun.
/// [`CoordinationClient::close`] waits for that.
#[derive(Debug, Clone)]
pub struct CoordinationClient {
    crew: Arc<Crew>,
    /// Who acts, if it is another than the one the client was built for.
    agent: Option<AgentName>,
    /// The fence that changes of tasks must meet.
    fence: Option<u64>,
}

impl CoordinationClient {
    /// A client for the repository around the current folder, unless the builder is told otherwise.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same client with another agent acting: it shares everything else.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is no name.
    pub fn acting_as(&self, agent: &str) -> Result<Self, Error> {
        let agent = AgentName::new(agent).map_err(crate::services::Error::from)?;
        Ok(Self { agent: Some(agent), ..self.clone() })
    }

    /// The follower that is live at this moment (or a quarter of a second ago): `redis` turns into `markdown` when the server
    /// goes, and back. Whatever it is, the files are the truth, and every method works.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.crew.following().modes().mode
    }

    /// Who acts, if anybody was named.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentName> {
        self.agent.as_ref().or(self.crew.actor().agent.as_ref())
    }

    /// Waits until everything that this client and its clones have begun is done, dropped futures included, and refuses what
    /// is asked for afterwards with [`Error::Closed`]. What waits for a task or follows a workflow ends with that error too,
    /// and streams of events end. Closing again does nothing.
    pub async fn close(&self) {
        self.crew.close().await;
    }
}

/// Who acts, with the fence and the demands of this client.
fn actor(client: &CoordinationClient) -> Actor {
    client.crew.actor().clone().with_agent(client.agent().cloned()).with_fence(client.fence)
}
