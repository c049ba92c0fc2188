//! Keeping a folder out of the user's own commits, for documents that live on a branch of their own. Touches `info/exclude` only, which git never shares.

use std::fs;
use std::io::{ErrorKind, Write as _};

use super::IgnoreRules;
use crate::adapters::git::durable;
use crate::adapters::git::error::GitError;
use crate::adapters::git::references::open_to_append;
use crate::adapters::git::rule_file;

impl IgnoreRules<'_> {
    /// Makes git ignore a folder in every work tree of this clone; tells whether that was new.
    ///
    /// # Errors
    /// [`GitError::Io`] if `info/exclude` cannot be read or written.
    pub fn exclude(self, folder: &str) -> Result<bool, GitError> {
        let info = self.repo.common_dir().join("info");
        let path = info.join("exclude");
        let line = format!("/{folder}/");
        let text = self.excluded_text()?;
        if has_line(&text, &line) {
            return Ok(false);
        }
        self.repo.shared_mode().make_folders(&info).map_err(GitError::io("make", &info))?;
        let start = if text.is_empty() || text.ends_with(b"\n") { "" } else { "\n" };
        open_to_append(&path, self.repo.shared_mode())
            .and_then(|mut file| file.write_all(format!("{start}{line}\n").as_bytes()))
            .map_err(GitError::io("write", &path))?;
        let file = fs::File::open(&path).map_err(GitError::io("open", &path))?;
        durable::sync_files(&[&file]).map_err(GitError::io("sync", &path))?;
        durable::sync_folders([&*info, self.repo.common_dir()])?;
        Ok(true)
    }

    /// Returns true if git ignores a folder in every worktree of this clone by a line of `info/exclude`.
    ///
    /// # Errors
    /// [`GitError`] if that file cannot be read.
    pub fn is_excluded(self, folder: &str) -> Result<bool, GitError> {
        Ok(has_line(&self.excluded_text()?, &format!("/{folder}/")))
    }

    /// The bytes of `info/exclude`; none if there is no such file.
    fn excluded_text(self) -> Result<Vec<u8>, GitError> {
        let path = self.repo.common_dir().join("info/exclude");
        if let Some(why) = rule_file::fault(&path, false) {
            return Err(rule_file::unreadable_rules(&path, &why));
        }
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(GitError::io("read", &path)),
        }
    }
}

fn has_line(text: &[u8], line: &str) -> bool {
    text.split(|byte| *byte == b'\n').any(|one| one.trim_ascii() == line.as_bytes())
}
