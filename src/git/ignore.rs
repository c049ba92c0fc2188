//! Which paths git ignores, and which it keeps out of the work tree. Reads rules and the index only.

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
        self.refresh()?;
        let failed = || GitError::object(format!("read the ignore rules for `{}`", visible(path_in_repo)));
        let repo = self.gix();
        let index = self.index(repo.object_hash()).map_err(failed())?;
        if index.entry_by_path(BStr::new(path_in_repo)).is_some() {
            return Ok(false);
        }
        let mut rules = repo.excludes(&index, None, Source::WorktreeThenIdMappingIfNotSkipped).map_err(failed())?;
        let place = rules.at_path(path_in_repo, Some(gix::index::entry::Mode::FILE)).map_err(failed())?;
        Ok(place.is_excluded())
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
