//! Which documents there are by name alone: what one look-up needs, without asking the system about each file.

use rustix::fs::FileType;

use super::Store;
use super::error::StoreError;
use super::folder::{Dir, what_of};
use super::scan::is_ours;
use crate::adapters::store::What;
use crate::core::name::DocPath;

/// A part of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// The top of the folder.
    Live,
    /// The folders of the archive.
    Archive,
}

impl Store {
    /// The documents of a part of the folder, sorted. The same as [`Store::scan`] finds there, without their stamps.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn names(&self, from: Shelf) -> Result<Vec<DocPath>, StoreError> {
        let mut found = Vec::new();
        let Some(folder) = self.folder()? else { return Ok(found) };
        match from {
            Shelf::Live => list(&folder, "", &mut found)?,
            Shelf::Archive => {
                let Some(archive) = subfolder(&folder, "archive")? else { return Ok(found) };
                for month in unless_closed(months(&archive))? {
                    if let Some(dir) = subfolder(&archive, &month)? {
                        unless_closed(list(&dir, &format!("archive/{month}/"), &mut found))?;
                    }
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

impl Store {
    /// The months that the archive has, as its folders are called.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn months(&self) -> Result<Vec<String>, StoreError> {
        let Some(folder) = self.folder()? else { return Ok(Vec::new()) };
        subfolder(&folder, "archive")?.map_or(Ok(Vec::new()), |archive| unless_closed(months(&archive)))
    }
}

/// The months of the archive, as its folders are called.
pub(super) fn months(archive: &Dir) -> Result<Vec<String>, StoreError> {
    let mut months = Vec::new();
    for entry in archive.list()? {
        let entry = entry.map_err(|errno| StoreError::io("list", archive.path(), errno))?;
        if let Ok(name) = entry.file_name().to_str()
            && DocPath::new(format!("archive/{name}/x.md")).is_ok()
        {
            months.push(name.to_owned());
        }
    }
    Ok(months)
}

/// A folder below, where it is one.
fn subfolder(dir: &Dir, name: &str) -> Result<Option<Dir>, StoreError> {
    unless_closed(dir.child(name))
}

/// What was found, or nothing where the folder is none or is closed: [`Store::scan`] says so, and a look-up goes on.
fn unless_closed<T: Default>(found: Result<T, StoreError>) -> Result<T, StoreError> {
    match found {
        Err(error) if error.concerns_one_file() => Ok(T::default()),
        other => other,
    }
}

fn list(dir: &Dir, prefix: &str, found: &mut Vec<DocPath>) -> Result<(), StoreError> {
    for entry in dir.list()? {
        let entry = entry.map_err(|errno| StoreError::io("list", dir.path(), errno))?;
        let Some(name) = Some(entry.file_name()).filter(|name| is_ours(name)).and_then(|name| name.to_str().ok())
        else {
            continue;
        };
        let Ok(path) = DocPath::new([prefix, name].concat()) else { continue };
        // Some file systems do not say in a listing what an entry is.
        let is_file = match entry.file_type() {
            FileType::RegularFile => true,
            FileType::Unknown => dir.stat(name)?.is_some_and(|stat| what_of(&stat) == What::File),
            _ => false,
        };
        if is_file {
            found.push(path);
        }
    }
    Ok(())
}
