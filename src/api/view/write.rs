//! What became of a write, of a claim and of a line of a batch, as data.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::document::{document_data, document_path};
use super::error_report::ErrorReport;
use super::texts::DecisionFields;
use crate::core::entity::span_text;
use crate::core::lease::PreviousHolder;
use crate::services::{Claimed, Outcome, Project, RenewedLease};

/// Returns what became of one change of a document as an answer's data.
#[must_use]
pub fn outcome_data(project: &Project, outcome: &Outcome) -> Value {
    let mut data = document_data(project, &outcome.path, outcome.entity.as_ref());
    data["operation"] = json!(outcome.operation);
    data["changed"] = json!(outcome.operation.is_some());
    add_decision(&mut data, outcome);
    data
}

/// Adds where it was decided who has the task, if the write claimed one.
fn add_decision(data: &mut Value, outcome: &Outcome) {
    if let Some(claim) = &outcome.claim {
        let fields = DecisionFields::new(&claim.decided);
        data["decided"] = json!(fields.decided);
        data["decided_why"] = json!(fields.decided_why);
    }
}

/// Adds a claim and the tasks that were skipped for it to the data of its write.
pub fn add_claim(data: &mut Value, claimed: &Claimed) {
    let (origin, from) = match &claimed.origin {
        PreviousHolder::None => ("free", None),
        PreviousHolder::Expired(from) => ("expired", Some(from)),
        PreviousHolder::Stolen(from) => ("stolen", Some(from)),
    };
    data["claim"] = json!({
        "holder": claimed.by,
        "fence": claimed.fence,
        "lease": span_text(claimed.lease),
        "since": claimed.since.to_string(),
        "until": claimed.until.to_string(),
        "origin": origin,
        "from": from,
        "decided": claimed.decided.word(),
        "decided_why": claimed.decided.why(),
    });
    if !claimed.skipped.is_empty() {
        data["skipped"] = claimed.skipped.iter().map(|one| json!({ "id": one.id, "why": one.why })).collect();
    }
}

/// The task, its document in the folder, and the lease as in `claim` of `mycelium task renew --json`.
impl Serialize for RenewedLease {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { task, path, by, fence, lease, until } = self;
        let (lease, until) = (span_text(*lease), until.to_string());
        json!({ "task": task, "path": path, "holder": by, "fence": fence, "lease": lease, "until": until })
            .serialize(to)
    }
}

/// Returns a renewed lease as an answer's data.
#[must_use]
pub fn renewal_data(project: &Project, renewed: &RenewedLease) -> Value {
    let RenewedLease { task, path, by, fence, lease, until } = renewed;
    json!({
        "id": task,
        "path": document_path(project, path),
        "claim": { "holder": by, "fence": fence, "lease": span_text(*lease), "until": until.to_string() },
    })
}

/// Returns the result of one line of a batch as an answer's data; `op` is the line's operation, if it could be read.
#[must_use]
pub fn batch_line_data(
    project: &Project,
    line: usize,
    op: Option<&str>,
    result: &Result<Outcome, ErrorReport>,
) -> Value {
    let mut data = json!({ "line": line, "op": op, "ok": result.is_ok() });
    match result {
        Ok(outcome) => {
            data["id"] = json!(outcome_id(outcome));
            data["path"] = json!(document_path(project, &outcome.path));
            data["changed"] = json!(outcome.operation.is_some());
            data["operation"] = json!(outcome.operation);
            add_decision(&mut data, outcome);
        }
        Err(failure) => data["error"] = failure.to_json()["error"].clone(),
    }
    data
}

/// Returns the id of the document that was written; its path, if it cannot be read.
#[must_use]
pub fn outcome_id(outcome: &Outcome) -> String {
    outcome.entity.as_ref().map_or_else(|| outcome.path.to_string(), |entity| entity.id().to_string())
}
