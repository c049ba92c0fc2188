//! A document as a remote has it, decoded: values that every remote is turned into before it is judged, and what goes out.

use super::ancestry::Ancestry;
use super::digest::digest;
use super::field_update::RejectedField;
use super::sync_base::{LocalDocument, SyncBase};
use crate::core::document::Document;
use crate::core::entity::{self, AgentDraft, Entity, TaskDraft, WorkflowDraft};
use crate::core::name::{AgentName, DocId, DocPath, Kind, OperationId};
use crate::core::time::Timestamp;

/// A document by its identity, wherever it lies.
pub type DocumentKey = (Kind, DocId);

/// How a document ended that is no longer in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was removed.
    Removed,
    /// It lies in the archive.
    Archived,
}

/// Who changed a document, and by which operation, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeAuthor {
    /// The agent.
    pub agent: Option<AgentName>,
    /// The operation.
    pub operation: Option<OperationId>,
}

/// Which version of a document a remote holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteVersion {
    /// Rises with each version; 0 if the remote holds none or does not count.
    pub number: u64,
    /// The remote's own mark of what it held; opaque, handed back with a write.
    pub token: String,
}

impl RemoteVersion {
    /// Returns true if the remote holds nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.number == 0 && self.token.is_empty()
    }
}

/// What a remote says of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteDocument {
    /// Which version that is.
    pub version: RemoteVersion,
    /// What it says.
    pub content: RemoteContent,
    /// What others wrote there that cannot be used.
    pub rejected: Vec<RejectedField>,
}

/// What a remote says of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteContent {
    /// Nothing that counts.
    Absent,
    /// Another program created a document there.
    New(Box<NewDocument>),
    /// The document is no longer in the folder.
    Gone {
        /// How it ended.
        how: Gone,
        /// Where it lies or lay.
        path: DocPath,
        /// The text of an archived one.
        last: Option<Document>,
        /// The versions before.
        ancestry: Ancestry,
        /// Who ended it.
        by: ChangeAuthor,
        /// The remote still shows it.
        is_shown: bool,
    },
    /// The document.
    Mirrored(Box<MirroredDocument>),
    /// Something else is in its place; what, in words.
    Unusable(String),
}

/// A document that a remote has.
#[derive(Debug, Clone, PartialEq)]
pub struct MirroredDocument {
    /// Its text, as one of us sent it.
    pub text: RemoteText,
    /// Where it lies.
    pub path: DocPath,
    /// The versions before; empty if the remote keeps none.
    pub ancestry: Ancestry,
    /// What others changed there.
    pub edit: Option<RemoteEdit>,
    /// Who made the text.
    pub by: ChangeAuthor,
    /// What the remote shows does not follow from the text: it is to be sent again though the text is the same.
    pub needs_refresh: bool,
}

impl MirroredDocument {
    /// Returns the text, if the remote keeps it.
    #[must_use]
    pub const fn stored(&self) -> Option<&Document> {
        match &self.text {
            RemoteText::Stored(document) => Some(document),
            _ => None,
        }
    }
}

/// The text of a document on a remote.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteText {
    /// The remote keeps the text.
    Stored(Document),
    /// The remote keeps no text; what it shows comes from the sync base.
    Base,
    /// The remote keeps no text; what it shows comes from the file here.
    Local,
    /// The remote keeps no text; what it shows comes from this one, which was here before or which git has brought here.
    Earlier(Document),
    /// The remote keeps no text; what it shows is older than the sync base: it has lost a write.
    Superseded,
    /// The remote keeps no text; what it shows comes from one that this clone does not have.
    Foreign,
}

/// A document with what others changed on a remote.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteEdit {
    /// The document with all changes.
    pub document: Document,
    /// Who changed it, if that is known.
    pub author: Option<AgentName>,
}

/// A document that another program created on a remote, to be rendered from a template.
#[derive(Debug, Clone, PartialEq)]
pub enum NewDocument {
    /// An agent.
    Agent(AgentDraft),
    /// A task.
    Task(TaskDraft),
    /// A workflow.
    Workflow(WorkflowDraft),
}

/// Values that follow from other documents.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DerivedValues {
    /// Progress of a workflow by its tasks, from 0 to 1.
    pub progress: Option<f64>,
    /// The task that a workflow is at.
    pub current_task: Option<DocId>,
}

