//! What a remote does for a pass.

use std::collections::BTreeSet;
use std::time::Duration;

use super::remote::{DocumentKey, KnownDocument, RemoteDocument, RemoteWrite};
use crate::core::name::Kind;
use crate::core::time::Timestamp;

/// A place that mirrors the documents.
pub trait DocumentRemote {
    /// What goes wrong there.
    type Error;

    /// Returns what it can do.
    fn traits(&self) -> RemoteTraits;

    /// Returns true if this clone is the one of several that creates documents for what appears on the remote alone. Called again
    /// and again during a pass, so that a right that expires is renewed. Without such a right each clone does it.
    ///
    /// # Errors
    /// If the remote cannot be asked.
    fn leads(&mut self) -> Result<bool, Self::Error> {
        Ok(true)
    }

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

    /// Writes versions, each only if the remote still holds what was fetched, as far as it can compare that. To do it again is
    /// harmless. What a write depends on comes before it.
    ///
    /// # Errors
    /// If the remote cannot be asked; any of them may have been written.
    fn apply(&mut self, writes: &[RemoteWrite], now: Timestamp) -> Result<Vec<AppliedWrite>, Self::Error>;
}

/// What a remote can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteTraits {
    /// The kinds of documents that it can hold.
    pub kinds: &'static [Kind],
    /// It keeps the text of a document; else only a projection, which says what it was made from.
    pub stores_text: bool,
    /// It writes only if it still holds what was fetched. Else a write that it acknowledged may be lost, so each is fetched again
    /// before it counts.
    pub compares_and_swaps: bool,
    /// How often everything is compared where the remote does not say what changed there.
    pub poll_every: Option<Duration>,
}

/// All documents of a remote. What the heads say of versions counts only if the remote keeps texts.
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
    /// The remote acknowledged it, under this number.
    Written(u64),
    /// The remote shows it already; nothing was written. It has this number.
    Same(u64),
    /// The remote holds another version than was fetched; nothing was done.
    Conflict,
    /// The remote does not take it; why.
    Refused(String),
    /// It is not known what became of it.
    Unknown,
}
