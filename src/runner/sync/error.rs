//! Why a sync could not be done, how a caller should take it, and what to do next. Wording only.

use super::super::{Class, Waiting};
use crate::git::UniteError;
use crate::name::{DocPath, visible};

/// Says why a sync could not be done. What was committed and fetched before stays; nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Nobody to exchange with.
    #[error("there is no remote to exchange with")]
    NoRemote,
    /// HEAD points to a commit, not to a branch.
    #[error("no branch is checked out: there is nothing to exchange")]
    Detached,
    /// The remote cannot be asked now.
    #[error("`{}` cannot be reached: {why}", visible(.remote))]
    Unreachable {
        /// What it is called.
        remote: String,
        /// Git's last words.
        why: String,
    },
    /// What is here could not be committed first.
    #[error("what is here cannot be committed now: {0}")]
    NotCommitted(Waiting),
    /// A document that came was changed here, and that is not committed.
    #[error("`{path}` came in another version, and the one here is not committed{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Uncommitted {
        /// Which.
        path: DocPath,
        /// Why it is held back, if it is known.
        why: Option<String>,
    },
    /// Both histories changed files beside the documents, and nobody asked for a merge of those.
    #[error("here and on `{}` other files than documents changed: {}", visible(.remote), .paths.join(", "))]
    BothChanged {
        /// The other side.
        remote: String,
        /// Some of the files.
        paths: Vec<String>,
    },
    /// The server refused the push, and a claim is nothing without it.
    #[error("`{}` does not take the push: {why}", visible(.remote))]
    Refused {
        /// What it is called.
        remote: String,
        /// Its reason.
        why: String,
    },
    /// A claim cannot be pushed, because commits of other files would go along.
    #[error("commits that are not pushed yet change other files than documents: {}", .paths.join(", "))]
    Code {
        /// Some of the files.
        paths: Vec<String>,
    },
    /// Others were faster each time.
    #[error("others pushed first, {tries} times in a row")]
    Raced {
        /// How often it was tried.
        tries: u32,
    },
    /// The two histories could not be made one.
    #[error(transparent)]
    Unite(#[from] UniteError),
}

impl SyncError {
    /// How to take it.
    #[must_use]
    pub(in super::super) fn class(&self) -> Class {
        match self {
            Self::NoRemote => Class::Problem,
            Self::Unreachable { .. } | Self::Raced { .. } | Self::Unite(UniteError::Moved) => Class::Busy,
            Self::NotCommitted(waiting) => match waiting {
                Waiting::OutsideGit | Waiting::Ignored(_) | Waiting::Off | Waiting::Failed { .. } => Class::Problem,
                Waiting::Watcher | Waiting::Committer | Waiting::Busy(_) | Waiting::Moving => Class::Busy,
            },
            Self::Unite(UniteError::Commit(error)) => super::super::error::of_trouble(error.trouble()),
            Self::Detached
            | Self::Uncommitted { .. }
            | Self::BothChanged { .. }
            | Self::Refused { .. }
            | Self::Code { .. }
            | Self::Unite(_) => Class::Conflict,
        }
    }

    /// What to do next, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRemote => "run `git remote add origin URL`".to_owned(),
            Self::Detached => "run `git switch BRANCH`".to_owned(),
            Self::Unreachable { .. } => "go on working: nothing is lost; run `mycelium sync` again later".to_owned(),
            Self::NotCommitted(waiting) => return waiting.hint(),
            Self::Uncommitted { .. } => "run `mycelium commit` to see why, then `mycelium sync` again".to_owned(),
            Self::BothChanged { .. } => {
                "run `mycelium sync --merge` to have git merge those too, or `git pull` yourself first".to_owned()
            }
            Self::Refused { .. } => way_around(),
            Self::Code { .. } => "run `git push` first, or `mycelium sync --with-code`".to_owned(),
            Self::Raced { .. } => "try again in a moment".to_owned(),
            Self::Unite(error) => match error {
                UniteError::Moved => "try again in a moment".to_owned(),
                UniteError::Drivers { .. } => "bring the other files here with `git pull`, then sync again".to_owned(),
                UniteError::InTheWay { .. } => "run `git stash` or commit them, then `mycelium sync` again".to_owned(),
                UniteError::Clash { .. } => "run `git pull --no-rebase`, and solve it by hand".to_owned(),
                UniteError::Commit(error) => return error.hint(),
            },
        })
    }
}

/// How changes get to a branch that takes no pushes.
#[must_use]
pub fn way_around() -> String {
    "push to a branch of your own and open a request (`git push origin HEAD:refs/heads/NAME`), or let the documents have a \
     branch of their own (`mycelium config set commit.branch coordination`)"
        .to_owned()
}
