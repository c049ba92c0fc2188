//! The bridge of a watching process: it runs in a thread of its own, so nothing here ever waits for a server; what it tells is
//! fetched when there is nothing else to do.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::notice::Notice;
use crate::runner::{Follower, Health, Workspace};

/// Wakes the loop.
pub(super) type Ring = Arc<dyn Fn() + Send + Sync>;

/// The bridge, while there is one.
#[derive(Default)]
pub(super) struct Mirror {
    ring: Option<Ring>,
    follower: Option<Follower>,
    news: Arc<Mutex<Vec<Notice>>>,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("follower", &self.follower).finish_non_exhaustive()
    }
}

impl Mirror {
    /// What wakes the loop when there is something to fetch.
    pub(super) fn set_ring(&mut self, ring: Ring) {
        self.ring = Some(ring);
    }

    /// Begins to follow what the settings ask for, or ends what they do not ask for any more.
    pub(super) fn start(&mut self, workspace: &Workspace) -> Option<Notice> {
        // One at a time: the old one has to let go first.
        self.follower = None;
        let (news, ring) = (Arc::clone(&self.news), self.ring.clone());
        let tell = move |state: &Health| {
            let notice = Notice::Bridge { state: state.state.word(), what: words(state), hint: state.hint.clone() };
            news.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
            if let Some(ring) = &ring {
                ring();
            }
        };
        match Follower::start(workspace, tell) {
            Ok(follower) => {
                self.follower = follower;
                None
            }
            Err(error) => Some(Notice::Bridge { state: "down", what: error.to_string(), hint: error.hint() }),
        }
    }

    /// What was told since.
    pub(super) fn news(&self) -> Vec<Notice> {
        mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn words(health: &Health) -> String {
    let address = &health.address;
    match (&health.why, &health.server) {
        (Some(why), _) => format!("the bridge is {}: {why}", health.state.word()),
        (None, Some(server)) => format!("the bridge to {address} is live ({server}, branch {})", health.branch),
        (None, None) => format!("the bridge to {address} is {}", health.state.word()),
    }
}
