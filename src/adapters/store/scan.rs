//! Which documents there are: names and stamps, no contents. It skips nothing in silence that ends in `.md`.

use std::ffi::CStr;

use rustix::fs::FileType;

use super::error::{EntryType, StoreError};
use super::folder::{Dir, stamp_of, what_of};
use super::{DocumentFolder, Stamp};
use crate::core::name::{DocPath, visible};

/// What stands in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderScan {
    /// The documents, sorted by path.
    pub files: Vec<(DocPath, Stamp)>,
    /// Entries that end in `.md` (or are named `archive`) and are no document, sorted by name.
    pub strange: Vec<Strange>,
    /// Folders of the archive that cannot be listed or searched, sorted by name: what lies in them is not known.
    pub closed: Vec<ClosedFolder>,
}

/// An entry of the folder that is no document, though it looks like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strange {
    /// Its path inside the folder, control characters made visible.
    pub name: String,
    /// What it is.
    pub what: EntryType,
}

/// A folder below the coordination folder that the system does not let us look into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClosedFolder {
    /// Its path inside the folder.
    pub name: String,
    /// What the system answered.
    pub why: String,
}

impl FolderScan {
    /// Returns why nothing is known of a document that was not found: something else is in its place, or in the place of its
    /// folder, or the folder is closed. `None` if it is known to be gone.
    #[must_use]
    pub fn in_the_way(&self, path: &DocPath) -> Option<String> {
        let is_at =
            |name: &str| path.as_str().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let strange = self.strange.iter().find(|strange| is_at(&strange.name));
        let closed = self.closed.iter().find(|closed| is_at(&closed.name));
        match (strange, closed) {
            (Some(strange), _) => Some(format!("`{}` is {}", strange.name, strange.what)),
            (None, Some(closed)) => Some(format!("`{}` cannot be read: {}", closed.name, closed.why)),
            (None, None) => None,
        }
    }
}

/// A part of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// The top of the folder.
    Live,
    /// The folders of the archive.
    Archive,
}

/// Whether the system is asked about each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamps {
    Read,
    /// Not where the listing says that it is a file; its stamp is that of no file.
    Skipped,
}

impl DocumentFolder {
    /// Lists `*.md` at the top of the folder and in `archive/YYYY-MM/`. Names that begin with `.` or `#` or end with
    /// `~` are left to editors. A folder that is not there is empty.
    ///
    /// # Errors
    /// [`StoreError::Strange`] if the folder itself is a symbolic link or no folder; [`StoreError::Io`] if the system
    /// refuses.
    pub fn scan(&self) -> Result<FolderScan, StoreError> {
        self.listed(&[Shelf::Live, Shelf::Archive], Stamps::Read)
    }

    /// Lists the documents at the top of the folder, without the archive.
    ///
    /// # Errors
    /// As [`DocumentFolder::scan`].
    pub fn scan_live(&self) -> Result<FolderScan, StoreError> {
        self.listed(&[Shelf::Live], Stamps::Read)
    }

    /// The documents of a part of the folder, sorted: those of [`DocumentFolder::scan`], without asking the system about each.
    ///
    /// # Errors
    /// As [`DocumentFolder::scan`].
    pub fn names(&self, from: Shelf) -> Result<Vec<DocPath>, StoreError> {
        Ok(self.listed(&[from], Stamps::Skipped)?.files.into_iter().map(|(path, _)| path).collect())
    }

    /// The months that the archive has, as its folders are called. A folder that is closed has none.
    ///
    /// # Errors
    /// As [`DocumentFolder::scan`].
    pub fn months(&self) -> Result<Vec<String>, StoreError> {
        let Some(folder) = self.open()? else { return Ok(Vec::new()) };
        let mut scan = FolderScan::default();
        let Some(archive) = subfolder(&folder, "", "archive", &mut scan)? else { return Ok(Vec::new()) };
        open_or_note("archive", &mut scan, |_| months(&archive))
    }

    fn listed(&self, parts: &[Shelf], stamps: Stamps) -> Result<FolderScan, StoreError> {
        let mut scan = FolderScan::default();
        let Some(folder) = self.open()? else { return Ok(scan) };
        for part in parts {
            match part {
                Shelf::Live => list(&folder, "", stamps, &mut scan)?,
                Shelf::Archive => list_archive(&folder, stamps, &mut scan)?,
            }
        }
        scan.sort();
        Ok(scan)
    }
}

