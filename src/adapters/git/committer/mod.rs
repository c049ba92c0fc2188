//! The commit as a whole: what it is made on, and trying again when others were faster. The locks are in `swap`.

pub(super) mod hooks;
pub(super) mod recover;
pub(super) mod signing;
pub(super) mod swap;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gix::ObjectId;

use super::build::{self, CommitPlan};
use super::committer::hooks::Hooks;
use super::committer::swap::{Stop, Swap};
use super::durable::{Beside, CommitDurability};
use super::error::{CommitError, GitError};
use super::identity::User;
use super::index::IndexMark;
use super::journal;
use super::lock;
use super::references::{Target, Tip};
use super::repository::Repository;
use super::sabotage::{self, Sabotage};
use super::view::busy::Busy;
use super::view::contents::revision;
use super::view::processes::GitProcess;
use crate::core::name::Revision;

/// Shortest and longest wait between two tries.
pub(super) const WAIT_MIN: Duration = Duration::from_millis(2);
pub(super) const WAIT_MAX: Duration = Duration::from_millis(60);
/// How long a git that has just begun is waited for. One that has run for longer is not: a command must not block.
const GIT_PATIENCE: Duration = Duration::from_millis(300);
/// How often an attempt is repeated in which an object could not be read.
const UNREAD_MAX: u32 = 4;

/// How a commit is to be made.
#[derive(Clone, Copy)]
pub struct CommitTerms<'a> {
    /// When it is durable.
    pub durability: CommitDurability,
    /// What else has to be on the disk before the branch moves: it is waited for together with what the commit writes, in a
    /// thread of its own. It may be asked several times, or never if there is nothing to commit.
    pub beside: Option<&'a Beside<'a>>,
    /// The index before the documents were read. If git has written it since, it may have put documents back, and the
    /// plans are no longer right.
    pub read_at: Option<IndexMark>,
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Job<'a> {
    target: &'a Target,
    folder: &'a str,
    base: Option<&'a Revision>,
    plans: &'a [CommitPlan],
    terms: CommitTerms<'a>,
}

/// How one try ended.
enum Try {
    Done(Vec<Revision>),
    /// A lock is held by somebody else.
    Held(PathBuf),
    /// A git process has read what would be changed.
    AtWork(GitProcess),
    /// Branch, HEAD or index are not as they were read.
    Changed,
}

/// Makes durable commits, and finishes or sweeps those that were interrupted.
#[derive(Debug, Clone, Copy)]
pub struct GitCommitter<'r> {
    pub(super) repo: &'r Repository,
}

