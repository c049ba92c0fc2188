//! What can be brought back, and what was, as data.

use serde_json::{Value, json};

use super::document::document_path;
use super::envelope::ITEMS_DEFAULT;
use crate::core::name::OperationId;
use crate::services::{KeptOperation, Project, Restorable, RestoreReport, RestoredDocument};

/// Returns what can be brought back as an answer's data, each list cut to its first items.
#[must_use]
pub fn restorable_data(project: &Project, restorable: &Restorable) -> Value {
    let total = restorable.operations.len() + restorable.removed.len();
    json!({
        "operations": restorable.operations.iter().take(ITEMS_DEFAULT).map(|one| operation(project, one)).collect::<Vec<_>>(),
        "removed": restorable.removed.keys().take(ITEMS_DEFAULT).map(|path| document_path(project, path)).collect::<Vec<_>>(),
        "total": total,
    })
}

fn operation(project: &Project, one: &KeptOperation) -> Value {
    json!({
        "operation": one.id.as_str(),
        "verb": one.verb,
        "agent": one.agent,
        "at": one.at.to_string(),
        "subject": one.subject,
        "paths": one.changes.keys().map(|path| document_path(project, path)).collect::<Vec<_>>(),
        "reference": one.reference(),
        "elsewhere": one.elsewhere,
    })
}

/// Returns the operations that were dismissed as an answer's data.
#[must_use]
pub fn dismissal_data(dropped: &[OperationId]) -> Value {
    json!({ "dismissed": dropped })
}

/// Returns what was brought back as an answer's data.
#[must_use]
pub fn restore_data(project: &Project, done: &RestoreReport) -> Value {
    json!({
        "documents": done.documents.iter().map(|one| document(project, one)).collect::<Vec<_>>(),
        "dropped": done.dropped,
    })
}

fn document(project: &Project, one: &RestoredDocument) -> Value {
    json!({
        "path": document_path(project, &one.path),
        "operations": one.operations,
        "restored": one.conflicts.is_empty(),
        "decisions": one.decisions,
        "conflicts": one.conflicts,
        "reference": one.reference,
    })
}
