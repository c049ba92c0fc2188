//! `log`: what happened to a document, or to all of them, told from the contents of the commits.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, print_line};
use super::envelope::{ANSWER_BYTES_MAX, Head, ITEMS_DEFAULT, envelope};
use super::failure::Failure;
use super::format::Wording;
use super::render::{Ink, paint};
use super::session::{self, Session};
use crate::change::{Change, How, What};
use crate::message;
use crate::name::{AgentName, DocId, DocPath, Kind, OperationId, visible};
use crate::runner::{Error, HistoryEntry, Workspace};
use crate::snapshot::FindError;

/// Changes shown of one commit; the rest is counted.
const CHANGES_MAX: usize = 20;

/// Tell what happened to a document, or to all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Times are in UTC; the newest comes first.")]
pub(crate) struct Args {
    /// A task, agent or workflow: its id, or the beginning of it [default: all]
    id: Option<String>,
    /// Show at most this many commits [default: 20]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    wording: Wording,
}

/// Tells the story.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Option<Answer>, Failure> {
    let workspace = session.open()?;
    let path = args.id.as_deref().map(|id| path_of(&workspace, id)).transpose()?;
    let limit = args.limit.unwrap_or(ITEMS_DEFAULT);
    // One more than shown tells whether there are more.
    let mut entries = workspace.history(path.as_ref(), limit.saturating_add(1))?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    if session.face.json() {
        return stream(&session::head(&workspace)?, &entries, args.limit.is_none(), more).map(|()| None);
    }
    let mut answer = session::answer("log", &workspace)?;
    answer.text = match args.wording.words("log", &workspace)? {
        Some(words) => {
            let all: Vec<Value> = entries.iter().map(|entry| data(workspace.folder(), entry)).collect();
            words.text(&all)?
        }
        None => entries.iter().map(text).collect(),
    };
    answer.words = closing(&entries, more, limit);
    Ok(Some(answer))
}

/// A document that is there, else one that was removed: its history is not.
fn path_of(workspace: &Workspace, id: &str) -> Result<DocPath, Failure> {
    match workspace.find(None, id) {
        Ok(found) => Ok(found.path),
        Err(error @ Error::Find(FindError::NotFound { .. })) => {
            let gone = removed(workspace, id)?;
            gone.ok_or_else(|| Failure::from(error))
        }
        Err(error) => Err(error.into()),
    }
}

