//! Packing loose objects once there are many, by the git program. Removes only what is in a pack on disk; takes no lock of git's.

use std::fs::{self, File};

use super::durable;
use super::error::GitError;
use super::journal;
use super::repository::Repository;

/// What became of maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintained {
    /// `maintenance.auto` or `gc.auto` says that nothing is to be done unasked.
    Off,
    /// There are too few loose objects.
    Needless,
    /// They are packed.
    Done,
}

/// Packs the loose objects of a repository.
#[derive(Debug, Clone, Copy)]
pub struct PackUpkeep<'r> {
    pub(super) repo: &'r Repository,
}

impl PackUpkeep<'_> {
    /// Packs the loose objects that branches, index and reflogs reach, if there are at least `from`, and removes those that
    /// are in a pack. Nothing else is ever removed, however old. It takes seconds; commits, also the user's, go on meanwhile.
    ///
    /// `git maintenance run` does the same, but a kill would leave its lock file, and then the user's own maintenance never
    /// runs again; and it packs without knowing the paths, which makes bigger packs.
    ///
    /// # Errors
    /// [`GitError`] if the git program cannot be started or fails; nothing is lost then.
    pub fn maintain(self, from: usize) -> Result<Maintained, GitError> {
        self.repo.refresh()?;
        if self.is_maintenance_off() {
            return Ok(Maintained::Off);
        }
        if !self.has_loose(from) {
            return Ok(Maintained::Needless);
        }
        let program = || {
            let program = self.repo.program().with("core.fsync=all").with("core.fsyncMethod=fsync");
            program.with("pack.threads=1").with("repack.writeBitmaps=false")
        };
        program().ask(&["repack", "-l", "-q", "-n"])?;
        // The packs, whoever made them, and their names are on disk before what is in them goes.
        self.sync_packs()?;
        program().ask(&["prune-packed", "-q"])?;
        Ok(Maintained::Done)
    }

    fn sync_packs(self) -> Result<(), GitError> {
        let folder = self.repo.objects_dir().join("pack");
        let entries = journal::list(&folder).map_err(GitError::io("read folder", &folder))?;
        // A pack that vanishes just now was packed anew by git, which syncs by itself.
        let packs: Vec<File> = entries.flatten().filter_map(|entry| File::open(entry.path()).ok()).collect();
        let packs: Vec<&File> = packs.iter().collect();
        durable::sync_files(&packs).map_err(GitError::io("sync a pack in", &folder))?;
        durable::sync_folders([folder.as_path()])
    }

    /// Tells whether somebody switched off that git tidies up by itself.
    fn is_maintenance_off(self) -> bool {
        let is_never = self.repo.gix().config_snapshot().integer("gc.auto").is_some_and(|limit| limit <= 0);
        is_never || self.repo.switch("maintenance.auto") == Some(false)
    }

    fn has_loose(self, from: usize) -> bool {
        let folders = (0..=u8::MAX).map(|first| self.repo.objects_dir().join(format!("{first:02x}")));
        let objects = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        objects.take(from).count() >= from
    }
}
