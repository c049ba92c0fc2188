//! Who has a task, how it stands and what came of it is one thing: it is taken from one side where both have moved it on.
//!
//! The side that counts: the higher fence (a later holder), then an ended state before a held one, then more attempts. If all
//! that is equal, the side that the remote has already; else a digest picks one, which falls the same way wherever it is made
//! and favours no name. What has a result is never dropped without that: the line in `## History` holds all of it.

use std::fmt::Write as _;

use serde_json::Value as Json;
use sha1::{Digest as _, Sha1};

use super::Decision;
use crate::core::document::Document;
use crate::core::name::{AgentName, Kind, visible};
use crate::core::time::Timestamp;

/// The keys that move together.
const CORE: [&str; 9] =
    ["status", "claimed_by", "fence", "lease", "attempt", "expiries", "not_before", "started", "skipped"];
/// What comes of it: keys and sections.
const OUTCOME: [&str; 4] = ["result", "error", "progress", "current_task"];
const SECTIONS: [&str; 2] = ["Result", "Error"];
/// What an agent says of itself, which its later word replaces as a whole: keys and sections.
const OF_ITSELF: [&str; 5] = ["status", "last_updated", "ttl", "active_tasks", "metadata"];
const SECTIONS_OF_ITSELF: [&str; 2] = ["Active Tasks", "Metadata"];
/// Longest part of a value that a decision repeats, in characters.
const SHOWN_MAX: usize = 80;

/// Tells whether a key belongs to the group.
pub(super) fn has(kind: Kind, key: &str) -> bool {
    match kind {
        Kind::Agent => OF_ITSELF.contains(&key),
        Kind::Task | Kind::Workflow => CORE.contains(&key) || OUTCOME.contains(&key),
    }
}

/// Tells whether a section belongs to the group.
pub(super) fn has_section(kind: Kind, heading: &str) -> bool {
    match kind {
        Kind::Agent => SECTIONS_OF_ITSELF.contains(&heading),
        Kind::Task | Kind::Workflow => SECTIONS.contains(&heading),
    }
}

/// Which side counts for the group as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

fn text<'a>(document: &'a Document, key: &str) -> Option<&'a str> {
    document.field(key).and_then(|field| field.value.as_text()).filter(|text| !text.is_empty())
}

/// Two sides of a document and what both came from, as far as they are weighed against each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contest<'a> {
    pub(super) kind: Kind,
    pub(super) base: &'a Document,
    pub(super) a: &'a Document,
    pub(super) b: &'a Document,
    /// The side that the remote has already, if it has one of them.
    pub(super) pushed: Option<Side>,
}

/// What orders two states of the group: the larger one counts.
fn rank(document: &Document) -> (u64, u8, u64) {
    let number = |key| text(document, key).and_then(|text| text.parse().ok()).unwrap_or(0);
    let state = match text(document, "status") {
        Some("completed" | "failed") => 2,
        Some("running") => 1,
        _ => 0,
    };
    (number("fence"), state, number("attempt"))
}

impl Contest<'_> {
    /// The side that counts where both say something of their own, and the rule by which it does.
    pub(super) fn winner(&self) -> (Side, &'static str) {
        if self.kind == Kind::Agent {
            let at = |document: &Document| text(document, "last_updated")?.parse::<Timestamp>().ok();
            let (x, y) = (at(self.a).map(Timestamp::unix_ms), at(self.b).map(Timestamp::unix_ms));
            return (if x >= y { Side::A } else { Side::B }, "later word");
        }
        let (x, y) = (rank(self.a), rank(self.b));
        let side = if x >= y { Side::A } else { Side::B };
        match () {
            () if x.0 != y.0 => (side, "later holder"),
            () if x.1 != y.1 => (side, "later state"),
            () if x.2 != y.2 => (side, "later attempt"),
            () => self.pushed.map_or_else(|| self.drawn(), |side| (side, "pushed first")),
        }
    }

    /// The side that a digest picks. It is one of the id and of what both came from as well, so the same words do not win
    /// each time.
    fn drawn(&self) -> (Side, &'static str) {
        let digest = |side: &Document| {
            let mut digest = Sha1::new();
            let id = text(self.base, "id").or_else(|| text(side, "id")).unwrap_or_default();
            for part in [id.as_bytes(), self.base.bytes(), group(side).as_bytes()] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
            digest.finalize()
        };
        let is_a = digest(self.a) >= digest(self.b);
        (if is_a { Side::A } else { Side::B }, "drawn")
    }
}

