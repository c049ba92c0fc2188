//! The client's methods about agents.

use std::ops::Deref;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::values::agent_name;
use super::{AgentFilter, AgentReport, CoordinationClient, Error, Receipt, actor};
use crate::core::entity::agent::AgentUpdate;
use crate::core::entity::{Agent, Entity, Liveness};
use crate::core::name::{AgentName, Kind};
use crate::core::operation::{DocumentChange, Request};
use crate::core::snapshot::FindError;
use crate::core::time::Timestamp;
use crate::services::{self, Project, Pruning};

/// An agent as it is known at this moment: what its document says, and its signs of life.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AgentState {
    /// What its document says.
    pub agent: Agent,
    /// When it was seen last, and whether that is too long ago.
    pub pulse: Liveness,
}

/// As `mycelium agent get --json`: what the document says, `seen` and `stale`.
impl Serialize for AgentState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = self.agent.to_json();
        fields["seen"] = json!(self.pulse.seen.map(|at| at.to_string()));
        fields["stale"] = json!(self.pulse.is_stale());
        fields.serialize(to)
    }
}

impl Deref for AgentState {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}

impl CoordinationClient {
    /// Says what an agent is doing; makes its document if there is none. Where nobody acts by name, the agent does.
    ///
    /// Durable on return: the document, with `last_updated` at this moment if anything else of it changed.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a name that is none; [`Error::Refused`] if its document cannot be changed as it stands;
    /// others as they are.
    pub async fn store_agent_status(&self, agent: &str, report: impl Into<AgentReport>) -> Result<Receipt, Error> {
        let (name, report) = (agent_name(agent)?, report.into());
        let by = actor(self).or_agent(&name);
        let store =
            move |_: &_, project: &Project| Ok(project.operations().run_one(&by, set(project, name, report))?.into());
        self.crew.run(store).await
    }

    /// What an agent says of itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has no document.
    pub async fn get_agent_status(&self, agent: &str) -> Result<AgentState, Error> {
        match self.entity(Kind::Agent, agent).await? {
            Entity::Agent(agent) => {
                let pulse = self.crew.pulse(&agent)?;
                Ok(AgentState { agent: *agent, pulse })
            }
            _ => Err(not_found(Kind::Agent, agent)),
        }
    }

    /// Gives a sign of life for an agent, whether it has a document or not, and gives the moment. No document changes and
    /// nothing is committed.
    ///
    /// Durable on return: nothing needs to be.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a name that is none.
    pub async fn beat(&self, agent: &str) -> Result<Timestamp, Error> {
        let name = agent_name(agent)?;
        self.crew.run(move |_, project| Ok(project.leases().heartbeat(&name)?)).await
    }

    /// The names of all agents that have a document, in order.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read.
    pub async fn list_agents(&self) -> Result<Vec<AgentName>, Error> {
        self.look(|live| live.agents().map(|agent| agent.name.clone()).collect()).await
    }

    /// The agents that a filter lets through, in the order of their names; `()` is all.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read.
    pub async fn list_agent_states(&self, filter: impl Into<AgentFilter>) -> Result<Vec<AgentState>, Error> {
        let filter = filter.into();
        let fits = move |agent: &&Agent| filter.status.is_none_or(|status| agent.status == status);
        let agents: Vec<Agent> = self.look(move |live| live.agents().filter(fits).cloned().collect()).await?;
        let state = |agent| Ok(AgentState { pulse: self.crew.pulse(&agent)?, agent });
        agents.into_iter().map(state).collect()
    }

    /// Removes the documents of agents that have been stale for at least this long and hold nothing. Gives their names.
    ///
    /// Durable on return: the documents are gone, in one operation.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read or written; then nothing is removed.
    pub async fn prune_agents(&self, older: Duration) -> Result<Vec<AgentName>, Error> {
        let by = actor(self);
        let prune = move |_: &_, project: &Project| {
            let pruned = project.operations().prune(&by, older, Pruning::Real)?;
            Ok(pruned.gone.into_iter().map(|stale| stale.name).collect())
        };
        self.crew.run(prune).await
    }

    /// Removes an agent's document; its history stays.
    ///
    /// Durable on return: the document is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has none.
    pub async fn remove_agent_status(&self, agent: &str) -> Result<Receipt, Error> {
        let name = agent_name(agent)?;
        let by = actor(self).or_agent(&name);
        let remove =
            move |_: &_, project: &Project| Ok(project.operations().remove(&by, Kind::Agent, name.as_str())?.into());
        self.crew.run(remove).await
    }
}

/// The request that says so: it changes the agent's document or makes it, whichever is possible.
pub(super) fn set(project: &Project, name: AgentName, report: AgentReport) -> Request<'static> {
    let update = AgentUpdate {
        status: Some(report.status),
        active_tasks: report.active_tasks,
        metadata: report.metadata,
        ttl: report.ttl,
        ..AgentUpdate::at(project.now())
    };
    DocumentChange::SetAgent { name, update: Box::new(update) }.into()
}

/// There is no such document.
pub(super) fn not_found(kind: Kind, id: &str) -> Error {
    let wanted = crate::core::name::visible(id);
    services::Error::Find(FindError::NotFound { what: kind.word(), wanted, near: Vec::new() }).into()
}
