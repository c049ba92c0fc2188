//! The lead among several clones, and when this one had it: a message that was published while it had the lead is its to
//! write down, however late it comes to that, and no other clone's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::adapters::redis::LEADER_LEASE;

/// How long this clone counts on it: somewhat less, so that no two do at the same time.
const COUNTED: Duration = Duration::from_millis(3_500);
/// How often it is renewed while something takes long.
const RENEW: Duration = Duration::from_secs(1);
/// How long a lead lasts that is only assumed.
const ASSUMED: Duration = Duration::from_secs(86_400);
/// Spans that are remembered.
const SPANS_MAX: usize = 64;

/// When this clone had the lead.
#[derive(Debug, Default)]
pub(super) struct LeadTimes {
    /// From and until, the oldest first; they do not overlap.
    spans: VecDeque<(Instant, Instant)>,
    renewed: Option<Instant>,
}

impl LeadTimes {
    /// It has the lead by a question that was asked at this moment and answered at that. Where no other clone had the lead since
    /// the last time, it had it all the time.
    pub(super) fn lead(&mut self, asked: Instant, answered: Instant, is_continued: bool) {
        self.renewed = Some(asked);
        let until = asked + COUNTED;
        if let Some((_, end)) = self.spans.back_mut().filter(|_| is_continued) {
            *end = until.max(*end);
        } else {
            // The one before counted on it for less than the server did: so much is left.
            let margin = LEADER_LEASE.saturating_sub(COUNTED);
            let from = answered.checked_sub(margin).map_or(asked, |at| at.max(asked));
            self.spans.push_back((from, until));
        }
        while self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
    }

    /// It has the lead whatever a server says: nothing is written.
    pub(super) fn assumed() -> Self {
        let now = Instant::now();
        Self { spans: VecDeque::from([(now, now + ASSUMED)]), renewed: Some(now) }
    }

    /// What it had at this moment it has no more.
    pub(super) fn end(&mut self, at: Instant) {
        for (from, until) in &mut self.spans {
            if *from < at {
                *until = at.min(*until);
            }
        }
    }

    /// Whether it had the lead at a moment.
    pub(super) fn had(&self, at: Instant) -> bool {
        self.spans.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// Whether a moment lies before the first time it had the lead that is remembered, or after the last.
    pub(super) fn is_outside(&self, at: Instant) -> bool {
        self.spans.front().is_none_or(|(from, _)| at < *from) || self.spans.back().is_none_or(|(_, until)| at >= *until)
    }

    /// Whether it is time to renew it.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.renewed.is_none_or(|at| now.saturating_duration_since(at) >= RENEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_belongs_to_the_clone_that_had_the_lead_then() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut times = LeadTimes::default();
        assert!(!times.had(at(0)) && times.is_outside(at(0)) && times.is_due(at(0)));
        times.lead(at(1_000), at(1_010), false);
        for (ms, had) in [(999, false), (1_000, true), (4_499, true), (4_500, false)] {
            assert_eq!(times.had(at(ms)), had, "{ms}");
        }
        assert!(!times.is_due(at(1_999)) && times.is_due(at(2_000)));
        // Renewed too late, but no other clone had it in between.
        times.lead(at(9_000), at(9_010), true);
        assert!(times.had(at(5_000)) && times.had(at(12_499)) && !times.had(at(12_500)));
        // Lost to another clone, and got again.
        times.end(at(10_000));
        times.lead(at(20_000), at(22_000), false);
        for (ms, had) in [(9_999, true), (10_000, false), (21_499, false), (21_500, true), (23_499, true)] {
            assert_eq!(times.had(at(ms)), had, "{ms}");
        }
        assert!(!times.is_outside(at(15_000)), "it came between two times");
        times.end(at(21_000));
        assert!(times.had(at(22_000)), "what it got later stays");
        assert!(times.is_outside(at(500)) && times.is_outside(at(30_000)));
    }
}
