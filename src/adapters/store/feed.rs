//! The feed: what was told of each operation, as lines in run state, for whoever wants to know at once. It knows lines, not
//! what they say. Lines are appended under the folder lock, right after the exchange that they tell of and before the journal
//! says that it is done: a dying process leaves either no exchange, or one that the next holder of the lock tells.
//!
//! The lines lie in segments, `<n>.jsonl`. What was told before a segment may stand in its base, `<n>.base`. Nothing here is
//! synced: what a power cut takes is found again by comparing with the documents.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::plain::unless_missing;
use super::record::Record;
use super::sabotage::{self, Sabotage};
use super::{ChangeLogFile, OperationLog, share};

/// Largest segment that is added to, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 256 * 1024;
/// Most bytes of segments that are kept: some thousand events.
pub const FEED_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Most segments that are kept; a checkout of another branch begins one.
pub const SEGMENTS_MAX: usize = 64;

/// The lines of an operation, each with its end; the number is how often it was told before.
pub type TellLines = dyn Fn(&Record, u32) -> Vec<u8> + Send + Sync;
/// The base behind a segment, from the base before it and the segment.
pub type TellBase = dyn Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync;

/// What says the lines: the store knows when something is told, not what.
#[derive(Clone)]
pub struct Teller {
    /// The lines of an operation.
    pub lines: Arc<TellLines>,
    /// The base behind a segment.
    pub base: Arc<TellBase>,
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

/// A place in the feed, behind a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedAt {
    segment: u64,
    offset: u64,
    /// The file of the segment: a feed that was removed and begun again is another one.
    ino: u64,
}

/// Where a feed begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// What was told before.
    pub base: Option<Vec<u8>>,
    /// The place of the first line.
    pub at: FeedAt,
}

/// What stands behind a place in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedPart {
    /// Nothing.
    End,
    /// These lines, and the place behind them.
    Lines(Vec<u8>, FeedAt),
    /// Another segment begins, with this base if there is one.
    Segment(Option<Vec<u8>>, FeedAt),
    /// The place is gone: the feed was removed, or has gone on for too long.
    Gone,
}

/// What is to be added to the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition<'a> {
    /// Lines, each with its end.
    Lines(&'a [u8]),
    /// A base for a new segment, and the first lines of it.
    Base(&'a [u8], &'a [u8]),
}

/// What became of lines that were to be added to the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedAdded {
    /// They were added.
    Yes,
    /// Somebody else has added some since, or what they say is not so any more.
    No,
    /// They are right, but this process may not write the feed.
    ReadOnly,
}

