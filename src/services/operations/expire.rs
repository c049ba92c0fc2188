//! Expires leases: a task whose holder has given no sign of life for too long is pending again.

use std::collections::BTreeSet;

use super::{Actor, Operations, Outcome};
use crate::core::name::{AgentName, DocId};
use crate::core::operation::DocumentChange;
use crate::services::Error;

/// A task that was taken back.
#[derive(Debug, Clone)]
pub struct TakenBack {
    /// Which task.
    pub task: DocId,
    /// Who had it.
    pub by: AgentName,
    /// What became of the document.
    pub outcome: Outcome,
}

impl Operations<'_> {
    /// Returns the tasks whose commands workers run in this worktree now.
    ///
    /// # Errors
    /// [`Error`] if local state cannot be read.
    pub fn worked_tasks(&self) -> Result<BTreeSet<DocId>, Error> {
        Ok(self.documents.store.local.worked_tasks()?)
    }

    /// Takes back the tasks of this work tree whose lease is over: they are pending again, and free for whoever asks.
    ///
    /// # Errors
    /// [`Error`] if the ledger or the folder fails; what was taken back stays so. One document that fails keeps no other.
    pub fn take_back(&self) -> Result<Vec<TakenBack>, Error> {
        self.take_back_of(&|_| true)
    }

    /// The same for the tasks that `is_one` lets through.
    ///
    /// # Errors
    /// As [`Operations::take_back`].
    pub fn take_back_of(&self, is_one: &dyn Fn(&DocId) -> bool) -> Result<Vec<TakenBack>, Error> {
        let (mut taken, mut failed) = (Vec::new(), None);
        for (id, path, left) in self.leases.held_here()? {
            if !left.is_over() || !is_one(&id) {
                continue;
            }
            let by = self.leases.task_at(&path)?.and_then(|task| task.claimed_by);
            match (self.run_one(&Actor::default(), DocumentChange::Expire { path }), by) {
                (Ok(outcome), Some(by)) => taken.push(TakenBack { task: id, by, outcome }),
                // Renewed, released or finished at the same time.
                (Ok(_), None)
                | (Err(Error::NotHeld { .. } | Error::Refused { .. } | Error::Gone { .. } | Error::GitsAlone(_)), _) => {
                }
                // One that cannot be taken back keeps no other.
                (Err(error), _) => failed = failed.or(Some(error)),
            }
        }
        failed.filter(|_| taken.is_empty()).map_or(Ok(taken), Err)
    }
}
