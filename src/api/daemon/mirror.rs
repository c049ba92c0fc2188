//! The bridge of a watching process: it runs in a thread of its own, so nothing here ever waits for a server; what it tells is
//! fetched when there is nothing else to do.

use std::fmt;
use std::mem;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::notice::Notice;
use crate::core::problem::Problem;
use crate::services::{BackendHealth, Follower, Project};

/// Wakes the loop.
pub(super) type Ring = Arc<dyn Fn() + Send + Sync>;

/// How long whoever ends waits for the bridge to let go. A server that hangs is not waited for: others lead when the lease is
/// over, and the thread ends with the process.
const LET_GO: Duration = Duration::from_millis(200);

/// The bridge, while there is one.
#[derive(Default)]
pub(super) struct Mirror {
    ring: Option<Ring>,
    follower: Option<Follower>,
    has_begun: bool,
    /// What was written down of the server that is enabled here, as it was looked at last.
    choice: Vec<Option<String>>,
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
    pub(super) fn start(&mut self, project: &Project) -> Option<Notice> {
        // One at a time: the new one waits until the old one has let go.
        let _ = self.end();
        (self.has_begun, self.choice) = (true, project.bridge().consent_text());
        let (news, ring) = (Arc::clone(&self.news), self.ring.clone());
        let tell = move |state: &BackendHealth| {
            let notice = Notice::Bridge { state: state.state.word(), what: words(state), hint: state.hint.clone() };
            news.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
            if let Some(ring) = &ring {
                ring();
            }
        };
        match Follower::start(project, tell) {
            Ok(follower) => {
                self.follower = follower;
                None
            }
            Err(error) => Some(Notice::Bridge { state: "down", what: error.to_string(), hint: error.hint() }),
        }
    }

    /// Whether another server is enabled here than when it was looked last, or none any more, and that is another than the one
    /// that is followed.
    pub(super) fn is_to_begin_anew(&mut self, project: &Project) -> bool {
        if !self.has_begun {
            return false;
        }
        let choice = project.bridge().consent_text();
        if self.choice == choice {
            return false;
        }
        let is_other =
            self.follower.as_ref().map_or_else(|| project.bridge().has_usable(), |follower| !follower.is_for(project));
        // What cannot be used yet is judged again at the next change.
        if is_other {
            self.choice = choice;
        }
        is_other
    }

    /// Ends it in a thread of its own, for the server may hang; what is given tells when that is done.
    fn end(&mut self) -> Option<Receiver<()>> {
        let follower = self.follower.take()?;
        let (done, is_done) = channel();
        let end = move || {
            drop(follower);
            // Nobody may wait any more.
            let _ = done.send(());
        };
        // Without a thread it is dropped here.
        std::thread::Builder::new().name("mycelium-end".to_owned()).spawn(end).ok()?;
        Some(is_done)
    }

    /// What was told since.
    pub(super) fn news(&self) -> Vec<Notice> {
        mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if let Some(is_done) = self.end() {
            let _ = is_done.recv_timeout(LET_GO);
        }
    }
}

fn words(health: &BackendHealth) -> String {
    let address = &health.address;
    match (&health.why, &health.server) {
        (Some(why), _) => format!("the bridge is {}: {why}", health.state.word()),
        (None, Some(server)) => format!("the bridge to {address} is live ({server}, branch {})", health.branch),
        (None, None) => format!("the bridge to {address} is {}", health.state.word()),
    }
}
