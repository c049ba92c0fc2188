//! Who acts.

use crate::core::name::AgentName;
use crate::services::after_write::WriteOrigin;
use crate::services::claim_arbiter::RemoteClaims;

/// Who carries out an operation, and what they may rely on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// The agent; `None` for a person.
    pub agent: Option<AgentName>,
    /// The fence that the agent believes to have.
    pub fence: Option<u64>,
    /// Whether a claim may be decided in this clone alone.
    pub claims: RemoteClaims,
    /// Where what they write comes from.
    pub(in crate::services) origin: WriteOrigin,
}

impl Actor {
    /// An agent that acts in this clone.
    #[must_use]
    pub fn agent(name: &AgentName) -> Self {
        Self { agent: Some(name.clone()), ..Self::default() }
    }

    /// The same actor, as this agent if it was none.
    #[must_use]
    pub fn or_agent(self, name: &AgentName) -> Self {
        Self { agent: self.agent.or_else(|| Some(name.clone())), ..self }
    }

    /// The same actor as another agent, or as a person.
    #[must_use]
    pub fn with_agent(self, agent: Option<AgentName>) -> Self {
        Self { agent, ..self }
    }

    /// The same actor by its fence alone: who begins a task need not be its holder.
    pub(super) fn fence_alone(&self) -> Self {
        Self { agent: None, ..self.clone() }
    }

    /// The same actor with the fence that it believes to have.
    #[must_use]
    pub fn with_fence(self, fence: Option<u64>) -> Self {
        Self { fence, ..self }
    }

    /// The same actor with other demands on who decides a claim.
    #[must_use]
    pub fn with_claims(self, claims: RemoteClaims) -> Self {
        Self { claims, ..self }
    }
}
