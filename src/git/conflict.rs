//! Conflicts that git left in the index, staging what was resolved, and settings of this clone. Changes the entries of the paths it is given, no others; runs no filter.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice;
use gix::index::entry::{Mode, Stage};

use super::busy::Operation;
use super::contents::content_id;
use super::error::GitError;
use super::index;
use super::repository::Repository;
use crate::name::{ContentId, DocPath};

/// The switches and words for one path on a command line of git, at most: a line has room for very many.
const PATHS_MAX: usize = 500;

/// What the index has of a document in conflict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unmerged {
    /// What both sides came from.
    pub base: Option<ContentId>,
    /// What the side has that was checked out.
    pub ours: Option<ContentId>,
    /// What the other has.
    pub theirs: Option<ContentId>,
    /// A side has it as something else than a file.
    pub is_strange: bool,
    /// It may be executed.
    pub is_executable: bool,
}

impl Repository {
    /// The operation of several steps that is under way in this work tree, if any.
    #[must_use]
    pub fn under_way(&self) -> Option<Operation> {
        self.operation()
    }

    /// The documents below a folder that the index has in conflict.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn conflicts(&self, folder: &str) -> Result<BTreeMap<DocPath, Unmerged>, GitError> {
        let hash = self.gix().object_hash();
        let index = index::open(&self.index_path(), hash).map_err(GitError::object("read the index"))?;
        let prefix = format!("{folder}/");
        let mut found: BTreeMap<DocPath, Unmerged> = BTreeMap::new();
        for entry in index.entries() {
            let path = entry.path(&index).to_str().ok().and_then(|path| path.strip_prefix(&prefix));
            let Some(path) = path.and_then(|path| DocPath::new(path).ok()) else { continue };
            let id = content_id(entry.id);
            let slot = match entry.stage() {
                Stage::Unconflicted => continue,
                Stage::Base => &mut found.entry(path).or_default().base,
                Stage::Ours | Stage::Theirs => {
                    let one = found.entry(path).or_default();
                    one.is_strange |= !matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE);
                    one.is_executable |= entry.mode == Mode::FILE_EXECUTABLE;
                    if entry.stage() == Stage::Ours { &mut one.ours } else { &mut one.theirs }
                }
            };
            *slot = Some(id);
        }
        Ok(found)
    }

    /// Tells whether git may leave our version of a path in conflict as it is, without markers: it is not merged by lines, or
    /// by a program that may have failed. Ours writes markers, whatever happens.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot tell the attributes.
    pub fn may_leave_ours(&self, path: &str) -> Result<bool, GitError> {
        let answer = self.program().ask(&["check-attr", "-z", "merge", "--", path])?;
        let value = answer.split(|byte| *byte == 0).nth(2).unwrap_or_default();
        let repo = self.gix();
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

    /// How many files the index has in conflict, wherever they lie.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn conflict_count(&self) -> Result<usize, GitError> {
        let hash = self.gix().object_hash();
        let index = index::open(&self.index_path(), hash).map_err(GitError::object("read the index"))?;
        let in_conflict = index.entries().iter().filter(|entry| entry.stage() != Stage::Unconflicted);
        let mut paths: Vec<_> = in_conflict.map(|entry| entry.path(&index)).collect();
        paths.dedup();
        Ok(paths.len())
    }

    /// Stores bytes as a blob, as they are, so that they can be read again with `git cat-file`.
    ///
    /// # Errors
    /// [`GitError::Object`] if it cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<ContentId, GitError> {
        self.refresh()?;
        let repo = self.gix();
        let id = repo.write_blob(bytes).map_err(GitError::object("keep what is replaced"))?;
        Ok(content_id(id.detach()))
    }

    /// Stages these paths of the repository with these bytes, or as removed, and ends their conflicts. Every other entry of the
    /// index stays as it is.
    ///
    /// # Errors
    /// [`GitError`] if an object or the index cannot be written.
    pub fn stage(&self, paths: &[(String, Option<&[u8]>, bool)]) -> Result<(), GitError> {
        self.refresh()?;
        for part in paths.chunks(PATHS_MAX) {
            let mut added = Vec::new();
            for (path, bytes, is_executable) in part {
                let Some(bytes) = bytes else { continue };
                let stored = self.convert(path, bytes)?;
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
            self.program().ask(&words)?;
        }
        // An entry that does not know its file stops `git merge --abort`. To know it git reads the file, through a filter
        // where one is named; a repository's own filter is never started.
        if self.own_drivers("filter", &["clean", "process"]).is_empty() {
            self.program().run(&["update-index", "-q", "--refresh"])?;
        }
        Ok(())
    }

    /// Sets a key in the configuration of this clone that nobody else sees, unless it is set there; tells whether it was not.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot write it.
    pub fn set_own(&self, key: &str, value: &str) -> Result<bool, GitError> {
        if self.program().run(&["config", "--local", "--get-all", key])?.code == Some(0) {
            return Ok(false);
        }
        self.program().ask(&["config", "--local", key, value])?;
        Ok(true)
    }
}
