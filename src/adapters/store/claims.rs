//! The ledger of claims: one small file a task, in the run state that all work trees share. It knows bytes, not what they mean.
//!
//! Tasks that somebody has lie in `claims/held`, all others in `claims/past`, so that what is under way can be listed
//! without reading what is long over. An entry whose writer is still about to change the document is locked by it.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

use super::error::StoreError;
use super::folder::{Dir, Site, Sync};
use super::lock::ClaimLock;
use super::sabotage::{self, Sabotage};
use super::{LeaseFiles, share, temp};
use crate::core::name::DocId;

const CLAIMS: &str = "claims";
const DRAFTS: &str = "drafts";

/// A part of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPart {
    /// Tasks that somebody has.
    Held,
    /// Tasks that were given back or finished.
    Past,
}

impl ClaimPart {
    const ALL: [Self; 2] = [Self::Held, Self::Past];

    const fn folder(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Past => "past",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Held => Self::Past,
            Self::Past => Self::Held,
        }
    }
}

/// An entry as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRecord {
    /// Where it lies.
    pub part: ClaimPart,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its writer has not let go of it.
    pub is_open: bool,
}

/// An entry that was written. As long as it is held, others see that its writer is not done.
#[derive(Debug)]
pub struct ClaimFile {
    file: File,
    site: Site,
}

impl ClaimFile {
    /// The writer is done: others may judge the entry by the document.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system refuses; then it ends with the file.
    pub fn close(&self) -> Result<(), StoreError> {
        self.file.unlock().map_err(|source| StoreError::io("unlock", &self.site.path(), source))
    }

    /// Writes the entry to the disk.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if the disk does not confirm it.
    pub fn sync(&self) -> Result<(), StoreError> {
        if sabotage::active(Sabotage::NoFsync) {
            return Ok(());
        }
        self.file.sync_all().map_err(|source| StoreError::NotDurable { path: self.site.path(), source })?;
        self.site.dir.sync()
    }
}

impl LeaseFiles {
    /// What the ledger holds on a task: at most one entry of each part. Both are there where a writer died in between.
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be read.
    pub fn records(&self, id: &DocId) -> Result<Vec<ClaimRecord>, StoreError> {
        let mut found = Vec::new();
        if sabotage::active(Sabotage::NoLedger) {
            return Ok(found);
        }
        let Some(claims) = self.folder()? else { return Ok(found) };
        for part in ClaimPart::ALL {
            let Some(dir) = claims.child(part.folder())? else { continue };
            let site = Site { dir: Arc::new(dir), name: id.to_string() };
            if let Some(contents) = site.read()? {
                found.push(ClaimRecord { part, bytes: contents.bytes, is_open: site.is_held()? });
            }
        }
        Ok(found)
    }

    /// The tasks in a part of the ledger, in no order.
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be read.
    pub fn list(&self, part: ClaimPart) -> Result<Vec<DocId>, StoreError> {
        let Some(claims) = self.folder()? else { return Ok(Vec::new()) };
        let Some(dir) = claims.child(part.folder())? else { return Ok(Vec::new()) };
        let mut ids = Vec::new();
        for entry in dir.list()? {
            // A name that is none is nothing of ours.
            ids.extend(entry.file_name().to_str().ok().and_then(|name| DocId::new(name).ok()));
        }
        Ok(ids)
    }

