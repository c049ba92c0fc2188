//! What a server holds of one document, what this clone last agreed on with it, and what goes out. Plain values.

use std::time::Duration;

use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath, OperationId};

/// Fields of a hash with their texts, in the order in which they are written.
pub type Fields = Vec<(String, String)>;

/// How a document ended that is no longer in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was removed.
    Removed,
    /// It lies in the archive, under [`Record::path`].
    Archived,
}

/// What the server holds of one document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remote {
    /// The hash that everybody sees (`tasks:<id>`); `None` if it is not there (expired, never written, gone).
    pub shown: Option<Fields>,
    /// The server's own digest of that hash at this moment; opaque, to be handed back in [`Outgoing::seen`].
    pub sum: String,
    /// Our record of it (`mycelium:doc:{tasks:<id>}`); `None` if no mirror has told of it.
    pub record: Option<Record>,
    /// The hash is not as a mirror left it: somebody else has written to it.
    pub is_touched: bool,
    /// There is a record that cannot be used: its version, 0 if that is none, and what is wrong with it.
    pub unusable: Option<(u64, String)>,
}

impl Remote {
    /// The version that a write must expect there; 0 for none.
    #[must_use]
    pub fn revision(&self) -> u64 {
        let unusable = self.unusable.as_ref().map_or(0, |(revision, _)| *revision);
        self.record.as_ref().map_or(unusable, |record| record.revision)
    }
}

/// Our record of a document on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which version it is; each is greater than those before.
    pub revision: u64,
    /// Its whole text; `None` where it was removed. Of an archived one it is the last.
    pub text: Option<String>,
    /// Where it lies in the folder.
    pub path: DocPath,
    /// The fields as a mirror wrote them.
    pub wrote: Fields,
    /// Who acted, if anybody did.
    pub by: Option<AgentName>,
    /// The operation by which it became so.
    pub operation: Option<OperationId>,
    /// The clone that told of it.
    pub node: String,
    /// Its ancestry: [`Base::older`] as the teller knew it, with a blank between each two.
    pub from: String,
    /// It is no longer in the folder.
    pub gone: Option<Gone>,
}

/// What this clone and the server last agreed on about a document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Base {
    /// The version on the server.
    pub revision: u64,
    /// The text; `None` if the document was gone.
    pub text: Option<String>,
    /// Where it lay.
    pub path: DocPath,
    /// Its ancestry: the digests ([`super::digest`]) of the versions that went into it, the newest first, at most
    /// [`Base::OLDER_MAX`], and last in which life of the server's data it was told (`@…`).
    pub older: Vec<String>,
    /// The digest of what lay in the archive under its name when it was made: an earlier document, not what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// When the document was seen to be gone, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_ms: Option<i64>,
}

impl Base {
    /// Versions before the last that are remembered by their digest.
    pub const OLDER_MAX: usize = 32;
    /// For how long it is remembered that a document is gone, as the server does: who has not heard of it by then does not
    /// hear of it from here.
    pub const GONE_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
    /// The highest version that counts as one: beyond it scripts of the server cannot count one by one.
    pub const REVISION_MAX: u64 = 1 << 52;
}

/// A document of this folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Where it lies.
    pub path: DocPath,
    /// Its text.
    pub document: Document,
}

/// A version that goes to the server, if that still is as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The version that the server must hold for this to be written; 0 for none.
    pub expected: u64,
    /// [`Remote::sum`] as it was looked at: a hash that somebody else touched may be overwritten if it is still that.
    pub seen: String,
    /// The version that this is; greater than every one known.
    pub revision: u64,
    /// The record to be written; its revision is the one above.
    pub record: Record,
    /// The hash that everybody sees; `None`: none is to be there.
    pub shown: Option<Fields>,
    /// How long the hash lives; `None` for ever.
    pub ttl: Option<Duration>,
}
