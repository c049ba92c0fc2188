//! Locks of the operating system on files that are never removed. A lock dies with its holder, so none can be stale,
//! and none is ever stolen.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::gate::Pass;
use super::plain::unless_missing;
use super::sabotage::{self, Sabotage};
use super::{LeaseFiles, StateFolder, WorktreeLocks, share};
use crate::core::time::Timestamp;

/// How long an operation waits for the folder before it says that it is busy. Holders need well under a millisecond.
pub const FOLDER_WAIT: Duration = Duration::from_secs(10);
/// How long a starting watcher retries: somebody who only asks whether one runs holds the lock for microseconds.
const WATCH_WAIT: Duration = Duration::from_millis(50);
/// The lock of the lease entries.
const CLAIM_LOCK: &str = "claim.lock";
const NAP_MIN: Duration = Duration::from_micros(100);
const NAP_MAX: Duration = Duration::from_millis(5);

/// The right to turn the journal into commits; given back when dropped.
#[derive(Debug)]
pub struct CommitLock(#[allow(dead_code, reason = "it is held")] Locked);

/// The right to give a task to somebody, one for all work trees of the repository; given back when dropped.
#[derive(Debug)]
pub struct ClaimLock(#[allow(dead_code, reason = "it is held")] Locked);

/// The turn of one who publishes, among those of a work tree, who all add to one file; given back when dropped.
#[derive(Debug)]
pub struct PublishTurn(#[allow(dead_code, reason = "it is held")] Locked);

/// The right to be this work tree's one watcher; given back when dropped.
#[derive(Debug)]
pub struct WatchLock(#[allow(dead_code, reason = "it is held")] Locked);

/// The right to be the one in this clone that follows a server; given back when dropped.
#[derive(Debug)]
pub struct FollowLock(#[allow(dead_code, reason = "it is held")] Locked);

/// The watcher that is alive now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatcherInfo {
    /// Its process id; `None` in the moment between its taking the lock and writing this down.
    pub pid: Option<u32>,
    /// When it started.
    pub since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    since_ms: i64,
}

/// Locks a file whose name nobody else knows yet, or that a sweeper holds for microseconds.
pub(super) fn own(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Locked {
    /// Holding the open file is holding the lock. It goes first: whoever passes next finds it free.
    _file: File,
    _pass: Option<Pass>,
}

/// Waits for an exclusive lock; `None` when the time is up.
pub(super) fn exclusive(path: &Path, wait: Duration) -> Result<Option<Locked>, StoreError> {
    wait_for(path, wait, || open_to_lock(path))
}

/// Waits for an exclusive lock on what `open` gives: the file at `path`, or what is locked in its place.
fn wait_for(
    path: &Path,
    wait: Duration,
    open: impl FnOnce() -> Result<File, StoreError>,
) -> Result<Option<Locked>, StoreError> {
    let until = Instant::now() + wait;
    let Some(pass) = Pass::get(path, until) else { return Ok(None) };
    let file = open()?;
    let mut nap = NAP_MIN;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Locked { _file: file, _pass: Some(pass) })),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", path, source)),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(nap.min(left));
        nap = (nap * 2).min(NAP_MAX);
    }
}

/// Whether somebody holds a lock; a file that is not there nobody does.
pub(super) fn is_held(path: &Path) -> Result<bool, StoreError> {
    let opened = unless_missing(File::open(path)).map_err(|source| StoreError::io("open", path, source))?;
    let Some(file) = opened else { return Ok(false) };
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(false),
            Err(TryLockError::WouldBlock) => return Ok(true),
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", path, source)),
        }
    }
}

/// Waits for an exclusive lock on a file of local state; `None` when the time is up. The rest of local state is made before the
/// file is, so if the file is there, all of it is.
fn exclusive_in(state: &StateFolder, name: &str, wait: Duration) -> Result<Option<Locked>, StoreError> {
    let path = state.run.join(name);
    wait_for(&path, wait, || match OpenOptions::new().read(true).append(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            state.make_run()?;
            open_to_lock(&path)
        }
        opened => opened.map_err(|source| StoreError::in_state("open", &state.run, &path, source)),
    })
}

fn open_to_lock(path: &Path) -> Result<File, StoreError> {
    let opened = share::open_or_make(OpenOptions::new().read(true).append(true), path);
    opened.map_err(|source| StoreError::in_state("open", path.parent().unwrap_or(path), path, source))
}

impl WorktreeLocks {
    /// The lock of the folder. The caller holds it for moments only.
    pub(super) fn lock_folder(&self) -> Result<Locked, StoreError> {
        let path = self.state.run.join("folder.lock");
        exclusive(&path, FOLDER_WAIT)?.ok_or(StoreError::Busy { path, waited: FOLDER_WAIT })
    }

