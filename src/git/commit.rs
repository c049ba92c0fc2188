//! The commit: everything slow before the locks, three renames under them. See the module above for the order and why.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;

use super::build::{self, Built, CommitPlan};
use super::busy::Busy;
use super::contents::revision;
use super::durable::{self, Durability};
use super::error::{CommitError, GitError};
use super::identity::User;
use super::index::{self, FileId, Prepared, Refresh};
use super::journal::{self, Journal, LockNote, Role, Workspace};
use super::lock::{self, Lock, Refusal};
use super::mode;
use super::quarantine::Quarantine;
use super::reference::{LogLine, Target, Tip};
use super::repository::{RefStorage, Repository};
use super::sabotage::{self, Sabotage};
use crate::name::Revision;

/// Shortest and longest wait between two tries.
const WAIT_MIN: Duration = Duration::from_millis(2);
const WAIT_MAX: Duration = Duration::from_millis(60);

/// How one try ended.
enum Try {
    Done(Vec<Revision>),
    /// A lock is held by somebody else.
    Held(PathBuf),
    /// Branch, HEAD or index are not as they were read.
    Changed,
}

impl Repository {
    /// Makes one commit for each plan, one on top of the other, and moves the target to the last of them at once.
    ///
    /// `base` is the revision against which the plans were made (none: before the first commit). If the target moved on
    /// since, but without a change below `folder`, the commits go on top of its new tip. Gives for each plan the revision
    /// that holds it: its own commit, or the one before if there was nothing to change (none at all before the first commit
    /// of the branch). When it returns, the commits are
    /// as durable as `durability` says. Leftovers of dead commits are finished or swept first.
    ///
    /// The index gets the committed documents and keeps everything else, also what the user has staged; it is left alone
    /// for a branch of its own. Hooks are not run.
    ///
    /// # Errors
    /// [`CommitError::Busy`] while a merge or the like is under way, or if locks stay held; [`CommitError::Moved`] if
    /// documents changed in the history; others if there is no identity, signing fails, or git's files cannot be used.
    pub fn commit(
        &self,
        target: &Target,
        folder: &str,
        base: Option<&Revision>,
        plans: &[CommitPlan],
        durability: Durability,
    ) -> Result<Vec<Revision>, CommitError> {
        self.refresh()?;
        self.recover()?;
        let began = Instant::now();
        let mut wait = WAIT_MIN;
        loop {
            let held = match self.attempt(target, folder, base, plans, durability) {
                Ok(Try::Done(revisions)) => return Ok(revisions),
                Ok(Try::Held(path)) => Some(path),
                Ok(Try::Changed) => None,
                Err(CommitError::Git(error)) if error.is_vanished() && !sabotage::on(Sabotage::NoRetry) => {
                    if began.elapsed() >= self.patience {
                        return Err(error.into());
                    }
                    None
                }
                Err(error) => return Err(error),
            };
            if began.elapsed() >= self.patience {
                let contended = Busy::Contended { tried: began.elapsed() };
                let held = held.and_then(|path| lock::describe(&path, self.work_tree()));
                return Err(CommitError::Busy(Box::new(held.map_or(contended, Busy::Locked))));
            }
            std::thread::sleep(jittered(wait));
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    fn attempt(
        &self,
        target: &Target,
        folder: &str,
        base: Option<&Revision>,
        plans: &[CommitPlan],
        durability: Durability,
    ) -> Result<Try, CommitError> {
        let takes_index = *target == Target::Current;
        if let Some(operation) = self.operation().filter(|_| takes_index) {
            return Err(CommitError::Busy(Box::new(Busy::Operation(operation))));
        }
        let tip = self.tip(target)?;
        if !takes_index {
            self.check_branch(&tip)?;
        }
        self.check_moved(base, &tip, folder)?;
        let user = User::read(self)?;
        let built = build::build(self, folder, tip.value, plans, &user)?;
        let revisions: Vec<Revision> = built.revisions.iter().flatten().copied().map(revision).collect();
        let Some(new) = built.made.last().map(|made| made.id) else { return Ok(Try::Done(revisions)) };
        let has_moved = Cell::new(false);
        let swap = Swap { repo: self, tip: &tip, new, built: &built, user: &user, takes_index, durability, has_moved };
        match swap.run() {
            Ok(()) => Ok(Try::Done(revisions)),
            Err(Stop::Held(path)) => Ok(Try::Held(path)),
            Err(Stop::Changed) => Ok(Try::Changed),
            Err(Stop::Failed(error)) => Err(error.into()),
            Err(Stop::Undurable(source)) => Err(CommitError::Undurable { revision: revision(new), source }),
        }
    }

    /// A target that moved on is fine as long as the documents in it are those of the plan.
    fn check_moved(&self, base: Option<&Revision>, tip: &Tip, folder: &str) -> Result<(), CommitError> {
        let found = tip.value.map(revision);
        if base == found.as_ref() {
            return Ok(());
        }
        let tree = |at: Option<&Revision>| at.map_or(Ok(None), |at| self.folder_tree(at, folder));
        if tree(base)? == tree(found.as_ref())? {
            return Ok(());
        }
        Err(CommitError::Moved { expected: base.cloned(), found })
    }
}

fn jittered(wait: Duration) -> Duration {
    let part = u32::try_from(journal::random() % 1_000).unwrap_or(0);
    wait / 2 + wait * part / 1_000
}

/// Why a swap did not happen.
enum Stop {
    Held(PathBuf),
    Changed,
    Failed(GitError),
    /// It did happen, but what it wrote could not be synced.
    Undurable(Box<GitError>),
}

impl From<GitError> for Stop {
    fn from(error: GitError) -> Self {
        Self::Failed(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Held(path) => Self::Held(path),
            Refusal::Failed(error) => Self::Failed(error),
        }
    }
}

/// Everything one try needs from here on.
struct Swap<'a> {
    repo: &'a Repository,
    tip: &'a Tip,
    new: ObjectId,
    built: &'a Built<'a>,
    user: &'a User,
    takes_index: bool,
    durability: Durability,
    /// Set as soon as the branch has its new value.
    has_moved: Cell<bool>,
}

impl Swap<'_> {
    fn run(&self) -> Result<(), Stop> {
        let objects_dir = self.repo.objects_dir();
        let mut workspace = Workspace::new(&self.repo.run_dir())?;
        let level = self.repo.gix().loose_compression();
        let quarantine = Quarantine::write(&objects_dir, &workspace.stem, &self.built.objects, level)?;
        let index = self.takes_index.then(|| self.prepare_index(&workspace)).transpose()?;
        let (locks, files) = self.prepare_locks(&workspace, index.as_ref())?;
        let journal = workspace.write(&self.journal(locks.clone()))?;
        let written: Vec<&File> = quarantine.files().chain(&files).chain([journal]).collect();
        self.sync(&written)?;
        let mut touched = quarantine.publish(&objects_dir, self.durability)?;
        workspace.announce()?;
        touched.insert(self.repo.run_dir());
        if self.durability == Durability::Full {
            durable::sync_folders(touched.iter().map(PathBuf::as_path))?;
        }
        let is_new_folder = !self.repo.ref_file(&self.tip.name).parent().is_some_and(Path::exists);
        if let Err(stop) = self.swap(&locks, index.as_ref()) {
            if self.has_moved.get() {
                workspace.abandon();
            }
            return Err(stop);
        }
        let settled = self.settle(is_new_folder);
        drop(workspace);
        settled.map_err(|error| Stop::Undurable(Box::new(error)))
    }

