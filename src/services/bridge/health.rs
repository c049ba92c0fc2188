//! What is known of a backend without asking it: local state that the process which talked to it last leaves for the others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backend::MirrorTarget;
use super::report::{HeldRemoval, PassReport};
use crate::adapters::store::Store;
use crate::core::time::Timestamp;
use crate::services::{BackendId, Error};

/// Its name in local state.
pub(super) const FILE: &str = "health.json";
/// The first pause after a failure, and the longest.
const RETRY_MIN_MS: u64 = 1_000;
const RETRY_MAX_MS: u64 = 60_000;
/// How long the word of a follower counts.
const FRESH: Duration = Duration::from_secs(3);
/// Documents that are named at most, in each list.
const NAMED_MAX: usize = 20;

/// Who has a task that was taken from a queue without a word.
pub const UNKNOWN: &str = "redis:unknown";

/// How the bridge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// The server answers.
    Live,
    /// It does not, or refuses.
    #[default]
    Down,
    /// Another branch is checked out than the one that is mirrored.
    Paused,
}

impl BackendState {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Down => "down",
            Self::Paused => "paused",
        }
    }
}

/// What was seen last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendHealth {
    /// How it stands.
    pub state: BackendState,
    /// Since when it stands so.
    pub since: Timestamp,
    /// When that was seen last.
    pub checked: Timestamp,
    /// Why it is not live.
    pub why: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// How long after `checked` it is to be left alone, in milliseconds.
    pub retry_after_ms: u64,
    /// How long it took to connect, in milliseconds.
    pub answer_ms: u64,
    /// What the server calls itself.
    pub server: Option<String>,
    /// Which server, without a password. What is said of another one does not count.
    pub address: String,
    /// Documents that differ from the server, or wait to go there.
    pub behind: u64,
    /// Versions that went there.
    pub sent: u64,
    /// Versions that came from there.
    pub came: u64,
    /// When everything was compared last.
    pub last_pass: Option<Timestamp>,
    /// How long that took, in milliseconds.
    pub last_pass_ms: u64,
    /// Keys on the server that say nothing that can be used; at most 20.
    pub garbage: Vec<String>,
    /// Documents that are held back; at most 20.
    pub held: Vec<String>,
    /// Tasks that somebody took from a queue and has not claimed, and when they come back; at most 20.
    pub popped: Vec<(String, Timestamp)>,
    /// Messages of other programs that were lost, or may have been, since this process follows.
    pub lost: u64,
    /// How often the connection was lost since then: what was published while there was none is not known.
    pub gaps: u64,
    /// The branch that is mirrored.
    pub branch: String,
    /// The process that keeps following, if there is one.
    pub follower: Option<u32>,
}

impl BackendHealth {
    /// Nothing is known yet of this server.
    #[must_use]
    pub fn of(target: &MirrorTarget) -> Self {
        Self { address: target.address.clone(), branch: target.branch.clone(), ..Self::default() }
    }

    /// Reads it; what is not understood is as good as not there.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text to keep.
    #[must_use]
    pub fn text(&self) -> String {
        let mut cut = self.clone();
        cut.garbage.truncate(NAMED_MAX);
        cut.held.truncate(NAMED_MAX);
        cut.popped.truncate(NAMED_MAX);
        serde_json::to_string(&cut).unwrap_or_default()
    }

    /// It stands so now.
    #[must_use]
    pub fn seen(self, state: BackendState, now: Timestamp) -> Self {
        let since = if self.state == state && self.since <= now { self.since } else { now };
        Self { state, since, checked: now, ..self }
    }

    /// The server answered.
    #[must_use]
    pub fn live(self, server: Option<String>, now: Timestamp) -> Self {
        let server = server.or_else(|| self.server.clone());
        Self { why: None, hint: None, failures: 0, retry_after_ms: 0, server, ..self.seen(BackendState::Live, now) }
    }

    /// Everything was compared and exchanged.
    pub(super) fn note_pass(&mut self, report: &PassReport, now: Timestamp) {
        self.sent += report.sent.len() as u64;
        self.came += report.came.len() as u64;
        self.last_pass = Some(now);
        self.last_pass_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
    }

    /// Takes over what waits for a person.
    pub(super) fn note_held(&mut self, report: &PassReport, removal: Option<HeldRemoval>) {
        let words = |pairs: &[(String, String)]| pairs.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        (self.garbage, self.held) = (words(&report.garbage), words(&report.held));
        self.held.extend(removal.map(|removal| format!("{removal}; {}", removal.hint())));
    }

    /// The server answered, but nothing is exchanged: another branch is checked out, or git is at work.
    #[must_use]
    pub fn paused(self, why: String, hint: Option<String>, now: Timestamp) -> Self {
        Self { why: Some(why), hint, failures: 0, retry_after_ms: 0, ..self.seen(BackendState::Paused, now) }
    }

