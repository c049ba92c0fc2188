//! Configuration: the known settings and how layers of them become one. Reads no file and no environment; it is given both as text.

mod formats;
mod place;
mod secret;
mod setting;

pub use formats::{FORMAT_BYTES_MAX, FORMATS, Saved, check as check_format, format_name};
pub use secret::{HIDDEN, Shown, without_password};
pub use setting::{KEYS, Key, Rule, key};

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::core::diagnostic::{Code, Diagnostic, Place};
use crate::core::name::visible;

/// Largest configuration file, in bytes.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Where the repository's configuration lies, below the work tree.
pub const REPOSITORY_CONFIG: &str = ".mycelium/config.json";

/// Where a value comes from; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    /// The user's own file.
    User,
    /// What this clone agreed on before, for a commit that is checked out and says nothing of it.
    Clone,
    /// The repository's file: anyone who can push can write it, so it may not loosen safety.
    Repository,
    /// An environment variable.
    Environment,
    /// A command-line flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::User => "user",
            Self::Clone => "clone",
            Self::Repository => "repository",
            Self::Environment => "environment",
            Self::Flag => "flag",
        })
    }
}

/// Values from one place, by full key (`commit.author`).
#[derive(Clone, Default)]
pub struct Layer {
    values: BTreeMap<String, Value>,
    formats: BTreeMap<String, String>,
    /// What was wrong with the text.
    pub findings: Vec<Diagnostic>,
    /// The first of our own variables that does not fit.
    refused: Option<Diagnostic>,
}

impl Layer {
    /// Reads a configuration file's text. `name` is the file as the user would write it.
    #[must_use]
    pub fn from_json(name: &str, text: &str) -> Self {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(map)) => {
                let mut layer = Self::default();
                layer.take(&Source { name, places: place::places(text) }, "", &map);
                layer
            }
            Ok(_) => Self::broken(format!("{name}:1:1: the configuration is not a JSON object")),
            Err(error) => {
                // An empty file says nothing; that is no fault in it.
                if text.trim().is_empty() {
                    return Self::default();
                }
                let (line, column) = (error.line().max(1), error.column().max(1));
                let words = error.to_string();
                let why = words.split(" at line ").next().unwrap_or(&words);
                Self::broken(format!("{name}:{line}:{column}: {why}"))
            }
        }
    }

    /// Reads the environment: the variables of the reference document, and `MYCELIUM_` + key with `_` for `.`.
    #[must_use]
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut layer = Self::default();
        for key in KEYS {
            let own = format!("MYCELIUM_{}", key.name.to_uppercase().replace('.', "_"));
            let found = [Some(own.as_str()), key.variable]
                .into_iter()
                .flatten()
                .find_map(|name| lookup(name).filter(|text| !text.is_empty()).map(|text| (name.to_owned(), text)));
            if let Some((name, text)) = found {
                match key.read(&text) {
                    Ok(value) => drop(layer.values.insert(key.name.to_owned(), value)),
                    Err(why) => layer.refuse(&name, key, &why),
                }
            }
        }
        layer
    }

    /// A file that cannot be read at all: a finding, and no value.
    #[must_use]
    pub fn unreadable(name: &str, why: &str) -> Self {
        let finding =
            Diagnostic::error(Code::BadConfigFile, format!("{name}: the configuration cannot be read: {why}"));
        let finding = finding.hint("make it a readable file, or remove what is in its place");
        Self { findings: vec![finding], ..Self::default() }
    }

    /// One value given as text, as `config set` and flags give it.
    ///
    /// # Errors
    /// A finding if the key is not known or the value does not fit.
    pub fn from_text(name: &str, text: &str) -> Result<Self, Diagnostic> {
        let key = key(name).ok_or_else(|| unknown("command line", name))?;
        let value = key.read(text).map_err(|why| {
            Diagnostic::error(Code::BadConfigValue, format!("command line: `{}` {why}", key.name))
                .hint(format!("give {}", key.rule))
        })?;
        Ok(Self { values: BTreeMap::from([(key.name.to_owned(), value)]), ..Self::default() })
    }

    /// The values, by full key.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    fn broken(message: String) -> Self {
        let finding = Diagnostic::error(Code::BadConfigFile, message).hint("fix the JSON, or remove the file");
        Self { findings: vec![finding], ..Self::default() }
    }

    /// A variable of the environment that does not fit. One of ours is an error for commands that need settings: who sets it
    /// means this call. One that other programs read too (`REDIS_DB`) is a finding like one in a file.
    fn refuse(&mut self, variable: &str, key: &Key, why: &str) {
        let finding = Diagnostic::error(Code::BadConfigValue, format!("{variable}: `{}` {why}", key.name));
        let finding = finding.hint(format!("set {variable} to {}, or unset it", key.rule));
        if variable.starts_with("MYCELIUM_") {
            self.refused.get_or_insert_with(|| finding.clone());
        }
        self.findings.push(finding);
    }

    fn take(&mut self, source: &Source<'_>, prefix: &str, map: &serde_json::Map<String, Value>) {
        for (part, value) in map {
            let full = if prefix.is_empty() { part.clone() } else { format!("{prefix}.{part}") };
            match (key(&full), value) {
                (Some(key), value) => match key.check(value) {
                    Ok(value) => drop(self.values.insert(key.name.to_owned(), value)),
                    Err(why) => self.findings.push(bad_value(source, key, &why)),
                },
                (None, Value::Object(inner)) if setting::is_group(&full) => self.take(source, &full, inner),
                (None, value) if setting::is_group(&full) => self.findings.push(no_group(source, &full, value)),
                (None, value) if full == FORMATS => self.take_formats(&source.place(&full), value),
                // Editors put the address of a schema there.
                (None, _) if full == "$schema" => {}
                (None, _) => self.findings.push(unknown(&source.place(&full), &full)),
            }
        }
    }
}

