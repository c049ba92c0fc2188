//! One look at the configuration of a repository and its packs for all that is read in an operation. Writes nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{OBJECTS_BYTES_MAX, Repository};
use crate::adapters::git::error::GitError;
use crate::adapters::git::index::FileId;
use crate::adapters::git::references::{Target, Tip};

/// A view that is younger serves one that is begun inside of it: nothing was waited for in between.
const SHARED_MAX: Duration = Duration::from_secs(1);

/// While it lives, what is read of a repository shares one look at its configuration and attributes.
#[derive(Debug)]
pub struct PinnedView<'r> {
    repo: &'r Repository,
}

impl PinnedView<'_> {
    /// Looks again.
    ///
    /// # Errors
    /// [`GitError::Object`] if the configuration changed and cannot be read.
    pub fn renew(&self) -> Result<(), GitError> {
        self.repo.refresh_now()
    }
}

impl Drop for PinnedView<'_> {
    fn drop(&mut self) {
        self.repo.pins.set(self.repo.pins.get() - 1);
    }
}

impl Repository {
    /// Compares configuration and packs with their files once for all that is read while the answer lives, unless another view
    /// did so a moment ago.
    ///
    /// What a commit must not miss is not read through it: index, HEAD, branch and processes are looked at under the locks.
    ///
    /// # Errors
    /// [`GitError::Object`] if the configuration changed and cannot be read.
    pub fn pin(&self) -> Result<PinnedView<'_>, GitError> {
        if self.pins.get() == 0 || self.refreshes.get().1.elapsed() > SHARED_MAX {
            self.refresh_now()?;
        }
        self.pins.set(self.pins.get() + 1);
        Ok(PinnedView { repo: self })
    }

    /// Remembers what a target points to, as it was read or set at this moment.
    pub(in crate::adapters::git) fn note_tip(&self, target: &Target, tip: &Tip) {
        *self.last_tip.borrow_mut() = Some((self.refreshes.get().0, target.clone(), tip.clone()));
    }

    /// The number of the last refresh, while there is a [`PinnedView`].
    pub(in crate::adapters::git) fn pinned_refresh(&self) -> Option<u64> {
        (self.pins.get() > 0).then(|| self.refreshes.get().0)
    }

    /// Does as [`Self::refresh_now`], unless a [`PinnedView`] did for all.
    pub(in crate::adapters::git) fn refresh(&self) -> Result<(), GitError> {
        if self.pins.get() > 0 { Ok(()) } else { self.refresh_now() }
    }

    /// Opens the repository again if a file of its configuration or its set of packs changed. Without that, a process that
    /// lives through many a `git gc` runs out of places for packs.
    pub(in crate::adapters::git) fn refresh_now(&self) -> Result<(), GitError> {
        self.refreshes.set((self.refreshes.get().0 + 1, Instant::now()));
        let now = stamps(&self.git_dir, &self.common_dir);
        if *self.stamps.borrow() != now {
            self.gix.borrow_mut().reload().map_err(GitError::object("open the repository again"))?;
            self.gix.borrow_mut().clear_namespace();
            self.gix.borrow_mut().object_cache_size_if_unset(OBJECTS_BYTES_MAX);
            self.converter.borrow_mut().take();
            *self.stamps.borrow_mut() = now;
        }
        Ok(())
    }
}

/// The configuration files and the folder of packs, and what they look like, to see when one changes.
pub(super) fn stamps(git_dir: &Path, common_dir: &Path) -> Vec<(PathBuf, Option<FileId>)> {
    let mut files = vec![common_dir.join("config"), git_dir.join("config.worktree"), common_dir.join("objects/pack")];
    let home = std::env::var_os("HOME").map(PathBuf::from);
    files.extend(home.as_ref().map(|home| home.join(".gitconfig")));
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".config")));
    files.extend(xdg.map(|xdg| xdg.join("git/config")));
    files.extend(std::env::var_os("GIT_CONFIG_GLOBAL").map(PathBuf::from));
    files.sort_unstable();
    files.dedup();
    files.into_iter().map(|path| (path.clone(), FileId::of(&path).ok().flatten())).collect()
}
