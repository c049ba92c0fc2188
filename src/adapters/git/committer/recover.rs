//! After a crash: finishes a commit that has swapped index or branch, takes back one that has swapped neither, sweeps the rest. Never touches a lock that is not ours.

use std::fs;
use std::path::{Component, Path, PathBuf};

use gix::ObjectId;

use super::GitCommitter;
use crate::adapters::git::error::GitError;
use crate::adapters::git::index::realign::Step;
use crate::adapters::git::index::{self, FileId, Refresh};
use crate::adapters::git::journal::{self, Journal, Leftover, LockNote, Role};
use crate::adapters::git::lock;
use crate::adapters::git::quarantine;
use crate::adapters::git::references::Target;
use crate::adapters::git::sabotage::{self, Sabotage};
use crate::adapters::git::view::contents::parse;

/// How far back it is looked whether a branch went on from a commit. Others can hardly commit while we hold the index.
const ANCESTORS_MAX: usize = 1_000;

/// What recovery did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveredCommits {
    /// Commits whose index was brought in step.
    pub finished: usize,
    /// Locks of dead commits that were removed.
    pub unlocked: usize,
    /// Files and folders that were swept.
    pub swept: usize,
}

impl GitCommitter<'_> {
    /// Finishes or sweeps what dead commits left in this work tree. Every commit does this first; it costs two folder
    /// listings if there is nothing.
    ///
    /// # Errors
    /// [`GitError`] if run state or the index cannot be read or written.
    pub fn recover(self) -> Result<RecoveredCommits, GitError> {
        let mut done = RecoveredCommits::default();
        if sabotage::on(Sabotage::NoRecover) {
            return Ok(done);
        }
        self.repo.refresh()?;
        for leftover in journal::leftovers(&self.repo.run_dir())? {
            let is_finished = match &leftover.journal {
                // A journal that speaks of other files is not of our making: it is swept, and nothing it names is touched.
                Some((journal, _lock)) if !self.is_about_us(journal, &leftover) => true,
                Some((journal, _lock)) => self.finish(journal, &mut done)?,
                None => true,
            };
            if is_finished {
                done.swept += leftover.sweep();
            }
        }
        done.swept += self.sweep_quarantines();
        Ok(done)
    }

    /// Tells whether a journal names only what a commit here can name: its own prepared files, and locks of this repository.
    fn is_about_us(self, journal: &Journal, leftover: &Leftover) -> bool {
        journal.locks.iter().all(|note| {
            let is_ours = match note.role {
                Role::Index => note.target == self.repo.index_path(),
                Role::Head => note.target == self.repo.git_dir().join("HEAD"),
                Role::Branch => {
                    let folders = [self.repo.common_dir(), self.repo.git_dir()].map(|dir| dir.join("refs"));
                    let is_ref = folders.iter().any(|folder| is_below(&note.target, folder));
                    is_ref || note.target == self.repo.git_dir().join("HEAD")
                }
            };
            is_ours && leftover.has(&note.prepared)
        })
    }

    /// Finishes one dead commit as far as it goes now; tells whether nothing is left to do.
    fn finish(self, journal: &Journal, done: &mut RecoveredCommits) -> Result<bool, GitError> {
        let mut has_moved = self.has_moved(journal)?;
        let held: Vec<&LockNote> = journal.locks.iter().filter(|note| is_ours(note)).collect();
        let roles = |notes: &[&LockNote]| notes.iter().map(|note| note.role).collect::<Vec<Role>>();
        let old = journal.old.as_deref().map(parse).transpose()?;
        // A branch that went elsewhere, as by a tool that knows no locks, stays where it is.
        let is_there = |role: &Role| *role != Role::Branch || self.tip_of(journal).is_ok_and(|tip| tip == old);
        let next =
            next_step(&roles(&journal.locks.iter().collect::<Vec<_>>()), &roles(&held), has_moved).filter(is_there);
        // The last first, as a commit gives them up: dying on the way, this leaves what it found.
        for note in held.into_iter().rev() {
            let path = lock::lock_path(&note.target);
            if next == Some(note.role) {
                // We still hold this lock, so its target is as it was when the prepared file was made.
                fs::rename(&path, &note.target).map_err(GitError::io("replace", &note.target))?;
                done.finished += 1;
                has_moved = true;
            } else {
                fs::remove_file(&path).map_err(GitError::io("remove our own lock", &path))?;
                done.unlocked += 1;
            }
        }
        if !has_moved {
            return Ok(true);
        }
        let step = self.bring_in_step(journal)?;
        done.finished += usize::from(step == Step::Done);
        Ok(step != Step::Later)
    }

    /// Where the branch of a journal is now.
    fn tip_of(self, journal: &Journal) -> Result<Option<ObjectId>, GitError> {
        let target = match journal.branch.strip_prefix("refs/heads/") {
            Some(short) => Target::Branch(short.to_owned()),
            None => Target::Current,
        };
        Ok(self.repo.references().tip(&target)?.value)
    }

    /// Tells whether the branch got the value of the journal, or went on from there.
    fn has_moved(self, journal: &Journal) -> Result<bool, GitError> {
        let mut at = self.tip_of(journal)?;
        let (new, repo) = (parse(&journal.new)?, self.repo.gix());
        for _ in 0..ANCESTORS_MAX {
            match at {
                Some(id) if id == new => return Ok(true),
                Some(id) => {
                    let commit = repo.find_commit(id).ok();
                    at = commit.and_then(|commit| commit.parent_ids().next().map(gix::Id::detach));
                }
                None => break,
            }
        }
        Ok(false)
    }

    /// If somebody removed our index lock by hand, the index still holds what the branch held before: gives the paths of the
    /// commit their new entries, but only where the index has the old and HEAD has the new.
    fn bring_in_step(self, journal: &Journal) -> Result<Step, GitError> {
        let head = self.repo.references().tip(&Target::Current)?;
        let (Some(at), false) = (head.value, journal.paths.is_empty()) else { return Ok(Step::Needless) };
        let (old, new) = (journal.old.as_deref().map(parse).transpose()?, parse(&journal.new)?);
        let hash = self.repo.gix().object_hash();
        let found = index::open(&self.repo.index_path(), hash).map_err(GitError::object("read the index"))?;
        let mut refreshes = Vec::new();
        for path in &journal.paths {
            let stored = self.repo.index().stored(at, path)?;
            let entry = found.entry_by_path(gix::bstr::BStr::new(path)).map(|entry| entry.id);
            let before = old.map_or(Ok(None), |old| self.repo.index().stored(old, path))?;
            let is_behind =
                entry == before.map(|(id, _)| id) && stored == self.repo.index().stored(new, path)? && stored != before;
            if is_behind {
                refreshes.push(Refresh { path, stored, bytes: None });
            }
        }
        if refreshes.is_empty() {
            return Ok(Step::Needless);
        }
        self.repo.index().set_entries(&refreshes)
    }

    /// Removes quarantines of processes that are gone.
    fn sweep_quarantines(self) -> usize {
        if sabotage::on(Sabotage::NoSweep) {
            return 0;
        }
        self.dead_quarantines().iter().filter(|path| quarantine::remove(path).is_ok()).count()
    }

    /// Quarantines of processes that are gone.
    pub(in crate::adapters::git) fn dead_quarantines(self) -> Vec<PathBuf> {
        let entries = journal::list(&self.repo.objects_dir()).into_iter().flatten().flatten();
        let dead = entries.filter(|entry| {
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.strip_prefix(quarantine::PREFIX));
            stem.is_some_and(|stem| journal::is_dead(stem, &entry.path()))
        });
        dead.map(|entry| entry.path()).collect()
    }

    /// How many commits of ours were killed and left something; [`Self::recover`] sweeps it.
    ///
    /// # Errors
    /// [`GitError`] if run state cannot be read.
    pub fn leftovers(self) -> Result<usize, GitError> {
        // A commit that was killed may have left either, or both.
        let quarantines = self.dead_quarantines();
        Ok(journal::leftovers(&self.repo.run_dir())?.len().max(usize::from(!quarantines.is_empty())))
    }
}

