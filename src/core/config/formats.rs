//! Saved formats: templates that the user or the repository gave a name, under `formats`. Their texts are not looked into
//! here.

use serde_json::Value;

use super::{Config, Layer, Origin};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::name::visible;

/// The group of keys that holds them.
pub const FORMATS: &str = "formats";
/// Longest format, in bytes.
pub const FORMAT_BYTES_MAX: usize = 4 * 1024;
/// Longest name of one, in bytes.
const NAME_BYTES_MAX: usize = 40;

/// A format as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The template.
    pub text: String,
    /// Who saved it.
    pub origin: Origin,
}

impl Config {
    /// The saved formats by name.
    pub fn formats(&self) -> impl Iterator<Item = (&str, &Saved)> {
        self.formats.iter().map(|(name, saved)| (name.as_str(), saved))
    }

    /// One of them.
    #[must_use]
    pub fn format(&self, name: &str) -> Option<&Saved> {
        self.formats.get(name)
    }
}

impl Layer {
    pub(super) fn take_formats(&mut self, origin: &str, value: &Value) {
        let Value::Object(map) = value else {
            let message = format!("{origin}: `{FORMATS}` is not an object of names and templates");
            return self.findings.push(Diagnostic::error(Code::BadConfigValue, message).hint(HINT));
        };
        for (name, text) in map {
            match check(name, text) {
                Ok(text) => {
                    self.formats.insert(name.clone(), text);
                }
                Err(why) => {
                    let message = format!("{origin}: `{FORMATS}.{}` {why}", visible(name));
                    self.findings.push(Diagnostic::error(Code::BadConfigValue, message).hint(HINT));
                }
            }
        }
    }
}

const HINT: &str = "run `mycelium config set formats.NAME '{{id}} {{title}}'` with a name and a template that fit";

/// The name of the format that a key (`formats.short`) stands for, if it is such a key.
#[must_use]
pub fn format_name(key: &str) -> Option<&str> {
    key.strip_prefix(FORMATS)?.strip_prefix('.')
}

/// Checks name and value of a format.
///
/// # Errors
/// Why they do not fit, to follow the key's name.
pub fn check(name: &str, value: &Value) -> Result<String, String> {
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !starts || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
        return Err("is no name for a format: use small letters, digits, `-` and `_`".to_owned());
    }
    match value.as_str() {
        Some(text) if text.len() <= FORMAT_BYTES_MAX => Ok(text.to_owned()),
        Some(_) => Err(format!("is longer than {FORMAT_BYTES_MAX} bytes")),
        None => Err(format!("is {}, not a text", visible(&value.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_replace_a_format_by_name() {
        let layer = |text: &str| Layer::from_json("c.json", text);
        let config = Config::resolve(vec![
            (Origin::User, layer(r#"{"formats": {"short": "{{id}}", "mine": "{{title}}"}}"#)),
            (Origin::Repository, layer(r#"{"formats": {"short": "{{id}}!"}}"#)),
        ]);
        let all: Vec<_> = config.formats().map(|(name, saved)| (name, saved.text.as_str(), saved.origin)).collect();
        assert_eq!(all, [("mine", "{{title}}", Origin::User), ("short", "{{id}}!", Origin::Repository)]);
        assert_eq!(config.findings, vec![]);
    }

    #[test]
    fn what_does_not_fit_is_a_finding() {
        let long = format!(r#"{{"formats": {{"x": "{}"}}}}"#, "x".repeat(FORMAT_BYTES_MAX + 1));
        for text in [
            r#"{"formats": 1}"#,
            r#"{"formats": {"A": "x"}}"#,
            r#"{"formats": {"a.b": "x"}}"#,
            r#"{"formats": {"a": 1}}"#,
            &long,
        ] {
            let config = Config::resolve(vec![(Origin::Repository, Layer::from_json("c.json", text))]);
            assert_eq!((config.findings.len(), config.formats().count()), (1, 0), "{text}");
        }
        assert!(check("x", &Value::from("x".repeat(FORMAT_BYTES_MAX))).is_ok());
    }
}
