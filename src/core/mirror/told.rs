//! What the server says of a document, with what others wrote into its hash taken in, and nothing believed that is not
//! about this document.

use super::create::create;
use super::fields::{Derived, fields, find, same};
use super::reconcile::Ground;
use super::remote::{Base, Fields, Gone, Local, Record, Remote};
use super::take::{Garbage, NewDoc, Taken, take};
use crate::core::document::Document;
use crate::core::entity::{self, Entity};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::sabotage::{self, Sabotage};

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// Nothing that counts.
    Nothing,
    /// Somebody made a document there.
    New(Box<NewDoc>),
    /// It holds a document.
    Text(Text),
    /// It is no longer in the folder.
    Gone {
        gone: Gone,
        path: DocPath,
        /// What an archived one holds.
        last: Option<Document>,
    },
}

/// A document of the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    /// With what others wrote.
    pub(super) document: Document,
    /// What the record holds, without it; `None` if there is no record and it was made from what is known here.
    pub(super) record: Option<Document>,
    pub(super) path: DocPath,
    /// Who wrote into the hash.
    pub(super) author: Option<AgentName>,
    /// Whether anybody did, to any effect.
    pub(super) is_changed: bool,
    /// Whether something in the hash cannot be used.
    pub(super) has_garbage: bool,
}

/// A document as what it is about, if it can be used and is the one of this id; else why not.
pub(super) fn entity_of(kind: Kind, id: &DocId, path: &DocPath, document: &Document) -> Result<Entity, String> {
    let reading = entity::read(path, document);
    match reading.entity {
        Some(entity) if entity.kind() == kind && entity.id() == *id => Ok(entity),
        Some(entity) => Err(format!("it is the {} `{}`", entity.kind(), entity.id())),
        None => Err(reading.findings.first().map_or_else(|| "it has no status".to_owned(), |f| f.message.clone())),
    }
}

/// The record, if it is about this document; where it may not lie it lies where a new one would.
pub(super) fn checked(
    ground: &Ground<'_>,
    base: Option<&Base>,
    here: Option<&Local>,
    there: &Remote,
    garbage: &mut Vec<Garbage>,
) -> Option<Record> {
    if let Some((_, why)) = &there.unusable {
        garbage.push(Garbage { field: String::new(), why: why.clone() });
    }
    let mut record = there.record.clone()?;
    let new = DocPath::for_new(ground.kind, ground.id);
    match record.gone {
        None if record.path.is_archived() || record.path.is_events() => record.path = new,
        Some(Gone::Archived) => {
            // In the archive it is called as it was before: under another name lies something else.
            let known = here.map(|here| &here.path).or_else(|| base.map(|base| &base.path)).unwrap_or(&new);
            if ![known, &new].iter().any(|path| path.file_name() == record.path.file_name()) {
                record.path = renamed(&record.path, known.file_name()).unwrap_or(record.path);
            }
        }
        _ => {}
    }
    let fault = match (&record.text, record.gone) {
        (Some(text), None) => {
            let document = Document::parse(text.as_bytes());
            entity_of(ground.kind, ground.id, &record.path, &document).err()
        }
        (None, None) => Some("it has no text".to_owned()),
        (_, Some(Gone::Archived)) if !record.path.is_archived() => Some("it lies in no archive".to_owned()),
        (_, Some(Gone::Archived)) if record.path.is_events() => Some("it lies where events are".to_owned()),
        (_, Some(_)) => None,
    };
    match fault {
        Some(why) => {
            garbage.push(Garbage { field: String::new(), why: format!("the record cannot be used: {why}") });
            None
        }
        None => Some(record),
    }
}

/// The same folder of the archive, and another file.
fn renamed(path: &DocPath, file_name: &str) -> Option<DocPath> {
    let (folder, name) = path.as_str().rsplit_once('/')?;
    // Where events are there is no name for a document.
    if path.is_events() || name == file_name { None } else { DocPath::new(format!("{folder}/{file_name}")).ok() }
}

