//! One document for people and for programs: its facts, steps, notes and findings; or its exact bytes.

use serde_json::{Value, json};

use super::answer::{Answer, on_terminal, print, print_bytes};
use super::failure::Failure;
use super::render::{Ink, Table, count, finding, paint, status};
use super::session;
use crate::document::{Document, Note, Step};
use crate::entity::{Agent, Entity, Task, Workflow};
use crate::name::{DocPath, visible};
use crate::runner::{Found, Workspace};

/// Longest value shown on one line, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// A document's path as the user would write it, below the root.
pub(crate) fn file(workspace: &Workspace, path: &DocPath) -> String {
    format!("{}/{path}", workspace.folder())
}

/// A document as an answer's data: its path, and what it says under the word for its kind.
pub(crate) fn data(workspace: &Workspace, path: &DocPath, entity: Option<&Entity>) -> Value {
    let mut data = json!({ "path": file(workspace, path) });
    match (entity, path.kind()) {
        (Some(entity), _) => {
            data["id"] = json!(entity.id().as_str());
            data[entity.kind().word()] = entity.to_json();
        }
        (None, Some(kind)) => data[kind.word()] = Value::Null,
        (None, None) => {}
    }
    data
}

/// Exact bytes to a pipe or a file; on a terminal what it would act on is made visible.
pub(crate) fn raw(found: &Found) -> Result<(), Failure> {
    let bytes = found.document.bytes();
    if !on_terminal() {
        return print_bytes(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text.split('\n').map(|line| visible(&line.replace('\t', "    "))).collect();
    print(&lines.join("\n"))
}

/// What a document says.
pub(crate) fn document(kind: &'static str, workspace: &Workspace, found: &Found) -> Result<Answer, Failure> {
    let mut answer = session::answer(kind, workspace)?;
    answer.data = data(workspace, &found.path, found.entity.as_ref());
    answer.findings.clone_from(&found.findings);
    let mut text = match &found.entity {
        Some(Entity::Task(task)) => task_text(task),
        Some(Entity::Agent(agent)) => agent_text(agent),
        Some(Entity::Workflow(workflow)) => workflow_text(workflow),
        None => paint(Ink::Bad, "! unreadable") + "\n",
    };
    text.push_str(&facts(&[("file", file(workspace, &found.path))]));
    answer.text = text + &findings(workspace, found, &found.document);
    Ok(answer)
}

fn findings(workspace: &Workspace, found: &Found, document: &Document) -> String {
    let folder = workspace.folder();
    let shown: String = found.findings.iter().map(|one| finding(one, folder, Some(document.bytes()))).collect();
    if shown.is_empty() { shown } else { format!("\n{shown}") }
}

fn task_text(task: &Task) -> String {
    let mut out = headline(task.id.as_str(), task.status.word(), task.title.as_deref());
    out.push_str(&facts(&[
        ("type", task.kind.clone()),
        ("priority", task.priority.word().to_owned()),
        ("assigned to", optional(task.assigned_to.as_ref())),
        ("held by", optional(task.claimed_by.as_ref())),
        ("waits for", ids(&task.depends_on)),
        ("workflow", optional(task.workflow.as_ref())),
        ("progress", task.progress.map_or_else(String::new, percent)),
        ("attempt", optional(task.attempt.as_ref())),
        ("review", task.review.map_or_else(String::new, |review| review.word().to_owned())),
        ("approved by", optional(task.approved.as_ref())),
        ("created", optional(task.created.as_ref())),
    ]));
    out.push_str(&extra(&task.extra));
    out.push_str(&values(&[("payload", &task.payload), ("result", &task.result), ("error", &task.error)]));
    out + &steps(&task.steps) + &notes(&task.notes)
}

fn agent_text(agent: &Agent) -> String {
    let mut out = headline(agent.name.as_str(), agent.status.word(), None);
    let active = agent.active_tasks.iter().map(|active| match active.started {
        Some(at) => format!("{} (since {at})", active.task),
        None => active.task.clone(),
    });
    out.push_str(&facts(&[
        ("active tasks", active.collect::<Vec<_>>().join(", ")),
        ("last updated", optional(agent.last_updated.as_ref())),
        ("counts as alive for", agent.ttl.map_or_else(String::new, |ttl| format!("{}s", ttl.as_secs()))),
    ]));
    out.push_str(&extra(&agent.extra));
    out + &values(&[("metadata", &agent.metadata)]) + &notes(&agent.notes)
}

fn workflow_text(workflow: &Workflow) -> String {
    let mut out = headline(workflow.id.as_str(), workflow.status.word(), workflow.title.as_deref());
    out.push_str(&facts(&[
        ("type", workflow.kind.clone()),
        ("tasks", ids(&workflow.tasks)),
        ("progress", workflow.progress.map_or_else(String::new, percent)),
        ("current task", optional(workflow.current_task.as_ref())),
        ("created", optional(workflow.created.as_ref())),
    ]));
    out.push_str(&extra(&workflow.extra));
    out.push_str(&values(&[
        ("metadata", &workflow.metadata),
        ("result", &workflow.result),
        ("error", &workflow.error),
    ]));
    out + &steps(&workflow.steps) + &notes(&workflow.notes)
}

fn headline(id: &str, word: &str, title: Option<&str>) -> String {
    let title = title.filter(|title| *title != id).map_or_else(String::new, |title| format!("  {}", visible(title)));
    format!("{}  {}{title}\n", paint(Ink::Bold, &visible(id)), status(word).painted())
}

/// Names and values in two columns; what is empty is left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let mut table = Table::new(&[]);
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        table.row(vec![super::render::Cell::new(Ink::Dim, &format!("  {name}")), value.as_str().into()]);
    }
    table.text(None)
}

fn extra(map: &serde_json::Map<String, Value>) -> String {
    let pairs: Vec<(&str, String)> = map.iter().map(|(key, value)| (key.as_str(), short(value))).collect();
    facts(&pairs)
}

fn values(values: &[(&str, &Option<Value>)]) -> String {
    let given = values.iter().filter_map(|(name, value)| Some((*name, short(value.as_ref()?))));
    facts(&given.collect::<Vec<_>>())
}

/// A value on one line.
fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > VALUE_CHARS_MAX {
        text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
    } else {
        text
    }
}

fn steps(steps: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let done = steps.iter().filter(|step| step.done).count();
    let mut out = format!("\n{} ({done} of {})\n", paint(Ink::Bold, "steps"), steps.len());
    for (index, step) in steps.iter().enumerate() {
        let mark = if step.done { paint(Ink::Good, "✓") } else { "·".to_owned() };
        out.push_str(&format!("  {:>2} {mark} {}\n", index + 1, visible(&step.text)));
    }
    out
}

fn notes(notes: &[Note]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", paint(Ink::Bold, &count(notes.len(), "note")));
    for note in notes {
        let lines: Vec<String> = note.text.lines().map(visible).collect();
        out.push_str(&format!("  - {}\n", lines.join("\n    ")));
    }
    out
}

/// `50 %`
pub(crate) fn percent(progress: f64) -> String {
    format!("{:.0} %", progress * 100.0)
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

fn ids(ids: &[crate::name::DocId]) -> String {
    ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
}
