//! The bridge: which server is wanted and trusted, whether it is live, and what keeps both sides alike.

mod agreed;
mod bases;
mod claims;
mod course;
mod detect;
mod ear;
mod enabled;
mod errand;
mod exchange;
mod facts;
mod follower;
mod health;
mod inbound;
mod inbox;
mod incoming;
mod lead;
mod line;
mod pass;
mod queues;
mod report;
mod rest;
mod sight;
mod state;
mod voice;
mod wanted;

pub use detect::{BridgeStats, Detected, Patience};
pub(super) use ear::Ear;
pub use enabled::Enabling;
pub(super) use enabled::changed_path;
pub use follower::Follower;
pub use health::{Health, Known, State, UNKNOWN};
pub use report::{Direction, PassOptions, PassReport};
pub(super) use wanted::AGREE;
pub use wanted::{Target, Wanted};
