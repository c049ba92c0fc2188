//! A quick look for whoever cannot wait: names first, contents only of the few documents that are asked for.

use super::{Error, Project};
use crate::core::name::DocPath;
use crate::core::snapshot::Snapshot;

/// A document by name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it is.
    pub path: DocPath,
    /// When its contents changed last, in nanoseconds since 1970.
    pub changed_ns: i64,
}

impl Project {
    /// Every document that is not archived, the one that changed last first. No document is read.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be listed.
    pub fn names(&self) -> Result<Vec<Named>, Error> {
        let files = self.store.scan_live()?.files.into_iter();
        let mut names: Vec<Named> = files.map(|(path, stamp)| Named { path, changed_ns: stamp.mtime_ns }).collect();
        names.sort_by_key(|named| std::cmp::Reverse(named.changed_ns));
        Ok(names)
    }

    /// What these documents say.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be read.
    pub fn snapshot_of(&self, paths: &[DocPath]) -> Result<Snapshot, Error> {
        Ok(Snapshot::from_documents(self.read_all(paths)?))
    }
}
