//! What stands between the folder and its history: what is not committed yet, and why. Only looks.

use super::survey::Survey;
use super::{Error, Waiting, Workspace};
use crate::engine::{self, Force, Held};
use crate::git::{Busy, GitError, Repository, Target};
use crate::name::DocPath;
use crate::store::WatcherInfo;

/// How the folder stands to its history.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Documents that differ from the newest commit, those that were removed included.
    pub uncommitted: Vec<DocPath>,
    /// Those of them that will not be committed as they are.
    pub held: Vec<Held>,
    /// Those that git has in conflict: a merge, rebase or the like stopped at them, and nobody has resolved them.
    pub conflicts: Vec<DocPath>,
    /// What a commit would have to wait for.
    pub waiting: Option<Waiting>,
    /// The watcher that is alive.
    pub watcher: Option<WatcherInfo>,
}

/// A way to see what a commit would have to wait for.
pub(super) type Look = fn(&Repository) -> Result<Option<Busy>, GitError>;

impl Workspace {
    /// How the folder stands to its history.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository cannot be read.
    pub fn standing(&self) -> Result<Standing, Error> {
        self.standing_by(Repository::busy)
    }

    /// The same with another way to see what a commit would have to wait for.
    pub(super) fn standing_by(&self, busy: Look) -> Result<Standing, Error> {
        let watcher = self.store.watcher()?;
        let Some(repository) = &self.repository else {
            return Ok(Standing { waiting: Some(Waiting::OutsideGit), watcher, ..Standing::default() });
        };
        let head = match self.target() {
            Target::Current => repository.head(&Target::Current)?.revision,
            // What others put on the branch since is not a change made here.
            Target::Branch(name) => self.followed(&name)?,
        };
        let tracked = repository.contents(head.as_ref(), self.folder())?;
        let sight = Survey::default().look(self, &tracked)?;
        let changes = engine::changes(&tracked, &sight.files, &sight.own);
        let admission = engine::admit(&changes, tracked.len(), Force::No);
        let waiting = if self.config.flag("commit.auto") {
            busy(repository)?.map(Waiting::Busy).or(sight.ignored.map(Waiting::Ignored))
        } else {
            Some(Waiting::Off)
        };
        let conflicts = match self.target() {
            Target::Current => repository.conflicts(self.folder())?.into_keys().collect(),
            Target::Branch(_) => Vec::new(),
        };
        let uncommitted = changes.into_keys().collect();
        Ok(Standing { uncommitted, held: admission.held, conflicts, waiting, watcher })
    }
}
