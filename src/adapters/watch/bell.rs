//! What happens inside the callback of the file events: look at the name, ring, return. It never reads, waits or works.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind};

use super::sabotage::{self, Sabotage};

/// Which names in a watched directory matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Interest {
    /// These names, exactly.
    pub(super) names: BTreeSet<String>,
    /// These names while somebody waits for a lock to go.
    pub(super) locks: BTreeSet<String>,
    /// Markdown files, but for those that editors leave.
    pub(super) documents: bool,
    /// Every name that is not hidden.
    pub(super) everything: bool,
}

impl Interest {
    pub(super) fn names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Takes in what else matters.
    pub(super) fn add(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.locks.extend(other.locks.iter().cloned());
        self.documents |= other.documents;
        self.everything |= other.everything;
    }

    fn covers(&self, name: &OsStr, waiting: bool) -> bool {
        // A name that is not UTF-8 is no document and no name of git's, but better one look too many.
        let Some(name) = name.to_str() else { return self.documents || self.everything };
        self.names.contains(name)
            || waiting && self.locks.contains(name)
            || self.documents && name.ends_with(".md") && !name.starts_with(['.', '#'])
            || self.everything && !name.starts_with('.')
    }
}

/// Shared between the callback and the [`super::Watcher`].
pub(super) struct Bell {
    ring: Box<dyn Fn() + Send + Sync>,
    interests: Mutex<BTreeMap<PathBuf, Interest>>,
    stale: AtomicBool,
    waiting: AtomicBool,
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("stale", &self.stale).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Bell {
    pub(super) fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            ring: Box::new(ring),
            interests: Mutex::default(),
            stale: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
        }
    }

    /// The directories that are watched and what matters in each. Held for a look-up only, so the callback never waits.
    pub(super) fn interests(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Interest>> {
        self.interests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::SeqCst);
    }

    /// Tells, once, whether watches may have been lost since the last call.
    pub(super) fn take_stale(&self) -> bool {
        self.stale.swap(false, Ordering::SeqCst)
    }

    /// The callback.
    pub(super) fn hear(&self, event: &notify::Result<Event>) {
        match event {
            // Events without names (an overflow of the queue) come first: everything may have changed, watches too.
            Err(_) => self.lost(),
            Ok(event) if event.need_rescan() || event.paths.is_empty() => self.lost(),
            Ok(event) if is_reading(event.kind) && !sabotage::on(Sabotage::RingForReading) => {}
            Ok(event) if is_rename(event.kind) && sabotage::on(Sabotage::DeafToRenames) => {}
            Ok(event) => self.look(event),
        }
    }

    fn lost(&self) {
        self.stale.store(true, Ordering::SeqCst);
        (self.ring)();
    }

    fn look(&self, event: &Event) {
        let waiting = self.waiting.load(Ordering::SeqCst);
        let interests = self.interests();
        let is_watched = |path: &Path| interests.contains_key(path);
        let matters = |path: &Path| match (path.parent().and_then(|dir| interests.get(dir)), path.file_name()) {
            (Some(interest), Some(name)) => interest.covers(name, waiting),
            _ => false,
        };
        let moved = matches!(event.kind, EventKind::Remove(_)) || is_rename(event.kind);
        // The library drops the watch of a directory that it sees go, even if another has been armed in its place.
        let lost = moved && event.paths.iter().any(|path| is_watched(path));
        let rings = lost || event.paths.iter().any(|path| is_watched(path) || matters(path));
        drop(interests);
        if lost {
            self.lost();
        } else if rings {
            (self.ring)();
        }
    }
}

fn is_rename(kind: EventKind) -> bool {
    matches!(kind, EventKind::Modify(ModifyKind::Name(_)))
}

/// Reading, our own above all, must not wake anybody: it would never end.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use notify::event::{CreateKind, DataChange, Flag, RemoveKind, RenameMode};

    use super::*;

    fn heard(waiting: bool, event: &notify::Result<Event>) -> (usize, bool) {
        let rings = Arc::new(AtomicUsize::new(0));
        let counter = rings.clone();
        let bell = Bell::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        bell.set_waiting(waiting);
        let documents = Interest { documents: true, ..Interest::names(["archive"]) };
        let git = Interest { locks: BTreeSet::from(["index.lock".into()]), ..Interest::names(["HEAD"]) };
        bell.interests().extend([("/r/c".into(), documents), ("/r/.git".into(), git)]);
        bell.hear(event);
        (rings.load(Ordering::SeqCst), bell.take_stale())
    }

    #[test]
    fn only_what_matters_rings() {
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let removed = EventKind::Remove(RemoveKind::Folder);
        for (kind, path, expected) in [
            (write, "/r/c/task-1.md", (1, false)),
            (closed, "/r/c/task-1.md", (1, false)),
            (EventKind::Create(CreateKind::Folder), "/r/c/archive", (1, false)),
            (renamed, "/r/c/task-1.md", (1, false)),
            (opened, "/r/c/task-1.md", (0, false)),
            (read, "/r/c/task-1.md", (0, false)),
            (opened, "/r/c", (0, false)),
            (write, "/r/c/.task-1.md.swp", (0, false)),
            (write, "/r/c/.#task-1.md", (0, false)),
            (write, "/r/c/#task-1.md#", (0, false)),
            (write, "/r/c/4913", (0, false)),
            (write, "/r/c/task-1.md~", (0, false)),
            (write, "/r/x/task-1.md", (0, false)),
            (renamed, "/r/.git/HEAD", (1, false)),
            (renamed, "/r/.git/index", (0, false)),
            (write, "/r/.git/index.lock", (0, false)),
            (removed, "/r/c", (1, true)),
            (removed, "/r/c/archive", (1, false)),
        ] {
            assert_eq!(heard(false, &Ok(Event::new(kind).add_path(path.into()))), expected, "{kind:?} {path}");
        }
        let gone = Event::new(EventKind::Remove(RemoveKind::File)).add_path("/r/.git/index.lock".into());
        assert_eq!(heard(true, &Ok(gone)), (1, false));
    }

    #[test]
    fn events_without_names_ring_and_doubt_every_watch() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(heard(false, &Ok(overflow.clone())), (1, true));
        assert_eq!(heard(false, &Ok(overflow.add_path("/elsewhere".into()))), (1, true));
        assert_eq!(heard(false, &Ok(Event::new(EventKind::Any))), (1, true));
        assert_eq!(heard(false, &Err(notify::Error::generic("broken"))), (1, true));
    }
}
