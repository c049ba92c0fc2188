//! Documents that went into the archive, and those that stay, as data.

use serde_json::{Value, json};

use super::command_hints::complete_hint;
use super::document::document_path;
use super::envelope::ITEMS_DEFAULT;
use crate::services::{Archived, Kept, Moved, Project, Run};

/// Returns the documents that were or would be archived as an answer's data, each list cut to its first items and counted.
#[must_use]
pub fn archive_data(project: &Project, done: &Archived, run: Run) -> Value {
    let moved = |one: &Moved| json!({ "id": one.id, "from": document_path(project, &one.from), "path": document_path(project, &one.to) });
    let kept = |one: &Kept| {
        let why = one.why.to_string();
        json!({ "id": one.id, "path": document_path(project, &one.path), "why": why, "hint": complete_hint(one.why.hint(&one.id)) })
    };
    json!({
        "dry_run": run == Run::Dry,
        "moved": done.moved.iter().take(ITEMS_DEFAULT).map(moved).collect::<Vec<_>>(),
        "moved_count": done.moved.len(),
        "kept": done.kept.iter().take(ITEMS_DEFAULT).map(kept).collect::<Vec<_>>(),
        "kept_count": done.kept.len(),
        "operations": done.operations,
    })
}
