//! What has happened to a document, from what it said before and says now: one event a change, on the channels of its kind.

use serde_json::{Map, Value as Json, json};

use super::SNAPSHOT;
use super::brief::{Brief, Seen, digest};
use super::feed::{Branch, Line, Told};
use super::log;
use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::merge;
use crate::core::name::{AgentName, Channel, DocPath, EventId, Kind, OperationId};
use crate::core::snapshot::Entry;
use crate::core::time::Timestamp;

/// Why the notice is told with which a feed begins.
pub(super) const BEGINS: &str = "nothing was told before";
/// Largest result or error that an event carries, in bytes of JSON; a larger one is left in its document.
const RESULT_BYTES_MAX: usize = 16 * 1024;

/// One call of the API, as far as events depend on it.
#[derive(Debug, Clone)]
pub struct Deed<'a> {
    /// Its id.
    pub id: &'a OperationId,
    /// Who acted.
    pub agent: Option<&'a AgentName>,
    /// What it did, as the journal calls it (`task.update`).
    pub verb: &'a str,
    /// When.
    pub at: Timestamp,
    /// Where HEAD was when it was asked for.
    pub branch: Branch,
    /// How often it was told before, because a person's save made it start again.
    pub again: u32,
}

/// A document before and after.
pub type Side<'a> = (&'a DocPath, Option<&'a [u8]>, Option<&'a [u8]>);

/// What an operation is told as: one line a document.
#[must_use]
pub fn told(deed: &Deed<'_>, changes: &[Side<'_>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut count = 0;
    let mut published = log::fresh(changes);
    for (path, before, after) in changes {
        if path.is_events() {
            let told = published.remove(*path).unwrap_or_default();
            let path = (!path.is_archived()).then(|| (*path).clone());
            let seen = |bytes: &&[u8]| Seen { brief: None, ..log::seen(bytes) };
            let (was, now) =
                if path.is_some() { (before.as_ref().map(seen), after.as_ref().map(seen)) } else { (None, None) };
            if path.is_some() || !told.is_empty() {
                lines.push(Line { path, was, now, told, ..Line::default() });
            }
            continue;
        }
        if path.is_archived() {
            continue;
        }
        let entry = |bytes: &&[u8]| Entry::read((*path).clone(), Document::parse(*bytes));
        let (old, new) = (before.as_ref().map(entry), after.as_ref().map(entry));
        let (was, mut now) = (old.as_ref().map(Seen::read), new.as_ref().map(Seen::read));
        mend(was.as_ref(), now.as_mut());
        let goes_to = |(other, was, now): &Side<'_>| {
            other.is_archived() && other.file_name() == path.file_name() && was.is_none() && now.is_some()
        };
        let is_archived = new.is_none() && changes.iter().any(goes_to);
        let what =
            ChangeKind { was: brief(was.as_ref()), now: brief(now.as_ref()), is_archived, verb: Some(deed.verb) };
        let mut told = Vec::new();
        if let Some(draft) = what.draft(new.as_ref().or(old.as_ref()), deed.agent) {
            count += 1;
            told.push(draft.told(id(deed, count), deed.at, path));
        }
        lines.push(Line { path: Some((*path).clone()), was, now, told, ..Line::default() });
    }
    if let Some(first) = lines.first_mut() {
        first.base = Some(deed.branch.clone());
    }
    lines
}

fn id(deed: &Deed<'_>, count: usize) -> EventId {
    let mut text = deed.id.to_string();
    if count > 1 {
        text = format!("{text}.{count}");
    }
    if deed.again > 0 {
        text = format!("{text}.again{}", deed.again);
    }
    EventId::new(text).unwrap_or_else(|_| EventId::from(deed.id))
}

/// What an edit by hand is told as: `was` was told last, by the event `last`; `entry` is the document now.
#[must_use]
pub fn edited(
    path: &DocPath,
    was: Option<&Seen>,
    last: Option<&EventId>,
    entry: Option<&Entry>,
    archived: bool,
    at: Timestamp,
) -> Line {
    let mut now = entry.map(Seen::read);
    mend(was, now.as_mut());
    let told = step(path, was, last, now.as_ref(), entry, archived, at);
    Line { path: Some(path.clone()), was: was.cloned(), now, told: told.into_iter().collect(), ..Line::default() }
}

/// The event between two states of a document, nobody's operation; its id follows from them and from the event before.
pub(super) fn step(
    path: &DocPath,
    was: Option<&Seen>,
    last: Option<&EventId>,
    now: Option<&Seen>,
    entry: Option<&Entry>,
    is_archived: bool,
    at: Timestamp,
) -> Option<Told> {
    let what = ChangeKind { was: brief(was), now: brief(now), is_archived, verb: None };
    let draft = what.draft(entry, None)?;
    let text = |seen: Option<&Seen>| seen.map_or_else(String::new, |seen| seen.digest.clone());
    let last = last.map_or("", EventId::as_str);
    let parts = [path.as_str(), &text(was), &text(now), last];
    let id = format!("edit-{}", digest(&parts.map(str::as_bytes)));
    Some(draft.told(EventId::new(id).ok()?, at, path))
}

