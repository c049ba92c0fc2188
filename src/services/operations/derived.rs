//! What an operation changes beside its own document: lines in other documents that repeat the status of a task. And what follows
//! for the document itself: warnings, the way back out of the archive.

use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::Document;
use crate::core::entity::{self, Entity, Refusal};
use crate::core::name::{DocId, DocPath};
use crate::core::operation::New;
use crate::core::snapshot::{Entry, Snapshot};
use crate::services::Error;

/// A new task in the reference document's shape with the status of each of its dependencies.
pub(super) fn described_in(live: &Snapshot, new: &New, mut document: Document) -> Document {
    let New::Task(new) = new else { return document };
    if new.depends_on.is_empty() || document.body().section("Dependencies").is_none() {
        return document;
    }
    for id in &new.depends_on {
        if let Some(task) = live.named_task(id).and_then(Entry::task) {
            let edited = entity::task::describe_dependency(&document, id, &task.kind, task.status);
            document = edited.unwrap_or(document);
        }
    }
    document
}

/// A warning that a task that is named is not there: it may come later, from another branch.
pub(super) fn missing(code: Code, id: &DocId) -> Diagnostic {
    let finding = Diagnostic::warning(code, format!("there is no task `{id}` yet"));
    finding.hint(format!("create it with `mycelium task create --id {id} --type TYPE`"))
}

/// Returns true if an archived document comes back: one that is not finished any more does not belong into the archive.
pub(super) fn is_to_return(before: &Document, after: &Document, entity: Option<&Entity>) -> bool {
    after != before && entity.is_some_and(|entity| !entity.is_finished())
}

/// Where an archived document lay before; `None` for one that is not archived.
pub(in crate::services) fn out_of_the_archive(path: &DocPath) -> Option<DocPath> {
    path.is_archived().then(|| DocPath::new(path.file_name()).ok()).flatten()
}

/// The tasks that a document says must be there.
pub(super) fn named_tasks(entity: &Entity) -> &[DocId] {
    match entity {
        Entity::Task(task) => &task.depends_on,
        Entity::Workflow(workflow) => &workflow.tasks,
        Entity::Agent(_) => &[],
    }
}

/// The documents whose body repeats the status of a task (`- task-122 (prepare-dataset) - COMPLETED`).
pub(super) fn repeating(live: &Snapshot, entity: &Entity) -> Vec<DocPath> {
    let Entity::Task(task) = entity else { return Vec::new() };
    let repeats = |entry: &&Entry| entry.document.body().section("Dependencies").is_some();
    live.dependents(&task.id).into_iter().filter(repeats).map(|entry| entry.path.clone()).collect()
}

/// A document in which such a line is in step with the task; `None` for one that has it already or cannot be edited.
pub(super) fn repeat_status(before: &Document, changed: &Entity) -> Option<Document> {
    let Entity::Task(task) = changed else { return None };
    let after = entity::task::dependency_stands(before, &task.id, task.status);
    after.ok().filter(|after| after != before)
}

/// A refusal, with the document that it is about.
pub(in crate::services) fn refusing<T>(path: &DocPath, edited: Result<T, Refusal>) -> Result<T, Error> {
    edited.map_err(|source| Error::Refused { path: path.clone(), source: Box::new(source.about(path.stem())) })
}
