//! Locks that git knows (`<file>.lock`), taken by linking a prepared file there. Never removes a lock whose inode is not ours.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::error::{GitError, shown};
use super::index::FileId;
use super::mode::SharedMode;
use super::sabotage::{self, Sabotage};
use crate::core::name::visible;

/// A lock that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The lock file.
    pub path: PathBuf,
    /// How long it has been there.
    pub age: Duration,
    /// The process that most likely holds it, such as `git commit (process 4711)`.
    pub holder: Option<String>,
}

impl LockHolder {
    /// What to do next.
    pub(in crate::adapters::git) fn hint(&self) -> String {
        if self.holder.is_some() {
            "wait for it to end; what waits is committed then".to_owned()
        } else {
            format!("if no git is running here, remove it: `rm '{}'`", shown(&self.path))
        }
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has been held for {} s", shown(&self.path), self.age.as_secs())?;
        match &self.holder {
            Some(holder) => write!(f, ", most likely by {holder}"),
            None => f.write_str(" and no git process was seen here"),
        }
    }
}

/// A lock of ours: gone when dropped, unless it became the file that it guards.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    target: PathBuf,
    id: FileId,
    done: bool,
}

/// Why a lock could not be taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Somebody holds it.
    Held(PathBuf),
    /// It cannot be made.
    Failed(GitError),
}

impl Lock {
    /// Takes `<target>.lock` by linking a prepared file there.
    pub(super) fn take(prepared: &Path, target: &Path, shared: SharedMode) -> Result<Self, Refusal> {
        let path = lock_path(target);
        let id = match FileId::of(prepared) {
            Ok(Some(id)) => id,
            Ok(None) => return Err(Refusal::Failed(vanished(prepared))),
            Err(error) => return Err(Refusal::Failed(GitError::io("look at", prepared)(error))),
        };
        if sabotage::on(Sabotage::StealLocks) {
            let _ = fs::remove_file(&path);
        }
        let linked = fs::hard_link(prepared, &path).or_else(|error| {
            let parent = path.parent().filter(|_| error.kind() == io::ErrorKind::NotFound && prepared.exists());
            parent.map_or(Err(error), |parent| {
                shared.make_folders(parent)?;
                fs::hard_link(prepared, &path)
            })
        });
        match linked {
            Ok(()) => Ok(Self { path, target: target.to_owned(), id, done: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Refusal::Held(path)),
            Err(error) if is_without_links(&error) => Err(Refusal::Failed(GitError::refused(
                format!("cannot lock `{}`: no hard link can be made there ({error})", shown(&path)),
                "see whether the file system has hard links: FAT and some network shares have none, and git's locks need them \
                 to survive a crash; move the repository to one that has",
            ))),
            Err(error) => Err(Refusal::Failed(GitError::io("lock", &path)(error))),
        }
    }

    /// Makes the lock file the file that it guards, and so gives the lock up.
    pub(super) fn publish(mut self) -> Result<(), GitError> {
        fs::rename(&self.path, &self.target).map_err(GitError::io("replace", &self.target))?;
        self.done = true;
        Ok(())
    }

    /// Removes the lock; false if it is still there. If it stays, recovery removes it.
    pub(super) fn give_up(&mut self) -> bool {
        let is_ours = || FileId::of(&self.path).ok().flatten().is_some_and(|found| found.is_same_file(self.id));
        self.done = self.done || !is_ours() || fs::remove_file(&self.path).is_ok();
        self.done
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// What file systems without hard links answer: FAT and exFAT `EPERM`, others that it is not supported.
fn is_without_links(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV))
}

/// The lock file of a file: its whole name and `.lock`.
pub(super) fn lock_path(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn vanished(path: &Path) -> GitError {
    GitError::io("use", path)(io::Error::from(io::ErrorKind::NotFound))
}

/// Looks at a lock of somebody else; `None` if it is gone by now.
pub(super) fn describe(path: &Path, work_tree: &Path) -> Option<LockHolder> {
    let meta = fs::symlink_metadata(path).ok()?;
    let age = meta.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
    Some(LockHolder { path: path.to_owned(), age, holder: holder(path, work_tree) })
}

/// The process that has the lock open, else a git that runs in the work tree. Only Linux can tell.
fn holder(path: &Path, work_tree: &Path) -> Option<String> {
    let mut guess: Option<(u32, String)> = None;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == std::process::id() {
            continue;
        }
        let process = entry.path();
        let has_it_open = fs::read_dir(process.join("fd"))
            .is_ok_and(|fds| fds.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path)));
        if has_it_open {
            return Some(name_of(&process, pid));
        }
        let is_git = fs::read_to_string(process.join("comm")).is_ok_and(|name| name.starts_with("git"));
        // A child of a git is that git until it runs its hook.
        let is_child = || guess.as_ref().is_some_and(|(known, _)| parent_of(&process) == Some(*known));
        if is_git && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(work_tree)) && !is_child() {
            guess = Some((pid, name_of(&process, pid)));
        }
    }
    guess.map(|(_, name)| name)
}

fn parent_of(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn name_of(process: &Path, pid: u32) -> String {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let words: Vec<String> = line.split(|b| *b == 0).take(2).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    format!("`{}` (process {pid})", visible(words.join(" ").trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_hard_links_is_told_from_other_faults() {
        for (errno, expected) in [
            (Errno::PERM, true),
            (Errno::OPNOTSUPP, true),
            (Errno::XDEV, true),
            (Errno::ACCESS, false),
            (Errno::NOSPC, false),
            (Errno::ROFS, false),
        ] {
            assert_eq!(is_without_links(&errno.into()), expected, "{errno}");
        }
    }
}
