//! Merging all documents of two snapshots. A document is known by its id, wherever it lies; one without an id by its path.

use std::collections::BTreeMap;

use super::{Conflict, Decision, Names};
use crate::document::Document;
use crate::name::DocPath;
use crate::snapshot::Snapshot;

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it holds; `None` if there is nothing any more.
    pub content: Option<Document>,
    /// What a person must decide.
    pub conflicts: Vec<Conflict>,
    /// What was decided by rule.
    pub decisions: Vec<Decision>,
}

/// Every path at which the merge holds something else than `ours`, or had to decide something.
#[must_use]
pub fn snapshots(base: &Snapshot, ours: &Snapshot, theirs: &Snapshot, names: &Names<'_>) -> BTreeMap<DocPath, Outcome> {
    let mut paths: Vec<&DocPath> = ours.entries().chain(theirs.entries()).map(|entry| &entry.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut outcomes = BTreeMap::new();
    for path in paths {
        let of = |snapshot: &Snapshot| snapshot.get(path).map(|entry| entry.document.clone());
        let (old, mine, other) = (of(base), of(ours), of(theirs));
        let kept = |content: Option<Document>| Outcome { content, conflicts: Vec::new(), decisions: Vec::new() };
        let outcome = match (&mine, &other) {
            (Some(mine), Some(other)) => {
                let merged = super::document(path, old.as_ref(), mine, other, names);
                Outcome { content: Some(merged.document), conflicts: merged.conflicts, decisions: merged.decisions }
            }
            (Some(one), None) | (None, Some(one)) => kept((old.as_ref() != Some(one)).then(|| one.clone())),
            (None, None) => continue,
        };
        if outcome.content != mine || !outcome.decisions.is_empty() || !outcome.conflicts.is_empty() {
            outcomes.insert(path.clone(), outcome);
        }
    }
    outcomes
}
