//! What a remote does for a pass.

use std::collections::BTreeSet;

use super::remote::{DocumentKey, KnownDocument, RemoteDocument, RemoteWrite};
use crate::core::time::Timestamp;

/// A place that mirrors the documents.
pub trait DocumentRemote {
    /// What goes wrong there.
    type Error;

    /// Returns the lease by which one of several clones leads.
    fn leader(&self) -> &dyn LeaderLease<Error = Self::Error>;

    /// Returns what the remote calls the place of a document, for messages.
    fn place(&self, key: &DocumentKey) -> String;

    /// Returns how all documents are there; those of `known` also if the remote has none of them.
    ///
    /// # Errors
    /// If the remote cannot be asked.
    fn list(&mut self, known: BTreeSet<DocumentKey>) -> Result<RemoteListing, Self::Error>;

    /// Returns documents, in the order in which they are asked for.
    ///
    /// # Errors
    /// If the remote cannot be asked.
    fn fetch(&mut self, asked: &[KnownDocument<'_>], now: Timestamp) -> Result<Vec<RemoteDocument>, Self::Error>;

    /// Writes versions, each only if the remote still holds what was fetched. To do it again is harmless.
    ///
    /// # Errors
    /// If the remote cannot be asked; any of them may have been written.
    fn apply(&mut self, writes: &[RemoteWrite], now: Timestamp) -> Result<Vec<AppliedWrite>, Self::Error>;
}

/// The right of one clone at a time to create documents for what appears on the remote alone.
pub trait LeaderLease {
    /// What goes wrong.
    type Error;

    /// Takes the lease, or renews it.
    ///
    /// # Errors
    /// If the remote cannot be asked; the holder may have the lease then.
    fn take(&self, holder: &str) -> Result<LeadAnswer, Self::Error>;

    /// Ends the lease, so that others need not wait until it expires. If that fails it expires.
    fn resign(&self, holder: &str);
}

/// Which clone leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadAnswer {
    /// Another one.
    Other,
    /// This one, from now on.
    Taken,
    /// This one, from now on, and the one before did not resign: it died, or was cut off.
    Inherited,
    /// This one, and no other one has led since it did last.
    Kept,
}

/// All documents of a remote.
#[derive(Debug, Default)]
pub struct RemoteListing {
    /// How each one is there.
    pub heads: Vec<RemoteHead>,
    /// Places that hold no document of ours, and why.
    pub unusable: Vec<(String, String)>,
}

/// How a document is on a remote, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteHead {
    /// The document.
    pub key: DocumentKey,
    /// See [`super::RemoteVersion::number`].
    pub number: u64,
    /// The digest of its text; empty if it is gone or was never there.
    pub digest: String,
    /// It is no longer in the folder.
    pub is_gone: bool,
    /// The remote shows it.
    pub is_shown: bool,
    /// Others changed what is shown.
    pub is_touched: bool,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppliedWrite {
    /// The remote has it, under this number.
    Written(u64),
    /// The remote holds another version than was fetched; nothing was done.
    Conflict,
    /// The remote does not take it; why.
    Refused(String),
}
