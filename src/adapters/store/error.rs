//! What can go wrong in the folder and its run state, each with the place and the next step. It never hides a cause.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::core::name::shell_word;
use crate::core::problem::{ErrorClass, Problem};
use crate::core::time::Timestamp;

/// The action of [`StoreError::Io`] where a hard link could not be made.
pub(super) const LINK: &str = "make a hard link at";

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
        what: EntryType,
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
    /// Writers of this worktree are to wait, and the pause was longer than we were ready to wait.
    #[error("writers of this worktree pause until {until}")]
    Paused {
        /// When the pause ends by itself.
        until: Timestamp,
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
    /// This process may not write local state, as in a sandbox that keeps `.git` read-only.
    #[error("local state in `{}` is read-only for this process", path.display())]
    StateReadOnly {
        /// The folder of local state.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
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
pub enum EntryType {
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
    /// A file whose name ends like a document's in other letters (`task-1.MD`).
    OtherEnding,
}

impl std::fmt::Display for EntryType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Symlink => "a symbolic link",
            Self::Directory => "a folder",
            Self::File => "a file",
            Self::Special => "a pipe, socket or device",
            Self::BadName => "a file whose name no document may have",
            Self::OtherEnding => "a file whose name does not end in `.md`",
        })
    }
}

impl StoreError {
    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }

    /// The same for a write in the folder `state` of local state, which a sandbox may keep from this process.
    pub(super) fn in_state(action: &'static str, state: &Path, path: &Path, source: io::Error) -> Self {
        if is_refusal(&source) {
            Self::StateReadOnly { path: state.to_owned(), source }
        } else {
            Self::io(action, path, source)
        }
    }

    /// Returns true if this process may read local state and not write it.
    #[must_use]
    pub const fn is_state_read_only(&self) -> bool {
        matches!(self, Self::StateReadOnly { .. })
    }

    /// Returns true if only one file or folder cannot be used, so that the others can still be read. A lack of memory or of
    /// open files is a fault of the process, and never of the file at which it was noticed.
    #[must_use]
    pub fn concerns_one_file(&self) -> bool {
        match self {
            Self::Strange { .. } => true,
            Self::Io { source, .. } => {
                let errno = source.raw_os_error().map(Errno::from_raw_os_error);
                !matches!(errno, None | Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
            }
            _ => false,
        }
    }

    /// The reason without the path: what stands there, or what the system answered.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Strange { what, .. } => format!("it is {what}"),
            Self::Io { source, .. } | Self::NotDurable { source, .. } | Self::StateReadOnly { source, .. } => {
                source.to_string()
            }
            other => other.to_string(),
        }
    }
}

impl Problem for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::StateReadOnly { .. } => "read-only-state",
            Self::Paused { .. } => "paused",
            _ => "store",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Busy { .. } | Self::Restless { .. } | Self::Paused { .. } | Self::StateReadOnly { .. } => {
                ErrorClass::Busy
            }
            Self::Strange { what: EntryType::Symlink, .. } => ErrorClass::Unsafe,
            _ => ErrorClass::Problem,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { action: LINK, source, .. } if is_without_links(source) => {
                "use a file system that has hard links: FAT, exFAT and some network shares have none"
            }
            Self::Io { source, path, .. } | Self::NotDurable { source, path, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                return Some(rights_hint(path));
            }
            Self::Io { source, .. } | Self::NotDurable { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some disk space, then try again",
                io::ErrorKind::ReadOnlyFilesystem => "mount the file system for writing, then try again",
                _ => return None,
            },
            Self::StateReadOnly { path, source } => return Some(sandbox_hint(path, source)),
            Self::Strange { what: EntryType::Symlink, .. } => "replace the symbolic link with the real folder or file",
            Self::Strange { .. } => "move it away, then try again",
            Self::BadFolder { .. } => "name a folder below the work tree, such as `.claude/coordination`",
            Self::TooBig { .. } => "split the document, or move bulky data to a file of its own",
            Self::Paused { .. } => "run `mycelium resume` to end the pause, or try again later",
            Self::Busy { .. } | Self::Restless { .. } => "try again in a moment",
            Self::NewerJournal { .. } => "use the newer version of mycelium",
        };
        Some(hint.to_owned())
    }
}

/// How to get the right to use a file; the folder around it may be what forbids it.
fn rights_hint(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let [folder, path] = [folder, path].map(|path| shell_word(&path.display().to_string()));
    format!("run `ls -ld {folder} {path}` to see whose they are; the owner can run `chmod u+rwX {folder} {path}`")
}

/// What FAT, exFAT and some others answer where a hard link is to be made.
fn is_without_links(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS))
}

/// Returns true if the system refuses to write there at all: a read-only mount, a sandbox, or the rights of the files.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// What to do where a sandbox keeps local state read-only.
fn sandbox_hint(state: &Path, source: &io::Error) -> String {
    let state = crate::core::name::visible(&state.display().to_string());
    let owner = match source.kind() {
        io::ErrorKind::PermissionDenied => ", or check who owns that folder",
        _ => "",
    };
    format!("let the sandbox write `{state}`, or run the command outside of the sandbox{owner}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_hard_links_is_named_as_the_fault() {
        for (action, errno, expected) in [
            (
                LINK,
                Errno::PERM,
                Some("use a file system that has hard links: FAT, exFAT and some network shares have none"),
            ),
            (LINK, Errno::ACCESS, Some("run `ls -ld . x` to see whose they are; the owner can run `chmod u+rwX . x`")),
            ("write", Errno::PERM, Some("run `ls -ld . x` to see whose they are; the owner can run `chmod u+rwX . x`")),
            (LINK, Errno::NOENT, None),
        ] {
            let error = StoreError::io(action, Path::new("x"), errno);
            assert_eq!(error.hint().as_deref(), expected, "{action}, {errno}");
        }
    }
}