    /// The server did not answer, or refused: it is left alone for a second, and twice as long after each further failure.
    #[must_use]
    pub fn failed(self, why: String, hint: Option<String>, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let retry_after_ms = 1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX).saturating_mul(RETRY_MIN_MS);
        let retry_after_ms = retry_after_ms.min(RETRY_MAX_MS);
        Self { why: Some(why), hint, failures, retry_after_ms, ..self.seen(BackendState::Down, now) }
    }

    /// Whether the server may be asked again. A clock that was set back makes nobody wait.
    #[must_use]
    pub fn may_try(&self, now: Timestamp) -> bool {
        self.state != BackendState::Down || age_ms(self.checked, now).is_none_or(|age| age >= self.retry_after_ms)
    }

    /// How long it is left alone yet.
    #[must_use]
    pub fn pause_left(&self, now: Timestamp) -> Duration {
        let left = age_ms(self.checked, now).map_or(0, |age| self.retry_after_ms.saturating_sub(age));
        Duration::from_millis(if self.state == BackendState::Down { left } else { 0 })
    }

    /// Whether somebody who follows said so a moment ago. A moment in the future counts as now.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        u128::from(age_ms(self.checked, now).unwrap_or(0)) < FRESH.as_millis()
    }
}

/// Milliseconds since a moment; `None` if it lies in the future.
fn age_ms(then: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(now.unix_ms().saturating_sub(then.unix_ms())).ok()
}

/// The health of one server as it stands in local state.
#[derive(Debug, Clone)]
pub struct HealthRecord {
    pub(super) store: Store,
    pub(super) backend: BackendId,
    /// Which server, without a password. What is recorded of another one does not count.
    pub(super) address: String,
}

impl HealthRecord {
    /// Which backend.
    #[must_use]
    pub const fn backend(&self) -> BackendId {
        self.backend
    }

    /// What was recorded last.
    #[must_use]
    pub fn read(&self) -> Option<BackendHealth> {
        let text = self.store.local.bridge_text(&self.backend.file(FILE)).ok().flatten()?;
        BackendHealth::read(&text).filter(|health| health.address == self.address)
    }

    /// Records it for other processes. It is not synced to the disk.
    ///
    /// # Errors
    /// [`Error::Store`] if it cannot be written.
    pub(super) fn write(&self, health: &BackendHealth) -> Result<(), Error> {
        Ok(self.store.local.note_bridge_text(&self.backend.file(FILE), &health.text())?)
    }

    /// Returns true if a process keeps mirroring.
    pub(super) fn is_followed(&self) -> bool {
        matches!(self.store.locks.is_followed(&self.backend.lock_name()), Ok(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_659_200_000 + ms)
    }

    fn failed(times: u32) -> BackendHealth {
        let fail = |health: BackendHealth, _| health.failed("dead".to_owned(), None, at(0));
        (0..times).fold(BackendHealth::default(), fail)
    }

    #[test]
    fn a_dead_server_is_left_alone_for_longer_each_time() {
        for (times, wait_ms) in [(1, 1_000), (2, 2_000), (3, 4_000), (6, 32_000), (7, 60_000), (200, 60_000)] {
            let health = failed(times);
            assert!(!health.may_try(at(0)) && !health.may_try(at(wait_ms - 1)), "{times}");
            assert!(health.may_try(at(wait_ms)), "{times}");
            assert_eq!(health.pause_left(at(1)).as_millis(), u128::from(wait_ms.unsigned_abs()) - 1);
        }
        assert!(BackendHealth::default().may_try(at(0)));
        let live = failed(3).live(Some("Redis 7".to_owned()), at(5));
        assert!(live.may_try(at(5)) && live.failures == 0 && live.why.is_none());
        assert_eq!(live.failed("again".to_owned(), None, at(6)).retry_after_ms, 1_000);
    }

    #[test]
    fn clocks_that_jump_keep_nobody_waiting() {
        let health = failed(9);
        assert!(health.may_try(at(-1)) && health.pause_left(at(-1)).is_zero());
        assert!(health.may_try(at(86_400_000)));
        let live = BackendHealth::default().live(None, at(0));
        for (ms, is_fresh) in [(0, true), (2_999, true), (3_000, false), (-3_600_000, true), (86_400_000, false)] {
            assert_eq!(live.is_fresh(at(ms)), is_fresh, "{ms}");
        }
        assert_eq!(live.clone().seen(BackendState::Live, at(-50)).since, at(-50));
        assert_eq!(live.seen(BackendState::Live, at(50)).since, at(0));
    }

    #[test]
    fn what_is_kept_is_read_back_and_anything_else_is_nothing() {
        let garbage = (0..30).map(|n| n.to_string()).collect();
        let health = BackendHealth { garbage, follower: Some(7), address: "redis://h:1/0".to_owned(), ..failed(2) };
        let back = BackendHealth::read(&health.text()).expect("kept");
        assert_eq!(back.garbage.len(), NAMED_MAX);
        assert_eq!((back.state, back.failures, back.follower), (BackendState::Down, 2, Some(7)));
        assert_eq!(BackendHealth::read("{}"), Some(BackendHealth::default()));
        assert_eq!(
            BackendHealth::read(r#"{"state": "live", "more": 1}"#).map(|health| health.state),
            Some(BackendState::Live)
        );
        for text in ["", "7", "{", r#"{"state": "odd"}"#] {
            assert_eq!(BackendHealth::read(text), None, "{text}");
        }
    }
}
