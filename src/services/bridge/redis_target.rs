//! A Redis or Valkey server and how it is used.

use std::time::Duration;

use crate::adapters::redis::Settings;
use crate::adapters::redis::codec::Keys;
use crate::core::reconcile;

/// A server and how it is used.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    /// How to reach it. Debug prints show no password.
    pub settings: Settings,
    /// How keys are made.
    pub keys: Keys,
    /// The branch that is mirrored; empty if there is none.
    pub branch: String,
    /// Patterns of the channels to listen to there if no prefix says whose they are.
    pub channels: Vec<String>,
    /// The name of this worktree there: random, made once.
    pub node: String,
    /// Tries before the server counts as lost; at least one.
    pub retry_attempts: u32,
    /// The pause between tries.
    pub retry_delay: Duration,
    /// How often all documents there are compared.
    pub scan_every: Duration,
}

impl RedisTarget {
    /// Its address, without a password.
    #[must_use]
    pub fn address(&self) -> String {
        self.settings.address.to_string()
    }

    /// What to do about a branch that is not checked out.
    pub(super) fn pause_hint(&self) -> &'static str {
        if self.branch.is_empty() {
            "run `mycelium bridge enable --branch B`"
        } else {
            "check that branch out, or set `bridge.branch`"
        }
    }

    /// The server and the prefix on it, as the name of a folder: what is remembered of one says nothing of another.
    pub(super) fn memory_name(&self) -> String {
        reconcile::digest(format!("{} {}", self.address(), self.keys.prefix()).as_bytes())[..16].to_owned()
    }
}

impl PartialEq for RedisTarget {
    fn eq(&self, other: &Self) -> bool {
        self.settings.address == other.settings.address
            && self.settings.ca == other.settings.ca
            && self.keys == other.keys
            && self.branch == other.branch
            && self.channels == other.channels
            && self.node == other.node
    }
}