/// Why everything may be different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// Nothing was told before: the feed is new, or was removed.
    New,
    /// HEAD has moved in another way than by a fast-forward or a merge.
    Moved {
        /// Where it was.
        from: Branch,
        /// Where it is.
        to: Branch,
    },
    /// The event behind which to go on is no longer kept.
    Lost(EventId),
    /// The event behind which to go on is older than the feed: what came before it and what after is not known any more.
    Unordered(EventId),
}

/// The one notice that stands for all changes that are not told one by one.
#[must_use]
pub fn replaced(why: &Replaced, at: Timestamp) -> Told {
    let mut body = Map::new();
    let reason = match why {
        Replaced::New => BEGINS.to_owned(),
        Replaced::Moved { from, to } => {
            let name = |branch: &Branch| branch.name.clone().or_else(|| branch.revision.clone());
            body.insert("from".to_owned(), json!(name(from)));
            body.insert("to".to_owned(), json!(name(to)));
            "another commit was checked out".to_owned()
        }
        Replaced::Lost(since) => {
            body.insert("since".to_owned(), json!(since.as_str()));
            format!("the event `{since}` is no longer kept, or is not known here")
        }
        Replaced::Unordered(since) => {
            body.insert("since".to_owned(), json!(since.as_str()));
            format!("which events of other clones came before `{since}` and which after it is no longer known")
        }
    };
    body.insert("reason".to_owned(), json!(reason));
    // What is missing may be on any channel; that all documents are others is told on theirs too.
    let names: &[&str] = match why {
        Replaced::New | Replaced::Moved { .. } => &[SNAPSHOT, "agents:events", "tasks:events", "workflows:events"],
        Replaced::Lost(_) | Replaced::Unordered(_) => &[SNAPSHOT],
    };
    let text = serde_json::to_string(&body).unwrap_or_default();
    let id = format!("replaced-{}", digest(&[text.as_bytes(), &at.unix_ms().to_le_bytes()]));
    Told {
        id: EventId::new(id).unwrap_or_else(|_| unnamed()),
        at,
        channels: channels(names),
        event: "replaced".to_owned(),
        body,
    }
}

fn unnamed() -> EventId {
    EventId::new("unnamed").expect("it is a name")
}

fn channels(names: &[&str]) -> Vec<Channel> {
    names.iter().filter_map(|name| Channel::new(*name).ok()).collect()
}

fn brief(seen: Option<&Seen>) -> Option<&Brief> {
    seen.and_then(|seen| seen.brief.as_ref())
}

/// A document that cannot be read now still counts as what it said before.
fn mend(was: Option<&Seen>, now: Option<&mut Seen>) {
    if let Some(now) = now {
        now.brief = now.brief.take().map(|brief| brief.broken(was.and_then(|was| was.brief.as_ref())));
    }
}

/// Two states of a document.
struct ChangeKind<'a> {
    was: Option<&'a Brief>,
    now: Option<&'a Brief>,
    is_archived: bool,
    verb: Option<&'a str>,
}

struct Draft {
    kind: Kind,
    event: &'static str,
    body: Map<String, Json>,
}

