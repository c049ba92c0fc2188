//! Whether the wanted server is live: at once and for almost nothing, or with as much patience as the settings have.

use std::time::{Duration, Instant};

use super::backend::{AskLimit, Backend, ServerInfo};
use super::branch_guard::BranchGuard;
use super::health::{BackendHealth, BackendState, HealthRecord};
use crate::core::problem::Problem;
use crate::core::time::Timestamp;
use crate::services::{BackendId, Error, environment};

/// What a look of a command may cost in all, and the connection of it.
const BRIEF: Duration = Duration::from_millis(5);
const BRIEF_CONNECTION: Duration = Duration::from_millis(4);
/// What a look may cost when a long-lived client begins; less where the server did not answer before.
const OPENING: Duration = Duration::from_millis(250);
const OPENING_AGAIN: Duration = Duration::from_millis(50);
/// For how long a server that is too far away for such a look counts as seen.
const FAR_SEEN_MS: i64 = 60_000;
/// What to do about a server that cannot be asked at once.
const FAR_HINT: &str = "run `mycelium bridge detect`, or keep `mycelium watch` running";
/// The mode if no backend is live.
pub(super) const MARKDOWN: &str = "markdown";

/// How long may be waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A few milliseconds; nothing if the state is known.
    Brief,
    /// Once, for a quarter of a second at most: a client that begins, and says at once which server it has.
    Opening,
    /// As long and as often as the settings say.
    Full,
}

/// Which backends are live.
#[derive(Debug, Clone)]
pub struct Detected {
    /// Those that are configured, in the order in which they count.
    pub backends: Vec<DetectedBackend>,
    /// How long it took to know.
    pub took: Duration,
}

impl Detected {
    /// The mode by the name of the reference document: the first backend that is live, else `markdown`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        self.backends.iter().find(|found| found.is_live()).map_or(MARKDOWN, |found| found.backend.word())
    }

    /// The first backend that is configured and not live.
    #[must_use]
    pub fn unreached(&self) -> Option<&DetectedBackend> {
        self.backends.iter().find(|found| !found.is_live())
    }
}

/// A backend that is configured, and whether it is live.
#[derive(Debug, Clone)]
pub struct DetectedBackend {
    /// Which.
    pub backend: BackendId,
    /// Its address without a password, or its program; empty if the one in the settings makes no sense.
    pub address: String,
    /// Why it is not live.
    pub unreached: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The server, if it was asked just now.
    pub server: Option<ServerInfo>,
    /// What is known of it.
    pub health: Option<BackendHealth>,
}

/// How the bridge stands, for those who tell figures.
#[derive(Debug, Clone, PartialEq)]
pub struct BridgeStats {
    /// Which backend.
    pub backend: BackendId,
    /// The server's address, without a password; empty if the one in the settings makes no sense.
    pub address: String,
    /// What it calls itself.
    pub server: Option<String>,
    /// `live`, `down`, `paused`, `untrusted` or `broken`.
    pub state: &'static str,
    /// Why it is not live.
    pub why: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The branch that is mirrored.
    pub branch: String,
    /// Documents that differ from the server, or wait to go there, as far as was seen.
    pub behind: u64,
    /// When everything was compared last.
    pub last_pass: Option<Timestamp>,
    /// The process that keeps following.
    pub follower: Option<u32>,
}

impl BridgeStats {
    /// A server that is named and may not be used.
    pub(super) fn unusable(backend: BackendId, error: &Error) -> Self {
        let (why, hint, address) = (Some(error.to_string()), error.hint(), address_of(error));
        let state = if address.is_empty() { "broken" } else { "untrusted" };
        let (server, branch, last_pass, follower) = (None, String::new(), None, None);
        Self { backend, address, server, state, why, hint, branch, behind: 0, last_pass, follower }
    }
}

impl DetectedBackend {
    /// Returns true if it is live.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.unreached.is_none()
    }

    /// A server that is named and may not be used.
    pub(super) fn unusable(backend: BackendId, error: &Error) -> Self {
        let (why, hint) = (Some(error.to_string()), error.hint().filter(|hint| !hint.is_empty()));
        Self { backend, address: address_of(error), unreached: why, hint, server: None, health: None }
    }

    fn of(backend: BackendId, health: BackendHealth, server: Option<ServerInfo>) -> Self {
        let is_live = health.state == BackendState::Live;
        Self {
            backend,
            address: health.address.clone(),
            unreached: (!is_live).then(|| health.why.clone().unwrap_or_else(|| "it was not reached".to_owned())),
            hint: health.hint.clone().filter(|_| !is_live),
            server,
            health: Some(health),
        }
    }
}

/// The address of a server that may not be used.
fn address_of(error: &Error) -> String {
    match error {
        Error::UntrustedServer { address } | Error::NotEnabled { address } | Error::UnagreedServer { address, .. } => {
            address.clone()
        }
        _ => String::new(),
    }
}

/// Finds out whether a server is live.
#[derive(Debug)]
pub(super) struct Detector<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) record: HealthRecord,
    pub(super) branch: BranchGuard<'a>,
}

