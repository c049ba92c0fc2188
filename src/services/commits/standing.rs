//! What stands between the folder and its history: what is not committed yet, and why. Only looks.

use super::survey::Survey;
use super::{Committer, Waiting};
use crate::adapters::git::{Busy, GitError, Repository, Target};
use crate::adapters::store::WatcherInfo;
use crate::core::engine::{self, Force, Held};
use crate::core::name::DocPath;
use crate::services::Error;

/// How the folder stands to its history.
#[derive(Debug, Clone, Default)]
pub struct UncommittedChanges {
    /// Documents that differ from the newest commit, those that were removed included.
    pub uncommitted: Vec<DocPath>,
    /// Those of them that will not be committed as they are.
    pub held: Vec<Held>,
    /// Those that git has in conflict: a merge, rebase or the like stopped at them, and nobody has resolved them.
    pub conflicts: Vec<DocPath>,
    /// What a commit would have to wait for.
    pub waiting: Option<Waiting>,
    /// This process may not write local state, as in a sandbox that keeps `.git` read-only.
    pub is_state_read_only: bool,
    /// The watcher that is alive.
    pub watcher: Option<WatcherInfo>,
}

/// A way to see what a commit would have to wait for.
pub(in crate::services) type Look = fn(&Repository) -> Result<Option<Busy>, GitError>;

impl Committer<'_> {
    /// Returns true if commits go to a detached HEAD: no branch holds them.
    #[must_use]
    pub fn is_on_no_branch(&self) -> bool {
        let head = self.records.head().ok().flatten();
        *self.target == Target::Current && head.is_some_and(|head| head.detached)
    }

    /// How the folder stands to its history.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository cannot be read.
    pub fn standing(&self) -> Result<UncommittedChanges, Error> {
        self.standing_by(|repository| repository.view().busy())
    }

    /// The same with another way to see what a commit would have to wait for.
    pub(in crate::services) fn standing_by(&self, busy: Look) -> Result<UncommittedChanges, Error> {
        let watcher = self.store.locks.watcher()?;
        let Some(repository) = self.repository else {
            return Ok(UncommittedChanges {
                waiting: Some(Waiting::OutsideGit),
                watcher,
                ..UncommittedChanges::default()
            });
        };
        let head = self.branch().folder_base(repository)?;
        let tracked = repository.view().contents(head.as_ref(), self.folder())?;
        let sight = Survey::default().look(self, &tracked)?;
        let changes = engine::changes(&tracked, &sight.files, &sight.own);
        let admission = engine::admit(&changes, tracked.len(), self.deletions_max(), Force::No);
        let waiting = if self.config.flag("commit.auto") {
            let at_work = || repository.view().at_work().filter(|_| *self.target == Target::Current);
            let paused = self.store.locks.paused_until()?.map(Waiting::Paused);
            paused.or(busy(repository)?.or_else(at_work).map(Waiting::Busy)).or(sight.ignored.map(Waiting::Ignored))
        } else {
            Some(Waiting::Off)
        };
        let conflicts = match self.target {
            Target::Current => repository.view().conflicts(self.folder())?.into_keys().collect(),
            Target::Branch(_) => Vec::new(),
        };
        let uncommitted: Vec<DocPath> = changes.into_keys().collect();
        let is_state_read_only = self.store.local.is_read_only();
        let is_left_to_others = is_state_read_only && !uncommitted.is_empty() && watcher.is_none();
        let waiting = waiting.or_else(|| is_left_to_others.then_some(Waiting::ReadOnly));
        Ok(UncommittedChanges { uncommitted, held: admission.held, conflicts, waiting, is_state_read_only, watcher })
    }
}
