//! The policy of what may be committed and what is held back. Pure: the watcher and a single `commit` ask the same function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::core::diagnostic::Diagnostic;
use crate::core::engine::language::ScannedDocument;
use crate::core::name::{ContentId, DocPath};
use crate::core::sabotage::{self, Sabotage};

/// Most deletions, made by hand, that are committed at once without being asked for.
pub const DELETIONS_MAX: usize = 20;

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOrigin {
    /// An operation that stands in the journal: whole by construction, and meant.
    Journal,
    /// An editor, a script, git.
    Hand,
}

/// How one document differs from the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingChange {
    /// What the branch holds; `None`: the document is new.
    pub before: Option<ContentId>,
    /// What the folder holds.
    pub after: After,
    /// Who made it.
    pub origin: ChangeOrigin,
}

/// What a changed document is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Gone.
    Deleted,
    /// This content, which reads well.
    Content(ContentId),
    /// Something that does not read; the content is missing if it could not even be taken in.
    Faulty(Option<ContentId>, Diagnostic),
}

impl PendingChange {
    /// The content to commit; `None` for a deletion and for what could not be taken in.
    #[must_use]
    pub fn content(&self) -> Option<&ContentId> {
        match &self.after {
            After::Deleted => None,
            After::Content(content) => Some(content),
            After::Faulty(content, _) => content.as_ref(),
        }
    }
}

/// What differs between a branch and the folder. What is equal is no change, whoever wrote it: so a checkout, a pull and
/// a rebase leave nothing to commit.
#[must_use]
pub fn changes(
    branch: &BTreeMap<DocPath, ContentId>,
    files: &BTreeMap<DocPath, ScannedDocument>,
    own: &BTreeSet<DocPath>,
) -> BTreeMap<DocPath, PendingChange> {
    let origin = |path| if own.contains(path) { ChangeOrigin::Journal } else { ChangeOrigin::Hand };
    let gone = branch.iter().filter(|(path, _)| !files.contains_key(*path)).map(|(path, before)| {
        (path.clone(), PendingChange { before: Some(before.clone()), after: After::Deleted, origin: origin(path) })
    });
    let other = files.iter().filter_map(|(path, seen)| {
        let before = branch.get(path);
        if before.is_some() && before == seen.content.as_ref() && !sabotage::on(Sabotage::EqualIsEdit) {
            return None;
        }
        let after = match (&seen.fault, &seen.content) {
            (Some(fault), content) => After::Faulty(content.clone(), fault.clone()),
            (None, Some(content)) => After::Content(content.clone()),
            // A scan that says neither what it read nor why not has told nothing about this file.
            (None, None) => return None,
        };
        Some((path.clone(), PendingChange { before: before.cloned(), after, origin: origin(path) }))
    });
    gone.chain(other).collect()
}

/// Whether the user insists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The rules hold.
    No,
    /// `commit --force`: files that do not parse and any number of deletions are committed too.
    Yes,
}

/// A document that is not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which one.
    pub path: DocPath,
    /// Why.
    pub why: Why,
}

/// Why a document is not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It does not read as a document.
    Unreadable(Diagnostic),
    /// It could not be taken in at all; not even force helps.
    Unknown(Diagnostic),
    /// It is one of too many deletions.
    Deletions {
        /// How many are gone.
        deleted: usize,
        /// How many there were.
        of: usize,
    },
    /// It has been written without a pause for a long time.
    Moving,
}

impl Why {
    /// What to do about it, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable(fault) | Self::Unknown(fault) => fault.hint.clone(),
            Self::Deletions { .. } => Some(
                "run `mycelium restore --all` to bring them back, or `mycelium commit --force` to commit the deletions"
                    .into(),
            ),
            Self::Moving => Some("let whatever writes it pause for a second".into()),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(fault) | Self::Unknown(fault) => {
                if let Some(place) = fault.place {
                    write!(f, "{}:{}: ", place.line, place.column)?;
                }
                write!(f, "{}", fault.message)
            }
            Self::Deletions { deleted, of } => write!(f, "{deleted} of {of} documents are gone at once"),
            Self::Moving => f.write_str("it is still being written"),
        }
    }
}

/// What may be committed now, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admission {
    /// Paths to commit.
    pub commit: BTreeSet<DocPath>,
    /// Paths to leave, in path order.
    pub held: Vec<Held>,
}

/// Decides about every change. `documents` is how many documents the branch holds.
///
/// Held back: what does not parse (until it heals), and deletions by hand if there are more than `deletions_max` or
/// they are all there was. That is [`DELETIONS_MAX`], but 0 on a dedicated branch: git ignores the folder there, so that a
/// `git clean` cannot be told from a person. A deletion with its content under a new name is a move and does not count.
#[must_use]
pub fn admit(
    changes: &BTreeMap<DocPath, PendingChange>,
    documents: usize,
    deletions_max: usize,
    force: Force,
) -> Admission {
    let guard = deletion_guard(changes, documents, deletions_max);
    let mut admission = Admission::default();
    for (path, change) in changes {
        let why = match (&change.after, force) {
            (After::Faulty(None, fault), _) => Some(Why::Unknown(fault.clone())),
            (After::Faulty(_, fault), Force::No) if !sabotage::on(Sabotage::AdmitFaulty) => {
                Some(Why::Unreadable(fault.clone()))
            }
            (After::Deleted, Force::No) => guard
                .as_ref()
                .filter(|guard| guard.lost.contains(path))
                .map(|guard| Why::Deletions { deleted: guard.lost.len(), of: documents }),
            _ => None,
        };
        match why {
            Some(why) => admission.held.push(Held { path: path.clone(), why }),
            None => {
                admission.commit.insert(path.clone());
            }
        }
    }
    admission
}

/// Deletions whose content stands nowhere else now: neither moved, nor asked for through the API.
#[must_use]
pub(crate) fn losses(changes: &BTreeMap<DocPath, PendingChange>) -> BTreeSet<&DocPath> {
    let mut arrived: BTreeMap<&ContentId, usize> = BTreeMap::new();
    for change in changes.values().filter(|change| change.before.is_none()) {
        if let Some(content) = change.content() {
            *arrived.entry(content).or_default() += 1;
        }
    }
    let lost = changes.iter().filter(|(_, change)| {
        let moved = change.before.as_ref().and_then(|before| arrived.get_mut(before)).filter(|left| **left > 0);
        match (&change.after, change.origin, moved) {
            (After::Deleted, ChangeOrigin::Hand, Some(left)) => {
                *left -= 1;
                false
            }
            (After::Deleted, ChangeOrigin::Hand, None) => true,
            _ => false,
        }
    });
    lost.map(|(path, _)| path).collect()
}

struct Guard<'a> {
    lost: BTreeSet<&'a DocPath>,
}

fn deletion_guard(
    changes: &BTreeMap<DocPath, PendingChange>,
    documents: usize,
    deletions_max: usize,
) -> Option<Guard<'_>> {
    let lost = losses(changes);
    if sabotage::on(Sabotage::NoDeletionGuard) {
        return None;
    }
    (!lost.is_empty() && (lost.len() > deletions_max || lost.len() >= documents)).then_some(Guard { lost })
}
