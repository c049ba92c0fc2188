//! What the journal and the folder come to on a revision, and the commit of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attribution::recorded;
use super::branch::Followed;
use super::{Committed, Committer, Edits, Waiting};
use crate::adapters::git::{Beside, CommitError, CommitPlan, CommitTerms, Repository, Target, ViewGap};
use crate::adapters::store::{LateOutcome, LateSave, Record, StoreError, Unsynced};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::Document;
use crate::core::name::{DocPath, OperationId, Revision};
use crate::core::plan::{self, Content, KnownContents, PlannedCommit};
use crate::services::Error;
use crate::services::index::held_back;

/// What HEAD and the folder say of some documents.
#[derive(Default)]
struct Compared {
    /// Those that can be committed.
    known: BTreeMap<DocPath, KnownContents>,
    /// Why one of them is never committed by us, if so.
    left_out: Option<Waiting>,
    /// Those whose files are there and cannot be read.
    unreadable: BTreeMap<DocPath, StoreError>,
}

/// What is to be committed, and what of the journal needs no commit.
pub(in crate::services) struct Unfinished {
    /// Every operation that the journal had before the documents were read.
    pub(in crate::services) read: BTreeSet<OperationId>,
    /// The operations that the newest commits do not name.
    pub(in crate::services) journal: Vec<plan::Recorded>,
    /// Those that they do.
    committed: Vec<plan::Recorded>,
    pub(in crate::services) known: BTreeMap<DocPath, KnownContents>,
    pub(in crate::services) steps: Vec<plan::PlannedChange>,
    groups: Vec<PlannedCommit>,
    /// The operations that the journal can forget behind the commit.
    pub(in crate::services) finished: BTreeSet<OperationId>,
    left_out: Option<Waiting>,
    waits: Option<Waiting>,
}

/// The documents that steps by hand changed.
fn by_hand(steps: &[plan::PlannedChange]) -> BTreeSet<DocPath> {
    steps.iter().filter(|step| step.operation.is_none()).map(|step| step.path.clone()).collect()
}

/// The blocks that a save by hand left open: the document is committed, and reads otherwise than most viewers show it.
fn open_blocks(known: &BTreeMap<DocPath, KnownContents>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (path, state) in known.iter().filter(|(_, state)| state.admit_edit) {
        let Some(bytes) = &state.folder else { continue };
        let document = Document::parse(Arc::clone(bytes));
        findings.extend(document.body().open_blocks().iter().map(|block| block.finding().in_file(path)));
    }
    findings
}

impl Committed {
    /// Records which revision holds which operations.
    fn record(&mut self, revisions: Vec<Revision>, groups: &[PlannedCommit], plans: &[CommitPlan]) {
        for ((revision, group), plan) in revisions.into_iter().zip(groups).zip(plans) {
            for operation in &group.operations {
                self.operations.insert(operation.id.clone(), revision.clone());
            }
            let subject = plan.message.lines().next().unwrap_or_default().to_owned();
            self.revisions.push((revision, subject));
        }
    }

    pub(super) fn waits(waiting: Waiting) -> Self {
        Self { waiting: Some(waiting), ..Self::default() }
    }
}

