//! An item as what a remote says of a task.

use super::listing::{ItemListing, MarkedItem};
use super::model::Item;
use super::projection::{APPROVER, Projection, changed_fields};
use crate::core::document::{Document, Value};
use crate::core::entity::{Priority, Task, TaskDraft, TaskStatus, set_key};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::{
    Ancestry, ChangeAuthor, FieldUpdates, KnownDocument, MirroredDocument, NewDocument, RejectedField, RemoteContent,
    RemoteDocument, RemoteEdit, RemoteText, RemoteVersion, SyncBase, digest,
};
use crate::core::sabotage::{self, Sabotage};
use crate::core::time::Timestamp;

/// The type of a new task that another client has put into the project.
const FOREIGN_KIND: &str = "task";

/// Why a task is not shown there that is one too many.
pub const SURPLUS: &str = "there are more tasks than `coordination.taskqueue.max_tasks`";

/// Decodes items.
#[derive(Debug)]
pub(super) struct ItemDecoder<'a> {
    pub(super) listing: &'a ItemListing,
    /// Now.
    pub(super) now: Timestamp,
}

/// The mark of what an item was when it was read.
pub(super) fn token(item: &Item) -> String {
    digest(format!("{item:?}").as_bytes())
}

impl ItemDecoder<'_> {
    /// What the server says of a task. With `is_surplus` it may not be shown there if it is not yet.
    pub(super) fn decode(&self, known: &KnownDocument<'_>, is_surplus: bool) -> RemoteDocument {
        let Some(one) = self.listing.item(&known.key.1) else {
            return RemoteDocument {
                version: RemoteVersion::default(),
                content: missing(known, is_surplus),
                rejected: Vec::new(),
            };
        };
        let mut rejected = Vec::new();
        let content = self.shown(known, one, &mut rejected);
        let version = RemoteVersion { number: one.number(), token: token(&one.item) };
        RemoteDocument { version, content, rejected }
    }

    fn shown(&self, known: &KnownDocument<'_>, one: &MarkedItem, rejected: &mut Vec<RejectedField>) -> RemoteContent {
        let is_frozen = one.item.approved || self.listing.is_finalized;
        if is_frozen && known.local.is_none() {
            // It stays for good, whatever becomes of the task.
            return RemoteContent::Absent;
        }
        let text = match text(known, one, is_frozen) {
            Some(text) => text,
            None if known.base.is_some() => {
                return RemoteContent::Unusable("its title names a task that is gone".to_owned());
            }
            None => return RemoteContent::New(Box::new(NewDocument::Task(self.draft(&known.key.1, &one.item)))),
        };
        let mut mirrored = MirroredDocument {
            path: path(known),
            ancestry: Ancestry::default(),
            edit: None,
            by: ChangeAuthor::default(),
            needs_refresh: !is_frozen && (one.marker.is_none() || self.listing.surplus(&known.key.1).next().is_some()),
            text,
        };
        if let Some((sent, document, task)) = source(known, &mirrored.text) {
            let is_sent = one.marker.as_ref().is_none_or(|marker| marker.digest.as_ref() == Some(&sent.digest()));
            // Once the task has changed since, a frozen item does not show which of the two differs from what was sent.
            if is_sent || !is_frozen {
                mirrored.edit = self.edit(&known.key.1, &document, &changed_fields(&sent, &task, &one.item), rejected);
            }
            let shown = Projection::shown(&one.item);
            if !is_frozen && (shown.title != sent.title || shown.description != sent.description) {
                mirrored.needs_refresh = true;
                if one.marker.is_some() {
                    rejected.push(RejectedField::new(
                        "text",
                        "it was changed there, and the file has the text: it is sent again",
                    ));
                }
            }
        }
        RemoteContent::Mirrored(Box::new(mirrored))
    }

    /// The document with what others have changed there.
    fn edit(
        &self,
        id: &DocId,
        before: &Document,
        fields: &[(&'static str, String)],
        rejected: &mut Vec<RejectedField>,
    ) -> Option<RemoteEdit> {
        let mut document = before.clone();
        let running = TaskStatus::Running.word();
        // The server does not say who works on it, or for how long: it gets no holder, so no lease runs out.
        if fields.iter().any(|(field, text)| *field == "status" && text == running)
            && let Ok(started) = set_key(&document, "status", &Value::text(running))
        {
            document = started;
        }
        let updates =
            fields.iter().filter(|(_, text)| text != running).map(|(field, text)| (*field, Some(text.as_str())));
        let updates =
            FieldUpdates { kind: Kind::Task, id, before: &document, updates: updates.collect(), now: self.now };
        let edits = updates.apply();
        rejected.extend(edits.rejected);
        let document = edits.document.unwrap_or(document);
        (document != *before).then_some(RemoteEdit { document, author: None })
    }

    fn draft(&self, id: &DocId, item: &Item) -> TaskDraft {
        TaskDraft {
            id: id.clone(),
            kind: FOREIGN_KIND.to_owned(),
            title: Some(item.title.split_whitespace().collect::<Vec<_>>().join(" ")),
            description: Some(item.description.clone()),
            assigned_to: None,
            depends_on: Vec::new(),
            priority: Priority::Normal,
            workflow: None,
            payload: None,
            steps: Vec::new(),
            created: self.now,
        }
    }
}

/// What is said of a task that no item shows.
fn missing(known: &KnownDocument<'_>, is_surplus: bool) -> RemoteContent {
    let task = known.local.and_then(|local| Projection::of_document(&known.key.1, &local.document));
    if task.as_ref().is_some_and(|(_, task)| is_finished(task)) && known.base.is_some_and(|base| base.text.is_some()) {
        // A project that was finalized has it.
        return RemoteContent::Mirrored(Box::new(MirroredDocument {
            text: RemoteText::Base,
            path: path(known),
            ancestry: Ancestry::default(),
            edit: None,
            by: ChangeAuthor::default(),
            needs_refresh: false,
        }));
    }
    if is_surplus && task.is_some() {
        return RemoteContent::Unusable(SURPLUS.to_owned());
    }
    RemoteContent::Absent
}

/// A person has approved it on a server: it is shown there for good.
pub(super) fn is_finished(task: &Task) -> bool {
    task.status == TaskStatus::Completed && task.approved.as_deref() == Some(APPROVER)
}

/// The text that an item comes from; `None` if this clone has none and it has no marker.
fn text(known: &KnownDocument<'_>, one: &MarkedItem, is_frozen: bool) -> Option<RemoteText> {
    let base = known.base.filter(|base| base.text.is_some());
    let Some(marker) = &one.marker else { return text_without_marker(known, &one.item) };
    if is_frozen && base.is_some_and(|base| is_last_word(known, base, marker.number)) {
        return Some(RemoteText::Base);
    }
    // While an item is made, only the clone that makes it knows the text that it will show.
    let Some(digest) = &marker.digest else { return Some(RemoteText::Superseded) };
    let is_from =
        |text: &Document| Projection::of_document(&known.key.1, text).is_some_and(|(sent, _)| sent.digest() == *digest);
    match known.source(marker.number, &is_from) {
        RemoteText::Foreign if is_frozen && base.is_none() && known.local.is_some() => Some(RemoteText::Local),
        text => Some(text),
    }
}

/// The text that an item comes from that has lost its marker: the one that it shows as it is, else the one whose words it has. What is
/// remembered may never have arrived there.
fn text_without_marker(known: &KnownDocument<'_>, item: &Item) -> Option<RemoteText> {
    let parse = |text: &String| Document::parse(text.as_bytes());
    let earlier = |text: Document| (RemoteText::Earlier(text.clone()), text);
    let mut near = Vec::new();
    if let Some((base, text)) = known.base.and_then(|base| Some((base, base.text.as_ref()?))) {
        near.push((RemoteText::Base, parse(text)));
        near.extend(base.before.as_ref().map(|before| earlier(parse(before))));
    } else {
        near.push((RemoteText::Local, known.local?.document.clone()));
    }
    let shown = Projection::shown(item);
    let has_words = |sent: &Projection| (&sent.title, &sent.description) == (&shown.title, &shown.description);
    let is_all = |sent: &Projection| sent.digest() == shown.digest();
    let find = |texts: &[(RemoteText, Document)], is_it: &dyn Fn(&Projection) -> bool| {
        let is_from = |(_, text): &&(RemoteText, Document)| {
            Projection::of_document(&known.key.1, text).is_some_and(|(sent, _)| is_it(&sent))
        };
        texts.iter().find(is_from).map(|(text, _)| text.clone())
    };
    let far: Vec<_> = known.earlier.iter().cloned().map(earlier).collect();
    let is_remembered = known.base.is_some_and(|base| base.text.is_some());
    let found = find(&near, &is_all)
        .or_else(|| find(&near, &has_words).filter(|_| is_remembered))
        .or_else(|| find(&far, &is_all))
        .or_else(|| find(&near, &has_words))
        .or_else(|| find(&far, &has_words));
    Some(found.unwrap_or(match (is_remembered, far.is_empty()) {
        // With nothing earlier at hand, git is asked.
        (_, true) => RemoteText::Foreign,
        (true, false) => RemoteText::Base,
        // Made by another clone of a text that git has not brought: its status says nothing of the text here.
        (false, false) => RemoteText::Superseded,
    }))
}

/// A frozen item of this number has nothing more to show of a task: it is of the version that was agreed on, or of an earlier one of
/// a task that is completed.
fn is_last_word(known: &KnownDocument<'_>, base: &SyncBase, number: u64) -> bool {
    let is_completed = || {
        let text = base.text.as_ref().map(|text| Document::parse(text.as_bytes()));
        let sent = text.and_then(|text| Projection::of_document(&known.key.1, &text));
        sent.is_some_and(|(_, task)| task.status == TaskStatus::Completed)
    };
    base.revision == number || base.revision > number && is_completed() && !sabotage::on(Sabotage::AskFrozenAgain)
}

/// What was sent of a text, with the text and the task that it says.
fn source(known: &KnownDocument<'_>, text: &RemoteText) -> Option<(Projection, Document, Task)> {
    let document = match text {
        RemoteText::Base => Document::parse(known.base?.text.as_ref()?.as_bytes()),
        RemoteText::Local => known.local?.document.clone(),
        RemoteText::Earlier(document) => document.clone(),
        RemoteText::Stored(_) | RemoteText::Superseded | RemoteText::Foreign => return None,
    };
    let (sent, task) = Projection::of_document(&known.key.1, &document)?;
    Some((sent, document, task))
}

fn path(known: &KnownDocument<'_>) -> DocPath {
    let local = known.local.map(|local| &local.path).or_else(|| known.base.map(|base| &base.path));
    local.filter(|path| !path.is_archived()).cloned().unwrap_or_else(|| DocPath::for_new(Kind::Task, &known.key.1))
}
