//! The coordination folder on the disk: scan, read, write, journal, locks, recovery. It knows bytes, not documents:
//! what a change means is decided by the caller.
//!
//! [`Store`] is made of parts with the paths that each needs; a part uses those before it only: `StateFolder`,
//! [`DocumentFolder`], [`LocalState`], [`LeaseFiles`], [`WorktreeLocks`], [`ChangeLogFile`], `TempFiles`, [`Outbox`], [`OperationLog`].
//!
//! The write order and why it is so: `docs/decisions/0003-write-order.md`.
#![allow(clippy::disallowed_methods, reason = "this is the shell: it touches files, waits, and looks at file times")]

mod apply;
mod beat;
mod bridge;
mod claims;
mod error;
mod feed;
mod folder;
mod follow;
mod gate;
mod ground;
mod intake;
mod journal;
mod kept;
mod latency;
mod lock;
mod outbox;
mod pause;
mod plain;
mod read;
mod record;
mod recover;
mod sabotage;
mod scan;
mod share;
mod swap;
mod sweep;
mod task_log;
mod temp;
mod unsynced;
mod worker_session;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use apply::{Action, AppliedChanges, Decide};
pub use beat::saved_at;
pub use claims::{BootClock, ClaimFile, ClaimPart, ClaimRecord};
pub use error::{ApplyError, EntryType, StoreError};
pub use feed::{
    Addition, FEED_BYTES_MAX, FeedAdded, FeedAt, FeedPart, SEGMENT_BYTES_MAX, SEGMENTS_MAX, Start, TellBase, TellLines,
    Teller,
};
pub use intake::{Intake, IntakeRules, RecordFault, RefusedRecord};
pub use kept::KEPT_BYTES_MAX;
pub use latency::LATENCIES_KEPT;
pub use lock::{ClaimLock, CommitLock, FOLDER_WAIT, FollowLock, PublishTurn, WatchLock, WatcherInfo};
pub use pause::PAUSE_MAX;
pub use plain::{
    ReplaceOutcome, append_line, folder_of, make_folders, names_in, read_bytes, read_text, read_text_in, real_path,
    replace_bytes, replace_own_text, replace_state_text, replace_text, replace_text_in, write_new_in,
};
pub use read::FileRead;
#[cfg(any(test, fuzzing))]
pub(crate) use record::fuzz_journal;
pub use record::{Operation, Record, RecordedChange};
pub use recover::RecoveredOperations;
pub use scan::{ClosedFolder, FolderScan, Shelf, Strange};
pub use sweep::{LateOutcome, LateSave, Swept};
pub use task_log::{
    ResultFile, TASK_LOG_HEAD_BYTES, TASK_LOG_SEGMENT_BYTES, TASK_LOGS_BYTES_MAX, TaskLog, TaskLogFolder, TaskLogName,
    TaskLogReader,
};
pub use unsynced::Unsynced;
pub use worker_session::{LeftSession, WorkerSession};

/// Largest document that is written, and what is read of a larger one less a byte.
pub const DOCUMENT_BYTES_MAX: u64 = crate::core::document::FILE_BYTES_MAX as u64;

/// Where a folder and its run state are.
#[derive(Debug, Clone)]
pub struct StorePlace {
    /// The work tree, or a plain directory outside git.
    pub root: PathBuf,
    /// The coordination folder below it, `/` between parts, such as `.claude/coordination`.
    pub folder: String,
    /// The run state: locks, journal, temporary files. Never inside the folder; best on the same file system.
    pub run: PathBuf,
    /// The run state that all work trees of the repository share; the same as `run` where there is one work tree.
    pub shared: PathBuf,
}

/// What an acknowledged write has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Everything is synced by itself; the contents of an operation on very many documents by one flush of the file system.
    #[default]
    Full,
    /// As safe as `Full`; the contents of an operation on two documents or more are synced by one flush.
    Batch,
    /// Nothing is synced: a power cut may lose or tear it, a killed process does not.
    Off,
}

/// A stamp that changes whenever a file's bytes do: compare for equality, do not order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Stamp {
    /// Inode number.
    pub ino: u64,
    /// Last change of the contents, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of contents, name or attributes, nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// A file's bytes (at most [`DOCUMENT_BYTES_MAX`] + 1) and the stamp it had when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The stamp; older than the bytes at worst, never newer.
    pub stamp: Stamp,
}

/// The local state of one worktree: where it lies, and how durable it is.
#[derive(Debug, Clone)]
struct StateFolder {
    run: Arc<Path>,
    durability: Durability,
    boot: [u8; 36],
}

impl StateFolder {
    fn sync(&self) -> folder::Sync {
        if self.durability == Durability::Off { folder::Sync::No } else { folder::Sync::Yes }
    }
}

/// The documents as files: listed, read, and found again below the worktree without following links.
#[derive(Debug, Clone)]
pub struct DocumentFolder {
    root: Arc<Path>,
    parts: Arc<[String]>,
    sync: folder::Sync,
}

/// Small files in local state that are no part of any operation: heartbeats, texts of the bridge, caches, memories of a server,
/// latencies.
#[derive(Debug, Clone)]
pub struct LocalState {
    state: StateFolder,
    shared: Arc<Path>,
    /// There is local state of a bridge.
    has_bridge: Arc<AtomicBool>,
}

