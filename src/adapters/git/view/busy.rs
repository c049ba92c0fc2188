//! What is under way in a repository that a commit must wait for. Removes nothing of anybody else's.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::GitView;
use crate::adapters::git::committer::recover;
use crate::adapters::git::error::GitError;
use crate::adapters::git::journal;
use crate::adapters::git::lock::{self, LockHolder};
use crate::adapters::git::references::BranchHead;
use crate::adapters::git::sabotage::{self, Sabotage};
use crate::adapters::git::view::processes::GitProcess;

/// Files of the git directory that git locks, beside the branch.
const LOCKED: [&str; 5] = ["index", "HEAD", "config", "packed-refs", "shallow"];

/// An operation of git that takes several steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitOperation {
    /// `git merge`.
    Merge,
    /// `git rebase`.
    Rebase,
    /// `git cherry-pick`.
    CherryPick,
    /// `git revert`.
    Revert,
    /// `git bisect`.
    Bisect,
    /// `git am`.
    ApplyPatches,
}

impl GitOperation {
    /// The command of git that it belongs to.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
            Self::CherryPick => "cherry-pick",
            Self::Revert => "revert",
            Self::Bisect => "bisect",
            Self::ApplyPatches => "am",
        }
    }
}

/// Why commits wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Busy {
    /// An operation of several steps has not ended.
    Operation(GitOperation),
    /// A lock is held.
    Locked(LockHolder),
    /// A git process has read HEAD or the index and will write them.
    AtWork(GitProcess),
    /// Branch or index changed again and again while the commit was made.
    Contended {
        /// For how long it was tried.
        tried: Duration,
    },
}

impl Busy {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Operation(GitOperation::Bisect) => {
                "end it with `git bisect reset`; what waits is committed then".to_owned()
            }
            // Unlike the others, a rebase does not go on over changes of tracked files, and those are changed by every write.
            Self::Operation(GitOperation::Rebase) => {
                "end it with `git rebase --continue`; what waits is committed then. If git refuses to go on because \
                documents have changed, put their folder aside: `git stash push -- FOLDER`, `git rebase --continue`, \
                `git stash pop`. `git rebase --abort` and `--skip` put documents back as they were committed; \
                `mycelium restore` then brings back what was not"
                    .to_owned()
            }
            Self::Operation(operation) => {
                let word = operation.word();
                format!(
                    "end it with `git {word} --continue` or `git {word} --abort`; what waits is committed then, and what git \
                     puts back before that is brought back by `mycelium restore`"
                )
            }
            Self::Locked(held) => held.hint(),
            Self::AtWork(process) => process.hint(),
            Self::Contended { .. } => "try again in a moment".to_owned(),
        }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(operation) => write!(f, "a git {} is under way", operation.word()),
            Self::Locked(held) => write!(f, "{held}"),
            Self::AtWork(process) => write!(f, "{process}"),
            Self::Contended { tried } => {
                write!(f, "the branch or the index kept changing for {} ms", tried.as_millis())
            }
        }
    }
}

