//! Which follower of the files is live: what was asked for, what was found, and why not. Opens no connection.

use std::fmt;
use std::str::FromStr;

use crate::config::Config;

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

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Auto, Self::Redis, Self::TaskQueue, Self::Markdown]
            .into_iter()
            .find(|mode| mode.word() == word)
            .ok_or(())
    }
}

/// A follower that was asked for by name and is not live.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Looks for a follower: the caller's wish goes before the setting `coordination.mode`.
pub(super) fn detect(wish: Option<Mode>, config: &Config) -> Modes {
    let set = || config.text("coordination.mode").and_then(|word| word.parse().ok());
    let wanted = wish.or_else(set).unwrap_or_default();
    let why = match wanted {
        Mode::Auto | Mode::Markdown => None,
        Mode::Redis => Some("this version has no bridge to Redis"),
        Mode::TaskQueue => Some("this version has no bridge to TaskQueue"),
    };
    Modes { mode: Mode::Markdown, unreached: why.map(|why| Unreached { wanted, why: why.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;
    use crate::config::Origin;

    #[test]
    fn a_wish_goes_before_the_setting_and_both_before_nothing() {
        let layer = Layer::from_json("config.json", r#"{"coordination": {"mode": "redis"}}"#);
        let redis = Config::resolve(vec![(Origin::User, layer)]);
        let none = Config::resolve(Vec::new());
        let wanted = |wish, config| detect(wish, config).unreached.map(|unreached| unreached.wanted);
        assert_eq!(wanted(None, &none), None);
        assert_eq!(wanted(None, &redis), Some(Mode::Redis));
        assert_eq!(wanted(Some(Mode::TaskQueue), &redis), Some(Mode::TaskQueue));
        assert_eq!(wanted(Some(Mode::Markdown), &redis), None);
        assert_eq!(detect(None, &redis).mode, Mode::Markdown);
    }
}