fn removed(workspace: &Workspace, id: &str) -> Result<Option<DocPath>, Failure> {
    let Ok(id) = DocId::new(id) else { return Ok(None) };
    for kind in Kind::ALL {
        let path = DocPath::for_new(kind, &id);
        if !workspace.history(Some(&path), 1)?.is_empty() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// `2025-10-17 12:03  a1b2c3d  task-k7f3: pending → running  (ai-engineer)`, one line a change.
fn text(entry: &HistoryEntry) -> String {
    let at = entry.at.to_string();
    let at = format!("{} {}", at.get(..10).unwrap_or_default(), at.get(11..16).unwrap_or_default());
    let who = entry.agent.as_ref().map_or_else(|| entry.author.clone(), ToString::to_string);
    let start = format!("{}  {}", paint(Ink::Dim, &at), paint(Ink::Warn, entry.revision.short()));
    let blank = " ".repeat(at.len() + 2 + entry.revision.short().len());
    let who = paint(Ink::Live, &format!("({})", visible(&who)));
    if entry.changes.is_empty() {
        return format!("{start}  {}  {who}\n", visible(&entry.subject));
    }
    let mut out = String::new();
    let changes = telling(&entry.changes);
    for (index, change) in changes.iter().take(CHANGES_MAX).enumerate() {
        let (before, after) =
            if index == 0 { (start.as_str(), format!("  {who}")) } else { (blank.as_str(), String::new()) };
        let line = visible(&message::phrase(&change.what));
        let _ = writeln!(out, "{before}  {}: {line}{after}", paint(Ink::Bold, &name(change)));
    }
    if changes.len() > CHANGES_MAX {
        let _ = writeln!(out, "{blank}  … and {} more", changes.len() - CHANGES_MAX);
    }
    out
}

/// The changes worth a line: some come with every other change and say nothing. JSON has them all.
pub(crate) fn telling(changes: &[Change]) -> Vec<&Change> {
    let is_telling =
        |change: &&Change| !matches!(&change.what, What::Field { key, .. } if message::SILENT.contains(&&**key));
    let telling: Vec<&Change> = changes.iter().filter(is_telling).collect();
    if telling.is_empty() { changes.iter().collect() } else { telling }
}

fn name(change: &Change) -> String {
    change.id.as_ref().map_or_else(|| visible(change.path.file_name()), ToString::to_string)
}

fn closing(entries: &[HistoryEntry], more: bool, limit: usize) -> String {
    match (entries.is_empty(), more) {
        (true, true) => format!("none are shown, as asked for; `--limit {ITEMS_DEFAULT}` shows some\n"),
        (true, false) => "nothing has happened yet\n".to_owned(),
        (_, true) => format!("older ones are left out; `--limit {}` shows more\n", limit.saturating_mul(2)),
        _ => String::new(),
    }
}

/// One object a commit, then one that says how it ended.
fn stream(head: &Head, entries: &[HistoryEntry], bounded: bool, mut more: bool) -> Result<(), Failure> {
    let mut left = if bounded { ANSWER_BYTES_MAX } else { usize::MAX };
    let mut shown = 0;
    for entry in entries {
        let line = envelope("log.entry", head, &data(&head.folder, entry), &[], None);
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

fn data(folder: &str, entry: &HistoryEntry) -> Value {
    let changes = entry.changes.iter().take(CHANGES_MAX).map(|one| change(folder, one));
    json!({
        "revision": entry.revision.as_str(),
        "at": entry.at.to_string(),
        "author": entry.author,
        "agent": entry.agent.as_ref().map(AgentName::as_str),
        "operations": entry.operations.iter().map(OperationId::as_str).collect::<Vec<_>>(),
        "subject": entry.subject,
        "changes": changes.collect::<Vec<_>>(),
        "changes_total": entry.changes.len(),
    })
}

/// A change as an object: which document, what sort of change, and what it says in words; with values where it has some.
fn change(folder: &str, change: &Change) -> Value {
    let (what, values) = match &change.what {
        What::Created { status, about, assigned_to } => {
            ("created", json!({ "status": status, "type": about, "assigned_to": assigned_to }))
        }
        What::Removed => ("removed", json!({})),
        What::Moved { from } => ("moved", json!({ "from": format!("{folder}/{from}") })),
        What::Status { from, to } => ("status", json!({ "from": from, "to": to })),
        What::Field { key, from, to } => ("field", json!({ "key": key, "from": from, "to": to })),
        What::List { key, added, removed } => ("list", json!({ "key": key, "added": added, "removed": removed })),
        What::Step { n, text, done } => ("step", json!({ "step": n, "text": text, "done": done })),
        What::StepAdded { n, text } => ("step-added", json!({ "step": n, "text": text })),
        What::StepRemoved { text } => ("step-removed", json!({ "text": text })),
        What::Note { text } => ("note", json!({ "text": text })),
        What::NoteRemoved { text } => ("note-removed", json!({ "text": text })),
        What::Section { name, how } => {
            let how = match how {
                How::Added => "added",
                How::Changed => "changed",
                How::Removed => "removed",
            };
            ("section", json!({ "section": name, "how": how }))
        }
        What::Prose { added, removed } => ("text", json!({ "added": added, "removed": removed })),
        What::Published { events } => ("published", json!({ "events": events })),
        What::Unreadable { code } => ("unreadable", json!({ "code": code.as_str() })),
        What::Healed => ("healed", json!({})),
    };
    let mut out = json!({
        "id": change.id.as_ref().map(DocId::as_str),
        "kind": change.kind.map(Kind::word),
        "path": format!("{folder}/{}", change.path),
        "what": what,
        "words": message::phrase(&change.what),
    });
    if let (Some(out), Value::Object(values)) = (out.as_object_mut(), values) {
        out.extend(values);
    }
    out
}
