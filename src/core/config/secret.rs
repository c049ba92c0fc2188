//! What of a setting may be shown: passwords stay hidden wherever a setting is told, in answers, findings and debug prints.

use std::fmt;

use serde_json::Value;

use super::{Key, Layer, Setting};

/// What stands in place of a password.
pub const HIDDEN: &str = "(hidden)";

const PASSWORD: &str = "coordination.redis.password";
const ADDRESS: &str = "coordination.redis.url";

/// The parts of a query that hold a password.
const SECRET_PARTS: [&str; 3] = ["pass", "password", "pw"];

impl Key {
    /// The value as it may be shown: a password is hidden, and so is the one in an address.
    #[must_use]
    pub fn shown(&self, value: &Value) -> Value {
        match (self.name, value) {
            (PASSWORD, Value::Null) => Value::Null,
            (PASSWORD, Value::String(text)) if text.is_empty() => value.clone(),
            (ADDRESS, Value::String(text)) => with_password(text, HIDDEN).into(),
            // Whatever shape it has, there may be one in it.
            (PASSWORD, _) | (ADDRESS, Value::Array(_) | Value::Object(_)) => HIDDEN.into(),
            _ => value.clone(),
        }
    }

    /// Tells whether the value holds a password.
    #[must_use]
    pub fn holds_password(&self, value: &Value) -> bool {
        match (self.name, value) {
            (PASSWORD, Value::String(text)) => !text.is_empty(),
            (ADDRESS, Value::String(text)) => with_password(text, HIDDEN) != *text,
            _ => false,
        }
    }
}

impl Layer {
    /// Returns true if one of the values holds a password.
    #[must_use]
    pub fn holds_password(&self) -> bool {
        self.values().any(|(name, value)| super::key(name).is_some_and(|key| key.holds_password(value)))
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} ({})", self.key.name, self.key.shown(&self.value), self.origin)
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |(name, value): (&str, &Value)| super::key(name).map_or_else(|| value.clone(), |key| key.shown(value));
        f.debug_map().entries(self.values().map(|pair| (pair.0, shown(pair)))).finish()
    }
}

/// Settings as key and text, to be printed for debugging.
pub struct Shown<'a>(pub &'a [(String, String)]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, text)| {
            let value = Value::from(text.as_str());
            (name, super::key(name).map_or_else(|| value.clone(), |key| key.shown(&value)))
        });
        f.debug_map().entries(shown).finish()
    }
}

/// The address of a server without any password in it.
#[must_use]
pub fn without_password(address: &str) -> String {
    with_password(address, "")
}

/// The address with this in place of every password. Everything before the last `@` may be a user with a password,
/// whatever signs are in it: rather too much is hidden than too little.
fn with_password(address: &str, hidden: &str) -> String {
    let (scheme, rest) = address.find("://").map_or(("", address), |at| address.split_at(at + 3));
    let rest = match rest.rfind('@') {
        None => rest.to_owned(),
        Some(at) => {
            let host = &rest[at..];
            match rest[..at].split_once(':') {
                None => rest.to_owned(),
                Some((user, "")) => format!("{user}:{host}"),
                Some((user, _)) if hidden.is_empty() => match user {
                    "" => host[1..].to_owned(),
                    user => format!("{user}{host}"),
                },
                Some((user, _)) => format!("{user}:{hidden}{host}"),
            }
        }
    };
    let Some((before, query)) = rest.split_once('?') else { return format!("{scheme}{rest}") };
    let parts = query.split('&').filter_map(|part| match part.split_once('=') {
        Some((name, value)) if SECRET_PARTS.contains(&name.to_ascii_lowercase().as_str()) && !value.is_empty() => {
            (!hidden.is_empty()).then(|| format!("{name}={hidden}"))
        }
        _ => Some(part.to_owned()),
    });
    let parts: Vec<String> = parts.collect();
    let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
    format!("{scheme}{before}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{Config, Layer, Origin, key};

    #[test]
    fn no_password_is_left_in_an_address() {
        for (address, without, hidden) in [
            ("redis://h:6379/1", "redis://h:6379/1", "redis://h:6379/1"),
            ("redis://:pw@h:6379", "redis://h:6379", "redis://:(hidden)@h:6379"),
            ("rediss://me:pw@h/2", "rediss://me@h/2", "rediss://me:(hidden)@h/2"),
            ("rediss://me@h", "rediss://me@h", "rediss://me@h"),
            ("redis://me:p/w?d#@x@h", "redis://me@h", "redis://me:(hidden)@h"),
            ("me:pw@h", "me@h", "me:(hidden)@h"),
            ("redis://:pw@a,b:1", "redis://a,b:1", "redis://:(hidden)@a,b:1"),
            (
                "unix:///run/r?db=1&pass=pw&user=me",
                "unix:///run/r?db=1&user=me",
                "unix:///run/r?db=1&pass=(hidden)&user=me",
            ),
            ("unix:///run/r?Password=pw", "unix:///run/r", "unix:///run/r?Password=(hidden)"),
            ("", "", ""),
        ] {
            assert_eq!(without_password(address), without);
            assert_eq!(with_password(address, HIDDEN), hidden);
            assert!(!without_password(address).contains("pw"));
        }
    }

    #[test]
    fn no_debug_print_and_no_finding_shows_a_password() {
        let text = r#"{"coordination": {"redis": {"url": "redis://me:geheim@h", "password": "geheim"}}}"#;
        let config = Config::resolve(vec![(Origin::Repository, Layer::from_json("c", text))]);
        assert_eq!(config.text(PASSWORD), Some("geheim"));
        for text in [
            r#"{"coordination": {"redis": {"url": ["redis://me:geheim@h"], "password": 4711}}}"#,
            r#"{"coordination": {"redis": {"url": {"geheim": 4711}, "password": {"x": "geheim"}}}}"#,
        ] {
            let config = Config::resolve(vec![(Origin::User, Layer::from_json("c", text))]);
            let said = format!("{config:?} {:?}", Layer::from_json("c", text));
            assert_eq!(config.findings.len(), 2);
            assert!(!said.contains("geheim") && !said.contains("4711"), "{said}");
        }
        let flags = [(PASSWORD.to_owned(), "geheim".to_owned()), (ADDRESS.to_owned(), "redis://:geheim@h".to_owned())];
        let said = format!("{config:?} {:?} {:?}", Layer::from_json("c", text), Shown(&flags));
        assert!(!said.contains("geheim"), "{said}");
        assert_eq!(config.findings.len(), 2, "{said}");
        let held = |name: &str, text: &str| key(name).is_some_and(|key| key.holds_password(&Value::from(text)));
        assert!(held(PASSWORD, "x") && held(ADDRESS, "redis://:x@h"));
        assert!(!held(PASSWORD, "") && !held(ADDRESS, "redis://h") && !held("commit.branch", "redis://:x@h"));
    }
}
