//! What must be on the server in the end: each task once, as its file says, and all that others have put there.

use mycelium::document::Document;
use mycelium::entity::{Priority, Task, TaskStatus};
use mycelium::name::DocPath;
use mycelium::reconcile::DocumentKey;
use mycelium::snapshot::Entry;
use mycelium::taskqueue::{Item, ItemStatus};
use serde_json::{Value as Json, json};

use super::others::{OWN, in_use, task_of};
use super::{Expected, TaskQueue, items};
use crate::world::World;

/// The document of a text.
pub(super) fn entry((kind, id): &DocumentKey, text: &str) -> Entry {
    Entry::read(DocPath::for_new(*kind, id), Document::parse(text.as_bytes()))
}

/// What differs between a task and the item that shows it. Says on its own what the page for users says.
fn difference(item: &Item, task: &Task) -> Option<&'static str> {
    let status = match task.status {
        TaskStatus::Pending => ItemStatus::NotStarted,
        TaskStatus::Running | TaskStatus::Failed => ItemStatus::InProgress,
        TaskStatus::Completed => ItemStatus::Done,
    };
    let failed = if task.status == TaskStatus::Failed { "[failed] " } else { "" };
    let title = format!("{failed}{} [{}]", task.title.as_deref().unwrap_or(&task.kind), task.id);
    let is_high = task.priority != Priority::Normal;
    let shown = item.description.as_str();
    let text = task.description.as_deref().unwrap_or_default().trim();
    let is_told = shown.contains(text) && (shown.contains("something else") == text.contains("something else"));
    let result = task.result.as_ref().map_or(Json::Null, Clone::clone);
    let details = match item.completed_details.as_str() {
        "(no result)" => Json::Null,
        details => serde_json::from_str(details).unwrap_or_else(|_| json!({ "details": details })),
    };
    if item.title != title {
        Some("title")
    } else if item.status != status {
        Some("status")
    } else if !shown.starts_with(&format!("Type: {}\n", task.kind)) || !is_told {
        Some("description")
    } else if is_high != shown.contains("\nPriority: ") {
        Some("priority")
    } else if status == ItemStatus::Done && result != details {
        Some("result")
    } else {
        None
    }
}

impl TaskQueue {
    /// Looks at one task.
    pub(super) fn fault_of(&self, key: &DocumentKey, text: Option<&str>) -> Option<String> {
        let id = &key.1;
        let state = self.state.borrow();
        let project = in_use(&state.store);
        let is_it = |item: &&Item| task_of(item).as_ref() == Some(id);
        let all: Vec<&Item> = project.iter().flat_map(|project| &project.items).filter(is_it).collect();
        let is_frozen = |item: &&Item| item.approved || project.is_some_and(|project| project.is_finalized);
        let open: Vec<&&Item> = all.iter().filter(|item| !is_frozen(item)).collect();
        let entry = text.map(|text| entry(key, text));
        let task = entry.as_ref().and_then(Entry::task);
        let fault = match (open.as_slice(), task) {
            ([], None) => None,
            ([], Some(task)) if task.status == TaskStatus::Completed => {
                // Approved, or finalized: there for good.
                let is_shown = all.iter().any(|item| item.status == ItemStatus::Done) || task.approved.is_some();
                (!is_shown).then_some("is not shown")
            }
            ([], Some(_)) => Some("is not shown"),
            ([_], None) => Some("is shown, and has no file"),
            ([item], Some(task)) => difference(item, task),
            _ => Some("is shown more than once"),
        };
        let comes = self.expected.borrow().get(id).cloned();
        let is_missing = match (comes, task) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(Expected::Running), Some(task)) => task.status != TaskStatus::Running,
            (Some(Expected::Completed(details)), Some(task)) => {
                task.status != TaskStatus::Completed || task.result != serde_json::from_str(&details).ok()
            }
            (Some(Expected::Approved), Some(task)) => {
                task.status != TaskStatus::Completed || task.approved.as_deref() != Some("taskqueue")
            }
        };
        let fault = fault.or_else(|| is_missing.then_some("has not got the last change of another client"));
        fault.map(|fault| format!("{id}: {fault}: the file is {text:?}, the items are {all:?}"))
    }

    /// Looks at what is another client's.
    pub(super) fn fault_of_others(&self, world: &World) -> Option<String> {
        let state = self.state.borrow();
        let own = state.store.projects.iter().find(|project| project.prompt == OWN).map_or_else(Vec::new, items);
        if own != state.own {
            return Some(format!("the project of another client is {own:?}, and was left as {:?}", state.own));
        }
        let clone = world.clones[0].borrow();
        let is_here = |word: &&String| clone.files.values().any(|document| document.text().contains(word.as_str()));
        let lost = state.made.iter().find(|word| !is_here(word))?;
        Some(format!("the task {lost} of another client is in no file: {:?}", state.store))
    }
}
