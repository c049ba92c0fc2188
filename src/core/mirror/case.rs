//! What to do in each of the cases that a document can be in.

use super::fields::{Life, fields, same, ttl};
use super::lineage::{Chain, Common, common, record_text, version};
use super::outgoing::{Version, former};
use super::reconcile::{Back, FileStep, Ground, Held, Step};
use super::remote::{Base, Gone, Local, Outgoing, Record, Remote};
use super::told::{Text, Told, entity_of, is_outdated};
use crate::core::document::Document;
use crate::core::entity::{Entity, WorkflowStatus};
use crate::core::merge::{self, MergeSides, Merged};
use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::sabotage::{self, Sabotage};

/// A document with all that is known of it.
pub(super) struct Case<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) base: Option<&'a Base>,
    pub(super) here: Option<&'a Local>,
    /// What is here lies in the archive already.
    pub(super) in_archive: bool,
    pub(super) there: &'a Remote,
    pub(super) record: Option<Record>,
}

impl Case<'_> {
    pub(super) fn nothing(&self) -> Step {
        Step {
            file: FileStep::Keep,
            send: None,
            base: self.base.cloned(),
            garbage: Vec::new(),
            conflicts: Vec::new(),
            decisions: Vec::new(),
            held: None,
        }
    }

    fn held(&self, why: Held) -> Step {
        Step { held: Some(why), ..self.nothing() }
    }

    fn agreed(&self) -> String {
        version(self.base.and_then(|base| base.text.as_deref()))
    }

    /// HEAD was moved back, and here is what it had before.
    pub(super) fn is_rolled_back(&self) -> bool {
        if self.ground.back != Back::MovedBack || sabotage::on(Sabotage::RollBack) {
            return false;
        }
        let Some(base) = self.base else { return false };
        match self.here {
            Some(here) => {
                let here = version(Some(here.document.text()));
                here != self.agreed() && Chain::of_base(Some(base)).has(&here)
            }
            None => base.text.is_some() && self.ground.archived.is_none(),
        }
    }

    pub(super) fn rolled_back(&self, told: &Told) -> Step {
        let send = if let Told::Text(text) = told { self.foreign(text).map(|(send, _)| send) } else { None };
        Step { send, ..self.held(Held::RolledBack) }
    }

    pub(super) fn nothing_there(&self) -> Step {
        if sabotage::on(Sabotage::LostIsRemoved) && self.base.is_some() && self.here.is_some() {
            return Step { file: FileStep::Remove { author: None, operation: None }, base: None, ..self.nothing() };
        }
        let Some(here) = self.here else {
            let was_here = self.base.is_some_and(|base| base.text.is_some());
            return match was_here {
                true => self.send_gone(),
                false if self.is_over() => Step { base: None, ..self.nothing() },
                false => self.nothing(),
            };
        };
        let path = self.live_path(&here.path);
        match entity_of(self.ground.kind, self.ground.id, &path, &here.document) {
            Ok(entity) => self.send_only(&here.document, &path, &entity),
            Err(why) => self.held(Held::Unreadable(why)),
        }
    }

    pub(super) fn gone_there(&self, gone: Gone, path: &DocPath, last: Option<&Document>) -> Step {
        let Some(here) = self.here.filter(|_| !self.in_archive) else {
            if self.there.shown.is_some() {
                let (send, base) = self.version(true).gone(gone, path, last);
                return Step { send: Some(send), base: Some(base), ..self.nothing() };
            }
            return Step { base: self.base_there(), ..self.nothing() };
        };
        let entity = match entity_of(self.ground.kind, self.ground.id, &here.path, &here.document) {
            Ok(entity) => entity,
            Err(why) => return self.held(Held::Unreadable(why)),
        };
        let this = version(Some(here.document.text()));
        let is_unchanged = match self.common() {
            Common::Base => this == self.agreed(),
            Common::There => false,
            Common::Unknown => last == Some(&here.document),
        };
        if !is_unchanged && !self.is_contained(&this) {
            // An edit wins over a removal.
            return self.send_only(&here.document, &here.path, &entity);
        }
        let (author, operation) = self.authors(None);
        let file = match gone {
            Gone::Removed => FileStep::Remove { author, operation },
            Gone::Archived => FileStep::Archive {
                to: path.clone(),
                document: last.unwrap_or(&here.document).clone(),
                author,
                operation,
            },
        };
        Step { file, base: self.base_there(), ..self.nothing() }
    }

    pub(super) fn not_here(&self, text: &Text) -> Step {
        let is_unchanged = match (self.base, self.ancestor(text)) {
            // A new clone that has it in the archive as it is there.
            (None, _) => self.ground.archived.is_some() && !text.is_changed,
            (Some(_), Ancestor::There) => !text.is_changed,
            (Some(_), Ancestor::Text(common)) => common == text.document,
            (Some(_), Ancestor::Unknown) => false,
        };
        if is_unchanged {
            return self.send_gone();
        }
        let Ok(entity) = entity_of(self.ground.kind, self.ground.id, &text.path, &text.document) else {
            return self.nothing();
        };
        self.finish(&text.document, &text.path, &entity, text)
    }

    pub(super) fn both(&self, text: &Text, here: &Local) -> Step {
        let path = self.path(text, here);
        if let Err(why) = entity_of(self.ground.kind, self.ground.id, &path, &here.document) {
            return self.unreadable(text, here, why);
        }
        let contained = text.record.is_some() && self.is_contained(&version(Some(here.document.text())));
        let merged = if here.document == text.document || contained {
            Merged { document: text.document.clone(), conflicts: Vec::new(), decisions: Vec::new() }
        } else {
            self.merge(text, here)
        };
        if !merged.conflicts.is_empty() {
            return self.beside_there(text, here, merged, Held::Conflict);
        }
        match entity_of(self.ground.kind, self.ground.id, &path, &merged.document) {
            Ok(entity) => Step {
                decisions: merged.decisions,
                conflicts: merged.conflicts,
                ..self.finish(&merged.document, &path, &entity, text)
            },
            Err(why) => self.held(Held::Unreadable(why)),
        }
    }

    /// What cannot be read is not sent; what comes is put into it where that can be done without a guess.
    fn unreadable(&self, text: &Text, here: &Local, why: String) -> Step {
        if here.document.is_unavailable() || matches!(self.ancestor(text), Ancestor::Unknown) {
            return self.held(Held::Unreadable(why));
        }
        self.beside_there(text, here, self.merge(text, here), Held::Unreadable(why))
    }

    /// The file has something that is not sent, and it has all that is there.
    fn beside_there(&self, text: &Text, here: &Local, merged: Merged, held: Held) -> Step {
        let (send, base) = match self.foreign(text) {
            Some((send, base)) => (Some(send), Some(base)),
            None => (None, self.base_there()),
        };
        let file = if merged.document == here.document {
            FileStep::Keep
        } else {
            let (author, operation) = self.authors(Some(text));
            let path = self.live_path(&here.path);
            let from = Some(&here.path).filter(|from| **from != path).cloned();
            FileStep::Write { path, document: merged.document, from, author, operation }
        };
        let Merged { conflicts, decisions, .. } = merged;
        Step { file, send, base, conflicts, decisions, garbage: Vec::new(), held: Some(held) }
    }

    /// What is agreed on now, at its place; what of it is not there yet is sent, what is not here is written.
    fn finish(&self, document: &Document, path: &DocPath, entity: &Entity, text: &Text) -> Step {
        let (author, operation) = self.authors(Some(text));
        let lies = self.here.or(self.ground.archived);
        let is_here =
            self.here.is_some_and(|here| here.document == *document && (self.in_archive || here.path == *path));
        let file = if is_here {
            FileStep::Keep
        } else {
            let from = lies.map(|local| local.path.clone()).filter(|from| from != path);
            FileStep::Write { path: path.clone(), document: document.clone(), from, author, operation }
        };
        let is_told = text.record.as_ref() == Some(document)
            && self.record.as_ref().is_some_and(|record| record.path == *path)
            && !self.must_show(entity, text);
        if is_told {
            return Step { file, base: self.base_there(), ..self.nothing() };
        }
        // What was just made of a hash is ours by now, in the name of whoever wrote that.
        let is_theirs = document == &text.document && (text.is_changed || text.record.is_some());
        let by = if is_theirs { self.authors(Some(text)) } else { self.ours() };
        let (send, base) = self.version(true).text(document, path, entity, by);
        Step { file, send: Some(send), base: Some(base), ..self.nothing() }
    }

    /// Tells whether the hash is not as it ought to be although the document is.
    fn must_show(&self, entity: &Entity, text: &Text) -> bool {
        let Some(record) = &self.record else { return true };
        let Some(shown) = &self.there.shown else {
            return match (ttl(entity, self.ground.seen, self.ground.now), entity) {
                (Life::Over, _) => false,
                (_, Entity::Workflow(workflow)) => workflow.status == WorkflowStatus::Running,
                _ => true,
            };
        };
        if self.there.is_touched && !same(shown, &record.wrote) {
            // What cannot be used, and only that, is left for whoever wrote it to put right.
            return !text.has_garbage || text.is_changed;
        }
        let now = fields(entity, &self.ground.derived);
        !self.there.is_touched && is_outdated(record, &now, self.ground.node, &self.ground.derived)
    }

    fn send_only(&self, document: &Document, path: &DocPath, entity: &Entity) -> Step {
        let (send, base) = self.version(true).text(document, path, entity, self.ours());
        Step { send: Some(send), base: Some(base), ..self.nothing() }
    }

    fn send_gone(&self) -> Step {
        let (gone, path, last) = match (self.ground.archived, self.base) {
            (Some(archived), _) => (Gone::Archived, archived.path.clone(), Some(&archived.document)),
            (None, Some(base)) => (Gone::Removed, base.path.clone(), None),
            (None, None) => return self.nothing(),
        };
        let (send, base) = self.version(true).gone(gone, &path, last);
        Step { send: Some(send), base: Some(base), ..self.nothing() }
    }

    /// What others wrote there, without what is here.
    fn foreign(&self, text: &Text) -> Option<(Outgoing, Base)> {
        if !text.is_changed && text.record.is_some() {
            return None;
        }
        let entity = entity_of(self.ground.kind, self.ground.id, &text.path, &text.document).ok()?;
        Some(self.version(false).text(&text.document, &text.path, &entity, self.authors(Some(text))))
    }

    fn version(&self, with_here: bool) -> Version<'_> {
        Version {
            ground: self.ground,
            base: self.base,
            here: self.here,
            there: self.there,
            record: self.record.as_ref(),
            with_here,
        }
    }

    fn base_there(&self) -> Option<Base> {
        let record = self.record.as_ref()?;
        let text = record_text(record).map(str::to_owned);
        Some(Base {
            revision: record.revision,
            gone_ms: if text.is_none() { self.gone_ms() } else { None },
            former: text.as_ref().and_then(|_| former(self.ground, self.base, self.here)),
            text,
            path: record.path.clone(),
            older: Chain::of_record(Some(record)).words(),
        })
    }

    /// Since when it is known to be gone.
    fn gone_ms(&self) -> Option<i64> {
        let before = self.base.filter(|base| base.text.is_none()).and_then(|base| base.gone_ms);
        before.or_else(|| Some(self.ground.now.unix_ms()))
    }

    /// Neither here nor there is anything left of it, and all have had the time to hear of that.
    fn is_over(&self) -> bool {
        let Some(base) = self.base.filter(|base| base.text.is_none()) else { return false };
        let is_there = self.there.record.is_some() || self.there.shown.is_some() || self.there.unusable.is_some();
        let ago = self.ground.now.unix_ms().saturating_sub(base.gone_ms.unwrap_or(0));
        !is_there && i128::from(ago) >= i128::try_from(Base::GONE_LIFE.as_millis()).unwrap_or(i128::MAX)
    }

    fn ours(&self) -> (Option<AgentName>, Option<OperationId>) {
        (self.ground.by.cloned(), self.ground.operation.cloned())
    }

    /// Who made what comes from there.
    fn authors(&self, text: Option<&Text>) -> (Option<AgentName>, Option<OperationId>) {
        match text.filter(|text| text.is_changed) {
            Some(text) => (text.author.clone(), None),
            None => self.record.as_ref().map_or((None, None), |record| (record.by.clone(), record.operation.clone())),
        }
    }

    fn live_path(&self, path: &DocPath) -> DocPath {
        match (self.in_archive, self.base) {
            (false, _) => path.clone(),
            (true, Some(base)) if !base.path.is_archived() => base.path.clone(),
            (true, _) => DocPath::for_new(self.ground.kind, self.ground.id),
        }
    }

    /// Where it lies: whoever moved it says so; if both did, the server's place counts.
    fn path(&self, text: &Text, here: &Local) -> DocPath {
        let Some(record) = &self.record else { return self.live_path(&here.path) };
        let here_moved = !self.in_archive && self.base.is_some_and(|base| base.path != here.path);
        let there_moved = self.base.is_none_or(|base| base.path != record.path) || record.gone.is_some();
        if here_moved && !there_moved { here.path.clone() } else { text.path.clone() }
    }

    fn common(&self) -> Common {
        self.record.as_ref().map_or(Common::Unknown, |record| common(self.base, record))
    }

    /// Tells whether what is here went into what is there since both last agreed.
    fn is_contained(&self, here: &str) -> bool {
        let known = Chain::of_base(self.base);
        let is_old = self.base.is_some() && (known.has(here) || self.agreed() == here);
        !is_old && Chain::of_record(self.record.as_ref()).has(here)
    }

    fn ancestor(&self, text: &Text) -> Ancestor {
        let parsed = |text: &str| Document::parse(text.as_bytes());
        let agreed = || match self.base.and_then(|base| base.text.as_deref()) {
            Some(agreed) => Ancestor::Text(parsed(agreed)),
            None => Ancestor::Unknown,
        };
        if text.record.is_none() {
            let here = || self.here.map_or(Ancestor::Unknown, |here| Ancestor::Text(here.document.clone()));
            // What was gone and is written anew was made from what is here.
            let is_gone = self.record.as_ref().is_some_and(|record| record.gone.is_some());
            return if is_gone || self.base.is_none_or(|base| base.text.is_none()) { here() } else { agreed() };
        }
        match self.common() {
            Common::Base => agreed(),
            Common::There => Ancestor::There,
            Common::Unknown => Ancestor::Unknown,
        }
    }

    fn merge(&self, text: &Text, here: &Local) -> Merged {
        let base = match self.ancestor(text) {
            Ancestor::There => text.record.clone(),
            Ancestor::Text(common) => Some(common),
            Ancestor::Unknown => None,
        };
        merge::document(&text.path, base.as_ref(), &here.document, &text.document, &MergeSides::ALIKE)
    }
}

/// What here and there came from.
enum Ancestor {
    /// What the record holds.
    There,
    /// This.
    Text(Document),
    Unknown,
}
