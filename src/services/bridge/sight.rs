//! The documents of the folder as a bridge last saw them. A look reads only those whose files have another stamp.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::store::{FileRead, Shelf, Stamp};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::{Entry, Snapshot};
use crate::services::index::held_back;
use crate::services::{Error, Project, environment};

/// A file written so shortly before it was read may be written again without a new time on it, in nanoseconds.
const YOUNG_NS: i64 = 20_000_000;

/// A document by what it is, wherever it lies.
pub(super) type Item = (Kind, DocId);

/// What was seen of the folder.
#[derive(Debug, Default)]
pub(super) struct Sight {
    snapshot: Snapshot,
    stamps: BTreeMap<DocPath, Stamp>,
    items: BTreeMap<Item, Vec<DocPath>>,
}

impl Sight {
    /// Looks again; gives what has changed since.
    pub(super) fn look(&mut self, project: &Project) -> Result<BTreeSet<Item>, Error> {
        let now_ns = environment::now().unix_ms().saturating_mul(1_000_000);
        let paths: Vec<DocPath> = project.store.folder.names(Shelf::Live)?.into_iter().filter(is_mirrored).collect();
        let (mut read, mut here) = (Vec::new(), BTreeSet::new());
        let stamps = &self.stamps;
        let is_known = |path: &DocPath, stamp: &Stamp| {
            stamps.get(path) == Some(stamp) && now_ns.saturating_sub(stamp.ctime_ns) > YOUNG_NS
        };
        project.store.folder.read_unknown(&paths, &is_known, &mut |path, found| {
            here.insert(path.clone());
            let stamp = if let FileRead::Contents(contents) = &found { contents.stamp } else { Stamp::default() };
            // One that cannot be read is there, and held back: it must not look like one that was removed.
            read.extend(project.documents().document_of(path, found).map(|document| (path.clone(), stamp, document)));
        })?;
        for path in project
            .documents()
            .kept_out(&|path| is_mirrored(path) && !path.is_archived())?
            .into_iter()
            .map(|(path, _)| path)
        {
            here.insert(path.clone());
            read.push((path.clone(), Stamp::default(), held_back::kept_out(&path)));
        }
        for (path, _, document) in &mut read {
            project.documents().keep_from_servers(path, document)?;
        }
        let mut changed = BTreeSet::new();
        let gone: Vec<DocPath> = self.stamps.keys().filter(|path| !here.contains(*path)).cloned().collect();
        for path in gone {
            changed.extend(self.item_at(&path));
            self.stamps.remove(&path);
            self.snapshot.remove(&path);
        }
        for (path, stamp, document) in read {
            self.stamps.insert(path.clone(), stamp);
            if self.snapshot.get(&path).is_some_and(|entry| entry.document == document) {
                continue;
            }
            changed.extend(self.item_at(&path));
            self.snapshot.insert(path.clone(), document);
            changed.extend(self.item_at(&path));
        }
        if !changed.is_empty() {
            self.sort();
        }
        Ok(changed)
    }

    /// Reads these documents alone.
    pub(super) fn look_at(&mut self, project: &Project, paths: &[DocPath]) -> Result<(), Error> {
        for (path, mut document) in project.documents().read_all(paths)? {
            project.documents().keep_from_servers(&path, &mut document)?;
            self.snapshot.insert(path, document);
        }
        self.sort();
        Ok(())
    }

    /// Every document.
    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What there is.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.keys()
    }

    /// The files that state an id; more than one is a fault that a person must mend.
    pub(super) fn files(&self, item: &Item) -> Vec<&Entry> {
        let paths = self.items.get(item).map_or(&[][..], Vec::as_slice);
        paths.iter().filter_map(|path| self.snapshot.get(path)).collect()
    }

    fn item_at(&self, path: &DocPath) -> Option<Item> {
        self.snapshot.get(path).and_then(item_of)
    }

    fn sort(&mut self) {
        self.items.clear();
        for entry in self.snapshot.entries() {
            if let Some(item) = item_of(entry) {
                self.items.entry(item).or_default().push(entry.path.clone());
            }
        }
    }
}

/// What a document is. One that cannot be read counts as what its file is called.
pub(super) fn item_of(entry: &Entry) -> Option<Item> {
    let kind = entry.kind.or_else(|| entry.path.kind())?;
    Some((kind, entry.id.clone().unwrap_or_else(|| DocId::of_file(&entry.path))))
}

fn is_mirrored(path: &DocPath) -> bool {
    !path.is_events()
}
