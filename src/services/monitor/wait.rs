//! Waiting for tasks to end: look, and sleep until a document may have changed. Nothing is polled where files can be watched.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::TaskMonitor;
use crate::adapters::watch::{Places, Watcher};
use crate::core::entity::Entity;
use crate::core::follow::FollowScope;
use crate::core::name::Kind;
use crate::services::{Error, Found};

/// Pause between two looks where file events do not come.
const POLL: Duration = Duration::from_secs(1);
/// After a ring nothing is looked at for this long: a burst of writes is a few looks, not thousands.
const SETTLE: Duration = Duration::from_millis(2);

/// How many of the tasks must have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Each of them.
    All,
    /// One of them.
    Any,
}

/// How the tasks were when the wait ended.
#[derive(Debug, Clone)]
pub struct Waited {
    /// The tasks, in the order in which they were named.
    pub tasks: Vec<Found>,
    /// The wait ended because enough of them have ended, not because its time was over.
    pub is_over: bool,
}

impl TaskMonitor<'_> {
    /// Waits until tasks are completed or have failed, whoever writes that; without a timeout as long as it takes. Looks again
    /// when one of the places changes. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Find`] if one of them is not there, or no longer; others if the folder cannot be read.
    pub fn wait_for_tasks(
        &self,
        places: Places,
        ids: &[String],
        until: Until,
        timeout: Option<Duration>,
    ) -> Result<Waited, Error> {
        let began = Instant::now();
        let (ring, rings) = sync_channel(1);
        let mut watcher = Watcher::new(places, move || {
            // A ring that is not heard yet is one ring.
            let _ = ring.try_send(());
        });
        let mut tasks: Vec<Found> = Vec::new();
        loop {
            // Armed before each look: what comes after the look rings.
            let is_deaf = watcher.arm().is_err();
            // What is in the way of that is told by whoever writes; the look goes on with what the folder holds.
            let _ = self.commits.branch().follow_branch(FollowScope::Everything);
            tasks = self.look_again(ids, &tasks)?;
            let mut ended = tasks.iter().map(Found::has_ended);
            let is_over = if until == Until::All { ended.all(|one| one) } else { ended.any(|one| one) };
            let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            if is_over || left == Some(Duration::ZERO) {
                return Ok(Waited { tasks, is_over });
            }
            let poll = is_deaf.then_some(POLL);
            hear(&rings, left.into_iter().chain(poll).min());
        }
    }

    /// The tasks as they are now; those whose file is still where it was are read alone.
    fn look_again(&self, ids: &[String], before: &[Found]) -> Result<Vec<Found>, Error> {
        let look = |(index, id): (usize, &String)| {
            let Some(found) = before.get(index) else { return self.documents.find(Some(Kind::Task), id) };
            let wanted = found.entity.as_ref().map(Entity::id);
            let now = self.documents.snapshot_of(std::slice::from_ref(&found.path))?;
            match now.get(&found.path).filter(|entry| wanted.is_none() || entry.id == wanted) {
                Some(entry) => Ok(Found::from(entry)),
                None => self.documents.find(Some(Kind::Task), wanted.as_ref().map_or(id.as_str(), |id| id.as_str())),
            }
        };
        ids.iter().enumerate().map(look).collect()
    }
}

/// Waits for a ring, no longer than a while if one is given.
fn hear(rings: &Receiver<()>, longest: Option<Duration>) {
    let rung = match longest {
        Some(longest) => rings.recv_timeout(longest).is_ok(),
        None => rings.recv().is_ok(),
    };
    if rung {
        std::thread::sleep(SETTLE);
    }
}
