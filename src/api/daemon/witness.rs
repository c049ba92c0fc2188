//! Tells in the feed what is edited by hand while nobody listens: whoever comes back misses no step. Decides nothing.

use std::time::{Duration, Instant};

use crate::services::{ChangeDetector, Project};

/// Shortest time until the next look, where something may be in the middle of being saved.
const NAP_MIN: Duration = Duration::from_millis(10);

/// Follows the feed, and adds to it what nobody has told.
#[derive(Debug, Default)]
pub(super) struct Witness {
    detector: ChangeDetector,
    again_at: Option<Instant>,
}

impl Witness {
    /// Looks at the folder. What cannot be told now is told by the next look, or by a subscriber, who says what is wrong.
    pub(super) fn look(&mut self, project: &Project) {
        let again = self.detector.keep_up(&project.events()).ok().flatten();
        self.again_at = again.and_then(|nap| Instant::now().checked_add(nap.max(NAP_MIN)));
    }

    /// When to look again though nothing has happened.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.again_at
    }

    /// Looks again, if that moment has come.
    pub(super) fn look_if_due(&mut self, project: &Project) {
        if self.again_at.is_some_and(|at| at <= Instant::now()) {
            self.look(project);
        }
    }
}
