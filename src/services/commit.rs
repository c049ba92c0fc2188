//! Turns the journal and the folder into commits. Holds the commit lock while it works; decides nothing about what is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::adopt::AskRemote;
use super::attribution::recorded;
use super::branch::Followed;
use super::error::again;
use super::index::held_back;
use super::intake::refused_record;
use super::survey::Survey;
use super::{Error, Project, Waiting};
use crate::adapters::git::{Beside, CommitError, CommitPlan, CommitTerms, Repository, Target, ViewGap};
use crate::adapters::store::{LateOutcome, LateSave, StoreError, Unsynced};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::Document;
use crate::core::engine::{self, Batch, Force, Held};
use crate::core::follow::FollowScope;
use crate::core::name::{DocPath, OperationId, Revision};
use crate::core::plan::{self, Content, Group, Known};

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

/// What HEAD and the folder say of some documents.
#[derive(Default)]
struct Compared {
    /// Those that can be committed.
    known: BTreeMap<DocPath, Known>,
    /// Why one of them is never committed by us, if so.
    left_out: Option<Waiting>,
    /// Those whose files are there and cannot be read.
    unreadable: BTreeMap<DocPath, StoreError>,
}

/// What is to be committed, and what of the journal needs no commit.
pub(super) struct Unfinished {
    /// Every operation that the journal had before the documents were read.
    pub(super) read: BTreeSet<OperationId>,
    /// The operations that the newest commits do not name.
    pub(super) journal: Vec<plan::Recorded>,
    /// Those that they do.
    committed: Vec<plan::Recorded>,
    pub(super) known: BTreeMap<DocPath, Known>,
    pub(super) steps: Vec<plan::Step>,
    groups: Vec<Group>,
    /// The operations that the journal can forget behind the commit.
    pub(super) finished: BTreeSet<OperationId>,
    left_out: Option<Waiting>,
    waits: Option<Waiting>,
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

impl Project {
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
        let Some(repository) = &self.repository else { return self.keep_no_journal(Waiting::OutsideGit) };
        if !self.config.flag("commit.auto") {
            return self.keep_no_journal(Waiting::Off);
        }
        if let Some(until) = self.store.awaited_pause()? {
            return Ok(Committed::waits(Waiting::Paused(until)));
        }
        let wait = if turn == CommitTurn::Awaited { LOCK_WAIT } else { Duration::ZERO };
        let Some(_lock) = self.store.lock_commits(wait)? else { return Ok(Committed::waits(Waiting::Committer)) };
        self.store.recover()?;
        repository.committer().recover()?;
        if self.target() == Target::Current {
            repository.index().realign(self.folder())?;
        }
        let mut findings: Vec<Diagnostic> = self.store.clear_outbox()?.iter().map(refused_record).collect();
        for _ in 0..ATTEMPTS_MAX {
            if let Some(busy) = repository.view().busy()? {
                return Ok(Committed::waits(Waiting::Busy(busy)));
            }
            let mut followed = self.follow(repository, FollowScope::LeaveCheckedOut, AskRemote::BeforeMaking)?;
            findings.append(&mut followed.findings);
            if let Some(waiting) = followed.waiting {
                return Ok(Committed { findings, ..Committed::waits(waiting) });
            }
            match self.try_commit(repository, &followed, edits, written) {
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

impl Project {
    /// Commits everything that differs from the newest commit, except what the rules hold back.
    ///
    /// # Errors
    /// [`Error`] if git or the folder fails.
    pub fn commit_all(&self, force: Force) -> Result<CommitReport, Error> {
        again(|| self.commit_all_once(force))
    }

    fn commit_all_once(&self, force: Force) -> Result<CommitReport, Error> {
        let Some(repository) = &self.repository else {
            return Ok(CommitReport { done: Committed::waits(Waiting::OutsideGit), held: Vec::new() });
        };
        let mut survey = Survey::default();
        let mut findings = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            findings.extend(self.follow_branch(FollowScope::Everything)?);
            let base = self.folder_base(repository)?;
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

impl Project {
    /// Sets index entries of documents that a git of the user took back while it raced with a commit of ours, unless another
    /// process commits at this moment; if there are none, it costs one look at the index.
    ///
    /// # Errors
    /// [`Error`] if the repository cannot be read or written.
    pub fn realign_index(&self) -> Result<(), Error> {
        let Some(repository) = &self.repository else { return Ok(()) };
        if self.target() != Target::Current || repository.index().is_index_aligned() {
            return Ok(());
        }
        if let Some(_lock) = self.store.lock_commits(Duration::ZERO)? {
            repository.index().realign(self.folder())?;
        }
        Ok(())
    }
}

/// The documents that steps by hand changed.
fn by_hand(steps: &[plan::Step]) -> BTreeSet<DocPath> {
    steps.iter().filter(|step| step.operation.is_none()).map(|step| step.path.clone()).collect()
}

/// The blocks that a save by hand left open: the document is committed, and reads otherwise than most viewers show it.
fn open_blocks(known: &BTreeMap<DocPath, Known>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (path, state) in known.iter().filter(|(_, state)| state.admit_edit) {
        let Some(bytes) = &state.folder else { continue };
        let document = Document::parse(Arc::clone(bytes));
        findings.extend(document.open_blocks().iter().map(|block| block.finding().in_file(path)));
    }
    findings
}

impl Committed {
    /// Records which revision holds which operations.
    fn record(&mut self, revisions: Vec<Revision>, groups: &[Group], plans: &[CommitPlan]) {
        for ((revision, group), plan) in revisions.into_iter().zip(groups).zip(plans) {
            for operation in &group.operations {
                self.operations.insert(operation.id.clone(), revision.clone());
            }
            let subject = plan.message.lines().next().unwrap_or_default().to_owned();
            self.revisions.push((revision, subject));
        }
    }

    fn waits(waiting: Waiting) -> Self {
        Self { waiting: Some(waiting), ..Self::default() }
    }
}

impl Project {
    /// Where nothing is ever committed, nothing needs to be remembered for a commit.
    fn keep_no_journal(&self, waiting: Waiting) -> Result<Committed, Error> {
        let operations: Vec<OperationId> =
            self.store.journal()?.into_iter().map(|record| record.operation.id).collect();
        let swept = self.store.forget(&operations)?;
        Ok(Committed { findings: swept.late.iter().map(late).collect(), ..Committed::waits(waiting) })
    }

    /// Commits on the revision that the caller has just brought the folder to, and on no other: what the branch got since
    /// would be missing in the folder, and count as removed by hand. The caller holds the lock of commits.
    pub(super) fn try_commit(
        &self,
        repository: &Repository,
        followed: &Followed,
        edits: Edits<'_>,
        written: &[&Unsynced],
    ) -> Result<Committed, Error> {
        let target = self.target();
        let base = followed.base.clone();
        let read_at = repository.index().index_mark()?;
        if let Edits::Of(batch) = edits
            && batch.base != base
        {
            return Err(CommitError::Moved { expected: batch.base.clone(), found: base }.into());
        }
        let journal = self.store.journal()?.into_iter().map(recorded).collect();
        let unfinished = self.unfinished(repository, base.as_ref(), journal, edits)?;
        if matches!(edits, Edits::Of(_)) && self.has_git_moved(repository, &followed.mark)? {
            return Err(CommitError::Moved { expected: base.clone(), found: base }.into());
        }
        let plans: Vec<CommitPlan> = unfinished.groups.iter().map(|group| self.plan(group)).collect();
        let revisions = if plans.is_empty() {
            // What is committed may be the work of a process that died before it was on the disk.
            repository.committer().settle(&target, self.git_durability())?;
            Vec::new()
        } else {
            if let Target::Branch(name) = &target {
                repository.references().check_branch_name(name)?;
                repository.ignore_rules().exclude(self.folder())?;
            }
            // A bar that moves would be drawn over a question, such as that for the key of a signature.
            let _work = (!repository.committer().may_ask()).then(|| self.progress.begin("committing", 0));
            let wait = || Unsynced::wait_for_all(written).map_err(std::io::Error::other);
            let beside = (!written.is_empty()).then_some(&wait as &Beside<'_>);
            let durability = self.git_durability();
            let terms = CommitTerms { durability, beside, read_at: Some(read_at) };
            repository.committer().commit_on(&target, self.folder(), base.as_ref(), &plans, terms)?
        };
        self.note_followed(revisions.last())?;
        let (unkept, mut findings) = self.keep_put_back(repository, &unfinished);
        let Unfinished { journal, committed, known, steps, groups, finished, left_out, waits, .. } = unfinished;
        let unknown = |one: &&plan::Recorded| one.changes.iter().all(|(path, ..)| !known.contains_key(path));
        let ignored_operations = journal.iter().filter(unknown).map(|one| one.operation.id.clone());
        let committed = committed.into_iter().map(|one| one.operation.id);
        let finished = finished.into_iter().chain(ignored_operations).chain(committed);
        let finished: Vec<OperationId> = finished.filter(|id| !unkept.contains(id)).collect();
        findings.extend(self.store.forget(&finished)?.late.iter().map(late));
        let mut done = Committed { waiting: left_out.or(waits), findings, ..Committed::default() };
        done.record(revisions, &groups, &plans);
        done.by_hand = by_hand(&steps);
        if !done.revisions.is_empty() {
            done.findings.extend(open_blocks(&known));
        }
        Ok(done)
    }

    /// What these operations of the journal and these edits come to on this revision. The documents may have changed since the
    /// journal was read. Only reads.
    pub(super) fn unfinished(
        &self,
        repository: &Repository,
        base: Option<&Revision>,
        journal: Vec<plan::Recorded>,
        edits: Edits<'_>,
    ) -> Result<Unfinished, Error> {
        let read = journal.iter().map(|one| one.operation.id.clone()).collect();
        let mut paths: BTreeSet<DocPath> =
            journal.iter().flat_map(|one| &one.changes).map(|(path, ..)| path.clone()).collect();
        if let Edits::Of(batch) = edits {
            paths.extend(batch.changes.keys().cloned());
        }
        let Compared { mut known, left_out, unreadable } = self.known(repository, base, &journal, paths, edits)?;
        let (journal, waits) = self.without_unreadable(journal, &unreadable);
        let asks = plan::asks_for_history(&journal, &known);
        let told = if asks { self.recently_committed(repository)? } else { BTreeSet::default() };
        let (committed, journal): (Vec<_>, Vec<_>) =
            journal.into_iter().partition(|one| told.contains(&one.operation.id));
        let is_apart = self.target() != Target::Current;
        let journal = if is_apart { plan::rebased(journal, &known) } else { journal };
        for (path, state) in known.iter_mut().filter(|(path, state)| plan::is_unclear(&journal, path, &state.head)) {
            state.has_gone_on = self.has_gone_on(repository, path, &journal)?;
        }
        let steps = plan::steps(&journal, &known, &|path, before, after| self.attribute(path, before, after));
        let groups = plan::group(&steps);
        let finished = plan::finished(&journal, &known, &groups);
        Ok(Unfinished { read, journal, committed, known, steps, groups, finished, left_out, waits })
    }

    /// What HEAD and the folder say of these documents. Those that git ignores, or that only git can store, are left out, and one
    /// of them is named; those that cannot be read are apart.
    fn known(
        &self,
        repository: &Repository,
        base: Option<&Revision>,
        journal: &[plan::Recorded],
        paths: BTreeSet<DocPath>,
        edits: Edits<'_>,
    ) -> Result<Compared, Error> {
        let contents = repository.view().contents_of(base, self.folder(), &paths)?;
        let mut compared = Compared::default();
        let is_new = |path: &&DocPath| self.target() == Target::Current && !contents.contains_key(*path);
        let new: Vec<String> = paths.iter().filter(is_new).map(|path| self.documents().in_repository(path)).collect();
        let left_out = repository.ignore_rules().ignored(new.iter().map(String::as_str))?;
        let work = self.progress.begin("comparing documents", paths.len());
        for path in paths {
            work.step();
            let id = contents.get(&path);
            let in_repository = self.documents().in_repository(&path);
            if left_out.contains(in_repository.as_str()) {
                // The rules are read again for it: once is enough.
                if compared.left_out.is_none() {
                    let ignored = repository.ignore_rules().ignored_document(self.folder(), &in_repository)?;
                    compared.left_out = Some(Waiting::Ignored(ignored));
                }
                continue;
            }
            if let Some(gap) = self.gap(repository, &in_repository)? {
                let finding = held_back::left_to_git(&path, &in_repository, &gap);
                compared.left_out = Some(Waiting::HeldBack(Box::new(finding)));
                continue;
            }
            let folder: Content = match self.store.read(&path) {
                Ok(file) => file.map(|file| Arc::from(file.bytes)),
                Err(error) if error.concerns_one_file() => {
                    compared.unreadable.insert(path, error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut head: Content = id.map(|id| repository.view().read(id)).transpose()?.map(Arc::from);
            // Git may keep other line ends than the folder; equal by git's measure is equal.
            if let Some(id) = id {
                let first = journal.iter().flat_map(|one| &one.changes).find(|(other, ..)| *other == path);
                for candidate in [Some(&folder), first.map(|(_, before, _)| before)].into_iter().flatten() {
                    if let Some(bytes) = candidate
                        && repository.attributes().content_id(&in_repository, bytes)?.as_ref() == Some(id)
                    {
                        head.clone_from(candidate);
                        break;
                    }
                }
            }
            let admit_edit = match edits {
                Edits::None => false,
                Edits::Of(batch) => match (batch.changes.get(&path), &folder) {
                    (Some(None), None) => true,
                    (Some(Some(id)), Some(bytes)) => {
                        repository.attributes().content_id(&in_repository, bytes)?.as_ref() == Some(id)
                    }
                    _ => false,
                },
            };
            compared.known.insert(path, Known { head, folder, admit_edit, has_gone_on: false });
        }
        Ok(compared)
    }

    /// Why only git itself can store a document.
    fn gap(&self, repository: &Repository, in_repository: &str) -> Result<Option<ViewGap>, Error> {
        let by_attributes = repository.attributes().attribute_gap(in_repository)?;
        if by_attributes.is_some() || self.target() != Target::Current {
            return Ok(by_attributes);
        }
        Ok(repository.attributes().index_gap(in_repository)?)
    }

    /// The operations that can be committed now, and why one waits if so: what it left in a document that cannot be read now is
    /// committed when it can be.
    fn without_unreadable(
        &self,
        journal: Vec<plan::Recorded>,
        unreadable: &BTreeMap<DocPath, StoreError>,
    ) -> (Vec<plan::Recorded>, Option<Waiting>) {
        let fault = |one: &plan::Recorded| {
            one.changes.iter().find_map(|(path, ..)| {
                let error = unreadable.get(path)?;
                Some(held_back::cannot_be_read(self.folder(), path, error))
            })
        };
        let waits = journal.iter().find_map(fault).map(|finding| Waiting::HeldBack(Box::new(finding)));
        (journal.into_iter().filter(|one| fault(one).is_none()).collect(), waits)
    }

    /// Tells whether HEAD held what the first operation on a document found when it was made. If HEAD holds something else
    /// now, a person has committed since.
    fn has_gone_on(&self, repository: &Repository, path: &DocPath, journal: &[plan::Recorded]) -> Result<bool, Error> {
        let first = journal.iter().find_map(|one| {
            let (_, found, _) = one.changes.iter().find(|(other, ..)| other == path)?;
            Some((one.base.as_ref()?, found))
        });
        let Some((base, found)) = first else { return Ok(false) };
        let held = repository.view().contents_of(Some(base), self.folder(), &BTreeSet::from([path.clone()]))?;
        let id = |bytes: &Arc<[u8]>| repository.attributes().content_id(&self.documents().in_repository(path), bytes);
        let found = found.as_ref().map(id).transpose()?.flatten();
        Ok(held.get(path) == found.as_ref())
    }
}

/// A save that reached a file after it had been replaced.
fn late(save: &LateSave) -> Diagnostic {
    let message = match &save.outcome {
        LateOutcome::PutBack => "a save came while the document was being replaced; it was put back".to_owned(),
        LateOutcome::Copied(copy) => {
            format!("a save came while the document was being replaced; it is kept in `{}`", copy.display())
        }
    };
    let hint = match &save.outcome {
        LateOutcome::PutBack => format!("look whether `{}` still says what it should", save.path),
        LateOutcome::Copied(copy) => {
            format!("run `diff {} {}` and take over what is missing", copy.display(), save.path)
        }
    };
    Diagnostic::warning(Code::LateSave, message).in_file(&save.path).hint(hint)
}
