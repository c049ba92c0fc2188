//! Heart-beats: the moment of each agent's last sign of life, in the run state that all work trees share. Never a document,
//! never waited for: a beat that a power cut loses is followed by the next.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::folder::Dir;
use super::plain::{read_text, unless_missing, write_below};
use super::{LocalState, share};
use crate::core::name::AgentName;
use crate::core::time::Timestamp;

/// Largest file of a beat that is read, in bytes: a moment to the second and a line break are 21.
const BEAT_BYTES_MAX: usize = 64;

impl LocalState {
    /// Writes down a sign of life. Every moment of these times has the same length, so it is written over the last one and
    /// nobody ever reads half of it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn write_heartbeat(&self, agent: &AgentName, at: Timestamp) -> Result<(), StoreError> {
        let path = self.heartbeat_path(agent);
        let text = format!("{at}\n");
        let write = || {
            let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
            let file = share::open_or_make(OpenOptions::new().write(true).custom_flags(no_follow), &path)?;
            file.write_all_at(text.as_bytes(), 0)
        };
        write_below(&self.heartbeats_folder(), write)
            .map_err(|source| StoreError::in_state("write", &self.shared, &path, source))
    }

    /// The last sign of life of an agent; `None` if there is none, or nothing that can be read as one.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be read.
    pub fn heartbeat(&self, agent: &AgentName) -> Result<Option<Timestamp>, StoreError> {
        let path = self.heartbeat_path(agent);
        match read_text(&path, BEAT_BYTES_MAX) {
            Ok(text) => Ok(text.and_then(|text| text.trim().parse().ok())),
            Err(error) if is_no_beat(&error) => Ok(None),
            Err(source) => Err(StoreError::io("read", &path, source)),
        }
    }

    /// The last sign of life of every agent that ever gave one.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be read.
    pub fn heartbeats(&self) -> Result<BTreeMap<AgentName, Timestamp>, StoreError> {
        let mut beats = BTreeMap::new();
        let Some(folder) = Dir::open(&self.heartbeats_folder())? else { return Ok(beats) };
        for entry in folder.list()? {
            let Some(agent) = entry.file_name().to_str().ok().and_then(|name| AgentName::new(name).ok()) else {
                continue;
            };
            if let Some(at) = self.heartbeat(&agent)? {
                beats.insert(agent, at);
            }
        }
        Ok(beats)
    }

    /// When an agent last gave a sign of life, to the millisecond by the clock on the wall.
    #[must_use]
    pub fn heartbeat_saved_at(&self, agent: &AgentName) -> Option<i64> {
        saved_at(&self.heartbeat_path(agent))
    }

    /// Forgets an agent's signs of life; it is no error if there are none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn remove_heartbeat(&self, agent: &AgentName) -> Result<(), StoreError> {
        let path = self.heartbeat_path(agent);
        let removed = unless_missing(fs::remove_file(&path)).map(drop);
        removed.map_err(|source| StoreError::in_state("remove", &self.shared, &path, source))
    }

    fn heartbeats_folder(&self) -> PathBuf {
        self.shared.join("beats")
    }

    fn heartbeat_path(&self, agent: &AgentName) -> PathBuf {
        self.heartbeats_folder().join(agent.as_str())
    }
}

/// When a file was last written, in milliseconds since 1970 by the clock on the wall; `None` if there is no such file.
#[must_use]
pub fn saved_at(path: &Path) -> Option<i64> {
    let meta = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(meta.mtime().saturating_mul(1_000).saturating_add(meta.mtime_nsec() / 1_000_000))
}

/// A link, a folder or a text that is none: whatever it is, it is no beat of ours.
fn is_no_beat(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::FileTooLarge, io::ErrorKind::InvalidData, io::ErrorKind::IsADirectory];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
