//! Findings in documents that were committed: each new error or warning is reported once.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::check;
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::name::{ContentId, DocPath};
use crate::core::snapshot::Snapshot;
use crate::services::{Error, Project, Scope};

/// Documents that were committed.
pub(super) struct CommittedDocuments<'a> {
    /// All of them, as they were committed; `None` for one that is gone.
    pub(super) after: BTreeMap<&'a DocPath, Option<&'a ContentId>>,
    /// Those that were edited by hand.
    pub(super) by_hand: &'a BTreeSet<DocPath>,
    /// What the branch held before.
    pub(super) before: &'a BTreeMap<DocPath, ContentId>,
}

impl CommittedDocuments<'_> {
    /// Returns the findings that the commit before did not have. A document that was edited by hand is judged beside all
    /// others, and by its change of status; one that an operation wrote, by itself.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository cannot be read.
    pub(super) fn new_findings(&self, project: &Project) -> Result<Vec<Diagnostic>, Error> {
        let paths: BTreeSet<DocPath> = self.after.keys().map(|path| (*path).clone()).collect();
        let old = snapshot(project, paths.iter().map(|path| (path, self.before.get(path))))?;
        let committed = snapshot(project, self.after.iter().map(|(path, id)| (*path, *id)))?;
        if self.by_hand.is_empty() {
            let of = |snapshot: &Snapshot| -> Vec<Diagnostic> {
                snapshot.entries().flat_map(|entry| entry.findings.iter().cloned()).collect()
            };
            return Ok(new(of(&committed), &of(&old)));
        }
        // A document may be in the middle of its next save.
        let live = project.documents().snapshot(Scope::Named)?;
        let with = |documents: &Snapshot| {
            let mut all = live.clone();
            for path in &paths {
                match documents.get(path) {
                    Some(entry) => all.insert(path.clone(), entry.document.clone()),
                    None => all.remove(path),
                }
            }
            all
        };
        let found = check::check_paths(&with(&committed), Some(&old), &paths);
        Ok(new(found, &check::check_paths(&with(&old), None, &paths)))
    }
}

/// Reads documents of the repository.
fn snapshot<'a>(
    project: &Project,
    ids: impl Iterator<Item = (&'a DocPath, Option<&'a ContentId>)>,
) -> Result<Snapshot, Error> {
    let mut documents = Snapshot::default();
    let Some(repository) = project.repository() else { return Ok(documents) };
    for (path, id) in ids {
        if let Some(id) = id {
            documents.insert(path.clone(), Document::parse(repository.view().read(id)?));
        }
    }
    Ok(documents)
}

/// Returns the findings that were not there before, whatever line they were on.
fn new(mut found: Vec<Diagnostic>, before: &[Diagnostic]) -> Vec<Diagnostic> {
    let is_same = |a: &Diagnostic, b: &Diagnostic| (a.code, &a.path, &a.message) == (b.code, &b.path, &b.message);
    found.retain(|one| !before.iter().any(|old| is_same(old, one)));
    found
}
