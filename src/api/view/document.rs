//! A document and its lease as data: the fields that each face shows.

use serde_json::{Value, json};

use crate::core::entity::Entity;
use crate::core::name::DocPath;
use crate::services::{Project, TaskHolder};

/// A document's path as the user would write it, below the root.
#[must_use]
pub fn document_path(project: &Project, path: &DocPath) -> String {
    format!("{}/{path}", project.folder())
}

/// A document as an answer's data: its path, and what it says under the word for its kind.
#[must_use]
pub fn document_data(project: &Project, path: &DocPath, entity: Option<&Entity>) -> Value {
    let mut data = json!({ "path": document_path(project, path) });
    match (entity, path.kind()) {
        (Some(entity), _) => {
            data["id"] = json!(entity.id().as_str());
            data[entity.kind().word()] = entity.to_json();
        }
        (None, Some(kind)) => {
            data["id"] = Value::Null;
            data[kind.word()] = Value::Null;
        }
        (None, None) => {}
    }
    data
}

/// Who holds a task, for programs. The lease and what is left of it are in seconds.
#[must_use]
pub fn lease_data(hold: &TaskHolder) -> Value {
    json!({
        "by": hold.by.as_str(),
        "state": hold.state.word(),
        "since": hold.since.map(|at| at.to_string()),
        "lease": hold.lease.map(|lease| lease.as_secs()),
        "left": hold.left.map(|left| left.as_secs()),
        "over": hold.is_over,
        "elsewhere": hold.elsewhere,
        "branch": hold.branch,
    })
}
