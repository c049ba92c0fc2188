//! Heartbeats of agents: recording them, and judging by them whether an agent is alive.

use std::collections::BTreeMap;

use super::Leases;
use crate::core::entity::{Agent, Liveness};
use crate::core::name::AgentName;
use crate::core::time::Timestamp;
use crate::services::{Error, environment};

impl Leases<'_> {
    /// Records a heartbeat of an agent, with a document or without one, and returns its time. It is local state, shared by all
    /// worktrees: nothing is committed, and nothing waits for the disk.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be written.
    pub fn heartbeat(&self, agent: &AgentName) -> Result<Timestamp, Error> {
        let now = environment::now();
        self.store.local.write_heartbeat(agent, now)?;
        Ok(now)
    }

    /// Returns the last heartbeat of every agent that ever sent one.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be read.
    pub fn heartbeats(&self) -> Result<BTreeMap<AgentName, Timestamp>, Error> {
        Ok(self.store.local.heartbeats()?)
    }

    /// Returns whether an agent is alive, by its document and its heartbeats.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be read.
    pub fn liveness(&self, agent: &Agent) -> Result<Liveness, Error> {
        Ok(Liveness::new(agent, self.store.local.heartbeat(&agent.name)?, environment::now()))
    }
}
