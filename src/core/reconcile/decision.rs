//! What to do in each of the cases that a document can be in.

mod versions;

use super::ancestry::{Ancestry, CommonVersion, GONE, common, version};
use super::plan::{FileAction, HeadMotion, HoldReason, ReconcileContext, ReconcilePlan};
use super::remote::{
    ChangeAuthor, Gone, MirroredDocument, RemoteContent, RemoteDocument, RemoteText, RemoteWrite, entity_of,
};
use super::sync_base::{LocalDocument, SyncBase};
use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::merge::{self, MergeSides, Merged};
use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::sabotage::{self, Sabotage};

/// A document with all that is known of it.
pub(super) struct ThreeWayDecision<'a> {
    pub(super) context: &'a ReconcileContext<'a>,
    pub(super) base: Option<&'a SyncBase>,
    pub(super) here: Option<&'a LocalDocument>,
    /// What is here lies in the archive already.
    pub(super) in_archive: bool,
    pub(super) there: &'a RemoteDocument,
}

/// What here and there came from.
enum Ancestor {
    /// What the remote holds.
    Remote,
    /// This.
    Text(Document),
    Unknown,
}

impl ThreeWayDecision<'_> {
    pub(super) fn nothing(&self) -> ReconcilePlan {
        ReconcilePlan {
            file: FileAction::Keep,
            send: None,
            base: self.base.cloned(),
            rejected: Vec::new(),
            conflicts: Vec::new(),
            decisions: Vec::new(),
            held: None,
        }
    }

    pub(super) fn held(&self, why: HoldReason) -> ReconcilePlan {
        ReconcilePlan { held: Some(why), ..self.nothing() }
    }

    /// Returns true if HEAD was moved back, and here is what it had before.
    pub(super) fn is_rolled_back(&self) -> bool {
        if self.context.head != HeadMotion::MovedBack || sabotage::on(Sabotage::RollBack) {
            return false;
        }
        let Some(base) = self.base else { return false };
        match self.here {
            Some(here) => {
                let is_put_back = self.context.before == Some(&here.document);
                let is_base = version(Some(here.document.text())) == self.base_version();
                !is_base && (is_put_back || was_agreed(self.base, &here.document))
            }
            None => base.text.is_some() && self.context.archived.is_none(),
        }
    }

    pub(super) fn rolled_back(&self) -> ReconcilePlan {
        let send = match &self.there.content {
            RemoteContent::Mirrored(remote) => self.foreign_edit(remote).map(|(send, _)| send),
            _ => None,
        };
        ReconcilePlan { send, ..self.held(HoldReason::RolledBack) }
    }

    pub(super) fn nothing_there(&self) -> ReconcilePlan {
        if sabotage::on(Sabotage::LostIsRemoved) && self.base.is_some() && self.here.is_some() {
            let file = FileAction::Remove { author: None, operation: None };
            return ReconcilePlan { file, base: None, ..self.nothing() };
        }
        let Some(here) = self.here else {
            let was_here = self.base.is_some_and(|base| base.text.is_some());
            return match was_here {
                true => self.send_gone(),
                false if self.is_over() => ReconcilePlan { base: None, ..self.nothing() },
                false => self.nothing(),
            };
        };
        let path = self.live_path(&here.path);
        match entity_of(self.context.kind, self.context.id, &path, &here.document) {
            Ok(entity) => self.send_only(&here.document, &path, entity),
            Err(why) => self.held(HoldReason::Unreadable(why)),
        }
    }

    /// Returns true if what is there comes from a text that this clone does not have, or from one that was sent again after both
    /// agreed that the document is gone.
    pub(super) fn is_foreign(&self, remote: &MirroredDocument) -> bool {
        let agreed_gone = self.here.is_none() && self.base.is_some_and(|base| base.text.is_none());
        match remote.text {
            RemoteText::Foreign => true,
            RemoteText::Earlier(_) => {
                agreed_gone && self.base.is_some_and(|base| self.there.version.number >= base.revision)
            }
            _ => false,
        }
    }

    /// What is here, over a version that is older than the sync base.
    pub(super) fn superseded(&self) -> ReconcilePlan {
        if self.here.is_some() { self.nothing_there() } else { self.send_gone() }
    }

    pub(super) fn gone_there(&self, how: Gone, path: &DocPath, last: Option<&Document>) -> ReconcilePlan {
        let Some(here) = self.here.filter(|_| !self.in_archive) else {
            if matches!(self.there.content, RemoteContent::Gone { is_shown: true, .. }) {
                let (send, base) = self.write_gone(how, path, last);
                return ReconcilePlan { send: Some(send), base: Some(base), ..self.nothing() };
            }
            return ReconcilePlan { base: self.base_there(), ..self.nothing() };
        };
        let entity = match entity_of(self.context.kind, self.context.id, &here.path, &here.document) {
            Ok(entity) => entity,
            Err(why) => return self.held(HoldReason::Unreadable(why)),
        };
        let this = version(Some(here.document.text()));
        let is_unchanged = match self.common() {
            CommonVersion::Base => this == self.base_version(),
            CommonVersion::Remote => false,
            CommonVersion::Unknown => last == Some(&here.document),
        };
        if !is_unchanged && !self.is_contained(&this) {
            // An edit wins over a removal.
            return self.send_only(&here.document, &here.path, entity);
        }
        let (author, operation) = self.authors(None);
        let file = match how {
            Gone::Removed => FileAction::Remove { author, operation },
            Gone::Archived => FileAction::Archive {
                to: path.clone(),
                document: last.unwrap_or(&here.document).clone(),
                author,
                operation,
            },
        };
        ReconcilePlan { file, base: self.base_there(), ..self.nothing() }
    }

    pub(super) fn not_here(&self, remote: &MirroredDocument) -> ReconcilePlan {
        let Some(theirs) = self.document_there(remote) else { return self.nothing() };
        let is_unchanged = match (self.base, self.ancestor(remote)) {
            // A new clone that has it in the archive as it is there.
            (None, _) => self.context.archived.is_some() && remote.edit.is_none(),
            (Some(_), Ancestor::Remote) => remote.edit.is_none(),
            (Some(_), Ancestor::Text(common)) => common == theirs,
            (Some(_), Ancestor::Unknown) => false,
        };
        if is_unchanged {
            return self.send_gone();
        }
        let Ok(entity) = entity_of(self.context.kind, self.context.id, &remote.path, &theirs) else {
            return self.nothing();
        };
        self.finish(&theirs, &remote.path, entity, remote)
    }

    pub(super) fn both(&self, remote: &MirroredDocument, here: &LocalDocument) -> ReconcilePlan {
        let Some(theirs) = self.document_there(remote) else { return self.nothing() };
        let path = self.path(remote, here);
        if let Err(why) = entity_of(self.context.kind, self.context.id, &path, &here.document) {
            return self.unreadable(remote, &theirs, here, why);
        }
        let is_contained = remote.stored().is_some() && self.is_contained(&version(Some(here.document.text())));
        let merged = if here.document == theirs || is_contained {
            Merged { document: theirs, conflicts: Vec::new(), decisions: Vec::new() }
        } else {
            self.merge(remote, &theirs, here)
        };
        if !merged.conflicts.is_empty() {
            return self.beside_there(remote, here, merged, HoldReason::Conflict);
        }
        match entity_of(self.context.kind, self.context.id, &path, &merged.document) {
            Ok(entity) => ReconcilePlan {
                decisions: merged.decisions,
                conflicts: merged.conflicts,
                ..self.finish(&merged.document, &path, entity, remote)
            },
            Err(why) => self.held(HoldReason::Unreadable(why)),
        }
    }

    /// What cannot be read is not sent; what comes is put into it where that can be done without a guess.
    fn unreadable(
        &self,
        remote: &MirroredDocument,
        theirs: &Document,
        here: &LocalDocument,
        why: String,
    ) -> ReconcilePlan {
        if here.document.is_unavailable() || matches!(self.ancestor(remote), Ancestor::Unknown) {
            return self.held(HoldReason::Unreadable(why));
        }
        self.beside_there(remote, here, self.merge(remote, theirs, here), HoldReason::Unreadable(why))
    }

    /// The file has something that is not sent, and it has all that is there.
    fn beside_there(
        &self,
        remote: &MirroredDocument,
        here: &LocalDocument,
        merged: Merged,
        held: HoldReason,
    ) -> ReconcilePlan {
        let (send, base) = match self.foreign_edit(remote) {
            Some((send, base)) => (Some(send), Some(base)),
            None => (None, self.base_there()),
        };
        let file = if merged.document == here.document {
            FileAction::Keep
        } else {
            let (author, operation) = self.authors(Some(remote));
            let path = self.live_path(&here.path);
            let from = Some(&here.path).filter(|from| **from != path).cloned();
            FileAction::Write { path, document: merged.document, from, author, operation }
        };
        let Merged { conflicts, decisions, .. } = merged;
        ReconcilePlan { file, send, base, conflicts, decisions, rejected: Vec::new(), held: Some(held) }
    }

    /// What is agreed on now, at its place; what of it is not there yet is sent, what is not here is written.
    fn finish(&self, document: &Document, path: &DocPath, entity: Entity, remote: &MirroredDocument) -> ReconcilePlan {
        let (author, operation) = self.authors(Some(remote));
        let lies = self.here.or(self.context.archived);
        let is_here =
            self.here.is_some_and(|here| here.document == *document && (self.in_archive || here.path == *path));
        let file = if is_here {
            FileAction::Keep
        } else {
            let from = lies.map(|local| local.path.clone()).filter(|from| from != path);
            FileAction::Write { path: path.clone(), document: document.clone(), from, author, operation }
        };
        let has_it_there = match remote.stored() {
            Some(stored) => stored == document && remote.path == *path,
            None => self.unedited(remote).as_ref() == Some(document),
        };
        if has_it_there && !remote.needs_refresh {
            return ReconcilePlan { file, base: self.base_there(), ..self.nothing() };
        }
        // What was just made of fields is ours by now, in the name of who wrote those.
        let is_theirs = self.document_there(remote).as_ref() == Some(document)
            && (remote.edit.is_some() || remote.stored().is_some());
        let by = if is_theirs { self.attribution(Some(remote)) } else { self.context.ours() };
        let (send, base) = self.write_text(document, path, entity, by, true);
        ReconcilePlan { file, send: Some(send), base: Some(base), ..self.nothing() }
    }

    fn send_only(&self, document: &Document, path: &DocPath, entity: Entity) -> ReconcilePlan {
        let (send, base) = self.write_text(document, path, entity, self.context.ours(), true);
        ReconcilePlan { send: Some(send), base: Some(base), ..self.nothing() }
    }

    fn send_gone(&self) -> ReconcilePlan {
        let (how, path, last) = match (self.context.archived, self.base) {
            (Some(archived), _) => (Gone::Archived, archived.path.clone(), Some(&archived.document)),
            (None, Some(base)) => (Gone::Removed, base.path.clone(), None),
            (None, None) => return self.nothing(),
        };
        let (send, base) = self.write_gone(how, &path, last);
        ReconcilePlan { send: Some(send), base: Some(base), ..self.nothing() }
    }

    /// Returns what others wrote there, without what is here. A remote without texts is not sent that: no file has it, so no other
    /// clone could say what the remote shows.
    fn foreign_edit(&self, remote: &MirroredDocument) -> Option<(RemoteWrite, SyncBase)> {
        let is_kept = match (remote.stored(), &remote.edit) {
            (Some(_), edit) => edit.is_some(),
            (None, edit) => remote.needs_refresh && edit.is_none(),
        };
        if !is_kept {
            return None;
        }
        let theirs = self.document_there(remote)?;
        let entity = entity_of(self.context.kind, self.context.id, &remote.path, &theirs).ok()?;
        Some(self.write_text(&theirs, &remote.path, entity, self.attribution(Some(remote)), false))
    }

    // What a remote has.

    /// Returns the text that a remote without texts shows.
    fn shown_text(&self) -> Option<String> {
        let RemoteContent::Mirrored(remote) = &self.there.content else { return None };
        let text = self.unedited(remote).filter(|_| remote.stored().is_none());
        text.map(|document| document.text().to_owned())
    }

    fn base_document(&self) -> Option<Document> {
        self.base.and_then(|base| base.text.as_deref()).map(|text| Document::parse(text.as_bytes()))
    }

    /// Returns the text there without what others changed.
    fn unedited(&self, remote: &MirroredDocument) -> Option<Document> {
        match &remote.text {
            RemoteText::Stored(document) | RemoteText::Earlier(document) => Some(document.clone()),
            RemoteText::Base => self.base_document(),
            RemoteText::Local => self.here.map(|here| here.document.clone()),
            RemoteText::Superseded | RemoteText::Foreign => None,
        }
    }

    /// Returns the document there with what others changed.
    fn document_there(&self, remote: &MirroredDocument) -> Option<Document> {
        remote.edit.as_ref().map(|edit| edit.document.clone()).or_else(|| self.unedited(remote))
    }

    /// Returns the name and the ancestry of the version there.
    fn version_there(&self) -> (Option<String>, Ancestry) {
        match &self.there.content {
            RemoteContent::Mirrored(remote) => {
                (remote.stored().map(|stored| version(Some(stored.text()))), remote.ancestry.clone())
            }
            RemoteContent::Gone { ancestry, .. } => (Some(GONE.to_owned()), ancestry.clone()),
            _ => (None, Ancestry::default()),
        }
    }

    fn base_version(&self) -> String {
        version(self.base.and_then(|base| base.text.as_deref()))
    }

    fn common(&self) -> CommonVersion {
        match self.version_there() {
            (Some(theirs), ancestry) => common(self.base, self.there.version.number, &theirs, &ancestry),
            (None, _) => CommonVersion::Unknown,
        }
    }

    /// Returns true if what is here went into what is there since both last agreed.
    fn is_contained(&self, here: &str) -> bool {
        let known = Ancestry::of_base(self.base);
        let is_old = self.base.is_some() && (known.has(here) || self.base_version() == here);
        !is_old && self.version_there().1.has(here)
    }

    fn ancestor(&self, remote: &MirroredDocument) -> Ancestor {
        let base = || self.base_document().map_or(Ancestor::Unknown, Ancestor::Text);
        match &remote.text {
            RemoteText::Stored(_) | RemoteText::Base if self.is_from_before() => {
                // What both agreed on went into the sync base, and that into what is there, unless the remote had lost it.
                let is_common = remote.stored().is_none() || self.common() == CommonVersion::Base;
                let before = self.context.before.filter(|before| is_common && was_agreed(self.base, before));
                before.cloned().map_or(Ancestor::Unknown, Ancestor::Text)
            }
            RemoteText::Stored(_) => match self.common() {
                CommonVersion::Base => base(),
                CommonVersion::Remote => Ancestor::Remote,
                CommonVersion::Unknown => Ancestor::Unknown,
            },
            RemoteText::Base => base(),
            RemoteText::Local => self.here.map_or(Ancestor::Unknown, |here| Ancestor::Text(here.document.clone())),
            RemoteText::Earlier(document) => Ancestor::Text(document.clone()),
            RemoteText::Superseded | RemoteText::Foreign => Ancestor::Unknown,
        }
    }

    /// Returns true if HEAD was moved back, and what is here was made of what it moved back to, not of the sync base.
    fn is_from_before(&self) -> bool {
        let is_other = |here: &LocalDocument| self.base_version() != version(Some(here.document.text()));
        let is_back = self.context.head == HeadMotion::MovedBack && !sabotage::on(Sabotage::MergeFromBase);
        is_back && self.base.is_some() && self.here.is_some_and(is_other)
    }

    fn merge(&self, remote: &MirroredDocument, theirs: &Document, here: &LocalDocument) -> Merged {
        let base = match self.ancestor(remote) {
            Ancestor::Remote => remote.stored().cloned(),
            Ancestor::Text(common) => Some(common),
            Ancestor::Unknown => None,
        };
        merge::document(&remote.path, base.as_ref(), &here.document, theirs, &MergeSides::ALIKE)
    }

    fn attribution(&self, remote: Option<&MirroredDocument>) -> ChangeAuthor {
        let (agent, operation) = self.authors(remote);
        ChangeAuthor { agent, operation }
    }

    /// Returns who made what comes from there.
    fn authors(&self, remote: Option<&MirroredDocument>) -> (Option<AgentName>, Option<OperationId>) {
        if let Some(edit) = remote.and_then(|remote| remote.edit.as_ref()) {
            return (edit.author.clone(), None);
        }
        let by = match &self.there.content {
            RemoteContent::Mirrored(remote) => &remote.by,
            RemoteContent::Gone { by, .. } => by,
            _ => return (None, None),
        };
        (by.agent.clone(), by.operation.clone())
    }

    // Where a document lies.

    fn live_path(&self, path: &DocPath) -> DocPath {
        match (self.in_archive, self.base) {
            (false, _) => path.clone(),
            (true, Some(base)) if !base.path.is_archived() => base.path.clone(),
            (true, _) => DocPath::for_new(self.context.kind, self.context.id),
        }
    }

    /// Returns where it is to lie: the side that moved it decides; if both did, the remote's place counts.
    fn path(&self, remote: &MirroredDocument, here: &LocalDocument) -> DocPath {
        if remote.stored().is_none() {
            return self.live_path(&here.path);
        }
        let here_moved = !self.in_archive && self.base.is_some_and(|base| base.path != here.path);
        let there_moved = self.base.is_none_or(|base| base.path != remote.path);
        if here_moved && !there_moved { here.path.clone() } else { remote.path.clone() }
    }
}

/// Returns true if both sides have agreed on a text once.
fn was_agreed(base: Option<&SyncBase>, text: &Document) -> bool {
    let name = version(Some(text.text()));
    base.is_some_and(|base| version(base.text.as_deref()) == name) || Ancestry::of_base(base).has(&name)
}
