//! Upkeep of the repository, in a thread of its own, after many commits and when nothing else is due. Holds nobody up.

use std::path::Path;
use std::thread::JoinHandle;

use crate::adapters::git::{GitError, Repository};

/// After so many commits it is looked whether there is something to do.
const COMMITS: usize = 500;
/// So many loose objects are worth it: what some 500 commits of one document leave (its text, three folders, the commit).
const LOOSE: usize = 2_500;

/// When upkeep was done last, and whether it is under way.
pub(super) struct Upkeep {
    commits: usize,
    under_way: Option<JoinHandle<Result<(), GitError>>>,
}

impl Upkeep {
    /// Commits that were made before this process count too, so the first look comes with the first commit.
    pub(super) const fn new() -> Self {
        Self { commits: COMMITS - 1, under_way: None }
    }

    /// Commits were made.
    pub(super) const fn count(&mut self, commits: usize) {
        self.commits += commits;
    }

    /// Begins upkeep if it is due. Gives the fault of the one before, if it had one.
    pub(super) fn run(&mut self, root: &Path) -> Option<GitError> {
        if self.commits < COMMITS || self.under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return None;
        }
        let fault = self.under_way.take().and_then(|thread| thread.join().ok()?.err());
        self.commits = 0;
        let root = root.to_owned();
        // If no thread can be started, a later look will do.
        self.under_way = std::thread::Builder::new().name("upkeep".to_owned()).spawn(move || maintain(&root)).ok();
        fault
    }
}

fn maintain(root: &Path) -> Result<(), GitError> {
    // A repository of its own: an open one belongs to one thread.
    match Repository::discover(root)? {
        Some(repository) => repository.pack_upkeep().maintain(LOOSE).map(|_| ()),
        None => Ok(()),
    }
}
