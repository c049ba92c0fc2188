//! Which documents there are: names and stamps, no contents. It skips nothing in silence that ends in `.md`.

use std::ffi::CStr;

use super::error::{StoreError, What};
use super::folder::{Dir, stamp_of, what_of};
use super::{Stamp, Store};
use crate::name::{DocPath, visible};

/// What stands in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The documents, sorted by path.
    pub files: Vec<(DocPath, Stamp)>,
    /// Entries that end in `.md` (or are named `archive`) and are no document, sorted by name.
    pub strange: Vec<Strange>,
}

/// An entry of the folder that is no document, though it looks like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strange {
    /// Its path inside the folder, control characters made visible.
    pub name: String,
    /// What it is.
    pub what: What,
}

impl Store {
    /// Lists `*.md` at the top of the folder and in `archive/YYYY-MM/`. Names that begin with `.` or `#` or end with
    /// `~` are left to editors. A folder that is not there is empty.
    ///
    /// # Errors
    /// [`StoreError::Strange`] if the folder itself is a symbolic link or no folder; [`StoreError::Io`] if the system
    /// refuses.
    pub fn scan(&self) -> Result<Scan, StoreError> {
        let mut scan = self.scan_live()?;
        let Some(folder) = self.folder()? else { return Ok(scan) };
        if let Some(archive) = subfolder(&folder, "", "archive", &mut scan)? {
            for month in super::names::months(&archive)? {
                if let Some(dir) = subfolder(&archive, "archive/", &month, &mut scan)? {
                    list(&dir, &format!("archive/{month}/"), &mut scan)?;
                }
            }
        }
        scan.sort();
        Ok(scan)
    }

    /// The same without the archive, for whoever needs what is live and needs it at once.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn scan_live(&self) -> Result<Scan, StoreError> {
        let mut scan = Scan::default();
        if let Some(folder) = self.folder()? {
            list(&folder, "", &mut scan)?;
            scan.sort();
        }
        Ok(scan)
    }
}

impl Scan {
    fn sort(&mut self) {
        self.files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.strange.sort_unstable();
    }
}

/// A folder below, where it is one; anything else is strange.
fn subfolder(dir: &Dir, prefix: &str, name: &str, scan: &mut Scan) -> Result<Option<Dir>, StoreError> {
    match dir.child(name) {
        Err(StoreError::Strange { what, .. }) => {
            scan.strange.push(Strange { name: format!("{prefix}{name}"), what });
            Ok(None)
        }
        other => other,
    }
}

fn list(dir: &Dir, prefix: &str, scan: &mut Scan) -> Result<(), StoreError> {
    for entry in dir.list()? {
        let entry = entry.map_err(|errno| StoreError::io("list", dir.path(), errno))?;
        let raw = entry.file_name();
        if !is_ours(raw) {
            continue;
        }
        let name = raw.to_string_lossy();
        let path = raw.to_str().ok().and_then(|name| DocPath::new([prefix, name].concat()).ok());
        let Some(path) = path else {
            scan.strange.push(Strange { name: format!("{prefix}{}", visible(&name)), what: What::BadName });
            continue;
        };
        // Gone since it was listed: a save by rename is under way, or it was removed.
        let Some(stat) = dir.stat(&name)? else { continue };
        match what_of(&stat) {
            What::File => scan.files.push((path, stamp_of(&stat))),
            what => scan.strange.push(Strange { name: path.as_str().to_owned(), what }),
        }
    }
    Ok(())
}

/// Names that could be documents: what editors and we ourselves leave beside them is not looked at.
pub(super) fn is_ours(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.ends_with(b".md") && !matches!(name.first(), Some(b'.' | b'#'))
}
