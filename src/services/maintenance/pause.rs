//! A pause of the writers of this worktree: what they have written is committed first.

use super::Maintenance;
use crate::core::engine::Force;
use crate::core::time::Timestamp;
use crate::services::{CommitReport, Error};

impl Maintenance<'_> {
    /// Begins a pause, or changes when it ends, and commits what is not committed. All other writers of this worktree wait
    /// until it ends; this project goes on.
    ///
    /// # Errors
    /// [`Error::Store`] if the local state cannot be written, or an operation that is under way does not end; others if the
    /// commit fails.
    pub fn pause_writers(&self, until: Timestamp) -> Result<CommitReport, Error> {
        self.documents.store.locks.pause(until)?;
        self.commits.commit_all(Force::No)
    }

    /// Ends a pause; false if there is none.
    ///
    /// # Errors
    /// [`Error::Store`] if the local state cannot be written.
    pub fn resume_writers(&self) -> Result<bool, Error> {
        Ok(self.documents.store.locks.resume()?)
    }
}
