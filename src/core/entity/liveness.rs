//! Whether an agent is alive, by its document and its last heartbeat.

use std::time::Duration;

use super::model::Agent;
use crate::core::time::Timestamp;

/// How long an agent counts as alive after it was seen, if its document does not say.
pub const TTL_DEFAULT: Duration = Duration::from_secs(300);

/// Whether an agent is alive. It is derived, never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Liveness {
    /// When it was last seen: the newer of the last change of its document and the last heartbeat.
    pub seen: Option<Timestamp>,
    /// How long it counts as alive after that.
    pub ttl: Duration,
    /// For how long it has been stale; `None` if it is alive, or was never seen.
    pub stale: Option<Duration>,
}

impl Liveness {
    /// Returns whether an agent is alive at a time, given its last heartbeat. A heartbeat in the future counts: a clock may have
    /// been set back.
    #[must_use]
    pub fn new(agent: &Agent, beat: Option<Timestamp>, now: Timestamp) -> Self {
        let seen = agent.last_updated.max(beat);
        let ttl = agent.ttl.unwrap_or(TTL_DEFAULT);
        let silent =
            seen.and_then(|seen| u64::try_from(now.unix_ms() - seen.unix_ms()).ok()).map(Duration::from_millis);
        Self { seen, ttl, stale: silent.and_then(|silent| silent.checked_sub(ttl)).filter(|stale| !stale.is_zero()) }
    }

    /// Returns true if it was not seen for longer than its time to live.
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
            let pulse = Liveness::new(&agent(updated, ttl), beat.map(at), at(now));
            assert_eq!(
                (pulse.seen, pulse.stale),
                (seen.map(at), stale.map(Duration::from_secs)),
                "{updated:?} {beat:?}"
            );
        }
    }
}
