//! What the server holds of one document, and what is written there.

use std::time::Duration;

use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::reconcile::Gone;

/// Fields of a hash with their texts, in the order in which they are written.
pub type HashFields = Vec<(String, String)>;

/// What the server holds of one document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisDocument {
    /// The hash that every program sees (`tasks:<id>`); `None` if it is not there (expired, never written, gone).
    pub shown: Option<HashFields>,
    /// The server's own digest of that hash at this moment; opaque, to be handed back in [`RedisWrite::seen`].
    pub sum: String,
    /// Our record of it (`mycelium:doc:{tasks:<id>}`); `None` if no bridge has written one.
    pub record: Option<RedisRecord>,
    /// Another program has written to the hash since a bridge did.
    pub is_touched: bool,
    /// There is a record that cannot be used: its version, 0 if that is none, and what is wrong with it.
    pub unusable: Option<(u64, String)>,
}

impl RedisDocument {
    /// Returns the version that a write must expect there; 0 for none.
    #[must_use]
    pub fn revision(&self) -> u64 {
        let unusable = self.unusable.as_ref().map_or(0, |(revision, _)| *revision);
        self.record.as_ref().map_or(unusable, |record| record.revision)
    }
}

/// Our record of a document on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisRecord {
    /// Which version it is; each is greater than those before.
    pub revision: u64,
    /// Its whole text; `None` where it was removed. Of an archived one it is the last.
    pub text: Option<String>,
    /// Where it lies in the folder.
    pub path: DocPath,
    /// The fields as a bridge wrote them.
    pub wrote: HashFields,
    /// Who made this version, if an agent did.
    pub by: Option<AgentName>,
    /// The operation by which.
    pub operation: Option<OperationId>,
    /// The clone that wrote it.
    pub node: String,
    /// The words of its ancestry, with a space between each two.
    pub from: String,
    /// It is no longer in the folder.
    pub gone: Option<Gone>,
}

/// A version that goes to the server, if that still holds what was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisWrite {
    /// The version that the server must hold for this to be written; 0 for none.
    pub expected: u64,
    /// [`RedisDocument::sum`] as it was fetched: a hash that another program touched may be overwritten if it is still that.
    pub seen: String,
    /// The version that this is; greater than every one known.
    pub revision: u64,
    /// The record to be written; its revision is the one above.
    pub record: RedisRecord,
    /// The hash that every program sees; `None`: none is to be there.
    pub shown: Option<HashFields>,
    /// How long the hash lives; `None` for ever.
    pub ttl: Option<Duration>,
}
