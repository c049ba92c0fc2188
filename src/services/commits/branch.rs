//! Keeps the folder in step with a branch of its own, which other work trees and clones move too. Git does not check that branch out, so this does.

mod adopt;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

pub use self::adopt::UnknownBranch;
pub(in crate::services) use self::adopt::{Adoption, AskRemote, agreed_branch};
use super::{OperationRecords, Waiting};
use crate::adapters::git::{CheckoutMark, CodeVersions, Repository, Target};
use crate::adapters::store::{self, Action, Store};
use crate::core::config::Config;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::Document;
use crate::core::follow::{self, DocumentVersions, FollowScope, FollowStep};
use crate::core::merge::{self, MergeSides};
use crate::core::name::{ContentId, DocPath, Revision};
use crate::core::plan;
use crate::services::document_writer::DocumentWriter;
use crate::services::index::{DocumentReader, held_back};
use crate::services::{Error, Progress};

/// Largest record of the revision that the folder was brought to, in bytes.
const RECORD_BYTES_MAX: usize = 1024;
/// The file that names the revision that the folder was brought to.
const FOLLOWED: &str = "branch";
/// The file that names what git had checked out then.
const CHECKOUT: &str = "checkout";
/// How many bytes of HEAD's reflog are read again and again before it is noted that they are known.
const REFLOG_BYTES_READ_AGAIN: u64 = 4096;

/// What following found: what a commit has to be made on, and why there can be none.
#[derive(Debug, Default)]
pub(in crate::services) struct Followed {
    /// The revision that the folder holds now.
    pub(in crate::services) base: Option<Revision>,
    /// What git had checked out when this was looked at.
    pub(in crate::services) mark: CheckoutMark,
    /// What a person has to look at.
    pub(in crate::services) findings: Vec<Diagnostic>,
    /// Why commits have to wait, if so.
    pub(in crate::services) waiting: Option<Waiting>,
}

/// One document that may have to be brought up to date.
struct Compared<'a> {
    path: &'a DocPath,
    base: Option<&'a ContentId>,
    tip: Option<&'a ContentId>,
    code: Vec<&'a ContentId>,
    was_removed: bool,
}

/// The branch of their own on which documents are kept; nothing to do where commits go to the branch that is checked out.
#[derive(Debug, Clone, Copy)]
pub struct DedicatedBranch<'a> {
    documents: DocumentReader<'a>,
    store: &'a Store,
    repository: Option<&'a Repository>,
    target: &'a Target,
    progress: &'a Progress,
    records: OperationRecords<'a>,
    config: &'a Config,
}

impl<'a> DedicatedBranch<'a> {
    pub(super) const fn new(documents: DocumentReader<'a>, records: OperationRecords<'a>, config: &'a Config) -> Self {
        let DocumentReader { store, repository, target, progress, .. } = documents;
        Self { documents, store, repository, target, progress, records, config }
    }

