//! The documents of the folder as a bridge last saw them. A look reads only those whose files have another stamp.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::store::{FileRead, Shelf, Stamp};
use crate::core::name::DocPath;
use crate::services::bridge::mirror_index::{Item, MirrorIndex};
use crate::services::index::held_back;
use crate::services::{Error, Project, environment};

/// A file written so shortly before it was read may be written again without a new time on it, in nanoseconds.
const YOUNG_NS: i64 = 20_000_000;

/// What was seen of the folder.
#[derive(Debug, Default)]
pub(in crate::services::bridge) struct MirrorScan {
    pub(in crate::services::bridge) index: MirrorIndex,
    stamps: BTreeMap<DocPath, Stamp>,
}

impl MirrorScan {
    /// Looks again; gives what has changed since.
    pub(in crate::services::bridge) fn look(&mut self, project: &Project) -> Result<BTreeSet<Item>, Error> {
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
            changed.extend(self.index.set(&path, None));
            self.stamps.remove(&path);
        }
        for (path, stamp, document) in read {
            changed.extend(self.index.set(&path, Some(document)));
            self.stamps.insert(path, stamp);
        }
        if !changed.is_empty() {
            self.index.sort();
        }
        Ok(changed)
    }

    /// Reads these documents alone.
    pub(in crate::services::bridge) fn look_at(&mut self, project: &Project, paths: &[DocPath]) -> Result<(), Error> {
        for (path, mut document) in project.documents().read_all(paths)? {
            project.documents().keep_from_servers(&path, &mut document)?;
            self.index.set(&path, Some(document));
        }
        self.index.sort();
        Ok(())
    }
}

fn is_mirrored(path: &DocPath) -> bool {
    !path.is_events()
}