impl Detector<'_> {
    /// Asks the server, or believes what was recorded a moment ago. `began` is when the command began that waits for this.
    pub(super) fn detect(&self, patience: Patience, began: Instant) -> DetectedBackend {
        let (health, server) = self.health(patience, began);
        DetectedBackend::of(self.record.backend, health, server)
    }

    fn health(&self, patience: Patience, began: Instant) -> (BackendHealth, Option<ServerInfo>) {
        let now = environment::now();
        let before = self.record.read().unwrap_or_else(|| BackendHealth::of(self.backend.target()));
        // A client that begins asks for itself, unless another process follows the server.
        let may_believe = patience == Patience::Brief || patience == Patience::Opening && self.is_followed(&before);
        if may_believe && let Some(health) = self.just_seen(&before, now) {
            return (health, None);
        }
        if patience == Patience::Brief && !before.may_try(now) {
            return (with_pause(before, now), None);
        }
        if patience != Patience::Full && !self.backend.answers_at_once() {
            return (self.as_seen(before, now), None);
        }
        let limit = match patience {
            Patience::Brief => AskLimit::Once(BRIEF.saturating_sub(began.elapsed()).min(BRIEF_CONNECTION)),
            Patience::Opening if before.may_try(now) => AskLimit::Once(OPENING),
            Patience::Opening => AskLimit::Once(OPENING_AGAIN),
            Patience::Full => AskLimit::AsConfigured,
        };
        let answer = self.backend.ask(limit);
        // A refusal and any other answer count at once. Only silence says nothing of a server that is far away.
        let is_far = u128::from(before.answer_ms) >= BRIEF_CONNECTION.as_millis();
        if patience == Patience::Brief && is_far && answer.as_ref().is_err_and(Error::is_silence) {
            return (from_afar(before, now), None);
        }
        let health = self.judged(before.clone(), &answer);
        let is_news = health.state != before.state || health.state != BackendState::Live || !before.is_fresh(now);
        if is_news {
            // If it cannot be written, the next process asks for itself.
            let _ = self.record.write(&health);
        }
        (health, answer.ok())
    }

    /// What was seen last of a server that takes too long to start.
    fn as_seen(&self, health: BackendHealth, now: Timestamp) -> BackendHealth {
        if let Some(why) = self.branch.pause(self.backend.target()) {
            return health.paused(why, Some(self.backend.target().pause_hint().to_owned()), now);
        }
        let is_old = now.unix_ms().saturating_sub(health.checked.unix_ms()) > FAR_SEEN_MS;
        let is_known = match health.state {
            BackendState::Live => !is_old,
            BackendState::Down => health.why.is_some(),
            BackendState::Paused => false,
        };
        if is_known {
            return health;
        }
        BackendHealth {
            state: BackendState::Down,
            why: Some("it is not running: no process follows it".to_owned()),
            hint: Some(FAR_HINT.to_owned()),
            ..health
        }
    }

    /// What was recorded a moment ago by a follower or, if the server was live, by any process.
    fn just_seen(&self, before: &BackendHealth, now: Timestamp) -> Option<BackendHealth> {
        if !before.is_fresh(now) || before.state != BackendState::Live && !self.is_followed(before) {
            return None;
        }
        match (before.state, self.branch.pause(self.backend.target())) {
            (BackendState::Live, Some(why)) => {
                Some(before.clone().paused(why, Some(self.backend.target().pause_hint().to_owned()), now))
            }
            // A follower knows of more reasons: git is at work, or the server has another branch.
            _ => Some(before.clone()),
        }
    }

    fn is_followed(&self, health: &BackendHealth) -> bool {
        health.follower.is_some_and(|pid| self.record.store.local.is_running(pid))
    }

    fn judged(&self, before: BackendHealth, answer: &Result<ServerInfo, Error>) -> BackendHealth {
        let now = environment::now();
        let server = match answer {
            Ok(server) => server,
            Err(error) => return before.failed(error.to_string(), error.hint(), now),
        };
        let answer_ms = u64::try_from(server.answered_in.as_millis()).unwrap_or(u64::MAX);
        let live = BackendHealth { answer_ms, ..before.live(Some(server.name.clone()), now) };
        match self.branch.pause(self.backend.target()) {
            Some(why) => live.paused(why, Some(self.backend.target().pause_hint().to_owned()), now),
            None => live,
        }
    }
}

/// With the time that is left until the next try, for the message.
fn with_pause(health: BackendHealth, now: Timestamp) -> BackendHealth {
    let left = health.pause_left(now).as_millis().div_ceil(1_000);
    let why = health.why.as_deref().unwrap_or("it did not answer");
    BackendHealth { why: Some(format!("{why} (tried again in {left} s)")), ..health }
}

/// A server that cannot answer within a brief look is as it was seen last, for a while.
fn from_afar(health: BackendHealth, now: Timestamp) -> BackendHealth {
    let is_old = now.unix_ms().saturating_sub(health.checked.unix_ms()) > FAR_SEEN_MS;
    if health.state != BackendState::Live || !is_old {
        return health;
    }
    BackendHealth {
        state: BackendState::Down,
        why: Some(format!("its answers take {} ms, and none was asked for within a minute", health.answer_ms)),
        hint: Some(FAR_HINT.to_owned()),
        ..health
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_far_away_counts_as_seen_for_a_minute() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_760_659_200_000 + ms);
        let seen = BackendHealth { answer_ms: 20, ..BackendHealth::default().live(None, at(0)) };
        for (ms, state) in [
            (0, BackendState::Live),
            (60_000, BackendState::Live),
            (60_001, BackendState::Down),
            (-9, BackendState::Live),
        ] {
            assert_eq!(from_afar(seen.clone(), at(ms)).state, state, "{ms}");
        }
        let dead = seen.failed("dead".to_owned(), None, at(0));
        assert_eq!(from_afar(dead.clone(), at(99_999)).why, Some("dead".to_owned()));
        assert_eq!(with_pause(dead, at(1)).why, Some("dead (tried again in 1 s)".to_owned()));
    }
}
