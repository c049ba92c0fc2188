//! Which paths git ignores. Reads rules only.

use gix::bstr::BStr;
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
}
