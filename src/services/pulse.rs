//! Agents' signs of life: giving them and reading them.

use std::collections::BTreeMap;

use super::{Error, Project};
use crate::core::entity::{Agent, Pulse};
use crate::core::name::AgentName;
use crate::core::time::Timestamp;

impl Project {
    /// Gives a sign of life for an agent, whether it has a document or not. It is run state, shared by all work trees:
    /// nothing is committed, and the disk is not waited for. Gives the moment.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be written.
    pub fn beat(&self, agent: &AgentName) -> Result<Timestamp, Error> {
        let now = self.now();
        self.store.beat(agent, now)?;
        Ok(now)
    }

    /// The last sign of life of every agent that ever gave one by [`Project::beat`].
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn beats(&self) -> Result<BTreeMap<AgentName, Timestamp>, Error> {
        Ok(self.store.beats()?)
    }

    /// Whether an agent is alive, by its document and its heart-beats.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn pulse(&self, agent: &Agent) -> Result<Pulse, Error> {
        Ok(Pulse::of(agent, self.store.beat_of(&agent.name)?, self.now()))
    }
}
