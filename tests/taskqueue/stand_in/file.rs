//! The stand-in's file: read and rewritten as a whole, in place, each under a lock that nobody owns.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::tools::Failure;

/// The file of all projects.
pub(super) struct File {
    path: PathBuf,
}

/// The projects, and the highest numbers in use.
pub(super) struct Loaded {
    pub data: Value,
    pub project: u64,
    pub task: u64,
}

impl File {
    /// The file that the environment names, else the default of this user.
    pub(super) fn of_environment() -> Self {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || named("HOME").unwrap_or_default().join(".local/share");
        let default = || named("XDG_DATA_HOME").unwrap_or_else(home).join("taskqueue-mcp/tasks.json");
        Self { path: named("TASK_MANAGER_FILE_PATH").unwrap_or_else(default) }
    }

    fn lock_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        path.into()
    }

    /// Waits for the lock, for ever.
    pub(super) fn lock(&self) -> Result<(), std::io::Error> {
        loop {
            match OpenOptions::new().write(true).create_new(true).open(self.lock_path()) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn unlock(&self) {
        let _ = fs::remove_file(self.lock_path());
    }

    pub(super) fn is_locked(&self) -> bool {
        self.lock_path().exists()
    }

    /// Reads everything.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let reload = || Failure::State("Failed to reload tasks from disk".to_owned());
        self.lock().map_err(|_| reload())?;
        let read = fs::read(&self.path);
        self.unlock();
        let data = match read {
            Ok(bytes) => {
                let why = |error: serde_json::Error| Failure::State(format!("Failed to read tasks file: {error}"));
                serde_json::from_str(&String::from_utf8_lossy(&bytes)).map_err(why)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => json!({ "projects": [] }),
            Err(error) => return Err(Failure::State(format!("Failed to read tasks file: {error}"))),
        };
        let (project, task) = highest(&data).ok_or_else(reload)?;
        Ok(Loaded { data, project, task })
    }

    /// Rewrites everything, in place.
    pub(super) fn save(&self, data: &Value) -> Result<(), Failure> {
        // Without the folder the lock cannot be made, before the folder would be.
        self.lock().map_err(|error| Failure::State(error.to_string()))?;
        let saved = fs::write(&self.path, format!("{data:#}"));
        self.unlock();
        saved.map_err(|_| Failure::State("Failed to save tasks file".to_owned()))
    }

    /// Leaves the first half of the file and the lock, as a process does that is killed while it writes.
    pub(super) fn tear(&self) {
        let _ = self.lock();
        let text = fs::read(&self.path).unwrap_or_default();
        fs::write(&self.path, &text[..text.len() / 2]).expect("a torn file");
    }
}

/// The highest numbers of projects and tasks; `None` for what is no file of the server.
fn highest(data: &Value) -> Option<(u64, u64)> {
    let mut found = (0, 0);
    for project in data.get("projects")?.as_array()? {
        found.0 = found.0.max(number(project.get("projectId")?.as_str()?, "proj-"));
        for task in project.get("tasks")?.as_array()? {
            found.1 = found.1.max(number(task.get("id")?.as_str()?, "task-"));
        }
    }
    Some(found)
}

/// The number at the begin of an id without its prefix, 0 if there is none.
fn number(id: &str, prefix: &str) -> u64 {
    let rest = id.replacen(prefix, "", 1);
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
