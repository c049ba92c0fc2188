//! Commits, and what is not committed and why, as data.

use serde_json::{Value, json};

use super::command_hints::complete_hint;
use super::document::document_path;
use super::envelope::ITEMS_DEFAULT;
use crate::core::engine::Held;
use crate::core::name::Revision;
use crate::core::time::Timestamp;
use crate::services::{BranchMigration, CommitReport, Committed, Project};

/// Returns the commits that were made as an answer's data, what is held back cut to its first items and counted.
#[must_use]
pub fn commit_data(project: &Project, report: &CommitReport) -> Value {
    json!({
        "revisions": report.done.revisions.iter().map(|(revision, subject)| json!({
            "revision": revision.as_str(), "subject": subject,
        })).collect::<Vec<_>>(),
        "held": report.held.iter().take(ITEMS_DEFAULT).map(|held| held_data(project, held)).collect::<Vec<_>>(),
        "held_count": report.held.len(),
    })
}

/// Returns a document that is held back, and why, as an object.
#[must_use]
pub fn held_data(project: &Project, held: &Held) -> Value {
    json!({
        "path": document_path(project, &held.path), "why": held.why.to_string(), "hint": complete_hint(held.why.hint()),
    })
}

/// Returns a pause of the writers of a worktree, and what was committed before it, as an answer's data.
#[must_use]
pub fn pause_data(project: &Project, until: Timestamp, report: &CommitReport) -> Value {
    json!({
        "until": until.to_string(),
        "revisions": revisions(&report.done),
        "held": report.held.iter().map(|held| document_path(project, &held.path)).collect::<Vec<_>>(),
        "waiting": report.done.waiting.as_ref().map(ToString::to_string),
    })
}

/// Returns what became of documents that moved to a branch of their own as an object.
#[must_use]
pub fn migration_data(report: &BranchMigration) -> Value {
    json!({
        "branch": report.branch,
        "revisions": revisions(&report.done),
        "held": report.held.len(),
        "waiting": report.done.waiting.as_ref().map(ToString::to_string),
        "tracked": report.tracked.1.len(),
        "untracked": report.untracked.as_ref().map(Revision::as_str),
        "config_committed": report.is_config_committed,
    })
}

fn revisions(done: &Committed) -> Vec<&str> {
    done.revisions.iter().map(|(revision, _)| revision.as_str()).collect()
}
