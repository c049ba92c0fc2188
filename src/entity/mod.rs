//! Documents as agents, tasks and workflows: reading, creating, changing. Pure; files, clock and history are elsewhere.

pub mod agent;
mod bullet;
pub mod claim;
mod create;
mod edit;
mod json;
mod keys;
mod model;
mod pulse;
mod read;
pub mod review;
pub mod status;
pub mod task;
pub mod workflow;

pub use bullet::DependencyBullet;
pub use create::{NewAgent, NewTask, NewWorkflow, RenderError};
pub use edit::Refusal;
pub(crate) use edit::{add_ids, label_name, remove_ids, remove_key, set_key, set_outcome};
pub use json::{fraction_json, span_text};
pub use model::{ActiveTask, Agent, Entity, Task, Workflow};
pub use pulse::{Pulse, TTL_DEFAULT};
pub use read::{Reading, read};
pub use status::{AgentStatus, IllegalStep, Priority, Review, TaskStatus, UnknownWord, WorkflowStatus};