/// Decides which lock of a dead commit becomes the file that it guards; the others go. `all` are the locks that it took, `held`
/// those that it still holds.
///
/// The index is swapped first, and its lock is given up last where nothing is swapped. So a branch that is still locked behind
/// an index that is not any more is the one thing left to do. A power cut may keep the second swap without the first.
fn next_step(all: &[Role], held: &[Role], has_moved: bool) -> Option<Role> {
    if has_moved {
        return held.contains(&Role::Index).then_some(Role::Index);
    }
    let has_swapped_index = all.contains(&Role::Index) && !held.contains(&Role::Index);
    let holds_the_rest = all.iter().filter(|role| **role != Role::Index).all(|role| held.contains(role));
    (has_swapped_index && holds_the_rest && held.contains(&Role::Branch)).then_some(Role::Branch)
}

/// Tells whether a path lies in a folder, by its parts alone.
fn is_below(path: &Path, folder: &Path) -> bool {
    path.strip_prefix(folder).is_ok_and(|rest| rest.components().all(|part| matches!(part, Component::Normal(_))))
}

/// Tells whether a lock file is the prepared file of a journal: one inode under two names. The name of the prepared file is
/// ours alone, so nobody else can have made that link.
pub(in crate::adapters::git) fn is_ours(note: &LockNote) -> bool {
    let inode = |path: &Path| FileId::of(path).ok().flatten();
    let both = inode(&note.prepared).zip(inode(&lock::lock_path(&note.target)));
    both.is_some_and(|(prepared, found)| prepared.is_same_file(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Role::{Branch, Head, Index};

    #[test]
    fn what_is_left_of_a_commit_says_what_is_to_be_done() {
        let all = &[Index, Head, Branch][..];
        for (all, held, has_moved, expected) in [
            // Nothing was swapped, or the locks were being taken or given up.
            (all, &[Index, Head, Branch][..], false, None),
            (all, &[Index, Head], false, None),
            (all, &[Index], false, None),
            (all, &[], false, None),
            // The index alone.
            (all, &[Head, Branch], false, Some(Branch)),
            (&[Index, Branch], &[Branch], false, Some(Branch)),
            // Someone has removed a lock by hand: what it guards may be another by now.
            (all, &[Branch], false, None),
            (all, &[Head], false, None),
            // Both, or after a power cut the branch alone.
            (all, &[Head], true, None),
            (all, &[], true, None),
            (all, &[Index, Head], true, Some(Index)),
            // A branch of its own has no index, a reftable no lock of the branch.
            (&[Branch], &[Branch], false, None),
            (&[Index], &[Index], false, None),
            (&[Index], &[], false, None),
            (&[Index], &[Index], true, Some(Index)),
        ] {
            assert_eq!(next_step(all, held, has_moved), expected, "{all:?} {held:?} {has_moved}");
        }
    }
}