impl ChangeLogFile {
    /// The folder of the feed.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.state.run.join("feed")
    }

    /// Makes the folder of the feed, so that it can be watched.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn make(&self) -> Result<(), StoreError> {
        self.state.make_run()?;
        let folder = self.folder();
        share::make_folders(&folder).map_err(|source| StoreError::io("make the folder", &folder, source))
    }

    /// The start of the feed: the base of its oldest segment, and the place of its first line. `None` if there is no feed.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be read.
    pub fn start(&self) -> Result<Option<Start>, StoreError> {
        let Some(oldest) = self.segments()?.first().copied() else { return Ok(None) };
        Ok(self.segment(oldest)?.map(|at| Start { base: self.base(oldest), at }))
    }

    /// What stands behind a place in the feed, up to the end of a segment.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be read.
    pub fn behind(&self, at: FeedAt) -> Result<FeedPart, StoreError> {
        // The segments first: what is added to this one before the next is begun is read below.
        let next = self.segment(at.segment + 1)?;
        let path = self.segment_path(at.segment);
        let fault = |source| StoreError::io("read", &path, source);
        let Some(file) = unless_missing(File::open(&path)).map_err(fault)? else { return Ok(FeedPart::Gone) };
        let meta = file.metadata().map_err(fault)?;
        if meta.ino() != at.ino || meta.len() < at.offset {
            return Ok(FeedPart::Gone);
        }
        let mut bytes = vec![0; usize::try_from(meta.len() - at.offset).unwrap_or(0)];
        let read = super::journal::read_up_to_at(&file, &mut bytes, at.offset).map_err(fault)?;
        bytes.truncate(read);
        // What a dead writer left behind the last line is cut off by the next one.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        if !bytes.is_empty() {
            let offset = at.offset + bytes.len() as u64;
            return Ok(FeedPart::Lines(bytes, FeedAt { offset, ..at }));
        }
        Ok(next.map_or(FeedPart::End, |next| FeedPart::Segment(self.base(next.segment), next)))
    }

    /// Tells an operation, under the folder lock. A feed that cannot be written is no reason to fail: what is not told here
    /// is found by the next look. Tells whether a new segment was begun.
    pub(super) fn tell(&self, lines: &[u8]) -> bool {
        !lines.is_empty() && !sabotage::active(Sabotage::TellNothing) && self.append(lines).unwrap_or(false)
    }

    /// The lines of an operation; made before the lock is taken.
    pub(super) fn lines_of(&self, record: &Record, again: u32) -> Vec<u8> {
        self.teller.as_ref().map(|teller| (teller.lines)(record, again)).unwrap_or_default()
    }

    fn append(&self, lines: &[u8]) -> Result<bool, StoreError> {
        let folder = self.folder();
        let newest = self.segments()?.last().copied();
        let Some(newest) = newest else {
            share::make_folders(&folder).map_err(|source| StoreError::io("make the folder", &folder, source))?;
            self.append_to(1, lines)?;
            return Ok(false);
        };
        if self.append_to(newest, lines)? {
            return Ok(false);
        }
        // A base that a dying process left is not that of this segment.
        let _ = fs::remove_file(self.base_path(newest + 1));
        self.append_to(newest + 1, lines)?;
        Ok(true)
    }

    /// Adds to a segment, which is made where it is missing; false, and nothing is added, if it has its largest size.
    fn append_to(&self, segment: u64, lines: &[u8]) -> Result<bool, StoreError> {
        let path = self.segment_path(segment);
        let fault = |source| StoreError::io("write", &path, source);
        let file = share::open_or_make(OpenOptions::new().read(true).append(true), &path).map_err(fault)?;
        let length = file.metadata().map_err(fault)?.len();
        if length >= SEGMENT_BYTES_MAX {
            return Ok(false);
        }
        cut_torn_line(&file, length).map_err(fault)?;
        io::Write::write_all(&mut &file, lines).map_err(fault)?;
        Ok(true)
    }

    /// Removes the oldest segments, if there are too many; what they told is in the base of the next.
    pub(super) fn prune(&self) -> Result<(), StoreError> {
        let Some(teller) = &self.teller else { return Ok(()) };
        let segments = self.segments()?;
        let length = |segment: &u64| fs::metadata(self.segment_path(*segment)).map_or(0, |meta| meta.len());
        let mut left: u64 = segments.iter().map(length).sum();
        for (index, pair) in segments.windows(2).enumerate() {
            if left <= FEED_BYTES_MAX && segments.len() - index <= SEGMENTS_MAX {
                break;
            }
            left = left.saturating_sub(length(&pair[0]));
            let (old, next) = (pair[0], pair[1]);
            if !self.base_path(next).exists() {
                let path = self.segment_path(old);
                let Ok(lines) = fs::read(&path) else { continue };
                self.put_base(next, &(teller.base)(&self.base(old).unwrap_or_default(), &lines))?;
            }
            for path in [self.segment_path(old), self.base_path(old)] {
                unless_missing(fs::remove_file(&path)).map_err(|source| StoreError::io("remove", &path, source))?;
            }
        }
        Ok(())
    }

    fn put_base(&self, segment: u64, base: &[u8]) -> Result<(), StoreError> {
        let path = self.base_path(segment);
        let written = share::make_folders(&self.folder()).and_then(|()| self.state.replace(&path, base));
        written.map_err(|source| StoreError::io("write", &path, source))
    }

    fn base(&self, segment: u64) -> Option<Vec<u8>> {
        fs::read(self.base_path(segment)).ok()
    }

    /// The place of the first line of a segment, if it is there.
    fn segment(&self, segment: u64) -> Result<Option<FeedAt>, StoreError> {
        let path = self.segment_path(segment);
        let meta = unless_missing(fs::metadata(&path)).map_err(|source| StoreError::io("look at", &path, source))?;
        Ok(meta.map(|meta| FeedAt { segment, offset: 0, ino: meta.ino() }))
    }

    /// The numbers of the segments, oldest first; those in front of a gap belong to nobody.
    fn segments(&self) -> Result<Vec<u64>, StoreError> {
        let folder = self.folder();
        let entries =
            unless_missing(fs::read_dir(&folder)).map_err(|source| StoreError::io("list", &folder, source))?;
        let number = |name: &Path| name.to_str()?.strip_suffix(".jsonl")?.parse::<u64>().ok();
        let mut segments: Vec<u64> =
            entries.into_iter().flatten().flatten().filter_map(|entry| number(Path::new(&entry.file_name()))).collect();
        segments.sort_unstable();
        let gap = segments.windows(2).rposition(|pair| pair[1] != pair[0] + 1);
        Ok(segments.split_off(gap.map_or(0, |gap| gap + 1)))
    }

    fn segment_path(&self, segment: u64) -> PathBuf {
        self.folder().join(format!("{segment:08}.jsonl"))
    }

    fn base_path(&self, segment: u64) -> PathBuf {
        self.folder().join(format!("{segment:08}.base"))
    }
}