    /// The lock of the folder for a process that may not write local state: the same file, opened for reading. Where it is not
    /// there yet, the folder itself is locked, which keeps out others who may not write local state either.
    pub(super) fn lock_folder_read_only(&self) -> Result<Locked, StoreError> {
        let path = self.state.run.join("folder.lock");
        let locked = wait_for(&path, FOLDER_WAIT, || match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.folder.path();
                File::open(&folder).map_err(|source| StoreError::io("open", &folder, source))
            }
            opened => opened.map_err(|source| StoreError::io("open", &path, source)),
        })?;
        locked.ok_or(StoreError::Busy { path, waited: FOLDER_WAIT })
    }

    /// Takes the right to commit; `None` if another process kept it for all of `wait`, or during a pause.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn lock_commits(&self, wait: Duration) -> Result<Option<CommitLock>, StoreError> {
        let lock = exclusive_in(&self.state, "commit.lock", wait)?.map(CommitLock);
        Ok(if self.awaited_pause()?.is_none() { lock } else { None })
    }

    /// Waits for one's turn to publish; `None` if others kept it for all of `wait`. Nothing depends on it: who goes without is
    /// overtaken by others, and has to begin again.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn publish_turn(&self, wait: Duration) -> Result<Option<PublishTurn>, StoreError> {
        Ok(exclusive_in(&self.state, "publish.lock", wait)?.map(PublishTurn))
    }

    /// Becomes this work tree's watcher; `None` if one is alive. `now` is what others are told as its start.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn lock_watch(&self, now: Timestamp) -> Result<Option<WatchLock>, StoreError> {
        let Some(lock) = exclusive_in(&self.state, "watch.lock", WATCH_WAIT)? else { return Ok(None) };
        let info = self.watch_info();
        let holder = Holder { pid: std::process::id(), since_ms: now.unix_ms() };
        let text = serde_json::to_vec(&holder).map_err(|source| StoreError::io("write", &info, source))?;
        self.state.replace(&info, &text).map_err(|source| StoreError::io("write", &info, source))?;
        Ok(Some(WatchLock(lock)))
    }

    /// Tells whether a watcher is alive, without waiting and without making anything.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be read.
    pub fn watcher(&self) -> Result<Option<WatcherInfo>, StoreError> {
        if !is_held(&self.state.run.join("watch.lock"))? {
            return Ok(None);
        }
        let holder = fs::read(self.watch_info()).ok().and_then(|text| serde_json::from_slice::<Holder>(&text).ok());
        Ok(Some(WatcherInfo {
            pid: holder.as_ref().map(|holder| holder.pid),
            since: holder.map(|holder| Timestamp::from_unix_ms(holder.since_ms)),
        }))
    }

    /// Becomes the one in this work tree that keeps mirroring to a server, by the name of a lock; `None` if another one is.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn lock_follow(&self, name: &str) -> Result<Option<FollowLock>, StoreError> {
        Ok(exclusive_in(&self.state, name, WATCH_WAIT)?.map(FollowLock))
    }

    /// Returns true if somebody keeps mirroring to a server here, without waiting and without making anything.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be read.
    pub fn is_followed(&self, name: &str) -> Result<bool, StoreError> {
        is_held(&self.state.run.join(name))
    }

    fn watch_info(&self) -> PathBuf {
        self.state.run.join("watch.json")
    }
}

impl LeaseFiles {
    /// Takes the right to give tasks to somebody; `None` if others kept it for all of `wait`. Holders need milliseconds and
    /// do not wait for the disk meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn lock(&self, wait: Duration) -> Result<Option<ClaimLock>, StoreError> {
        let path = self.lock_path();
        // In another worktree than the main one, the file says nothing of the local state there.
        if path.parent() == Some(&*self.state.run) && !sabotage::active(Sabotage::NoClaimLock) {
            return Ok(exclusive_in(&self.state, CLAIM_LOCK, wait)?.map(ClaimLock));
        }
        self.state.make_run()?;
        share::make_folders(&self.shared)
            .map_err(|source| StoreError::in_state("make the folder", &self.shared, &self.shared, source))?;
        if sabotage::active(Sabotage::NoClaimLock) {
            return File::create(&path)
                .map(|file| Some(ClaimLock(Locked { _file: file, _pass: None })))
                .map_err(|source| StoreError::io("open", &path, source));
        }
        Ok(exclusive(&path, wait)?.map(ClaimLock))
    }

    /// The file whose lock that is.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.shared.join(CLAIM_LOCK)
    }
}
