//! `log`: what happened to a document, or to all of them, told from the contents of the commits.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, print_line};
use super::format::Wording;
use super::render::{Ink, paint};
use super::session::{self, Session};
use crate::api::view::{
    ANSWER_BYTES_MAX, AnswerHead, CHANGES_SHOWN_MAX, ErrorReport, ITEMS_DEFAULT, envelope, history_data,
};
use crate::core::change::{Change, ChangeKind};
use crate::core::commit_message;
use crate::core::name::{AgentName, DocId, DocPath, Kind, visible};
use crate::core::snapshot::FindError;
use crate::core::template::cut;
use crate::services::{Error, HistoryEntry, Project};

/// Columns of an author or a subject for people.
const COLUMNS_MAX: usize = 120;

/// Tell what happened to a document, or to all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Times are in UTC, which `Z` says; the newest comes first.")]
pub(crate) struct Args {
    /// A task, agent or workflow: its id, or the beginning of it [default: all]
    id: Option<String>,
    /// Only what this agent did, and edits by hand of what it holds
    #[arg(long = "agent", value_name = "AGENT")]
    of_agent: Option<AgentName>,
    /// Show at most this many commits [default: 20]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    wording: Wording,
}

/// Tells the story.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let project = session.open()?;
    let path = args.id.as_deref().map(|id| path_of(&project, id)).transpose()?;
    let limit = args.limit.unwrap_or(ITEMS_DEFAULT);
    // One more than shown tells whether there are more.
    let mut entries = project.history().list(path.as_ref(), args.of_agent.as_ref(), limit.saturating_add(1))?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    if session.face.json() {
        return stream(&session::head(&project)?, &entries, args.limit.is_none(), more).map(|()| None);
    }
    let mut answer = session::answer("log", &project)?;
    answer.text = match args.wording.words("log", &project)? {
        Some(words) => {
            let all: Vec<Value> = entries.iter().map(|entry| history_data(project.folder(), entry)).collect();
            words.text(&all)?
        }
        None => entries.iter().map(text).collect(),
    };
    answer.words = closing(&entries, more, limit, args.of_agent.as_ref());
    Ok(Some(answer))
}

/// A document that is there, else one that was removed: its history is not.
fn path_of(project: &Project, id: &str) -> Result<DocPath, ErrorReport> {
    match project.documents().find(None, id) {
        Ok(found) => Ok(found.path),
        Err(error @ Error::Find(FindError::NotFound { .. })) => {
            let gone = removed(project, id)?;
            gone.ok_or_else(|| ErrorReport::from(error))
        }
        Err(error) => Err(error.into()),
    }
}

