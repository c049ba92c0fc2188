//! The server behind a client: where nobody else follows it, the client does, for as long as it lives; and which mode that
//! makes, by what was written down last.
#![allow(clippy::disallowed_methods, reason = "the age of a look is measured here")]

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Error;
use super::mode::{self, Modes};
use crate::services::{self, Follower, HealthRecord, Project};

/// How long a look at what was written down counts.
const LOOK: Duration = Duration::from_millis(250);

/// The server that a client wants, if it wants one.
#[derive(Debug)]
pub(super) struct Following {
    seen: Mutex<Seen>,
    /// The health of each server in local state.
    health: Vec<HealthRecord>,
    follower: Mutex<Option<Follower>>,
}

#[derive(Debug)]
struct Seen {
    modes: Modes,
    at: Instant,
}

impl Following {
    /// Begins with what was found, and follows the server unless a watcher does. With no server nothing is begun.
    pub(super) fn new(project: &Project, modes: Modes) -> Result<Self, Error> {
        let health = project.bridge().health();
        let follower = if health.is_empty() { None } else { Follower::start_unless_watched(project)? };
        let seen = Seen { modes, at: Instant::now() };
        Ok(Self { seen: Mutex::new(seen), health, follower: Mutex::new(follower) })
    }

    /// The follower that is live. Asks nobody: it reads a small file, four times a second at most.
    pub(super) fn modes(&self) -> Modes {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.health.is_empty() && seen.at.elapsed() >= LOOK {
            seen.at = Instant::now();
            let now = services::now();
            let fresh = |record: &HealthRecord| {
                let health = record.read().filter(|health| health.is_fresh(now))?;
                Some((record.backend(), health))
            };
            let known: Vec<_> = self.health.iter().filter_map(fresh).collect();
            if !known.is_empty() {
                seen.modes = mode::of_health(known);
            }
        }
        seen.modes.clone()
    }

    /// Somebody looked.
    pub(super) fn note(&self, modes: Modes) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { modes, at: Instant::now() };
    }

    /// Follows no more, and waits until that is so.
    pub(super) async fn end(&self) {
        let (done, is_done) = oneshot::channel();
        if self.let_go(done) {
            // Whoever ends it says so, or is gone.
            let _ = is_done.await;
        }
    }

    /// A thread of its own waits for it: the server may hang.
    fn let_go(&self, done: oneshot::Sender<()>) -> bool {
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(follower) = follower else { return false };
        let end = move || {
            drop(follower);
            // Nobody may wait any more.
            let _ = done.send(());
        };
        // Without a thread it is dropped here.
        std::thread::Builder::new().name("mycelium-end".to_owned()).spawn(end).is_ok()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let (done, _) = oneshot::channel();
        self.let_go(done);
    }
}
