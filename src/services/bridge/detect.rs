//! Whether the wanted server is live: at once and for almost nothing, or with as much patience as the settings have.

use std::time::{Duration, Instant};

use super::super::{Project, environment};
use super::health::{Health, State};
use super::wanted::{AGREE, Target, Wanted};
use crate::adapters::redis::{BridgeError, Link, Server};
use crate::core::problem::Problem;
use crate::core::time::Timestamp;

/// What a look of a command may cost in all, and the connection of it.
const BRIEF: Duration = Duration::from_millis(5);
const BRIEF_CONNECTION: Duration = Duration::from_millis(4);
/// What a look may cost when a long-lived client begins; less where the server did not answer before.
const OPENING: Duration = Duration::from_millis(250);
const OPENING_AGAIN: Duration = Duration::from_millis(50);
/// For how long a server that is too far away for such a look counts as seen.
const FAR_SEEN_MS: i64 = 60_000;
/// The followers by their names.
const REDIS: &str = "redis";
const MARKDOWN: &str = "markdown";

/// How long may be waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A few milliseconds, and nothing at all where somebody knows already.
    Brief,
    /// Once, for a quarter of a second at most: a client that begins, and says at once which server it has.
    Opening,
    /// As long and as often as the settings say.
    Full,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Detected {
    /// The follower that is live: `redis`, or `markdown` where none is.
    pub mode: &'static str,
    /// Why the server that is wanted is not live.
    pub unreached: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The server, if it was asked just now.
    pub server: Option<Server>,
    /// What is known of it.
    pub health: Option<Health>,
    /// How long it took to know.
    pub took: Duration,
}

/// How the bridge stands, for those who tell figures.
#[derive(Debug, Clone, PartialEq)]
pub struct BridgeStats {
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

impl Detected {
    fn none(unreached: Option<String>, hint: Option<String>) -> Self {
        Self { mode: MARKDOWN, unreached, hint, server: None, health: None, took: Duration::ZERO }
    }

    fn of(health: Health, server: Option<Server>) -> Self {
        let is_live = health.state == State::Live;
        Self {
            mode: if is_live { REDIS } else { MARKDOWN },
            unreached: (!is_live).then(|| health.why.clone().unwrap_or_else(|| "it was not reached".to_owned())),
            hint: health.hint.clone().filter(|_| !is_live),
            server,
            health: Some(health),
            took: Duration::ZERO,
        }
    }
}

impl Project {
    /// Which follower is live. With little patience it costs no more than 5 ms, and nothing where none is wanted, where it
    /// was seen a moment ago, or where the server did not answer of late.
    #[must_use]
    pub fn detect_bridge(&self, patience: Patience) -> Detected {
        let began = Instant::now();
        let found = match self.wanted_bridge() {
            Wanted::Nothing if self.config.text("coordination.mode") == Some("taskqueue") => {
                Detected::none(Some("this version has no bridge to TaskQueue".to_owned()), None)
            }
            Wanted::Nothing => Detected::none(None, None),
            Wanted::Untrusted { address } => Detected::none(Some(untrusted(&address)), Some(TRUST.to_owned())),
            Wanted::Unagreed { address, why } => {
                Detected::none(Some(format!("the server {address} {why}")), Some(AGREE.to_owned()))
            }
            Wanted::Broken { why, hint } => Detected::none(Some(why), Some(hint)),
            Wanted::Redis(target) => self.look_at(&target, patience, began),
        };
        Detected { took: began.elapsed(), ..found }
    }