/// What this clone knows of a document; a remote is decoded with it.
#[derive(Debug, Clone, Copy)]
pub struct KnownDocument<'a> {
    /// The document.
    pub key: &'a DocumentKey,
    /// The sync base.
    pub base: Option<&'a SyncBase>,
    /// What is here, see [`super::local_side`].
    pub local: Option<&'a LocalDocument>,
    /// Earlier texts that git has, the newest first; asked for only if what a remote shows comes from none of the others.
    pub earlier: &'a [Document],
    /// It lies in the archive here.
    pub is_archived: bool,
    /// Values that follow from other documents.
    pub derived: &'a DerivedValues,
    /// The last heartbeat of an agent.
    pub seen: Option<Timestamp>,
}

impl KnownDocument<'_> {
    /// Finds the text that what a remote shows comes from, for a remote that keeps no texts. `number` is that of the version there;
    /// `is_from` says whether it would show that for a text.
    #[must_use]
    pub fn source(&self, number: u64, is_from: &dyn Fn(&Document) -> bool) -> RemoteText {
        let parse = |text: Option<&String>| text.map(|text| Document::parse(text.as_bytes()));
        let base = parse(self.base.and_then(|base| base.text.as_ref()));
        if base.is_some_and(|text| is_from(&text)) {
            return RemoteText::Base;
        }
        if self.local.is_some_and(|local| is_from(&local.document)) {
            return RemoteText::Local;
        }
        // Under the same number or a higher one somebody else went back to it.
        let lost = self.base.filter(|base| number < base.revision);
        if let Some(before) = parse(lost.and_then(|base| base.before.as_ref())).filter(|text| is_from(text)) {
            return RemoteText::Earlier(before);
        }
        if self.base.is_some_and(|base| number < base.revision) {
            return RemoteText::Superseded;
        }
        // One that was agreed on before the base, and is there again under a higher number, was sent by somebody who went back.
        let is_new = |text: &&Document| {
            let digest = digest(text.bytes());
            self.base.is_none_or(|base| !base.older.contains(&digest))
        };
        let earlier = self.earlier.iter().filter(is_new).find(|text| is_from(text));
        earlier.map_or(RemoteText::Foreign, |text| RemoteText::Earlier(text.clone()))
    }
}

/// A version that goes to a remote.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteWrite {
    /// The document.
    pub key: DocumentKey,
    /// The version that the remote is expected to hold.
    pub seen: RemoteVersion,
    /// The highest number of a version that this clone knows: the new one is higher.
    pub known_number: u64,
    /// What it says.
    pub content: WriteContent,
    /// Where the document lies.
    pub path: DocPath,
    /// The versions before.
    pub ancestry: Ancestry,
    /// Who made it.
    pub by: ChangeAuthor,
}

/// What a version says.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteContent {
    /// The document.
    Text {
        /// Its text.
        document: Document,
        /// The text, read.
        entity: Box<Entity>,
        /// Values that follow from other documents.
        derived: DerivedValues,
        /// The last heartbeat of an agent.
        seen: Option<Timestamp>,
    },
    /// It is no longer in the folder.
    Gone {
        /// How it ended.
        how: Gone,
        /// The text of an archived one.
        last: Option<Document>,
    },
}

impl RemoteWrite {
    /// Returns the text, unless the document ended.
    #[must_use]
    pub const fn text(&self) -> Option<&Document> {
        match &self.content {
            WriteContent::Text { document, .. } => Some(document),
            WriteContent::Gone { .. } => None,
        }
    }

    /// Returns how the document ended, if it did.
    #[must_use]
    pub const fn gone(&self) -> Option<Gone> {
        match self.content {
            WriteContent::Text { .. } => None,
            WriteContent::Gone { how, .. } => Some(how),
        }
    }
}

/// Reads a document as the one of an identity.
///
/// # Errors
/// In words, if it cannot be read or is another document.
pub fn entity_of(kind: Kind, id: &DocId, path: &DocPath, document: &Document) -> Result<Entity, String> {
    let reading = entity::read(path, document);
    match reading.entity {
        Some(entity) if entity.kind() == kind && entity.id() == *id => Ok(entity),
        Some(entity) => Err(format!("it is the {} `{}`", entity.kind(), entity.id())),
        None => Err(reading.findings.first().map_or_else(|| "it has no status".to_owned(), |f| f.message.clone())),
    }
}
