//! The branch that a backend mirrors. While another one is checked out nothing is exchanged: what lies there is not what the
//! team agreed on.

use super::backend::MirrorTarget;
use crate::adapters::git::Repository;
use crate::core::config::Config;
use crate::core::name::visible;
use crate::services::Error;
use crate::services::commits::OperationRecords;

/// Why nothing is mirrored if no branch was checked out at first.
const NO_BRANCH: &str = "no branch was checked out when the bridge was first used, so none is mirrored";

/// Compares the branch that is checked out with the one that is mirrored.
#[derive(Debug, Clone, Copy)]
pub(in crate::services) struct BranchGuard<'a> {
    pub(super) config: &'a Config,
    pub(super) repository: Option<&'a Repository>,
    pub(super) records: OperationRecords<'a>,
}

impl BranchGuard<'_> {
    /// The branch that commits go to; empty outside git and on a detached HEAD.
    pub(super) fn current(self) -> Result<String, Error> {
        Ok(self.records.head()?.and_then(|head| head.branch).unwrap_or_default())
    }

    /// Returns `Ok(Err(why))` if another branch is checked out than the one that is mirrored.
    ///
    /// # Errors
    /// [`Error::Git`] if HEAD cannot be read.
    pub(in crate::services) fn check(self, mirrored: &MirrorTarget) -> Result<Result<(), String>, Error> {
        let mirrored = &mirrored.branch;
        if !self.applies() {
            return Ok(Ok(()));
        }
        if mirrored.is_empty() {
            return Ok(Err(NO_BRANCH.to_owned()));
        }
        Ok(match self.records.head()?.and_then(|head| head.branch) {
            Some(branch) if branch == *mirrored => Ok(()),
            Some(other) => Err(format!("`{other}` is checked out; the bridge follows `{mirrored}`")),
            None => Err(format!("no branch is checked out; the bridge follows `{mirrored}`")),
        })
    }

    /// Why nothing is mirrored now, in the words of `status` and `doctor`.
    pub(super) fn pause(self, mirrored: &MirrorTarget) -> Option<String> {
        let mirrored = &mirrored.branch;
        if !self.applies() {
            return None;
        }
        if mirrored.is_empty() {
            return Some(format!("paused: {NO_BRANCH}"));
        }
        let here = self.records.head().ok().flatten()?.branch.unwrap_or_else(|| "no branch".to_owned());
        let paused = || format!("paused: `{}` is mirrored, and {} is checked out", visible(mirrored), visible(&here));
        (here != *mirrored).then(paused)
    }

    /// Returns false outside git, and if documents have a branch of their own: then any branch may be checked out.
    fn applies(self) -> bool {
        self.repository.is_some() && self.config.text("commit.branch").is_none()
    }
}
