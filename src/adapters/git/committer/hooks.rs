//! Hooks of the repository, run only where the user's own configuration asks for it: `pre-commit`, which may refuse, and `post-commit`.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;

use gix::ObjectId;

use super::GitCommitter;
use crate::adapters::git::build::{self, Built};
use crate::adapters::git::durable::CommitDurability;
use crate::adapters::git::error::{CommitError, GitError};
use crate::adapters::git::journal::CommitFiles;
use crate::adapters::git::pack::Object;
use crate::adapters::git::quarantine::Quarantine;
use crate::core::name::visible;

/// How long a hook may take by default.
const LIMIT: Duration = Duration::from_secs(60);
/// How much of what a hook says is shown, in lines and in characters.
const LINES_MAX: usize = 5;
const WORDS_MAX: usize = 500;

/// Whether commits to the current branch run the repository's hooks. A branch of its own never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hooks {
    /// They do not.
    #[default]
    Never,
    /// `pre-commit` runs before, with an index of what would be committed, and may refuse; what it changes in that index is
    /// not taken. `post-commit` runs after. Both once for each batch of commits, and each for so long at most.
    Run {
        /// The longest that a hook may take; it is killed then.
        limit: Duration,
    },
}

impl Hooks {
    /// They run, for a minute at most.
    #[must_use]
    pub const fn run() -> Self {
        Self::Run { limit: LIMIT }
    }
}

impl GitCommitter<'_> {
    /// Asks `pre-commit` about what is to be committed, unless it was asked about that tree before.
    pub(in crate::adapters::git) fn ask_hook(
        self,
        built: &Built<'_>,
        new: ObjectId,
        approved: &Cell<Option<ObjectId>>,
    ) -> Result<(), CommitError> {
        let Hooks::Run { limit } = self.repo.hooks else { return Ok(()) };
        let commit_files = CommitFiles::new(&self.repo.run_dir(), self.repo.shared_mode())?;
        // The hook's git has to find the objects. They are written again, and synced, once it has agreed.
        let objects: Vec<&Object> = built.objects.iter().collect();
        let quarantine = Quarantine::write(self.repo, &commit_files.stem, &objects)?;
        quarantine.publish(&self.repo.objects_dir(), CommitDurability::Off)?;
        let tree = build::tree_of(&self.repo.gix(), Some(new))?;
        if approved.get() == Some(tree) {
            return Ok(());
        }
        let index = commit_files.file("tree");
        self.write_index_of(tree, &index)?;
        let why = match self.run_hook("pre-commit", Some(&index), &commit_files, limit)? {
            Some(status) if status.success() => {
                approved.set(Some(tree));
                return Ok(());
            }
            Some(_) => format!("refused the commit{}", words(&commit_files.file("words"))),
            None => format!("did not end within {} s and was stopped", limit.as_secs_f32()),
        };
        Err(CommitError::Hook { why })
    }

    /// Lets `post-commit` know. Whatever becomes of it, the commit is made.
    pub(in crate::adapters::git) fn tell_hook(self) {
        if let Hooks::Run { limit } = self.repo.hooks
            && let Ok(commit_files) = CommitFiles::new(&self.repo.run_dir(), self.repo.shared_mode())
        {
            let _ = self.run_hook("post-commit", None, &commit_files, limit);
        }
    }

    fn write_index_of(self, tree: ObjectId, path: &Path) -> Result<(), GitError> {
        let failed = || GitError::io("write", path);
        let index = self.repo.gix().index_from_tree(&tree).map_err(GitError::object("make an index for the hook"))?;
        let mut out = BufWriter::new(File::create_new(path).map_err(failed())?);
        index.write_to(&mut out, gix::index::write::Options::default()).map_err(GitError::object("write an index"))?;
        out.flush().map_err(failed())
    }

    fn run_hook(
        self,
        name: &str,
        index: Option<&Path>,
        commit_files: &CommitFiles,
        limit: Duration,
    ) -> Result<Option<ExitStatus>, GitError> {
        let path = commit_files.file("words");
        let words = File::create(&path).map_err(GitError::io("make", &path))?;
        let failed =
            |error| GitError::Program { verb: "hook run".to_owned(), why: format!("it could not be run ({error})") };
        let child = self.repo.program().start_hook(name, index, words).map_err(failed)?;
        wait(child, limit).map_err(failed)
    }
}

/// Waits for a process and its limit; `None` if it had to be killed, with everything that it started.
fn wait(mut child: Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let group = rustix::process::Pid::from_child(&child);
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new().spawn(move || tell.send(child.wait()))?;
    if let Ok(ended) = told.recv_timeout(limit) {
        return ended.map(Some);
    }
    // If it has just ended by itself, there is nothing to kill.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _ = told.recv();
    Ok(None)
}

/// The last words of a hook, to follow a sentence.
fn words(path: &Path) -> String {
    let said = fs::read(path).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
    let text: String = last.join(" / ").chars().take(WORDS_MAX).collect();
    if text.is_empty() { text } else { format!(": {}", visible(&text)) }
}