/// What the server says of a document.
pub(super) fn told(
    ground: &Ground<'_>,
    base: Option<&Base>,
    here: Option<&Local>,
    there: &Remote,
    record: Option<&Record>,
    garbage: &mut Vec<Garbage>,
) -> Told {
    let shown = there.shown.as_ref();
    let Some(record) = record else {
        let Some(shown) = shown else { return Told::Nothing };
        let agreed = base.and_then(|base| Some((Document::parse(base.text.as_ref()?.as_bytes()), &base.path)));
        let known = agreed.or_else(|| here.map(|here| (here.document.clone(), &here.path)));
        return match known {
            Some((document, path)) => rewritten(ground, &document, path, shown, garbage),
            // Whoever can read the record knows what this is about.
            None if there.unusable.is_some() => Told::Nothing,
            // A late word about what is in the archive.
            None if ground.archived.is_some() => Told::Nothing,
            None => made(ground, shown, garbage).map_or(Told::Nothing, |new| Told::New(Box::new(new))),
        };
    };
    let Some(gone) = record.gone else {
        return Told::Text(written_into(ground, record, there, garbage));
    };
    let last = record.text.as_ref().map(|text| Document::parse(text.as_bytes()));
    let last = last.filter(|last| entity_of(ground.kind, ground.id, &record.path, last).is_ok());
    let is_gone = Told::Gone { gone, path: record.path.clone(), last };
    match shown.filter(|_| there.is_touched) {
        None => is_gone,
        // A late word about what is gone does not bring it back.
        Some(shown) if !is_creation(ground.kind, shown) => {
            garbage.push(Garbage { field: String::new(), why: "it is no longer in the folder".to_owned() });
            is_gone
        }
        Some(shown) => match here {
            Some(here) => match rewritten(ground, &here.document, &here.path, shown, garbage) {
                Told::Nothing => is_gone,
                told => told,
            },
            None => made(ground, shown, garbage).map_or(is_gone, |new| Told::New(Box::new(new))),
        },
    }
}

/// Tells whether a hash says all that a new document needs.
fn is_creation(kind: Kind, shown: &Fields) -> bool {
    match kind {
        Kind::Agent => find(shown, "status").is_some(),
        Kind::Task => find(shown, "type").is_some(),
        Kind::Workflow => find(shown, "status") == Some("running"),
    }
}

fn made(ground: &Ground<'_>, shown: &Fields, garbage: &mut Vec<Garbage>) -> Option<NewDoc> {
    create(ground.kind, ground.id.as_str(), shown, ground.now).map_err(|fault| garbage.push(fault)).ok()
}

/// A hash without a record: somebody wrote it anew. What it says is taken; what it does not say stays.
fn rewritten(
    ground: &Ground<'_>,
    document: &Document,
    path: &DocPath,
    shown: &Fields,
    garbage: &mut Vec<Garbage>,
) -> Told {
    let Ok(entity) = entity_of(ground.kind, ground.id, path, document) else { return Told::Nothing };
    let mut wrote = fields(&entity, &ground.derived);
    wrote.retain(|(field, _)| find(shown, field).is_some());
    let Taken { document: taken, author, garbage: faults } =
        take(ground.kind, ground.id.as_str(), document, &wrote, shown, ground.now);
    let has_garbage = !faults.is_empty();
    garbage.extend(faults);
    let is_changed = taken.is_some();
    let document = taken.unwrap_or_else(|| document.clone());
    let path = if path.is_archived() { DocPath::for_new(ground.kind, ground.id) } else { path.clone() };
    Told::Text(Text { document, record: None, path, author, is_changed, has_garbage })
}

/// A record, with what others wrote into its hash.
fn written_into(ground: &Ground<'_>, record: &Record, there: &Remote, garbage: &mut Vec<Garbage>) -> Text {
    let document = Document::parse(record.text.clone().unwrap_or_default().into_bytes());
    let mut text = Text {
        document: document.clone(),
        record: Some(document.clone()),
        path: record.path.clone(),
        author: None,
        is_changed: false,
        has_garbage: false,
    };
    let touched = there.shown.as_ref().filter(|shown| there.is_touched && !same(shown, &record.wrote));
    let Some(shown) = touched.filter(|_| !sabotage::on(Sabotage::WriteOver)) else { return text };
    let taken = take(ground.kind, ground.id.as_str(), &document, &record.wrote, shown, ground.now);
    text.has_garbage = !taken.garbage.is_empty();
    garbage.extend(taken.garbage);
    if let Some(changed) = taken.document
        && changed != document
    {
        text.document = changed;
        text.is_changed = true;
        text.author = taken.author;
    }
    text
}

/// Whether the hash of an unchanged document is to be told again because what follows from other documents has changed.
/// Whoever told of it last says so, or who knows of more progress: two that see different tasks do not take turns.
pub(super) fn is_outdated(record: &Record, now: &Fields, node: &str, derived: &Derived) -> bool {
    if same(&record.wrote, now) {
        return false;
    }
    let before = find(&record.wrote, "progress").and_then(|text| text.parse::<f64>().ok());
    record.node == node || derived.progress.is_some() && derived.progress > before
}
