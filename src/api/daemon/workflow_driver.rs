//! When a watching process moves workflows on: soon after something changed, and when the time of a step is over. Without a
//! workflow that is driven there is no timer.
#![allow(clippy::disallowed_methods, reason = "the daemon reads the clock")]

use std::time::{Duration, Instant};

use crate::core::time::Timestamp;
use crate::services::{Error, Project};

/// How long after a change: several often come together.
const SETTLE: Duration = Duration::from_millis(50);
/// When what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// When workflows are moved on next.
#[derive(Debug, Default)]
pub(super) struct WorkflowDriver {
    due: Option<Instant>,
}

impl WorkflowDriver {
    /// When that is.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something has changed in the worktree.
    pub(super) fn note_change(&mut self) {
        let soon = Instant::now() + SETTLE;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// Moves workflows on, if that is due.
    pub(super) fn drive_if_due(&mut self, project: &Project) -> Result<(), Error> {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        self.due = Some(Instant::now() + RETRY);
        let report = project.workflows().drive()?;
        self.due = report.next.and_then(|next| Instant::now().checked_add(until(next, project.now())));
        Ok(())
    }
}

fn until(next: Timestamp, now: Timestamp) -> Duration {
    let ms = u64::try_from(next.unix_ms().saturating_sub(now.unix_ms())).unwrap_or(0);
    Duration::from_millis(ms) + SETTLE
}
