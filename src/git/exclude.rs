//! Keeping a folder out of the user's own commits, for documents that live on a branch of their own. Touches `info/exclude` only, which git never shares.

use std::fs;
use std::io::ErrorKind;

use super::error::GitError;
use super::reference::append;
use super::repository::Repository;

impl Repository {
    /// Makes git ignore a folder in every work tree of this clone; tells whether that was new.
    ///
    /// # Errors
    /// [`GitError::Io`] if `info/exclude` cannot be read or written.
    pub fn exclude(&self, folder: &str) -> Result<bool, GitError> {
        let info = self.common_dir().join("info");
        let path = info.join("exclude");
        let line = format!("/{folder}/");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(GitError::io("read", &path)(error)),
        };
        if text.split(|byte| *byte == b'\n').any(|one| one.trim_ascii() == line.as_bytes()) {
            return Ok(false);
        }
        fs::create_dir_all(&info).map_err(GitError::io("make", &info))?;
        let start = if text.is_empty() || text.ends_with(b"\n") { "" } else { "\n" };
        append(&path, format!("{start}{line}\n").as_bytes()).map_err(GitError::io("write", &path))?;
        Ok(true)
    }
}
