//! Words for changes: the subject, body and trailers of a commit. Content is cut and made safe to show; nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::core::change::{Change, ChangeKind, How};
use crate::core::entity::step_lines::STEPS;
use crate::core::name::{AgentName, DocId, Kind, OperationId, visible};
use crate::core::template::one_line;

/// How long a subject gets while there is a choice, in characters.
pub const SUBJECT_MAX: usize = 72;
/// Most lines of changes in a body; the rest is counted.
pub const LINES_MAX: usize = 100;
/// Longest value or text that is quoted in a line, in characters.
pub const QUOTE_MAX: usize = 60;
/// Shortest cut of what happened in a subject with long names, in characters.
pub const PHRASE_MIN: usize = 24;

/// Most documents that a subject names one by one.
pub const FEW_MAX: usize = 3;
/// Most changes of each that it tells then.
pub const FEW_PHRASES_MAX: usize = 3;

/// One operation of the API that a commit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationNote {
    /// Its id.
    pub id: OperationId,
    /// What was done: `create`, `update`, `complete`, ...
    pub verb: String,
    /// To which document.
    pub doc: DocId,
    /// By whom, if it is known.
    pub agent: Option<AgentName>,
}

/// The trailer that names the agent that acted.
pub const AGENT_TRAILER: &str = "Mycelium-Agent";
/// The trailer that names the holder of documents that a person edited by hand.
pub const HOLDER_TRAILER: &str = "Mycelium-Holder";

/// The operation that takes a task from an agent that has said nothing for a whole lease.
pub const TAKE_BACK: &str = "task.take-back";

/// To whom a commit is attributed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attribution<'a> {
    /// The agent that acted.
    pub agent: Option<&'a AgentName>,
    /// The agent that holds the documents, where a person edited them by hand.
    pub holder: Option<&'a AgentName>,
}

/// The message of a commit: what happened in one line, then each change, then the trailers.
#[must_use]
pub fn compose(changes: &[Change], attribution: Attribution<'_>, operations: &[OperationNote]) -> String {
    let by = attribution.agent;
    let telling = without_repetitions(changes);
    let documents = by_document(&telling);
    let is_over = !operations.is_empty() && operations.iter().all(|operation| operation.verb == TAKE_BACK);
    let mut message = subject(&documents, by, if is_over { " (lease over)" } else { "" });
    if telling.len() > 1 {
        message.push('\n');
        for change in telling.iter().take(LINES_MAX) {
            let _ = write!(message, "\n- {}: {}", name(change), phrase(&change.what));
        }
        if telling.len() > LINES_MAX {
            let _ = write!(message, "\n… and {} more", telling.len() - LINES_MAX);
        }
    }
    let trailers = trailers(changes, attribution, operations);
    if !trailers.is_empty() {
        message.push_str("\n\n");
        message.push_str(&trailers.join("\n"));
    }
    message.push('\n');
    message
}

