//! Brings back what is missing from documents: operations that git put back before they were committed, and documents that
//! were removed from the folder while the newest commit has them. Nothing is brought back unless it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::adapters::git::{Repository, Target};
use crate::adapters::store::{Action, Unsynced};
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::entity::TaskStatus;
use crate::core::lease::{LeaseFacts, LeaseProof};
use crate::core::merge::{self, Conflict, Decision, MergeSides};
use crate::core::name::{ContentId, DocId, DocPath, OperationId, Revision};
use crate::core::plan::Content;
use crate::services::commits::{Edits, KeptOperation};
use crate::services::leases::task_of;
use crate::services::{Error, Waiting};

/// What can be brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restorable {
    /// Operations that git put back before they were committed.
    pub operations: Vec<KeptOperation>,
    /// Documents that the newest commit has and the folder lacks.
    pub removed: BTreeMap<DocPath, ContentId>,
    /// Why operations wait for their commit, if so: whether git put one of them back is known afterwards.
    pub waiting: Option<Waiting>,
}

/// What was brought back.
#[derive(Debug, Clone, Default)]
pub struct RestoreReport {
    /// Each document, and what became of it.
    pub documents: Vec<RestoredDocument>,
    /// Operations that are kept no longer, because they were brought back or dismissed.
    pub dropped: Vec<OperationId>,
    /// The commit that has it, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
    /// What is odd.
    pub findings: Vec<Diagnostic>,
}

/// One document that was brought back, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredDocument {
    /// Which document.
    pub path: DocPath,
    /// The operations that it has again, in the order in which they were made; none for a whole document.
    pub operations: Vec<OperationId>,
    /// What was decided by rule, where the document has changed since.
    pub decisions: Vec<Decision>,
    /// What only a person can decide; the document is as it was then.
    pub conflicts: Vec<Conflict>,
    /// Where the text that could not be merged is kept.
    pub reference: Option<String>,
}

/// What a document gets: operations in their order, or its whole text at a commit.
enum Source<'a> {
    Operations(Vec<&'a KeptOperation>),
    Whole(Vec<u8>),
}

