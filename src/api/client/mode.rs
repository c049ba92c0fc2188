//! Which follower of the files is live: what was asked for, what was found, and why not.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::core::entity::UnknownWord;
use crate::services::{BackendHealth, BackendId, BackendState, Patience, Project, Stats};

/// A follower of the files, by the name that the reference document gives to a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Whichever is to be had, in the order Redis, `TaskQueue`, none.
    #[default]
    Auto,
    /// A Redis or Valkey server.
    Redis,
    /// A `TaskQueue` server.
    TaskQueue,
    /// The files alone.
    Markdown,
}

impl Mode {
    const fn of(backend: BackendId) -> Self {
        match backend {
            BackendId::Redis => Self::Redis,
            BackendId::TaskQueue => Self::TaskQueue,
        }
    }

    /// Its word, as in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Redis => "redis",
            Self::TaskQueue => "taskqueue",
            Self::Markdown => "markdown",
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Mode {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        const KNOWN: &str = "auto, redis, taskqueue, markdown";
        let all = [Self::Auto, Self::Redis, Self::TaskQueue, Self::Markdown];
        let unknown = || UnknownWord::new("mode", word, KNOWN, &all.map(Self::word));
        all.into_iter().find(|mode| mode.word() == word).ok_or_else(unknown)
    }
}

/// A follower that was asked for, by its name or by an address, and is not live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unreached {
    /// Which.
    pub wanted: Mode,
    /// Why it is not live, in words.
    pub why: String,
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Modes {
    /// The follower that is live.
    pub(super) mode: Mode,
    /// The one that should be.
    pub(super) unreached: Option<Unreached>,
}

/// Looks for a follower, as the project's settings ask for.
pub(super) fn detect(project: &Project, patience: Patience) -> Modes {
    let found = project.bridge().detect(patience);
    let unreached = found.unreached().map(|found| (found.backend, found.unreached.clone().unwrap_or_default()));
    modes(found.mode(), unreached)
}

/// What figures that were just taken say of it.
pub(super) fn of_stats(stats: &Stats) -> Modes {
    let down = stats.bridges.iter().find(|bridge| bridge.why.is_some());
    modes(stats.mode, down.map(|bridge| (bridge.backend, bridge.why.clone().unwrap_or_default())))
}

/// What was written down of the backends says of it.
pub(super) fn of_health(known: Vec<(BackendId, BackendHealth)>) -> Modes {
    let is_live = |health: &BackendHealth| health.state == BackendState::Live;
    let live = known.iter().find(|(_, health)| is_live(health)).map(|(backend, _)| Mode::of(*backend));
    let down = known.into_iter().find(|(_, health)| !is_live(health));
    let why = |health: BackendHealth| health.why.unwrap_or_else(|| "it was not reached".to_owned());
    let unreached = down.map(|(backend, health)| Unreached { wanted: Mode::of(backend), why: why(health) });
    Modes { mode: live.unwrap_or(Mode::Markdown), unreached }
}

fn modes(mode: &str, unreached: Option<(BackendId, String)>) -> Modes {
    let unreached = unreached.map(|(backend, why)| Unreached { wanted: Mode::of(backend), why });
    Modes { mode: mode.parse().unwrap_or(Mode::Markdown), unreached }
}
