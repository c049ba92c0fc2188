//! In which condition the repository is: locks, leftovers, merges, hooks, addresses. Only looks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::index::entry::Stage;

use super::busy::Busy;
use super::error::{CommitError, GitError};
use super::identity::User;
use super::lock::{self, Held};
use super::reference::Head;
use super::repository::Repository;
use super::{contents, journal, program, recover};
use crate::core::name::{Revision, visible};
use crate::core::time::Timestamp;

/// Files of the git directory that git locks, beside the branch.
const LOCKED: [&str; 5] = ["index", "HEAD", "config", "packed-refs", "shallow"];
/// Hooks that a commit of documents could run.
const HOOKS: [&str; 2] = ["pre-commit", "post-commit"];

/// What `git --version` prints.
///
/// # Errors
/// Why the git program could not be asked.
pub fn program_version() -> Result<String, String> {
    program::version()
}

impl Repository {
    /// The locks that are held now, with whom and for how long.
    #[must_use]
    pub fn locks(&self, head: &Head) -> Vec<Held> {
        let names = LOCKED.iter().flat_map(|name| [self.git_dir().join(name), self.common_dir().join(name)]);
        let branch = head.branch.as_ref().map(|branch| self.common_dir().join("refs/heads").join(branch));
        let mut files: Vec<PathBuf> = names.chain(branch).collect();
        files.sort();
        files.dedup();
        let own = self.own_dead_locks();
        files.retain(|file| !own.contains(file));
        files.iter().filter_map(|file| lock::describe(&lock::lock_path(file), self.work_tree())).collect()
    }

    /// What a commit would have to wait for, as [`Repository::busy`] says, but nothing is recovered on the way.
    ///
    /// # Errors
    /// [`GitError`] if a lock cannot be looked at.
    pub fn seems_busy(&self) -> Result<Option<Busy>, GitError> {
        if let Some(operation) = self.operation() {
            return Ok(Some(Busy::Operation(operation)));
        }
        let index = self.index_path();
        if self.own_dead_locks().contains(&index) {
            return Ok(None);
        }
        Ok(lock::describe(&lock::lock_path(&index), self.work_tree()).map(Busy::Locked))
    }

    /// What is locked by commits of ours that are dead; the next one takes these locks away.
    fn own_dead_locks(&self) -> Vec<PathBuf> {
        let leftovers = journal::leftovers(&self.run_dir()).unwrap_or_default();
        let journals = leftovers.into_iter().filter_map(|leftover| leftover.journal);
        let notes = journals.flat_map(|(journal, _lock)| journal.locks);
        notes.filter(recover::is_ours).map(|note| note.target).collect()
    }

    /// How many commits of ours were killed and left something; [`Repository::recover`] sweeps it.
    ///
    /// # Errors
    /// [`GitError`] if run state cannot be read.
    pub fn leftovers(&self) -> Result<usize, GitError> {
        // A commit that was killed may have left either, or both.
        let quarantines = self.dead_quarantines();
        Ok(journal::leftovers(&self.run_dir())?.len().max(usize::from(!quarantines.is_empty())))
    }

    /// How many files of a folder have a merge that nobody has resolved.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn unmerged(&self, folder: &str) -> Result<usize, GitError> {
        let hash = self.gix().object_hash();
        let index = self.index(hash).map_err(GitError::object("read the index"))?;
        let inside = format!("{folder}/");
        let mut paths: Vec<_> = index
            .entries()
            .iter()
            .filter(|entry| entry.stage() != Stage::Unconflicted)
            .map(|entry| entry.path(&index))
            .filter(|path| path.starts_with(inside.as_bytes()))
            .collect();
        paths.dedup();
        Ok(paths.len())
    }

    /// Sees whether there is somebody to put down as committer.
    ///
    /// # Errors
    /// [`CommitError::NoIdentity`] if not.
    pub fn identity(&self) -> Result<(), CommitError> {
        User::read(self).map(drop)
    }

    /// The name of the user, as their commits have it.
    ///
    /// # Errors
    /// [`CommitError::NoIdentity`] if git knows none.
    pub fn user_name(&self) -> Result<String, CommitError> {
        Ok(User::read(self)?.name())
    }

    /// The hooks that are there and could run with a commit of documents.
    #[must_use]
    pub fn hook_names(&self) -> Vec<&'static str> {
        let own = self.gix().config_snapshot().trusted_path("core.hooksPath").ok().flatten();
        // A relative path is one from where hooks run: the top of the work tree.
        let folder = own.map_or_else(|| self.common_dir().join("hooks"), |path| self.work_tree().join(path));
        let is_program =
            |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        HOOKS.into_iter().filter(|name| is_program(&folder.join(name))).collect()
    }

    /// When a commit was made, by the clock of whoever made it.
    ///
    /// # Errors
    /// [`GitError::Object`] if it cannot be read.
    pub fn committed_at(&self, revision: &Revision) -> Result<Timestamp, GitError> {
        let failed = || GitError::object(format!("read the commit {}", revision.short()));
        let repo = self.gix();
        let commit = repo.find_commit(contents::parse(revision.as_str())?).map_err(failed())?;
        let seconds = commit.time().map_err(failed())?.seconds;
        Ok(Timestamp::from_unix_ms(seconds.saturating_mul(1_000)))
    }

    /// The remotes whose address holds a password.
    #[must_use]
    pub fn secret_remotes(&self) -> Vec<String> {
        let repo = self.gix();
        let config = repo.config_snapshot();
        let sections = config.plumbing().sections_by_name("remote").into_iter().flatten();
        let secret = sections.filter_map(|section| {
            let name = section.header().subsection_name()?.to_str_lossy().into_owned();
            let holds = |key: &str| section.values(key).iter().any(|url| has_password(&url.to_str_lossy()));
            (holds("url") || holds("pushurl")).then(|| visible(&name))
        });
        let mut names: Vec<String> = secret.collect();
        names.sort();
        names.dedup();
        names
    }
}

/// `https://name:password@host`: a colon before the last `@` of the authority.
fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_seen() {
        for (url, expected) in [
            ("https://me:secret@host/x.git", true),
            ("https://me:a@b@host/x", true),
            ("https://me@host/x:y@z", false),
            ("ssh://git@host:22/x", false),
            ("git@host:x/y.git", false),
            ("/srv/x:y@z", false),
        ] {
            assert_eq!(has_password(url), expected, "{url}");
        }
    }
}
