//! Rings when something may have changed: a document, the branch, the state of the repository. It never says what has
//! changed and decides nothing; whoever is woken arms the watches again and then compares.
//!
//! File events get lost in many ways (a full queue, files made right after their directory, a directory removed and made
//! again), so each is only a reason to look. What makes the looking complete is the order: arm a directory, list it, arm
//! its children, and only then scan. Whatever comes after that scan rings again.
#![allow(clippy::disallowed_methods, reason = "the shell touches files")]

mod bell;
mod one_file;
mod remote;
mod sabotage;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bell::{Bell, Interest};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use sabotage::Sabotage;

pub use one_file::FileWatch;

use crate::core::health::{FileSystem, Limits};
use crate::core::name::visible;

/// Rounds of arming before giving up on a tree that changes all the time.
const ROUNDS_MAX: usize = 8;
/// Most months of the archive that are watched; older ones hardly change.
const MONTHS_MAX: usize = 240;
/// Files of the git directory that tell that a commit has to wait, or no longer has to.
const GIT_NAMES: &[&str] = &[
    "HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "BISECT_LOG",
    "BISECT_START",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "config",
];
/// Locks of the git directory whose end is worth a look while somebody waits. Every `git status` makes one.
const GIT_LOCKS: &[&str] = &["index.lock", "HEAD.lock"];

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The work tree, or the plain directory.
    pub root: PathBuf,
    /// The coordination folder in it, `/` between parts.
    pub folder: String,
    /// The repository, if there is one.
    pub git: Option<GitPlaces>,
    /// Files of settings, absolute; they need not be there, nor the folders on the way to them.
    pub settings: Vec<PathBuf>,
}

/// Where the repository keeps what matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitPlaces {
    /// The git directory of this work tree.
    pub git_dir: PathBuf,
    /// The git directory that all work trees share.
    pub common_dir: PathBuf,
    /// The full name of the branch that commits go to (`refs/heads/x`); `None`: the current one.
    pub target: Option<String>,
}

/// Why file events do not come, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Gap {
    /// The kernel's limit of watched directories is reached.
    #[error("the limit of watched directories is reached")]
    Watches,
    /// The kernel's limit of watching programs is reached.
    #[error("the limit of programs that watch files is reached")]
    Instances,
    /// The file system is another machine's.
    #[error("`{root}` is on a file system of type {kind}, which does not report what other machines change")]
    Remote {
        /// The watched root.
        root: String,
        /// Its type.
        kind: String,
    },
    /// A directory that must be there is not.
    #[error("`{0}` is not there")]
    Missing(String),
    /// The tree changed all the time while it was being armed.
    #[error("`{0}` changes faster than it can be watched")]
    Restless(String),
    /// Anything else.
    #[error("cannot watch `{path}`")]
    Other {
        /// What could not be watched.
        path: String,
        /// The cause.
        #[source]
        source: notify::Error,
    },
}

impl Gap {
    /// What to do about it, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Watches => "run `sudo sysctl fs.inotify.max_user_watches=524288` to raise the limit",
            Self::Instances => "run `sudo sysctl fs.inotify.max_user_instances=1024` to raise the limit",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Whether the end of a lock should ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// Nobody waits: `git status` and the like are of no interest.
    Ignored,
    /// Somebody waits for a lock to go.
    Awaited,
}

/// Watches a coordination folder and its repository.
#[derive(Debug)]
pub struct Watcher {
    places: Places,
    bell: Arc<Bell>,
    native: Option<RecommendedWatcher>,
    /// The watched directories as they were when armed; `None`: in doubt.
    armed: BTreeMap<PathBuf, Option<Identity>>,
    remote: Option<String>,
    /// A directory in which everything matters.
    beside: Option<PathBuf>,
}

/// What makes a directory the same directory. Inode numbers are used again at once, so the time of birth counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Identity {
    fn of(dir: &Path) -> Option<Self> {
        let meta = fs::metadata(dir).ok().filter(fs::Metadata::is_dir)?;
        Some(Self { device: meta.dev(), inode: meta.ino(), born: meta.created().ok() })
    }
}

/// The file system under a path, where the kernel tells.
#[must_use]
pub fn file_system(path: &Path) -> Option<FileSystem> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let kind = remote::type_of(&mounts, &real)?;
    Some(FileSystem { remote: remote::is_remote(&kind), kind: visible(&kind) })
}

/// The kernel's limits of watches, where it has some.
#[must_use]
pub fn limits() -> Option<Limits> {
    let number = |name: &str| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok();
    Some(Limits { watches: number("max_user_watches")?, instances: number("max_user_instances")? })
}

