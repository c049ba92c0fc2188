//! Files in the run state that only save work: any of them may be gone, old or torn at any moment, and is made again.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};

use super::error::StoreError;
use super::{LocalState, Shelf, lock, share, temp};

/// Largest such file that is read or written, in bytes.
pub const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;

impl LocalState {
    /// What was kept about a part of the folder; `None` if there is nothing that can be read.
    #[must_use]
    pub fn cache(&self, about: Shelf) -> Option<Vec<u8>> {
        let file = File::open(self.cache_path(about)).ok()?;
        let size = file.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= KEPT_BYTES_MAX)?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(size).ok()? + 1);
        file.take(KEPT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Keeps something about a part of the folder, in the place of what was kept before. Where nothing was ever written it
    /// makes no run state: who only looks leaves no trace.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system refuses; then nothing is kept.
    pub fn write_cache(&self, about: Shelf, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() as u64 > KEPT_BYTES_MAX || !self.state.journal_path().exists() {
            return Ok(());
        }
        let draft = self.state.temp_dir().join(temp::fresh_name());
        let path = self.cache_path(about);
        let written = File::create_new(&draft).and_then(|mut file| {
            // Sweepers leave locked files alone. No flush: what is torn by a power cut is not believed.
            lock::own(&file)?;
            share::open_up(&draft);
            file.write_all(bytes)?;
            fs::rename(&draft, &path)
        });
        written.map_err(|source| {
            // What cannot be removed is swept later.
            let _ = fs::remove_file(&draft);
            StoreError::io("write", &path, source)
        })
    }

    fn cache_path(&self, about: Shelf) -> std::path::PathBuf {
        self.state.run.join(match about {
            Shelf::Live => "read-live",
            Shelf::Archive => "read-archive",
        })
    }
}