    fn prepare_index(&self, workspace: &Workspace) -> Result<Prepared, GitError> {
        let refreshes: Vec<Refresh<'_>> = self
            .built
            .paths
            .iter()
            .map(|(path, state)| Refresh { path, stored: state.stored, bytes: state.bytes })
            .collect();
        let folders = |folder: &str| self.built.folders.get(folder).copied();
        index::prepare(self.repo, &workspace.file("index"), &refreshes, &folders)
    }

    /// The locks to take, in the order of git: index, HEAD, branch; and the files to sync before.
    fn prepare_locks(&self, at: &Workspace, index: Option<&Prepared>) -> Result<(Vec<LockNote>, Vec<File>), GitError> {
        let (mut locks, mut files) = (Vec::new(), Vec::new());
        let mut note = |role: Role, prepared: PathBuf, target: PathBuf, file: File| {
            // A branch without a file of its own is packed; HEAD always has one.
            let model = if target.exists() { target.clone() } else { self.repo.ref_file("HEAD") };
            mode::like_file(&model, &file).map_err(GitError::io("set the permissions of", &prepared))?;
            locks.push(LockNote { role, prepared, target });
            if role != Role::Head {
                files.push(file);
            }
            Ok::<(), GitError>(())
        };
        if let Some(index) = index {
            let path = at.file("index");
            let file = index.file.try_clone().map_err(GitError::io("use", &path))?;
            note(Role::Index, path, self.repo.index_path(), file)?;
        }
        if self.repo.refs == RefStorage::Reftable {
            return Ok((locks, files));
        }
        if self.tip.chain.first().is_some_and(|name| name == "HEAD") {
            let path = at.file("head");
            let file = File::create_new(&path).map_err(GitError::io("make", &path))?;
            note(Role::Head, path, self.repo.ref_file("HEAD"), file)?;
        }
        let path = at.file("branch");
        let mut file = File::create_new(&path).map_err(GitError::io("make", &path))?;
        file.write_all(format!("{}\n", self.new).as_bytes()).map_err(GitError::io("write", &path))?;
        note(Role::Branch, path, self.repo.ref_file(&self.tip.name), file)?;
        Ok((locks, files))
    }