impl Watcher {
    /// Prepares to watch; nothing rings before the first [`Watcher::arm`]. `ring` is called on another thread for every
    /// event that matters, so it must return at once: set a flag, fill a slot, nothing else.
    #[must_use]
    pub fn new(places: Places, ring: impl Fn() + Send + Sync + 'static) -> Self {
        let remote = remote_type(&places.root);
        Self { places, bell: Arc::new(Bell::new(ring)), native: None, armed: BTreeMap::new(), remote, beside: None }
    }

    /// Watches one more directory, in which everything matters; it may come and go.
    #[must_use]
    pub fn beside(self, dir: PathBuf) -> Self {
        Self { beside: Some(dir), ..self }
    }

    /// From the next [`Watcher::arm`] on this is watched, and what was watched before no longer.
    pub fn turn_to(&mut self, places: Places) {
        if places.root != self.places.root {
            self.remote = remote_type(&places.root);
        }
        self.places = places;
    }

    /// Says whether the end of a lock should ring.
    pub fn heed(&self, locks: Locks) {
        self.bell.set_waiting(locks == Locks::Awaited);
    }

    /// Makes sure that everything that exists is watched, and that the watches are those of the directories that are
    /// there now. To be called before each scan; costs a few system calls when nothing has changed.
    ///
    /// # Errors
    /// [`Gap`] if changes may go unnoticed: then compare from time to time, and call again.
    pub fn arm(&mut self) -> Result<(), Gap> {
        if self.native.is_none() {
            let bell = self.bell.clone();
            let native = RecommendedWatcher::new(move |event| bell.hear(&event), notify::Config::default());
            self.native = Some(native.map_err(|error| gap(&self.places.root, error, Gap::Instances))?);
        }
        for _ in 0..ROUNDS_MAX {
            if self.bell.take_stale() {
                self.armed.values_mut().for_each(|identity| *identity = None);
            }
            if self.arm_all()? == Outcome::Settled {
                let root = self.places.root.display().to_string();
                return self.remote.clone().map_or(Ok(()), |kind| Err(Gap::Remote { root, kind }));
            }
        }
        Err(Gap::Restless(self.places.root.display().to_string()))
    }

    /// The directories that are watched now.
    pub fn watched(&self) -> impl Iterator<Item = &Path> {
        self.armed.keys().map(PathBuf::as_path)
    }

    fn arm_all(&mut self) -> Result<Outcome, Gap> {
        let mut survey = Survey::default();
        self.arm_folder(&mut survey)?;
        if let Some(dir) = self.beside.clone() {
            self.arm_one(&dir, &Interest { everything: true, ..Interest::default() }, &mut survey)?;
        }
        if let Some(git) = self.places.git.clone().filter(|_| !sabotage::on(Sabotage::IgnoreBranch)) {
            self.arm_repository(&git, &mut survey)?;
        }
        let settings = self.places.settings.clone().into_iter();
        for file in settings.filter(|_| !sabotage::on(Sabotage::DeafToSettings)) {
            self.arm_settings(&file, &mut survey)?;
        }
        let gone: Vec<PathBuf> = self.armed.keys().filter(|dir| !survey.wanted.contains_key(*dir)).cloned().collect();
        for dir in gone {
            self.disarm(&dir);
        }
        Ok(survey.outcome)
    }

    /// Every existing part of the way down to the folder, so that its making and unmaking are seen; then what is in it.
    fn arm_folder(&mut self, survey: &mut Survey) -> Result<(), Gap> {
        let mut dir = self.places.root.clone();
        for part in self.places.folder.clone().split('/').filter(|part| !part.is_empty()) {
            if !self.arm_one(&dir, &Interest::names([part]), survey)? {
                return required(&dir, &self.places.root);
            }
            dir.push(part);
        }
        let documents = Interest { documents: true, ..Interest::default() };
        if !self.arm_one(&dir, &Interest { names: ["archive".to_owned()].into(), ..documents.clone() }, survey)? {
            return required(&dir, &self.places.root);
        }
        let archive = dir.join("archive");
        if self.arm_one(&archive, &Interest { everything: true, ..Interest::default() }, survey)? {
            for month in months(&archive) {
                self.arm_one(&archive.join(month), &documents, survey)?;
            }
        }
        Ok(())
    }

    /// The folder of a file, or the nearest one above that is there: then it is the making of the next part that matters.
    fn arm_settings(&mut self, file: &Path, survey: &mut Survey) -> Result<(), Gap> {
        let ways = file.ancestors().zip(file.ancestors().skip(1));
        for (part, dir) in ways.filter_map(|(part, dir)| Some((part.file_name()?.to_str()?, dir))) {
            // By one name only: the kernel knows a directory by its number, and would tell of it by the last name.
            let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
            if self.arm_one(&dir, &Interest::names([part]), survey)? {
                break;
            }
        }
        Ok(())
    }

