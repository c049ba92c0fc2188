//! A `TaskQueue` server and how it is used.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::program::ProgramChoice;
use crate::adapters::store;
use crate::adapters::taskqueue::{Client, TaskQueueError, TaskQueueSpace};
use crate::core::reconcile;
use crate::services::bridge::backend::MirrorTarget;
use crate::services::{Error, Project};

/// Longest wait for a server to start and to answer once; `npx` looks for the package before that.
const START_MAX: Duration = Duration::from_secs(10);
const NPX_START_MAX: Duration = Duration::from_secs(15);
/// How long a call may take, and longer for each megabyte of its file: the server reads and writes all of it each time.
const CALL_MAX: Duration = Duration::from_secs(10);
const CALL_PER_MEGABYTE: Duration = Duration::from_secs(1);
/// A lock that is older was left by a server that was killed: the server waits for it without an end.
const LOCK_MAX: Duration = Duration::from_secs(5);

/// A server and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services::bridge) struct TaskQueueTarget {
    /// What is mirrored to it.
    pub(super) mirror: MirrorTarget,
    /// Its program.
    pub(super) program: ProgramChoice,
    /// The file that it keeps; absolute.
    pub(super) file: PathBuf,
    /// The work tree, from which no program is taken unless the user's own command names it.
    pub(super) root: PathBuf,
    /// The coordination folder, below the work tree.
    pub(super) folder: String,
    /// The pause between looks at the file.
    pub(super) poll_every: Duration,
    /// Most tasks that are not completed and are shown there.
    pub(super) tasks_max: usize,
    /// How long a task may be in progress there before that is reported.
    pub(super) progress_max: Duration,
}

impl TaskQueueTarget {
    /// The file and the branch, as the name of a folder: what is remembered does not depend on the program.
    pub(super) fn memory_name(file: &Path, branch: &str) -> String {
        let text = [b"taskqueue ", file.as_os_str().as_encoded_bytes(), b" ", branch.as_bytes()].concat();
        reconcile::digest(&text)[..16].to_owned()
    }

    /// Longest wait for the program.
    pub(super) fn start_max(&self) -> Duration {
        if self.program.is_npx() { NPX_START_MAX } else { START_MAX }
    }

    /// Starts the program. The folder of its file must be there: the server does not make it.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub(super) fn start(&self, within: Duration) -> Result<Client, TaskQueueError> {
        let program = self.program.resolve(&self.file, &self.root)?;
        store::make_folders(&program.folder).map_err(|error| TaskQueueError::NotStarted {
            program: program.name(),
            why: format!("the folder of its file cannot be made: {error}"),
        })?;
        Client::start(&program, within)
    }

    /// How long a call may take.
    fn call_max(&self) -> Duration {
        let bytes = self.file.metadata().map_or(0, |found| found.len());
        CALL_MAX + CALL_PER_MEGABYTE * u32::try_from(bytes >> 20).unwrap_or(u32::MAX).min(100)
    }

    /// What this clone mirrors: all clones of the repository that mirror the branch have the same word for it. `None` before
    /// the first commit.
    pub(super) fn space(&self, project: &Project) -> Result<Option<TaskQueueSpace>, Error> {
        let id = match &project.repository {
            // Outside git there is one folder and no clone.
            None => self.mirror.node.clone(),
            Some(repository) => {
                let Some(tip) = project.records().head()?.and_then(|head| head.revision) else { return Ok(None) };
                let Some(first) = repository.log().first_commit(&tip)? else { return Ok(None) };
                let text = format!("{first} {} {}", self.folder, self.mirror.branch);
                reconcile::digest(text.as_bytes())[..16].to_owned()
            }
        };
        let name = self.root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let branch =
            if self.mirror.branch.is_empty() { String::new() } else { format!(", branch {}", self.mirror.branch) };
        let title = format!("Tasks of {name}{branch}. They are kept in the files of {}.", self.folder);
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Some(TaskQueueSpace { id, title, within: self.call_max() }))
    }
}

/// Refuses a file whose lock is left over.
///
/// # Errors
/// [`TaskQueueError::Locked`].
pub(super) fn check_lock(file: &Path) -> Result<(), TaskQueueError> {
    let mut lock = file.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let age = lock
        .metadata()
        .and_then(|found| found.modified())
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    match age.filter(|age| *age > LOCK_MAX) {
        Some(age) => Err(TaskQueueError::Locked { lock, age }),
        None => Ok(()),
    }
}