impl History<'_> {
    /// What can be brought back, here and from other work trees. Commits what waits first: until then nothing is known of an
    /// operation that git has just put back, as after `git rebase --abort`.
    ///
    /// # Errors
    /// [`Error::OutsideGit`] without a repository; others if what is kept, or the folder, cannot be read.
    pub fn restorable(&self) -> Result<Restorable, Error> {
        let repository = self.repository()?;
        let waiting = match self.operations.commits.commit_now(Edits::None) {
            Ok(done) => done.waiting,
            Err(error) => Some(Waiting::failed(&error)),
        };
        let (operations, removed) = (self.put_back_operations()?, self.removed_documents(repository)?);
        let waiting =
            waiting.filter(|_| self.operations.documents.store.log.journal().is_ok_and(|journal| !journal.is_empty()));
        Ok(Restorable { operations, removed, waiting })
    }

    /// Documents that the newest commit has and the folder lacks, though no operation removed them.
    fn removed_documents(&self, repository: &Repository) -> Result<BTreeMap<DocPath, ContentId>, Error> {
        let target = self.operations.documents.target;
        let head = match target {
            Target::Current => repository.view().head(&Target::Current)?.revision,
            Target::Branch(name) => {
                self.operations.commits.branch().followed(name)?.or(repository.view().head(target)?.revision)
            }
        };
        let mut missing = repository.view().contents(head.as_ref(), self.operations.documents.folder())?;
        for (path, _) in self.operations.documents.store.folder.scan()?.files {
            missing.remove(&path);
        }
        for change in self.operations.documents.store.log.journal()?.into_iter().flat_map(|record| record.changes) {
            if change.after.is_none() {
                missing.remove(&change.path);
            }
        }
        let mut found = BTreeMap::new();
        for (path, content) in missing {
            if *target != Target::Current
                || !repository.index().is_kept_out(&self.operations.documents.in_repository(&path))?
            {
                found.insert(path, content);
            }
        }
        Ok(found)
    }

    /// Brings these operations, or all that was put back of these documents, back into the documents, by a three-way merge with
    /// what they hold now. A document that was removed comes back whole.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if a task would go back to an agent that has lost it; others if the folder or git fails. What was
    /// brought back until then stays.
    pub fn restore(&self, wanted: &Restorable) -> Result<RestoreReport, Error> {
        let repository = self.repository()?;
        let mut sources: BTreeMap<&DocPath, Source<'_>> = BTreeMap::new();
        for (path, content) in &wanted.removed {
            sources.insert(path, Source::Whole(repository.view().read(content)?));
        }
        for one in &wanted.operations {
            for path in one.changes.keys() {
                match sources.entry(path).or_insert_with(|| Source::Operations(Vec::new())) {
                    Source::Operations(all) => all.push(one),
                    // The whole text is older than the operations on it.
                    whole @ Source::Whole(_) => *whole = Source::Operations(vec![one]),
                }
            }
        }
        let mut report = RestoreReport::default();
        let mut written = Vec::new();
        for (path, source) in sources {
            let done = self.restore_document(path, &source, &mut written)?;
            report.documents.push(done);
        }
        if !written.is_empty() {
            let fate = self.operations.commit_written(self.actor, &written)?;
            (report.committed, report.waiting, report.findings) = (fate.committed, fate.waiting, fate.findings);
        }
        let is_open =
            |path: &&DocPath| report.documents.iter().any(|one| one.path == **path && !one.conflicts.is_empty());
        for one in &wanted.operations {
            let lacking = self.put_back_operations()?.into_iter().find(|other| other.id == one.id);
            if one.changes.keys().any(|path| is_open(&path)) || lacking.is_some() {
                continue;
            }
            repository.kept_commits().drop_put_back(&one.name)?;
            report.dropped.push(one.id.clone());
        }
        Ok(report)
    }

    fn restore_document(
        &self,
        path: &DocPath,
        source: &Source<'_>,
        written: &mut Vec<Unsynced>,
    ) -> Result<RestoredDocument, Error> {
        let verb = path.kind().map_or_else(|| "restore".to_owned(), |kind| format!("{kind}.restore"));
        let operation = self.operations.records.operation(&verb)?;
        let (operations, decisions, conflicts) = Default::default();
        let mut done = RestoredDocument { path: path.clone(), operations, decisions, conflicts, reference: None };
        let changed = self.operations.writer.write(&operation, std::slice::from_ref(path), &mut |current| {
            let now = current.first().and_then(Option::as_deref);
            (done.operations, done.decisions, done.conflicts) = (Vec::new(), Vec::new(), Vec::new());
            let next: Content = match source {
                Source::Whole(bytes) if now.is_none() => Some(bytes.as_slice().into()),
                Source::Whole(_) => return Ok(vec![Action::Keep]),
                Source::Operations(all) => merge_all(path, all, now, &mut done),
            };
            if !done.conflicts.is_empty() || next.as_deref() == now {
                return Ok(vec![Action::Keep]);
            }
            self.check_holder(path, next.as_deref())?;
            Ok::<_, Error>(vec![next.map_or(Action::Remove, |bytes| Action::Write(bytes.to_vec()))])
        })?;
        written.extend(changed);
        Ok(done)
    }

    /// Refuses a task in the hands of an agent that has lost it since, here or in another work tree.
    fn check_holder(&self, path: &DocPath, next: Option<&[u8]>) -> Result<(), Error> {
        let Some(task) = next.and_then(|bytes| task_of(path, &Document::parse(bytes))) else { return Ok(()) };
        let Some(holder) = task.holder().filter(|_| task.status == TaskStatus::Running) else { return Ok(()) };
        let evidence = self.operations.leases.evidence(&task.id, path, LeaseFacts::of(&task))?;
        self.operations.leases.authorize(path, (&task, &evidence), LeaseProof { by: Some(holder), fence: None })
    }

    /// Forgets these kept operations for good.
    ///
    /// # Errors
    /// [`Error`] if git cannot remove a reference.
    pub fn dismiss(&self, operations: &[KeptOperation]) -> Result<Vec<OperationId>, Error> {
        let repository = self.repository()?;
        for one in operations {
            repository.kept_commits().drop_put_back(&one.name)?;
        }
        Ok(operations.iter().map(|one| one.id.clone()).collect())
    }
}