impl OperationLog {
    /// Adds to the feed what was seen, if nothing was added since `at` (`None`: there was no feed), and `still` confirms
    /// that it is still so. Half done operations of dead processes are finished, and told, first.
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be read or written; whatever `still` fails with.
    pub fn add_to_change_log<E: From<StoreError>>(
        &self,
        at: Option<FeedAt>,
        still: &mut dyn FnMut() -> Result<bool, E>,
        addition: Addition<'_>,
    ) -> Result<FeedAdded, E> {
        let held = match self.hold(None) {
            Err(error) if error.is_state_read_only() => None,
            held => Some(held?),
        };
        let lock = if held.is_none() && self.folder.open()?.is_some() {
            Some(self.locks.lock_folder_read_only()?)
        } else {
            None
        };
        let is_new = match at {
            Some(at) => self.changes.behind(at)? != FeedPart::End,
            None => self.changes.start()?.is_some(),
        };
        if is_new || sabotage::active(Sabotage::AddNothing) || !still()? {
            return Ok(FeedAdded::No);
        }
        let Some(held) = held else {
            drop(lock);
            return Ok(FeedAdded::ReadOnly);
        };
        let rotated = match addition {
            Addition::Lines(lines) => self.changes.append(lines)?,
            Addition::Base(base, lines) => {
                let next = self.changes.segments()?.last().map_or(1, |newest| newest + 1);
                self.changes.put_base(next, base)?;
                self.changes.append_to(next, lines)?;
                true
            }
        };
        drop(held);
        if rotated {
            self.changes.prune()?;
        }
        Ok(FeedAdded::Yes)
    }

    /// Adds lines to the feed that are about no change of a document.
    ///
    /// # Errors
    /// [`StoreError`] if the run state cannot be locked or written.
    pub fn append_to_change_log(&self, lines: &[u8]) -> Result<(), StoreError> {
        let held = self.hold(None)?;
        let rotated = self.changes.append(lines)?;
        drop(held);
        if rotated { self.changes.prune() } else { Ok(()) }
    }
}

/// Cuts off what a writer left that died in the middle of a line.
fn cut_torn_line(file: &File, length: u64) -> io::Result<()> {
    const STEP: u64 = 4096;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        // Nearly always one byte tells.
        if end == length {
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            if last == *b"\n" {
                return Ok(());
            }
        }
        file.read_exact_at(&mut bytes, start)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return file.set_len(start + at as u64 + 1);
        }
        end = start;
    }
    if length > 0 { file.set_len(0) } else { Ok(()) }
}
