//! Run state of the bridge: small texts of this work tree, never reached through a symbolic link. What they say is the caller's.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::Store;
use super::error::StoreError;
use super::plain::{note_text_in, read_text_in, remove_in, replace_text_in, write_new_in};

/// Where they lie, below the run state.
pub(super) const FOLDER: &str = "bridge";
/// The largest of them.
const BYTES_MAX: usize = 256 * 1024;

impl Store {
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
        let text = read_text_in(&self.run, &place(name), BYTES_MAX)?;
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
        self.make_run()?;
        replace_text_in(&self.run, &place(name), text)?;
        self.has_bridge.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a text that is not there yet, durably; `false`, and nothing changed, if it is.
    ///
    /// # Errors
    /// As [`Store::set_bridge_text`].
    pub fn new_bridge_text(&self, name: &str, text: &str) -> Result<bool, StoreError> {
        self.make_run()?;
        let is_new = write_new_in(&self.run, &place(name), text)?;
        self.has_bridge.store(true, Ordering::Relaxed);
        Ok(is_new)
    }

    /// Replaces a text without waiting for the disk, for what is only true for a while.
    ///
    /// # Errors
    /// As [`Store::set_bridge_text`].
    pub fn note_bridge_text(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.make_run()?;
        note_text_in(&self.run, &place(name), text)?;
        self.has_bridge.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Removes a text, if it is there.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be removed.
    pub fn remove_bridge_text(&self, name: &str) -> Result<(), StoreError> {
        remove_in(&self.run, &place(name))
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
        self.run.join(FOLDER)
    }
}

fn place(name: &str) -> String {
    format!("{FOLDER}/{name}")
}