    fn journal(&self, locks: Vec<LockNote>) -> Journal {
        Journal {
            process: std::process::id(),
            branch: self.tip.name.clone(),
            old: self.tip.value.map(|id| id.to_string()),
            new: self.new.to_string(),
            paths: if self.takes_index { self.built.paths.keys().cloned().collect() } else { Vec::new() },
            locks,
        }
    }

    /// Syncs what was written. If the parent is not ours, whoever made it may not have synced it: then everything is.
    fn sync(&self, files: &[&File]) -> Result<(), GitError> {
        match self.durability {
            Durability::Off => Ok(()),
            Durability::Full if self.is_parent_durable() => {
                durable::sync_files(files).map_err(GitError::io("sync a file in", &self.repo.run_dir()))
            }
            Durability::Full | Durability::Batch => durable::sync_file_system(&self.repo.objects_dir()),
        }
    }

    fn is_parent_durable(&self) -> bool {
        let Some(parent) = self.tip.value else { return true };
        fs::read_to_string(self.durable_mark()).is_ok_and(|text| Revision::new(text.trim()) == Some(revision(parent)))
    }

    /// Holds the last revision that is known to be on disk with all of its history.
    fn durable_mark(&self) -> PathBuf {
        let name = if self.takes_index { "durable" } else { "durable-branch" };
        self.repo.run_dir().join(name)
    }