    /// Writes the entry of a task in the place of all that the ledger holds on it. It may be lost at a power cut before
    /// [`ClaimFile::sync`].
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be written; the old entry stands then.
    pub fn write(&self, _lock: &ClaimLock, id: &DocId, part: ClaimPart, bytes: &[u8]) -> Result<ClaimFile, StoreError> {
        sabotage::linger();
        let claims = self.made_folder()?;
        let drafts = Arc::new(claims.make_child(DRAFTS, Sync::No)?);
        Self::sweep_drafts(&drafts)?;
        let draft = Site { dir: drafts, name: temp::fresh_name() };
        let mut file = draft.create()?;
        share::open_up(&draft.path());
        share::open_up(draft.dir.path());
        let site = Site { dir: Arc::new(claims.make_child(part.folder(), self.state.sync())?), name: id.to_string() };
        share::open_up(site.dir.path());
        super::lock::own(&file)
            .and_then(|()| file.write_all(bytes))
            .map_err(|source| StoreError::io("write", &site.path(), source))?;
        draft.replace(&site)?;
        Self::drop_claim(&claims, id, part.other())?;
        Ok(ClaimFile { file, site })
    }

    /// Moves an entry that was written among the held ones to the past ones.
    ///
    /// # Errors
    /// [`StoreError`] if local state cannot be written; the entry stays where it was then.
    pub fn retire(&self, _lock: &ClaimLock, file: &mut ClaimFile) -> Result<(), StoreError> {
        let past = self.made_folder()?.make_child(ClaimPart::Past.folder(), self.state.sync())?;
        share::open_up(past.path());
        let site = Site { dir: Arc::new(past), name: file.site.name.clone() };
        file.site.replace(&site)?;
        file.site = site;
        Ok(())
    }

    /// Writes all of the ledger to the disk.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if the disk does not confirm it.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.folder()?.map_or(Ok(()), |claims| claims.sync_file_system())
    }

    /// Forgets what the ledger holds on a task.
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be written.
    pub fn remove(&self, _lock: &ClaimLock, id: &DocId) -> Result<(), StoreError> {
        let Some(claims) = self.folder()? else { return Ok(()) };
        ClaimPart::ALL.into_iter().try_for_each(|part| Self::drop_claim(&claims, id, part))
    }

    fn drop_claim(claims: &Dir, id: &DocId, part: ClaimPart) -> Result<(), StoreError> {
        match claims.child(part.folder())? {
            Some(dir) => Site { dir: Arc::new(dir), name: id.to_string() }.unlink(),
            None => Ok(()),
        }
    }

    /// Whoever made a draft did so under the lock that is held now: it is dead.
    fn sweep_drafts(drafts: &Arc<Dir>) -> Result<(), StoreError> {
        if sabotage::active(Sabotage::NoClaimLock) {
            return Ok(());
        }
        for entry in drafts.list()? {
            if let Ok(name) = entry.file_name().to_str() {
                Site { dir: Arc::clone(drafts), name: name.to_owned() }.unlink()?;
            }
        }
        Ok(())
    }

    fn folder(&self) -> Result<Option<Dir>, StoreError> {
        Dir::below(&self.shared, &[CLAIMS])
    }

    fn made_folder(&self) -> Result<Dir, StoreError> {
        // Whoever holds the lock has made the folder that it lies in.
        let missing = || StoreError::io("open", &self.shared, std::io::Error::from(std::io::ErrorKind::NotFound));
        let claims = Dir::open(&self.shared)?.ok_or_else(missing)?.make_child(CLAIMS, self.state.sync())?;
        share::open_up(claims.path());
        Ok(claims)
    }

    /// Reads the clock that counts since the machine started and that nobody can set.
    #[must_use]
    pub fn boot_clock(&self) -> BootClock {
        let awake_ms = clock_ms(ClockId::Monotonic);
        #[cfg(target_os = "linux")]
        let ms = clock_ms(ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let ms = awake_ms;
        let boot = String::from_utf8_lossy(&self.state.boot).into_owned();
        BootClock { boot, ms, slept_ms: ms.saturating_sub(awake_ms) }
    }
}

/// A reading of the clock that counts since the machine started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootClock {
    /// Which start of the machine.
    pub boot: String,
    /// Milliseconds since then, those included while it slept.
    pub ms: u64,
    /// How many of them it slept.
    pub slept_ms: u64,
}

fn clock_ms(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let ms = u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000);
    ms.saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000)
}
