//! The swap of index and branch: everything written and synced first, then the renames under the locks. See the module above for the order and why.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;

use super::GitCommitter;
use crate::adapters::git::build::{self, Built};
use crate::adapters::git::committer::recover;
use crate::adapters::git::durable::{self, Beside, CommitDurability};
use crate::adapters::git::error::{CommitError, GitError};
use crate::adapters::git::identity::User;
use crate::adapters::git::index::{self, FileId, IndexMark, Prepared, Refresh};
use crate::adapters::git::journal::{self, CommitFiles, Journal, LockNote, Role};
use crate::adapters::git::lock::{Lock, Refusal};
use crate::adapters::git::mode::{self, SharedMode};
use crate::adapters::git::pack::{Object, Published};
use crate::adapters::git::quarantine::Quarantine;
use crate::adapters::git::references::{LogLine, Reflogs, Target, Tip};
use crate::adapters::git::repository::{RefStorage, Repository};
use crate::adapters::git::sabotage::{self, Sabotage};
use crate::adapters::git::view::contents::revision;
use crate::adapters::git::view::processes::GitProcess;

/// A look for git that ended longer ago is repeated, so often at most. From its start to its reading of HEAD, git takes about a
/// millisecond.
const FRESH: Duration = Duration::from_millis(1);
const LOOKS_MAX: usize = 3;

/// Why a swap did not happen.
pub(in crate::adapters::git) enum Stop {
    Held(PathBuf),
    /// A git process has read what would be changed.
    AtWork(GitProcess),
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
pub(in crate::adapters::git) struct Swap<'a> {
    pub(in crate::adapters::git) repo: &'a Repository,
    pub(in crate::adapters::git) tip: &'a Tip,
    pub(in crate::adapters::git) new: ObjectId,
    pub(in crate::adapters::git) built: &'a Built<'a>,
    pub(in crate::adapters::git) user: &'a User,
    pub(in crate::adapters::git) takes_index: bool,
    pub(in crate::adapters::git) durability: CommitDurability,
    /// Tells whether what it builds on came from elsewhere, and may not be on the disk.
    pub(in crate::adapters::git) is_foreign: bool,
    /// What else has to be on the disk before the branch moves.
    pub(in crate::adapters::git) beside: Option<&'a Beside<'a>>,
    /// The index before the documents were read; none if that does not matter.
    pub(in crate::adapters::git) read_at: Option<IndexMark>,
    /// Set as soon as the branch has its new value.
    pub(in crate::adapters::git) has_moved: Cell<bool>,
}

