//! What the texts of fields must be, as other programs write them.

use std::str::FromStr;

use serde_json::Value as Json;

use super::field_update::short;
use crate::core::entity::UnknownWord;
use crate::core::name::{DocId, NameError, is_unsafe_to_show, visible};
use crate::core::time::Timestamp;

/// Most entries of a list in a field.
const LIST_MAX: usize = 1_000;
/// Longest word of a fixed set that is read.
const WORD_BYTES_MAX: usize = 60;

/// Reads a text that a document can hold and a terminal show.
///
/// # Errors
/// In words.
pub fn plain(text: &str) -> Result<&str, String> {
    match text.chars().find(|c| is_unsafe_to_show(*c) && !matches!(c, '\n' | '\r' | '\t')) {
        Some(c) => Err(format!("it has the character {}", visible(&c.to_string()))),
        None => Ok(text),
    }
}

/// Reads one short line.
///
/// # Errors
/// In words.
pub fn one_line(text: &str) -> Result<String, String> {
    let text = plain(text)?.trim();
    if text.is_empty() || text.contains(['\n', '\r']) || text.len() > 1_000 {
        return Err("it is not one short line".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a word of a fixed set.
///
/// # Errors
/// In words.
pub fn word<W: FromStr<Err = UnknownWord>>(text: &str) -> Result<W, String> {
    if text.len() > WORD_BYTES_MAX {
        return Err(format!("`{}…` is none of its words", short(text)));
    }
    text.parse().map_err(|unknown: UnknownWord| unknown.to_string())
}

/// Reads a name or an id.
///
/// # Errors
/// In words.
pub fn name<N: FromStr<Err = NameError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}

/// Reads JSON.
///
/// # Errors
/// In words.
pub fn json(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
}

/// Reads a list of short texts in JSON.
///
/// # Errors
/// In words.
pub fn texts(text: &str) -> Result<Vec<String>, String> {
    let fault = || "it is not a JSON list of texts".to_owned();
    let list = json(text)?;
    let list = list.as_array().ok_or_else(fault)?;
    if list.len() > LIST_MAX {
        return Err(format!("it has more than {LIST_MAX} entries"));
    }
    list.iter().map(|item| one_line(item.as_str().ok_or_else(fault)?)).collect()
}

/// Reads a list of ids in JSON.
///
/// # Errors
/// In words.
pub fn ids(text: &str) -> Result<Vec<DocId>, String> {
    texts(text)?.iter().map(|text| name(text)).collect()
}

/// Reads a number of seconds.
///
/// # Errors
/// In words.
pub fn seconds(text: &str) -> Result<u64, String> {
    let seconds = text.trim().parse::<u64>().ok().filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds.ok_or_else(|| format!("`{}` is not a number of seconds, a year at most", short(text)))
}

/// Reads a time; one that lies ahead counts as now, so that a wrong clock keeps no agent alive.
///
/// # Errors
/// In words.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    text.parse::<Timestamp>().map(|at| at.min(now)).map_err(|_| moment_fault(text))
}

/// Why a text is no time.
pub(super) fn moment_fault(text: &str) -> String {
    format!("`{}` is not a moment such as 2025-10-17T00:00:00Z", short(text))
}