/// One change in a few words: `pending → running`, `step 2 done`, `priority normal → high`.
#[must_use]
pub fn phrase(what: &ChangeKind) -> String {
    match what {
        ChangeKind::Created { about, assigned_to, status } => {
            created(about.as_deref(), assigned_to.as_deref(), status.as_deref())
        }
        ChangeKind::Removed => "removed".to_owned(),
        ChangeKind::Moved { from } => format!("moved from {from}"),
        ChangeKind::Status { from, to } => match (from, to) {
            (Some(from), Some(to)) => format!("{} → {}", quote(from), quote(to)),
            (None, Some(to)) => format!("status {}", quote(to)),
            (_, None) => "no status".to_owned(),
        },
        ChangeKind::Field { key, from, to } if key == "claimed_by" => match (from, to) {
            (Some(from), Some(to)) => format!("claimed by {} from {}", value(to), value(from)),
            (None, Some(to)) => format!("claimed by {}", value(to)),
            (Some(from), None) => format!("no longer held by {}", value(from)),
            (None, None) => "no holder".to_owned(),
        },
        ChangeKind::Field { key, from: None, to: Some(to) } if key == "paused" && value(to) == "true" => {
            "paused".to_owned()
        }
        ChangeKind::Field { key, from: Some(from), to: None } if key == "paused" && value(from) == "true" => {
            "resumed".to_owned()
        }
        ChangeKind::Field { key, from, to } => match (from, to) {
            (Some(from), Some(to)) => format!("{} {} → {}", quote(key), value(from), value(to)),
            (None, Some(to)) => format!("{} {}", quote(key), value(to)),
            (_, None) => format!("no {}", quote(key)),
        },
        ChangeKind::List { key, added, removed } => {
            let signed = |sign: char, items: &[String]| {
                items.iter().map(|item| format!("{sign}{}", quote(item))).collect::<Vec<_>>()
            };
            let items = [signed('+', added), signed('-', removed)].concat();
            format!("{} {}", quote(key), cut(&items.join(" "), 2 * QUOTE_MAX))
        }
        ChangeKind::Step { n, text, done } => {
            format!("step {n} {}, {}", if *done { "done" } else { "open again" }, quote(text))
        }
        ChangeKind::StepAdded { n, text } => format!("step {n} added, {}", quote(text)),
        ChangeKind::StepRemoved { text } => format!("step dropped, {}", quote(text)),
        ChangeKind::Note { text } => format!("note, {}", quote(text)),
        ChangeKind::NoteRemoved { text } => format!("note dropped, {}", quote(text)),
        ChangeKind::Section { name, how } => {
            let how = match how {
                How::Added => "added",
                How::Changed => "changed",
                How::Removed => "emptied",
            };
            format!("{} {how}", quote(name).to_lowercase())
        }
        ChangeKind::Prose { added: 0, removed: 0 } => "text edited".to_owned(),
        ChangeKind::Prose { added, removed } => format!("text edited (+{added} -{removed})"),
        ChangeKind::Published { events } => match &events[..] {
            [one] => format!("published {}", quote(one)),
            several => format!("published {} events", several.len()),
        },
        ChangeKind::Unreadable { code } => format!("saved, not readable ({code})"),
        ChangeKind::Healed => "readable again".to_owned(),
    }
}

fn created(about: Option<&str>, assigned_to: Option<&str>, status: Option<&str>) -> String {
    let mut out = "created".to_owned();
    if let Some(about) = about.filter(|about| !about.is_empty()) {
        let _ = write!(out, ", {}", quote(about));
    }
    if let Some(name) = assigned_to {
        let _ = write!(out, " for {}", quote(name));
    }
    match status {
        Some("pending") | None => {}
        Some("running") if about.is_some() && assigned_to.is_none() => {}
        Some(status) => {
            let _ = write!(out, ", {}", quote(status));
        }
    }
    out
}

/// A text on one line with nothing in it that a terminal acts on, cut where it is long.
fn quote(text: &str) -> String {
    cut(&visible(&one_line(text)), QUOTE_MAX)
}

fn value(json: &Json) -> String {
    match json {
        Json::String(text) => quote(text),
        Json::Null => "null".to_owned(),
        other => quote(&other.to_string()),
    }
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let head: String = text.chars().take(max - 1).collect();
    format!("{}…", head.trim_end())
}

/// The id, else the file name.
fn name(change: &Change) -> String {
    change.id.as_ref().map_or_else(|| quote(change.path.file_name()), ToString::to_string)
}

/// The changes but those of a workflow's lines that only repeat how its steps stand, if there is any other.
#[must_use]
pub fn without_repetitions(changes: &[Change]) -> Vec<&Change> {
    let is_repetition = |change: &&Change| {
        let name = match &change.what {
            ChangeKind::Section { name, how: How::Changed } => name.as_str(),
            _ => "",
        };
        change.kind == Some(Kind::Workflow) && name == STEPS
    };
    let telling: Vec<&Change> = changes.iter().filter(|change| !is_repetition(change)).collect();
    if telling.is_empty() { changes.iter().collect() } else { telling }
}

