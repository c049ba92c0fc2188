//! Any bytes as what others write to a server: nothing panics, ids are checked, documents stay readable.

use super::parts;
use crate::adapters::redis::codec::{
    DocumentCodec, FIELDS_MAX, HashFields, Keys, QueueEntry, RedisDocument, changed_fields, create, hash_fields,
    parse_entry,
};
use crate::core::document::Document;
use crate::core::entity::{self, Entity};
use crate::core::merge;
use crate::core::name::{DocId, DocPath, Kind, is_unsafe_to_show};
use crate::core::reconcile::{
    DerivedValues, FileAction, HeadMotion, LocalDocument, ReconcileContext, RemoteContent, WriteContent, reconcile,
};
use crate::core::time::Timestamp;

const DOCUMENTS: [(Kind, &str, &str); 3] = [
    (
        Kind::Task,
        "task-1",
        "---\nid: task-1\nstatus: pending\ntype: t\n---\n\n# T\n\n## Payload\n\n## Result\n\n## Notes\n",
    ),
    (
        Kind::Agent,
        "a",
        "---\nagent: a\nstatus: idle\nlast_updated: 2025-10-17T00:00:00Z\n---\n\n# a\n\n## Active Tasks\n",
    ),
    (Kind::Workflow, "w", "---\nid: w\nstatus: running\ntype: t\ntasks:\n  - task-1\n---\n\n# W\n"),
];

/// Names and texts of fields in turn. The first part is also a key, an id and the entry of a queue.
pub(super) fn mirror(input: &[u8]) {
    let texts: Vec<String> = parts(input).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let first = texts.first().map_or("", String::as_str);
    let _ = Keys::default().parse(first);
    match parse_entry(first) {
        QueueEntry::Id(id) => assert_eq!(id.as_str(), first.trim()),
        QueueEntry::Task(task) => assert!(!task.kind.is_empty() && !task.kind.contains('\n')),
        QueueEntry::Garbage(garbage) => assert!(is_harmless(&garbage.field) && !garbage.why.is_empty()),
    }
    let shown: HashFields = texts.chunks(2).filter_map(|pair| Some((pair[0].clone(), pair.get(1)?.clone()))).collect();
    let now = Timestamp::from_unix_ms(1_760_000_000_000);
    for (kind, id, text) in DOCUMENTS {
        let _ = create(kind, id, &shown, now);
        assert!(create(kind, first, &shown, now).is_err() || DocId::new(first).is_ok());
        let document = Document::parse(text.as_bytes());
        taken(kind, id, &document, &shown, now);
        reconciled(kind, id, &document, &shown, now);
    }
}

fn is_harmless(text: &str) -> bool {
    !text.chars().any(is_unsafe_to_show)
}

fn entity_of(kind: Kind, id: &str, document: &Document) -> Option<Entity> {
    let path = DocPath::for_new(kind, &DocId::new(id).expect("an id"));
    entity::read(&path, document).entity.filter(|entity| entity.id().as_str() == id)
}

fn taken(kind: Kind, id: &str, document: &Document, changed: &HashFields, now: Timestamp) {
    let wrote = hash_fields(&entity_of(kind, id, document).expect("readable"), &DerivedValues::default());
    let mut shown = wrote.clone();
    for (field, text) in changed {
        match shown.iter_mut().find(|(known, _)| known == field) {
            Some((_, old)) => text.clone_into(old),
            None => shown.push((field.clone(), text.clone())),
        }
    }
    for shown in [&shown, changed] {
        let taken = changed_fields(kind, id, document, &wrote, shown, now);
        assert!(taken.rejected.len() <= FIELDS_MAX + 1);
        assert!(taken.rejected.iter().all(|garbage| is_harmless(&garbage.field) && !garbage.why.is_empty()));
        let Some(new) = taken.document else { continue };
        assert!(new.is_readable() && entity_of(kind, id, &new).is_some(), "{}", new.text());
    }
}

fn reconciled(kind: Kind, id: &str, document: &Document, shown: &HashFields, now: Timestamp) {
    let id = DocId::new(id).expect("an id");
    let path = DocPath::for_new(kind, &id);
    let context = ReconcileContext {
        kind,
        id: &id,
        node: "n",
        now,
        seen: None,
        derived: DerivedValues::default(),
        by: None,
        operation: None,
        head: HeadMotion::Forward,
        before: None,
        archived: None,
    };
    let there = RedisDocument {
        shown: Some(shown.clone()),
        sum: "s".to_owned(),
        record: None,
        is_touched: true,
        unusable: None,
    };
    let here = LocalDocument { path: path.clone(), document: document.clone() };
    let key = (kind, id.clone());
    for here in [None, Some(&here)] {
        let codec = DocumentCodec { kind, id: &id, node: "n", now };
        let there = codec.decode(&context.known(&key, None, here), &there);
        assert!(!matches!(there.content, RemoteContent::Gone { .. }));
        let step = reconcile(&context, None, here, &there);
        if let FileAction::Write { path: to, document, .. } = &step.file {
            let is_conflict = merge::sides(document.text()).is_some();
            assert!(*to == path && (document.is_readable() || is_conflict));
        }
        if let Some(send) = step.send {
            let WriteContent::Text { document, .. } = &send.content else { panic!("nothing goes") };
            assert!(entity_of(kind, id.as_str(), document).is_some());
            assert!(codec.encode(&send).is_ok_and(|write| write.revision > 0) || !shown.is_empty());
        }
    }
}
