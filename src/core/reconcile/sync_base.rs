//! What this clone has of a document: the file, and what it last agreed on with a remote.

use std::time::Duration;

use crate::core::document::Document;
use crate::core::name::DocPath;

/// What this clone and a remote last agreed on about a document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SyncBase {
    /// The number of the version on the remote, see [`super::RemoteVersion::number`].
    pub revision: u64,
    /// The text; `None` if the document was gone.
    pub text: Option<String>,
    /// Where the document lay.
    pub path: DocPath,
    /// The words of its [`super::Ancestry`].
    pub older: Vec<String>,
    /// The digest of an earlier document of the same name that already lay in the archive when this one was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// The text that a remote without texts was seen to show before this one was sent; it may show it again if it loses a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// When the document was seen to be gone, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_ms: Option<i64>,
}

impl SyncBase {
    /// Most digests of earlier versions that are remembered.
    pub const OLDER_MAX: usize = 32;
    /// For how long it is remembered that a document is gone; a clone that was away for longer may bring it back.
    pub const GONE_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
    /// Highest number of a version: above it a script of a server, which counts in doubles, loses precision.
    pub const REVISION_MAX: u64 = 1 << 52;
}

/// A document of this folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDocument {
    /// Where it lies.
    pub path: DocPath,
    /// Its text.
    pub document: Document,
}