/// All that a document says of the group.
fn group(document: &Document) -> String {
    let mut all = String::new();
    for key in CORE.iter().chain(&OUTCOME) {
        let value = document.field(key).map_or_else(String::new, |field| field.value.to_json().to_string());
        let _ = writeln!(all, "{key}:{value}");
    }
    for heading in SECTIONS {
        let _ = writeln!(all, "{heading}:{}", document.body().section_text(heading).unwrap_or_default());
    }
    all
}

/// Tells whether both sides have moved the task on, each in its own way: then one of them counts for all of the group. So it
/// is with what an agent said of itself twice.
pub(super) fn is_contested(kind: Kind, base: &Document, a: &Document, b: &Document) -> bool {
    let core: &[&str] = if kind == Kind::Agent { &["last_updated"] } else { &CORE };
    let of = |document| core.iter().map(|key| text(document, key).map(str::to_owned)).collect::<Vec<_>>();
    let (base, a, b) = (of(base), of(a), of(b));
    a != base && b != base && a != b
}

/// Who lost what to whom.
pub(super) fn decision(rule: &'static str, winner: &Document, loser: &Document) -> Decision {
    let name = |document: &Document| text(document, "claimed_by").and_then(|name| AgentName::new(name).ok());
    let (has, had) = (name(winner), name(loser));
    let lost = had.filter(|had| Some(had) != has.as_ref());
    Decision {
        rule,
        what: if lost.is_some() { "the claim" } else { "how it stands" }.to_owned(),
        kept: told(winner, None),
        lost: told(loser, Some(winner)),
        winner: has,
        loser: lost,
    }
}

/// The group in a few words; what another one says as well is left out.
fn told(document: &Document, other: Option<&Document>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for key in CORE.iter().chain(&OUTCOME) {
        let value = |document: &Document| {
            let value = &document.field(key)?.value;
            Some(value.as_text().map_or_else(|| value.to_json().to_string(), str::to_owned))
        };
        let Some(own) = value(document) else { continue };
        if *key == "status" || *key == "fence" || other.is_none_or(|other| value(other).as_ref() != Some(&own)) {
            let is_kept_whole = ["result", "error"].contains(key);
            parts.push(format!("{key} {}", if is_kept_whole { whole(&own) } else { shown(&own) }));
        }
    }
    for heading in SECTIONS {
        let own = outcome(document, heading);
        if let Some(own) = own.filter(|own| other.is_some_and(|other| outcome(other, heading).as_ref() != Some(own))) {
            parts.push(format!("{} {own}", heading.to_lowercase()));
        }
    }
    parts.join(", ")
}

/// All of a result or an error on one line: JSON without its line breaks, a text of several lines as JSON. `None` where there
/// is nothing but a placeholder.
pub(super) fn outcome(document: &Document, heading: &str) -> Option<String> {
    let text = document.body().section_text(heading)?.trim();
    let is_placeholder = text.starts_with('_') && text.ends_with('_') && !text.contains('\n');
    if text.is_empty() || is_placeholder {
        return None;
    }
    match document.body().section_json(heading) {
        Some(Ok(json)) => Some(closed(&json.to_string())),
        _ => Some(whole(text)),
    }
}

/// A text on one line, all of it.
fn whole(text: &str) -> String {
    let is_plain = !text.contains(|c: char| c.is_control()) && visible(text) == text && !text.contains("<!--");
    if is_plain { text.to_owned() } else { closed(&Json::from(text).to_string()) }
}

/// JSON that opens no comment in the document.
fn closed(json: &str) -> String {
    json.replace("<!--", "\\u003c!--")
}

/// A text on one line, not too long.
pub(super) fn shown(text: &str) -> String {
    let line = visible(&text.split_whitespace().collect::<Vec<_>>().join(" ")).replace('`', "'");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
