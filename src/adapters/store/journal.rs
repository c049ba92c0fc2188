//! The journal file: every operation's before and after, appended under the folder lock, kept until it is committed.
//! It never decides about documents.
//!
//! The file is a header of 64 bytes and frames (see `record`). The header says whether the last holder of the lock is
//! done (`busy`), where the last frame begins and where the frames end, and in which boot of the machine it was written:
//! within one boot the header is right even after `kill -9`, after another boot the frames are read and checked anew.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::{LINK, StoreError, is_refusal};
use super::plain::{unless_missing, write_below};
use super::record::{self, Entry, Frame, State};
use super::sabotage::{self, Sabotage};
use super::{Durability, LocalState, StateFolder, lock, share, temp};

const MAGIC_STEM: &[u8; 7] = b"MYCJRNL";
const VERSION: u8 = b'2';
const HEADER_BYTES: u64 = 64;
/// A journal whose forgotten records take more than this, and more than half of it, is written anew.
const SLACK_BYTES_MAX: u64 = 1024 * 1024;
/// The same where nothing but forgotten records is left: a new file for every commit would cost more than reading these.
const SLACK_ALONE_BYTES_MAX: u64 = 16 * 1024;

/// The journal, opened under the folder lock. It may be used no longer than that lock is held, but for [`Journal::sync`].
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    boot: [u8; 36],
    pub(super) header: Header,
    pub(super) is_writable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The boot in which the rest of the header was written.
    pub(super) boot: [u8; 36],
    /// Where the newest frame begins.
    pub(super) last: u64,
    /// Where the frames end.
    pub(super) end: u64,
    /// The newest frame's exchanges are under way.
    pub(super) busy: bool,
}

impl Header {
    pub(super) fn fresh(boot: [u8; 36]) -> Self {
        Self { boot, last: HEADER_BYTES, end: HEADER_BYTES, busy: false }
    }

    fn encode(self) -> [u8; 64] {
        let mut out = [0; 64];
        out[..7].copy_from_slice(MAGIC_STEM);
        out[7] = VERSION;
        out[8..44].copy_from_slice(&self.boot);
        out[44..52].copy_from_slice(&self.last.to_le_bytes());
        out[52..60].copy_from_slice(&self.end.to_le_bytes());
        out[60] = u8::from(self.busy);
        out
    }

    fn decode(bytes: &[u8; 64]) -> Option<Self> {
        if bytes[..7] != *MAGIC_STEM || bytes[7] != VERSION {
            return None;
        }
        Some(Self {
            boot: bytes[8..44].try_into().ok()?,
            last: u64::from_le_bytes(bytes[44..52].try_into().ok()?),
            end: u64::from_le_bytes(bytes[52..60].try_into().ok()?),
            busy: bytes[60] != 0,
        })
    }
}

/// The boot of this machine, as the kernel names it; where it does not, a name of our own, so that every start of the
/// program checks anew.
pub(super) fn boot_id() -> [u8; 36] {
    let text = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.get(..36).and_then(|id| id.try_into().ok()).unwrap_or_else(|| {
        let mut own = [b'-'; 36];
        for (to, from) in own.iter_mut().zip(temp::fresh_name().into_bytes()) {
            *to = from;
        }
        own
    })
}

