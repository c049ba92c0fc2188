//! Turns the journal and the folder into commits. Holds the commit lock while it works; decides nothing about what is settled.

mod attribution;
mod branch;
mod group_commit;
mod log;
mod migration;
mod put_back;
mod records;
mod standing;
mod survey;
mod unfinished;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) use self::branch::{AskRemote, agreed_branch};
pub use self::branch::{DedicatedBranch, UnknownBranch};
pub(super) use self::group_commit::Group;
pub(super) use self::log::{operation, trailers};
pub use self::migration::{BranchMigration, MigrationError};
pub use self::put_back::KeptOperation;
pub(super) use self::put_back::put_back_findings;
pub(super) use self::records::OperationRecords;
pub use self::standing::UncommittedChanges;
pub(super) use self::survey::stamp_digest;
pub use self::survey::{Sight, Survey};
pub use self::waiting::Waiting;
use super::error::again;
use super::index::DocumentReader;
use super::intake::refused_record;
use super::{Error, Progress};
use crate::adapters::git::{CommitDurability, CommitError, Repository, Target};
use crate::adapters::store::{Store, Unsynced};
use crate::core::config::Config;
use crate::core::diagnostic::Diagnostic;
use crate::core::engine::{self, Batch, DELETIONS_MAX, Force, Held};
use crate::core::follow::FollowScope;
use crate::core::name::{DocPath, OperationId, Revision};

/// Longest wait for another process that commits, which takes some ten milliseconds.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Tries when the branch moves while a commit is made.
const ATTEMPTS_MAX: usize = 20;

/// Whether others who commit at this moment are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitTurn {
    /// They are.
    Awaited,
    /// They are not.
    IfFree,
}

/// What to commit beside the operations of the journal.
#[derive(Debug, Clone, Copy)]
pub enum Edits<'a> {
    /// No edits by hand, but those that a journalled operation was built on.
    None,
    /// Edits by hand that were admitted, if the documents and the branch are still as they were then.
    Of(&'a Batch),
}

/// What a commit came to.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The new revisions, oldest first, each with its subject.
    pub revisions: Vec<(Revision, String)>,
    /// In which revision each operation went.
    pub operations: BTreeMap<OperationId, Revision>,
    /// Why nothing could be committed, if so.
    pub waiting: Option<Waiting>,
    /// The documents that were edited by hand.
    pub by_hand: BTreeSet<DocPath>,
    /// Saves that came too late to be in the file, and where they are.
    pub findings: Vec<Diagnostic>,
}

/// Makes commits.
#[derive(Debug, Clone, Copy)]
pub struct Committer<'a> {
    documents: DocumentReader<'a>,
    store: &'a Store,
    repository: Option<&'a Repository>,
    target: &'a Target,
    progress: &'a Progress,
    records: OperationRecords<'a>,
    config: &'a Config,
    pub(super) durability: CommitDurability,
    group: &'a Group,
}

impl<'a> Committer<'a> {
    /// Returns what commits the documents of `documents`; those who commit with the same `group` do it together.
    pub(super) const fn new(
        documents: DocumentReader<'a>,
        records: OperationRecords<'a>,
        config: &'a Config,
        durability: CommitDurability,
        group: &'a Group,
    ) -> Self {
        let DocumentReader { store, repository, target, progress, .. } = documents;
        Self { documents, store, repository, target, progress, records, config, durability, group }
    }

    /// Returns the dedicated branch, if commits go to one.
    #[must_use]
    pub const fn branch(&self) -> DedicatedBranch<'a> {
        let Self { documents, records, config, .. } = *self;
        DedicatedBranch::new(documents, records, config)
    }

    /// Returns how many deletions by hand one commit takes at most without being asked for. Git ignores the folder of a
    /// dedicated branch, and removes what it ignores in many ways: there every deletion is asked for.
    #[must_use]
    pub fn deletions_max(&self) -> usize {
        if *self.target == Target::Current { DELETIONS_MAX } else { 0 }
    }

    const fn folder(&self) -> &'a str {
        self.documents.folder()
    }
}

