//! What an exchange with a remote came to, as data.

use serde_json::{Value, json};

use super::document::document_path;
use super::envelope::ITEMS_DEFAULT;
use crate::adapters::git::Came;
use crate::services::{Project, SyncReport, Unpushed};

/// Returns a report as an answer's data, the lists of documents cut and counted.
#[must_use]
pub fn sync_data(project: &Project, report: &SyncReport) -> Value {
    let came = |one: &Came| json!({ "path": document_path(project, &one.path), "by": one.by });
    let unpushed = report.unpushed.as_ref().map(|unpushed| match unpushed {
        Unpushed::Asked { commits } => json!({ "why": "asked", "commits": commits }),
        Unpushed::Code { commits, paths } => {
            json!({ "why": "other-files", "commits": commits, "paths": paths.iter().take(ITEMS_DEFAULT).collect::<Vec<_>>() })
        }
        Unpushed::Refused { why } => json!({ "why": "refused", "reason": why }),
    });
    json!({
        "remote": report.remote,
        "branch": report.branch,
        "came": report.came.iter().take(ITEMS_DEFAULT).map(came).collect::<Vec<_>>(),
        "came_count": report.came.len(),
        "other_files": report.came_along,
        "went": report.went_documents.iter().take(ITEMS_DEFAULT).map(came).collect::<Vec<_>>(),
        "went_count": report.went_documents.len(),
        "commits": report.went,
        "merged": report.merged.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "decisions": report.decisions.iter().map(|(path, one)| json!({
            "path": document_path(project, path), "rule": one.rule, "what": one.what, "kept": one.kept, "lost": one.lost,
            "winner": one.winner.as_ref().map(ToString::to_string), "loser": one.loser.as_ref().map(ToString::to_string),
        })).collect::<Vec<_>>(),
        "losses": report.losses.iter().map(|(path, one)| json!({
            "path": document_path(project, path), "winner": one.winner, "loser": one.loser, "says": one.line,
        })).collect::<Vec<_>>(),
        "lost": report.lost.iter().map(|one| json!({
            "path": document_path(project, &one.path), "loser": one.loser, "winner": one.winner,
        })).collect::<Vec<_>>(),
        "conflicts": report.conflicts.iter().map(|(path, one)| json!({
            "path": document_path(project, path), "rule": one.rule, "what": one.what,
        })).collect::<Vec<_>>(),
        "unpushed": unpushed,
        "tries": report.tries,
    })
}
