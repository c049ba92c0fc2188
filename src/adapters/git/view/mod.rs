//! What a repository holds now: HEAD, the documents of a revision, conflicts, and what is under way.

pub(super) mod busy;
pub(super) mod conflict;
pub(super) mod contents;
pub(super) mod processes;

use self::contents::revision;
use super::error::GitError;
use super::references::{BranchHead, Target};
use super::repository::Repository;

/// What a repository holds and what happens in it now: HEAD, the documents of a revision, conflicts, operations and processes of git. Writes nothing, save that a dead commit's lock is recovered.
#[derive(Debug, Clone, Copy)]
pub struct GitView<'r> {
    pub(super) repo: &'r Repository,
}

impl GitView<'_> {
    /// What a target points to now.
    ///
    /// # Errors
    /// [`GitError::Refused`] for a branch name that git does not allow; others if it cannot be read.
    pub fn head(self, target: &Target) -> Result<BranchHead, GitError> {
        let tip = self.repo.references().tip(target)?;
        let detached = tip.name == "HEAD";
        let branch = tip.name.strip_prefix("refs/heads/").map(str::to_owned);
        Ok(BranchHead { revision: tip.value.map(revision), branch, detached })
    }
}