impl Committer<'_> {
    /// Where nothing is ever committed, nothing needs to be remembered for a commit.
    pub(super) fn keep_no_journal(&self, waiting: Waiting) -> Result<Committed, Error> {
        let operations: Vec<OperationId> =
            self.store.log.journal()?.into_iter().map(|record| record.operation.id).collect();
        let swept = self.store.log.forget(&operations)?;
        Ok(Committed { findings: swept.late.iter().map(late).collect(), ..Committed::waits(waiting) })
    }

    /// Commits on the revision that the caller has just brought the folder to, and on no other: what the branch got since
    /// would be missing in the folder, and count as removed by hand. The caller holds the lock of commits, and may have read
    /// the journal under it.
    pub(in crate::services) fn try_commit(
        &self,
        repository: &Repository,
        followed: &Followed,
        journal: Option<Vec<Record>>,
        edits: Edits<'_>,
        written: &[&Unsynced],
    ) -> Result<Committed, Error> {
        let target = self.target;
        let base = followed.base.clone();
        let read_at = repository.index().index_mark()?;
        if let Edits::Of(batch) = edits
            && batch.base != base
        {
            return Err(CommitError::Moved { expected: batch.base.clone(), found: base }.into());
        }
        let journal = journal.map_or_else(|| self.store.log.journal(), Ok)?;
        let journal = journal.into_iter().map(recorded).collect();
        let unfinished = self.unfinished(repository, base.as_ref(), journal, edits)?;
        if matches!(edits, Edits::Of(_)) && self.branch().has_git_moved(repository, &followed.mark)? {
            return Err(CommitError::Moved { expected: base.clone(), found: base }.into());
        }
        let plans: Vec<CommitPlan> = unfinished.groups.iter().map(|group| self.plan(group)).collect();
        let revisions = if plans.is_empty() {
            // What is committed may be the work of a process that died before it was on the disk.
            repository.committer().settle(target, self.durability)?;
            Vec::new()
        } else {
            if let Target::Branch(name) = target {
                repository.references().check_branch_name(name)?;
                repository.ignore_rules().exclude(self.folder())?;
            }
            // A bar that moves would be drawn over a question, such as that for the key of a signature.
            let _work = (!repository.committer().may_ask()).then(|| self.progress.begin("committing", 0));
            let wait = || Unsynced::wait_for_all(written).map_err(std::io::Error::other);
            let beside = (!written.is_empty()).then_some(&wait as &Beside<'_>);
            let durability = self.durability;
            let terms = CommitTerms { durability, beside, read_at: Some(read_at) };
            repository.committer().commit_on(target, self.folder(), base.as_ref(), &plans, terms)?
        };
        self.branch().note_followed(revisions.last())?;
        let (unkept, mut findings) = self.keep_put_back(repository, &unfinished);
        let Unfinished { journal, committed, known, steps, groups, finished, left_out, waits, .. } = unfinished;
        let unknown = |one: &&plan::Recorded| one.changes.iter().all(|(path, ..)| !known.contains_key(path));
        let ignored_operations = journal.iter().filter(unknown).map(|one| one.operation.id.clone());
        let committed = committed.into_iter().map(|one| one.operation.id);
        let finished = finished.into_iter().chain(ignored_operations).chain(committed);
        let finished: Vec<OperationId> = finished.filter(|id| !unkept.contains(id)).collect();
        findings.extend(self.store.log.forget(&finished)?.late.iter().map(late));
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
    pub(in crate::services) fn unfinished(
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
        let is_apart = *self.target != Target::Current;
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
        let is_new = |path: &&DocPath| *self.target == Target::Current && !contents.contains_key(*path);
        let new: Vec<String> = paths.iter().filter(is_new).map(|path| self.documents.in_repository(path)).collect();
        let left_out = repository.ignore_rules().ignored(new.iter().map(String::as_str))?;
        let work = self.progress.begin("comparing documents", paths.len());
        for path in paths {
            work.step();
            let id = contents.get(&path);
            let in_repository = self.documents.in_repository(&path);
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
            let folder: Content = match self.store.folder.read(&path) {
                Ok(file) => file.map(|file| Arc::from(file.bytes)),
                Err(error) if error.concerns_one_file() => {
                    compared.unreadable.insert(path, error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut head: Content = None;
            if let Some(id) = id {
                let first = journal.iter().flat_map(|one| &one.changes).find(|(other, ..)| *other == path);
                // Git may keep other line ends than the folder; equal by git's measure is equal, and need not be read.
                for bytes in [Some(&folder), first.map(|(_, before, _)| before)].into_iter().flatten().flatten() {
                    if repository.attributes().content_id(&in_repository, bytes)?.as_ref() == Some(id) {
                        head = Some(Arc::clone(bytes));
                        break;
                    }
                }
                head = head.map_or_else(|| repository.view().read(id).map(Arc::from), Ok).map(Some)?;
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
            compared.known.insert(path, KnownContents { head, folder, admit_edit, has_gone_on: false });
        }
        Ok(compared)
    }

    /// Why only git itself can store a document.
    fn gap(&self, repository: &Repository, in_repository: &str) -> Result<Option<ViewGap>, Error> {
        let by_attributes = repository.attributes().attribute_gap(in_repository)?;
        if by_attributes.is_some() || *self.target != Target::Current {
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
        let id = |bytes: &Arc<[u8]>| repository.attributes().content_id(&self.documents.in_repository(path), bytes);
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