impl Swap<'_> {
    /// Writes everything, takes the locks, swaps, and makes it durable.
    pub(in crate::adapters::git) fn run(&self) -> Result<(), Stop> {
        let objects_dir = self.repo.objects_dir();
        let mut commit_files = CommitFiles::new(&self.repo.run_dir(), self.repo.shared_mode())?;
        let objects = self.unpublished();
        let quarantine = Quarantine::write(self.repo, &commit_files.stem, &objects)?;
        let index = self.takes_index.then(|| self.prepare_index(&commit_files)).transpose()?;
        let (locks, files) = self.prepare_locks(&commit_files, index.as_ref())?;
        let journal = commit_files.write(&self.journal(locks.clone()))?;
        let written: Vec<&File> = quarantine.files().chain(&files).chain([journal]).collect();
        self.sync(&written)?;
        let pack = quarantine.pack.clone();
        let mut touched = quarantine.publish(&objects_dir, self.durability)?;
        commit_files.announce()?;
        touched.insert(self.repo.run_dir());
        if self.durability == CommitDurability::Full {
            durable::sync_folders(touched.iter().map(PathBuf::as_path))?;
        }
        if let Some(index) = pack {
            let ids = objects.iter().map(|(id, ..)| *id).collect();
            *self.repo.published.borrow_mut() = Some(Published { index, ids, durability: self.durability });
        }
        let is_new_folder = !self.repo.references().ref_file(&self.tip.name).parent().is_some_and(Path::exists);
        let Swapped { logs, is_unlocked } = match self.swap(&locks, index.as_ref()) {
            Ok(swapped) => swapped,
            Err(stop) => {
                if self.has_moved.get() || locks.iter().any(recover::is_ours) {
                    commit_files.abandon();
                }
                return Err(stop);
            }
        };
        self.repo.published.borrow_mut().take();
        let mut settled = self.settle(is_new_folder, &logs);
        if sabotage::on(Sabotage::LateSync) {
            settled = Ok(());
        }
        if is_unlocked {
            drop(commit_files);
        } else {
            // One could not be removed. What says that it is ours stays, so that the next commit can.
            commit_files.abandon();
        }
        if let Some(index) = index {
            self.keep_aligned(&index);
        }
        settled.map_err(|error| Stop::Undurable(Box::new(error)))
    }

    /// The new objects, but for those that a try before this one put in place as a pack.
    fn unpublished(&self) -> Vec<&Object> {
        let published = self.repo.published.borrow();
        let known = published.as_ref().filter(|pack| pack.serves(self.durability)).map(|pack| &pack.ids);
        self.built.objects.iter().filter(|(id, ..)| known.is_none_or(|ids| !ids.contains(id))).collect()
    }

    fn prepare_index(&self, commit_files: &CommitFiles) -> Result<Prepared, GitError> {
        let refreshes: Vec<Refresh<'_>> = self
            .built
            .paths
            .iter()
            .map(|(path, state)| Refresh { path, stored: state.stored, bytes: state.bytes })
            .collect();
        let folders = |folder: &str| self.built.folders.get(folder).copied();
        index::prepare(self.repo, &commit_files.file("index"), &refreshes, &folders)
    }

    /// The locks to take, in the order of git: index, HEAD, branch; and the files to sync before.
    fn prepare_locks(
        &self,
        at: &CommitFiles,
        index: Option<&Prepared>,
    ) -> Result<(Vec<LockNote>, Vec<File>), GitError> {
        let (mut locks, mut files, shared) = (Vec::new(), Vec::new(), self.repo.shared_mode());
        let mut note = |role: Role, prepared: PathBuf, target: PathBuf, file: File| {
            // A branch without a file of its own is packed; HEAD always has one.
            let like = |model: &Path| mode::like_file(model, &file);
            like(&target)
                .and_then(|found| if found { Ok(true) } else { like(&self.repo.references().ref_file("HEAD")) })
                .and_then(|_| shared.apply_to(&file))
                .map_err(GitError::io("set the permissions of", &prepared))?;
            locks.push(LockNote { role, prepared, target });
            files.push(file);
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
        let path = at.file("branch");
        let mut file = File::create_new(&path).map_err(GitError::io("make", &path))?;
        file.write_all(format!("{}\n", self.new).as_bytes()).map_err(GitError::io("write", &path))?;
        note(Role::Branch, path, self.repo.references().ref_file(&self.tip.name), file)?;
        if self.tip.chain.first().is_some_and(|name| name == "HEAD") {
            // Between the index and the branch. Nobody reads this lock, so no file is made for it.
            let head = LockNote {
                role: Role::Head,
                prepared: at.file("json"),
                target: self.repo.references().ref_file("HEAD"),
            };
            locks.insert(locks.len() - 1, head);
        }
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

    /// Syncs what was written, and waits for what is to be there beside it. If the parent is not ours, whoever made it may
    /// not have synced it: then everything is.
    fn sync(&self, files: &[&File]) -> Result<(), GitError> {
        let run = self.repo.run_dir();
        let failed = || GitError::io("sync a file in", &run);
        if self.durability == CommitDurability::Full && !self.is_foreign && self.is_parent_durable() {
            return durable::sync_files_beside(files, self.beside).map_err(failed());
        }
        self.beside.map_or(Ok(()), |beside| beside()).map_err(failed())?;
        match self.durability {
            CommitDurability::Off => Ok(()),
            CommitDurability::Full | CommitDurability::Batch => durable::sync_file_system(&self.repo.objects_dir()),
        }
    }

    fn is_parent_durable(&self) -> bool {
        self.tip.value.is_none_or(|parent| self.repo.committer().is_durable(self.takes_index, parent))
    }

    fn swap(&self, notes: &[LockNote], index: Option<&Prepared>) -> Result<Swapped, Stop> {
        let is_in_files = self.repo.refs == RefStorage::Files;
        let logs = is_in_files.then(|| self.repo.references().open_reflogs(self.tip)).transpose()?.unwrap_or_default();
        // A git that has begun already may have read what is about to change, or would fail at our lock of the index.
        let mut looked = self.refuse_git_at_work()?;
        let mut locks = HeldLocks::default();
        for note in notes {
            locks.take(note, self.repo.shared_mode())?;
        }
        sabotage::crash(Sabotage::CrashBeforeSwap);
        if !sabotage::on(Sabotage::NoCompare) {
            self.compare(index)?;
        }
        // A git that began after the look reads HEAD and the index after the renames, if these follow soon. Where something took
        // long, it is looked for again. Always to look under the locks would hold them longer, and git does not wait for them.
        for _ in 0..LOOKS_MAX {
            if looked.elapsed() < FRESH {
                break;
            }
            looked = self.refuse_git_at_work()?;
        }
        logs.append(&self.user.reflog(), &self.log_lines())?;
        // The index first: a git that reads between the two fails at the branch. The other way round it would commit the old
        // index on top of the new branch, and so take our documents back.
        locks.publish(Role::Index)?;
        sabotage::crash(Sabotage::CrashAfterIndex);
        if self.repo.refs == RefStorage::Reftable {
            self.swap_by_program()?;
        }
        locks.publish(Role::Branch)?;
        self.has_moved.set(true);
        self.repo.note_tip(&self.target(), &Tip { value: Some(self.new), ..self.tip.clone() });
        sabotage::crash(Sabotage::CrashAfterRef);
        Ok(Swapped { logs, is_unlocked: locks.give_up() })
    }

    /// An index made from one in which nothing was stale has nothing stale either. It is known by the open file: under its name
    /// there may be another by now.
    fn keep_aligned(&self, index: &Prepared) {
        if let (Some(seen), Ok(now)) = (index.seen, index.file.metadata())
            && self.repo.index().is_aligned(seen)
        {
            self.repo.index().note_aligned(FileId::from(&now));
        }
    }

    /// Looks for a git of this worktree that is at work; gives when the look ended.
    fn refuse_git_at_work(&self) -> Result<Instant, Stop> {
        let process = if self.takes_index { self.repo.view().git_at_work() } else { None };
        process.map_or_else(|| Ok(Instant::now()), |process| Err(Stop::AtWork(process)))
    }

    /// Under the locks: HEAD, branch and index are as they were read, or it all starts again.
    fn compare(&self, index: Option<&Prepared>) -> Result<(), Stop> {
        // Two changes of the packed branches within one tick of the clock look like one; under the lock nothing may be old.
        let has_packed = self.repo.common_dir().join("packed-refs").exists();
        if has_packed && self.repo.gix().refs.force_refresh_packed_buffer().is_err() {
            return Err(Stop::Changed);
        }
        if self.repo.references().tip(&self.target())? != *self.tip {
            return Err(Stop::Changed);
        }
        let path = self.repo.index_path();
        match index {
            Some(index) if FileId::of(&path).map_err(GitError::io("look at", &path))? != index.seen => {
                Err(Stop::Changed)
            }
            Some(index) if self.read_at.is_some_and(|mark| !mark.is_of(index)) => Err(Stop::Changed),
            _ => Ok(()),
        }
    }

    /// What the commit was asked for.
    fn target(&self) -> Target {
        let start = self.tip.chain.first().unwrap_or(&self.tip.name);
        start.strip_prefix("refs/heads/").map_or(Target::Current, |short| Target::Branch(short.to_owned()))
    }

    fn log_lines(&self) -> Vec<LogLine> {
        let none = ObjectId::null(self.new.kind());
        let line =
            |made: &build::Made| LogLine { old: made.parent.unwrap_or(none), new: made.id, message: made.log.clone() };
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
            _ if self.takes_index && self.repo.references().tip(&Target::Current)? != *self.tip => Err(Stop::Changed),
            _ => Err(GitError::Program { verb: "update-ref".to_owned(), why: answer.stderr }.into()),
        }
    }

    /// After the locks: makes the new names durable, then remembers that they are.
    fn settle(&self, is_new_folder: bool, logs: &Reflogs) -> Result<(), GitError> {
        if self.durability == CommitDurability::Off {
            return Ok(());
        }
        let (branch, reftable) =
            (self.repo.references().ref_file(&self.tip.name), self.repo.common_dir().join("reftable"));
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
        // A line that is appended to a file is zeros after a power cut, if the file's length was on the disk before it was.
        // Some file systems write names out with any file: with folders left out on purpose, nothing may be synced here.
        if !sabotage::on(Sabotage::NoSyncFolders) {
            durable::sync_files(&logs.files()).map_err(GitError::io("sync a reflog of", self.repo.git_dir()))?;
        }
        durable::sync_folders(folders)?;
        // Only a hint: if it is lost or torn, the next commit syncs more than it needs to.
        let _ = self.repo.committer().note_durable(self.takes_index, self.new);
        Ok(())
    }
}

