//! The documents of one side by what they are, wherever they lie.

use std::collections::BTreeMap;

use crate::core::document::Document;
use crate::core::name::{DocId, DocPath};
use crate::core::reconcile::DocumentKey;
use crate::core::snapshot::{Entry, Snapshot};

/// A document by what it is, wherever it lies.
pub(super) type Item = DocumentKey;

/// The documents of a folder, by path and by identity.
#[derive(Debug, Default)]
pub struct MirrorIndex {
    snapshot: Snapshot,
    items: BTreeMap<DocumentKey, Vec<DocPath>>,
}

impl MirrorIndex {
    /// Sets or removes the document at a path. Returns the documents that changed by it; to be followed by
    /// [`MirrorIndex::sort`].
    pub fn set(&mut self, path: &DocPath, document: Option<Document>) -> Vec<DocumentKey> {
        let before = self.snapshot.get(path);
        if before.map(|entry| &entry.document) == document.as_ref() {
            return Vec::new();
        }
        let mut changed: Vec<DocumentKey> = before.and_then(item_of).into_iter().collect();
        match document {
            Some(document) => {
                self.snapshot.insert(path.clone(), document);
                changed.extend(self.snapshot.get(path).and_then(item_of));
            }
            None => self.snapshot.remove(path),
        }
        changed
    }

    /// Finds anew which files state which identity.
    pub fn sort(&mut self) {
        self.items.clear();
        for entry in self.snapshot.entries() {
            if let Some(item) = item_of(entry) {
                self.items.entry(item).or_default().push(entry.path.clone());
            }
        }
    }

    /// Every document.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What there is.
    pub fn items(&self) -> impl Iterator<Item = &DocumentKey> {
        self.items.keys()
    }

    /// The files that state an id; more than one is a fault that a person must resolve.
    #[must_use]
    pub fn files(&self, item: &DocumentKey) -> Vec<&Entry> {
        let paths = self.items.get(item).map_or(&[][..], Vec::as_slice);
        paths.iter().filter_map(|path| self.snapshot.get(path)).collect()
    }
}

/// What a document is. One that cannot be read counts as what its file is called.
pub(super) fn item_of(entry: &Entry) -> Option<DocumentKey> {
    let kind = entry.kind.or_else(|| entry.path.kind())?;
    Some((kind, entry.id.clone().unwrap_or_else(|| DocId::of_file(&entry.path))))
}
