//! What can go wrong in the folder and its run state, each with the place and the next step. It never hides a cause.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Says why the folder or its run state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused a step. The old state is intact.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, in the imperative ("read", "write", ...).
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something stands where a plain file or folder is needed.
    #[error("`{}` is {what}, not {wanted}", path.display())]
    Strange {
        /// Where it stands.
        path: PathBuf,
        /// What it is.
        what: What,
        /// What was needed ("a plain file", "a folder").
        wanted: &'static str,
    },
    /// The configured folder is not a path inside the work tree.
    #[error("`{folder}` cannot be the coordination folder: {why}")]
    BadFolder {
        /// As it was given.
        folder: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// The document is, or would become, larger than a document may be.
    #[error("`{}` is larger than {max} bytes", path.display())]
    TooBig {
        /// Which document.
        path: PathBuf,
        /// The limit in bytes.
        max: u64,
    },
    /// Another process kept a lock for the whole time that we were ready to wait.
    #[error("`{}` was held by another process for {} ms", path.display(), waited.as_millis())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// A document was saved again and again by others while the operation tried to apply.
    #[error("`{}` changed {attempts} times while it was being written", path.display())]
    Restless {
        /// Which document (the first of the operation).
        path: PathBuf,
        /// How often we tried.
        attempts: u32,
    },
    /// The disk did not confirm the write. It is not acknowledged, and was taken back unless others had built on it.
    #[error("the disk did not confirm the write of `{}`", path.display())]
    NotDurable {
        /// What could not be synced.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file system cannot exchange two files in one step.
    #[error("the file system of `{}` cannot exchange two files in one step", path.display())]
    NoExchange {
        /// The document.
        path: PathBuf,
    },
    /// The journal was written by a newer version of this program.
    #[error("the journal `{}` was written by a newer version", path.display())]
    NewerJournal {
        /// The journal file.
        path: PathBuf,
    },
}

/// What a directory entry is, where it is not what was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A plain file.
    File,
    /// A pipe, socket or device.
    Special,
    /// A file whose name no document may have.
    BadName,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Symlink => "a symbolic link",
            Self::Directory => "a folder",
            Self::File => "a file",
            Self::Special => "a pipe, socket or device",
            Self::BadName => "a file whose name no document may have",
        })
    }
}

impl StoreError {
    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }

    /// Advice in the imperative, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } | Self::NotDurable { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some disk space, then try again")
                }
                io::ErrorKind::ReadOnlyFilesystem => Some("mount the file system for writing, then try again"),
                io::ErrorKind::PermissionDenied => Some("check who owns the file and its folder"),
                _ => None,
            },
            Self::Strange { what: What::Symlink, .. } => Some("replace the symbolic link with the real folder or file"),
            Self::Strange { .. } => Some("move it away, then try again"),
            Self::BadFolder { .. } => Some("name a folder below the work tree, such as `.claude/coordination`"),
            Self::TooBig { .. } => Some("split the document, or move bulky data to a file of its own"),
            Self::Busy { .. } | Self::Restless { .. } => Some("try again in a moment"),
            Self::NoExchange { .. } => {
                Some("keep the repository on a local file system (ext4, XFS, btrfs, tmpfs, APFS)")
            }
            Self::NewerJournal { .. } => Some("use the newer version of mycelium"),
        }
    }
}

/// Says why an operation was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError<E> {
    /// The caller's own decision was to refuse; every file is as it was.
    #[error(transparent)]
    Refused(E),
    /// The folder or its run state failed.
    #[error(transparent)]
    Store(StoreError),
}

impl<E> From<StoreError> for ApplyError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
