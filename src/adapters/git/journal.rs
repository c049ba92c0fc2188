//! The commit's own journal in run state: which locks are ours, and what has to be finished. Alive while its file is locked by the operating system.

use std::cell::Cell;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::GitError;
use super::mode::{self, SharedMode};

/// What the files of one commit in run state begin with.
const PREFIX: &str = "commit-";
/// What the files of one commit are for; the journal last.
const PURPOSES: [&str; 6] = ["tree", "words", "index", "branch", "draft", "json"];
/// Older leftovers are swept even if a process of their number runs: it is another one.
const OLD: Duration = Duration::from_secs(3_600);

/// Everything that recovery needs to know about a commit under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The process, for people.
    pub(super) process: u32,
    /// The full name of the branch (`HEAD` if detached).
    pub(super) branch: String,
    /// Its value before, in hexadecimal digits; none before the first commit.
    pub(super) old: Option<String>,
    /// Its value after.
    pub(super) new: String,
    /// The paths in the repository whose index entries follow the branch; empty if the index is left alone.
    pub(super) paths: Vec<String>,
    /// The locks, in the order in which they are taken.
    pub(super) locks: Vec<LockNote>,
}

/// One lock of a commit: the prepared file that is linked to `<target>.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockNote {
    pub(super) role: Role,
    pub(super) prepared: PathBuf,
    pub(super) target: PathBuf,
}

/// What a lock guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// The index; the lock file is the next one.
    Index,
    /// HEAD while it points to the branch; the lock file is the journal itself: it only has to be ours.
    Head,
    /// The branch; the lock file is its next value.
    Branch,
}

/// Takes any bytes as the journal of a commit: what is read can be written, and is then read the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_journal(input: &[u8]) {
    if let Ok(journal) = serde_json::from_slice::<Journal>(input) {
        let text = serde_json::to_vec(&journal).expect("it was read");
        assert_eq!(serde_json::from_slice::<Journal>(&text).ok(), Some(journal));
    }
}

/// The files of one commit in run state. They go when it is dropped.
pub(super) struct CommitFiles {
    run: PathBuf,
    pub(super) stem: String,
    /// Keeps the operating system's lock on the journal.
    journal: Option<File>,
    /// Says that recovery has something left to do.
    keep: bool,
    shared: SharedMode,
    /// Which files were asked for, one bit each as in [`PURPOSES`]: no other can be there.
    asked: Cell<u8>,
}

impl CommitFiles {
    /// Names for the files of a new commit; makes run state if there is none.
    pub(super) fn new(run: &Path, shared: SharedMode) -> Result<Self, GitError> {
        match fs::create_dir(run) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            done => done
                .and_then(|()| run.parent().map_or(Ok(()), |git_dir| mode::like_folder(git_dir, run)))
                .and_then(|()| shared.apply(run))
                .map_err(GitError::io("make folder", run))?,
        }
        let stem = format!("{}_{:016x}", std::process::id(), random());
        Ok(Self { run: run.to_owned(), stem, journal: None, keep: false, shared, asked: Cell::new(0) })
    }

    /// The file for one purpose.
    pub(super) fn file(&self, purpose: &str) -> PathBuf {
        let bit = PURPOSES.iter().position(|known| *known == purpose).map_or(0, |at| 1 << at);
        self.asked.set(self.asked.get() | bit);
        self.run.join(format!("{PREFIX}{}.{purpose}", self.stem))
    }

    /// Writes the journal and locks it. It is not in place before [`CommitFiles::announce`].
    pub(super) fn write(&mut self, journal: &Journal) -> Result<&File, GitError> {
        let path = self.file("draft");
        let failed = || GitError::io("write", &path);
        let text = serde_json::to_vec(journal).map_err(GitError::object("write the commit's journal"))?;
        let mut file = File::create_new(&path).map_err(failed())?;
        self.shared.apply_to(&file).map_err(failed())?;
        while let Err(error) = file.lock() {
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(failed()(error));
            }
        }
        file.write_all(&text).map_err(failed())?;
        Ok(self.journal.insert(file))
    }

    /// Leaves everything to recovery.
    pub(super) fn abandon(mut self) {
        self.keep = true;
    }

    /// Puts the journal in place: from now on recovery minds the locks.
    pub(super) fn announce(&self) -> Result<(), GitError> {
        let (from, to) = (self.file("draft"), self.file("json"));
        fs::rename(&from, &to).map_err(GitError::io("make", &to))
    }
}

