//! What goes out, and what is agreed on then.

use super::ThreeWayDecision;
use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::name::DocPath;
use crate::core::reconcile::ancestry::{Ancestry, version};
use crate::core::reconcile::digest::digest;
use crate::core::reconcile::remote::{ChangeAuthor, Gone, RemoteContent, RemoteText, RemoteWrite, WriteContent};
use crate::core::reconcile::sync_base::SyncBase;

impl ThreeWayDecision<'_> {
    /// Returns a version with a text; with what is here among its ancestors, or without.
    pub(super) fn write_text(
        &self,
        document: &Document,
        path: &DocPath,
        entity: Entity,
        by: ChangeAuthor,
        with_here: bool,
    ) -> (RemoteWrite, SyncBase) {
        let content = WriteContent::Text {
            document: document.clone(),
            entity: Box::new(entity),
            derived: self.context.derived.clone(),
            seen: self.context.seen,
        };
        self.write(content, Some(document.text()), path, by, with_here)
    }

    pub(super) fn write_gone(&self, how: Gone, path: &DocPath, last: Option<&Document>) -> (RemoteWrite, SyncBase) {
        let last = last.filter(|_| how == Gone::Archived).cloned();
        self.write(WriteContent::Gone { how, last }, None, path, self.context.ours(), true)
    }

    fn write(
        &self,
        content: WriteContent,
        text: Option<&str>,
        path: &DocPath,
        by: ChangeAuthor,
        with_here: bool,
    ) -> (RemoteWrite, SyncBase) {
        let ancestry = self.new_ancestry(text, with_here);
        let base = SyncBase {
            revision: 0,
            text: text.map(str::to_owned),
            path: path.clone(),
            older: ancestry.words(),
            former: text.and_then(|_| self.former()),
            before: self.shown_text(),
            gone_ms: text.is_none().then(|| self.context.now.unix_ms()),
        };
        let write = RemoteWrite {
            key: (self.context.kind, self.context.id.clone()),
            seen: self.there.version.clone(),
            known_number: self.base.map_or(0, |base| base.revision),
            content,
            path: path.clone(),
            ancestry,
            by,
        };
        (write, base)
    }

    fn new_ancestry(&self, text: Option<&str>, with_here: bool) -> Ancestry {
        let (there, known) = self.version_there();
        let agreed = if with_here { Ancestry::of_base(self.base) } else { Ancestry::default() };
        let here = self.here.filter(|_| with_here).map(|here| version(Some(here.document.text())));
        let base = self.base.filter(|_| with_here).map(|_| self.base_version());
        let parents: Vec<&str> = [&here, &there, &base].into_iter().flatten().map(String::as_str).collect();
        // An epoch goes on as long as each version follows on one that is there.
        let epoch = known.epoch().map_or_else(|| self.new_epoch(), str::to_owned);
        Ancestry::of_child(&version(text), &parents, [&known, &agreed], Some(epoch))
    }

    fn new_epoch(&self) -> String {
        let node: String = self.context.node.chars().filter(|c| !c.is_whitespace()).collect();
        let known = self.there.version.number.max(self.base.map_or(0, |base| base.revision));
        format!("@{node}.{}.{known}", self.context.now.unix_ms())
    }

    /// Returns the sync base if both sides are what is there.
    pub(super) fn base_there(&self) -> Option<SyncBase> {
        let revision = self.there.version.number;
        let mirrored = |text: &str, path: &DocPath, older: Vec<String>| SyncBase {
            revision,
            text: Some(text.to_owned()),
            path: path.clone(),
            older,
            former: self.former(),
            before: None,
            gone_ms: None,
        };
        match &self.there.content {
            RemoteContent::Mirrored(remote) => match &remote.text {
                RemoteText::Stored(document) => Some(mirrored(document.text(), &remote.path, remote.ancestry.words())),
                RemoteText::Local => self.here.map(|here| {
                    let text = here.document.text();
                    let older = if self.base.is_some_and(|base| base.text.as_deref() == Some(text)) {
                        Ancestry::of_base(self.base)
                    } else {
                        self.new_ancestry(Some(text), true)
                    };
                    let before = self.base.and_then(|base| base.text.clone()).filter(|before| before != text);
                    SyncBase { before, ..mirrored(text, &self.live_path(&here.path), older.words()) }
                }),
                RemoteText::Base => self.base.map(|base| SyncBase { revision, ..base.clone() }),
                RemoteText::Earlier(document) => {
                    let known = Ancestry::of_base(self.base);
                    let (text, epoch) = (document.text(), known.epoch().map(str::to_owned));
                    let parents = [self.base_version()];
                    let parents: Vec<&str> =
                        parents.iter().filter(|_| self.base.is_some()).map(String::as_str).collect();
                    let older =
                        Ancestry::of_child(&version(Some(text)), &parents, [&known, &Ancestry::default()], epoch);
                    Some(mirrored(text, &remote.path, older.words()))
                }
                RemoteText::Superseded | RemoteText::Foreign => self.base.cloned(),
            },
            RemoteContent::Gone { path, ancestry, .. } => Some(SyncBase {
                revision,
                text: None,
                path: path.clone(),
                older: ancestry.words(),
                former: None,
                before: None,
                gone_ms: self.gone_ms(),
            }),
            _ => None,
        }
    }

    /// Returns the digest of an earlier document of this name in the archive.
    fn former(&self) -> Option<String> {
        if let Some(base) = self.base.filter(|base| base.text.is_some()) {
            return base.former.clone();
        }
        let archived = self.context.archived.filter(|_| self.here.is_some_and(|here| !here.path.is_archived()));
        archived.map(|archived| digest(archived.document.bytes()))
    }

    /// Returns since when the document is known to be gone.
    fn gone_ms(&self) -> Option<i64> {
        let before = self.base.filter(|base| base.text.is_none()).and_then(|base| base.gone_ms);
        before.or_else(|| Some(self.context.now.unix_ms()))
    }

    /// Returns true if neither here nor there anything is left of it, and all have had the time to hear of that.
    pub(super) fn is_over(&self) -> bool {
        let Some(base) = self.base.filter(|base| base.text.is_none()) else { return false };
        let ago = self.context.now.unix_ms().saturating_sub(base.gone_ms.unwrap_or(0));
        self.there.version.is_none()
            && i128::from(ago) >= i128::try_from(SyncBase::GONE_LIFE.as_millis()).unwrap_or(i128::MAX)
    }
}
