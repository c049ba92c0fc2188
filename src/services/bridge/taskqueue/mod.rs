//! The bridge to a `TaskQueue` MCP server: which program is used and who agreed to it, its sessions, and its limits.

mod backend;
mod config;
mod limits;
mod program;
mod session;
mod target;

pub use config::FoundTaskQueue;
pub(super) use config::TaskQueueConfig;
