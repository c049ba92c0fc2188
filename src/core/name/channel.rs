//! Channels on which events are told, and patterns of channels.

use std::fmt;
use std::str::FromStr;

use super::text::is_mark;
use super::{NameError, is_letter, kept, shown, visible};

/// Longest channel, in bytes.
pub const CHANNEL_BYTES_MAX: usize = 200;

/// Where an event is told: `tasks:events`, `training:progress`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(String);

impl Channel {
    /// Checks a text and takes it as a channel.
    ///
    /// # Errors
    /// [`NameError`] if it is empty, longer than [`CHANNEL_BYTES_MAX`] bytes, does not begin with a letter or digit, or has
    /// other characters than letters, digits, `-`, `_`, `.`, `:` and `/`.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = kept(text.into());
        check_channel("channel", &text, |_| false)?;
        Ok(Self(text))
    }

    /// The channel as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Channel {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// Which channels are wanted: a channel in which `*` stands for any text and `?` for any character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPattern(String);

impl ChannelPattern {
    /// Checks a text and takes it as a pattern.
    ///
    /// # Errors
    /// [`NameError`] if it could match no channel.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = kept(text.into());
        check_channel("pattern", &text, |c| matches!(c, '*' | '?'))?;
        Ok(Self(text))
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether a channel fits. It takes at most as many steps as the two lengths multiplied.
    #[must_use]
    pub fn fits(&self, channel: &Channel) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), channel.0.chars().collect());
        let (mut p, mut t) = (0, 0);
        // The last star, and where the text that it stands for ends so far.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            if p < pattern.len() && pattern[p] == '*' {
                star = Some((p, t));
                p += 1;
            } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
                p += 1;
                t += 1;
            } else if let Some((at, end)) = star {
                star = Some((at, end + 1));
                p = at + 1;
                t = end + 1;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChannelPattern {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

fn check_channel(what: &'static str, text: &str, also: impl Fn(char) -> bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > CHANNEL_BYTES_MAX {
        return Err(NameError::TooLong { what, text: shown(text), bytes: text.len(), max: CHANNEL_BYTES_MAX });
    }
    let mut before = None;
    for (index, c) in text.chars().enumerate() {
        let is_word = c.is_alphanumeric() || is_mark(c) && before.is_some_and(is_letter);
        before = Some(c);
        let fits = is_word || also(c) || index > 0 && matches!(c, '-' | '_' | '.' | ':' | '/');
        if !fits {
            let found = match c {
                ' ' => "a space".to_owned(),
                '-' | '_' | '.' | ':' | '/' => format!("`{c}` (it may not stand there)"),
                _ => format!("`{}` (use letters, digits, `-`, `_`, `.`, `:` and `/`)", visible(&c.to_string())),
            };
            return Err(NameError::Character { what, text: shown(text), found, position: index + 1 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_it_says() {
        for (pattern, channel, expected) in [
            ("*", "tasks:events", true),
            ("tasks:*", "tasks:events", true),
            ("tasks:*", "agents:events", false),
            ("*:events", "tasks:events", true),
            ("*:events", "tasks:events2", false),
            ("t?sks:*s", "tasks:events", true),
            ("tasks:events", "tasks:events", true),
            ("tasks:event", "tasks:events", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("a**", "a", true),
            ("?", "ä", true),
        ] {
            let pattern = ChannelPattern::new(pattern).expect("a pattern");
            assert_eq!(pattern.fits(&Channel::new(channel).expect("a channel")), expected, "{pattern} {channel}");
        }
    }

    #[test]
    fn a_channel_is_plain() {
        for text in ["", "a b", ":a", "a*", "a\n", "-a", "a`"] {
            assert!(Channel::new(text).is_err(), "{text:?}");
        }
        assert!(Channel::new("x".repeat(CHANNEL_BYTES_MAX + 1)).is_err());
        for text in ["a", "tasks:events", "a/b.c_d-e:1", "größe:1", "सूचना:1"] {
            assert!(Channel::new(text).is_ok(), "{text}");
        }
    }
}
