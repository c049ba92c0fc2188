//! Which branch a bridge follows. While another one is checked out it pauses: what lies there is not what the team agreed on.

use super::wanted::Target;
use crate::core::reconcile;
use crate::services::{Error, Project};

/// Why nothing is mirrored where no branch was checked out at first.
pub(super) const NO_BRANCH: &str = "no branch was checked out when the bridge was first used, so none is mirrored";

impl Target {
    /// What to do about a branch that is not checked out.
    pub(super) fn pause_hint(&self) -> &'static str {
        if self.branch.is_empty() {
            "run `mycelium bridge enable --branch B`"
        } else {
            "check that branch out, or set `bridge.branch`"
        }
    }

    /// The server and the place on it, as a name for a folder: what is remembered of one says nothing of another.
    pub(super) fn memory_name(&self) -> String {
        reconcile::digest(format!("{} {}", self.address(), self.keys.prefix()).as_bytes())[..16].to_owned()
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.settings.address == other.settings.address
            && self.settings.ca == other.settings.ca
            && self.keys == other.keys
            && self.branch == other.branch
            && self.channels == other.channels
            && self.node == other.node
    }
}

impl Project {
    /// Tells whether the branch that the bridge follows is checked out; why not, in words, if another one is.
    ///
    /// # Errors
    /// [`Error::Git`] if HEAD cannot be read.
    pub(in crate::services) fn is_followed_branch(&self, target: &Target) -> Result<Result<(), String>, Error> {
        if self.repository.is_none() || self.config.text("commit.branch").is_some() {
            return Ok(Ok(()));
        }
        if target.branch.is_empty() {
            return Ok(Err(NO_BRANCH.to_owned()));
        }
        let follows = &target.branch;
        Ok(match self.records().head()?.and_then(|head| head.branch) {
            Some(branch) if branch == *follows => Ok(()),
            Some(other) => Err(format!("`{other}` is checked out; the bridge follows `{follows}`")),
            None => Err(format!("no branch is checked out; the bridge follows `{follows}`")),
        })
    }
}