    /// How the bridge stands, by a look that costs no more than 5 ms; `None` where no server is wanted.
    #[must_use]
    pub fn bridge_stats(&self) -> (&'static str, Option<BridgeStats>) {
        let stats = |address: String, state, why, hint| BridgeStats {
            address,
            server: None,
            state,
            why: Some(why),
            hint: Some(hint),
            branch: String::new(),
            behind: 0,
            last_pass: None,
            follower: None,
        };
        let target = match self.wanted_bridge() {
            Wanted::Nothing => return (MARKDOWN, None),
            Wanted::Untrusted { address } => {
                let why = untrusted(&address);
                return (MARKDOWN, Some(stats(address, "untrusted", why, TRUST.to_owned())));
            }
            Wanted::Unagreed { address, why } => {
                let why = format!("the server {address} {why}");
                return (MARKDOWN, Some(stats(address, "untrusted", why, AGREE.to_owned())));
            }
            Wanted::Broken { why, hint } => return (MARKDOWN, Some(stats(String::new(), "broken", why, hint))),
            Wanted::Redis(target) => target,
        };
        let found = self.look_at(&target, Patience::Brief, Instant::now());
        let health = found.health.unwrap_or_else(|| Health::of(&target));
        let told = BridgeStats {
            address: target.address(),
            server: health.server,
            state: health.state.word(),
            why: found.unreached,
            hint: found.hint,
            branch: target.branch,
            behind: health.behind,
            last_pass: health.last_pass,
            follower: health.follower.filter(|pid| self.store.is_running(*pid)),
        };
        (found.mode, Some(told))
    }

    fn look_at(&self, target: &Target, patience: Patience, began: Instant) -> Detected {
        let now = environment::now();
        let before = self.bridge_health(target).unwrap_or_else(|| Health::of(target));
        // A client that begins asks for itself, unless somebody follows the server.
        let may_believe = patience == Patience::Brief || patience == Patience::Opening && self.is_followed(&before);
        if may_believe && let Some(health) = self.just_seen(&before, target, now) {
            return Detected::of(health, None);
        }
        if patience == Patience::Brief && !before.may_try(now) {
            return Detected::of(with_pause(before, now), None);
        }
        let (answer, after) = match patience {
            Patience::Brief => {
                let left = BRIEF.saturating_sub(began.elapsed()).min(BRIEF_CONNECTION);
                (Link::connect(&target.settings, left).map(|link| link.server().clone()), began.elapsed())
            }
            Patience::Opening => {
                let most = if before.may_try(now) { OPENING } else { OPENING_AGAIN };
                let begins = Instant::now();
                let most = most.min(target.settings.connection_timeout);
                (Link::connect(&target.settings, most).map(|link| link.server().clone()), begins.elapsed())
            }
            Patience::Full => connect(target),
        };
        // A refusal and any other answer count at once. Only silence says nothing of a server that is far away.
        let is_far = u128::from(before.answer_ms) >= BRIEF_CONNECTION.as_millis();
        if patience == Patience::Brief && is_far && matches!(answer, Err(BridgeError::TimedOut { .. })) {
            return Detected::of(from_afar(before, now), None);
        }
        let health = self.judged(before.clone(), target, &answer, after);
        let is_news = health.state != before.state || health.state != State::Live || !before.is_fresh(now);
        if is_news {
            // Where it cannot be written, the next one looks for itself.
            let _ = self.note_bridge_health(&health);
        }
        Detected::of(health, answer.ok())
    }

    /// What was seen a moment ago, by a follower or, if it was live, by anybody.
    fn just_seen(&self, before: &Health, target: &Target, now: Timestamp) -> Option<Health> {
        if !before.is_fresh(now) || before.state != State::Live && !self.is_followed(before) {
            return None;
        }
        match (before.state, self.pause(target)) {
            (State::Live, Some(why)) => Some(before.clone().paused(why, Some(target.pause_hint().to_owned()), now)),
            // Whoever follows knows of more reasons: git is at work, or the server has another branch.
            _ => Some(before.clone()),
        }
    }

    fn is_followed(&self, health: &Health) -> bool {
        health.follower.is_some_and(|pid| self.store.is_running(pid))
    }

