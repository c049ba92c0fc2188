//! Settings and saved formats as data.

use serde_json::{Value, json};

use super::envelope::ListPage;
use crate::core::config::{Config, Saved, Setting};

/// What a saved format is for.
pub const SAVED_FORMAT_ABOUT: &str = "a saved format, for `--format @NAME`";

/// Returns every setting and every saved format as an answer's data.
#[must_use]
pub fn config_data(config: &Config) -> Value {
    let formats = config.formats().map(|(name, saved)| saved_format_data(name, saved));
    let items: Vec<Value> = config.settings().iter().map(setting_data).chain(formats).collect();
    let total = items.len();
    ListPage { items, total, limit: total, next: None }.json()
}

/// Returns a setting as an object.
#[must_use]
pub fn setting_data(setting: &Setting) -> Value {
    json!({
        "key": setting.key.name,
        "value": setting.key.shown(&setting.value),
        "origin": setting.origin.to_string(),
        "about": setting.key.about,
    })
}

/// Returns a saved format as an object.
#[must_use]
pub fn saved_format_data(name: &str, saved: &Saved) -> Value {
    json!({
        "key": format!("formats.{name}"),
        "value": saved.text,
        "origin": saved.origin.to_string(),
        "about": SAVED_FORMAT_ABOUT,
    })
}