impl Journal {
    /// Opens the journal; `None` if there is none yet. A torn header is replaced by one that asks for a full check.
    pub(super) fn open(path: &Path, boot: [u8; 36]) -> Result<Option<Self>, StoreError> {
        let (file, is_writable) = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_refusal(&error) => {
                (File::open(path).map_err(|source| StoreError::io("open", path, source))?, false)
            }
            Err(source) => return Err(StoreError::io("open", path, source)),
        };
        let mut bytes = [0; 64];
        let read = read_up_to(&file, &mut bytes).map_err(|source| StoreError::io("read", path, source))?;
        if read == 64 && bytes[..7] == *MAGIC_STEM && bytes[7] > VERSION {
            return Err(StoreError::NewerJournal { path: path.to_owned() });
        }
        // Zeros are no boot: the frames behind a torn header are read as after a power cut.
        let header = Header::decode(&bytes).unwrap_or(Header::fresh([0; 36]));
        Ok(Some(Self { file, path: path.to_owned(), boot, header, is_writable }))
    }

    fn fault(&self, action: &'static str) -> impl Fn(io::Error) -> StoreError {
        let path = self.path.clone();
        move |source| StoreError::io(action, &path, source)
    }

    /// Writes the header; one small write inside a page, so a dying process leaves the old or the new.
    pub(super) fn set_header(&mut self, header: Header) -> Result<(), StoreError> {
        self.file.write_all_at(&header.encode(), 0).map_err(self.fault("write"))?;
        self.header = header;
        Ok(())
    }

    /// Appends a frame and says in the header that its exchanges begin. Returns where its state byte stands.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<u64, StoreError> {
        let start = self.header.end;
        // What a dead writer left behind the end goes, or it could be taken for frames after a power cut.
        let length = self.file.metadata().map_err(self.fault("look at"))?.len();
        if length > start {
            self.file.set_len(start).map_err(self.fault("write"))?;
        }
        self.file.write_all_at(frame, start).map_err(self.fault("write"))?;
        let end = start + frame.len() as u64;
        self.set_header(Header { last: start, end, busy: true, ..self.header })?;
        Ok(end - 1)
    }

    /// Notes how the newest operation ended and that the lock's holder is done.
    pub(super) fn finish(&mut self, state_at: u64, state: State) -> Result<(), StoreError> {
        self.set_state(state_at, state)?;
        self.set_header(Header { busy: false, ..self.header })
    }

    pub(super) fn set_state(&self, state_at: u64, state: State) -> Result<(), StoreError> {
        self.file.write_all_at(&[state.byte()], state_at).map_err(self.fault("write"))
    }

    /// Every frame, with places counted from the start of the file.
    pub(super) fn frames(&self) -> Result<Vec<Frame>, StoreError> {
        self.frames_from(HEADER_BYTES)
    }

    /// The newest frame alone.
    pub(super) fn newest(&self) -> Result<Option<Frame>, StoreError> {
        Ok(self.frames_from(self.header.last)?.pop())
    }

    /// Frames up to the end that the header names; bytes behind it belong to nobody. After another boot the header
    /// is not believed and all is read.
    fn frames_from(&self, start: u64) -> Result<Vec<Frame>, StoreError> {
        let length = self.file.metadata().map_err(self.fault("look at"))?.len();
        let end = if self.header.boot == self.boot { self.header.end.min(length) } else { length };
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        let read = read_up_to_at(&self.file, &mut bytes, start).map_err(self.fault("read"))?;
        let mut frames = record::decode_all(&bytes[..read]);
        let offset = usize::try_from(start).unwrap_or(usize::MAX);
        for frame in &mut frames {
            frame.start += offset;
            frame.state_at += offset;
        }
        Ok(frames)
    }

    /// Makes everything appended so far durable. Others may have replaced the file meanwhile (they copied our record
    /// into the new one): then that one is synced too, with its name.
    pub(super) fn sync(mut self, state: &StateFolder) -> Result<(), StoreError> {
        loop {
            let fault = |source| StoreError::NotDurable { path: self.path.clone(), source };
            self.file.sync_all().map_err(fault)?;
            let ino = self.file.metadata().map_err(fault)?.ino();
            match fs::metadata(&self.path) {
                Ok(now) if now.ino() == ino => return Ok(()),
                Ok(_) => self.file = File::open(&self.path).map_err(fault)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(source) => return Err(fault(source)),
            }
            sync_dir(&state.run)?;
        }
    }

    /// Makes everything appended so far durable, for the holder of the folder lock.
    pub(super) fn force(&self) -> Result<(), StoreError> {
        if sabotage::active(Sabotage::NoFsync) {
            return Ok(());
        }
        self.file.sync_all().map_err(|source| StoreError::NotDurable { path: self.path.clone(), source })
    }

    /// Throws settled, forgotten records away: the file is made anew when there is much to gain. `frames` are all that it has.
    /// The caller holds the folder lock.
    pub(super) fn compact(&mut self, state: &StateFolder, frames: &[Frame]) -> Result<(), StoreError> {
        if !is_worth_compacting(frames) {
            return Ok(());
        }
        let mut bytes = Header::fresh(state.boot).encode().to_vec();
        let mut header = Header::fresh(state.boot);
        for frame in frames.iter().filter(|frame| !is_gone(frame)) {
            header.last = bytes.len() as u64;
            let mut encoded = state.frame_of(&frame.entry)?;
            if let Some(state) = encoded.last_mut() {
                *state = frame.state.byte();
            }
            bytes.extend(encoded);
        }
        header.end = bytes.len() as u64;
        bytes[..64].copy_from_slice(&header.encode());
        *self = self.replace(state, &bytes, header)?;
        Ok(())
    }

    fn replace(&self, state: &StateFolder, bytes: &[u8], header: Header) -> Result<Self, StoreError> {
        let (file, draft) = write_draft(state, bytes)?;
        // An empty journal that is lost at a power cut is an empty journal; one with records must reach the disk first.
        if header.end > HEADER_BYTES && state.durability != Durability::Off {
            file.sync_all().map_err(|source| StoreError::NotDurable { path: draft.clone(), source })?;
        }
        fs::rename(&draft, &self.path).map_err(self.fault("replace"))?;
        Ok(Self { file, path: self.path.clone(), boot: self.boot, header, is_writable: true })
    }
}

