//! What can go wrong with a repository, and what to do next. Wording only.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::view::busy::Busy;
use crate::core::name::{Revision, visible};
use crate::core::problem::{ErrorClass, Problem};

/// How a caller should take an error (exit codes are made of it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It failed.
    Failed,
    /// The repository may not be used as it stands.
    Unsafe,
    /// Somebody else is at it; try again.
    Busy,
    /// The history moved on; plan again from its new tip.
    Moved,
}

impl Trouble {
    fn class(self) -> ErrorClass {
        match self {
            Self::Failed => ErrorClass::Problem,
            Self::Unsafe => ErrorClass::Unsafe,
            Self::Busy | Self::Moved => ErrorClass::Busy,
        }
    }
}

/// Says why the repository could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The repository is refused for safety.
    #[error("the repository at `{path}` is refused: {why}")]
    Unsafe {
        /// Which.
        path: String,
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// A file could not be used.
    #[error("cannot {what} `{path}`")]
    Io {
        /// The verb.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something in the repository could not be read or made.
    #[error("cannot {what}")]
    Object {
        /// Verb and object.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was asked for does not fit the repository.
    #[error("{what}")]
    Refused {
        /// What, and why.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The git program failed.
    #[error("`git {verb}` failed: {why}")]
    Program {
        /// Which command of git.
        verb: String,
        /// Its last words.
        why: String,
    },
}

impl GitError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = shown(path);
        move |source| Self::Io { what, path, source }
    }

    pub(super) fn object<E: Into<Box<dyn Error + Send + Sync>>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Object { what, source: source.into() }
    }

    pub(super) fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: hint.into() }
    }

    /// Tells whether a file or folder vanished while it was used.
    pub(super) fn is_vanished(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// How to take it.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Unsafe { .. } => Trouble::Unsafe,
            _ => Trouble::Failed,
        }
    }
}

impl Problem for GitError {
    fn code(&self) -> &'static str {
        "git"
    }

    fn class(&self) -> ErrorClass {
        self.trouble().class()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsafe { hint, .. } | Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Object { .. } => Some("run `git fsck` to see whether the repository is sound".to_owned()),
            Self::Io { .. } | Self::Program { .. } => None,
        }
    }
}

/// Says why nothing was committed. The branch and the index are as they were, but for [`CommitError::Undurable`].
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another operation is under way or holds a lock.
    #[error("{0}")]
    Busy(Box<Busy>),
    /// The documents in the history changed since the plan was made.
    #[error("the branch moved from {} to {} and changed documents", short(expected.as_ref()), short(found.as_ref()))]
    Moved {
        /// The revision of the plan.
        expected: Option<Revision>,
        /// The revision there is now.
        found: Option<Revision>,
    },
    /// Nobody to put down as committer.
    #[error("git does not know who you are: no name and email for the committer")]
    NoIdentity,
    /// The commit could not be signed.
    #[error("cannot sign the commit")]
    Signing(#[source] Box<dyn Error + Send + Sync>),
    /// The hook `pre-commit`, which the user's configuration asks for, did not agree.
    #[error("the hook `pre-commit` {why}")]
    Hook {
        /// What it did instead.
        why: String,
    },
    /// The commits were made, but the disk refused to sync: they may not survive a power cut.
    #[error("the commit `{}` was made, but may not survive a power cut", revision.short())]
    Undurable {
        /// The last of them.
        revision: Revision,
        /// Why.
        #[source]
        source: Box<GitError>,
    },
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl CommitError {
    /// How to take it.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Busy(_) => Trouble::Busy,
            Self::Moved { .. } => Trouble::Moved,
            Self::NoIdentity | Self::Signing(_) | Self::Hook { .. } | Self::Undurable { .. } => Trouble::Failed,
            Self::Git(error) => error.trouble(),
        }
    }
}

impl Problem for CommitError {
    fn code(&self) -> &'static str {
        "commit"
    }

    fn class(&self) -> ErrorClass {
        self.trouble().class()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Busy(busy) => Some(busy.hint()),
            Self::Moved { .. } => Some("commit again: the plan is then made from the new tip".to_owned()),
            Self::NoIdentity => Some(
                "run `git config --global user.name \"Your Name\"` and `git config --global user.email you@example.com`"
                    .to_owned(),
            ),
            Self::Signing(_) => Some(
                "check user.signingKey, gpg.format and gpg.program in your own git configuration (the repository's \
                 is not used for programs and keys), or run `git config commit.gpgSign false`"
                    .to_owned(),
            ),
            Self::Hook { .. } => Some(
                "run `git hook run pre-commit` to see more, or `mycelium config set --user commit.hooks false` to commit \
                 without hooks"
                    .to_owned(),
            ),
            Self::Undurable { .. } => Some("look after the disk: a sync that failed once is not to be trusted".to_owned()),
            Self::Git(error) => error.hint(),
        }
    }
}

fn short(revision: Option<&Revision>) -> String {
    revision.map_or_else(|| "nothing".to_owned(), |revision| format!("`{}`", revision.short()))
}

/// A path as it may be shown.
pub(super) fn shown(path: impl Into<PathBuf>) -> String {
    visible(&path.into().to_string_lossy())
}
