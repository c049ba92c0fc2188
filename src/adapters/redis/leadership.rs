//! The leader lease among several clones, and when this one had it: a message that was published while it had the lease is its
//! to write down, however late it comes to that, and no other clone's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::error::BridgeError;
use super::link::Link;

/// How long the leader lease lasts on the server without renewal.
const LEADER_LEASE: Duration = Duration::from_secs(4);
/// The key of the leader lease.
const LEADER: &str = "recorder";
/// The key of the last leader, and for how long it is kept.
const LAST_LEADER: &str = "last_recorder";
const LAST_LEADER_LIFE: Duration = Duration::from_secs(3_600);

/// How long this clone counts on it: somewhat less, so that no two do at the same time.
const COUNTED: Duration = Duration::from_millis(3_500);
/// How often it is renewed while something takes long.
const RENEW: Duration = Duration::from_secs(1);
/// How long a lead lasts that is only assumed.
const ASSUMED: Duration = Duration::from_secs(86_400);
/// Spans that are remembered.
const SPANS_MAX: usize = 64;

/// Which clone leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadAnswer {
    /// Another one.
    Other,
    /// This one, from now on.
    Taken,
    /// This one, from now on, and the one before did not resign: it died, or was cut off.
    Inherited,
    /// This one, and no other one has led since it did last.
    Kept,
}

/// The right of one clone at a time to keep the queues, and to create documents for what appears on the server alone.
#[derive(Debug, Default)]
pub struct Leadership {
    /// Names this process in this clone: a copy of the clone has the same name, and must not lead as well.
    holder: String,
    is_leader: bool,
    has_inherited: bool,
    times: LeadTimes,
}

impl Leadership {
    /// Returns the leadership of a holder that does not lead yet, but did at these times.
    #[must_use]
    pub const fn new(holder: String, times: LeadTimes) -> Self {
        Self { holder, is_leader: false, has_inherited: false, times }
    }

    /// Returns a leadership whatever a server says: nothing is written.
    #[must_use]
    pub fn assumed() -> Self {
        Self { holder: String::new(), is_leader: true, has_inherited: false, times: LeadTimes::assumed() }
    }

    /// Takes the lease, or renews it. Returns true if this clone did not lead before.
    ///
    /// # Errors
    /// [`BridgeError`] if the server cannot be asked.
    pub fn lead(&mut self, link: &Link) -> Result<bool, BridgeError> {
        let (was_leader, asked) = (self.leads(), Instant::now());
        self.is_leader = false;
        let answer = self.ask(link).inspect_err(|error| {
            // It may be this clone's, and nobody here would know.
            if error.is_unknown() && !was_leader {
                self.give_back(link);
            }
        })?;
        self.is_leader = answer != LeadAnswer::Other;
        self.has_inherited |= answer == LeadAnswer::Inherited;
        if self.is_leader {
            self.times.lead(asked, Instant::now(), answer == LeadAnswer::Kept);
        } else {
            self.times.end(asked);
        }
        Ok(self.is_leader && !was_leader)
    }

    /// Returns true if this clone has the lease, and it has not expired.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.is_leader && self.times.had(Instant::now())
    }

    /// Returns true if this clone had the lease by the last answer; it may have expired.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        self.is_leader
    }

    /// Renews the lease in the midst of something that may take longer than it lasts. Returns true if this clone leads.
    ///
    /// # Errors
    /// [`BridgeError`] if the server cannot be asked.
    pub fn keep(&mut self, link: &Link) -> Result<bool, BridgeError> {
        if self.is_leader && self.times.is_due(Instant::now()) {
            self.lead(link)?;
        }
        Ok(self.leads())
    }

    /// Renews the lease if it has expired. Returns true if this clone leads.
    ///
    /// # Errors
    /// [`BridgeError`] if the server cannot be asked.
    pub fn still_leads(&mut self, link: &Link) -> Result<bool, BridgeError> {
        if self.is_leader && !self.leads() {
            self.lead(link)?;
        }
        Ok(self.leads())
    }

    /// Ends the lease, so that others need not wait until it expires.
    pub fn resign(&mut self, link: &Link) {
        if std::mem::take(&mut self.is_leader) {
            self.times.end(Instant::now());
            self.give_back(link);
        }
    }

    /// Returns true, once, if the lease came from a clone that did not resign.
    pub fn take_inherited(&mut self) -> bool {
        std::mem::take(&mut self.has_inherited)
    }

    /// When this clone had the lease.
    #[must_use]
    pub const fn times(&self) -> &LeadTimes {
        &self.times
    }

    /// The server may have lost the lease at this moment.
    pub fn end(&mut self, at: Instant) {
        self.times.end(at);
    }

    /// Returns when this clone had the lease, for the next connection.
    #[must_use]
    pub fn into_times(self) -> LeadTimes {
        self.times
    }

    fn ask(&self, link: &Link) -> Result<LeadAnswer, BridgeError> {
        let keys = [link.keys().own(LEADER), link.keys().own(LAST_LEADER)];
        match link.lead([&keys[0], &keys[1]], &self.holder, LEADER_LEASE, LAST_LEADER_LIFE) {
            // Another clone may still renew it.
            Err(BridgeError::Full { .. }) => Ok(LeadAnswer::Other),
            answer => answer,
        }
    }

    fn give_back(&self, link: &Link) {
        // If that fails it expires.
        let _ = link.end_lead([&link.keys().own(LEADER), &link.keys().own(LAST_LEADER)], &self.holder);
    }
}

/// When this clone had the lead.
#[derive(Debug, Default)]
pub struct LeadTimes {
    /// From and until, the oldest first; they do not overlap.
    spans: VecDeque<(Instant, Instant)>,
    renewed: Option<Instant>,
}

impl LeadTimes {
    /// It has the lead by a question that was asked at this moment and answered at that. Where no other clone had the lead since
    /// the last time, it had it all the time.
    fn lead(&mut self, asked: Instant, answered: Instant, is_continued: bool) {
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
    fn assumed() -> Self {
        let now = Instant::now();
        Self { spans: VecDeque::from([(now, now + ASSUMED)]), renewed: Some(now + ASSUMED) }
    }

    /// What it had at this moment it has no more.
    fn end(&mut self, at: Instant) {
        for (from, until) in &mut self.spans {
            if *from < at {
                *until = at.min(*until);
            }
        }
    }

    /// Whether it had the lead at a moment.
    #[must_use]
    pub fn had(&self, at: Instant) -> bool {
        self.spans.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// Whether a moment lies before the first time it had the lead that is remembered, or after the last.
    #[must_use]
    pub fn is_outside(&self, at: Instant) -> bool {
        self.spans.front().is_none_or(|(from, _)| at < *from) || self.spans.back().is_none_or(|(_, until)| at >= *until)
    }

    /// Whether it is time to renew it.
    fn is_due(&self, now: Instant) -> bool {
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
