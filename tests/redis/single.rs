//! Claims one by one, as most tests make them.

use mycelium::redis::{BridgeError, ClaimAnswer, ClaimAsk, Link};

pub(crate) trait SingleClaims {
    /// Asks for a task in any set of data.
    fn claim(&self, ask: &ClaimAsk) -> Result<ClaimAnswer, BridgeError> {
        self.claim_in(ask, "", "")
    }
    /// Asks for a task in a set of data and for a branch.
    fn claim_in(&self, ask: &ClaimAsk, known: &str, branch: &str) -> Result<ClaimAnswer, BridgeError>;
    /// Gives a task back; whether it was the agent's.
    fn unclaim(&self, hash: &str, agent: &str, fence: u64) -> Result<bool, BridgeError>;
}

impl SingleClaims for Link {
    fn claim_in(&self, ask: &ClaimAsk, known: &str, branch: &str) -> Result<ClaimAnswer, BridgeError> {
        self.claim_each(std::slice::from_ref(ask), known, branch)?.remove(0)
    }

    fn unclaim(&self, hash: &str, agent: &str, fence: u64) -> Result<bool, BridgeError> {
        Ok(self.unclaim_each(&[(hash.to_owned(), agent.to_owned(), fence)])?.remove(0))
    }
}
