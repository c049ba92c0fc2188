//! Which follower of the files is live: what was asked for, what was found, and why not.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::core::config::Config;
use crate::core::entity::UnknownWord;
use crate::services::{Patience, Project, Stats};

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
    modes(project.config(), found.mode(), found.unreached)
}

/// What figures that were just taken say of it.
pub(super) fn of_stats(project: &Project, stats: &Stats) -> Modes {
    let why = stats.bridge.as_ref().and_then(|bridge| bridge.why.clone());
    match (project.config().text("coordination.mode"), why) {
        (Some("taskqueue"), None) => detect(project, Patience::Brief),
        (_, why) => modes(project.config(), stats.mode, why),
    }
}

fn modes(config: &Config, mode: &str, why: Option<String>) -> Modes {
    let is_taskqueue = config.text("coordination.mode") == Some("taskqueue");
    let wanted = if is_taskqueue { Mode::TaskQueue } else { Mode::Redis };
    Modes { mode: mode.parse().unwrap_or(Mode::Markdown), unreached: why.map(|why| Unreached { wanted, why }) }
}
