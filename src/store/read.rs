//! Reading documents. Our own writes are never seen half done; it never waits but before a write decides.

use std::time::{Duration, SystemTime};

use super::error::{StoreError, What};
use super::folder::{Walk, stamp_of, what_of};
use super::{Contents, Stamp, Store};
use crate::name::DocPath;

/// A file that was saved in place less than this ago may be half written.
const SETTLED_AFTER: Duration = Duration::from_millis(20);
/// An empty file that is younger than this is waited for: an editor truncates first, then writes.
const EMPTY_UNTIL: Duration = Duration::from_millis(200);
/// The longest wait for a save in place to end.
const SETTLE_MAX: Duration = Duration::from_millis(200);
const SETTLE_NAP: Duration = Duration::from_millis(5);

/// Takes a document that is there: its stamp, and its bytes unless they are known.
pub type Each<'a> = dyn FnMut(&DocPath, Stamp, Option<Vec<u8>>) + 'a;

impl Store {
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
        Ok(stat.filter(|stat| what_of(stat) == What::File).map(|stat| stamp_of(&stat)))
    }

    /// Reads many documents as [`Store::read`] does, but opens each folder once, as it is when the first of its documents
    /// is read. Those that are not there are left out.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_each(&self, paths: &[DocPath], each: &mut dyn FnMut(&DocPath, Contents)) -> Result<(), StoreError> {
        let mut walk = Walk::new(self);
        for path in paths {
            if let Some(site) = walk.site(path)?
                && let Some(contents) = site.read()?
            {
                each(path, contents);
            }
        }
        Ok(())
    }

    /// The same, but of a document of which `is_known` says that nothing new is to be read, only the stamp is given, which
    /// it had a moment ago.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_unknown(
        &self,
        paths: &[DocPath],
        is_known: &dyn Fn(&DocPath, &Stamp) -> bool,
        each: &mut Each<'_>,
    ) -> Result<(), StoreError> {
        let mut walk = Walk::new(self);
        for path in paths {
            let Some(site) = walk.site(path)? else { continue };
            let stat = site.dir.stat(&site.name)?;
            if let Some(stamp) = stat.filter(|stat| what_of(stat) == What::File).map(|stat| stamp_of(&stat))
                && is_known(path, &stamp)
            {
                each(path, stamp, None);
            } else if let Some(Contents { bytes, stamp }) = site.read()? {
                each(path, stamp, Some(bytes));
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
