//! Whether an agent gives signs of life. Pure: the moment and the last heart-beat are given.

use std::time::Duration;

use super::model::Agent;
use crate::core::time::Timestamp;

/// For how long an agent that says nothing else counts as alive without a sign.
pub const TTL_DEFAULT: Duration = Duration::from_secs(300);

/// An agent's signs of life. Worked out from what is known, never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// The last sign: the newer of the last change and the last heart-beat; `None` if there never was one.
    pub seen: Option<Timestamp>,
    /// For how long it counts as alive without one.
    pub ttl: Duration,
    /// For how long it has been stale; `None` if it is alive, or if nothing is known.
    pub stale: Option<Duration>,
}

impl Pulse {
    /// The pulse of an agent whose last heart-beat was then. A sign from the future (a clock was set back) is a sign.
    #[must_use]
    pub fn of(agent: &Agent, beat: Option<Timestamp>, now: Timestamp) -> Self {
        let seen = agent.last_updated.max(beat);
        let ttl = agent.ttl.unwrap_or(TTL_DEFAULT);
        let silent =
            seen.and_then(|seen| u64::try_from(now.unix_ms() - seen.unix_ms()).ok()).map(Duration::from_millis);
        Self { seen, ttl, stale: silent.and_then(|silent| silent.checked_sub(ttl)).filter(|stale| !stale.is_zero()) }
    }

    /// Tells whether there was no sign of life for too long.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.stale.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::entity::AgentStatus;
    use crate::core::name::AgentName;

    fn agent(updated: Option<i64>, ttl: Option<u64>) -> Agent {
        Agent {
            name: AgentName::new("a").expect("valid"),
            status: AgentStatus::Idle,
            last_updated: updated.map(at),
            ttl: ttl.map(Duration::from_secs),
            active_tasks: Vec::new(),
            description: None,
            metadata: None,
            notes: Vec::new(),
            extra: serde_json::Map::new(),
        }
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_unix_ms(s * 1_000)
    }

    #[test]
    fn the_newer_sign_counts_and_silence_makes_stale() {
        for (updated, ttl, beat, now, seen, stale) in [
            (Some(100), None, None, 400, Some(100), None),
            (Some(100), None, None, 401, Some(100), Some(1)),
            (Some(100), None, Some(300), 600, Some(300), None),
            (Some(300), None, Some(100), 600, Some(300), None),
            (Some(100), Some(10), Some(300), 600, Some(300), Some(290)),
            (None, None, Some(300), 601, Some(300), Some(1)),
            (None, None, None, 601, None, None),
            (Some(900), None, None, 601, Some(900), None),
        ] {
            let pulse = Pulse::of(&agent(updated, ttl), beat.map(at), at(now));
            assert_eq!(
                (pulse.seen, pulse.stale),
                (seen.map(at), stale.map(Duration::from_secs)),
                "{updated:?} {beat:?}"
            );
        }
    }
}
