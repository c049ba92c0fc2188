//! Which paths git ignores, and which it keeps out of the work tree. Reads rules and the index only.

use std::collections::BTreeSet;

use gix::bstr::BStr;
use gix::index::entry::{Flags, Stage};
use gix::worktree::stack::state::ignore::Source;

use super::error::GitError;
use super::repository::Repository;
use crate::name::visible;

impl Repository {
    /// Tells whether git ignores a file; what is tracked is never ignored. To ask about a whole folder, name a file in it.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index or the rules cannot be read.
    pub fn is_ignored(&self, path_in_repo: &str) -> Result<bool, GitError> {
        Ok(!self.ignored([path_in_repo])?.is_empty())
    }

    /// Those of these files that git ignores; the rules are read once for all of them.
    ///
    /// # Errors
    /// As [`Repository::is_ignored`].
    pub fn ignored<'a>(&self, paths_in_repo: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<&'a str>, GitError> {
        self.refresh()?;
        let mut paths = paths_in_repo.into_iter().peekable();
        let Some(first) = paths.peek().copied() else { return Ok(BTreeSet::new()) };
        let failed = |path: &str| GitError::object(format!("read the ignore rules for `{}`", visible(path)));
        let repo = self.gix();
        let index = self.index(repo.object_hash()).map_err(failed(first))?;
        let mut rules =
            repo.excludes(&index, None, Source::WorktreeThenIdMappingIfNotSkipped).map_err(failed(first))?;
        let mut ignored = BTreeSet::new();
        for path in paths.filter(|path| index.entry_by_path(BStr::new(*path)).is_none()) {
            let place = rules.at_path(path, Some(gix::index::entry::Mode::FILE)).map_err(failed(path))?;
            if place.is_excluded() {
                ignored.insert(path);
            }
        }
        Ok(ignored)
    }

    /// Tells whether git itself keeps a tracked file out of the work tree (`git sparse-checkout`), so that its absence says
    /// nothing.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn is_kept_out(&self, path_in_repo: &str) -> Result<bool, GitError> {
        let hash = self.gix().object_hash();
        let index = self.index(hash).map_err(GitError::object("read the index"))?;
        let at = |path: &str| index.entry_by_path_and_stage(BStr::new(path), Stage::Unconflicted);
        if let Some(entry) = at(path_in_repo) {
            return Ok(entry.flags.contains(Flags::SKIP_WORKTREE));
        }
        // In a sparse index a whole folder that is kept out is one entry.
        Ok(index.is_sparse() && path_in_repo.match_indices('/').any(|(end, _)| at(&path_in_repo[..=end]).is_some()))
    }
}
