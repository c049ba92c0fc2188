//! The client's methods about agents.

use super::values::agent_name;
use super::{AgentReport, CoordinationClient, Error, Receipt};
use crate::entity::agent::AgentUpdate;
use crate::entity::{self, Agent, Entity};
use crate::name::{AgentName, Kind};
use crate::runner::{self, New, Outcome, Taken, Workspace};
use crate::snapshot::FindError;

/// Tries when a document comes and goes between look-up and write.
const ATTEMPTS_MAX: usize = 10;

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
        let acting = self.agent().cloned().unwrap_or_else(|| name.clone());
        let done = self.crew.run(Some(acting), move |_, workspace| Ok(store(workspace, &name, report)?.into()));
        done.await
    }

    /// What an agent says of itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has no document.
    pub async fn get_agent_status(&self, agent: &str) -> Result<Agent, Error> {
        match self.entity(Kind::Agent, agent).await? {
            Entity::Agent(agent) => Ok(*agent),
            _ => Err(not_found(Kind::Agent, agent)),
        }
    }

    /// The names of all agents that have a document, in order.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read.
    pub async fn list_agents(&self) -> Result<Vec<AgentName>, Error> {
        self.look(|live| live.agents().map(|agent| agent.name.clone()).collect()).await
    }

    /// Removes an agent's document; its history stays.
    ///
    /// Durable on return: the document is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has none.
    pub async fn remove_agent_status(&self, agent: &str) -> Result<Receipt, Error> {
        let name = agent_name(agent)?;
        let acting = self.agent().cloned().unwrap_or_else(|| name.clone());
        let remove = move |_: &_, workspace: &Workspace| Ok(workspace.remove(Kind::Agent, name.as_str())?.into());
        self.crew.run(Some(acting), remove).await
    }
}

/// Changes the agent's document or makes it, whichever is possible.
fn store(workspace: &Workspace, name: &AgentName, report: AgentReport) -> Result<Outcome, runner::Error> {
    let update = AgentUpdate {
        status: Some(report.status),
        active_tasks: report.active_tasks,
        metadata: report.metadata,
        ttl: report.ttl,
        ..AgentUpdate::at(workspace.now())
    };
    let change = |document: &_| entity::agent::set(document, &update);
    let mut tries = 0;
    loop {
        tries += 1;
        let last = tries == ATTEMPTS_MAX;
        match workspace.create(&New::Agent(update.clone().into_new(name.clone())), Taken::LookUp) {
            Err(runner::Error::Exists { .. }) => {}
            created => return created,
        }
        match workspace.change(Kind::Agent, name.as_str(), "set", &change) {
            Err(runner::Error::Gone { .. } | runner::Error::Find(FindError::NotFound { .. })) if !last => {}
            changed => return changed,
        }
    }
}

/// There is no such document.
pub(super) fn not_found(kind: Kind, id: &str) -> Error {
    let wanted = crate::name::visible(id);
    runner::Error::Find(FindError::NotFound { what: kind.word(), wanted, near: Vec::new() }).into()
}
