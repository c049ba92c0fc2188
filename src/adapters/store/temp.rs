//! Temporary files: where they live, how they are named and written. It never decides what is written.

use std::fs::File;
use std::hash::BuildHasher;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::TempFiles;
use super::error::StoreError;
use super::folder::{Dir, Site, Sync};
use super::sabotage::{self, Sabotage};

/// What the names of temporary files begin with when they must lie beside the documents.
pub(super) const BESIDE_PREFIX: &str = ".mycelium-";
/// A file of ours is dated back by this much, so that it can be told from one that is being saved in place: a save in
/// place leaves both times of a file equal, to the tick of the kernel's clock (10 ms at most).
const DATED_BACK: Duration = Duration::from_millis(20);

/// A name that no other process, thread or earlier run uses: process, moment, counter and a random part.
pub(super) fn fresh_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let random = std::hash::RandomState::new().hash_one((count, nanos));
    format!("{:x}-{count:x}-{nanos:x}-{random:x}", std::process::id())
}

/// Between the name of a leader and the number of a file that follows it.
const FOLLOWER_MARK: char = '+';

/// What tells sweepers that the writer of a temporary file is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// A lock of its own.
    Own,
    /// The lock of the file that it follows by name: an operation on thousands of documents holds one file open, not all.
    Leader,
}

/// The name of a file that follows a leader: the number is its own among those of the leader.
pub(super) fn following(leader: &Site, number: usize) -> Site {
    Site { dir: Arc::clone(&leader.dir), name: format!("{}{FOLLOWER_MARK}{number}", leader.name) }
}

/// The file whose lock counts for this one; `None` if that is its own.
pub(super) fn leader(site: &Site) -> Option<Site> {
    let (name, _) = site.name.split_once(FOLLOWER_MARK)?;
    Some(Site { dir: Arc::clone(&site.dir), name: name.to_owned() })
}

/// A temporary file that is removed again unless it is kept. Its lock tells sweepers that its writer is alive.
#[derive(Debug)]
pub(super) struct Temp {
    pub(super) site: Site,
    #[allow(dead_code, reason = "holding the open file is holding the lock")]
    lock: Option<File>,
    keep: bool,
}

impl Temp {
    /// From now on the journal knows the name, and sweeping removes the file.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.keep {
            // What stays behind here is swept later: unlocked and known to no record.
            let _ = self.site.unlink();
        }
    }
}

impl TempFiles {
    /// A free name for a temporary file of a document that stands at `doc`.
    pub(super) fn free_site(&self, doc: &Site, run_temps: &Arc<Dir>) -> Result<Site, StoreError> {
        let beside = self.beside.load(Ordering::Relaxed);
        if beside || run_temps.device()? != doc.dir.device()? {
            if !beside {
                self.note_beside()?;
            }
            Ok(Site { dir: Arc::clone(&doc.dir), name: format!("{BESIDE_PREFIX}{}", fresh_name()) })
        } else {
            Ok(Site { dir: Arc::clone(run_temps), name: fresh_name() })
        }
    }
}

/// Writes new content to a temporary file; with full durability it is on the disk afterwards.
/// `mode` are the permission bits of the file that it will replace.
pub(super) fn write(site: Site, bytes: &[u8], mode: Option<u32>, sync: Sync, guard: Guard) -> Result<Temp, StoreError> {
    let mut file = site.create()?;
    let path = site.path();
    let fault = |source| StoreError::io("write", &path, source);
    if guard == Guard::Own {
        super::lock::own(&file).map_err(fault)?;
    }
    let mut temp = Temp { site, lock: None, keep: false };
    let written = (|| {
        match file.write_all(bytes) {
            Err(error) if error.kind() == ErrorKind::StorageFull && sabotage::active(Sabotage::IgnoreFull) => {}
            written => written?,
        }
        if let Some(mode) = mode {
            file.set_permissions(PermissionsExt::from_mode(mode))?;
        }
        file.set_modified(SystemTime::now() - DATED_BACK)
    })();
    let synced = written.map_err(fault).and_then(|()| {
        let is_broken = sabotage::active(Sabotage::NoFsync) || sabotage::active(Sabotage::NoSyncFiles);
        if sync == Sync::Yes && !is_broken {
            file.sync_all().map_err(|source| StoreError::NotDurable { path: path.clone(), source })?;
        }
        Ok(())
    });
    temp.lock = (guard == Guard::Own).then_some(file);
    synced.map(|()| temp)
}