fn list_archive(folder: &Dir, stamps: Stamps, scan: &mut FolderScan) -> Result<(), StoreError> {
    let Some(archive) = subfolder(folder, "", "archive", scan)? else { return Ok(()) };
    for month in open_or_note("archive", scan, |_| months(&archive))? {
        if let Some(dir) = subfolder(&archive, "archive/", &month, scan)? {
            let name = format!("archive/{month}");
            open_or_note(&name, scan, |scan| list(&dir, &format!("{name}/"), stamps, scan))?;
        }
    }
    Ok(())
}

/// The months of the archive, as its folders are called.
fn months(archive: &Dir) -> Result<Vec<String>, StoreError> {
    let mut months = Vec::new();
    for entry in archive.list()? {
        if let Ok(name) = entry.file_name().to_str()
            && DocPath::new(format!("archive/{name}/x.md")).is_ok()
        {
            months.push(name.to_owned());
        }
    }
    Ok(months)
}

impl FolderScan {
    fn sort(&mut self) {
        self.files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.strange.sort_unstable();
        self.closed.sort_unstable();
    }
}

/// A folder below, where it is one; anything else is strange.
fn subfolder(dir: &Dir, prefix: &str, name: &str, scan: &mut FolderScan) -> Result<Option<Dir>, StoreError> {
    let full = format!("{prefix}{name}");
    match dir.child(name) {
        Err(StoreError::Strange { what, .. }) => {
            scan.strange.push(Strange { name: full, what });
            Ok(None)
        }
        other => open_or_note(&full, scan, |_| other),
    }
}

/// Looks into a folder of the archive. One that is closed is noted, and the others are looked at.
fn open_or_note<T: Default>(
    name: &str,
    scan: &mut FolderScan,
    look: impl FnOnce(&mut FolderScan) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match look(scan) {
        Err(error) if error.concerns_one_file() => {
            scan.closed.push(ClosedFolder { name: name.to_owned(), why: error.reason() });
            Ok(T::default())
        }
        other => other,
    }
}

fn list(dir: &Dir, prefix: &str, stamps: Stamps, scan: &mut FolderScan) -> Result<(), StoreError> {
    for entry in dir.list()? {
        let raw = entry.file_name();
        if !is_ours(raw) {
            if has_other_ending(raw) {
                let name = format!("{prefix}{}", visible(&raw.to_string_lossy()));
                scan.strange.push(Strange { name, what: EntryType::OtherEnding });
            }
            continue;
        }
        let name = raw.to_string_lossy();
        let path = raw.to_str().ok().and_then(|name| DocPath::new([prefix, name].concat()).ok());
        let Some(path) = path else {
            scan.strange.push(Strange { name: format!("{prefix}{}", visible(&name)), what: EntryType::BadName });
            continue;
        };
        // Some file systems do not say in a listing what an entry is.
        if stamps == Stamps::Skipped && entry.file_type() == FileType::RegularFile {
            scan.files.push((path, Stamp::default()));
            continue;
        }
        // Gone since it was listed: a save by rename is under way, or it was removed.
        let Some(stat) = dir.stat(&name)? else { continue };
        match what_of(&stat) {
            EntryType::File => scan.files.push((path, stamp_of(&stat))),
            what => scan.strange.push(Strange { name: path.as_str().to_owned(), what }),
        }
    }
    Ok(())
}

/// Names that end like a document's, in capitals or in full: a person means a document by them.
fn has_other_ending(name: &CStr) -> bool {
    let name = name.to_bytes();
    let lower = name.to_ascii_lowercase();
    let is_meant = !name.ends_with(b".md") && (lower.ends_with(b".md") || lower.ends_with(b".markdown"));
    is_meant && !matches!(name.first(), Some(b'.' | b'#'))
}

/// Names that could be documents: what editors and we ourselves leave beside them is not looked at.
fn is_ours(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.ends_with(b".md") && !matches!(name.first(), Some(b'.' | b'#'))
}
