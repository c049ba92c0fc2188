//! What the server holds of a document, decoded: with what others wrote into its hash, and without what is about another
//! document.

mod encode;

use super::create::create;
use super::edits::changed_fields;
use super::hash::{HashLife, find, hash_fields, hash_life, same};
use super::record::{HashFields, RedisDocument, RedisRecord};
use crate::core::document::Document;
use crate::core::entity::{Entity, WorkflowStatus};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::{
    Ancestry, ChangeAuthor, Gone, KnownDocument, MirroredDocument, NewDocument, RejectedField, RemoteContent,
    RemoteDocument, RemoteEdit, RemoteText, RemoteVersion, entity_of,
};
use crate::core::sabotage::{self, Sabotage};
use crate::core::time::Timestamp;

#[cfg(test)]
pub(super) use encode::excess;

/// Decodes and encodes one document.
#[derive(Debug, Clone, Copy)]
pub struct DocumentCodec<'a> {
    /// The kind of the document.
    pub kind: Kind,
    /// Its id.
    pub id: &'a DocId,
    /// This clone.
    pub node: &'a str,
    /// Now.
    pub now: Timestamp,
}

impl DocumentCodec<'_> {
    /// Returns what the server says of the document.
    #[must_use]
    pub fn decode(&self, known: &KnownDocument<'_>, there: &RedisDocument) -> RemoteDocument {
        let mut rejected = Vec::new();
        let record = self.checked_record(known, there, &mut rejected);
        let content = self.content(known, there, record.as_ref(), &mut rejected);
        // What is no record of this document still has to be replaced.
        let version = RemoteVersion { number: there.revision(), token: there.sum.clone() };
        RemoteDocument { version, content, rejected }
    }

    /// Returns the record, if it is about this document; where it may not lie it lies where a new one would.
    fn checked_record(
        &self,
        known: &KnownDocument<'_>,
        there: &RedisDocument,
        rejected: &mut Vec<RejectedField>,
    ) -> Option<RedisRecord> {
        if let Some((_, why)) = &there.unusable {
            rejected.push(RejectedField { field: String::new(), why: why.clone() });
        }
        let mut record = there.record.clone()?;
        let new = DocPath::for_new(self.kind, self.id);
        match record.gone {
            None if record.path.is_archived() || record.path.is_events() => record.path = new,
            Some(Gone::Archived) => {
                // In the archive it is called as it was before: under another name lies another document.
                let here = known.local.map(|local| &local.path);
                let known = here.or_else(|| known.base.map(|base| &base.path)).unwrap_or(&new);
                if ![known, &new].iter().any(|path| path.file_name() == record.path.file_name()) {
                    record.path = renamed(&record.path, known.file_name()).unwrap_or(record.path);
                }
            }
            _ => {}
        }
        let fault = match (&record.text, record.gone) {
            (Some(text), None) => {
                let document = Document::parse(text.as_bytes());
                entity_of(self.kind, self.id, &record.path, &document).err()
            }
            (None, None) => Some("it has no text".to_owned()),
            (_, Some(Gone::Archived)) if !record.path.is_archived() => Some("it lies in no archive".to_owned()),
            (_, Some(Gone::Archived)) if record.path.is_events() => Some("it lies where events are".to_owned()),
            (_, Some(_)) => None,
        };
        match fault {
            Some(why) => {
                rejected.push(RejectedField { field: String::new(), why: format!("the record cannot be used: {why}") });
                None
            }
            None => Some(record),
        }
    }

    fn content(
        &self,
        known: &KnownDocument<'_>,
        there: &RedisDocument,
        record: Option<&RedisRecord>,
        rejected: &mut Vec<RejectedField>,
    ) -> RemoteContent {
        let shown = there.shown.as_ref();
        let Some(record) = record else {
            let Some(shown) = shown else { return RemoteContent::Absent };
            if let Some((base, text)) = known.base.and_then(|base| Some((base, base.text.as_deref()?))) {
                let document = Document::parse(text.as_bytes());
                return self.rewritten(known, (RemoteText::Base, &document, &base.path), shown, rejected);
            }
            if let Some(local) = known.local {
                return self.rewritten(known, (RemoteText::Local, &local.document, &local.path), shown, rejected);
            }
            // The clone that can read the record knows what this is about; and a late word about what is archived is none.
            if there.unusable.is_some() || known.is_archived {
                return RemoteContent::Absent;
            }
            return self
                .created(shown, rejected)
                .map_or(RemoteContent::Absent, |new| RemoteContent::New(Box::new(new)));
        };
        let Some(how) = record.gone else { return self.written_into(known, record, there, rejected) };
        let gone = self.gone(how, record, shown.is_some());
        match shown.filter(|_| there.is_touched) {
            None => gone,
            // A late word about what is gone does not bring it back.
            Some(shown) if !is_creation(self.kind, shown) => {
                rejected.push(RejectedField { field: String::new(), why: "it is no longer in the folder".to_owned() });
                gone
            }
            Some(shown) => match known.local {
                Some(local) => {
                    let local = (RemoteText::Local, &local.document, &local.path);
                    match self.rewritten(known, local, shown, rejected) {
                        RemoteContent::Mirrored(mut mirrored) => {
                            mirrored.ancestry = ancestry(record);
                            RemoteContent::Mirrored(mirrored)
                        }
                        _ => gone,
                    }
                }
                None => self.created(shown, rejected).map_or(gone, |new| RemoteContent::New(Box::new(new))),
            },
        }
    }

    fn gone(&self, how: Gone, record: &RedisRecord, is_shown: bool) -> RemoteContent {
        let last = record.text.as_ref().map(|text| Document::parse(text.as_bytes()));
        RemoteContent::Gone {
            how,
            path: record.path.clone(),
            last: last.filter(|last| entity_of(self.kind, self.id, &record.path, last).is_ok()),
            ancestry: ancestry(record),
            by: attribution(record),
            is_shown,
        }
    }

    fn created(&self, shown: &HashFields, rejected: &mut Vec<RejectedField>) -> Option<NewDocument> {
        create(self.kind, self.id.as_str(), shown, self.now).map_err(|fault| rejected.push(fault)).ok()
    }

    /// A hash without a record: another program wrote it. What it says is taken; what it does not say stays.
    fn rewritten(
        &self,
        known: &KnownDocument<'_>,
        (text, document, path): (RemoteText, &Document, &DocPath),
        shown: &HashFields,
        rejected: &mut Vec<RejectedField>,
    ) -> RemoteContent {
        let Ok(entity) = entity_of(self.kind, self.id, path, document) else { return RemoteContent::Absent };
        let mut wrote = hash_fields(&entity, known.derived);
        wrote.retain(|(field, _)| find(shown, field).is_some());
        let edits = changed_fields(self.kind, self.id.as_str(), document, &wrote, shown, self.now);
        rejected.extend(edits.rejected);
        let path = if path.is_archived() { DocPath::for_new(self.kind, self.id) } else { path.clone() };
        let edit = edits.document.map(|document| RemoteEdit { document, author: edits.author });
        RemoteContent::Mirrored(Box::new(MirroredDocument {
            text,
            path,
            ancestry: Ancestry::default(),
            edit,
            by: ChangeAuthor::default(),
            needs_refresh: true,
        }))
    }

    /// A record, with what others wrote into its hash.
    fn written_into(
        &self,
        known: &KnownDocument<'_>,
        record: &RedisRecord,
        there: &RedisDocument,
        rejected: &mut Vec<RejectedField>,
    ) -> RemoteContent {
        let document = Document::parse(record.text.clone().unwrap_or_default().into_bytes());
        let touched = there.shown.as_ref().filter(|shown| there.is_touched && !same(shown, &record.wrote));
        let (mut edit, mut has_rejected) = (None, false);
        if let Some(shown) = touched.filter(|_| !sabotage::on(Sabotage::WriteOver)) {
            let edits = changed_fields(self.kind, self.id.as_str(), &document, &record.wrote, shown, self.now);
            has_rejected = !edits.rejected.is_empty();
            rejected.extend(edits.rejected);
            edit = edits.document.map(|document| RemoteEdit { document, author: edits.author });
        }
        let needs_refresh = match touched {
            // What cannot be used, and only that, is left for the program that wrote it to correct.
            Some(_) => !has_rejected || edit.is_some(),
            None => entity_of(self.kind, self.id, &record.path, &document)
                .is_ok_and(|entity| self.is_outdated(known, &entity, record, there)),
        };
        RemoteContent::Mirrored(Box::new(MirroredDocument {
            text: RemoteText::Stored(document),
            path: record.path.clone(),
            ancestry: ancestry(record),
            edit,
            by: attribution(record),
            needs_refresh,
        }))
    }

    /// Returns true if the hash of an unchanged document is to be written again: it expired, or what follows from other
    /// documents has changed. In the latter case the clone that wrote it last does so, or one that knows of more progress: two
    /// that see different tasks do not take turns.
    fn is_outdated(
        &self,
        known: &KnownDocument<'_>,
        entity: &Entity,
        record: &RedisRecord,
        there: &RedisDocument,
    ) -> bool {
        if there.shown.is_none() {
            return match (hash_life(entity, known.seen, self.now), entity) {
                (HashLife::Over, _) => false,
                (_, Entity::Workflow(workflow)) => workflow.status == WorkflowStatus::Running,
                _ => true,
            };
        }
        if there.is_touched || same(&record.wrote, &hash_fields(entity, known.derived)) {
            return false;
        }
        let before = find(&record.wrote, "progress").and_then(|text| text.parse::<f64>().ok());
        record.node == self.node || known.derived.progress.is_some() && known.derived.progress > before
    }
}

/// Returns the same folder of the archive, and another file.
fn renamed(path: &DocPath, file_name: &str) -> Option<DocPath> {
    let (folder, name) = path.as_str().rsplit_once('/')?;
    // Where events are there is no name for a document.
    if path.is_events() || name == file_name { None } else { DocPath::new(format!("{folder}/{file_name}")).ok() }
}

/// Returns true if a hash says all that a new document needs.
fn is_creation(kind: Kind, shown: &HashFields) -> bool {
    match kind {
        Kind::Agent => find(shown, "status").is_some(),
        Kind::Task => find(shown, "type").is_some(),
        Kind::Workflow => find(shown, "status") == Some("running"),
    }
}

fn ancestry(record: &RedisRecord) -> Ancestry {
    Ancestry::parse(record.from.split_ascii_whitespace())
}

fn attribution(record: &RedisRecord) -> ChangeAuthor {
    ChangeAuthor { agent: record.by.clone(), operation: record.operation.clone() }
}
