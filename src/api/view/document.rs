//! A document and its lease as data: the fields that each face shows.

use serde_json::{Value, json};

use crate::core::entity::{self, Entity, Reading};
use crate::core::name::{DocId, DocPath};
use crate::services::{Found, Project, TaskHolder, Waited};

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

/// Returns a document that was looked up as an answer's data, with its id and title even if it cannot be used otherwise.
#[must_use]
pub fn found_data(project: &Project, found: &Found) -> Value {
    let mut data = document_data(project, &found.path, found.entity.as_ref());
    if found.entity.is_none() {
        let (id, title) = stated_identity(found);
        data["id"] = json!(id);
        data["title"] = json!(title);
    }
    data
}

/// Returns the id and the title that a document states, even if it cannot be used otherwise.
#[must_use]
pub fn stated_identity(found: &Found) -> (Option<DocId>, Option<String>) {
    let Reading { id, kind, .. } = entity::read(&found.path, &found.document);
    (id, kind.and_then(|kind| entity::title(kind, &found.document)))
}

/// Returns tasks that were waited for as an answer's data.
#[must_use]
pub fn waited_data(project: &Project, waited: &Waited) -> Value {
    let task = |found: &Found| document_data(project, &found.path, found.entity.as_ref());
    json!({ "tasks": waited.tasks.iter().map(task).collect::<Vec<_>>() })
}
