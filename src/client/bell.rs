//! Rings for everybody who waits when a document may have changed: one set of watches for a client and all its clones.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::git::Target;
use crate::runner::Workspace;
use crate::watch::{Gap, GitPlaces, Places, Watcher};

/// The watches of a client.
#[derive(Debug)]
pub(super) struct Bell {
    watcher: Mutex<Watcher>,
    rings: watch::Sender<u64>,
}

impl Bell {
    /// Prepares to watch; nothing rings before the first [`Bell::arm`].
    pub(super) fn new(workspace: &Workspace) -> Self {
        let (rings, _) = watch::channel(0_u64);
        let ring = rings.clone();
        let places = Places {
            root: workspace.root().to_owned(),
            folder: workspace.folder().to_owned(),
            git: branch(workspace),
            settings: Vec::new(),
        };
        let watcher = Watcher::new(places, move || ring.send_modify(|count| *count = count.wrapping_add(1)));
        Self { watcher: Mutex::new(watcher), rings }
    }

    /// Hears everything that rings from now on.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.rings.subscribe()
    }

    /// Makes sure that everything that is there is watched. To be called before each look.
    pub(super) fn arm(&self) -> Result<(), Gap> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner).arm()
    }
}

/// The branch that others write to, where the folder has one of its own.
fn branch(workspace: &Workspace) -> Option<GitPlaces> {
    let Target::Branch(name) = workspace.target() else { return None };
    let repository = workspace.repository()?;
    let target = if name.starts_with("refs/") { name } else { format!("refs/heads/{name}") };
    Some(GitPlaces {
        git_dir: repository.git_dir().to_owned(),
        common_dir: repository.common_dir().to_owned(),
        target: Some(target),
    })
}
