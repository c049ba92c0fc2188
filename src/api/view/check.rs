//! A check of every document as data; its findings are those of the answer.

use serde_json::{Value, json};

use super::document::document_path;
use crate::core::diagnostic::{Diagnostic, Severity};
use crate::core::name::DocId;
use crate::core::snapshot::{Entry, Snapshot};
use crate::services::Project;

/// Returns a check as an answer's data. `body_dependencies` are those that were read from the text of bodies.
#[must_use]
pub fn check_data(
    project: &Project,
    snapshot: &Snapshot,
    findings: &[Diagnostic],
    body_dependencies: &[(&Entry, Vec<DocId>)],
) -> Value {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let mut data = json!({ "documents": snapshot.len(), "errors": errors, "warnings": findings.len() - errors });
    if !body_dependencies.is_empty() {
        let item = |(entry, ids): &(&Entry, Vec<DocId>)| json!({ "path": document_path(project, &entry.path), "depends_on": ids });
        data["body_dependencies"] = body_dependencies.iter().map(item).collect();
    }
    data
}