impl ChangeKind<'_> {
    /// What has happened; `None` for what is no agent, task or workflow.
    fn draft(&self, entry: Option<&Entry>, agent: Option<&AgentName>) -> Option<Draft> {
        let told = self.now.or(self.was)?;
        let kind = told.kind()?;
        let event = self.word(kind)?;
        let mut body = Map::new();
        body.insert(format!("{}_id", kind.word()), json!(told.id));
        if kind != Kind::Agent || agent.is_some() {
            let holder = || told.holder.clone().or_else(|| told.assigned.clone());
            body.insert("agent".to_owned(), json!(agent.map(ToString::to_string).or_else(holder)));
        }
        body.insert("actor".to_owned(), json!(agent.map(AgentName::as_str)));
        body.insert("holder".to_owned(), json!(told.current_holder()));
        let from = self.was.and_then(|was| was.status.clone()).filter(|from| Some(from) != told.status.as_ref());
        if let Some(from) = from {
            body.insert("from".to_owned(), json!(from));
        }
        body.insert("status".to_owned(), json!(told.status));
        if let Some(progress) = told.progress {
            body.insert("progress".to_owned(), json!(progress));
        }
        let entity = entry.and_then(|entry| entry.entity.as_ref());
        match entity {
            Some(Entity::Task(task)) => {
                body.insert("type".to_owned(), json!(task.kind));
                if let ("overruled", Some(entry)) = (event, entry) {
                    body.insert("lost".to_owned(), lost(entry, self.was.map_or(0, |was| was.losses)));
                }
                if matches!(event, "completed" | "failed") {
                    outcome(&mut body, event, task.result.as_ref(), task.error.as_ref());
                }
            }
            Some(Entity::Workflow(workflow)) => {
                body.insert("type".to_owned(), json!(workflow.kind));
                if matches!(event, "completed" | "failed") {
                    outcome(&mut body, event, workflow.result.as_ref(), workflow.error.as_ref());
                }
            }
            _ if matches!(event, "completed" | "failed") => outcome(&mut body, event, None, None),
            _ => {}
        }
        Some(Draft { kind, event, body })
    }

    fn word(&self, kind: Kind) -> Option<&'static str> {
        let (was, now) = match (self.was, self.now) {
            (None, None) => return None,
            (None, Some(now)) if now.unreadable => return Some("unreadable"),
            (None, Some(_)) => return Some("created"),
            (Some(_), None) => return Some(if self.is_archived { "archived" } else { "removed" }),
            (Some(was), Some(now)) => (was, now),
        };
        if now.unreadable {
            return Some("unreadable");
        }
        if now.losses > was.losses {
            return Some("overruled");
        }
        if let Some(word) = self.verb.and_then(said) {
            return Some(word);
        }
        if let Some(word) = self.verb.and_then(said_of_workflow).filter(|_| kind == Kind::Workflow) {
            return Some(word);
        }
        let (from, to) = (was.status.as_deref(), now.status.as_deref());
        if from != to && kind != Kind::Agent {
            let is_claim = now.holder.is_some() && now.holder != was.holder;
            return Some(match (from, to) {
                (_, Some("completed")) if now.skipped => "skipped",
                (_, Some("completed")) => "completed",
                (_, Some("failed")) => "failed",
                (_, Some("running")) if is_claim => "claimed",
                (Some("completed"), Some("running" | "pending")) => "reopened",
                (Some("failed"), Some("running" | "pending")) => "retried",
                (_, Some("running")) => "started",
                (Some("running"), Some("pending")) => "released",
                _ => "updated",
            });
        }
        Some(match () {
            () if now.holder.is_some() && (now.holder != was.holder || now.fence > was.fence) => "claimed",
            () if now.approved.is_some() && now.approved != was.approved => "approved",
            () if now.progress != was.progress => "progress",
            () => "updated",
        })
    }
}

/// What only the verb tells.
fn said(verb: &str) -> Option<&'static str> {
    match verb.rsplit('.').next()? {
        "approve" => Some("approved"),
        "reject" => Some("rejected"),
        "take-back" | "take_back" => Some("taken_back"),
        _ => None,
    }
}

/// The words for operations on a workflow that no status shows: a cancel fails it, and a retry has it run again.
fn said_of_workflow(verb: &str) -> Option<&'static str> {
    match verb {
        "workflow.pause" => Some("paused"),
        "workflow.resume" => Some("resumed"),
        _ => None,
    }
}

/// Who lost the task in a merge, to whom, and the words that the document has for it; without those that were told.
fn lost(entry: &Entry, told: usize) -> Json {
    let one = |loss: &merge::Loss| json!({ "agent": loss.loser, "to": loss.winner, "says": loss.line });
    merge::losses(&entry.document).get(told..).unwrap_or_default().iter().map(one).collect()
}

/// What came out, as those expect it who look at `result.success` alone.
fn outcome(body: &mut Map<String, Json>, event: &str, result: Option<&Json>, error: Option<&Json>) {
    let is_small = |value: &&Json| value.to_string().len() <= RESULT_BYTES_MAX;
    let told = match result.filter(is_small) {
        // What stands there may be the result of an earlier run.
        _ if event == "failed" => json!({ "success": false }),
        Some(Json::Object(map)) => {
            let mut map = map.clone();
            map.entry("success").or_insert(json!(true));
            Json::Object(map)
        }
        Some(value) => json!({ "success": true, "value": value }),
        None => json!({ "success": true }),
    };
    body.insert("result".to_owned(), told);
    let error = error.filter(|_| event == "failed");
    body.insert("error".to_owned(), json!(error.filter(is_small)));
    let too_big = |value: Option<&Json>| value.is_some_and(|value| !is_small(&value));
    if too_big(result) || too_big(error) {
        body.insert("left_out".to_owned(), json!("it is too big for an event; read the document"));
    }
}

impl Draft {
    fn told(self, id: EventId, at: Timestamp, path: &DocPath) -> Told {
        let mut body = self.body;
        body.insert("path".to_owned(), json!(path.as_str()));
        let names: &[&str] = match (self.kind, self.event) {
            (Kind::Task, "completed") => &["tasks:completed", "tasks:events"],
            (Kind::Task, "failed") => &["tasks:failed", "tasks:completed", "tasks:events"],
            // Whoever lost it listens for itself, not for the task.
            (Kind::Task, "overruled") => &["tasks:events", "agents:events"],
            (Kind::Task, _) => &["tasks:events"],
            (Kind::Workflow, "completed") => &["workflows:completed", "workflows:events"],
            (Kind::Workflow, "failed") => &["workflows:failed", "workflows:completed", "workflows:events"],
            (Kind::Workflow, _) => &["workflows:events"],
            (Kind::Agent, _) => &["agents:events"],
        };
        Told { id, at, channels: channels(names), event: self.event.to_owned(), body }
    }
}
