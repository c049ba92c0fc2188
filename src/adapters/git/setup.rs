//! How git is set up for the repository: who commits, which hooks there are, and settings of the clone. Writes the configuration of the clone only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::error::{CommitError, GitError, shown};
use super::identity::User;
use super::lock::{self, Lock, Refusal};
use super::repository::Repository;
use super::{durable, journal, mode, program};

/// How often a change of the configuration is tried while others change it, and how long to wait for their lock.
const CONFIG_TRIES: u32 = 40;
const CONFIG_NAP: Duration = Duration::from_millis(50);
/// Hooks that a commit of documents could run.
const HOOKS: [&str; 2] = ["pre-commit", "post-commit"];

/// What `git --version` prints.
///
/// # Errors
/// Why the git program could not be asked.
pub fn program_version() -> Result<String, String> {
    program::version()
}

/// How git is set up for a repository: identity, hooks, and settings of the clone.
#[derive(Debug, Clone, Copy)]
pub struct GitSetup<'r> {
    pub(super) repo: &'r Repository,
}

impl GitSetup<'_> {
    /// Sees whether there is somebody to put down as committer.
    ///
    /// # Errors
    /// [`CommitError::NoIdentity`] if not.
    pub fn identity(self) -> Result<(), CommitError> {
        User::read(self.repo).map(drop)
    }

    /// The name of the user, as their commits have it.
    ///
    /// # Errors
    /// [`CommitError::NoIdentity`] if git knows none.
    pub fn user_name(self) -> Result<String, CommitError> {
        Ok(User::read(self.repo)?.name())
    }

    /// The hooks that are there and could run with a commit of documents.
    #[must_use]
    pub fn hook_names(self) -> Vec<&'static str> {
        let own = self.repo.gix().config_snapshot().trusted_path("core.hooksPath").ok().flatten();
        // A relative path is one from where hooks run: the top of the work tree.
        let folder = own.map_or_else(|| self.repo.common_dir().join("hooks"), |path| self.repo.work_tree().join(path));
        let is_program =
            |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        HOOKS.into_iter().filter(|name| is_program(&folder.join(name))).collect()
    }

    /// Sets a key in the configuration of this clone that nobody else sees, unless it is set there; tells whether it was not.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot write it.
    pub fn set_own(self, key: &str, value: &str) -> Result<bool, GitError> {
        if self.repo.program().run(&["config", "--local", "--get-all", key])?.code == Some(0) {
            return Ok(false);
        }
        self.write_config(key, value)?;
        Ok(true)
    }

    /// Writes a key into the configuration of this clone. Git changes that file without syncing it, and a power cut would leave
    /// it empty: so git changes a copy, and the copy takes the place of the file, under git's own lock, once it is on the disk.
    fn write_config(self, key: &str, value: &str) -> Result<(), GitError> {
        let named = self.repo.common_dir().join("config");
        let path = fs::canonicalize(&named).map_err(GitError::io("find", &named))?;
        // Swept if this process dies.
        let at = journal::CommitFiles::new(&self.repo.run_dir(), self.repo.shared_mode())?;
        self.swap_config(&path, &at.file("draft"), key, value)?;
        durable::sync_folders(path.parent())
    }

    fn swap_config(self, path: &Path, draft: &Path, key: &str, value: &str) -> Result<(), GitError> {
        let mut held = None;
        for _ in 0..CONFIG_TRIES {
            let before = fs::read(path).map_err(GitError::io("read", path))?;
            fs::write(draft, &before).map_err(GitError::io("write", draft))?;
            let name = draft.to_string_lossy();
            self.repo.program().ask(&["config", "--file", &name, key, value])?;
            let file = fs::File::open(draft).map_err(GitError::io("open", draft))?;
            mode::like_file(path, &file).map_err(GitError::io("set the permissions of", draft))?;
            durable::sync_files(&[&file]).map_err(GitError::io("sync", draft))?;
            let lock = match Lock::take(draft, path, self.repo.shared_mode()) {
                Ok(lock) => lock,
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Held(lock)) => {
                    held = Some(lock);
                    std::thread::sleep(CONFIG_NAP);
                    continue;
                }
            };
            held = None;
            // Under the lock: it is as it was read, or it all starts again.
            if fs::read(path).map_err(GitError::io("read", path))? == before {
                return lock.publish();
            }
        }
        let held = held.and_then(|lock| lock::describe(&lock, self.repo.work_tree()));
        Err(held.map_or_else(
            || GitError::refused(format!("`{}` changes all the time", shown(path)), "try again in a moment"),
            |held| GitError::refused(held.to_string(), held.hint()),
        ))
    }
}
