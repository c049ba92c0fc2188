//! Heart-beats: the moment of each agent's last sign of life, in the run state that all work trees share. Never a document,
//! never waited for: a beat that a power cut loses is followed by the next.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::folder::Dir;
use super::plain::read_text;
use super::{Store, share};
use crate::core::name::AgentName;
use crate::core::time::Timestamp;

/// Largest file of a beat that is read, in bytes: a moment to the second and a line break are 21.
const BEAT_BYTES_MAX: usize = 64;

impl Store {
    /// Writes down a sign of life. Every moment of these times has the same length, so it is written over the last one and
    /// nobody ever reads half of it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn beat(&self, agent: &AgentName, at: Timestamp) -> Result<(), StoreError> {
        let path = self.beat_path(agent);
        let text = format!("{at}\n");
        let write = || {
            let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).custom_flags(no_follow).open(&path)?;
            share::open_up(&path);
            file.write_all_at(text.as_bytes(), 0)
        };
        let written = match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                share::make_folders(&self.beats_folder()).and_then(|()| write())
            }
            done => done,
        };
        written.map_err(|source| StoreError::in_state("write", &self.shared, &path, source))
    }

    /// The last sign of life of an agent; `None` if there is none, or nothing that can be read as one.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be read.
    pub fn beat_of(&self, agent: &AgentName) -> Result<Option<Timestamp>, StoreError> {
        let path = self.beat_path(agent);
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
    pub fn beats(&self) -> Result<BTreeMap<AgentName, Timestamp>, StoreError> {
        let mut beats = BTreeMap::new();
        let Some(folder) = Dir::open(&self.beats_folder())? else { return Ok(beats) };
        for entry in folder.list()?.flatten() {
            let Some(agent) = entry.file_name().to_str().ok().and_then(|name| AgentName::new(name).ok()) else {
                continue;
            };
            if let Some(at) = self.beat_of(&agent)? {
                beats.insert(agent, at);
            }
        }
        Ok(beats)
    }

    /// When an agent last gave a sign of life, to the millisecond by the clock on the wall.
    #[must_use]
    pub fn beat_saved_at(&self, agent: &AgentName) -> Option<i64> {
        saved_at(&self.beat_path(agent))
    }

    /// Forgets an agent's signs of life; it is no error if there are none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn forget_beat(&self, agent: &AgentName) -> Result<(), StoreError> {
        let path = self.beat_path(agent);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::in_state("remove", &self.shared, &path, error))
            }
            _ => Ok(()),
        }
    }

    fn beats_folder(&self) -> PathBuf {
        self.shared.join("beats")
    }

    fn beat_path(&self, agent: &AgentName) -> PathBuf {
        self.beats_folder().join(agent.as_str())
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