fn removed(project: &Project, id: &str) -> Result<Option<DocPath>, ErrorReport> {
    let Ok(id) = DocId::new(id) else { return Ok(None) };
    for kind in Kind::ALL {
        let path = DocPath::for_new(kind, &id);
        if !project.history().list(Some(&path), None, 1)?.is_empty() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// `2025-10-17 12:03Z  a1b2c3d  task-k7f3: pending → running  (ai-engineer)`, one line a change.
fn text(entry: &HistoryEntry) -> String {
    let at = entry.at.to_string();
    let at = format!("{} {}Z", at.get(..10).unwrap_or_default(), at.get(11..16).unwrap_or_default());
    let who = who(entry);
    let start = format!("{}  {}", paint(Ink::Dim, &at), paint(Ink::Warn, entry.revision.short()));
    let blank = " ".repeat(at.len() + 2 + entry.revision.short().len());
    let who = paint(Ink::Live, &format!("({})", visible(&who)));
    if entry.is_boundary {
        return format!("{start}  the history of this shallow clone begins here  {who}\n");
    }
    if entry.changes.is_empty() && entry.missing.is_empty() {
        return format!("{start}  {}  {who}\n", visible(&cut(&entry.subject, COLUMNS_MAX)));
    }
    let mut out = String::new();
    if !entry.missing.is_empty() {
        let subject = visible(&cut(&entry.subject, COLUMNS_MAX));
        let _ = writeln!(out, "{start}  {subject}  {who}\n{blank}  {}", lacking(entry.missing.len()));
    }
    let changes = telling(&entry.changes);
    for (index, change) in changes.iter().take(CHANGES_SHOWN_MAX).enumerate() {
        let (before, after) = if index == 0 && entry.missing.is_empty() {
            (start.as_str(), format!("  {who}"))
        } else {
            (blank.as_str(), String::new())
        };
        let line = visible(&commit_message::phrase(&change.what));
        let _ = writeln!(out, "{before}  {}: {line}{after}", paint(Ink::Bold, &name(change)));
    }
    if changes.len() > CHANGES_SHOWN_MAX {
        let _ = writeln!(out, "{blank}  … and {} more", changes.len() - CHANGES_SHOWN_MAX);
    }
    out
}

/// The agent that acted, else the author: `Robin by hand, held by ai-engineer` where a person edited what an agent holds.
fn who(entry: &HistoryEntry) -> String {
    let author = || cut(&entry.author, COLUMNS_MAX);
    match (&entry.agent, &entry.holder) {
        (Some(agent), _) => agent.to_string(),
        (None, Some(holder)) => format!("{} by hand, held by {holder}", author()),
        (None, None) => author(),
    }
}

/// The changes worth a line: some come with every other change and say nothing. JSON has them all.
pub(crate) fn telling(changes: &[Change]) -> Vec<&Change> {
    let is_telling = |change: &&Change| !matches!(&change.what, ChangeKind::Field { key, .. } if commit_message::SILENT.contains(&&**key));
    let changes = commit_message::without_repetitions(changes);
    let telling: Vec<&Change> = changes.iter().copied().filter(|change| is_telling(change)).collect();
    if telling.is_empty() { changes } else { telling }
}

fn name(change: &Change) -> String {
    change.id.as_ref().map_or_else(|| visible(change.path.file_name()), ToString::to_string)
}

/// Says how many documents of a commit cannot be described.
fn lacking(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("… the contents of {count} document{plural} are not in this partial clone")
}

fn closing(entries: &[HistoryEntry], more: bool, limit: usize, agent: Option<&AgentName>) -> String {
    let mut out = length(entries, more, limit, agent);
    if entries.iter().any(|entry| entry.is_boundary) {
        out += "hint: run `git fetch --unshallow` to have the history before it\n";
    }
    if entries.iter().any(|entry| !entry.missing.is_empty()) {
        out += "hint: run it again where the remote can be reached, which has those contents\n";
    }
    out
}

fn length(entries: &[HistoryEntry], more: bool, limit: usize, agent: Option<&AgentName>) -> String {
    match (entries.is_empty(), more) {
        (true, true) => format!("none are shown, as asked for; `--limit {ITEMS_DEFAULT}` shows some\n"),
        (true, false) => match agent {
            Some(agent) => format!("nothing by {agent}, and no edit by hand of what it holds\n"),
            None => "nothing has happened yet\n".to_owned(),
        },
        (_, true) => format!("older ones are left out; `--limit {}` shows more\n", limit.saturating_mul(2)),
        _ => String::new(),
    }
}

/// One object a commit, then one that says how it ended.
fn stream(head: &AnswerHead, entries: &[HistoryEntry], bounded: bool, mut more: bool) -> Result<(), ErrorReport> {
    let mut left = if bounded { ANSWER_BYTES_MAX } else { usize::MAX };
    let mut shown = 0;
    for entry in entries {
        let line = envelope("log.entry", head, &history_data(&head.folder, entry), &[], None);
        let bytes = line.to_string().len() + 1;
        if bytes > left && shown > 0 {
            more = true;
            break;
        }
        left = left.saturating_sub(bytes);
        shown += 1;
        print_line(&line)?;
    }
    print_line(&envelope("log.end", head, &json!({ "shown": shown, "more": more }), &[], None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::change::How;
    use crate::core::name::{DocPath, OperationId, Revision};
    use crate::core::time::Timestamp;

    #[test]
    fn a_commit_is_bounded_whatever_it_says() {
        let long = "x".repeat(1_000_000);
        let map: serde_json::Map<String, Value> = (0..9_000).map(|n| (format!("k{n}"), json!(long[..9]))).collect();
        let whats = [
            ChangeKind::Note { text: long.clone() },
            ChangeKind::Field { key: long.clone(), from: Some(json!(map)), to: Some(json!([long, long])) },
            ChangeKind::List { key: "tags".to_owned(), added: vec![long[..99].to_owned(); 9_000], removed: Vec::new() },
            ChangeKind::Section { name: long.clone(), how: How::Added },
            ChangeKind::Published { events: vec![long.clone(); 3] },
        ];
        let path = DocPath::new("task-1.md").expect("a path");
        let change = |what: &ChangeKind| Change { path: path.clone(), kind: None, id: None, what: what.clone() };
        let entry = HistoryEntry {
            missing: Vec::new(),
            is_boundary: false,
            revision: Revision::new("1".repeat(40)).expect("a revision"),
            at: Timestamp::from_unix_ms(0),
            author: long.clone(),
            agent: None,
            holder: None,
            operations: (0..9_000).filter_map(|n| OperationId::new(format!("op-{n}")).ok()).collect(),
            subject: long.clone(),
            changes: whats.iter().cycle().take(100).map(change).collect(),
        };
        let data = history_data("folder", &entry);
        assert!(data.to_string().len() < 32 * 1024, "{} bytes", data.to_string().len());
        assert_eq!(
            (&data["cut"], &data["changes_total"], &data["changes"][0]["cut"]),
            (&json!(true), &json!(100), &json!(true))
        );
        let count = |at: usize, key: &str| data["changes"][at][key].as_array().map(Vec::len);
        assert_eq!((&data["changes"][1]["from"], count(1, "to"), count(2, "added")), (&Value::Null, Some(0), Some(20)));
        assert!(text(&entry).len() < 32 * 1024);
        let short = HistoryEntry {
            missing: Vec::new(),
            is_boundary: false,
            author: "a".to_owned(),
            subject: "b".to_owned(),
            changes: Vec::new(),
            operations: Vec::new(),
            ..entry
        };
        let data = history_data("folder", &short);
        assert!(data.get("cut").is_none(), "{data}");
        assert!(text(&HistoryEntry { subject: long, ..short }).len() < 1_024);
    }
}
