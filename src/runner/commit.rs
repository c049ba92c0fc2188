//! Turns the journal and the folder into commits. Holds the commit lock while it works; decides nothing about what is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::error::again;
use super::survey::Survey;
use super::{Error, Waiting, Workspace, environment};
use crate::change;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Document;
use crate::engine::{self, Batch, Force, Held};
use crate::entity::{self, Entity};
use crate::git::{Author, Beside, CommitError, CommitPlan, Repository, Target};
use crate::message::{self, OperationNote};
use crate::name::{AgentName, DocId, DocPath, OperationId, Revision};
use crate::plan::{self, Content, Group, Known};
use crate::snapshot::Snapshot;
use crate::store::{LateOutcome, LateSave, Record, Unsynced};

/// Longest wait for another process that commits, which takes some ten milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(10);
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
    /// Saves that came too late to be in the file, and where they are.
    pub findings: Vec<Diagnostic>,
}

impl Workspace {
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
        let wait = if turn == CommitTurn::Awaited { LOCK_WAIT } else { Duration::ZERO };
        let Some(_lock) = self.store.lock_commits(wait)? else { return Ok(Committed::waits(Waiting::Committer)) };
        self.store.recover()?;
        repository.recover()?;
        let mut findings = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            if let Some(busy) = repository.busy()? {
                return Ok(Committed::waits(Waiting::Busy(busy)));
            }
            findings.extend(self.follow(repository)?);
            match self.try_commit(repository, edits, written) {
                Err(Error::Commit(CommitError::Moved { .. })) if matches!(edits, Edits::None) => {}
                Err(error) => return Err(error),
                Ok(mut done) => {
                    done.findings.append(&mut findings);
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

impl Workspace {
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
            findings.extend(self.follow_branch()?);
            let base = repository.head(&self.target())?.revision;
            let tracked = repository.contents(base.as_ref(), self.folder())?;
            let sight = survey.look(self, &tracked)?;
            let changes = engine::changes(&tracked, &sight.files, &sight.own);
            let admission = engine::admit(&changes, tracked.len(), force);
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

impl Committed {
    fn waits(waiting: Waiting) -> Self {
        Self { waiting: Some(waiting), ..Self::default() }
    }
}

impl Workspace {
    /// Where nothing is ever committed, nothing needs to be remembered for a commit.
    fn keep_no_journal(&self, waiting: Waiting) -> Result<Committed, Error> {
        let operations: Vec<OperationId> =
            self.store.journal()?.into_iter().map(|record| record.operation.id).collect();
        let swept = self.store.forget(&operations)?;
        Ok(Committed { findings: swept.late.iter().map(late).collect(), ..Committed::waits(waiting) })
    }

    /// Commits as the caller found branch and folder; it holds the lock of commits.
    pub(super) fn try_commit(
        &self,
        repository: &Repository,
        edits: Edits<'_>,
        written: &[&Unsynced],
    ) -> Result<Committed, Error> {
        let target = self.target();
        let base = repository.head(&target)?.revision;
        let journal: Vec<plan::Recorded> = self.store.journal()?.into_iter().map(recorded).collect();
        let mut paths: BTreeSet<DocPath> =
            journal.iter().flat_map(|one| &one.changes).map(|(path, ..)| path.clone()).collect();
        if let Edits::Of(batch) = edits {
            if batch.base != base {
                return Err(CommitError::Moved { expected: batch.base.clone(), found: base }.into());
            }
            paths.extend(batch.changes.keys().cloned());
        }
        let (mut known, ignored) = self.known(repository, base.as_ref(), &journal, paths, edits)?;
        let asks = plan::asks_for_history(&journal, &known);
        let told = if asks { self.recently_committed(repository)? } else { BTreeSet::default() };
        let (committed, journal): (Vec<_>, Vec<_>) =
            journal.into_iter().partition(|one| told.contains(&one.operation.id));
        for (path, state) in known.iter_mut().filter(|(path, state)| plan::is_unclear(&journal, path, &state.head)) {
            state.has_gone_on = self.has_gone_on(repository, path, &journal)?;
        }
        let steps = plan::steps(&journal, &known, &holder);
        let groups = plan::group(&steps);
        let finished = plan::finished(&journal, &known, &groups);
        let plans: Vec<CommitPlan> = groups.iter().map(|group| self.plan(group)).collect();
        let revisions = if plans.is_empty() {
            // What is committed may be the work of a process that died before it was on the disk.
            repository.settle(&target, self.git_durability())?;
            Vec::new()
        } else {
            if target != Target::Current {
                repository.exclude(self.folder())?;
            }
            // A bar that moves would be drawn over a question, such as that for the key of a signature.
            let _work = (!repository.may_ask()).then(|| self.progress.begin("committing", 0));
            let wait = || Unsynced::wait_for_all(written).map_err(std::io::Error::other);
            let beside = (!written.is_empty()).then_some(&wait as &Beside<'_>);
            let durability = self.git_durability();
            repository.commit_beside(&target, self.folder(), base.as_ref(), &plans, durability, beside)?
        };
        self.note_followed(revisions.last())?;
        let unknown = |one: &&plan::Recorded| one.changes.iter().all(|(path, ..)| !known.contains_key(path));
        let ignored_operations = journal.iter().filter(unknown).map(|one| one.operation.id.clone());
        let committed = committed.into_iter().map(|one| one.operation.id);
        let finished: Vec<OperationId> = finished.into_iter().chain(ignored_operations).chain(committed).collect();
        let swept = self.store.forget(&finished)?;
        let waiting = ignored.map(Waiting::Ignored);
        let findings = swept.late.iter().map(late).collect();
        let mut done = Committed { waiting, findings, ..Committed::default() };
        for ((revision, group), plan) in revisions.into_iter().zip(&groups).zip(&plans) {
            for operation in &group.operations {
                done.operations.insert(operation.id.clone(), revision.clone());
            }
            let subject = plan.message.lines().next().unwrap_or_default().to_owned();
            done.revisions.push((revision, subject));
        }
        Ok(done)
    }

    /// What HEAD and the folder say of these documents; those that git ignores are left out, and one of them named.
    fn known(
        &self,
        repository: &Repository,
        base: Option<&Revision>,
        journal: &[plan::Recorded],
        paths: BTreeSet<DocPath>,
        edits: Edits<'_>,
    ) -> Result<(BTreeMap<DocPath, Known>, Option<String>), Error> {
        let contents = repository.contents_of(base, self.folder(), &paths)?;
        let mut known = BTreeMap::new();
        let mut ignored = None;
        let is_new = |path: &&DocPath| self.target() == Target::Current && !contents.contains_key(*path);
        let new: Vec<String> = paths.iter().filter(is_new).map(|path| self.in_repository(path)).collect();
        let left_out = repository.ignored(new.iter().map(String::as_str))?;
        let work = self.progress.begin("comparing documents", paths.len());
        for path in paths {
            work.step();
            let id = contents.get(&path);
            let in_repository = self.in_repository(&path);
            if left_out.contains(in_repository.as_str()) {
                ignored = Some(in_repository);
                continue;
            }
            let folder: Content = self.store.read(&path)?.map(|file| Arc::from(file.bytes));
            let mut head: Content = id.map(|id| repository.read(id)).transpose()?.map(Arc::from);
            // Git may keep other line ends than the folder; equal by git's measure is equal.
            if let Some(id) = id {
                let first = journal.iter().flat_map(|one| &one.changes).find(|(other, ..)| *other == path);
                for candidate in [Some(&folder), first.map(|(_, before, _)| before)].into_iter().flatten() {
                    if let Some(bytes) = candidate
                        && repository.content_id(&in_repository, bytes)? == *id
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
                    (Some(Some(id)), Some(bytes)) => repository.content_id(&in_repository, bytes)? == *id,
                    _ => false,
                },
            };
            known.insert(path, Known { head, folder, admit_edit, has_gone_on: false });
        }
        Ok((known, ignored))
    }

    /// Tells whether HEAD held what the first operation on a document found when it was made. If HEAD holds something else
    /// now, a person has committed since.
    fn has_gone_on(&self, repository: &Repository, path: &DocPath, journal: &[plan::Recorded]) -> Result<bool, Error> {
        let first = journal.iter().find_map(|one| {
            let (_, found, _) = one.changes.iter().find(|(other, ..)| other == path)?;
            Some((one.base.as_ref()?, found))
        });
        let Some((base, found)) = first else { return Ok(false) };
        let held = repository.contents_of(Some(base), self.folder(), &BTreeSet::from([path.clone()]))?;
        let found = found.as_ref().map(|bytes| repository.content_id(&self.in_repository(path), bytes)).transpose()?;
        Ok(held.get(path) == found.as_ref())
    }

    fn plan(&self, group: &Group) -> CommitPlan {
        let side = |after: bool| {
            let documents = group.changes.iter().filter_map(|(path, (old, new))| {
                let content = if after { new } else { old };
                content.as_ref().map(|bytes| (path.clone(), Document::parse(Arc::clone(bytes))))
            });
            Snapshot::from_documents(documents)
        };
        let changes = change::diff(&side(false), &side(true));
        let message = message::compose(&changes, group.agent.as_ref(), &notes(group));
        let author = match &group.agent {
            Some(agent) if self.config.text("commit.author") != Some("user") => Author::Agent(agent.clone()),
            _ => Author::User,
        };
        let contents = group.changes.iter().map(|(path, (_, new))| (path.clone(), new.as_ref().map(|b| b.to_vec())));
        CommitPlan { author, at: environment::now(), message, changes: contents.collect() }
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

fn recorded(record: Record) -> plan::Recorded {
    let content = |bytes: Option<Vec<u8>>| -> Content { bytes.map(Arc::from) };
    let changes: Vec<(DocPath, Content, Content)> =
        record.changes.into_iter().map(|one| (one.path, content(one.before), content(one.after))).collect();
    let base = record.operation.base;
    let operation = plan::Operation {
        document: changes.first().map_or_else(|| DocId::from(&record.operation.id), document_of),
        id: record.operation.id,
        verb: record.operation.verb,
        agent: record.operation.agent,
    };
    plan::Recorded { operation, base, changes }
}

/// The id of a changed document: what it says, else what its file is called.
fn document_of((path, before, after): &(DocPath, Content, Content)) -> DocId {
    let said = [after, before]
        .into_iter()
        .flatten()
        .find_map(|bytes| entity::read(path, &Document::parse(Arc::clone(bytes))).entity.map(|entity| entity.id()));
    said.unwrap_or_else(|| DocId::of_file(path))
}

/// Whom an edit by hand counts for: the agent whose document it is, or the holder of the task.
fn holder(path: &DocPath, before: &Content, after: &Content) -> Option<AgentName> {
    let read = |content: &Content| {
        let document = Document::parse(Arc::clone(content.as_ref()?));
        entity::read(path, &document).entity
    };
    let of = |entity: Entity| match entity {
        Entity::Agent(agent) => Some(agent.name),
        Entity::Task(task) => {
            let running = task.status == entity::TaskStatus::Running;
            task.claimed_by.or(if running { task.assigned_to } else { None })
        }
        Entity::Workflow(_) => None,
    };
    read(after).and_then(of).or_else(|| read(before).and_then(of))
}

/// Each operation of a commit with the document it changed.
fn notes(group: &Group) -> Vec<OperationNote> {
    let one = |operation: &plan::Operation| OperationNote {
        id: operation.id.clone(),
        verb: operation.verb.clone(),
        doc: operation.document.clone(),
        agent: operation.agent.clone(),
    };
    group.operations.iter().map(one).collect()
}
