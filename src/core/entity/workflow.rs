//! What can be done to a workflow, as pure functions from document to document.

use serde_json::Value as Json;

use super::edit::{
    Refusal, accept, add_ids, id_of, progress_value, remove_ids, remove_key, set_description, set_key, set_keys,
    set_outcome, set_placeholder, status,
};
use super::status::WorkflowStatus;
use super::step_lines::STEPS;
use crate::core::document::{Document, Value};
use crate::core::name::{DocId, Kind};

const TASKS: &str = "Tasks";

/// What `update` changes; what is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowUpdate {
    /// The next status; the present one is no change.
    pub status: Option<WorkflowStatus>,
    /// From 0 to 1; from then on it no longer follows from the tasks.
    pub progress: Option<f64>,
    /// The task under way.
    pub current_task: Option<DocId>,
    /// Tasks to add at the end.
    pub tasks_add: Vec<DocId>,
    /// Tasks to take out.
    pub tasks_remove: Vec<DocId>,
    /// Replaces the description; an empty text removes it.
    pub description: Option<String>,
    /// Replaces the metadata.
    pub metadata: Option<Json>,
    /// Replaces the text below `## Steps`, which repeats how the steps stand.
    pub steps: Option<String>,
    /// Further keys with their values; `null` removes.
    pub set: Vec<(String, Value)>,
    /// Keys to remove.
    pub unset: Vec<String>,
}

/// Changes what the update names, all of it or nothing.
///
/// # Errors
/// [`Refusal`] for an illegal step, a value of the wrong shape, or a document that does not allow the edit.
pub fn update(document: &Document, update: &WorkflowUpdate) -> Result<Document, Refusal> {
    let now = status::<WorkflowStatus>(Kind::Workflow, document)?;
    let mut new = set_keys(Kind::Workflow, document, &update.set, &update.unset)?;
    if let Some(next) = update.status {
        new = step(&new, now, next)?;
    }
    if let Some(progress) = update.progress {
        new = set_key(&new, "progress", &progress_value(id_of(Kind::Workflow, &new), progress)?)?;
    }
    if let Some(task) = &update.current_task {
        new = set_key(&new, "current_task", &Value::text(task.as_str()))?;
    }
    if let Some(text) = &update.description {
        new = set_description(Kind::Workflow, &new, text)?;
    }
    if let Some(metadata) = &update.metadata {
        new = new.edit().set_section_json("Metadata", metadata)?;
    }
    if let Some(steps) = &update.steps {
        new = new.edit().set_section_text(STEPS, steps)?;
    }
    new = add_ids(&new, "tasks", TASKS, &update.tasks_add)?;
    new = remove_ids(&new, "tasks", TASKS, &update.tasks_remove)?;
    accept(Kind::Workflow, document, new)
}

/// Running → completed, with a result if there is one.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn complete(document: &Document, result: Option<&Json>) -> Result<Document, Refusal> {
    let new = finish(document, WorkflowStatus::Completed)?;
    match result {
        Some(result) => set_outcome(&new, "Result", result),
        None => set_placeholder(&new, "Result", "_None_"),
    }
}

/// Running → failed, with the reason if there is one.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn fail(document: &Document, error: Option<&Json>) -> Result<Document, Refusal> {
    let new = finish(document, WorkflowStatus::Failed)?;
    let new = set_placeholder(&new, "Result", "_None_")?;
    error.map_or(Ok(new.clone()), |error| set_outcome(&new, "Error", error))
}

fn finish(document: &Document, to: WorkflowStatus) -> Result<Document, Refusal> {
    let now = status::<WorkflowStatus>(Kind::Workflow, document)?;
    if now == to {
        return Err(illegal(document, now, to));
    }
    step(document, now, to)
}

fn step(document: &Document, now: WorkflowStatus, to: WorkflowStatus) -> Result<Document, Refusal> {
    if now.step(to).is_err() {
        return Err(illegal(document, now, to));
    }
    let new = set_key(document, "status", &Value::text(to.word()))?;
    // What was set on a run that is moved on by itself is about the time before.
    if now == to || document.field("engine").is_none() {
        return Ok(new);
    }
    remove_key(&remove_key(&new, "progress")?, "current_task")
}

fn illegal(document: &Document, now: WorkflowStatus, to: WorkflowStatus) -> Refusal {
    let id = id_of(Kind::Workflow, document);
    let hint =
        (now != WorkflowStatus::Running).then(|| format!("run `mycelium workflow update {id} --status running` first"));
    Refusal::IllegalStep { id, step: now.refuse(to.word()), hint }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::problem::Problem;

    const LEAN: &str = "---\nid: wf-1\nstatus: running\ntype: t\ntasks:\n  - a\ncreated: 2025-10-17T00:00:00Z\n# run\n# more\n---\n\n# T\n\n## Metadata\n\n## Result\n\n## Notes\n";

    #[test]
    fn an_update_changes_what_it_names() {
        let id = |text: &str| DocId::new(text).expect("valid");
        let document = Document::parse(LEAN.as_bytes());
        let changes = WorkflowUpdate {
            progress: Some(0.75),
            current_task: Some(id("b")),
            tasks_add: vec![id("b")],
            tasks_remove: vec![id("a")],
            ..WorkflowUpdate::default()
        };
        let expected = LEAN
            .replace("  - a\n", "  - b\n")
            .replace("# run\n# more\n", "# run\nprogress: 0.75\n# more\ncurrent_task: b\n");
        assert_eq!(update(&document, &changes).expect("allowed").text(), expected);
    }

    #[test]
    fn what_was_said_of_a_run_ends_with_it() {
        let text =
            LEAN.replace("# run\n# more\n", "# run\nprogress: 0.75\n# more\nengine: embedded\ncurrent_task: b\n");
        let document = Document::parse(text.as_bytes());
        let done = complete(&document, None).expect("legal");
        assert!(done.text().contains("status: completed"), "{}", done.text());
        assert!(!done.text().contains("progress:") && !done.text().contains("current_task:"), "{}", done.text());
        let said = WorkflowUpdate { progress: Some(0.5), ..WorkflowUpdate::default() };
        let said = update(&document, &said).expect("allowed");
        assert!(said.text().contains("current_task: b") && said.text().contains("progress: 0.5"), "{}", said.text());
        let plain = Document::parse(text.replace("engine: embedded\n", "").as_bytes());
        assert!(fail(&plain, None).expect("legal").text().contains("progress: 0.75"));
    }

    #[test]
    fn an_end_is_final_until_it_is_taken_back() {
        let document = Document::parse(LEAN.as_bytes());
        let done = complete(&document, Some(&json!({"accuracy": 0.96}))).expect("legal");
        assert!(
            done.text().contains("## Result\n\n```json\n{\n  \"accuracy\": 0.96\n}\n```\n\n## Notes"),
            "{}",
            done.text()
        );
        let refusal = fail(&done, None).expect_err("illegal");
        assert_eq!(refusal.to_string(), "`wf-1` cannot go from completed to failed; legal: running (reopen)");
        assert_eq!(refusal.hint().as_deref(), Some("run `mycelium workflow update wf-1 --status running` first"));
    }
}