impl GitView<'_> {
    /// Tells whether git, or a commit of ours, is changing the index at this moment.
    #[must_use]
    pub fn index_is_locked(self) -> bool {
        self.repo.index_path().with_extension("lock").exists()
    }

    /// What a commit to the current branch would have to wait for, if anything. A lock that a dead commit of ours left is
    /// recovered first.
    ///
    /// # Errors
    /// [`GitError`] if a lock cannot be looked at or recovered.
    pub fn busy(self) -> Result<Option<Busy>, GitError> {
        if let Some(operation) = self.operation() {
            return Ok(Some(Busy::Operation(operation)));
        }
        let path = self.repo.index_path().with_extension("lock");
        if !path.try_exists().map_err(GitError::io("look at", &path))? {
            return Ok(None);
        }
        self.repo.committer().recover()?;
        Ok(lock::describe(&path, self.repo.work_tree()).map(Busy::Locked))
    }

    /// Returns the git process that a commit to the current branch has to wait for, if one is seen in this worktree.
    #[must_use]
    pub fn at_work(self) -> Option<Busy> {
        self.git_at_work().map(Busy::AtWork)
    }

    /// Since when somebody holds the lock of the index, as git does while it changes files; `None` if nobody does.
    #[must_use]
    pub fn index_locked_since(self) -> Option<SystemTime> {
        self.repo.index_path().with_extension("lock").symlink_metadata().ok()?.modified().ok()
    }

    /// The operation of several steps that is under way in this work tree, if any.
    #[must_use]
    pub fn operation(self) -> Option<GitOperation> {
        if sabotage::on(Sabotage::NoBusy) {
            return None;
        }
        let has = |name: &str| self.repo.git_dir().join(name).exists();
        if has("rebase-apply") {
            let is_patches = has("rebase-apply/applying");
            return Some(if is_patches { GitOperation::ApplyPatches } else { GitOperation::Rebase });
        }
        [
            ("rebase-merge", GitOperation::Rebase),
            ("CHERRY_PICK_HEAD", GitOperation::CherryPick),
            ("REVERT_HEAD", GitOperation::Revert),
            ("MERGE_HEAD", GitOperation::Merge),
            ("BISECT_LOG", GitOperation::Bisect),
        ]
        .into_iter()
        .find_map(|(name, operation)| has(name).then_some(operation))
        .or_else(|| sequencer(self.repo.git_dir()))
    }

    /// The locks that are held now, with whom and for how long.
    #[must_use]
    pub fn locks(self, head: &BranchHead) -> Vec<LockHolder> {
        let names = LOCKED.iter().flat_map(|name| [self.repo.git_dir().join(name), self.repo.common_dir().join(name)]);
        let branch = head.branch.as_ref().map(|branch| self.repo.common_dir().join("refs/heads").join(branch));
        let mut files: Vec<PathBuf> = names.chain(branch).collect();
        files.sort();
        files.dedup();
        let own = self.own_dead_locks();
        files.retain(|file| !own.contains(file));
        files.iter().filter_map(|file| lock::describe(&lock::lock_path(file), self.repo.work_tree())).collect()
    }

    /// What a commit would have to wait for, as [`Self::busy`] says, but nothing is recovered on the way.
    ///
    /// # Errors
    /// [`GitError`] if a lock cannot be looked at.
    pub fn seems_busy(self) -> Result<Option<Busy>, GitError> {
        if let Some(operation) = self.operation() {
            return Ok(Some(Busy::Operation(operation)));
        }
        let index = self.repo.index_path();
        if self.own_dead_locks().contains(&index) {
            return Ok(None);
        }
        Ok(lock::describe(&lock::lock_path(&index), self.repo.work_tree()).map(Busy::Locked))
    }

    /// What is locked by commits of ours that are dead; the next one takes these locks away.
    fn own_dead_locks(self) -> Vec<PathBuf> {
        let leftovers = journal::leftovers(&self.repo.run_dir()).unwrap_or_default();
        let journals = leftovers.into_iter().filter_map(|leftover| leftover.journal);
        let notes = journals.flat_map(|(journal, _lock)| journal.locks);
        notes.filter(recover::is_ours).map(|note| note.target).collect()
    }
}

/// A cherry-pick or revert of several commits stands still between two of them.
fn sequencer(git_dir: &Path) -> Option<GitOperation> {
    let todo = std::fs::read_to_string(git_dir.join("sequencer/todo")).ok()?;
    Some(if todo.starts_with("revert") { GitOperation::Revert } else { GitOperation::CherryPick })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_to_wait_says_what_to_do() {
        let held = |holder: Option<&str>| {
            let age = Duration::from_secs(61);
            Busy::Locked(LockHolder { path: "/r/.git/index.lock".into(), age, holder: holder.map(str::to_owned) })
        };
        for (busy, text, hint) in [
            (
                Busy::Operation(GitOperation::Rebase),
                "a git rebase is under way",
                "end it with `git rebase --continue`; what waits is committed then. If git refuses to go on because \
                 documents have changed, put their folder aside: `git stash push -- FOLDER`, `git rebase --continue`, \
                 `git stash pop`. `git rebase --abort` and `--skip` put documents back as they were committed; \
                 `mycelium restore` then brings back what was not",
            ),
            (
                Busy::Operation(GitOperation::CherryPick),
                "a git cherry-pick is under way",
                "end it with `git cherry-pick --continue` or `git cherry-pick --abort`; what waits is committed then, and \
                 what git puts back before that is brought back by `mycelium restore`",
            ),
            (
                Busy::Operation(GitOperation::Bisect),
                "a git bisect is under way",
                "end it with `git bisect reset`; what waits is committed then",
            ),
            (
                held(Some("`git commit` (process 7)")),
                "`/r/.git/index.lock` has been held for 61 s, most likely by `git commit` (process 7)",
                "wait for it to end; what waits is committed then",
            ),
            (
                held(None),
                "`/r/.git/index.lock` has been held for 61 s and no git process was seen here",
                "if no git is running here, remove it: `rm '/r/.git/index.lock'`",
            ),
            (
                Busy::Contended { tried: Duration::from_secs(3) },
                "the branch or the index kept changing for 3000 ms",
                "try again in a moment",
            ),
        ] {
            assert_eq!((busy.to_string().as_str(), busy.hint().as_str()), (text, hint));
        }
    }
}