impl Committer<'_> {
    /// Commits the journal's operations and these edits, one commit for each author.
    ///
    /// # Errors
    /// [`Error`] if git or the folder fails; what can be tried again later is no error but `waiting`.
    pub fn commit_now(&self, edits: Edits<'_>) -> Result<Committed, Error> {
        self.commit_beside(edits, &[])
    }

    /// The same; what was just written is waited for together with the commit, if there is one.
    pub(super) fn commit_beside(&self, edits: Edits<'_>, written: &[&Unsynced]) -> Result<Committed, Error> {
        self.commit_in_turn(CommitTurn::Awaited, edits, written)
    }

    /// The same; whoever has something else to do does not wait for others who commit.
    pub(super) fn commit_in_turn(
        &self,
        turn: CommitTurn,
        edits: Edits<'_>,
        written: &[&Unsynced],
    ) -> Result<Committed, Error> {
        again(|| self.commit_once(turn, edits, written))
    }

    fn commit_once(&self, turn: CommitTurn, edits: Edits<'_>, written: &[&Unsynced]) -> Result<Committed, Error> {
        let Some(repository) = self.repository else { return self.keep_no_journal(Waiting::OutsideGit) };
        if !self.config.flag("commit.auto") {
            return self.keep_no_journal(Waiting::Off);
        }
        let locks = &self.store.locks;
        if let Some(until) = locks.awaited_pause()? {
            return Ok(Committed::waits(Waiting::Paused(until)));
        }
        let wait = if turn == CommitTurn::Awaited { LOCK_WAIT } else { Duration::ZERO };
        let Some(_lock) = locks.lock_commits(wait)? else { return Ok(Committed::waits(Waiting::Committer)) };
        let mut journal = Some(self.store.log.recovered_journal()?);
        let pinned = repository.pin()?;
        repository.committer().recover()?;
        if *self.target == Target::Current {
            repository.index().realign(self.folder())?;
        }
        let mut findings: Vec<Diagnostic> = self.store.log.clear_outbox()?.iter().map(refused_record).collect();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                pinned.renew()?;
            }
            if let Some(busy) = repository.view().busy()? {
                return Ok(Committed::waits(Waiting::Busy(busy)));
            }
            let mut followed =
                self.branch().follow(repository, FollowScope::LeaveCheckedOut, AskRemote::BeforeMaking)?;
            findings.append(&mut followed.findings);
            if let Some(waiting) = followed.waiting {
                return Ok(Committed { findings, ..Committed::waits(waiting) });
            }
            // Where following writes, it writes to the journal too.
            let read = journal.take().filter(|_| *self.target == Target::Current);
            match self.try_commit(repository, &followed, read, edits, written) {
                Err(Error::Commit(CommitError::Moved { .. })) if matches!(edits, Edits::None) => {}
                Err(Error::Commit(CommitError::Busy(busy))) => {
                    return Ok(Committed { findings, ..Committed::waits(Waiting::Busy(*busy)) });
                }
                Err(error) => return Err(error),
                Ok(mut done) => {
                    done.findings.append(&mut findings);
                    // What stays kept for too long is only listed for too long.
                    let _ = self.drop_committed(repository);
                    return Ok(done);
                }
            }
        }
        Ok(Committed::waits(Waiting::Moving))
    }
}

/// What a commit of everything came to.
#[derive(Debug, Clone, Default)]
pub struct CommitReport {
    /// The commits.
    pub done: Committed,
    /// What was left out, and why.
    pub held: Vec<Held>,
}

impl Committer<'_> {
    /// Commits everything that differs from the newest commit, except what the rules hold back.
    ///
    /// # Errors
    /// [`Error`] if git or the folder fails.
    pub fn commit_all(&self, force: Force) -> Result<CommitReport, Error> {
        again(|| self.commit_all_once(force))
    }

    fn commit_all_once(&self, force: Force) -> Result<CommitReport, Error> {
        let Some(repository) = self.repository else {
            return Ok(CommitReport { done: Committed::waits(Waiting::OutsideGit), held: Vec::new() });
        };
        let mut survey = Survey::default();
        let mut findings = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            findings.extend(self.branch().follow_branch(FollowScope::Everything)?);
            let base = self.branch().folder_base(repository)?;
            let tracked = repository.view().contents(base.as_ref(), self.folder())?;
            let sight = survey.look(self, &tracked)?;
            let changes = engine::changes(&tracked, &sight.files, &sight.own);
            let admission = engine::admit(&changes, tracked.len(), self.deletions_max(), force);
            let content = |path: &DocPath| changes.get(path).and_then(|change| change.content().cloned());
            let admitted = admission.commit.iter().map(|path| (path.clone(), content(path))).collect();
            match self.commit_now(Edits::Of(&Batch { base, changes: admitted })) {
                Err(Error::Commit(CommitError::Moved { .. })) => {}
                Err(error) => return Err(error),
                Ok(mut done) => {
                    done.waiting = done.waiting.or(sight.ignored.map(Waiting::Ignored));
                    done.findings.append(&mut findings);
                    return Ok(CommitReport { done, held: admission.held });
                }
            }
        }
        Ok(CommitReport { done: Committed::waits(Waiting::Moving), held: Vec::new() })
    }
}

impl Committer<'_> {
    /// Sets index entries of documents that a git of the user took back while it raced with a commit of ours, unless another
    /// process commits at this moment; if there are none, it costs one look at the index.
    ///
    /// # Errors
    /// [`Error`] if the repository cannot be read or written.
    pub fn realign_index(&self) -> Result<(), Error> {
        let Some(repository) = self.repository else { return Ok(()) };
        if *self.target != Target::Current || repository.index().is_index_aligned() {
            return Ok(());
        }
        if let Some(_lock) = self.store.locks.lock_commits(Duration::ZERO)? {
            repository.index().realign(self.folder())?;
        }
        Ok(())
    }
}
