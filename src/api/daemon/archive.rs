//! When a watching process archives what is done with: soon after its start, then whenever the next document has been quiet
//! for long enough. While there is nothing to wait for there is no timer.

use std::time::{Duration, Instant};

use crate::core::time::Timestamp;

/// After the start, and after new settings.
const AT_FIRST: Duration = Duration::from_secs(1);
/// Shortest pause: documents become quiet one after the other, and go together.
const PAUSE_MIN: Duration = Duration::from_secs(3_600);
/// Longest pause: a machine that sleeps does not count the hours.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);

/// When it is done next.
#[derive(Debug, Default)]
pub(super) struct Archivist {
    is_on_duty: bool,
    next: Option<Instant>,
}

impl Archivist {
    /// From now on it is done.
    pub(super) fn begin(&mut self) {
        self.is_on_duty = true;
        self.look_again();
    }

    /// Everything may be different.
    pub(super) fn look_again(&mut self) {
        self.next = self.is_on_duty.then(|| Instant::now() + AT_FIRST);
    }

    /// Something was committed: it may be done with, and quiet in `span` at the earliest.
    pub(super) fn note_change(&mut self, span: Duration) {
        if self.is_on_duty && self.next.is_none() {
            self.next = Some(Instant::now() + span.clamp(PAUSE_MIN, PAUSE_MAX));
        }
    }

    /// When it is due.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Tells, once, whether that has come.
    pub(super) fn take_due(&mut self) -> bool {
        let is_due = self.next.is_some_and(|next| next <= Instant::now());
        if is_due {
            self.next = None;
        }
        is_due
    }

    /// It could not be done now.
    pub(super) fn try_later(&mut self) {
        self.next = Some(Instant::now() + PAUSE_MIN);
    }

    /// What is next will be quiet at this moment; by then there may be more.
    pub(super) fn await_next(&mut self, next: Option<Timestamp>, now: Timestamp) {
        self.next = next.map(|next| {
            let ms = u64::try_from(next.unix_ms().saturating_sub(now.unix_ms())).unwrap_or(0);
            // A part of very many has gone: the rest follows when the first is committed.
            let least = if ms == 0 { AT_FIRST } else { PAUSE_MIN };
            Instant::now() + Duration::from_millis(ms).clamp(least, PAUSE_MAX)
        });
    }
}
