//! Makes references durable that the git program wrote: not every version of git syncs them, and none syncs their folders.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::GitReferences;
use crate::adapters::git::durable;
use crate::adapters::git::error::GitError;
use crate::adapters::git::journal;
use crate::adapters::git::repository::RefStorage;

impl GitReferences<'_> {
    /// Syncs these references with their reflogs and folders, and what git writes for all of them: the packed ones and
    /// `FETCH_HEAD`. What is not there needs no sync.
    ///
    /// # Errors
    /// [`GitError::Io`] if a file or folder cannot be synced.
    pub(in crate::adapters::git) fn sync_references(self, names: &[&str]) -> Result<(), GitError> {
        let mut paths: Vec<PathBuf> = match self.repo.refs {
            RefStorage::Files => names.iter().flat_map(|name| [self.ref_file(name), self.log_file(name)]).collect(),
            RefStorage::Reftable => tables(&self.repo.common_dir().join("reftable")),
        };
        paths.extend([self.repo.common_dir().join("packed-refs"), self.repo.git_dir().join("FETCH_HEAD")]);
        let (mut files, mut folders) = (Vec::new(), BTreeSet::new());
        for path in &paths {
            let top = if path.starts_with(self.repo.git_dir()) { self.repo.git_dir() } else { self.repo.common_dir() };
            folders.extend(path.ancestors().skip(1).take_while(|folder| folder.starts_with(top) && folder.exists()));
            match File::open(path) {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A folder of other references stands where this one was.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
                Err(error) => return Err(GitError::io("open", path)(error)),
            }
        }
        let files: Vec<&File> = files.iter().collect();
        durable::sync_files(&files).map_err(GitError::io("sync the references of", self.repo.common_dir()))?;
        durable::sync_folders(folders)
    }
}

/// The files of the reference storage that git calls reftable.
fn tables(folder: &Path) -> Vec<PathBuf> {
    journal::list(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
