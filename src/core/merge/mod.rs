//! Two versions of a document, or of all of them, and what both came from: one version that has what either changed. Pure; decides, reads no file.
//!
//! What both sides say of a fact is decided by rule where there is one (see [`Decision`]); what nobody but a person can
//! decide stays in the text between conflict markers (see [`Conflict`]), and such a document is listed as unreadable until
//! somebody chose. Both sides count alike: who is "ours" changes nothing but the order of the markers.

mod boxes;
mod claim;
mod fields;
mod holds;
mod items;
mod log;
mod record;
mod text;
mod three;
mod tree;
mod whole;

use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath};

pub use holds::holds;
pub use record::{Loss, losses};
pub use text::sides;
pub use tree::{MergeOutcome, snapshots};

/// One of the two sides of a merge, in git's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeSide {
    /// The version that was checked out.
    Ours,
    /// The other.
    Theirs,
}

impl MergeSide {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }
}

/// What is known of the two sides of a merge beside their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeSides<'a> {
    /// The name in conflict markers of the side that comes first, or of either one where
    /// [`MergeSides::same_from_both_sides`].
    pub ours: &'a str,
    /// The name of the other.
    pub theirs: &'a str,
    /// The markers stand in an order that does not depend on who is ours: two clones that merge the same write the same bytes.
    pub same_from_both_sides: bool,
    /// The side that the remote has already, if it has one of them: a claim that was pushed first stands.
    pub pushed: Option<MergeSide>,
}

impl MergeSides<'_> {
    /// As git calls them.
    pub const GIT: MergeSides<'static> =
        MergeSides { ours: "ours", theirs: "theirs", same_from_both_sides: false, pushed: None };
    /// For merges that many clones make by themselves.
    pub const ALIKE: MergeSides<'static> =
        MergeSides { ours: "one side", theirs: "other side", same_from_both_sides: true, pushed: None };

    /// The same where the remote is known to have one of the sides.
    #[must_use]
    pub const fn with_pushed(self, pushed: Option<MergeSide>) -> Self {
        Self { pushed, ..self }
    }
}

/// What was decided although both sides had changed it, and who lost what by it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Decision {
    /// Which rule decided.
    pub rule: &'static str,
    /// What it is about: a key, a section, a file.
    pub what: String,
    /// What stands now.
    pub kept: String,
    /// What gave way.
    pub lost: String,
    /// Who loses a task by it.
    pub loser: Option<AgentName>,
    /// Who has it.
    pub winner: Option<AgentName>,
}

/// What a person must decide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Conflict {
    /// The rule by which nobody else can.
    pub rule: &'static str,
    /// What it is about: a key, a section, a file.
    pub what: String,
    /// What ours says.
    pub ours: String,
    /// What theirs says.
    pub theirs: String,
}

impl Conflict {
    /// A conflict in which no side says anything.
    #[must_use]
    pub const fn without_sides(rule: &'static str, what: String) -> Self {
        Self { rule, what, ours: String::new(), theirs: String::new() }
    }
}

/// A merged document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its bytes; with conflict markers where there are conflicts.
    pub document: Document,
    /// What a person must decide.
    pub conflicts: Vec<Conflict>,
    /// What was decided by rule.
    pub decisions: Vec<Decision>,
}

/// Merges two versions of the document at a path. Without a common version what both have alike counts as that.
#[must_use]
pub fn document(
    path: &DocPath,
    base: Option<&Document>,
    ours: &Document,
    theirs: &Document,
    names: &MergeSides<'_>,
) -> Merged {
    let clean = |document: &Document| Merged::clean(document.clone());
    if ours == theirs || base == Some(theirs) {
        return clean(ours);
    }
    if base == Some(ours) {
        return clean(theirs);
    }
    if path.is_events()
        && let Some(text) =
            if ours.bytes() <= theirs.bytes() { log::merge(base, ours, theirs) } else { log::merge(base, theirs, ours) }
    {
        return clean(&Document::parse(text.into_bytes()));
    }
    whole::merge(path, base, ours, theirs, names)
        .or_else(|| beside_a_conflict(path, base, ours, theirs, names))
        .unwrap_or_else(|| text::whole(base, ours, theirs, names))
}

/// A version that holds a conflict, and one that does not: the latter is merged into the side of the conflict that it goes
/// with, so that there is one conflict afterwards, and none inside another.
fn beside_a_conflict(
    path: &DocPath,
    base: Option<&Document>,
    ours: &Document,
    theirs: &Document,
    names: &MergeSides<'_>,
) -> Option<Merged> {
    let taken = |document: &Document| {
        if document.is_readable() { None } else { sides(std::str::from_utf8(document.bytes()).ok()?) }
    };
    let ((old, one, other), plain, plain_is_ours) = match (taken(ours), taken(theirs)) {
        (Some(all), None) => (all, theirs, false),
        (None, Some(all)) => (all, ours, true),
        _ => return None,
    };
    let [old, one, other] = [old, one, other].map(|text| Document::parse(text.into_bytes()));
    let base = base.filter(|base| base.is_readable()).unwrap_or(&old);
    if [&old, base, &one, &other, plain].iter().any(|document| !document.is_readable()) {
        return None;
    }
    // In an order that does not depend on who wrote the conflict.
    let (one, other) = if one.bytes() <= other.bytes() { (one, other) } else { (other, one) };
    [(&one, &other), (&other, &one)].into_iter().find_map(|(near, far)| {
        let near = document(path, Some(base), near, plain, &names.with_pushed(None));
        if !near.conflicts.is_empty() {
            return None;
        }
        let (ours, theirs) = if plain_is_ours { (&near.document, far) } else { (far, &near.document) };
        // The conflict is still about what it was about.
        let mut merged = document(path, Some(&old), ours, theirs, names);
        merged.decisions.splice(0..0, near.decisions);
        Some(merged)
    })
}

impl Merged {
    fn clean(document: Document) -> Self {
        Self { document, conflicts: Vec::new(), decisions: Vec::new() }
    }
}
