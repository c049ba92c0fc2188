//! The documents that a client has read, held for the next look. Nothing is answered from it before the file's stamp was
//! compared, so it is never a second truth: a write of one's own, of another process or by hand is seen at once.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, TryLockError};

use super::sabotage::{self, Sabotage};
use crate::adapters::store::{FileRead, Stamp, Store};
use crate::core::entity::Entity;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::{FindError, Snapshot};
use crate::services::{Error, Project};

/// A file that changed less than this before it was read may change again without a new stamp: the clock of file times
/// advances by up to 10 ms at once. Such a file is read again.
const SETTLED_NS: i64 = 20_000_000;

/// What a client has read.
#[derive(Debug, Default)]
pub(super) struct Held(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    snapshot: Snapshot,
    known: HashMap<DocPath, Known>,
}

/// How a file was when it was read.
#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: Stamp,
    is_settled: bool,
}

impl Known {
    fn is_as(self, stamp: &Stamp) -> bool {
        self.is_settled && self.stamp == *stamp
    }
}

impl Held {
    /// The document with exactly this id, if it is held and its file is still as it was read: one look at the file, which
    /// takes microseconds. `None` if that does not tell.
    pub(super) fn glance(&self, store: &Store, kind: Kind, id: &str) -> Option<Entity> {
        let state = match self.0.try_read() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let [path] = state.snapshot.paths_of(kind, id) else { return None };
        let known = state.known.get(path)?;
        let entry = state.snapshot.get(path)?;
        let is_own_name = entry.id.as_ref().is_some_and(|id| DocPath::for_new(kind, id) == *path);
        let is_fresh = is_own_name && store.folder.stamp(path).ok().flatten().is_some_and(|stamp| known.is_as(&stamp));
        let is_fresh = is_fresh || sabotage::on(Sabotage::TrustMemory);
        if is_fresh { entry.entity.clone() } else { None }
    }

    /// The document that is meant: by the file that its id names, verified; else by a look at every document.
    pub(super) fn find(&self, project: &Project, kind: Kind, id: &str) -> Result<Entity, Error> {
        if let Ok(exact) = DocId::new(id)
            && let Some(entity) = self.read_one(project, &DocPath::for_new(kind, &exact), kind, id)?
        {
            return Ok(entity);
        }
        let found = self.look(project, |live| live.find(kind.into(), id).map(|entry| entry.entity.clone()))?;
        match found {
            Ok(Some(entity)) => Ok(entity),
            // In the archive, or not to be understood: the project knows what to say.
            Ok(None) | Err(FindError::NotFound { .. }) => understood(project, kind, id),
            Err(error) => Err(error.into()),
        }
    }

    /// Does something with every live document as it is now.
    pub(super) fn look<T>(&self, project: &Project, look: impl FnOnce(&Snapshot) -> T) -> Result<T, Error> {
        // Waiting for another look does not make this one older: it begins when the other has ended.
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.refresh(project)?;
        Ok(look(&state.snapshot))
    }

    fn read_one(&self, project: &Project, path: &DocPath, kind: Kind, id: &str) -> Result<Option<Entity>, Error> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.read(project, std::slice::from_ref(path))?;
        let is_only = state.snapshot.paths_of(kind, id) == std::slice::from_ref(path);
        Ok(state.snapshot.get(path).filter(|_| is_only).and_then(|entry| entry.entity.clone()))
    }
}

impl State {
    /// Brings everything up to date: names and stamps of all, contents of those that changed.
    fn refresh(&mut self, project: &Project) -> Result<(), Error> {
        let scan = project.store().folder.scan_live()?;
        let gone: Vec<DocPath> = {
            let there: std::collections::HashSet<&DocPath> = scan.files.iter().map(|(path, _)| path).collect();
            self.known.keys().filter(|path| !there.contains(path)).cloned().collect()
        };
        for path in &gone {
            self.forget(path);
        }
        let is_known = |(path, stamp): &&(DocPath, Stamp)| self.known.get(path).is_some_and(|known| known.is_as(stamp));
        let stale: Vec<DocPath> =
            scan.files.iter().filter(|file| !is_known(file)).map(|(path, _)| path.clone()).collect();
        self.read(project, &stale)
    }

    /// Reads these documents; those that are not there are forgotten.
    fn read(&mut self, project: &Project, paths: &[DocPath]) -> Result<(), Error> {
        let now_ns = project.now().unix_ms().saturating_mul(1_000_000);
        let mut read = Vec::with_capacity(paths.len());
        project.store().folder.read_each(paths, &mut |path, found| {
            let stamp = if let FileRead::Contents(contents) = &found { contents.stamp } else { Stamp::default() };
            read.extend(project.documents().document_of(path, found).map(|document| (path.clone(), stamp, document)));
        })?;
        if read.len() < paths.len() {
            let there: std::collections::HashSet<&DocPath> = read.iter().map(|(path, ..)| path).collect();
            let gone: Vec<&DocPath> = paths.iter().filter(|path| !there.contains(path)).collect();
            for path in gone {
                self.forget(path);
            }
        }
        for (path, stamp, document) in read {
            let is_settled = stamp.ctime_ns.saturating_add(SETTLED_NS) < now_ns;
            self.known.insert(path.clone(), Known { stamp, is_settled });
            self.snapshot.insert(path, document);
        }
        Ok(())
    }

    fn forget(&mut self, path: &DocPath) {
        self.known.remove(path);
        self.snapshot.remove(path);
    }
}

/// What the project says of a document, which may be archived; one that cannot be understood is refused with the reason.
fn understood(project: &Project, kind: Kind, id: &str) -> Result<Entity, Error> {
    let found = project.documents().find(Some(kind), id)?;
    found.entity.ok_or_else(|| {
        let id = found.path.stem().to_owned();
        let source = Box::new(crate::core::entity::Refusal::Unreadable { id, findings: found.findings });
        Error::Refused { path: found.path, source }
    })
}