/// A configuration file, for findings.
struct Source<'a> {
    name: &'a str,
    places: BTreeMap<String, Place>,
}

impl Source<'_> {
    /// Where the value of a key stands: `.mycelium/config.json:3:15`.
    fn place(&self, full: &str) -> String {
        let place = self.places.get(full).map(|place| format!(":{}:{}", place.line, place.column));
        format!("{}{}", self.name, place.unwrap_or_default())
    }

    /// The option with which `config set` writes this file.
    fn option(&self) -> &'static str {
        if self.name == REPOSITORY_CONFIG { "" } else { "--user " }
    }
}

fn unknown(origin: &str, name: &str) -> Diagnostic {
    let shown = visible(name);
    let finding = Diagnostic::warning(Code::UnknownConfigKey, format!("{origin}: unknown key `{shown}`"));
    finding.hint("run `mycelium config list` to see every key")
}

fn bad_value(source: &Source<'_>, key: &Key, why: &str) -> Diagnostic {
    let message = format!("{}: `{}` {why}; it is left out", source.place(key.name), key.name);
    Diagnostic::error(Code::BadConfigValue, message).hint(format!(
        "run {}, or give it another value: {}",
        key.example_command(source.option()),
        key.rule
    ))
}

fn no_group(source: &Source<'_>, full: &str, value: &Value) -> Diagnostic {
    let shown = if setting::holds_secret(full) { HIDDEN.to_owned() } else { visible(&value.to_string()) };
    let message = format!("{}: `{full}` is {shown}, not an object of settings; it is left out", source.place(full));
    Diagnostic::error(Code::BadConfigValue, message)
        .hint("run `mycelium config list` to see every key, and correct the file")
}

/// One setting as it stands, and where it was set.
#[derive(Clone, PartialEq)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The value in force.
    pub value: Value,
    /// The layer that set it.
    pub origin: Origin,
}

/// Every setting in force.
#[derive(Debug, Clone)]
pub struct Config {
    settings: Vec<Setting>,
    formats: BTreeMap<String, Saved>,
    /// What was wrong in any layer.
    pub findings: Vec<Diagnostic>,
    refused: Option<Diagnostic>,
}

impl Default for Config {
    fn default() -> Self {
        Self::resolve(Vec::new())
    }
}

