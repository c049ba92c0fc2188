//! Leases that end in this work tree: what nobody is at any more is taken back promptly. Without one there is no timer.
#![allow(clippy::disallowed_methods, reason = "the daemon reads the clock")]

use std::time::{Duration, Instant};

use super::notice::Notice;
use crate::services::{Error, Project};

/// How long after a lease is over the task is taken back: clocks count in milliseconds.
const GRACE: Duration = Duration::from_millis(2);
/// When something that could not be taken back is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A lease with no more left than this is looked at again when it is over, not before.
const SHORT: Duration = Duration::from_secs(1);

/// When the leases are looked at next.
#[derive(Debug, Default)]
pub(super) struct Leases {
    due: Option<Instant>,
}

impl Leases {
    /// When that is.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Tells whether that has come.
    pub(super) fn is_over(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Looks at the leases: something has changed in the work tree, so there may be new ones.
    pub(super) fn look(&mut self, project: &Project) -> Result<(), Error> {
        self.due = Some(Instant::now() + RETRY);
        let end = project.leases().next_end()?;
        self.due = end.and_then(|left| Instant::now().checked_add(pause(left)));
        Ok(())
    }

    /// Looks at the leases, and takes back what is over.
    pub(super) fn take_back(&mut self, project: &Project) -> Result<Vec<Notice>, Error> {
        self.due = Some(Instant::now() + RETRY);
        let taken = project.operations().take_back()?;
        let end = project.leases().next_end()?;
        // What is over and still there is in the way of nobody: whoever asks gets it.
        let pause = |left: Duration| if left.is_zero() { RETRY } else { pause(left) };
        self.due = end.and_then(|left| Instant::now().checked_add(pause(left)));
        Ok(taken.into_iter().map(|one| Notice::TakenBack { task: one.task, by: one.by }).collect())
    }
}

/// Returns how long to wait until the next look at leases of which the first ends in so long. There is a look before the end as
/// well: what was heard of the holder by then renews the lease on the server, where it would end at the same moment.
fn pause(left: Duration) -> Duration {
    if left <= SHORT { left + GRACE } else { left / 4 * 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_look_before_a_lease_ends_and_one_after_it() {
        for (left_ms, next_ms) in [(0, 2), (1, 3), (1_000, 1_002), (1_004, 753), (1_800_000, 1_350_000)] {
            assert_eq!(pause(Duration::from_millis(left_ms)), Duration::from_millis(next_ms), "{left_ms}");
        }
    }
}