impl GitCommitter<'_> {
    /// Makes what a target points to durable, with all of its history, unless it is known to be: whoever made it may not
    /// have synced it, or may have died on the way.
    ///
    /// # Errors
    /// [`CommitError::Undurable`] if the disk refuses; others if the target cannot be read.
    pub fn settle(self, target: &Target, durability: CommitDurability) -> Result<(), CommitError> {
        let takes_index = *target == Target::Current;
        let Some(tip) = self.repo.references().tip(target)?.value else { return Ok(()) };
        if durability == CommitDurability::Off || self.is_durable(takes_index, tip) {
            return Ok(());
        }
        durable::sync_file_system(&self.repo.objects_dir())
            .map_err(|error| CommitError::Undurable { revision: revision(tip), source: Box::new(error) })?;
        let _ = self.note_durable(takes_index, tip);
        Ok(())
    }

    fn note_durable(self, takes_index: bool, tip: ObjectId) -> std::io::Result<()> {
        let path = self.durable_mark(takes_index);
        overwrite(&path, tip.to_string().as_bytes())?;
        self.repo.shared_mode().apply(&path)
    }

    fn is_durable(self, takes_index: bool, revision_id: ObjectId) -> bool {
        let mut bytes = [0; MARK_BYTES_MAX];
        let noted = journal::read_short(&self.durable_mark(takes_index), &mut bytes);
        noted.is_some_and(|text| text.trim_ascii() == revision(revision_id).as_str().as_bytes())
    }

    /// Holds the last revision that is known to be on disk with all of its history.
    fn durable_mark(self, takes_index: bool) -> PathBuf {
        let name = if takes_index { "durable" } else { "durable-branch" };
        self.repo.run_dir().join(name)
    }
}

