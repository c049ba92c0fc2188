//! The local side of a mirror, as a pass sees it.

use std::collections::BTreeSet;

use super::mirror_index::MirrorIndex;
use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::operation::New;
use crate::core::reconcile::{ChangeAuthor, DocumentKey, HeadMotion, LocalDocument, SyncBase};
use crate::core::time::Timestamp;
use crate::services::Error;

/// The documents of one clone, and writing to them.
pub trait MirrorFolder {
    /// Now.
    fn now(&self) -> Timestamp;

    /// The name of this clone.
    fn node(&self) -> &str;

    /// Reads what has changed since the last time, when git is done with it, and then where HEAD is. Returns the documents that
    /// changed. With `is_forced` what is here counts, however HEAD moved.
    ///
    /// # Errors
    /// [`Error`] if the folder or HEAD cannot be read.
    fn refresh(&mut self, bases: &dyn SyncBaseStore, is_forced: bool) -> Result<BTreeSet<DocumentKey>, Error>;

    /// Reads who changed what since the last time, see [`MirrorFolder::attribution`].
    ///
    /// # Errors
    /// [`Error`] if the change log cannot be read.
    fn refresh_attributions(&mut self) -> Result<(), Error>;

    /// Why nothing is exchanged now; `None` if nothing is in the way.
    ///
    /// # Errors
    /// [`Error`] if HEAD cannot be read.
    fn pause(&self) -> Result<Option<String>, Error>;

    /// The documents as they were read last.
    fn documents(&self) -> &MirrorIndex;

    /// Returns an archived document, by the first of these file names that the archive has, if it is the one of this identity.
    ///
    /// # Errors
    /// [`Error`] if the archive cannot be read.
    fn archived(&mut self, key: &DocumentKey, paths: &[Option<&DocPath>]) -> Result<Option<LocalDocument>, Error>;

    /// Returns earlier texts of a document that git has in the history of this clone, the newest first; not all of them.
    ///
    /// # Errors
    /// [`Error`] if the history cannot be read.
    fn earlier_texts(&self, path: &DocPath) -> Result<Vec<Document>, Error>;

    /// Returns true if git has this text at a path, so that it can bring it to other clones.
    ///
    /// # Errors
    /// [`Error`] if HEAD cannot be read.
    fn is_committed(&self, path: &DocPath, document: &Document) -> Result<bool, Error>;

    /// Reads the file at a path as it is now.
    ///
    /// # Errors
    /// [`Error`] if it cannot be read.
    fn read(&self, path: &DocPath) -> Result<Option<Document>, Error>;

    /// How HEAD had moved since everything was brought to it, when it was read last.
    fn head_motion(&self) -> HeadMotion;

    /// Returns the text that a document had in the commit to which HEAD moved back, or from which it went another way.
    fn text_before(&self, path: &DocPath) -> Option<Document>;

    /// Remembers that everything was brought to where HEAD was read last.
    ///
    /// # Errors
    /// [`Error`] if that cannot be remembered.
    fn settle_head(&mut self) -> Result<(), Error>;

    /// Who changed the document at a path last, as far as that is known.
    fn attribution(&self, path: &DocPath) -> ChangeAuthor;

    /// The last heartbeat of an agent.
    fn heartbeat(&self, agent: &AgentName) -> Option<Timestamp>;

    /// Returns a new operation id.
    ///
    /// # Errors
    /// [`Error`] if there is no randomness.
    fn new_operation(&self) -> Result<OperationId, Error>;

    /// Renders a new document from the templates.
    ///
    /// # Errors
    /// [`Error`] if a template cannot be used.
    fn render(&self, new: &New) -> Result<Document, Error>;

    /// Writes documents as one operation, if each is as it was decided on. They may be committed later.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be written.
    fn import(&mut self, import: &Import<'_>) -> Result<Imported, Error>;

    /// Commits what was imported; then it is on the disk. Where HEAD moved to by that counts as read.
    ///
    /// # Errors
    /// [`Error`] if it cannot be made durable.
    fn commit_imports(&mut self) -> Result<(), Error>;
}

/// What a pass writes to a folder: one operation in the name of who acted on the remote.
#[derive(Debug)]
pub struct Import<'a> {
    /// Who did it.
    pub author: Option<&'a AgentName>,
    /// By which operation; `None`: by a new one.
    pub operation: Option<&'a OperationId>,
    /// The remote has reported it already.
    pub is_reported: bool,
    /// The files: path, text that is expected there, new text.
    pub changes: Vec<(DocPath, Option<Document>, Option<Document>)>,
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// The files are so.
    Done,
    /// A file is different by now: read and decide again.
    Overtaken,
    /// It cannot be written; why.
    Held(String),
}

/// What this clone and a remote last agreed on.
pub trait SyncBaseStore {
    /// Returns what was agreed on about a document.
    fn get(&self, key: &DocumentKey) -> Option<SyncBase>;

    /// Returns everything of which something is remembered.
    ///
    /// # Errors
    /// [`Error`] if that cannot be read.
    fn items(&self) -> Result<BTreeSet<DocumentKey>, Error>;

    /// Remembers, or forgets.
    ///
    /// # Errors
    /// [`Error`] if that cannot be written.
    fn set(&mut self, key: &DocumentKey, base: Option<SyncBase>) -> Result<(), Error>;
}
