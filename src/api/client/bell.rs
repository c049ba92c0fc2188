//! Rings for everybody who waits when a document may have changed: one set of watches for a client and all its clones.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::adapters::watch::{Gap, Watcher};
use crate::services::Project;

/// The watches of a client.
#[derive(Debug)]
pub(super) struct Bell {
    watcher: Mutex<Watcher>,
    rings: watch::Sender<u64>,
}

impl Bell {
    /// Prepares to watch; nothing rings before the first [`Bell::arm`].
    pub(super) fn new(project: &Project) -> Self {
        let (rings, _) = watch::channel(0_u64);
        let ring = rings.clone();
        let watcher =
            Watcher::new(project.document_places(), move || ring.send_modify(|count| *count = count.wrapping_add(1)));
        Self { watcher: Mutex::new(watcher), rings }
    }

    /// Hears everything that rings from now on.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.rings.subscribe()
    }

    /// Wakes everybody who waits, as if a document had changed.
    pub(super) fn ring(&self) {
        self.rings.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Makes sure that everything that is there is watched. To be called before each look.
    pub(super) fn arm(&self) -> Result<(), Gap> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner).arm()
    }
}
