//! Keeps the folder in step with a branch of its own, which other work trees and clones move too. Git does not check that branch out, so this does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::{Error, Workspace};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Document;
use crate::git::{Repository, Target};
use crate::merge::{self, Names};
use crate::name::{ContentId, DocPath, Revision};
use crate::store::{self, Action};

/// Largest record of the revision that the folder was brought to, in bytes.
const RECORD_BYTES_MAX: usize = 1024;

impl Workspace {
    /// Brings the folder to the tip of its branch, unless another process is at it; in step already, it costs a look.
    ///
    /// # Errors
    /// [`Error`] if the branch or the folder cannot be used.
    pub fn follow_branch(&self) -> Result<Vec<Diagnostic>, Error> {
        let Some(repository) = &self.repository else { return Ok(Vec::new()) };
        let Target::Branch(name) = self.target() else { return Ok(Vec::new()) };
        if self.followed(&name)? == repository.head(&self.target())?.revision {
            return Ok(Vec::new());
        }
        match self.store.lock_commits(Duration::ZERO)? {
            Some(_lock) => self.follow(repository),
            None => Ok(Vec::new()),
        }
    }

    /// Brings the folder to the tip of its branch: what changed there since the last time is written; what was changed here
    /// too is merged. Where that takes a person, it stays as it is here, and is reported. The caller holds the commit lock.
    pub(super) fn follow(&self, repository: &Repository) -> Result<Vec<Diagnostic>, Error> {
        let Target::Branch(name) = self.target() else { return Ok(Vec::new()) };
        let (base, tip) = (self.followed(&name)?, repository.head(&self.target())?.revision);
        if base == tip {
            return Ok(Vec::new());
        }
        // A revision that is gone (the branch was rewritten and cleaned up) is as good as none: everything is compared.
        let old = repository.contents(base.as_ref(), self.folder()).unwrap_or_default();
        let new = repository.contents(tip.as_ref(), self.folder())?;
        let mut findings = Vec::new();
        for path in moved(&old, &new) {
            if !self.bring(repository, &path, old.get(&path), new.get(&path))? {
                let message = "it was changed here and on the branch, and no rule merges that; what is here stands";
                let tip = tip.as_ref().map_or("", Revision::short);
                findings.push(
                    Diagnostic::warning(Code::ChangedTwice, message)
                        .in_file(&path)
                        .hint(format!("run `git show {tip}:{}` to see the other", self.in_repository(&path))),
                );
            }
        }
        self.note_followed(tip.as_ref())?;
        Ok(findings)
    }

    /// Writes what the branch holds, if the folder holds what the branch held, else both merged; tells whether that went.
    fn bring(
        &self,
        repository: &Repository,
        path: &DocPath,
        old: Option<&ContentId>,
        new: Option<&ContentId>,
    ) -> Result<bool, Error> {
        let bytes = new.map(|id| repository.read(id)).transpose()?;
        let base = old.map(|id| repository.read(id)).transpose()?.map(Document::parse);
        let in_repository = self.in_repository(path);
        let mut agree = true;
        let operation = self.operation("branch.follow")?;
        self.store.apply(&operation, std::slice::from_ref(path), &mut |current| -> Result<_, Error> {
            let here = match current {
                [Some(bytes)] => Some(repository.content_id(&in_repository, bytes)?),
                _ => None,
            };
            agree = here.as_ref() == new || here.as_ref() == old;
            if let ([Some(ours)], Some(theirs)) = (current, &bytes)
                && !agree
            {
                let (ours, theirs) = (Document::parse(ours.as_slice()), Document::parse(theirs.as_slice()));
                let merged = merge::document(path, base.as_ref(), &ours, &theirs, &Names::ALIKE);
                agree = merged.conflicts.is_empty();
                let write = || Action::Write(merged.document.bytes().to_vec());
                return Ok(vec![if agree { write() } else { Action::Keep }]);
            }
            Ok(vec![match &bytes {
                _ if !agree || here.as_ref() == new => Action::Keep,
                Some(bytes) => Action::Write(bytes.clone()),
                None => Action::Remove,
            }])
        })?;
        Ok(agree)
    }

    /// The revision of the branch that the folder was brought to last, or made itself; `None` if there was none.
    pub(super) fn followed(&self, name: &str) -> Result<Option<Revision>, Error> {
        let Some(path) = self.record() else { return Ok(None) };
        let text = store::read_text(&path, RECORD_BYTES_MAX).map_err(|source| Error::Folder { path, source })?;
        let revision = text.as_deref().and_then(|text| text.trim().rsplit_once(' '));
        Ok(revision.filter(|(of, _)| *of == name).and_then(|(_, revision)| Revision::new(revision)))
    }

    /// Remembers that the folder holds what this revision of its branch holds.
    pub(super) fn note_followed(&self, revision: Option<&Revision>) -> Result<(), Error> {
        let (Target::Branch(name), Some(path), Some(revision)) = (self.target(), self.record(), revision) else {
            return Ok(());
        };
        store::replace_text(&path, &format!("{name} {revision}\n")).map_err(|source| Error::Folder { path, source })
    }

    fn record(&self) -> Option<PathBuf> {
        Some(self.repository.as_ref()?.git_dir().join("mycelium").join("branch"))
    }
}

/// The paths that hold something else than before.
fn moved(old: &BTreeMap<DocPath, ContentId>, new: &BTreeMap<DocPath, ContentId>) -> BTreeSet<DocPath> {
    old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path)).cloned().collect()
}
