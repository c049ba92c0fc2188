//! Who has a task, how it stands and what came of it is one thing: it is taken from one side where both have moved it on.
//!
//! The side that counts: the higher fence (a later holder), then the later state, then more attempts; if all that is equal, a
//! draw by digest, which falls the same way wherever it is made and favours no name.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

use super::Decision;
use crate::document::Document;
use crate::name::{AgentName, Kind, visible};
use crate::time::Timestamp;

/// The keys that move together.
const CORE: [&str; 5] = ["status", "claimed_by", "fence", "lease", "attempt"];
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

/// What orders two states of the group: the larger one counts.
fn rank(document: &Document) -> (u64, u8, u64, String) {
    let number = |key| text(document, key).and_then(|text| text.parse().ok()).unwrap_or(0);
    let state = match text(document, "status") {
        Some("completed") => 3,
        Some("failed") => 2,
        Some("running") => 1,
        _ => 0,
    };
    let mut all = String::new();
    for key in CORE.iter().chain(&OUTCOME) {
        let _ =
            writeln!(all, "{key}:{}", document.field(key).map_or_else(String::new, |f| f.value.to_json().to_string()));
    }
    for heading in SECTIONS {
        let _ = writeln!(all, "{heading}:{}", document.section_text(heading).unwrap_or_default());
    }
    let digest = Sha1::digest(all.as_bytes());
    (
        number("fence"),
        state,
        number("attempt"),
        digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    )
}

/// The side that counts where both say something of their own, and the rule by which it does.
pub(super) fn winner(kind: Kind, a: &Document, b: &Document) -> (Side, &'static str) {
    if kind == Kind::Agent {
        let at = |document: &Document| text(document, "last_updated")?.parse::<Timestamp>().ok();
        let (x, y) = (at(a).map(Timestamp::unix_ms), at(b).map(Timestamp::unix_ms));
        return (if x >= y { Side::A } else { Side::B }, "later word");
    }
    let (x, y) = (rank(a), rank(b));
    let side = if x >= y { Side::A } else { Side::B };
    let rule = match () {
        () if x.0 != y.0 => "later holder",
        () if x.1 != y.1 => "later state",
        () if x.2 != y.2 => "later attempt",
        () => "drawn",
    };
    (side, rule)
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
            parts.push(format!("{key} {}", shown(&own)));
        }
    }
    for heading in SECTIONS {
        let content = |document: &Document| document.section_text(heading).unwrap_or_default().to_owned();
        let own = content(document);
        if !own.is_empty() && other.is_some_and(|other| content(other) != own) {
            parts.push(format!("{} {}", heading.to_lowercase(), shown(&own)));
        }
    }
    parts.join(", ")
}

/// A text on one line, not too long.
pub(super) fn shown(text: &str) -> String {
    let line = visible(&text.split_whitespace().collect::<Vec<_>>().join(" ")).replace('`', "'");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
