//! What a repository holds now: HEAD, the documents of a revision, conflicts, and what is under way.

pub(super) mod busy;
pub(super) mod conflict;
pub(super) mod contents;
pub(super) mod processes;

use self::contents::revision;
use super::error::GitError;
use super::references::{BranchHead, Target, Tip};
use super::repository::Repository;
use crate::core::name::Revision;

fn head_of(tip: &Tip) -> BranchHead {
    let detached = tip.name == "HEAD";
    let branch = tip.name.strip_prefix("refs/heads/").map(str::to_owned);
    BranchHead { revision: tip.value.map(revision), branch, detached }
}

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
        Ok(head_of(&self.repo.references().tip(target)?))
    }

    /// What a target pointed to when this process looked or committed last, if that was this commit; nothing is read.
    #[must_use]
    pub fn last_head(self, target: &Target, at: &Revision) -> Option<BranchHead> {
        let last = self.repo.last_tip.borrow();
        let (_, of, tip) = last.as_ref()?;
        Some(head_of(tip)).filter(|head| of == target && head.revision.as_ref() == Some(at))
    }
}
