//! The bridge: which backends are configured, agreed to and live, and what keeps each of them equal to the files.

mod backends;
mod branch_guard;
mod bridge_config;
mod claims;
mod connection_cache;
mod consent;
mod dataset;
mod detect;
mod event_listener;
mod follower;
mod health;
mod inbound;
mod inbox;
mod incoming;
mod lead;
mod pass;
mod probe;
mod queues;
mod redis_target;
mod report;
mod rest;
mod sight;
mod state;
mod sync_bases;
mod sync_once;
mod voice;
mod write_through;

pub use backends::Backends;
pub(super) use bridge_config::AGREE;
pub use bridge_config::Enabling;
pub(super) use consent::changed_path;
pub use detect::{BridgeStats, DetectedBackend, Patience};
pub use follower::Follower;
pub use health::{BackendHealth, BackendState, HealthRecord, UNKNOWN};
pub use redis_target::RedisTarget;
pub use report::{Direction, PassOptions, PassReport};