impl GitCommitter<'_> {
    /// Makes one commit for each plan, one on top of the other, and moves the target to the last of them at once.
    ///
    /// `base` is the revision against which the plans were made (none: before the first commit). If the target moved on
    /// since, but without a change below `folder`, the commits go on top of its new tip. Gives for each plan the revision
    /// that holds it: its own commit, or the one before if there was nothing to change (none at all before the first commit
    /// of the branch). When it returns, the commits are
    /// as durable as `durability` says. Leftovers of dead commits are finished or swept first.
    ///
    /// The index gets the committed documents and keeps everything else, also what the user has staged; it is left alone
    /// for a branch of its own. Hooks are run only after [`Repository::with_hooks`].
    ///
    /// # Errors
    /// [`CommitError::Busy`] while a merge or the like is under way, while a git process of the user has read what would
    /// change, or if locks stay held; [`CommitError::Moved`] if
    /// documents changed in the history; [`CommitError::Hook`] if a hook that is to be run refuses; others if there is no identity, signing fails, or git's files cannot be used.
    pub fn commit(
        self,
        target: &Target,
        folder: &str,
        base: Option<&Revision>,
        plans: &[CommitPlan],
        durability: CommitDurability,
    ) -> Result<Vec<Revision>, CommitError> {
        self.recover()?;
        let terms = CommitTerms { durability, beside: None, read_at: None };
        self.commit_on(target, folder, base, plans, terms)
    }

    /// Makes commits as [`Self::commit`] does, on these terms. The caller has just called [`Self::recover`].
    ///
    /// # Errors
    /// As [`Self::commit`]; [`CommitError::Moved`] also if git has written the index since the documents were read.
    /// Where `beside` fails, the branch does not move.
    pub fn commit_on(
        self,
        target: &Target,
        folder: &str,
        base: Option<&Revision>,
        plans: &[CommitPlan],
        terms: CommitTerms<'_>,
    ) -> Result<Vec<Revision>, CommitError> {
        let job = Job { target, folder, base, plans, terms };
        let (mut began, approved) = (Instant::now(), Cell::new(None));
        let (mut wait, mut unread) = (WAIT_MIN, 0);
        self.repo.refresh()?;
        loop {
            let known = approved.get();
            let tried = self.attempt(&job, &approved);
            if approved.get() != known {
                // What a hook takes is not time spent waiting for others.
                began = Instant::now();
            }
            let held = match tried {
                Ok(Try::Done(revisions)) => return Ok(revisions),
                Ok(Try::Held(path)) => Some(path),
                Ok(Try::AtWork(process))
                    if process.is_lasting() || began.elapsed() >= GIT_PATIENCE.min(self.repo.patience) =>
                {
                    return Err(CommitError::Busy(Box::new(Busy::AtWork(process))));
                }
                Ok(Try::AtWork(_) | Try::Changed) => None,
                Err(CommitError::Git(error)) if error.is_vanished() && !sabotage::on(Sabotage::NoRetry) => {
                    if began.elapsed() >= self.repo.patience {
                        return Err(error.into());
                    }
                    None
                }
                // A git that collects garbage moves objects from file to file.
                Err(CommitError::Git(GitError::Object { .. })) if unread < UNREAD_MAX => {
                    unread += 1;
                    None
                }
                Err(error) => return Err(error),
            };
            if began.elapsed() >= self.repo.patience {
                let contended = Busy::Contended { tried: began.elapsed() };
                let held = held.and_then(|path| lock::describe(&path, self.repo.work_tree()));
                return Err(CommitError::Busy(Box::new(held.map_or(contended, Busy::Locked))));
            }
            std::thread::sleep(jittered(wait));
            wait = (wait * 2).min(WAIT_MAX);
            self.repo.refresh_now()?;
        }
    }

    fn attempt(self, job: &Job<'_>, approved: &Cell<Option<ObjectId>>) -> Result<Try, CommitError> {
        let Job { target, folder, base, plans, terms: CommitTerms { durability, beside, read_at } } = *job;
        let takes_index = *target == Target::Current;
        // A hook may stage what it likes.
        let read_at = read_at.filter(|_| takes_index && matches!(self.repo.hooks, Hooks::Never));
        if let Some(operation) = self.repo.view().operation().filter(|_| takes_index) {
            return Err(CommitError::Busy(Box::new(Busy::Operation(operation))));
        }
        if let Some(process) = takes_index.then(|| self.repo.view().git_at_work()).flatten() {
            return Ok(Try::AtWork(process));
        }
        let tip = self.repo.references().tip_read(target)?;
        if !takes_index {
            self.repo.references().check_branch(&tip)?;
        }
        self.check_moved(base, &tip, folder)?;
        if let Some(mark) = read_at
            && mark != self.repo.index().index_mark()?
        {
            return Err(CommitError::Moved { expected: base.cloned(), found: tip.value.map(revision) });
        }
        let user = User::read(self.repo)?;
        let built = build::build(self.repo, folder, tip.value, plans, &user)?;
        let revisions: Vec<Revision> = built.revisions.iter().flatten().copied().map(revision).collect();
        let Some(new) = built.made.last().map(|made| made.id) else { return Ok(Try::Done(revisions)) };
        if takes_index {
            self.ask_hook(&built, new, approved)?;
        }
        let has_moved = Cell::new(false);
        let (built, user, tip) = (&built, &user, &tip);
        let is_foreign = false;
        let swap = Swap {
            repo: self.repo,
            tip,
            new,
            built,
            user,
            takes_index,
            durability,
            is_foreign,
            beside,
            read_at,
            has_moved,
        };
        match swap.run() {
            Ok(()) => {
                if takes_index {
                    self.tell_hook();
                }
                Ok(Try::Done(revisions))
            }
            Err(Stop::Held(path)) => Ok(Try::Held(path)),
            Err(Stop::AtWork(process)) => Ok(Try::AtWork(process)),
            Err(Stop::Changed) => Ok(Try::Changed),
            Err(Stop::Failed(error)) => Err(error.into()),
            Err(Stop::Undurable(source)) => Err(CommitError::Undurable { revision: revision(new), source }),
        }
    }

    /// A target that moved on is fine as long as the documents in it are those of the plan.
    fn check_moved(self, base: Option<&Revision>, tip: &Tip, folder: &str) -> Result<(), CommitError> {
        let found = tip.value.map(revision);
        if base == found.as_ref() {
            return Ok(());
        }
        let tree = |at: Option<&Revision>| at.map_or(Ok(None), |at| self.repo.view().folder_tree(at, folder));
        if tree(base)? == tree(found.as_ref())? {
            return Ok(());
        }
        Err(CommitError::Moved { expected: base.cloned(), found })
    }
}

pub(super) fn jittered(wait: Duration) -> Duration {
    let part = u32::try_from(journal::random() % 1_000).unwrap_or(0);
    wait / 2 + wait * part / 1_000
}
