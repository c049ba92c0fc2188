//! What others wrote into a hash, taken into the document as if it were written by hand: the smallest edits, and what cannot
//! be used is left out and told of.

use super::fields::find;
use super::remote::Fields;
use super::wish::Wish;
use crate::core::document::Document;
use crate::core::entity::{self, Entity, NewAgent, NewTask, NewWorkflow};
use crate::core::name::{AgentName, DocId, DocPath, Kind, visible};
use crate::core::time::Timestamp;

/// Most fields of one hash that are taken at once.
pub const FIELDS_MAX: usize = 256;
/// Longest text of a field, in bytes.
pub const FIELD_BYTES_MAX: usize = crate::core::document::JSON_BYTES_MAX;
/// Characters of a field's name that are repeated.
const NAME_SHOWN_MAX: usize = 60;

/// A field that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Which field, safe to show; empty for the hash or entry as a whole.
    pub field: String,
    /// What is wrong with it, in plain words.
    pub why: String,
}

impl Garbage {
    pub(super) fn new(field: &str, why: impl Into<String>) -> Self {
        Self { field: visible(&field.chars().take(NAME_SHOWN_MAX).collect::<String>()), why: why.into() }
    }
}

/// What became of the fields that others changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Taken {
    /// The document with all that could be used; `None` if that changes nothing.
    pub document: Option<Document>,
    /// Whose change it is, as far as the fields tell.
    pub author: Option<AgentName>,
    /// What could not be used.
    pub garbage: Vec<Garbage>,
}

/// A document that somebody made on the server, to be rendered from a template.
#[derive(Debug, Clone, PartialEq)]
pub enum NewDoc {
    /// An agent.
    Agent(NewAgent),
    /// A task.
    Task(NewTask),
    /// A workflow.
    Workflow(NewWorkflow),
}

/// Takes the fields that differ from what a mirror wrote into the document.
#[must_use]
pub fn take(kind: Kind, key_id: &str, doc: &Document, wrote: &Fields, shown: &Fields, now: Timestamp) -> Taken {
    let mut garbage = Vec::new();
    let Ok(id) = DocId::new(key_id) else {
        return Taken { garbage: vec![Garbage::new("", "its key is no id")], ..Taken::default() };
    };
    let changed = |(field, text): &&(String, String)| find(wrote, field) != Some(text);
    let at = now.to_string();
    let mut wishes: Vec<(&str, Option<&str>)> =
        shown.iter().filter(changed).map(|(field, text)| (field.as_str(), Some(text.as_str()))).collect();
    let gone = wrote.iter().map(|(field, _)| field.as_str()).filter(|field| find(shown, field).is_none());
    match lacks(kind, wrote, shown)[..] {
        [] if !is_anew(kind, wrote, shown) => wishes.extend(gone.map(|field| (field, None))),
        [field] => garbage.push(Garbage::new(field, "it cannot be removed")),
        // An agent that writes itself anew, after its hash expired, lives; the same words may be all it has to say.
        [_, _, ..] if kind == Kind::Agent && find(shown, "last_updated").is_none() => {
            wishes.push(("last_updated", Some(&at)));
        }
        _ => {}
    }
    if wishes.len() > FIELDS_MAX {
        garbage.push(Garbage::new("", format!("{} fields at once; at most {FIELDS_MAX} are taken", wishes.len())));
        // Those that mean something come first.
        wishes.sort_by_key(|(field, _)| find(wrote, field).is_none());
        wishes.truncate(FIELDS_MAX);
    }
    wishes.sort_by_key(|(field, _)| order(field));
    let wish = Wish { kind, id: &id, before: doc, wishes: &wishes, now };
    let mut document = doc.clone();
    for (field, text) in &wishes {
        match wish.apply(&document, field, *text) {
            Ok(new) if new == document => {}
            Ok(new) if is_sound(kind, &id, doc, &new) => document = new,
            Ok(_) => garbage.push(Garbage::new(field, "the document could not be read with it")),
            Err(why) => garbage.push(Garbage::new(field, why)),
        }
    }
    let author = author(kind, &id, &document);
    Taken { document: (document != *doc).then_some(document), author, garbage }
}

/// The state comes first, then what says more than it about the same.
fn order(field: &str) -> usize {
    ["status", "claimed_by", "active_tasks", "metadata", "result", "error", "ttl", "last_updated"]
        .iter()
        .position(|known| *known == field)
        .map_or(8, |place| if place >= 6 { place + 4 } else { place })
}

/// What a mirror always writes.
const fn always(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Agent => &["status", "last_updated", "active_tasks", "metadata"],
        Kind::Task => &["id", "type", "status", "priority", "depends_on"],
        Kind::Workflow => &["id", "type", "status", "progress", "tasks"],
    }
}

/// What a hash lacks of that. One that lacks any was written anew (after it expired or was deleted): nothing was removed.
fn lacks(kind: Kind, wrote: &Fields, shown: &Fields) -> Vec<&'static str> {
    let is_lost = |field: &&&str| find(wrote, field).is_some() && find(shown, field).is_none();
    always(kind).iter().filter(is_lost).copied().collect()
}

/// Tells whether a whole hash was written anew by somebody who knows only what every one has: what they write does not
/// expire for tasks, and of the others what they know nothing of was not removed.
fn is_anew(kind: Kind, wrote: &Fields, shown: &Fields) -> bool {
    let mut optional = wrote.iter().filter(|(field, _)| !always(kind).contains(&field.as_str())).peekable();
    kind != Kind::Task && optional.peek().is_some() && optional.all(|(field, _)| find(shown, field).is_none())
}

/// Tells whether a document is still the one that it was.
fn is_sound(kind: Kind, id: &DocId, before: &Document, after: &Document) -> bool {
    let path = DocPath::for_new(kind, id);
    let of = |document: &Document| entity::read(&path, document).entity.map(|entity| entity.id());
    after.is_readable() && of(after).is_some_and(|after| Some(after) == of(before))
}

fn author(kind: Kind, id: &DocId, document: &Document) -> Option<AgentName> {
    match kind {
        Kind::Agent => AgentName::new(id.as_str()).ok(),
        Kind::Workflow => None,
        Kind::Task => match entity::read(&DocPath::for_new(kind, id), document).entity {
            Some(Entity::Task(task)) => task.claimed_by.or(task.assigned_to),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