    fn swap(&self, notes: &[LockNote], index: Option<&Prepared>) -> Result<(), Stop> {
        let mut locks = Vec::new();
        for note in notes {
            locks.push((note.role, Lock::take(&note.prepared, &note.target)?));
        }
        sabotage::crash(Sabotage::CrashBeforeSwap);
        if !sabotage::on(Sabotage::NoCompare) {
            self.compare(index)?;
        }
        if self.repo.refs == RefStorage::Reftable {
            self.swap_by_program()?;
            self.has_moved.set(true);
        } else {
            self.repo.append_reflogs(self.tip, &self.user.reflog(), &self.log_lines())?;
        }
        // The branch first: a crash between the two leaves a lock that says what is to be finished.
        locks.sort_by_key(|(role, _)| match role {
            Role::Branch => 0,
            Role::Index => 1,
            Role::Head => 2,
        });
        for (role, lock) in locks {
            match role {
                Role::Head => drop(lock),
                Role::Index if sabotage::on(Sabotage::NoIndex) => drop(lock),
                Role::Index => {
                    sabotage::crash(Sabotage::CrashAfterRef);
                    lock.publish()?;
                }
                Role::Branch => {
                    lock.publish()?;
                    self.has_moved.set(true);
                }
            }
        }
        sabotage::crash(Sabotage::CrashAfterIndex);
        Ok(())
    }

    /// Under the locks: HEAD, branch and index are as they were read, or it all starts again.
    fn compare(&self, index: Option<&Prepared>) -> Result<(), Stop> {
        let start = self.tip.chain.first().unwrap_or(&self.tip.name);
        let target = match start.strip_prefix("refs/heads/") {
            Some(short) => Target::Branch(short.to_owned()),
            None => Target::Current,
        };
        if self.repo.tip(&target)? != *self.tip {
            return Err(Stop::Changed);
        }
        let path = self.repo.index_path();
        match index {
            Some(index) if FileId::of(&path).map_err(GitError::io("look at", &path))? != index.seen => {
                Err(Stop::Changed)
            }
            _ => Ok(()),
        }
    }

    fn log_lines(&self) -> Vec<LogLine> {
        let none = ObjectId::null(self.new.kind());
        let line = |made: &build::Made| LogLine {
            old: made.parent.unwrap_or(none),
            new: made.id,
            message: match made.parent {
                Some(_) => format!("commit: {}", made.subject),
                None => format!("commit (initial): {}", made.subject),
            },
        };
        self.built.made.iter().map(line).collect()
    }

    fn swap_by_program(&self) -> Result<(), Stop> {
        let new = self.new.to_string();
        let old = self.tip.value.unwrap_or_else(|| ObjectId::null(self.new.kind())).to_string();
        let message = self.log_lines().pop().map(|line| line.message).unwrap_or_default();
        let start = self.tip.chain.first().unwrap_or(&self.tip.name);
        let answer = self.repo.program().run(&["update-ref", "--create-reflog", "-m", &message, start, &new, &old])?;
        match answer.code {
            Some(0) => Ok(()),
            _ if self.takes_index && self.repo.tip(&Target::Current)? != *self.tip => Err(Stop::Changed),
            _ => Err(GitError::Program { verb: "update-ref".to_owned(), why: answer.stderr }.into()),
        }
    }

    /// After the locks: makes the new names durable, then remembers that they are.
    fn settle(&self, is_new_folder: bool) -> Result<(), GitError> {
        if self.durability == Durability::Off {
            return Ok(());
        }
        let (branch, reftable) = (self.repo.ref_file(&self.tip.name), self.repo.common_dir().join("reftable"));
        let mut folders = BTreeSet::new();
        match self.repo.refs {
            RefStorage::Files if is_new_folder => folders.extend(folders_up_to(&branch, self.repo.common_dir())),
            RefStorage::Files => folders.extend(branch.parent()),
            RefStorage::Reftable => {
                folders.insert(&*reftable);
            }
        }
        if self.takes_index {
            folders.insert(self.repo.git_dir());
        }
        durable::sync_folders(folders)?;
        // Only a hint: if it is lost or torn, the next commit syncs more than it needs to.
        let _ = fs::write(self.durable_mark(), self.new.to_string());
        Ok(())
    }
}

/// The folders from a file's own up to the top, so that folders made on the way are on disk too.
fn folders_up_to<'a>(file: &'a Path, top: &Path) -> Vec<&'a Path> {
    file.ancestors().skip(1).take_while(|folder| folder.starts_with(top)).collect()
}