impl Config {
    /// Lays the layers over the defaults; later layers win. A key that is safe only from the user is not taken from the repository.
    #[must_use]
    pub fn resolve(layers: Vec<(Origin, Layer)>) -> Self {
        let mut findings = Vec::new();
        let mut formats = BTreeMap::new();
        let mut settings: Vec<Setting> =
            KEYS.iter().map(|key| Setting { key, value: key.default_value(), origin: Origin::Default }).collect();
        let mut refused = None;
        for (origin, layer) in layers {
            findings.extend(layer.findings);
            refused = refused.or(layer.refused);
            formats.extend(layer.formats.into_iter().map(|(name, text)| (name, Saved { text, origin })));
            for setting in &mut settings {
                let Some(value) = layer.values.get(setting.key.name) else { continue };
                if origin == Origin::Repository && setting.key.user_only && *value != setting.key.default_value() {
                    findings.push(untrusted(setting.key));
                    continue;
                }
                if origin == Origin::Repository && setting.key.holds_password(value) {
                    findings.push(tracked_password(setting.key));
                }
                setting.value = value.clone();
                setting.origin = origin;
            }
        }
        Self { settings, formats, findings, refused }
    }

    /// Adds a variable of the environment that does not fit and is no setting.
    pub fn refuse(&mut self, variable: &str, why: &str) {
        let finding = Diagnostic::error(Code::BadConfigValue, format!("{variable}: {why}"));
        let finding = finding.hint(format!("set {variable} to a value that fits, or unset it"));
        self.refused.get_or_insert_with(|| finding.clone());
        self.findings.push(finding);
    }

    /// Returns the variable of the environment that does not fit, for commands that refuse to go on with another value than
    /// was asked for in this call. A bad value in a file is a finding, and the value below it counts.
    #[must_use]
    pub const fn refused(&self) -> Option<&Diagnostic> {
        self.refused.as_ref()
    }

    /// Every setting, in the order of [`KEYS`].
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// One setting by its full key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key.name == name)
    }

    /// A text setting; `None` if it is null.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|setting| setting.value.as_str())
    }

    /// A program with its arguments; `None` if it is null.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<Vec<&str>> {
        self.get(name)?.value.as_array().map(|words| words.iter().filter_map(Value::as_str).collect())
    }

    /// A whole-number setting; 0 if it is null.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).and_then(|setting| setting.value.as_u64()).unwrap_or(0)
    }

    /// A yes-or-no setting; no if it is null.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(|setting| setting.value.as_bool()).unwrap_or(false)
    }
}

fn untrusted(key: &Key) -> Diagnostic {
    let message = format!("{REPOSITORY_CONFIG}: `{}` is ignored here: it could loosen safety", key.name);
    Diagnostic::warning(Code::UntrustedConfigKey, message)
        .hint(format!("set it for yourself: `mycelium config set --user {} VALUE`", key.name))
}

/// Whoever has the repository has the password, for as long as its history is kept.
fn tracked_password(key: &Key) -> Diagnostic {
    let message =
        format!("{REPOSITORY_CONFIG}: `{}` holds a password, which does not belong in a tracked file", key.name);
    Diagnostic::warning(Code::TrackedPassword, message)
        .hint("take it out, change it, and put it into REDIS_PASSWORD or your own configuration")
}

