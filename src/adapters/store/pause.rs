//! A pause of the writers of one worktree, so that git can change its files: they wait until it ends. It is a small file in
//! the local state with the moment at which it ends by itself, so that a process that dies leaves no pause behind.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::error::StoreError;
use super::lock::{FOLDER_WAIT, Locked};
use super::plain::read_text;
use super::recover::Held;
use super::{OperationLog, WorktreeLocks};
use crate::core::time::Timestamp;

/// Longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Time between two looks whether a pause has ended.
const NAP: Duration = Duration::from_millis(20);
/// Largest file of a pause that is read, in bytes: a moment is 25.
const PAUSE_BYTES_MAX: usize = 64;

impl WorktreeLocks {
    /// Begins a pause, or changes when it ends. Operations that are under way end first; this process goes on.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be written; [`StoreError::Busy`] if an operation does not end.
    pub fn pause(&self, until: Timestamp) -> Result<(), StoreError> {
        self.state.make_run()?;
        let path = self.pause_path();
        let text = format!("{}\n", until.to_the_millisecond());
        self.state.replace(&path, text.as_bytes()).map_err(|source| StoreError::io("write", &path, source))?;
        self.goes_on.store(true, Ordering::Relaxed);
        drop(self.lock_folder()?);
        Ok(())
    }

    /// Ends a pause; false if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be written.
    pub fn resume(&self) -> Result<bool, StoreError> {
        let path = self.pause_path();
        let was_paused = self.paused_until()?.is_some();
        match fs::remove_file(&path) {
            Ok(()) => Ok(was_paused),
            // A read-only file system refuses also where there is nothing to remove.
            Err(_) if !was_paused => Ok(false),
            Err(source) => Err(StoreError::in_state("remove", &self.state.run, &path, source)),
        }
    }

    /// Returns when the pause ends; `None` if there is none, if it has ended, or if its file holds anything else.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be read.
    pub fn paused_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let path = self.pause_path();
        let text = read_text(&path, PAUSE_BYTES_MAX).map_err(|source| StoreError::io("read", &path, source))?;
        let Some(until) = text.and_then(|text| text.trim().parse::<Timestamp>().ok()) else { return Ok(None) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        // A clock that was set back makes no pause longer than the longest.
        let left = until.unix_ms().saturating_sub(now);
        Ok((left > 0 && left <= i64::try_from(PAUSE_MAX.as_millis()).unwrap_or(i64::MAX)).then_some(until))
    }

    /// Returns when the pause ends that this process has to wait for.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be read.
    pub fn awaited_pause(&self) -> Result<Option<Timestamp>, StoreError> {
        if self.goes_on.load(Ordering::Relaxed) { Ok(None) } else { self.paused_until() }
    }

    /// The same for a process that may not write local state.
    pub(super) fn lock_unpaused_read_only(&self) -> Result<Locked, StoreError> {
        self.outside_pause(|| self.lock_folder_read_only())
    }

    fn outside_pause<T>(&self, lock: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let began = Instant::now();
        loop {
            let held = lock()?;
            if self.awaited_pause()?.is_none() {
                return Ok(held);
            }
            drop(held);
            while let Some(until) = self.awaited_pause()? {
                if began.elapsed() >= FOLDER_WAIT {
                    return Err(StoreError::Paused { until });
                }
                std::thread::sleep(NAP);
            }
        }
    }

    fn pause_path(&self) -> PathBuf {
        self.state.run.join("pause")
    }
}

impl OperationLog {
    /// Locks the folder for a write, outside of a pause. Who holds it when a pause begins ends first.
    pub(super) fn hold_to_write(&self, branch: Option<&str>) -> Result<Held, StoreError> {
        self.locks.outside_pause(|| self.hold(branch))
    }
}