impl Restorable {
    /// The part that these names mean, and the names that mean nothing: an operation, a document, or a unique start of either.
    #[must_use]
    pub fn select(&self, names: &[String]) -> (Self, Vec<String>) {
        let (mut chosen, mut unknown) = (Self::default(), Vec::new());
        for name in names {
            let part = self.named(name);
            if part.operations.is_empty() && part.removed.is_empty() {
                unknown.push(name.clone());
            }
            for one in part.operations {
                match chosen.operations.iter_mut().find(|other| other.id == one.id) {
                    Some(other) => other.changes.extend(one.changes),
                    None => chosen.operations.push(one),
                }
            }
            chosen.removed.extend(part.removed);
        }
        chosen.operations.sort_by(KeptOperation::order);
        (chosen, unknown)
    }

    fn named(&self, name: &str) -> Self {
        let operations = |fits: &dyn Fn(&str) -> bool| -> Vec<KeptOperation> {
            self.operations.iter().filter(|one| fits(one.id.as_str())).cloned().collect()
        };
        let whole = operations(&|id| id == name);
        if !whole.is_empty() {
            return Self { operations: whole, ..Self::default() };
        }
        let paths = self.operations.iter().flat_map(|one| one.changes.keys()).chain(self.removed.keys());
        let paths: BTreeSet<&DocPath> = paths.collect();
        let exact: Vec<&DocPath> = paths.iter().copied().filter(|path| is_called(path, name)).collect();
        let starts = paths.iter().copied().filter(|path| DocId::of_file(path).as_str().starts_with(name));
        let meant = if exact.is_empty() { unique(starts.collect()) } else { exact };
        if meant.is_empty() {
            return Self { operations: unique(operations(&|id| id.starts_with(name))), ..Self::default() };
        }
        let part = |one: &KeptOperation| {
            let changes: BTreeMap<_, _> = one
                .changes
                .iter()
                .filter(|(path, _)| meant.contains(path))
                .map(|(p, c)| (p.clone(), c.clone()))
                .collect();
            (!changes.is_empty()).then(|| KeptOperation { changes, ..one.clone() })
        };
        let removed = self.removed.iter().filter(|(path, _)| meant.contains(path));
        Self {
            operations: self.operations.iter().filter_map(part).collect(),
            removed: removed.map(|(path, content)| (path.clone(), content.clone())).collect(),
            waiting: None,
        }
    }
}

/// The one there is; nothing if there are more.
fn unique<T>(all: Vec<T>) -> Vec<T> {
    if all.len() == 1 { all } else { Vec::new() }
}

/// Returns true if a name means a document: its id, its id without the prefix of its kind, its file name or its path.
fn is_called(path: &DocPath, name: &str) -> bool {
    let id = DocId::of_file(path);
    let short = path.kind().and_then(|kind| id.as_str().strip_prefix(kind.prefix()));
    id.as_str() == name || short == Some(name) || path.as_str() == name || name.ends_with(&format!("/{path}"))
}

/// A document with these operations again, one after the other; stops at the first that only a person can merge.
fn merge_all(
    path: &DocPath,
    operations: &[&KeptOperation],
    now: Option<&[u8]>,
    done: &mut RestoredDocument,
) -> Content {
    let mut here: Content = now.map(Into::into);
    for one in operations {
        let Some((before, after)) = one.changes.get(path) else { continue };
        let parse = |content: &Content| content.as_ref().map(|bytes| Document::parse(std::sync::Arc::clone(bytes)));
        here = match (parse(before), parse(&here), parse(after)) {
            (_, None, _) => after.clone(),
            (before, Some(mine), None) if before.as_ref() == Some(&mine) => None,
            (_, Some(_), None) => {
                done.conflicts.push(Conflict {
                    rule: "removed and changed",
                    what: "the file".to_owned(),
                    ours: "changed since".to_owned(),
                    theirs: "removed".to_owned(),
                });
                here
            }
            (before, Some(mine), Some(theirs)) => {
                let merged = merge::document(path, before.as_ref(), &mine, &theirs, &MergeSides::GIT);
                done.conflicts.extend(merged.conflicts);
                done.decisions.extend(merged.decisions);
                Some(merged.document.bytes().into())
            }
        };
        if !done.conflicts.is_empty() {
            done.reference = Some(one.reference());
            break;
        }
        done.operations.push(one.id.clone());
    }
    here
}
