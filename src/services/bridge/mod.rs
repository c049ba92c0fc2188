//! The bridge: which backends are configured, agreed to and live, and what keeps each of them equal to the files.

mod backend;
mod backends;
mod branch_guard;
mod bridge_config;
mod consent;
mod detect;
mod event_outbox;
mod follow_loop;
mod follower;
mod health;
mod mirror;
mod mirror_folder;
mod mirror_index;
mod pass;
mod probe;
mod project_folder;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "redis_absent.rs"]
mod redis;
mod report;
mod sync_bases;
mod sync_once;
mod taskqueue;
#[cfg(test)]
mod test_project;

pub use self::redis::address_fault;
pub use backend::{MirrorTarget, ServerInfo};
pub use backends::{BackendPass, Backends};
pub use bridge_config::Enabling;
pub(super) use consent::changed_path;
pub use detect::{BridgeStats, Detected, DetectedBackend, Patience};
pub use follower::Follower;
pub use health::{BackendHealth, BackendState, HealthRecord, UNKNOWN};
pub use mirror_folder::{Import, Imported, MirrorFolder, SyncBaseStore};
pub use mirror_index::MirrorIndex;
pub use pass::{MirrorPass, PassMemory, PassScope};
pub use report::{Direction, PassOptions, PassReport};
pub use taskqueue::FoundTaskQueue;
