//! Sessions of workers: a locked file for each worker that runs, with the tasks that it may have claimed. The lock dies with the
//! worker, so what it left behind is known, and whose it was.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::lock::is_held;
use super::plain::{read_text, unless_missing, write_below};
use super::{Durability, LocalState, share, temp};
use crate::core::name::{AgentName, DocId};

/// The folder of sessions, below the local state of a worktree.
const FOLDER: &str = "workers";
/// Largest session that is read, in bytes.
const BYTES_MAX: usize = 1 << 20;
/// Tries to make a session that no other worker removes as one that was left behind.
const TRIES: usize = 100;

/// The session of this worker. Its lock is held until it and all copies of its file are closed.
#[derive(Debug)]
pub struct WorkerSession {
    path: PathBuf,
    file: File,
    is_synced: bool,
}

/// A session whose worker has ended without ending it; locked until it is dropped.
#[derive(Debug)]
pub struct LeftSession {
    path: PathBuf,
    _file: File,
    /// The tasks that the worker may have claimed.
    pub tasks: Vec<DocId>,
}

impl LocalState {
    /// Begins a session of a worker that acts as an agent.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be written.
    pub fn begin_worker_session(&self, agent: &AgentName) -> Result<WorkerSession, StoreError> {
        let folder = self.worker_folder(agent);
        let is_synced = self.state.durability != Durability::Off;
        for _ in 0..TRIES {
            let path = folder.join(temp::fresh_name());
            let make = || -> io::Result<Option<File>> {
                let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
                share::open_up(&path);
                // Before it is locked it looks like one that was left behind, and may be removed.
                file.lock()?;
                if is_synced {
                    File::open(&folder)?.sync_all()?;
                }
                let named = unless_missing(fs::metadata(&path))?;
                Ok(named.filter(|named| file.metadata().is_ok_and(|own| own.ino() == named.ino())).map(|_| file))
            };
            let session = write_below(&folder, make);
            if let Some(file) =
                session.map_err(|source| StoreError::in_state("write", &self.state.run, &path, source))?
            {
                return Ok(WorkerSession { path, file, is_synced });
            }
        }
        let source = io::Error::other("other workers remove it again and again");
        Err(StoreError::in_state("write", &self.state.run, &folder, source))
    }

    /// Returns the sessions of an agent's workers that ended without ending them, and the tasks of those that are alive.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be read.
    pub fn worker_sessions(&self, agent: &AgentName) -> Result<(Vec<LeftSession>, Vec<DocId>), StoreError> {
        let folder = self.worker_folder(agent);
        let fault = |source| StoreError::in_state("read", &self.state.run, &folder, source);
        let (mut left, mut live) = (Vec::new(), Vec::new());
        for entry in unless_missing(fs::read_dir(&folder)).map_err(fault)?.into_iter().flatten().flatten() {
            let path = entry.path();
            if is_held(&path)? {
                live.extend(tasks_of(&read_text(&path, BYTES_MAX).unwrap_or_default().unwrap_or_default()));
            } else {
                left.extend(LeftSession::lock(&path).map_err(fault)?);
            }
        }
        Ok((left, live))
    }

    /// Returns the agents that workers act as here, or acted as.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be read.
    pub fn worker_agents(&self) -> Result<Vec<AgentName>, StoreError> {
        let folder = self.state.run.join(FOLDER);
        let entries = unless_missing(fs::read_dir(&folder));
        let entries = entries.map_err(|source| StoreError::in_state("read", &self.state.run, &folder, source))?;
        let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| AgentName::new(name.to_str()?).ok()).collect())
    }

    /// Returns the tasks of all workers that are alive here.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the local state cannot be read.
    pub fn worked_tasks(&self) -> Result<BTreeSet<DocId>, StoreError> {
        let mut tasks = BTreeSet::new();
        for agent in self.worker_agents()? {
            tasks.extend(self.worker_sessions(&agent)?.1);
        }
        Ok(tasks)
    }

    fn worker_folder(&self, agent: &AgentName) -> PathBuf {
        self.state.run.join(FOLDER).join(agent.as_str())
    }
}

impl WorkerSession {
    /// Writes down the tasks that this worker may have claimed from now on. Durable on return.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be written.
    pub fn record<'t>(&self, tasks: impl IntoIterator<Item = &'t DocId>) -> Result<(), StoreError> {
        let text: String = tasks.into_iter().flat_map(|task| [task.as_str(), "\n"]).collect();
        let write = || {
            self.file.write_all_at(text.as_bytes(), 0)?;
            self.file.set_len(text.len() as u64)?;
            if self.is_synced { self.file.sync_data() } else { Ok(()) }
        };
        write().map_err(|source| StoreError::io("write", &self.path, source))
    }

    /// Returns the file once more: whoever has it keeps the session alive.
    ///
    /// # Errors
    /// [`StoreError::Io`] if there is no file descriptor to be had.
    pub fn share(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(|source| StoreError::io("open", &self.path, source))
    }

    /// Ends the session: the worker has given back or ended all of its tasks.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be removed.
    pub fn end(self) -> Result<(), StoreError> {
        let removed = unless_missing(fs::remove_file(&self.path)).map(drop);
        removed.map_err(|source| StoreError::io("remove", &self.path, source))
    }
}

impl LeftSession {
    /// Locks a session that was left behind; `None` if another worker was faster.
    fn lock(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = unless_missing(File::open(path))? else { return Ok(None) };
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let mut text = String::new();
        // Half of a character is half of an id, which is of no task.
        let _ = (&file).take(BYTES_MAX as u64).read_to_string(&mut text);
        Ok(Some(Self { path: path.to_owned(), tasks: tasks_of(&text), _file: file }))
    }

    /// Removes it: nothing of it is left to do.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be removed.
    pub fn remove(self) -> Result<(), StoreError> {
        let removed = unless_missing(fs::remove_file(&self.path)).map(drop);
        removed.map_err(|source| StoreError::io("remove", &self.path, source))
    }
}

fn tasks_of(text: &str) -> Vec<DocId> {
    text.lines().filter_map(|line| DocId::new(line).ok()).collect()
}
