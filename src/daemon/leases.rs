//! Leases that end in this work tree: what nobody is at any more is taken back promptly. Without one there is no timer.
#![allow(clippy::disallowed_methods, reason = "the daemon reads the clock")]

use std::time::{Duration, Instant};

use super::notice::Notice;
use crate::runner::{Error, Workspace};

/// How long after a lease is over the task is taken back: clocks count in milliseconds.
const GRACE: Duration = Duration::from_millis(2);
/// When something that could not be taken back is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// When the next lease ends.
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
    pub(super) fn look(&mut self, workspace: &Workspace) -> Result<(), Error> {
        self.due = Some(Instant::now() + RETRY);
        let end = workspace.next_lease_end()?;
        self.due = end.and_then(|left| Instant::now().checked_add(left + GRACE));
        Ok(())
    }

    /// Takes back what is over.
    pub(super) fn take_back(&mut self, workspace: &Workspace) -> Result<Vec<Notice>, Error> {
        self.due = Some(Instant::now() + RETRY);
        let taken = workspace.take_back()?;
        let end = workspace.next_lease_end()?;
        // What is over and still there is in the way of nobody: whoever asks gets it.
        let pause = |left: Duration| if left.is_zero() { RETRY } else { left + GRACE };
        self.due = end.and_then(|left| Instant::now().checked_add(pause(left)));
        Ok(taken.into_iter().map(|one| Notice::TakenBack { task: one.task, by: one.by }).collect())
    }
}