    const fn folder(&self) -> &'a str {
        self.documents.folder()
    }

    /// Brings the folder to the tip of its branch, unless another process is at it; in step already, it costs a look.
    ///
    /// # Errors
    /// [`Error`] if the branch or the folder cannot be used.
    pub fn follow_branch(&self, scope: FollowScope) -> Result<Vec<Diagnostic>, Error> {
        let Some(repository) = self.repository else { return Ok(Vec::new()) };
        let Target::Branch(name) = self.target else { return Ok(Vec::new()) };
        let tip = repository.view().head(self.target)?.revision;
        if tip.is_some() && self.followed(name)? == tip && self.code_versions(repository)?.is_empty() {
            return Ok(Vec::new());
        }
        match self.store.locks.lock_commits(Duration::ZERO)? {
            Some(_lock) => Ok(self.follow(repository, scope, AskRemote::Seldom)?.findings),
            None => Ok(Vec::new()),
        }
    }

    /// Brings the folder to the tip of its branch: what changed there since the last time is written; what was changed here
    /// too is merged. Where that takes a person, it stays as it is here, and is reported. What git put into the folder or
    /// took out of it is undone. A branch that only the remote has is made here first. The caller holds the commit lock.
    pub(in crate::services) fn follow(
        &self,
        repository: &Repository,
        scope: FollowScope,
        ask: AskRemote,
    ) -> Result<Followed, Error> {
        let Target::Branch(name) = self.target else {
            let base = repository.view().head(&Target::Current)?.revision;
            return Ok(Followed { base, ..Followed::default() });
        };
        let mut done = Followed { mark: repository.log().checkout_mark()?, ..Followed::default() };
        let mut tip = repository.view().head(self.target)?.revision;
        if repository.view().head(&Target::Current)?.branch.as_deref() == Some(name) {
            // Git itself brings the folder to a branch that is checked out here. No commit is made on it, which says why.
            return Ok(Followed { base: tip, ..done });
        }
        if tip.is_none() {
            match self.adopt_branch(repository, name, ask)? {
                Adoption::Adopted { revision, finding } => {
                    tip = Some(revision);
                    done.findings.push(finding);
                }
                Adoption::Unknown(unknown) => {
                    let waiting = Waiting::Remote(Box::new(unknown));
                    if ask == AskRemote::Seldom && scope == FollowScope::Everything {
                        done.findings.push(not_found_out(&waiting));
                    }
                    done.waiting = Some(waiting);
                }
                Adoption::Nowhere => {}
            }
        }
        let base = self.followed(name)?;
        if base.is_none() && repository.references().check_branch_name(name).is_ok() {
            // Before the first document is written, or `git stash -u` and `git clean` would take it.
            repository.ignore_rules().exclude(self.folder())?;
        }
        let code = self.code_versions(repository)?;
        if base != tip || !code.is_empty() {
            self.compare_all(repository, (base.as_ref(), tip.as_ref()), &code, scope, &mut done.findings)?;
        }
        self.note_followed(tip.as_ref())?;
        self.note_checkout(&done.mark, &code)?;
        self.remember_branch(repository, name)?;
        done.base = tip;
        Ok(done)
    }

    /// Brings each document to the tip that is not as it was there, or that git had a hand in.
    fn compare_all(
        &self,
        repository: &Repository,
        (base, tip): (Option<&Revision>, Option<&Revision>),
        code: &CodeVersions,
        scope: FollowScope,
        findings: &mut Vec<Diagnostic>,
    ) -> Result<(), Error> {
        // A revision that is gone (the branch was rewritten and cleaned up) is as good as none: everything is compared.
        let old = repository.view().contents(base, self.folder()).unwrap_or_default();
        let new = repository.view().contents(tip, self.folder())?;
        let mut paths = moved(&old, &new);
        paths.extend(code.paths().cloned());
        let is_unknown = |path: &DocPath| !new.contains_key(path) && !old.contains_key(path);
        let removed = match tip {
            Some(tip) if paths.iter().any(is_unknown) => repository.log().removed_from(tip, self.folder())?,
            _ => BTreeSet::new(),
        };
        let own = self.left_by_operations()?;
        for path in &paths {
            let in_repository = self.documents.in_repository(path);
            if let Some(gap) = repository.attributes().attribute_gap(&in_repository)? {
                findings.push(held_back::left_to_git(path, &in_repository, &gap));
                continue;
            }
            let one = Compared {
                path,
                base: old.get(path),
                tip: new.get(path),
                code: code.of(path),
                was_removed: removed.contains(path),
            };
            let is_current = |here: &ContentId| code.is_checked_out(path, here);
            let agree = match self.bring(repository, &one, scope, &is_current, own.get(path)) {
                Err(Error::Store(error)) if error.concerns_one_file() => {
                    findings.push(held_back::cannot_be_read(self.folder(), path, &error));
                    continue;
                }
                done => done?,
            };
            if !agree {
                let message = "it was changed here and on the branch, and no rule merges that; what is here stands";
                let tip = tip.map_or("", Revision::short);
                findings.push(
                    Diagnostic::warning(Code::ChangedTwice, message)
                        .in_file(path)
                        .hint(format!("run `git show {tip}:{}` to see the other", self.documents.in_repository(path))),
                );
            }
        }
        Ok(())
    }

    /// What the newest operation of the journal on each document left.
    fn left_by_operations(&self) -> Result<BTreeMap<DocPath, Option<Vec<u8>>>, Error> {
        let records = self.store.log.journal()?.into_iter().flat_map(|record| record.changes);
        Ok(records.map(|change| (change.path, change.after)).collect())
    }

    /// The versions of the documents in the commits that were checked out since the folder was brought to the branch.
    fn code_versions(&self, repository: &Repository) -> Result<CodeVersions, Error> {
        Ok(repository.log().code_versions(self.checkout_noted()?.as_ref(), self.folder())?)
    }

    /// Returns true if git has checked out something since, or does so at this moment.
    pub(in crate::services) fn has_git_moved(
        &self,
        repository: &Repository,
        since: &CheckoutMark,
    ) -> Result<bool, Error> {
        let is_apart = *self.target != Target::Current;
        Ok(is_apart && (repository.log().checkout_mark()? != *since || repository.view().index_is_locked()))
    }

    /// The revision that the folder is compared with to find what was changed here: the newest commit or, on a branch of its
    /// own, the revision that the folder was brought to last. What others committed since is not missing here by an edit.
    ///
    /// # Errors
    /// [`Error`] if the branch or the record of it cannot be read.
    pub fn folder_base(&self, repository: &Repository) -> Result<Option<Revision>, Error> {
        match self.target {
            Target::Current => Ok(repository.view().head(&Target::Current)?.revision),
            Target::Branch(name) => self.followed(name),
        }
    }

    /// Does with one document what the rules say; false if it was changed on both sides and no rule merges that.
    fn bring(
        &self,
        repository: &Repository,
        one: &Compared<'_>,
        scope: FollowScope,
        is_current: &dyn Fn(&ContentId) -> bool,
        left: Option<&Option<Vec<u8>>>,
    ) -> Result<bool, Error> {
        let in_repository = self.documents.in_repository(one.path);
        let step = |current: Option<&Vec<u8>>| -> Result<FollowStep, Error> {
            let here =
                current.map(|bytes| repository.attributes().content_id(&in_repository, bytes)).transpose()?.flatten();
            let versions = DocumentVersions {
                here: here.as_ref(),
                base: one.base,
                tip: one.tip,
                code: one.code.clone(),
                is_checked_out: here.as_ref().is_some_and(is_current),
                is_own: left.is_some_and(|left| left.as_ref() == current),
                was_removed: one.was_removed,
            };
            Ok(follow::decide(&versions, scope))
        };
        if step(self.store.folder.read(one.path)?.map(|file| file.bytes).as_ref())? == FollowStep::Keep {
            return Ok(true);
        }
        let theirs = one.tip.map(|id| repository.view().read(id)).transpose()?;
        // Where the branch is new here, the version of the code branch is what both sides began with.
        let base = one.base.or(one.code.first().copied());
        let base = base.map(|id| repository.view().read(id)).transpose()?.map(Document::parse);
        let mut agree = true;
        let operation = self.records.operation(plan::FOLLOW_VERB)?;
        let writer = DocumentWriter { log: &self.store.log };
        writer.write_durably(&operation, std::slice::from_ref(one.path), &mut |current| -> Result<_, Error> {
            let here = current.first().and_then(Option::as_ref);
            agree = true;
            Ok(vec![match (step(here)?, here, &theirs) {
                (FollowStep::Keep, ..) => Action::Keep,
                (FollowStep::Take, _, Some(theirs)) => Action::Write(theirs.clone()),
                (FollowStep::Take, _, None) => Action::Remove,
                (FollowStep::Merge, Some(ours), Some(theirs)) => {
                    let (ours, theirs) = (Document::parse(ours.as_slice()), Document::parse(theirs.as_slice()));
                    let merged = merge::document(one.path, base.as_ref(), &ours, &theirs, &MergeSides::ALIKE);
                    agree = merged.conflicts.is_empty();
                    let write = || Action::Write(merged.document.bytes().to_vec());
                    if agree { write() } else { Action::Keep }
                }
                (FollowStep::Merge, ..) => {
                    agree = false;
                    Action::Keep
                }
            }])
        })?;
        Ok(agree)
    }

    /// The revision of the branch that the folder was brought to last, or made itself; `None` if there was none.
    pub(in crate::services) fn followed(&self, name: &str) -> Result<Option<Revision>, Error> {
        let text = self.read_note(FOLLOWED)?;
        let revision = text.as_deref().and_then(|text| text.trim().rsplit_once(' '));
        Ok(revision.filter(|(of, _)| *of == name).and_then(|(_, revision)| Revision::new(revision)))
    }

    /// Remembers that the folder holds what this revision of its branch holds.
    pub(in crate::services) fn note_followed(&self, revision: Option<&Revision>) -> Result<(), Error> {
        let (Target::Branch(name), Some(path), Some(revision)) = (self.target, self.note(FOLLOWED), revision) else {
            return Ok(());
        };
        if self.followed(name)?.as_ref() == Some(revision) {
            return Ok(());
        }
        store::replace_state_text(&path, &format!("{name} {revision}\n"))
            .map_err(|source| Error::Folder { path, source })
    }

    fn note(&self, name: &str) -> Option<PathBuf> {
        Some(self.repository?.git_dir().join("mycelium").join(name))
    }

    fn read_note(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(path) = self.note(name) else { return Ok(None) };
        store::read_text(&path, RECORD_BYTES_MAX).map_err(|source| Error::Folder { path, source })
    }

    /// What git had checked out when the folder was brought to its branch last.
    fn checkout_noted(&self) -> Result<Option<CheckoutMark>, Error> {
        Ok(self.read_note(CHECKOUT)?.as_deref().and_then(CheckoutMark::parse))
    }

    /// Remembers what git had checked out. Where no commit of the code branch holds a document, that is written seldom: it
    /// only bounds how much of the reflog is read the next time.
    fn note_checkout(&self, mark: &CheckoutMark, code: &CodeVersions) -> Result<(), Error> {
        let Some(path) = self.note(CHECKOUT) else { return Ok(()) };
        let is_known = self.checkout_noted()?.is_some_and(|noted| {
            noted == *mark || (code.is_empty() && mark.grown_since(&noted) < REFLOG_BYTES_READ_AGAIN)
        });
        if is_known {
            return Ok(());
        }
        store::replace_text(&path, &format!("{mark}\n")).map_err(|source| Error::Folder { path, source })
    }
}

/// Says to who only reads that documents may be missing.
fn not_found_out(waiting: &Waiting) -> Diagnostic {
    let finding = Diagnostic::warning(Code::BranchUnknown, waiting.to_string());
    waiting.hint().into_iter().fold(finding, Diagnostic::hint)
}

/// The paths that hold something else than before.
fn moved(old: &BTreeMap<DocPath, ContentId>, new: &BTreeMap<DocPath, ContentId>) -> BTreeSet<DocPath> {
    old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path)).cloned().collect()
}
