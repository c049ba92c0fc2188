//! The one decision about a document, whatever happened where: what to send, what to write, what to remember.
//!
//! The caller carries out `send` (if the remote refuses or holds another version, it fetches and asks again), then `file`
//! (compare-and-swap on the bytes of the file; if they changed it asks again), then it remembers `base`. It may stop
//! anywhere between: asking again leads to the same end.

use super::ancestry::{Ancestry, version};
use super::decision::ThreeWayDecision;
use super::digest::digest;
use super::field_update::RejectedField;
use super::remote::{
    ChangeAuthor, DerivedValues, DocumentKey, Gone, KnownDocument, NewDocument, RemoteContent, RemoteDocument,
    RemoteText, RemoteWrite,
};
use super::sync_base::{LocalDocument, SyncBase};
use crate::core::document::Document;
use crate::core::merge;
use crate::core::name::{AgentName, DocId, DocPath, Kind, OperationId};
use crate::core::time::Timestamp;

/// What is known beside the three versions.
pub struct ReconcileContext<'a> {
    /// Which kind of document it is.
    pub kind: Kind,
    /// Its id.
    pub id: &'a DocId,
    /// This clone.
    pub node: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The last heartbeat of an agent.
    pub seen: Option<Timestamp>,
    /// Values that follow from other documents.
    pub derived: DerivedValues,
    /// Who changed the document here, if that is known.
    pub by: Option<&'a AgentName>,
    /// The operation by which.
    pub operation: Option<&'a OperationId>,
    /// How HEAD of this clone moved.
    pub head: HeadMotion,
    /// What the file held in the commit to which HEAD moved back, or from which it went another way.
    pub before: Option<&'a Document>,
    /// Where the document lies if it is in the archive, with its text.
    pub archived: Option<&'a LocalDocument>,
}

/// How HEAD of a clone moved since it last agreed with the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeadMotion {
    /// Not, or to what follows.
    #[default]
    Forward,
    /// In another way, and it has not come back yet.
    MovedBack,
}

/// What is to become of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum FileAction {
    /// It stays as it is.
    Keep,
    /// It becomes this.
    Write {
        /// Where it is to lie. Nothing else may lie there.
        path: DocPath,
        /// What it is to hold.
        document: Document,
        /// Where it lay, if that is another place.
        from: Option<DocPath>,
        /// Who did it.
        author: Option<AgentName>,
        /// By which operation.
        operation: Option<OperationId>,
    },
    /// It is to be rendered from a template; then ask again.
    Create(NewDocument),
    /// It goes.
    Remove {
        /// Who did it.
        author: Option<AgentName>,
        /// By which operation.
        operation: Option<OperationId>,
    },
    /// It goes to the archive.
    Archive {
        /// There.
        to: DocPath,
        /// With this text.
        document: Document,
        /// Who did it.
        author: Option<AgentName>,
        /// By which operation.
        operation: Option<OperationId>,
    },
}

/// Why a document is neither sent nor overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReason {
    /// The file is an older version again because HEAD was moved.
    RolledBack,
    /// The file cannot be read; what is wrong with it.
    Unreadable(String),
    /// The remote refuses it; why.
    Refused(String),
    /// The file has a conflict that a person must resolve.
    Conflict,
    /// Another clone sent a text that has not come here by git yet.
    Foreign,
}

/// What is to be done about a document: first `send`, then `file`, then remember `base`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconcilePlan {
    /// What is to become of the file.
    pub file: FileAction,
    /// What goes to the remote.
    pub send: Option<RemoteWrite>,
    /// What to remember once both are done; `None`: nothing. A revision of 0 stands for the number that the remote gives to
    /// what is sent.
    pub base: Option<SyncBase>,
    /// What others wrote that cannot be used.
    pub rejected: Vec<RejectedField>,
    /// What a person must decide.
    pub conflicts: Vec<merge::Conflict>,
    /// What was decided by rule.
    pub decisions: Vec<merge::Decision>,
    /// Why it is held.
    pub held: Option<HoldReason>,
}

impl ReconcilePlan {
    /// Returns true if the document is removed from this folder. What goes to the archive is not lost.
    #[must_use]
    pub const fn removes_here(&self) -> bool {
        matches!(self.file, FileAction::Remove { .. })
    }

    /// Returns true if the document is removed from all other clones.
    #[must_use]
    pub fn removes_there(&self) -> bool {
        self.send.as_ref().is_some_and(|send| send.gone() == Some(Gone::Removed))
    }
}

