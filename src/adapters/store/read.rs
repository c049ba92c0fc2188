//! Reading documents. Our own writes are never seen half done; it never waits but before a write decides.

use std::time::{Duration, SystemTime};

use super::error::{EntryType, StoreError};
use super::folder::{Site, Walk, stamp_of, what_of};
use super::{Contents, DocumentFolder, Stamp};
use crate::core::name::DocPath;

/// A file that was saved in place less than this ago may be half written.
const SETTLED_AFTER: Duration = Duration::from_millis(20);
/// An empty file that is younger than this is waited for: an editor truncates first, then writes.
const EMPTY_UNTIL: Duration = Duration::from_millis(200);
/// The longest wait for a save in place to end.
const SETTLE_MAX: Duration = Duration::from_millis(200);
const SETTLE_NAP: Duration = Duration::from_millis(5);

/// Says of a document with this stamp whether nothing new is to be read.
type IsKnown<'a> = dyn Fn(&DocPath, &Stamp) -> bool + 'a;

/// What reading one of many documents came to. A document that is not there gives none.
#[derive(Debug)]
pub enum FileRead {
    /// Nothing new: the file still has this stamp, which is known.
    Known(Stamp),
    /// The bytes of the file.
    Contents(Contents),
    /// The file is there and cannot be read; the others can.
    Unreadable(StoreError),
}

impl DocumentFolder {
    /// Reads a document; `None` if it is not there. A larger file than [`super::DOCUMENT_BYTES_MAX`] gives that many
    /// bytes and one more.
    ///
    /// # Errors
    /// [`StoreError::Strange`] if it, or a folder on the way, is a symbolic link or no plain file;
    /// [`StoreError::Io`] if the system refuses.
    pub fn read(&self, path: &DocPath) -> Result<Option<Contents>, StoreError> {
        match self.site(path)? {
            Some(site) => site.read(),
            None => Ok(None),
        }
    }

    /// How a document's file is now, without reading it; `None` if it is not there or no plain file.
    ///
    /// # Errors
    /// [`StoreError::Strange`] if a folder on the way is a symbolic link; [`StoreError::Io`] if the system refuses.
    pub fn stamp(&self, path: &DocPath) -> Result<Option<Stamp>, StoreError> {
        let Some(site) = self.site(path)? else { return Ok(None) };
        let stat = site.dir.stat(&site.name)?;
        Ok(stat.filter(|stat| what_of(stat) == EntryType::File).map(|stat| stamp_of(&stat)))
    }

    /// Reads many documents, but opens each folder once, as it is when the first of its documents is read. Those that are not
    /// there are left out; one that cannot be read does not keep the others from being read.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the process has no memory or no open files left, or the folder itself cannot be opened.
    pub fn read_each(&self, paths: &[DocPath], each: &mut dyn FnMut(&DocPath, FileRead)) -> Result<(), StoreError> {
        self.read_where(paths, None, each)
    }

    /// Reads many documents as [`DocumentFolder::read_each`] does, but of a document of which `is_known` says that nothing new is to be
    /// read, only the stamp is given, which it had a moment ago.
    ///
    /// # Errors
    /// As [`DocumentFolder::read_each`].
    pub fn read_unknown(
        &self,
        paths: &[DocPath],
        is_known: &IsKnown<'_>,
        each: &mut dyn FnMut(&DocPath, FileRead),
    ) -> Result<(), StoreError> {
        self.read_where(paths, Some(is_known), each)
    }

    fn read_where(
        &self,
        paths: &[DocPath],
        is_known: Option<&IsKnown<'_>>,
        each: &mut dyn FnMut(&DocPath, FileRead),
    ) -> Result<(), StoreError> {
        let mut walk = Walk::new(self);
        for path in paths {
            let site = match walk.site(path) {
                Ok(Some(site)) => site,
                Ok(None) => continue,
                // A folder of the archive; the scan names it.
                Err(error) if path.is_archived() && error.concerns_one_file() => continue,
                Err(error) => return Err(error),
            };
            let read = match is_known {
                Some(is_known) => read_unless(&site, &|stamp| is_known(path, stamp)),
                None => site.read().map(|read| read.map(FileRead::Contents)),
            };
            match read {
                Ok(Some(read)) => each(path, read),
                Err(error) if !error.concerns_one_file() => return Err(error),
                // What is no file is no document either: the scan names it.
                Ok(None) | Err(StoreError::Strange { .. }) => {}
                // Where the folder may not be searched, it does not say whether there is such a file.
                Err(error) => {
                    if matches!(site.dir.stat(&site.name), Ok(Some(_))) {
                        each(path, FileRead::Unreadable(error));
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads a document on which a write will be based: a save in place that seems to be under way is waited for.
    pub(super) fn read_settled(&self, walk: &mut Walk, path: &DocPath) -> Result<Option<Contents>, StoreError> {
        let mut contents = match walk.site(path)? {
            Some(site) => site.read()?,
            None => None,
        };
        let mut waited = Duration::ZERO;
        while waited < SETTLE_MAX && contents.as_ref().is_some_and(|contents| is_being_saved(&contents.stamp)) {
            std::thread::sleep(SETTLE_NAP);
            waited += SETTLE_NAP;
            contents = self.read(path)?;
        }
        Ok(contents)
    }
}

/// Reads the file under a name, unless its stamp is known.
fn read_unless(site: &Site, is_known: &dyn Fn(&Stamp) -> bool) -> Result<Option<FileRead>, StoreError> {
    let stat = site.dir.stat(&site.name)?;
    let stamp = stat.filter(|stat| what_of(stat) == EntryType::File).map(|stat| stamp_of(&stat));
    match stamp.filter(is_known) {
        Some(stamp) => Ok(Some(FileRead::Known(stamp))),
        None => Ok(site.read()?.map(FileRead::Contents)),
    }
}

/// Tells whether a file looks as if it was being saved in place: very young with both times equal, or young and empty.
/// Files that we wrote are dated back a little and so never look like that.
fn is_being_saved(stamp: &Stamp) -> bool {
    let Some(age) = age(stamp) else { return false };
    stamp.size == 0 && age < EMPTY_UNTIL || stamp.mtime_ns == stamp.ctime_ns && age < SETTLED_AFTER
}

/// How long ago a file last changed in any way; `None` if its time lies in the future (the clock was set back).
pub(super) fn age(stamp: &Stamp) -> Option<Duration> {
    let changed = Duration::from_nanos(u64::try_from(stamp.ctime_ns).unwrap_or(0));
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_sub(changed)
}
