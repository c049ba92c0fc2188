//! Which side of a merge the remote has already: of two claims that are equal else, the one that was pushed first stands.
//!
//! It is known from the commits, not from who is ours: the side whose commit the remote-tracking tip of the branch contains, or
//! whose version of the document it holds.

use std::collections::BTreeSet;

use crate::adapters::git::{Repository, Target};
use crate::core::document::Document;
use crate::core::merge::{MergeSide, MergeSides, Merged};
use crate::core::name::{DocPath, Revision};
use crate::services::Error;

/// The rule by which a merge decides where it knows of nothing better.
const DRAWN: &str = "drawn";

/// Two versions of one document that git merges.
#[derive(Debug, Clone, Copy)]
pub(super) struct GitMerge<'a> {
    pub(super) repository: &'a Repository,
    pub(super) folder: &'a str,
    pub(super) path: &'a DocPath,
    pub(super) ours: &'a Document,
    pub(super) theirs: &'a Document,
    /// The revisions that are merged into HEAD; none in a rebase or cherry-pick.
    pub(super) merged: &'a [Revision],
}

/// Merges, and again where it was a draw and the remote has one of the sides. What cannot be found out makes no merge fail.
pub(super) fn merge_knowing_pushed(
    merge: &dyn Fn(&MergeSides<'_>) -> Merged,
    pushed: impl FnOnce() -> Option<MergeSide>,
) -> Merged {
    let merged = merge(&MergeSides::GIT);
    if merged.decisions.iter().all(|decision| decision.rule != DRAWN) {
        return merged;
    }
    match pushed() {
        Some(side) => merge(&MergeSides::GIT.with_pushed(Some(side))),
        None => merged,
    }
}

impl GitMerge<'_> {
    /// The side that the remote-tracking tip of the branch has; `None` if it has neither, or both.
    pub(super) fn pushed(&self) -> Result<Option<MergeSide>, Error> {
        let head = self.repository.view().head(&Target::Current)?;
        let rebased = self.repository.view().rebased_branch();
        let is_rebase = rebased.is_some();
        let Some(branch) = head.branch.or(rebased) else { return Ok(None) };
        let Some(remote) = self.repository.remotes().remote(&branch, None)? else { return Ok(None) };
        let Some(tip) = self.repository.remotes().tracked(&remote, &branch)? else { return Ok(None) };
        let there = self.version(&tip)?;
        // What is replayed on top of all that the remote has comes after it.
        if let Some(head) = head.revision.as_ref().filter(|_| is_rebase)
            && there.as_deref() != Some(self.theirs.bytes())
            && self.repository.log().merge_bases(head, &tip)?.contains(&tip)
        {
            return Ok(Some(MergeSide::Ours));
        }
        let heads: Vec<Revision> = head.revision.into_iter().collect();
        let has = |side: &Document, revisions: &[Revision]| -> Result<bool, Error> {
            if there.as_deref() == Some(side.bytes()) {
                return Ok(true);
            }
            for revision in revisions {
                if self.version(revision)?.as_deref() == Some(side.bytes())
                    && self.repository.log().merge_bases(revision, &tip)?.contains(revision)
                {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok(match (has(self.ours, &heads)?, has(self.theirs, self.merged)?) {
            (true, false) => Some(MergeSide::Ours),
            (false, true) => Some(MergeSide::Theirs),
            _ => None,
        })
    }

    /// The document as a revision has it.
    fn version(&self, at: &Revision) -> Result<Option<Vec<u8>>, Error> {
        let only = BTreeSet::from([self.path.clone()]);
        let id = self.repository.view().contents_of(Some(at), self.folder, &only)?.remove(self.path);
        Ok(id.map(|id| self.repository.view().read(&id)).transpose()?)
    }
}
