//! Which paths git ignores, and which it keeps out of the work tree. Reads rules and the index only.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use gix::bstr::{BStr, ByteSlice};
use gix::index::entry::{Flags, Mode, Stage};
use gix::worktree::stack::state::ignore::Source;

use super::error::GitError;
use super::repository::Repository;
use super::rule_file;
use crate::core::name::{DocPath, visible};

/// The first version of the index in which an entry can say that its file is kept out of the work tree.
const EXTENDED_VERSION: u32 = 3;

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
        let paths: Vec<&str> = paths_in_repo.into_iter().collect();
        let Some(first) = paths.first().copied() else { return Ok(BTreeSet::new()) };
        let failed = |path: &str| GitError::object(format!("read the ignore rules for `{}`", visible(path)));
        let repo = self.gix();
        let index = self.index(repo.object_hash()).map_err(failed(first))?;
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
        &self,
        repo: &gix::Repository,
        paths: impl Iterator<Item = &'a str>,
    ) -> Result<(), GitError> {
        let of_user = repo.config_snapshot().trusted_path("core.excludesFile").ok().flatten();
        let outside = std::iter::once(self.common_dir().join("info/exclude")).chain(of_user).map(|file| (file, false));
        let above = |path: &'a str| path.match_indices('/').map(|(end, _)| &path[..=end]);
        let folders: BTreeSet<&str> = paths.flat_map(above).chain([""]).collect();
        let inside = folders.into_iter().map(|folder| (self.work_tree().join(folder).join(".gitignore"), true));
        for (file, is_in_worktree) in outside.chain(inside) {
            if let Some(why) = rule_file::fault(&file, is_in_worktree) {
                return Err(rule_file::unreadable_rules(&file, &why));
            }
        }
        Ok(())
    }

    /// Returns true if the absence of a tracked file says nothing: git keeps it out of the work tree (`git sparse-checkout`), or
    /// does not look at it (`git update-index --assume-unchanged`, `--skip-worktree`).
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn is_kept_out(&self, path_in_repo: &str) -> Result<bool, GitError> {
        let hash = self.gix().object_hash();
        let index = self.index(hash).map_err(GitError::object("read the index"))?;
        let at = |path: &str| index.entry_by_path_and_stage(BStr::new(path), Stage::Unconflicted);
        if let Some(entry) = at(path_in_repo) {
            return Ok(entry.flags.intersects(Flags::SKIP_WORKTREE | Flags::ASSUME_VALID));
        }
        // In a sparse index a whole folder that is kept out is one entry.
        Ok(index.is_sparse() && path_in_repo.match_indices('/').any(|(end, _)| at(&path_in_repo[..=end]).is_some()))
    }

    /// Returns true if any file may be kept out of the work tree: only an index of version 3 or later can say so of one.
    #[must_use]
    pub fn may_keep_out(&self) -> bool {
        let mut head = [0; 8];
        let read = File::open(self.index_path()).and_then(|mut file| file.read_exact(&mut head));
        let [.., a, b, c, d] = head;
        read.is_ok() && head.starts_with(b"DIRC") && u32::from_be_bytes([a, b, c, d]) >= EXTENDED_VERSION
    }

    /// The command that brings a file into the work tree that is kept out of it.
    #[must_use]
    pub fn bring_in_command(&self, path_in_repo: &str) -> String {
        let path = visible(path_in_repo);
        if self.switch("core.sparseCheckout") != Some(true) {
            return format!(
                "git update-index --no-skip-worktree --no-assume-unchanged -- {path} && git restore -- {path}"
            );
        }
        if self.switch("core.sparseCheckoutCone") == Some(false) {
            return format!("git sparse-checkout add /{path}");
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("git sparse-checkout add {folder}")
    }

    /// The documents below a folder that the index has as programs; none where `core.fileMode` is off, as then no file says
    /// whether it is one.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn programs(&self, folder: &str) -> Result<Option<BTreeSet<DocPath>>, GitError> {
        if self.switch("core.fileMode") == Some(false) {
            return Ok(None);
        }
        let hash = self.gix().object_hash();
        let index = self.index(hash).map_err(GitError::object("read the index"))?;
        let prefix = format!("{folder}/");
        let range = index.prefixed_entries_range(BStr::new(&prefix)).unwrap_or_default();
        let programs = index.entries()[range].iter().filter(|entry| entry.mode == Mode::FILE_EXECUTABLE);
        let below = |path: &BStr| DocPath::new(path.to_str().ok()?.strip_prefix(&prefix)?).ok();
        Ok(Some(programs.filter_map(|entry| below(entry.path(&index))).collect()))
    }
}
