//! Operations of a worktree that follows a dedicated branch, where the branch has moved before they were committed: the
//! folder holds them merged with what came, and each stays the work of its agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Content, KnownContents, Recorded};
use crate::core::document::Document;
use crate::core::merge::{self, MergeSides};
use crate::core::name::DocPath;

/// Verb of the operation that brings a document to the tip of a dedicated branch.
pub const FOLLOW_VERB: &str = "branch.follow";

/// Returns the journal as if the operations had been made on what HEAD holds. A document for which that is so already, or
/// that no operation but following has changed, is left as it is.
#[must_use]
pub fn rebased(mut journal: Vec<Recorded>, known: &BTreeMap<DocPath, KnownContents>) -> Vec<Recorded> {
    for (path, state) in known {
        let change = |one: &Recorded| one.changes.iter().position(|(other, ..)| other == path);
        let follows = |one: &Recorded| one.operation.verb == FOLLOW_VERB && change(one).is_some();
        let Some(last) = journal.iter().rposition(follows) else { continue };
        let mut own: Vec<(usize, usize)> = Vec::new();
        for (index, one) in journal.iter().enumerate().take(last) {
            own.extend(change(one).filter(|_| !follows(one)).map(|at| (index, at)));
        }
        let (Some((first, at)), Some(end)) = (own.first().copied(), change(&journal[last])) else { continue };
        let start = journal[first].changes[at].1.clone();
        let merged = journal[last].changes[end].2.clone();
        if start == state.head || merged == state.head {
            continue;
        }
        let mut found = state.head.clone();
        let count = own.len();
        for (number, (index, at)) in own.into_iter().enumerate() {
            let (_, before, after) = &mut journal[index].changes[at];
            before.clone_from(&found);
            if number + 1 == count {
                after.clone_from(&merged);
            } else {
                *after = moved(path, &start, after, &state.head).unwrap_or_else(|| found.clone());
            }
            found.clone_from(after);
        }
        for one in journal[..=last].iter_mut().filter(|one| one.operation.verb == FOLLOW_VERB) {
            one.changes.retain(|(other, ..)| other != path);
        }
    }
    journal
}

/// What an operation left, made on what HEAD holds; `None` where no rule merges that.
fn moved(path: &DocPath, start: &Content, after: &Content, head: &Content) -> Option<Content> {
    let parse = |bytes: &Arc<[u8]>| Document::parse(Arc::clone(bytes));
    let (ours, theirs) = (after.as_ref().map(parse)?, head.as_ref().map(parse)?);
    let merged = merge::document(path, start.as_ref().map(parse).as_ref(), &ours, &theirs, &MergeSides::ALIKE);
    merged.conflicts.is_empty().then(|| Some(Arc::from(merged.document.bytes())))
}
