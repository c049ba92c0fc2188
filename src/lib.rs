//! Coordination of agents, tasks and workflows as markdown files in a git repository.
//!
//! Agents written in Rust use [`CoordinationClient`]; the [`guide`] shows all of it. [`Project`] opens a folder without an
//! async runtime. Everything that these two need is at the top of this crate; what is not shown here may change at any time.
//!
//! ```no_run
//! use mycelium::{AgentReport, ClaimOptions, CoordinationClient, NewTask};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), mycelium::Error> {
//! let client = CoordinationClient::builder().agent("ai-engineer").build().await?;
//! client.store_agent_status("ai-engineer", AgentReport::busy()).await?;
//! let id = client.create_task(NewTask::new("train-model").payload(json!({ "epochs": 3 }))).await?;
//! if let Some(claim) = client.claim_next(None, ClaimOptions::default()).await? {
//!     client.complete_task(&claim.task.id, json!({ "final_loss": 0.042 })).await?;
//! }
//! println!("{}", client.get_task(&id).await?.status);
//! # Ok(())
//! # }
//! ```
//!
//! The code stands on floors. A module uses only what is below it.
//!
//! ```text
//!   faces      what people use: the command line
//!   api        what programs use: client, daemon (the watching process), view (what every face shows)
//!   services   carries out what is decided: reads the folder, applies operations, commits, syncs
//!   adapters   one outside thing each: store (files), git, watch (events of the system), redis, taskqueue
//!   core       decides, without a file, a clock or a process: documents, tasks, leases, events, merges
//! ```
//!
//! Two features are on by default: `cli`, the program, and `redis`, the bridge to a Redis or Valkey server. Without them only the
//! library is built: `default-features = false`.

#[doc(hidden)]
pub mod core;

#[doc(hidden)]
pub mod adapters;

#[doc(hidden)]
pub mod services;

#[doc(hidden)]
pub mod api;

#[doc(hidden)]
#[cfg(feature = "cli")]
pub mod faces;

#[doc = include_str!("../docs/library.md")]
pub mod guide {}

#[doc(inline)]
pub use self::api::client::*;
#[doc(inline)]
pub use self::core::diagnostic::{Code, Diagnostic, Place, Severity};
#[doc(inline)]
pub use self::core::document::{Note, Step};
#[doc(inline)]
pub use self::core::entity::{
    ActiveTask, Agent, AgentStatus, Entity, Liveness, Priority, Review, Task, TaskStatus, Workflow, WorkflowStatus,
};
#[doc(inline)]
pub use self::core::event::Event;
#[doc(inline)]
pub use self::core::lease::{LeasePlace, LossReason, LostLease};
#[doc(inline)]
pub use self::core::name::{AgentName, Channel, DocId, DocPath, EventId, Kind, OperationId, Revision};
#[doc(inline)]
pub use self::core::problem::{ErrorClass, Problem};
#[doc(inline)]
pub use self::core::time::Timestamp;
#[doc(inline)]
pub use self::services::{Error as OperationError, Opening, Project};

// What must hold for any bytes; not in ordinary builds.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

// Short paths for tests, benches and the program.
#[doc(hidden)]
#[cfg(feature = "redis")]
pub use self::adapters::redis;
#[doc(hidden)]
pub use self::adapters::{git, store, taskqueue, watch};
#[doc(hidden)]
pub use self::api::{client, daemon, view};
#[doc(hidden)]
pub use self::core::{
    archive, change, check, commit_message, config, diagnostic, document, engine, entity, event, follow, health, lease,
    merge, name, operation, plan, problem, reconcile, sabotage, snapshot, template, time,
};
#[doc(hidden)]
#[cfg(feature = "cli")]
pub use self::faces::cli;
