//! The records that operations leave in the journal.

use crate::adapters::git::{BranchHead, Repository, Target};
use crate::adapters::store::Operation;
use crate::core::name::AgentName;
use crate::services::error::again;
use crate::services::{Error, environment};

/// Makes the records of operations: an id, the moment, the agent that acts, the branch and its newest commit.
#[derive(Debug, Clone, Copy)]
pub(in crate::services) struct OperationRecords<'a> {
    repository: Option<&'a Repository>,
    target: &'a Target,
    agent: Option<&'a AgentName>,
}

impl<'a> OperationRecords<'a> {
    pub(in crate::services) const fn new(
        repository: Option<&'a Repository>,
        target: &'a Target,
        agent: Option<&'a AgentName>,
    ) -> Self {
        Self { repository, target, agent }
    }

    /// Returns the record of a new operation by the acting agent, on the branch that commits go to.
    pub(in crate::services) fn operation(&self, verb: &str) -> Result<Operation, Error> {
        let head = self.head()?;
        Ok(Operation {
            id: environment::new_operation()?,
            agent: self.agent.cloned(),
            verb: verb.to_owned(),
            at: environment::now(),
            branch: head.as_ref().and_then(|head| head.branch.clone()),
            base: head.and_then(|head| head.revision),
        })
    }

    /// Returns the branch that commits go to and its newest commit; `None` outside git.
    pub(in crate::services) fn head(&self) -> Result<Option<BranchHead>, Error> {
        again(|| Ok(self.repository.map(|repository| repository.view().head(self.target)).transpose()?))
    }
}