fn by_document<'a>(changes: &[&'a Change]) -> Vec<Vec<&'a Change>> {
    let mut documents: BTreeMap<_, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        documents.entry(&change.path).or_default().push(change);
    }
    documents.into_values().collect()
}

fn subject(documents: &[Vec<&Change>], by: Option<&AgentName>, otherwise: &str) -> String {
    let suffix = by.map_or_else(|| otherwise.to_owned(), |by| format!(" ({by})"));
    match documents {
        [] => format!("nothing changed{suffix}"),
        [changes] => one_document(changes, &suffix),
        several => few_documents(several, &suffix).unwrap_or_else(|| many_documents(several, &suffix)),
    }
}

/// `ai-engineer: busy → idle; task-1: running → completed, result added`, if that fits.
fn few_documents(documents: &[Vec<&Change>], suffix: &str) -> Option<String> {
    let told = |shown: usize| {
        let told = documents.iter().map(|changes| {
            let phrases = phrases(changes);
            let more = phrases.len().saturating_sub(shown);
            let more = if more == 0 { String::new() } else { format!(", +{more} more") };
            let name = changes.first().map(|change| name(change)).unwrap_or_default();
            format!("{name}: {}{more}", phrases[..shown.min(phrases.len())].join(", "))
        });
        format!("{}{suffix}", told.collect::<Vec<_>>().join("; "))
    };
    let fits = |subject: &String| subject.chars().count() <= SUBJECT_MAX;
    (1..=FEW_PHRASES_MAX).rev().map(told).find(fits).filter(|_| documents.len() <= FEW_MAX)
}

/// Keys that change along with others and say nothing by themselves.
pub const SILENT: &[&str] = &["last_updated", "fence", "lease", "attempt", "expiries", "started", "fill"];

/// What happened to one document, each change as short as a subject needs it.
fn phrases(changes: &[&Change]) -> Vec<String> {
    let telling =
        |change: &&&Change| !matches!(&change.what, ChangeKind::Field { key, .. } if SILENT.contains(&&**key));
    let phrases: Vec<String> = changes.iter().filter(telling).map(|change| short(change)).collect();
    if phrases.is_empty() { changes.iter().map(|change| short(change)).collect() } else { phrases }
}

/// `task-1: pending → running, step 2 done, +1 more (ai-engineer)`
fn one_document(changes: &[&Change], suffix: &str) -> String {
    let phrases = phrases(changes);
    let name = changes.first().map(|change| name(change)).unwrap_or_default();
    let whole = |shown: usize| {
        let more = phrases.len() - shown;
        let more = if more == 0 { String::new() } else { format!(", +{more} more") };
        format!("{name}: {}{more}{suffix}", phrases[..shown].join(", "))
    };
    let fits = (1..=phrases.len().min(SUBJECT_MAX / 4))
        .rev()
        .map(whole)
        .find(|subject| subject.chars().count() <= SUBJECT_MAX);
    // Not even one fits: the phrase is cut, but never to nothing.
    fits.unwrap_or_else(|| {
        let more = if phrases.len() > 1 { format!(", +{} more", phrases.len() - 1) } else { String::new() };
        let room = SUBJECT_MAX.saturating_sub(name.chars().count() + 2 + more.chars().count() + suffix.chars().count());
        format!("{name}: {}{more}{suffix}", cut(&phrases[0], room.max(PHRASE_MIN)))
    })
}

