//! What the engine is told and what it asks for. Plain values and their wording; nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::core::diagnostic::Diagnostic;
use crate::core::engine::admission::{DELETIONS_MAX, Held};
use crate::core::name::{ContentId, DocPath, Revision};

/// One document as a scan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedDocument {
    /// Its content; `None` if it could not be taken in (too big, no permission), and then `fault` says why.
    pub content: Option<ContentId>,
    /// Any number that changes whenever the file is written (a digest of inode, size and times).
    pub stamp: u64,
    /// Why it cannot be read as a document, if so.
    pub fault: Option<Diagnostic>,
}

/// Why something is not done, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A lower-case fragment: "a rebase is under way".
    pub what: String,
    /// What to do, in the imperative.
    pub hint: Option<String>,
}

impl Reason {
    /// A reason without advice.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// The same reason with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Whether the repository takes a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// At once.
    Ready,
    /// Not now: a merge, a rebase, a locked index. It is asked again, with growing pauses.
    Busy(Reason),
    /// Not as things stand: no repository, an ignored folder. It is asked again only when something changes.
    Never(Reason),
}

/// What the target branch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its tip; `None` before the first commit.
    pub revision: Option<Revision>,
    /// The documents in it.
    pub contents: Arc<BTreeMap<DocPath, ContentId>>,
    /// Whether it takes a commit.
    pub readiness: Readiness,
    /// Most deletions by hand that it takes at once without being asked for.
    pub deletions_max: usize,
}

/// When a refused commit is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Somebody was quicker (the branch moved, the index is locked, a file changed).
    Soon,
    /// A person must do something first (no identity, a full disk).
    Late,
}

/// What happened. Whoever drives the engine answers each [`Effect::Scan`], [`Effect::ReadHead`] and
/// [`Effect::Commit`] with exactly one input; everything else may come at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Something may have changed: a file, the branch, the state of the repository.
    Woken,
    /// Answers [`Effect::Scan`]: every document of the folder.
    Scanned {
        /// The documents.
        files: BTreeMap<DocPath, ScannedDocument>,
        /// Paths whose present state (content or absence) was written by a journalled operation.
        own: BTreeSet<DocPath>,
    },
    /// Answers [`Effect::Scan`]: the folder could not be read.
    ScanFailed(Reason),
    /// Answers [`Effect::ReadHead`].
    Head(Head),
    /// Answers [`Effect::ReadHead`]: the repository could not be read.
    HeadFailed(Reason),
    /// Answers [`Effect::Commit`]: these paths are committed. Paths left out had changed meanwhile.
    Committed(BTreeSet<DocPath>),
    /// Answers [`Effect::Commit`]: nothing was committed.
    CommitRefused {
        /// Why.
        reason: Reason,
        /// When to try again.
        retry: Retry,
    },
    /// File events do not come, or not all of them.
    Degraded(Reason),
    /// File events come again.
    Restored,
    /// Time has passed.
    Tick,
    /// Finish: commit the last changes and stop. Said twice: stop without them.
    Stop,
}

/// What is to be committed: nothing else, and only if it is still so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The tip on which the decision rests; refuse with [`Retry::Soon`] if it is another now.
    pub base: Option<Revision>,
    /// Each path with the content that was admitted (`None`: deleted). Leave out a path that holds something else now.
    pub changes: BTreeMap<DocPath, Option<ContentId>>,
}

/// What to do, in this order, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Compare the folder with what is known and answer with [`Input::Scanned`] or [`Input::ScanFailed`].
    Scan,
    /// Answer with [`Input::Head`] or [`Input::HeadFailed`].
    ReadHead,
    /// Answer with [`Input::Committed`] or [`Input::CommitRefused`].
    Commit(Batch),
    /// Tell the user. Each thing is said once, and again only after it had ended.
    Report(Report),
    /// The end: no effect follows.
    Stopped,
}

/// Something the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A document is not committed.
    Held(Held),
    /// A document that was held back is no longer.
    Healed(DocPath),
    /// So many documents are gone that it may be an accident.
    Guarded {
        /// How many are gone.
        deleted: usize,
        /// How many there were.
        of: usize,
    },
    /// Commits wait.
    Waiting(Reason),
    /// Commits go on.
    Resumed,
    /// A commit was refused.
    Refused(Reason),
    /// The folder or the repository could not be read.
    Failed(Reason),
    /// File events do not come: the folder is compared every 2 s instead.
    Degraded(Reason),
    /// File events come again.
    Restored,
    /// Stopping with changes that could not be committed; they are still in the files.
    Left(BTreeSet<DocPath>),
}

impl Report {
    /// What to do about it, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held(held) => held.why.hint(),
            Self::Guarded { .. } => Some(
                "run `mycelium restore --all` to bring the documents back, or `mycelium commit --force` to commit the deletions"
                    .into(),
            ),
            Self::Waiting(r) | Self::Refused(r) | Self::Failed(r) | Self::Degraded(r) => r.hint.clone(),
            Self::Left(_) => Some("run `mycelium commit` when nothing is in the way".into()),
            Self::Healed(_) | Self::Resumed | Self::Restored => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(held) => write!(f, "held back `{}`: {}", held.path, held.why),
            Self::Healed(path) => write!(f, "no longer held back: `{path}`"),
            Self::Guarded { deleted, of } if deleted == of => {
                write!(f, "held back the deletion of all {of} documents")
            }
            Self::Guarded { deleted, of } => {
                write!(f, "held back the deletion of {deleted} of {of} documents (more than {DELETIONS_MAX} at once)")
            }
            Self::Waiting(reason) => write!(f, "commits wait: {reason}"),
            Self::Resumed => f.write_str("commits go on"),
            Self::Refused(reason) => write!(f, "could not commit: {reason}"),
            Self::Failed(reason) => write!(f, "could not look: {reason}"),
            Self::Degraded(reason) => write!(f, "comparing the folder every 2 s: {reason}"),
            Self::Restored => f.write_str("file events come again"),
            Self::Left(paths) => {
                let documents = if paths.len() == 1 { "document" } else { "documents" };
                write!(f, "stopped with {} {documents} not committed", paths.len())
            }
        }
    }
}
