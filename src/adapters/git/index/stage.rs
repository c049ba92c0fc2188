//! Stages what was resolved, and keeps what is replaced. Changes the entries of the paths it is given, no others; runs no filter.

use std::fs;

use gix::bstr::ByteSlice;

use super::GitIndex;
use crate::adapters::git::error::{GitError, shown};
use crate::adapters::git::view::contents::content_id;
use crate::core::name::ContentId;

/// The switches and words for one path on a command line of git, at most: a line has room for very many.
const PATHS_MAX: usize = 500;

/// The settings of a filter.
const FILTER_KEYS: [&str; 4] = ["clean", "smudge", "process", "required"];

impl GitIndex<'_> {
    /// Tells whether git may leave our version of a path in conflict as it is, without markers: it is not merged by lines, or
    /// by a program that may have failed. Ours writes markers, whatever happens.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot tell the attributes.
    pub fn may_leave_ours(self, path: &str) -> Result<bool, GitError> {
        let answer = self.repo.program().ask(&["check-attr", "-z", "merge", "--", path])?;
        let value = answer.split(|byte| *byte == 0).nth(2).unwrap_or_default();
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let name = match value {
            b"unspecified" => config.string("merge.default").map_or_else(Vec::new, |name| name.to_vec()),
            b"set" => Vec::new(),
            b"unset" => return Ok(true),
            name => name.to_vec(),
        };
        let driver = config.plumbing().string_by("merge", Some(name.as_bstr()), "driver");
        let is_foreign = |driver: &[u8]| !driver.contains_str(" merge-driver %O ");
        Ok(name == b"binary" || driver.is_some_and(|driver| is_foreign(&driver)))
    }

    /// Stores bytes as a blob, as they are, so that they can be read again with `git cat-file`.
    ///
    /// # Errors
    /// [`GitError::Object`] if it cannot be written.
    pub fn keep(self, bytes: &[u8]) -> Result<ContentId, GitError> {
        self.repo.refresh()?;
        let repo = self.repo.gix();
        let id = repo.write_blob(bytes).map_err(GitError::object("keep what is replaced"))?.detach();
        self.repo.share_object(id).map_err(GitError::object("keep what is replaced"))?;
        Ok(content_id(id))
    }

    /// Stages these paths of the repository with these bytes, or as removed, and ends their conflicts. Every other entry of the
    /// index stays as it is.
    ///
    /// # Errors
    /// [`GitError`] if an object or the index cannot be written.
    pub fn stage(self, paths: &[(String, Option<&[u8]>, bool)]) -> Result<(), GitError> {
        self.repo.refresh()?;
        self.refuse_linked_index()?;
        // Git reads what may have changed within one tick of the clock of the index, through a filter where one is named.
        let filters = self.repo.attributes().own_drivers("filter", &FILTER_KEYS)?;
        let keys: Vec<String> =
            filters.iter().flat_map(|name| FILTER_KEYS.map(|key| format!("filter.{name}.{key}"))).collect();
        for part in paths.chunks(PATHS_MAX) {
            let mut added = Vec::new();
            for (path, bytes, is_executable) in part {
                let Some(bytes) = bytes else { continue };
                let stored = self.repo.attributes().convert(path, bytes)?;
                let id = self.keep(stored.as_deref().unwrap_or(bytes))?;
                let mode = if *is_executable { "100755" } else { "100644" };
                added.push(format!("{mode},{id},{path}"));
            }
            let mut words = vec!["update-index"];
            for entry in &added {
                words.extend(["--add", "--cacheinfo", entry]);
            }
            let removed: Vec<&str> =
                part.iter().filter(|(_, bytes, _)| bytes.is_none()).map(|(path, ..)| path.as_str()).collect();
            if !removed.is_empty() {
                words.extend(["--force-remove", "--"]);
                words.extend(removed);
            }
            self.repo.program().with_empty(&keys).ask(&words)?;
        }
        // An entry that does not know its file stops `git merge --abort`. To know it git reads the file; without a filter of
        // the repository, which is never started, it would take for unchanged what is not.
        if filters.is_empty() {
            self.repo.program().run(&["update-index", "-q", "--refresh"])?;
        }
        Ok(())
    }

    /// Refuses an index that is a symbolic link: git would write what the link leads to.
    ///
    /// # Errors
    /// [`GitError::Refused`].
    pub(in crate::adapters::git) fn refuse_linked_index(self) -> Result<(), GitError> {
        let path = self.repo.index_path();
        if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) {
            return Ok(());
        }
        let what = format!("the index at `{}` is a symbolic link, which is not written through", shown(&path));
        // `git reset` would make an index too, and forget the merge that is under way.
        let path = shown(&path);
        Err(GitError::refused(
            what,
            format!("put the file itself there: `cp '{path}' '{path}.new'`, `mv '{path}.new' '{path}'`"),
        ))
    }
}