/// The lease entries of all worktrees of the repository, one small file for each task, and their lock.
#[derive(Debug, Clone)]
pub struct LeaseFiles {
    state: StateFolder,
    shared: Arc<Path>,
}

/// The locks of one worktree but that of the lease entries, and the pause of its writers.
#[derive(Debug, Clone)]
pub struct WorktreeLocks {
    state: StateFolder,
    folder: DocumentFolder,
    /// This process began the pause, and does not wait for its end.
    goes_on: Arc<AtomicBool>,
}

/// The change log: lines in local state that say what each operation changed.
#[derive(Debug, Clone)]
pub struct ChangeLogFile {
    state: StateFolder,
    /// What says what is told; without it nothing is.
    teller: Option<Teller>,
}

/// The temporary files of operations: new contents before they are in place, replaced ones after.
#[derive(Debug, Clone)]
struct TempFiles {
    state: StateFolder,
    folder: DocumentFolder,
    /// The local state is on another file system: temporary files lie beside the documents.
    beside: Arc<AtomicBool>,
}

/// Operations of processes that may not write local state, as records beside the documents.
#[derive(Debug, Clone)]
pub struct Outbox {
    state: StateFolder,
    folder: DocumentFolder,
    /// What decides on the records; without it they are judged by their contents alone.
    intake: Option<Intake>,
}

/// The operations: applied all or none, recorded in the journal, recovered after a crash, swept when they are committed.
#[derive(Debug, Clone)]
pub struct OperationLog {
    state: StateFolder,
    folder: DocumentFolder,
    leases: LeaseFiles,
    locks: WorktreeLocks,
    changes: ChangeLogFile,
    temps: TempFiles,
    outbox: Outbox,
}

/// A coordination folder with its local state, in parts. Cheap to clone; any number of processes and threads may use one folder.
#[derive(Debug, Clone)]
pub struct Store {
    /// The documents as files.
    pub folder: DocumentFolder,
    /// The small files of local state.
    pub local: LocalState,
    /// The lease entries.
    pub leases: LeaseFiles,
    /// The locks and the pause.
    pub locks: WorktreeLocks,
    /// The change log.
    pub changes: ChangeLogFile,
    /// What processes that may not write local state left.
    pub outbox: Outbox,
    /// The operations.
    pub log: OperationLog,
}

impl Store {
    /// Names a folder and its local state. Nothing is made before the first write.
    ///
    /// # Errors
    /// [`StoreError::BadFolder`] if the folder's path is empty, absolute, or could lead out of the work tree;
    /// [`StoreError::Strange`] if a part of the local state is a symbolic link.
    pub fn open(place: &StorePlace, durability: Durability) -> Result<Self, StoreError> {
        let bad = |why| Err(StoreError::BadFolder { folder: crate::core::name::visible(&place.folder), why });
        let parts: Vec<String> = place.folder.split('/').map(str::to_owned).collect();
        for part in &parts {
            match part.as_str() {
                "" => return bad("it is empty, absolute or has an empty part"),
                "." | ".." => return bad("`.` and `..` are not allowed in it"),
                part if crate::core::name::is_gits_own(part) => return bad("it lies in git's own folder"),
                part if part.contains(['\\', '\0']) => return bad("it has a backslash or a NUL"),
                _ => {}
            }
        }
        let has_bridge = Arc::new(AtomicBool::new(plain::refuse_links(&place.run)?));
        let of_all = Some(&place.shared).filter(|shared| **shared != place.run);
        of_all.map_or(Ok(false), |shared| plain::refuse_links(shared))?;
        let state = StateFolder { run: place.run.as_path().into(), durability, boot: journal::boot_id() };
        let sync = state.sync();
        let folder = DocumentFolder { root: place.root.as_path().into(), parts: parts.into(), sync };
        let local = LocalState { state: state.clone(), shared: place.shared.as_path().into(), has_bridge };
        let leases = LeaseFiles { state: state.clone(), shared: Arc::clone(&local.shared) };
        let locks = WorktreeLocks { state: state.clone(), folder: folder.clone(), goes_on: Arc::default() };
        let changes = ChangeLogFile { state: state.clone(), teller: None };
        let temps = TempFiles { state: state.clone(), folder: folder.clone(), beside: Arc::default() };
        let outbox = Outbox { state: state.clone(), folder: folder.clone(), intake: None };
        let log = OperationLog {
            state,
            folder: folder.clone(),
            leases: leases.clone(),
            locks: locks.clone(),
            changes: changes.clone(),
            temps,
            outbox: outbox.clone(),
        };
        Ok(Self { folder, local, leases, locks, changes, outbox, log })
    }

    /// Returns the store with its change log written.
    #[must_use]
    pub fn telling(mut self, teller: Teller) -> Self {
        self.changes.teller = Some(teller);
        self.log.changes = self.changes.clone();
        self
    }

    /// Returns the store with rules for what others leave in the outbox.
    #[must_use]
    pub fn taking_in(mut self, intake: Intake) -> Self {
        self.outbox.intake = Some(intake);
        self.log.outbox = self.outbox.clone();
        self
    }
}
