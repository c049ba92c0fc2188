//! Which paths git ignores, and which it keeps out of the work tree. Reads rules and the index only.

pub(super) mod exclude;
pub(super) mod ignored_document;

use std::collections::BTreeSet;

use gix::bstr::BStr;
use gix::index::entry::Mode;
use gix::worktree::stack::state::ignore::Source;

use super::error::GitError;
use super::repository::Repository;
use super::rule_file;
use crate::core::name::visible;

/// The rules by which git ignores files.
#[derive(Debug, Clone, Copy)]
pub struct IgnoreRules<'r> {
    pub(super) repo: &'r Repository,
}

impl IgnoreRules<'_> {
    /// Tells whether git ignores a file; what is tracked is never ignored. To ask about a whole folder, name a file in it.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index or the rules cannot be read.
    pub fn is_ignored(self, path_in_repo: &str) -> Result<bool, GitError> {
        Ok(!self.ignored([path_in_repo])?.is_empty())
    }

    /// Those of these files that git ignores; the rules are read once for all of them.
    ///
    /// # Errors
    /// As [`Self::is_ignored`].
    pub fn ignored<'a>(self, paths_in_repo: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<&'a str>, GitError> {
        self.repo.refresh()?;
        let paths: Vec<&str> = paths_in_repo.into_iter().collect();
        let Some(first) = paths.first().copied() else { return Ok(BTreeSet::new()) };
        let failed = |path: &str| GitError::object(format!("read the ignore rules for `{}`", visible(path)));
        let repo = self.repo.gix();
        let index = self.repo.index().read(repo.object_hash()).map_err(failed(first))?;
        self.refuse_unreadable_rules(&repo, paths.iter().copied())?;
        let mut rules =
            repo.excludes(&index, None, Source::WorktreeThenIdMappingIfNotSkipped).map_err(failed(first))?;
        let mut ignored = BTreeSet::new();
        for path in paths.into_iter().filter(|path| index.entry_by_path(BStr::new(*path)).is_none()) {
            let place = rules.at_path(path, Some(Mode::FILE)).map_err(failed(path))?;
            if place.is_excluded() {
                ignored.insert(path);
            }
        }
        Ok(ignored)
    }

    /// Refuses to say what is ignored where a file that could say so cannot be read.
    fn refuse_unreadable_rules<'a>(
        self,
        repo: &gix::Repository,
        paths: impl Iterator<Item = &'a str>,
    ) -> Result<(), GitError> {
        let of_user = repo.config_snapshot().trusted_path("core.excludesFile").ok().flatten();
        let outside =
            std::iter::once(self.repo.common_dir().join("info/exclude")).chain(of_user).map(|file| (file, false));
        let above = |path: &'a str| path.match_indices('/').map(|(end, _)| &path[..=end]);
        let folders: BTreeSet<&str> = paths.flat_map(above).chain([""]).collect();
        let inside = folders.into_iter().map(|folder| (self.repo.work_tree().join(folder).join(".gitignore"), true));
        for (file, is_in_worktree) in outside.chain(inside) {
            if let Some(why) = rule_file::fault(&file, is_in_worktree) {
                return Err(rule_file::unreadable_rules(&file, &why));
            }
        }
        Ok(())
    }

    /// The command that brings a file into the work tree that is kept out of it.
    #[must_use]
    pub fn bring_in_command(self, path_in_repo: &str) -> String {
        let path = visible(path_in_repo);
        if self.repo.switch("core.sparseCheckout") != Some(true) {
            return format!(
                "git update-index --no-skip-worktree --no-assume-unchanged -- {path} && git restore -- {path}"
            );
        }
        if self.repo.switch("core.sparseCheckoutCone") == Some(false) {
            return format!("git sparse-checkout add /{path}");
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("git sparse-checkout add {folder}")
    }
}
