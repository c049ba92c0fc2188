//! Merged documents and what a person must decide about them, as data.

use serde_json::{Value, json};

use super::document::document_path;
use super::texts::count;
use crate::adapters::git::GitOperation;
use crate::core::merge::Merged;
use crate::services::{Project, Resolution, ResolutionKind, Resolved};

/// Returns a merge of one document as an answer's data.
#[must_use]
pub fn merge_data(path: &str, merged: &Merged) -> Value {
    json!({
        "path": path,
        "decisions": merged.decisions,
        "conflicts": merged.conflicts,
    })
}

/// Returns the documents that were in conflict as an answer's data, those that still are apart from the others.
#[must_use]
pub fn resolution_data(project: &Project, done: &Resolution) -> Value {
    let (merged, left): (Vec<_>, Vec<_>) = done.documents.iter().partition(|one| one.conflicts.is_empty());
    let items = |all: Vec<&Resolved>| all.into_iter().map(|one| resolved(project, one)).collect::<Vec<_>>();
    json!({
        "resolved": items(merged),
        "conflicts": items(left),
        "under_way": done.under_way.map(GitOperation::word),
        "left": done.left,
        "next": resolution_hint(done),
    })
}

fn resolved(project: &Project, one: &Resolved) -> Value {
    let how = match one.how {
        _ if !one.conflicts.is_empty() => "open",
        ResolutionKind::Merged => "merged",
        ResolutionKind::ByHand => "by-hand",
        ResolutionKind::Kept => "kept",
        ResolutionKind::Removed => "removed",
        ResolutionKind::Returned => "returned",
    };
    json!({
        "path": document_path(project, &one.path),
        "from": one.from.iter().map(|path| document_path(project, path)).collect::<Vec<_>>(),
        "how": how,
        "staged": one.staged,
        "decisions": one.decisions,
        "conflicts": one.conflicts,
        "replaced": one.replaced.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Returns what to do next, if anything.
#[must_use]
pub fn resolution_hint(done: &Resolution) -> Option<String> {
    let rebase = if done.under_way == Some(GitOperation::Rebase) {
        "; in a rebase `ours` is the branch that you rebase onto, `theirs` your own commit"
    } else {
        ""
    };
    if done.documents.iter().any(|one| !one.conflicts.is_empty()) {
        let again = "edit what is between the markers and run `mycelium resolve` again, or run `mycelium resolve --ours` or `mycelium resolve --theirs` to take one side of it";
        return Some(format!("{again}{rebase}"));
    }
    match done.under_way {
        Some(_) if done.left > 0 => Some(format!("git has {} in conflict: see `git status`", count(done.left, "file"))),
        Some(GitOperation::Bisect) | None => {
            let staged = done.documents.iter().any(|one| one.staged);
            staged.then(|| "run `mycelium commit` to commit what is staged; a stash that was popped is still there: `git stash drop`".to_owned())
        }
        Some(operation) => Some(format!("run `git {} --continue`", operation.word())),
    }
}
