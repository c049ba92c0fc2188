//! Merging all documents of two snapshots. A document is known by its id, wherever it lies; one without an id by its path.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, Decision, MergeSides, Merged};
use crate::core::document::Document;
use crate::core::name::{DocPath, Kind};
use crate::core::snapshot::{Entry, Snapshot};

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOutcome {
    /// What it holds; `None` if there is nothing any more.
    pub content: Option<Document>,
    /// What a person must decide.
    pub conflicts: Vec<Conflict>,
    /// What was decided by rule.
    pub decisions: Vec<Decision>,
}

/// What a document is known by in all three snapshots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Id(Kind, String),
    Path(DocPath),
}

/// Every path at which the merge holds something else than `ours`, or had to decide something.
///
/// Who removed a document that the other side changed is overruled: the change counts. So it is with the archive: a document
/// that one side archived and the other changed is live again.
#[must_use]
pub fn snapshots(
    base: &Snapshot,
    ours: &Snapshot,
    theirs: &Snapshot,
    names: &MergeSides<'_>,
) -> BTreeMap<DocPath, MergeOutcome> {
    let all = [base, ours, theirs];
    let known = |entry: &Entry| match (entry.kind, &entry.id) {
        // An id that stands twice says nothing: then the path does.
        (Some(kind), Some(id)) if all.iter().all(|one| one.paths_of(kind, id.as_str()).len() < 2) => {
            Known::Id(kind, id.to_string())
        }
        _ => Known::Path(entry.path.clone()),
    };
    let mut documents: BTreeMap<Known, [Option<&Entry>; 3]> = BTreeMap::new();
    for (at, snapshot) in all.into_iter().enumerate() {
        for entry in snapshot.entries() {
            documents.entry(known(entry)).or_default()[at] = Some(entry);
        }
    }
    // Who lies where: a document does not come out of the archive over another one.
    let mut lies: BTreeMap<&DocPath, BTreeSet<&Known>> = BTreeMap::new();
    for (known, versions) in &documents {
        for entry in versions.iter().flatten() {
            lies.entry(&entry.path).or_default().insert(known);
        }
    }
    let is_free = |path: &DocPath, known: &Known| lies.get(path).is_none_or(|all| all.iter().all(|one| *one == known));
    let mut outcomes: BTreeMap<DocPath, MergeOutcome> = BTreeMap::new();
    let mut left: BTreeSet<DocPath> = BTreeSet::new();
    for (known, [old, mine, other]) in &documents {
        let (old, mine, other) = (*old, *mine, *other);
        let result = one(old, mine, other, names, &|path| is_free(path, known));
        if let Some(mine) = mine
            && result.as_ref().is_none_or(|(path, _)| *path != mine.path)
        {
            left.insert(mine.path.clone());
        }
        if let Some((path, outcome)) = result {
            put(&mut outcomes, path, outcome, names);
        }
    }
    for path in left {
        outcomes.entry(path).or_insert(MergeOutcome { content: None, conflicts: Vec::new(), decisions: Vec::new() });
    }
    outcomes.retain(|path, outcome| {
        let mine = ours.get(path).map(|entry| &entry.document);
        outcome.content.as_ref() != mine || !outcome.conflicts.is_empty() || !outcome.decisions.is_empty()
    });
    outcomes
}

/// Two documents that come to the same path are merged there.
fn put(outcomes: &mut BTreeMap<DocPath, MergeOutcome>, path: DocPath, outcome: MergeOutcome, names: &MergeSides<'_>) {
    let Some(there) = outcomes.get_mut(&path) else {
        outcomes.insert(path, outcome);
        return;
    };
    let (Some(one), Some(another)) = (&there.content, &outcome.content) else {
        there.content = there.content.take().or(outcome.content);
        return;
    };
    let merged = super::document(&path, None, one, another, &names.with_pushed(None));
    there.conflicts.extend(outcome.conflicts.into_iter().chain(merged.conflicts));
    there.decisions.extend(outcome.decisions.into_iter().chain(merged.decisions));
    there.content = Some(merged.document);
}

/// Where a document lies and what it says; `None` if it is gone.
fn one(
    old: Option<&Entry>,
    mine: Option<&Entry>,
    other: Option<&Entry>,
    names: &MergeSides<'_>,
    is_free: &dyn Fn(&DocPath) -> bool,
) -> Option<(DocPath, MergeOutcome)> {
    let same = |entry: &Entry| old.is_some_and(|old| old.document == entry.document);
    match (mine, other) {
        (Some(mine), Some(other)) => {
            let path = place(old, mine, other);
            let base = old.map(|old| &old.document);
            let Merged { document, conflicts, decisions } =
                super::document(&path, base, &mine.document, &other.document, names);
            Some((path, MergeOutcome { content: Some(document), conflicts, decisions }))
        }
        // Moved by the one and removed by the other is removed.
        (Some(one), None) | (None, Some(one)) if old.is_some() && same(one) => None,
        (Some(one), None) | (None, Some(one)) => {
            let decisions = old.map(|_| Decision {
                rule: "change before removal",
                what: "the document".to_owned(),
                kept: "as it was changed".to_owned(),
                lost: "its removal".to_owned(),
                loser: None,
                winner: None,
            });
            let out = live(&one.path);
            let path = if old.is_some() && is_free(&out) { out } else { one.path.clone() };
            let content = Some(one.document.clone());
            Some((path, MergeOutcome { content, conflicts: Vec::new(), decisions: decisions.into_iter().collect() }))
        }
        (None, None) => None,
    }
}

/// Where a document goes that both sides have.
fn place(old: Option<&Entry>, mine: &Entry, other: &Entry) -> DocPath {
    if mine.path == other.path {
        return mine.path.clone();
    }
    let is_changed = |entry: &Entry| old.is_none_or(|old| old.document != entry.document);
    match (mine.path.is_archived(), other.path.is_archived()) {
        (true, false) if is_changed(other) => other.path.clone(),
        (false, true) if is_changed(mine) => mine.path.clone(),
        (true, false) => mine.path.clone(),
        (false, true) => other.path.clone(),
        // Both moved it, or one did: where it was is out.
        _ => match old {
            Some(old) if old.path == mine.path => other.path.clone(),
            Some(old) if old.path == other.path => mine.path.clone(),
            _ => mine.path.clone().min(other.path.clone()),
        },
    }
}

/// The place of a document outside the archive.
fn live(path: &DocPath) -> DocPath {
    let out = path.is_archived().then(|| DocPath::new(path.file_name()).ok()).flatten();
    out.unwrap_or_else(|| path.clone())
}
