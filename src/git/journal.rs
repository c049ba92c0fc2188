//! The commit's own journal in run state: which locks are ours, and what has to be finished. Alive while its file is locked by the operating system.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::GitError;
use super::index::FileId;

/// What the files of one commit in run state begin with.
const PREFIX: &str = "commit-";

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
    pub(super) id: FileId,
}

/// What a lock guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// The index; the lock file is the next one.
    Index,
    /// HEAD while it points to the branch; the lock file is empty.
    Head,
    /// The branch; the lock file is its next value.
    Branch,
}

/// The files of one commit in run state. They go when it is dropped.
pub(super) struct Workspace {
    run: PathBuf,
    pub(super) stem: String,
    /// Keeps the operating system's lock on the journal.
    journal: Option<File>,
}

impl Workspace {
    /// Names for the files of a new commit; makes run state if there is none.
    pub(super) fn new(run: &Path) -> Result<Self, GitError> {
        fs::create_dir_all(run).map_err(GitError::io("make folder", run))?;
        let stem = format!("{}_{:016x}", std::process::id(), random());
        Ok(Self { run: run.to_owned(), stem, journal: None })
    }

    /// The file for one purpose.
    pub(super) fn file(&self, purpose: &str) -> PathBuf {
        self.run.join(format!("{PREFIX}{}.{purpose}", self.stem))
    }

    /// Writes the journal and locks it. It is not in place before [`Workspace::announce`].
    pub(super) fn write(&mut self, journal: &Journal) -> Result<&File, GitError> {
        let path = self.file("draft");
        let failed = || GitError::io("write", &path);
        let text = serde_json::to_vec(journal).map_err(GitError::object("write the commit's journal"))?;
        let mut file = File::create_new(&path).map_err(failed())?;
        file.lock().map_err(failed())?;
        file.write_all(&text).map_err(failed())?;
        Ok(self.journal.insert(file))
    }

    /// Puts the journal in place: from now on recovery minds the locks.
    pub(super) fn announce(&self) -> Result<(), GitError> {
        let (from, to) = (self.file("draft"), self.file("json"));
        fs::rename(&from, &to).map_err(GitError::io("make", &to))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // The journal goes last: while it is there, the prepared files keep their inode numbers from being used again.
        for purpose in ["index", "head", "branch", "draft", "json"] {
            let _ = fs::remove_file(self.file(purpose));
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
    /// Removes its files.
    pub(super) fn sweep(self) -> usize {
        let workspace = Workspace { run: self.run, stem: self.stem, journal: None };
        ["index", "head", "branch", "draft", "json"].iter().filter(|purpose| workspace.file(purpose).exists()).count()
    }
}

/// What dead commits left in run state. A commit is alive while its journal is locked, or, before it has one, while its process is.
pub(super) fn leftovers(run: &Path) -> Result<Vec<Leftover>, GitError> {
    let entries = match fs::read_dir(run) {
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
        return (!is_process_alive(&stem)).then(|| Leftover { stem, journal: None, run: run.to_owned() });
    };
    // Held: its commit is alive, or somebody else recovers it.
    file.try_lock().ok()?;
    // Gone: its commit ended between our look and our lock.
    path.exists().then_some(())?;
    let journal = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Some(Leftover { stem, journal: journal.map(|journal| (journal, file)), run: run.to_owned() })
}

/// Tells whether the process that a stem names still runs. A wrong yes delays the sweep; a wrong no makes a commit start anew.
pub(super) fn is_process_alive(stem: &str) -> bool {
    let pid = stem.split('_').next().and_then(|text| text.parse().ok()).and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// A number that no other process makes at the same time.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