/// What is read of the mark of a durable revision; it is shorter.
const MARK_BYTES_MAX: usize = 128;

/// What is left of a swap that was made.
struct Swapped {
    /// The reflogs, with their new lines.
    logs: Reflogs,
    /// No lock is left.
    is_unlocked: bool,
}

/// The locks of one swap, in the order in which they were taken.
#[derive(Default)]
struct HeldLocks(Vec<(Role, Lock)>);

impl HeldLocks {
    fn take(&mut self, note: &LockNote, shared: SharedMode) -> Result<(), Refusal> {
        self.0.push((note.role, Lock::take(&note.prepared, &note.target, shared)?));
        Ok(())
    }

    /// Makes the lock of this role, if it is held, the file that it guards.
    fn publish(&mut self, role: Role) -> Result<(), GitError> {
        let Some(at) = self.0.iter().position(|(held, _)| *held == role) else { return Ok(()) };
        let (_, lock) = self.0.remove(at);
        if role == Role::Index && sabotage::on(Sabotage::NoIndex) {
            return Ok(());
        }
        lock.publish()
    }
}

impl HeldLocks {
    /// Gives the locks up, the last first: a lock of the branch without one of the index says that the index has been swapped.
    /// Returns false if one of them could not be removed.
    fn give_up(&mut self) -> bool {
        let mut is_unlocked = true;
        while let Some((_, mut lock)) = self.0.pop() {
            is_unlocked &= lock.give_up();
        }
        is_unlocked
    }
}

impl Drop for HeldLocks {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Replaces the text of a small file in place: cheaper than emptying it first, and no worse if it is torn.
pub(in crate::adapters::git) fn overwrite(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    file.write_all(text)?;
    let length = text.len() as u64;
    if file.metadata()?.len() == length { Ok(()) } else { file.set_len(length) }
}

/// The folders from a file's own up to the top, so that folders made on the way are on disk too.
fn folders_up_to<'a>(file: &'a Path, top: &Path) -> Vec<&'a Path> {
    file.ancestors().skip(1).take_while(|folder| folder.starts_with(top)).collect()
}
