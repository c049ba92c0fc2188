//! Why a change that is safely written is not committed yet, in words, and what to do about it. Wording only.

use std::fmt;

use super::UnknownBranch;
use crate::adapters::git::{Busy, IgnoredDocument};
use crate::core::diagnostic::Diagnostic;
use crate::core::problem::Problem;
use crate::core::time::Timestamp;
use crate::services::Error;

/// Why a change that is safely written is not committed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The watcher commits it in a moment.
    Watcher,
    /// Another process has the right to commit.
    Committer,
    /// Git is in the middle of something.
    Busy(Busy),
    /// Writers of this worktree pause until this moment.
    Paused(Timestamp),
    /// The branch moves faster than a commit can be made.
    Moving,
    /// The folder is not in a git repository.
    OutsideGit,
    /// Git ignores a document.
    Ignored(IgnoredDocument),
    /// A document is held back; the finding says which and why.
    HeldBack(Box<Diagnostic>),
    /// `commit.auto` is false.
    Off,
    /// Whether the remote has the dedicated branch is not known, so none is made here.
    Remote(Box<UnknownBranch>),
    /// This process may not write local state, as in a sandbox that keeps `.git` read-only.
    ReadOnly,
    /// The commit failed.
    Failed {
        /// Why.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl Waiting {
    /// It is over by itself in a moment: trying again is worth it.
    pub(in crate::services) fn is_passing(&self) -> bool {
        match self {
            Self::Committer | Self::Busy(Busy::Locked(_) | Busy::AtWork(_) | Busy::Contended { .. }) | Self::Moving => {
                true
            }
            Self::Watcher
            | Self::Busy(Busy::Operation(_))
            | Self::Paused(_)
            | Self::OutsideGit
            | Self::Ignored(_)
            | Self::HeldBack(_)
            | Self::Off
            | Self::Remote(_)
            | Self::ReadOnly
            | Self::Failed { .. } => false,
        }
    }

    /// Returns true if it passes without a change of settings or documents, so that the same call works later.
    #[must_use]
    pub const fn is_soon_over(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Committer | Self::Moving | Self::Watcher | Self::Paused(_))
    }

    /// A commit that failed after the write had succeeded.
    #[must_use]
    pub fn failed(error: &Error) -> Self {
        if error.is_state_read_only() {
            return Self::ReadOnly;
        }
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        Self::Failed { why, hint: error.hint() }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Busy(busy) => Some(busy.hint()),
            Self::OutsideGit => Some("run `git init` to keep a history".to_owned()),
            Self::Ignored(document) => Some(document.hint()),
            Self::HeldBack(finding) => finding.hint.clone(),
            Self::Remote(unknown) => Some(unknown.hint()),
            Self::Off => Some("run `mycelium config set commit.auto true`".to_owned()),
            Self::Paused(_) => Some("run `mycelium resume` to end the pause".to_owned()),
            Self::Committer | Self::Moving => Some("run `mycelium commit`".to_owned()),
            Self::Failed { hint, .. } => hint.clone(),
            Self::ReadOnly => Some("run `mycelium watch` outside of the sandbox".to_owned()),
            Self::Watcher => None,
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watcher => f.write_str("the watcher commits it"),
            Self::Committer => f.write_str("another process is committing"),
            Self::Busy(busy) => write!(f, "{busy}"),
            Self::Paused(until) => write!(f, "writers of this worktree pause until {until}"),
            Self::Moving => f.write_str("the branch keeps moving"),
            Self::OutsideGit => f.write_str("not in a git repository"),
            Self::Ignored(document) => write!(f, "git ignores `{}`", document.path),
            Self::HeldBack(finding) => write!(f, "{finding}"),
            Self::Off => f.write_str("commit.auto is false"),
            Self::Remote(unknown) => write!(f, "{unknown}"),
            Self::ReadOnly => f.write_str("`.git` is read-only here, so a process outside of the sandbox commits it"),
            Self::Failed { why, .. } => write!(f, "the commit failed: {why}"),
        }
    }
}