/// Returns true if the record is not needed any more.
fn is_gone(frame: &Frame) -> bool {
    frame.state.is_forgotten() && frame.state.is_settled()
}

/// Returns true if so much of a journal with these frames is not needed any more that a new file is worth its price.
pub(super) fn is_worth_compacting(frames: &[Frame]) -> bool {
    let size = |frame: &Frame| (frame.state_at + 1 - frame.start) as u64;
    let slack: u64 = frames.iter().filter(|frame| is_gone(frame)).map(size).sum();
    let all: u64 = frames.iter().map(size).sum();
    slack == all && slack > SLACK_ALONE_BYTES_MAX || slack > SLACK_BYTES_MAX && slack > all / 2
}

fn write_draft(state: &StateFolder, bytes: &[u8]) -> Result<(File, PathBuf), StoreError> {
    let draft = state.temp_dir().join(temp::fresh_name());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&draft)
        .map_err(|source| StoreError::io("create", &draft, source))?;
    share::open_up(&draft);
    // Sweepers leave locked files alone.
    lock::own(&file)
        .and_then(|()| file.write_all_at(bytes, 0))
        .map_err(|source| StoreError::io("write", &draft, source))?;
    Ok((file, draft))
}

fn read_up_to(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    read_up_to_at(file, bytes, 0)
}

pub(super) fn read_up_to_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], at + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

pub(super) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    if sabotage::active(Sabotage::NoFsync) || sabotage::active(Sabotage::NoSyncFolders) {
        return Ok(());
    }
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| StoreError::NotDurable { path: path.to_owned(), source })
}

impl StateFolder {
    /// The bytes of an entry in the journal.
    pub(super) fn frame_of(&self, entry: &Entry) -> Result<Vec<u8>, StoreError> {
        let too_large = || StoreError::io("write", &self.journal_path(), io::Error::from(io::ErrorKind::FileTooLarge));
        record::encode(entry).ok_or_else(too_large)
    }

    pub(super) fn temp_dir(&self) -> PathBuf {
        self.run.join("tmp")
    }

    /// Replaces a file of local state in one step, without waiting for the disk.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // Where a sweep finds it if this process dies now.
        let draft = self.temp_dir().join(temp::fresh_name());
        write_below(&self.temp_dir(), || share::write(&draft, bytes)).and_then(|()| fs::rename(&draft, path))
    }

    pub(super) fn journal_path(&self) -> PathBuf {
        self.run.join("journal")
    }

    /// Makes the run state's folders and an empty journal where they are missing, durably.
    ///
    /// # Errors
    /// [`StoreError::StateReadOnly`] if this process may not write there.
    pub(super) fn make_run(&self) -> Result<(), StoreError> {
        let journal = self.journal_path();
        let fault = |action, path: &Path, source| StoreError::in_state(action, &self.run, path, source);
        // Opened, not looked at: a sandbox may refuse what the rights of the file allow.
        let is_there = match OpenOptions::new().write(true).open(&journal) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(fault("open", &journal, source)),
        };
        let temps = self.temp_dir();
        if is_there && temps.exists() {
            return Ok(());
        }
        share::make_folders(&temps).map_err(|source| fault("make the folder", &temps, source))?;
        if !is_there {
            let (file, draft) = write_draft(self, &Header::fresh(self.boot).encode())?;
            if self.durability != Durability::Off {
                file.sync_all().map_err(|source| StoreError::NotDurable { path: draft.clone(), source })?;
            }
            // A link does not replace what another process put there in the meantime.
            match fs::hard_link(&draft, &journal) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StoreError::io(LINK, &journal, source)),
            }
            // It is gone where a sweeper was faster.
            unless_missing(fs::remove_file(&draft)).map_err(|source| StoreError::io("remove", &draft, source))?;
        }
        if self.durability != Durability::Off {
            sync_dir(&self.run)?;
            if let Some(parent) = self.run.parent() {
                sync_dir(parent)?;
            }
        }
        Ok(())
    }
}

impl LocalState {
    /// Makes local state, where it is missing.
    ///
    /// # Errors
    /// [`StoreError::StateReadOnly`] if this process may not write it; others if the system refuses.
    pub fn make(&self) -> Result<(), StoreError> {
        self.state.make_run()
    }

    /// Returns true if this process may read local state and not write it. It changes nothing.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match OpenOptions::new().write(true).open(self.state.journal_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = self.state.run.ancestors().find(|folder| folder.exists());
                let refusal = made.and_then(|folder| rustix::fs::access(folder, Access::WRITE_OK).err());
                refusal.is_some_and(|errno| is_refusal(&errno.into()))
            }
            opened => opened.is_err_and(|error| is_refusal(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_its_bytes() {
        let header = Header { boot: [b'x'; 36], last: 64, end: 1 << 40, busy: true };
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!(Header::decode(&[0; 64]), None);
    }
}