/// A phrase as short as a subject needs it.
fn short(change: &Change) -> String {
    match &change.what {
        ChangeKind::Moved { from } if change.path.is_archived() && !from.is_archived() => "archived".to_owned(),
        ChangeKind::Moved { from } if from.is_archived() && !change.path.is_archived() => {
            "out of the archive".to_owned()
        }
        ChangeKind::Step { n, done, .. } => format!("step {n} {}", if *done { "done" } else { "open again" }),
        ChangeKind::StepAdded { n, .. } => format!("step {n} added"),
        ChangeKind::StepRemoved { .. } => "step dropped".to_owned(),
        ChangeKind::NoteRemoved { .. } => "note dropped".to_owned(),
        ChangeKind::Prose { .. } => "text edited".to_owned(),
        other => phrase(other),
    }
}

/// `3 tasks, 1 agent: 2 created, 1 completed, 1 changed (ai-engineer)`
fn many_documents(documents: &[Vec<&Change>], suffix: &str) -> String {
    let mut kinds: BTreeMap<Option<Kind>, usize> = BTreeMap::new();
    let mut outcomes: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for changes in documents {
        if let Some(first) = changes.first() {
            *kinds.entry(first.kind).or_default() += 1;
            *outcomes.entry(outcome(changes)).or_default() += 1;
        }
    }
    // Tasks first: they are what a commit is mostly about.
    let order = [Some(Kind::Task), Some(Kind::Workflow), Some(Kind::Agent), None];
    let counted = order.into_iter().filter_map(|kind| Some((kind, *kinds.get(&kind)?)));
    let what: Vec<String> = counted
        .map(|(kind, n)| format!("{n} {}{}", kind.map_or("file", Kind::word), if n == 1 { "" } else { "s" }))
        .collect();
    let how: Vec<String> = outcomes.into_iter().map(|((_, word), n)| format!("{n} {word}")).collect();
    format!("{}: {}{suffix}", what.join(", "), how.join(", "))
}

/// What became of a document, in one word with its place in the order.
fn outcome(changes: &[&Change]) -> (usize, String) {
    let word = |what: &ChangeKind| match what {
        ChangeKind::Created { .. } => Some((0, "created".to_owned())),
        ChangeKind::Status { to: Some(to), .. } => {
            let known = ["running", "completed", "failed", "pending", "busy", "idle", "error"];
            Some((known.iter().position(|word| word == to).map_or(8, |at| at + 1), quote(to)))
        }
        ChangeKind::Unreadable { .. } => Some((11, "not readable".to_owned())),
        ChangeKind::Removed => Some((10, "removed".to_owned())),
        _ => None,
    };
    let moved = |change: &&Change| matches!(&change.what, ChangeKind::Moved { .. }) && change.path.is_archived();
    let told = changes.iter().find_map(|change| word(&change.what));
    let archived = || changes.iter().copied().find(|change| moved(change)).map(|_| (9, "archived".to_owned()));
    told.or_else(archived).unwrap_or_else(|| (12, "changed".to_owned()))
}

fn trailers(changes: &[Change], attribution: Attribution<'_>, operations: &[OperationNote]) -> Vec<String> {
    let verb = |verb: &str| visible(&one_line(verb)).replace(' ', "-");
    let mut out: Vec<String> = operations
        .iter()
        .map(|operation| format!("Mycelium-Operation: {} {} {}", operation.id, verb(&operation.verb), operation.doc))
        .collect();
    let tasks = changes.iter().filter(|change| change.kind == Some(Kind::Task)).filter_map(|change| change.id.as_ref());
    let tasks: BTreeSet<&DocId> = tasks.collect();
    out.extend(tasks.into_iter().take(LINES_MAX).map(|id| format!("Mycelium-Task: {id}")));
    let agents: BTreeSet<&AgentName> =
        operations.iter().filter_map(|operation| operation.agent.as_ref()).chain(attribution.agent).collect();
    out.extend(agents.into_iter().map(|agent| format!("{AGENT_TRAILER}: {agent}")));
    out.extend(attribution.holder.map(|holder| format!("{HOLDER_TRAILER}: {holder}")));
    out
}

#[cfg(test)]
mod tests;