impl Drop for CommitFiles {
    fn drop(&mut self) {
        // The journal goes last, so that it never speaks of locks without their prepared files.
        for (at, purpose) in PURPOSES.iter().enumerate() {
            if !self.keep && self.asked.get() & 1 << at != 0 {
                let _ = fs::remove_file(self.file(purpose));
            }
        }
    }
}

/// The files that a commit left in run state.
pub(super) struct Leftover {
    pub(super) stem: String,
    /// The journal, if it was put in place; locked by us now.
    pub(super) journal: Option<(Journal, File)>,
    run: PathBuf,
}

impl Leftover {
    /// Tells whether a path is one of its files.
    pub(super) fn has(&self, path: &Path) -> bool {
        PURPOSES.iter().any(|purpose| self.run.join(format!("{PREFIX}{}.{purpose}", self.stem)) == path)
    }

    /// Removes its files.
    pub(super) fn sweep(self) -> usize {
        let (run, stem, shared) = (self.run, self.stem, SharedMode::Umask);
        let commit_files = CommitFiles { run, stem, journal: None, keep: false, shared, asked: Cell::new(0) };
        PURPOSES.iter().filter(|purpose| commit_files.file(purpose).exists()).count()
    }
}

/// Reads a file that is shorter than `bytes`; `None` if there is none, it is longer, or it cannot be read. Never waits at a
/// pipe.
pub(super) fn read_short<'b>(path: &Path, bytes: &'b mut [u8]) -> Option<&'b [u8]> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let mut file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let length = file.read(bytes).ok()?;
    (length < bytes.len()).then_some(&bytes[..length])
}

/// Lists a folder; a signal in between is no error.
pub(super) fn list(folder: &Path) -> std::io::Result<fs::ReadDir> {
    loop {
        match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            listed => return listed,
        }
    }
}

/// What dead commits left in run state. A commit is alive while its journal is locked, or, before it has one, while its process is.
pub(super) fn leftovers(run: &Path) -> Result<Vec<Leftover>, GitError> {
    let entries = match list(run) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(GitError::io("read folder", run)(error)),
    };
    let mut stems: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_prefix(PREFIX)?.split_once('.')?.0.to_owned())
        })
        .collect();
    stems.sort_unstable();
    stems.dedup();
    Ok(stems.into_iter().filter_map(|stem| leftover(run, stem)).collect())
}

fn leftover(run: &Path, stem: String) -> Option<Leftover> {
    let path = run.join(format!("{PREFIX}{stem}.json"));
    let Ok(file) = File::open(&path) else {
        let any =
            PURPOSES.iter().map(|purpose| run.join(format!("{PREFIX}{stem}.{purpose}"))).find(|path| path.exists())?;
        return is_dead(&stem, &any).then(|| Leftover { stem, journal: None, run: run.to_owned() });
    };
    // Held: its commit is alive, or somebody else recovers it.
    file.try_lock().ok()?;
    // Gone: its commit ended between our look and our lock.
    path.exists().then_some(())?;
    let journal = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Some(Leftover { stem, journal: journal.map(|journal| (journal, file)), run: run.to_owned() })
}

/// Tells whether nobody works on a file any more: the process that its stem names is gone, or it is old. A wrong no delays
/// the sweep; a wrong yes makes a living commit start anew.
pub(super) fn is_dead(stem: &str, file: &Path) -> bool {
    let pid = stem.split('_').next().and_then(|text| text.parse().ok()).and_then(rustix::process::Pid::from_raw);
    let runs = pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH));
    let age = fs::symlink_metadata(file).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
    !runs || age.is_some_and(|age| age > OLD)
}

/// A number that no other process makes at the same time.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
