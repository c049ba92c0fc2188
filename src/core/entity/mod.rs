//! Documents as agents, tasks and workflows: reading, creating, changing. Pure; files, clock and history are elsewhere.

pub mod agent;
mod bullet;
pub mod claim;
mod create;
mod edit;
mod editable;
mod gate;
mod json;
mod keys;
mod liveness;
mod model;
mod read;
pub(crate) mod record;
mod retry;
pub mod review;
pub mod status;
pub mod step_lines;
mod step_settings;
pub mod task;
pub mod workflow;

pub use bullet::DependencyBullet;
pub use create::{AgentDraft, RenderError, TaskDraft, WorkflowDraft};
pub use edit::Refusal;
pub(crate) use edit::{add_ids, label_name, remove_ids, remove_key, set_key, set_outcome};
pub use gate::{ApprovalMark, StatedValue, TaskGates, TaskReference, WhenMissing};
pub use json::{fraction_json, span_text};
pub use liveness::{Liveness, TTL_DEFAULT};
pub use model::{ActiveTask, Agent, Entity, Task, Workflow};
pub use read::{Reading, read, title};
pub(crate) use read::{referred, retry_policy};
pub use retry::{ATTEMPTS_MAX, RetryPolicy};
pub use status::{
    AgentStatus, IllegalTransition, Priority, Review, TaskStatus, UnknownWord, WorkflowStatus, letters_apart,
};
pub use step_settings::{Condition, Execution, FAN_OUT_ITEMS_MAX, ForEach, SkipReason, TaskEnd};
