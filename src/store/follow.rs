//! What a bridge remembers of each document that it mirrors: small files in the run state, replaced in one step and not
//! waited for. All of it can be lost at any moment: then more is compared, and nothing else is different.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::Store;
use super::error::StoreError;
use super::plain::read_bytes;
use super::temp;

/// Largest file that is read, in bytes: a document, its JSON quotes, and the digests of older versions.
const BYTES_MAX: usize = 4 * 1024 * 1024;

impl Store {
    /// What was remembered under a name, about one server; `None` if there is nothing that can be read.
    #[must_use]
    pub fn recall(&self, server: &str, name: &str) -> Option<Vec<u8>> {
        read_bytes(&self.memory(server).join(name), BYTES_MAX).ok().flatten()
    }

    /// Every name under which something is remembered.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be listed.
    pub fn memories(&self, server: &str) -> Result<Vec<String>, StoreError> {
        let path = self.memory(server);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::io("list", &path, source)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| !name.starts_with('.')).collect())
    }

    /// Remembers bytes under a name.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn memorize(&self, server: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = self.memory(server);
        let path = folder.join(name);
        let draft = folder.join(format!(".{}", temp::fresh_name()));
        let write = || fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
        let written = match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(&folder).and_then(|()| write()),
            done => done,
        };
        written.map_err(|source| {
            let _ = fs::remove_file(&draft);
            StoreError::io("write", &path, source)
        })
    }

    /// Forgets what was remembered under a name.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn unlearn(&self, server: &str, name: &str) -> Result<(), StoreError> {
        let path = self.memory(server).join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    fn memory(&self, server: &str) -> PathBuf {
        self.run.join("bridge").join(server)
    }
}