    fn judged(&self, before: Health, target: &Target, answer: &Result<Server, BridgeError>, after: Duration) -> Health {
        let now = environment::now();
        let server = match answer {
            Ok(server) => server,
            Err(error) => return before.failed(error.to_string(), error.hint(), now),
        };
        if server.is_replica {
            let error = BridgeError::ReadOnly { address: target.address() };
            return before.failed(error.to_string(), error.hint(), now);
        }
        let answer_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let live = Health { answer_ms, ..before.live(Some(server.name.clone()), now) };
        match self.pause(target) {
            Some(why) => live.paused(why, Some(target.pause_hint().to_owned()), now),
            None => live,
        }
    }

    /// Why nothing is mirrored here now: another branch is checked out.
    #[must_use]
    pub fn pause(&self, target: &Target) -> Option<String> {
        self.repository.as_ref().filter(|_| self.config.text("commit.branch").is_none())?;
        if target.branch.is_empty() {
            return Some(format!("paused: {}", super::course::NO_BRANCH));
        }
        let head = self.records().head().ok().flatten()?;
        let here = head.branch.unwrap_or_else(|| "no branch".to_owned());
        let is_other = here != target.branch;
        is_other.then(|| {
            let shown = crate::core::name::visible;
            format!("paused: `{}` is mirrored, and {} is checked out", shown(&target.branch), shown(&here))
        })
    }
}

const TRUST: &str = "run `mycelium bridge enable` if you trust that server";

fn untrusted(address: &str) -> String {
    format!("the server {address} is named by the repository, and you have not agreed to it")
}

/// As long and as often as the settings say. What more patience does not change is not tried again.
fn connect(target: &Target) -> (Result<Server, BridgeError>, Duration) {
    let mut tries = 1;
    loop {
        let began = Instant::now();
        let answer = Link::connect(&target.settings, target.settings.connection_timeout);
        let is_final = match &answer {
            Ok(_) => true,
            Err(error) => matches!(
                error,
                BridgeError::Authentication { .. } | BridgeError::Tls { .. } | BridgeError::Cluster { .. }
            ),
        };
        if is_final || tries >= target.retry_attempts {
            return (answer.map(|link| link.server().clone()), began.elapsed());
        }
        tries += 1;
        std::thread::sleep(target.retry_delay);
    }
}

/// With the pause that is left, so that nobody wonders why it is not tried.
fn with_pause(health: Health, now: Timestamp) -> Health {
    let left = health.pause_left(now).as_millis().div_ceil(1_000);
    let why = health.why.as_deref().unwrap_or("it did not answer");
    Health { why: Some(format!("{why} (tried again in {left} s)")), ..health }
}

/// A server that cannot answer within a brief look is as it was seen last, for a while.
fn from_afar(health: Health, now: Timestamp) -> Health {
    let is_old = now.unix_ms().saturating_sub(health.checked.unix_ms()) > FAR_SEEN_MS;
    if health.state != State::Live || !is_old {
        return health;
    }
    Health {
        state: State::Down,
        why: Some(format!("its answers take {} ms, and none was asked for within a minute", health.answer_ms)),
        hint: Some("run `mycelium bridge detect`, or keep `mycelium watch` running".to_owned()),
        ..health
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_far_away_counts_as_seen_for_a_minute() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_760_659_200_000 + ms);
        let seen = Health { answer_ms: 20, ..Health::default().live(None, at(0)) };
        for (ms, state) in [(0, State::Live), (60_000, State::Live), (60_001, State::Down), (-9, State::Live)] {
            assert_eq!(from_afar(seen.clone(), at(ms)).state, state, "{ms}");
        }
        let dead = seen.failed("dead".to_owned(), None, at(0));
        assert_eq!(from_afar(dead.clone(), at(99_999)).why, Some("dead".to_owned()));
        assert_eq!(with_pause(dead, at(1)).why, Some("dead (tried again in 1 s)".to_owned()));
    }
}
