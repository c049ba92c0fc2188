//! The coordination folder on the disk: scan, read, write, journal, locks, recovery. It knows bytes, not documents:
//! what a change means is decided by the caller.
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
mod names;
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
mod temp;
mod unsynced;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use apply::{Action, Applied, Decide};
pub use beat::saved_at;
pub use claims::{BootClock, ClaimFile, ClaimPart, ClaimRecord};
pub use error::{ApplyError, StoreError, What};
pub use feed::{
    Addition, FEED_BYTES_MAX, FeedAdded, FeedAt, FeedPart, SEGMENT_BYTES_MAX, SEGMENTS_MAX, Start, TellBase, TellLines,
    Teller,
};
pub use intake::{Intake, IntakeRules, RecordFault, RefusedRecord};
pub use journal::is_state_read_only;
pub use kept::KEPT_BYTES_MAX;
pub use latency::LATENCIES_KEPT;
pub use lock::{ClaimLock, CommitLock, FOLDER_WAIT, FollowLock, PublishTurn, WatchLock, WatcherInfo};
pub use names::Shelf;
pub use pause::PAUSE_MAX;
pub use plain::{
    Replaced, append_line, folder_of, read_bytes, read_text, read_text_in, real_path, replace_bytes, replace_own_text,
    replace_state_text, replace_text, replace_text_in, write_new_in,
};
pub use read::FileRead;
#[cfg(any(test, fuzzing))]
pub(crate) use record::fuzz_journal;
pub use record::{Operation, Record, RecordedChange};
pub use recover::Recovered;
pub use scan::{ClosedFolder, Scan, Strange};
pub use sweep::{LateOutcome, LateSave, Swept};
pub use unsynced::Unsynced;

/// Largest document that is written, and what is read of a larger one less a byte.
pub const DOCUMENT_BYTES_MAX: u64 = crate::core::document::FILE_BYTES_MAX as u64;

/// Where a folder and its run state are.
#[derive(Debug, Clone)]
pub struct Place {
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

/// A coordination folder with its run state. Cheap to clone; any number of processes and threads may use one folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    parts: Vec<String>,
    run: PathBuf,
    shared: PathBuf,
    durability: Durability,
    boot: [u8; 36],
    /// The run state is on another file system: temporary files lie beside the documents.
    beside: Arc<AtomicBool>,
    /// What says what is told; without it nothing is.
    teller: Option<Teller>,
    /// What decides on the operations that others leave in the outbox; without it they are judged by their contents alone.
    intake: Option<Intake>,
    /// There is run state of a bridge.
    has_bridge: Arc<AtomicBool>,
    /// This process began the pause, and does not wait for its end.
    goes_on: Arc<AtomicBool>,
}

impl Store {
    /// Names a folder and its run state. Nothing is made before the first write.
    ///
    /// # Errors
    /// [`StoreError::BadFolder`] if the folder's path is empty, absolute, or could lead out of the work tree;
    /// [`StoreError::Strange`] if a part of the run state is a symbolic link.
    pub fn open(place: &Place, durability: Durability) -> Result<Self, StoreError> {
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
        let has_bridge = plain::refuse_links(&place.run)?;
        plain::refuse_links(&place.shared)?;
        Ok(Self {
            root: place.root.clone(),
            parts,
            run: place.run.clone(),
            shared: place.shared.clone(),
            durability,
            boot: journal::boot_id(),
            beside: Arc::new(AtomicBool::new(false)),
            teller: None,
            intake: None,
            has_bridge: Arc::new(AtomicBool::new(has_bridge)),
            goes_on: Arc::new(AtomicBool::new(false)),
        })
    }

    fn sync(&self) -> folder::Sync {
        if self.durability == Durability::Off { folder::Sync::No } else { folder::Sync::Yes }
    }
}
