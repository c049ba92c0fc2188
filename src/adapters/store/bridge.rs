//! Run state of the bridge: small texts of this work tree, never reached through a symbolic link. What they say is the caller's.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::LocalState;
use super::error::StoreError;
use super::plain::{note_text_in, read_text_in, remove_in, replace_text_in, write_new_in};

/// Where they lie, below the run state.
pub(super) const FOLDER: &str = "bridge";
/// The largest of them.
const BYTES_MAX: usize = 256 * 1024;

impl LocalState {
    /// Tells whether anything was ever written here. Looks at nothing: it was seen when the folder was opened, or is known
    /// from what this process wrote or read since.
    #[must_use]
    pub fn has_bridge(&self) -> bool {
        self.has_bridge.load(Ordering::Relaxed)
    }

    /// A text by its name; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read, or a symbolic link is in the way.
    pub fn bridge_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        let text = read_text_in(&self.state.run, &place(name), BYTES_MAX)?;
        if text.is_some() {
            self.has_bridge.store(true, Ordering::Relaxed);
        }
        Ok(text)
    }

    /// Replaces a text durably, in one step.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written; the old one is intact then.
    pub fn set_bridge_text(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.write_text(name, |run, place| replace_text_in(run, place, text))
    }

    /// Writes a text that is not there yet, durably; `false`, and nothing changed, if it is.
    ///
    /// # Errors
    /// As [`LocalState::set_bridge_text`].
    pub fn new_bridge_text(&self, name: &str, text: &str) -> Result<bool, StoreError> {
        self.write_text(name, |run, place| write_new_in(run, place, text))
    }

    /// Replaces a text without waiting for the disk, for what is only true for a while.
    ///
    /// # Errors
    /// As [`LocalState::set_bridge_text`].
    pub fn note_bridge_text(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.write_text(name, |run, place| note_text_in(run, place, text))
    }

    fn write_text<T>(
        &self,
        name: &str,
        write: impl FnOnce(&Path, &str) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.state.make_run()?;
        let written = write(&self.state.run, &place(name))?;
        self.has_bridge.store(true, Ordering::Relaxed);
        Ok(written)
    }

    /// Removes a text, if it is there.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be removed.
    pub fn remove_bridge_text(&self, name: &str) -> Result<(), StoreError> {
        remove_in(&self.state.run, &place(name))
    }

    /// Tells whether a process is alive. A number may have been given to another one since.
    #[must_use]
    pub fn is_running(&self, pid: u32) -> bool {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
    }

    /// Where the texts lie.
    #[must_use]
    pub fn bridge_folder(&self) -> PathBuf {
        self.state.run.join(FOLDER)
    }
}

fn place(name: &str) -> String {
    format!("{FOLDER}/{name}")
}
