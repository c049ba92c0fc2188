//! What the feed has told so far, line by line. A hand edit that an operation was built on, and that nobody had told, is
//! told where the operation is read: every reader finds the same event with the same id.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::brief::Seen;
use super::feed::{Branch, Line, Told};
use super::lifecycle;
use crate::core::name::{DocPath, EventId};

/// A document as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What it was.
    pub seen: Seen,
    /// The event that told it.
    pub last: Option<EventId>,
}

/// Everything that was told.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    documents: BTreeMap<DocPath, Known>,
    /// Documents that were told as gone, by the event that told it.
    gone: BTreeMap<DocPath, EventId>,
    branch: Option<Branch>,
    /// Where HEAD was when operations were asked for, since it was looked at.
    bases: BTreeSet<Branch>,
    /// Where HEAD was seen since, the documents being as they were told.
    head: Option<Branch>,
    whole: bool,
    ids: HashSet<EventId>,
}

impl Fold {
    /// Takes one line and gives what it tells that was not told before.
    pub fn take(&mut self, line: Line) -> Vec<Told> {
        let mut told = Vec::new();
        if let Some(branch) = line.branch {
            self.branch = Some(branch);
            self.bases.clear();
            self.head = None;
        }
        self.bases.extend(line.base);
        self.whole |= line.whole;
        if let Some(path) = &line.path {
            let known = self.documents.get(path);
            let is_known = known.is_some() || self.whole;
            let digest = |seen: Option<&Seen>| seen.map(|seen| seen.digest.clone());
            let before = known.map(|known| &known.seen);
            if is_known && digest(before) != digest(line.was.as_ref()) && !path.is_events() {
                let repeated = line.told.iter().all(|told| self.ids.contains(&told.id)) && !line.told.is_empty();
                let at = line.told.first().map(|told| told.at);
                if let Some(at) = at.filter(|_| !repeated) {
                    let last = known.and_then(|known| known.last.clone()).or_else(|| self.gone.get(path).cloned());
                    told.extend(lifecycle::step(path, before, last.as_ref(), line.was.as_ref(), None, false, at));
                }
            }
        }
        let last = line.told.last().map(|told| told.id.clone()).or(line.last);
        told.extend(line.told);
        told.retain(|told| self.ids.insert(told.id.clone()));
        if let Some(path) = line.path {
            let last = last.or_else(|| self.documents.get(&path).and_then(|known| known.last.clone()));
            match (line.now, last) {
                (Some(seen), last) => {
                    self.gone.remove(&path);
                    self.documents.insert(path, Known { seen, last });
                }
                (None, last) => {
                    self.documents.remove(&path);
                    if let Some(last) = last {
                        self.gone.insert(path, last);
                    }
                }
            }
        }
        told
    }

    /// Takes these lines for everything there is. What was told stays told.
    pub fn restart(&mut self, lines: impl IntoIterator<Item = Line>) {
        let ids = std::mem::take(&mut self.ids);
        *self = Self::default();
        for line in lines {
            self.take(line);
        }
        self.ids = ids;
    }

    /// The documents as they were told.
    #[must_use]
    pub const fn documents(&self) -> &BTreeMap<DocPath, Known> {
        &self.documents
    }

    /// A document as it was told.
    #[must_use]
    pub fn get(&self, path: &DocPath) -> Option<&Known> {
        self.documents.get(path)
    }

    /// The last event that told of a document, there or gone.
    #[must_use]
    pub fn last(&self, path: &DocPath) -> Option<&EventId> {
        let here = self.documents.get(path).and_then(|known| known.last.as_ref());
        here.or_else(|| self.gone.get(path))
    }

    /// The stamp of a document's file, where it was read after the file had settled.
    pub fn note_stamp(&mut self, path: &DocPath, stamp: u64) {
        if let Some(known) = self.documents.get_mut(path) {
            known.seen.stamp = Some(stamp);
        }
    }

    /// Where HEAD was when it was looked at last.
    #[must_use]
    pub const fn branch(&self) -> Option<&Branch> {
        self.branch.as_ref()
    }

    /// Where HEAD was when operations were asked for, since then. An operation may have been another branch's.
    #[must_use]
    pub const fn bases(&self) -> &BTreeSet<Branch> {
        &self.bases
    }

    /// Where HEAD was seen since, if it was.
    #[must_use]
    pub const fn head(&self) -> Option<&Branch> {
        self.head.as_ref()
    }

    /// Remembers where HEAD is, the documents being as they were told.
    pub fn note_head(&mut self, head: Branch) {
        self.head = Some(head);
    }

    /// Tells whether every document is known, not only those that were written since.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Tells whether an event was told.
    #[must_use]
    pub fn has_told(&self, id: &EventId) -> bool {
        self.ids.contains(id)
    }

    /// The lines that make the same fold again, but for the ids of what was told.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        let documents = self.documents.iter().map(|(path, known)| Line {
            path: Some(path.clone()),
            now: Some(known.seen.clone()),
            last: known.last.clone(),
            ..Line::default()
        });
        let end = Line { branch: self.branch.clone(), whole: self.whole, ..Line::default() };
        documents.chain([end])
    }
}