    /// The files that tell that the branch has moved or that git is at work.
    fn arm_repository(&mut self, git: &GitPlaces, survey: &mut Survey) -> Result<(), Gap> {
        let locks = GIT_LOCKS.iter().map(ToString::to_string).collect();
        if !self.arm_one(&git.git_dir, &Interest { locks, ..Interest::names(GIT_NAMES.iter().copied()) }, survey)? {
            return required(&git.git_dir, &git.git_dir);
        }
        self.arm_one(&git.common_dir.join("reftable"), &Interest::names(["tables.list"]), survey)?;
        let branch = git.target.clone().or_else(|| current_branch(&git.git_dir));
        let mut dir = git.common_dir.clone();
        for part in branch.iter().flat_map(|branch| branch.split('/')) {
            // The git directory itself is watched already, for other names; a loose ref cannot leave `refs`.
            if dir != git.common_dir && !self.arm_one(&dir, &Interest::names([part]), survey)? {
                break;
            }
            dir.push(part);
        }
        Ok(())
    }

    /// Arms one directory if it is there.
    fn arm_one(&mut self, dir: &Path, interest: &Interest, survey: &mut Survey) -> Result<bool, Gap> {
        let Some(before) = Identity::of(dir) else { return Ok(false) };
        // One directory may matter for several reasons.
        let whole = survey.wanted.entry(dir.to_path_buf()).or_default();
        whole.add(interest);
        // Before the watch, so that its first event is not taken for nothing.
        self.bell.interests().insert(dir.to_path_buf(), whole.clone());
        let is_same = self.armed.get(dir) == Some(&Some(before));
        if is_same || sabotage::on(Sabotage::NoRearm) && self.armed.contains_key(dir) {
            return Ok(true);
        }
        let Some(native) = self.native.as_mut() else { return Ok(true) };
        // The library would keep the watch of the directory that was there before.
        let _ = native.unwatch(dir);
        match native.watch(dir, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {
                survey.outcome = Outcome::Moved;
                return Ok(false);
            }
            Err(_) if sabotage::on(Sabotage::HideLimit) => return Ok(true),
            Err(error) => {
                self.armed.remove(dir);
                return Err(gap(dir, error, Gap::Watches));
            }
        }
        if Identity::of(dir) == Some(before) {
            self.armed.insert(dir.to_path_buf(), Some(before));
        } else {
            survey.outcome = Outcome::Moved;
        }
        Ok(true)
    }

    fn disarm(&mut self, dir: &Path) {
        self.armed.remove(dir);
        self.bell.interests().remove(dir);
        if let Some(native) = self.native.as_mut() {
            // It is gone already if the directory is.
            let _ = native.unwatch(dir);
        }
    }
}

/// One pass over the directories that should be watched.
#[derive(Debug, Default)]
struct Survey {
    wanted: BTreeMap<PathBuf, Interest>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Outcome {
    #[default]
    Settled,
    /// Something was replaced while it was armed.
    Moved,
}

/// The type of the file system under a root, if it is another machine's.
fn remote_type(root: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    remote::remote_type(&mounts, &real)
}

/// A part of the folder may be missing, the root may not.
fn required(dir: &Path, root: &Path) -> Result<(), Gap> {
    if dir == root { Err(Gap::Missing(root.display().to_string())) } else { Ok(()) }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound | ErrorKind::WatchNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        }
        _ => false,
    }
}

fn gap(path: &Path, source: notify::Error, limit: Gap) -> Gap {
    let is_limit = match &source.kind {
        ErrorKind::MaxFilesWatch => true,
        // EMFILE and ENFILE: no more instances, or no more file descriptors.
        ErrorKind::Io(error) => matches!(error.raw_os_error(), Some(23 | 24)),
        _ => false,
    };
    if is_limit { limit } else { Gap::Other { path: path.display().to_string(), source } }
}

/// The months of the archive, the latest first.
fn months(archive: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(archive).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).filter(|name| is_month(name)).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.truncate(MONTHS_MAX);
    names
}

/// Tells whether a name may be `YYYY-MM`.
fn is_month(name: &std::ffi::OsStr) -> bool {
    name.len() == 7 && name.as_encoded_bytes()[4] == b'-'
}

/// The branch that HEAD names; nothing when it is detached.
fn current_branch(git_dir: &Path) -> Option<String> {
    let head = fs::read_to_string(git_dir.join("HEAD")).ok()?;
    let branch = head.strip_prefix("ref:")?.trim();
    branch.starts_with("refs/").then(|| branch.to_owned())
}