/// Decides what is to be done about a document, from the sync base, the file and what the remote says.
#[must_use]
pub fn reconcile(
    context: &ReconcileContext<'_>,
    base: Option<&SyncBase>,
    here: Option<&LocalDocument>,
    there: &RemoteDocument,
) -> ReconcilePlan {
    let without;
    let context = if is_former(context, base, here, there) {
        without = ReconcileContext { archived: None, derived: context.derived.clone(), ..*context };
        &without
    } else {
        context
    };
    let (here, in_archive) = side(base, here, context.archived, there_text(there));
    let case = ThreeWayDecision { context, base, here, in_archive, there };
    let mut plan = match &there.content {
        RemoteContent::Unusable(_) => case.nothing(),
        _ if case.is_rolled_back() => case.rolled_back(),
        RemoteContent::Absent => case.nothing_there(),
        RemoteContent::New(new) => ReconcilePlan { file: FileAction::Create((**new).clone()), ..case.nothing() },
        RemoteContent::Gone { how, path, last, .. } => case.gone_there(*how, path, last.as_ref()),
        RemoteContent::Mirrored(remote) => match here {
            _ if case.is_foreign(remote) => case.held(HoldReason::Foreign),
            _ if remote.text == RemoteText::Superseded => case.superseded(),
            None => case.not_here(remote),
            Some(here) => case.both(remote, here),
        },
    };
    plan.rejected.clone_from(&there.rejected);
    plan
}

/// Returns what is here: the file, or what went to the archive with a change that no remote was sent yet.
#[must_use]
pub fn local_side<'a>(
    base: Option<&SyncBase>,
    here: Option<&'a LocalDocument>,
    archived: Option<&'a LocalDocument>,
) -> Option<&'a LocalDocument> {
    side(base, here, archived.filter(|archived| !is_earlier(base, archived)), None).0
}

/// Returns what a remote that keeps texts has.
fn there_text(there: &RemoteDocument) -> Option<&Document> {
    match &there.content {
        RemoteContent::Mirrored(remote) => remote.stored(),
        _ => None,
    }
}

/// Returns what is here, and whether that is in the archive: one that went there with a change that was not sent yet is sent
/// first, as if it were in the folder.
fn side<'a>(
    base: Option<&SyncBase>,
    here: Option<&'a LocalDocument>,
    archived: Option<&'a LocalDocument>,
    there: Option<&Document>,
) -> (Option<&'a LocalDocument>, bool) {
    let Some(archived) = archived.filter(|_| here.is_none()) else { return (here, false) };
    let known = match base {
        Some(base) => base.text.as_deref().map(str::as_bytes),
        None => there.map(Document::bytes),
    };
    let is_unsent = known.is_some_and(|known| known != archived.document.bytes());
    (is_unsent.then_some(archived), is_unsent)
}

fn is_earlier(base: Option<&SyncBase>, archived: &LocalDocument) -> bool {
    base.is_some_and(|base| base.former.as_ref() == Some(&digest(archived.document.bytes())))
}

/// Returns true if what lies in the archive is an earlier document of that id, and not what became of this one.
fn is_former(
    context: &ReconcileContext<'_>,
    base: Option<&SyncBase>,
    here: Option<&LocalDocument>,
    there: &RemoteDocument,
) -> bool {
    let Some(archived) = context.archived else { return false };
    if base.is_some() || here.is_some() {
        return is_earlier(base, archived);
    }
    // A new clone knows only what the remote says of it.
    let archived = digest(archived.document.bytes());
    let is_other = |text: Option<&Document>, ancestry: &Ancestry| {
        version(text.map(Document::text)) != archived && !ancestry.has(&archived)
    };
    match &there.content {
        RemoteContent::Mirrored(remote) => remote.stored().is_some_and(|text| is_other(Some(text), &remote.ancestry)),
        RemoteContent::Gone { ancestry, .. } => is_other(None, ancestry),
        _ => false,
    }
}

impl<'a> ReconcileContext<'a> {
    /// Returns what a remote is decoded with.
    #[must_use]
    pub fn known<'k>(
        &'k self,
        key: &'k DocumentKey,
        base: Option<&'k SyncBase>,
        here: Option<&'k LocalDocument>,
    ) -> KnownDocument<'k>
    where
        'a: 'k,
    {
        let archived = self.archived.filter(|archived| !is_earlier(base, archived));
        KnownDocument {
            key,
            base,
            local: local_side(base, here, archived),
            earlier: &[],
            is_archived: archived.is_some(),
            derived: &self.derived,
            seen: self.seen,
        }
    }

    pub(super) fn ours(&self) -> ChangeAuthor {
        ChangeAuthor { agent: self.by.cloned(), operation: self.operation.cloned() }
    }
}
