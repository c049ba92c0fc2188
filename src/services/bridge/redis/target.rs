//! A Redis or Valkey server and how it is used.

use std::time::Duration;

use crate::adapters::redis::Settings;
use crate::adapters::redis::codec::Keys;
use crate::core::reconcile;
use crate::services::bridge::backend::MirrorTarget;

/// A server and how it is used.
#[derive(Debug, Clone)]
pub(in crate::services::bridge) struct RedisTarget {
    /// What is mirrored to it.
    pub(in crate::services::bridge) mirror: MirrorTarget,
    /// How to reach it. Debug prints show no password.
    pub(in crate::services::bridge) settings: Settings,
    /// How keys are made.
    pub(in crate::services::bridge) keys: Keys,
    /// Patterns of the channels to listen to there if no prefix says whose they are.
    pub(in crate::services::bridge) channels: Vec<String>,
    /// Tries before the server counts as lost; at least one.
    pub(in crate::services::bridge) retry_attempts: u32,
    /// The pause between tries.
    pub(in crate::services::bridge) retry_delay: Duration,
}

impl RedisTarget {
    /// The server and the prefix on it, as the name of a folder.
    pub(super) fn memory_name(address: &str, keys: &Keys) -> String {
        reconcile::digest(format!("{address} {}", keys.prefix()).as_bytes())[..16].to_owned()
    }
}

impl PartialEq for RedisTarget {
    fn eq(&self, other: &Self) -> bool {
        self.settings.address == other.settings.address
            && self.settings.ca == other.settings.ca
            && self.keys == other.keys
            && self.channels == other.channels
            && (&self.mirror.branch, &self.mirror.node) == (&other.mirror.branch, &other.mirror.node)
    }
}
