//! Conflicts that git left in the index, and the merge or rebase that they come from.

use std::collections::BTreeMap;
use std::fs;

use gix::bstr::ByteSlice;
use gix::index::entry::{Mode, Stage};

use super::GitView;
use crate::adapters::git::error::GitError;
use crate::adapters::git::index;
use crate::adapters::git::view::contents::content_id;
use crate::core::name::{ContentId, DocPath, Revision};

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

impl GitView<'_> {
    /// The revisions that a merge which stands still brings in; none if there is no such merge.
    #[must_use]
    pub fn merge_heads(self) -> Vec<Revision> {
        let text = fs::read_to_string(self.repo.git_dir().join("MERGE_HEAD")).unwrap_or_default();
        text.lines().filter_map(|line| Revision::new(line.trim())).collect()
    }

    /// The branch that a rebase under way moves: HEAD names none then.
    pub fn rebased_branch(self) -> Option<String> {
        let read = |folder: &str| fs::read_to_string(self.repo.git_dir().join(folder).join("head-name")).ok();
        let name = ["rebase-merge", "rebase-apply"].into_iter().find_map(read)?;
        name.trim().strip_prefix("refs/heads/").map(str::to_owned)
    }

    /// The documents below a folder that the index has in conflict.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn conflicts(self, folder: &str) -> Result<BTreeMap<DocPath, Unmerged>, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = index::open(&self.repo.index_path(), hash).map_err(GitError::object("read the index"))?;
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

    /// How many files the index has in conflict, wherever they lie.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn conflict_count(self) -> Result<usize, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = index::open(&self.repo.index_path(), hash).map_err(GitError::object("read the index"))?;
        let in_conflict = index.entries().iter().filter(|entry| entry.stage() != Stage::Unconflicted);
        let mut paths: Vec<_> = in_conflict.map(|entry| entry.path(&index)).collect();
        paths.dedup();
        Ok(paths.len())
    }

    /// How many files of a folder have a merge that nobody has resolved.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn unmerged(self, folder: &str) -> Result<usize, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = self.repo.index().read(hash).map_err(GitError::object("read the index"))?;
        let inside = format!("{folder}/");
        let mut paths: Vec<_> = index
            .entries()
            .iter()
            .filter(|entry| entry.stage() != Stage::Unconflicted)
            .map(|entry| entry.path(&index))
            .filter(|path| path.starts_with(inside.as_bytes()))
            .collect();
        paths.dedup();
        Ok(paths.len())
    }
}
