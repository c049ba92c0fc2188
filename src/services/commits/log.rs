//! What the newest commits say of operations.

use std::collections::BTreeSet;

use super::Committer;
use crate::adapters::git::{Commit, Repository};
use crate::core::name::{OperationId, Revision};
use crate::services::Error;

/// How far back to look for an operation that another process has just committed.
const RECENT: usize = 256;
/// How many commits are looked at without the git program: most often it is among the first few.
const NEWEST: usize = 64;

impl Committer<'_> {
    /// The commit in which another process put an operation of ours while we waited for our turn.
    pub(in crate::services) fn committed_by_another(&self, wanted: &OperationId) -> Option<Revision> {
        let repository = self.repository?;
        let holds =
            |message: &str| trailers(message, "Mycelium-Operation").filter_map(operation).any(|id| id == *wanted);
        if let Ok(Some(found)) = repository.view().newest_where(self.target, NEWEST, &holds) {
            return Some(found);
        }
        let commits = repository.log().history(self.target, self.folder(), &[], RECENT).ok()?;
        commits.into_iter().find(|commit| holds(&commit.message)).map(|commit| commit.revision)
    }

    /// The operations that the newest commits name: a process may have died after it committed them.
    pub(in crate::services) fn recently_committed(
        &self,
        repository: &Repository,
    ) -> Result<BTreeSet<OperationId>, Error> {
        let commits = repository.log().history(self.target, self.folder(), &[], RECENT)?;
        let ids = |commit: &Commit| -> Vec<OperationId> {
            trailers(&commit.message, "Mycelium-Operation").filter_map(operation).collect()
        };
        Ok(commits.iter().flat_map(ids).collect())
    }
}

/// The values of a trailer, wherever in the message it stands: a squash leaves them in the middle.
pub(in crate::services) fn trailers<'a>(message: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    message.lines().filter_map(move |line| line.trim().strip_prefix(key)?.strip_prefix(':').map(str::trim))
}

/// A trailer's operation id: its first word.
pub(in crate::services) fn operation(text: &str) -> Option<OperationId> {
    OperationId::new(text.split_whitespace().next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::commit_message::AGENT_TRAILER;

    #[test]
    fn trailers_are_found_anywhere() {
        let message = "squashed\n\n  Mycelium-Agent: a\ntext\nMycelium-Agent: b\nMycelium-Agents: c\n";
        assert_eq!(trailers(message, AGENT_TRAILER).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(operation("op-1 task.create").map(|id| id.to_string()), Some("op-1".into()));
    }
}