/// Puts one value into the text of a configuration file; all other keys and their order stay.
///
/// # Errors
/// A finding if the text is not a JSON object; nothing is changed then.
pub fn put(name: &str, text: &str, key: &str, value: &Value) -> Result<String, Diagnostic> {
    let layer_fault = || Layer::from_json(name, text).findings.into_iter().find(|f| f.code == Code::BadConfigFile);
    if let Some(fault) = (!text.trim().is_empty()).then(layer_fault).flatten() {
        return Err(fault);
    }
    let mut root: Value = serde_json::from_str(text).unwrap_or_else(|_| Value::Object(serde_json::Map::new()));
    // A key may stand there in one piece.
    if let Some(whole) = root.get_mut(key).filter(|_| key.contains('.')) {
        *whole = value.clone();
        let mut out = serde_json::to_string_pretty(&root).unwrap_or_default();
        out.push('\n');
        return Ok(out);
    }
    let mut at = &mut root;
    for part in key.split('.') {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        at = &mut at[part];
    }
    *at = value.clone();
    let mut out = serde_json::to_string_pretty(&root).unwrap_or_default();
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(origin: Origin, text: &str) -> Config {
        Config::resolve(vec![(origin, Layer::from_json("config.json", text))])
    }

    #[test]
    fn the_reference_documents_keys_are_known() {
        let text = r#"{"coordination": {"mode": "redis", "redis": {"url": "redis://localhost:6379", "password": null, "db": 0,
            "connection_timeout_seconds": 5, "operation_timeout_seconds": 2, "retry_attempts": 3, "retry_delay_ms": 100},
            "taskqueue": {"poll_interval_ms": 1000, "max_tasks": 100, "task_timeout_seconds": 300}}}"#;
        let config = resolved(Origin::Repository, text);
        assert_eq!(config.findings, vec![]);
        assert_eq!(config.text("coordination.mode"), Some("redis"));
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let layer = |text| Layer::from_json("x", text);
        let config = Config::resolve(vec![
            (Origin::User, layer(r#"{"markdown": {"shape": "classic"}, "commit": {"author": "user"}}"#)),
            (Origin::Repository, layer(r#"{"markdown": {"shape": "lean"}}"#)),
        ]);
        assert_eq!(config.text("markdown.shape"), Some("lean"));
        assert_eq!(config.get("markdown.shape").map(|s| s.origin), Some(Origin::Repository));
        assert_eq!(config.get("commit.author").map(|s| s.origin), Some(Origin::User));
        assert_eq!(config.get("commit.branch").map(|s| s.origin), Some(Origin::Default));
    }

    #[test]
    fn a_repository_cannot_loosen_safety() {
        let text = r#"{"markdown": {"durability": "off"}}"#;
        assert_eq!(resolved(Origin::Repository, text).text("markdown.durability"), Some("full"));
        assert_eq!(resolved(Origin::Repository, text).findings[0].code, Code::UntrustedConfigKey);
        assert_eq!(resolved(Origin::User, text).text("markdown.durability"), Some("off"));
    }

    #[test]
    fn faults_are_findings_and_the_default_stays() {
        for (text, code) in [
            (r#"{"comit": {"author": "user"}}"#, Code::UnknownConfigKey),
            (r#"{"commit": {"authr": "user"}}"#, Code::UnknownConfigKey),
            (r#"{"commit": {"author": "nobody"}}"#, Code::BadConfigValue),
            (r#"{"coordination": {"redis": {"db": -1}}}"#, Code::BadConfigValue),
            (r#"{"markdown": {"folder": "../x"}}"#, Code::BadConfigValue),
            (r#"{"markdown": {"folder": ".git/x"}}"#, Code::BadConfigValue),
            ("{", Code::BadConfigFile),
            ("[]", Code::BadConfigFile),
        ] {
            let config = resolved(Origin::Repository, text);
            assert_eq!(config.findings.len(), 1, "{text}");
            assert_eq!(config.findings[0].code, code, "{text}");
            assert!(config.settings().iter().all(|s| s.origin == Origin::Default), "{text}");
        }
    }

    #[test]
    fn the_environment_has_the_documents_names_and_ours() {
        let variables = |name: &str| match name {
            "REDIS_URL" => Some("redis://h:1".to_owned()),
            "MYCELIUM_COORDINATION_REDIS_DB" => Some("5".to_owned()),
            _ => None,
        };
        let config = Config::resolve(vec![(Origin::Environment, Layer::from_environment(&variables))]);
        assert_eq!(config.text("coordination.redis.url"), Some("redis://h:1"));
        assert_eq!(config.number("coordination.redis.db"), 5);
    }

    #[test]
    fn putting_a_value_keeps_the_rest_in_order() {
        let key = "commit.author";
        let text = "{\n  \"zebra\": 1,\n  \"commit\": {\"branch\": \"x\"}\n}\n";
        let out = put("config.json", text, key, &Value::from("user")).expect("object");
        assert!(out.find("zebra").expect("kept") < out.find("author").expect("put"));
        assert!(out.contains("\"branch\": \"x\""));
        assert_eq!(put("c", "", key, &Value::from("user")).expect("new").lines().count(), 5);
        assert!(put("c", "[1]", key, &Value::from("user")).is_err());
    }
}
