//! One document for people and for programs: its facts, steps, notes and findings; or its exact bytes.

use std::fmt::Write as _;

use serde_json::Value;

use super::answer::{Answer, on_terminal, print, print_bytes};
use super::format::{Wording, of_document};
use super::render::{Cell, Ink, Table, cut, finding, paint, status};
use super::session;
use crate::api::view::{ErrorReport, count, document_path, found_data, stated_identity};
use crate::core::document::{Document, Note, Step};
use crate::core::entity::{Agent, Entity, Task, TaskStatus, Workflow, WorkflowStatus};
use crate::core::name::{DocId, visible};
use crate::services::{Found, Project};

/// Columns of a status that is none.
const STATUS_COLUMNS_MAX: usize = 12;
/// Longest value shown on one line, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// Exact bytes to a pipe or a file; on a terminal what it would act on is made visible.
pub(crate) fn raw(found: &Found) -> Result<(), ErrorReport> {
    let bytes = found.document.bytes();
    if !on_terminal() {
        return print_bytes(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text.split('\n').map(|line| visible(&line.replace('\t', "    "))).collect();
    print(&lines.join("\n"))
}

/// What a document says.
pub(crate) fn document(
    kind: &'static str,
    project: &Project,
    found: &Found,
    wording: &Wording,
) -> Result<Answer, ErrorReport> {
    let mut answer = session::answer(kind, project)?;
    answer.data = found_data(project, found);
    answer.findings.clone_from(&found.findings);
    if let Some(words) = wording.words(kind, project)? {
        let word = kind.split('.').next().unwrap_or(kind);
        answer.text = words.text([&of_document(&answer.data, word)])?;
        return Ok(answer);
    }
    let file = ("file".to_owned(), document_path(project, &found.path));
    let mut sheet = match &found.entity {
        Some(Entity::Task(task)) => task_sheet(task),
        Some(Entity::Agent(agent)) => agent_sheet(agent),
        Some(Entity::Workflow(workflow)) => workflow_sheet(workflow),
        None => unusable_sheet(found),
    };
    sheet.facts.push(file);
    answer.text = sheet.text() + &findings(project, found, &found.document);
    Ok(answer)
}

/// Returns the status cell of a document that cannot be used: the status that it states, where that alone is at fault.
pub(crate) fn unusable(document: &Document) -> Cell {
    let stated = document.field("status").and_then(|field| field.value.as_text()).filter(|text| !text.is_empty());
    match stated {
        Some(text) if document.is_readable() => {
            Cell::new(Ink::Bad, &format!("! {}", cut(text, Some(STATUS_COLUMNS_MAX))))
        }
        None if document.is_readable() && document.has_frontmatter() => Cell::new(Ink::Bad, "! no status"),
        _ => status("unreadable"),
    }
}

fn unusable_sheet(found: &Found) -> Sheet {
    let (id, title) = stated_identity(found);
    let id = id.map_or_else(|| found.path.stem().to_owned(), |id| id.to_string());
    Sheet::with(&id, &unusable(&found.document), title.as_deref())
}

/// What is shown of a document.
struct Sheet {
    headline: String,
    /// Names and values; what is empty is left out.
    facts: Vec<(String, String)>,
    body: String,
}

impl Sheet {
    fn new(id: &str, word: &str, title: Option<&str>) -> Self {
        Self::with(id, &status(word), title)
    }

    fn with(id: &str, word: &Cell, title: Option<&str>) -> Self {
        let title = title.filter(|title| *title != id);
        let title = title.map_or_else(String::new, |title| format!("  {}", visible(title)));
        let headline = format!("{}  {}{title}", paint(Ink::Bold, &visible(id)), word.painted());
        Self { headline, facts: Vec::new(), body: String::new() }
    }

    fn facts(mut self, facts: &[(&str, String)]) -> Self {
        self.facts.extend(facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self
    }

    fn values(mut self, extra: &serde_json::Map<String, Value>, values: &[(&str, &Option<Value>)]) -> Self {
        // A text under this key is shown as the description.
        let others = extra.iter().filter(|(key, value)| *key != "description" || !value.is_string());
        self.facts.extend(others.map(|(key, value)| (key.clone(), short(value))));
        let given = values.iter().filter_map(|(name, value)| Some(((*name).to_owned(), short(value.as_ref()?))));
        self.facts.extend(given);
        self
    }

    fn text(&self) -> String {
        let mut table = Table::new(&[]);
        for (name, value) in self.facts.iter().filter(|(_, value)| !value.is_empty()) {
            table.row(vec![Cell::new(Ink::Dim, &format!("  {name}")), value.as_str().into()]);
        }
        format!("{}\n{}{}", self.headline, table.text(None), self.body)
    }
}

fn findings(project: &Project, found: &Found, document: &Document) -> String {
    let folder = project.folder();
    let shown: String = found.findings.iter().map(|one| finding(one, folder, Some(document.bytes()))).collect();
    if shown.is_empty() { shown } else { format!("\n{shown}") }
}

/// What is of an earlier try is not shown of a task as it stands; the file and `--json` have it.
fn task_sheet(task: &Task) -> Sheet {
    let is_completed = task.status == TaskStatus::Completed;
    let progress = task.progress.filter(|_| !is_completed);
    let error = if is_completed { &None } else { &task.error };
    let holder = match task.status {
        TaskStatus::Completed => "completed by",
        TaskStatus::Failed => "failed by",
        TaskStatus::Pending | TaskStatus::Running => "held by",
    };
    let sheet = Sheet::new(task.id.as_str(), task.status.word(), task.title.as_deref()).facts(&[
        ("type", task.kind.clone()),
        ("priority", task.priority.word().to_owned()),
        ("assigned to", optional(task.assigned_to.as_ref())),
        (holder, optional(task.claimed_by.as_ref())),
        ("waits for", ids(&task.depends_on)),
        ("workflow", optional(task.workflow.as_ref())),
        ("progress", progress.map_or_else(String::new, percent)),
        ("attempt", optional(task.attempt.as_ref())),
        ("review", task.review.map_or_else(String::new, |review| review.word().to_owned())),
        ("approved by", optional(task.approved.as_ref())),
        ("created", optional(task.created.as_ref())),
    ]);
    let values = [("payload", &task.payload), ("result", &task.result), ("error", error)];
    Sheet {
        body: prose(task.description.as_deref()) + &steps(&task.steps) + &notes(&task.notes),
        ..sheet.values(&task.extra, &values)
    }
}

fn agent_sheet(agent: &Agent) -> Sheet {
    let active = agent.active_tasks.iter().map(|active| match active.started {
        Some(at) => format!("{} (since {at})", active.task),
        None => active.task.clone(),
    });
    let sheet = Sheet::new(agent.name.as_str(), agent.status.word(), None).facts(&[
        ("active tasks", active.collect::<Vec<_>>().join(", ")),
        ("last updated", optional(agent.last_updated.as_ref())),
        ("alive for", agent.ttl.map_or_else(String::new, |ttl| format!("{} s without a sign", ttl.as_secs()))),
    ]);
    Sheet {
        body: prose(agent.description.as_deref()) + &notes(&agent.notes),
        ..sheet.values(&agent.extra, &[("metadata", &agent.metadata)])
    }
}

/// The status of a workflow; an end that its file does not say yet is marked.
pub(crate) fn workflow_status(workflow: &Workflow) -> Cell {
    match workflow.file_status {
        None => status(workflow.status.word()),
        Some(_) => status(&format!("{} (not written)", workflow.status.word())),
    }
}

fn workflow_sheet(workflow: &Workflow) -> Sheet {
    let lag = |status: WorkflowStatus| {
        format!("its file still says {}; `mycelium workflow drive` writes the end", status.word())
    };
    let sheet = Sheet::new(workflow.id.as_str(), workflow.status.word(), workflow.title.as_deref()).facts(&[
        ("file status", workflow.file_status.map_or_else(String::new, lag)),
        ("type", workflow.kind.clone()),
        ("tasks", ids(&workflow.tasks)),
        ("progress", workflow.progress.map_or_else(String::new, percent)),
        ("current task", optional(workflow.current_task.as_ref())),
        ("created", optional(workflow.created.as_ref())),
    ]);
    let values = [("metadata", &workflow.metadata), ("result", &workflow.result), ("error", &workflow.error)];
    let body = prose(workflow.description.as_deref()) + &steps(&workflow.steps) + &notes(&workflow.notes);
    Sheet { body, ..sheet.values(&workflow.extra, &values) }
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

/// The description, all of it.
fn prose(description: Option<&str>) -> String {
    let Some(text) = description else { return String::new() };
    let mut out = format!("\n{}\n", paint(Ink::Bold, "description"));
    for line in text.lines() {
        let _ = writeln!(out, "{}", format!("  {}", visible(&line.replace('\t', "    "))).trim_end());
    }
    out
}

fn steps(steps: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let done = steps.iter().filter(|step| step.done).count();
    let mut out = format!("\n{} ({done} of {})\n", paint(Ink::Bold, "steps"), steps.len());
    for (index, step) in steps.iter().enumerate() {
        let mark = if step.done { paint(Ink::Good, "✓") } else { "·".to_owned() };
        let _ = writeln!(out, "  {:>2} {mark} {}", index + 1, visible(&step.text));
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
        let _ = writeln!(out, "  - {}", lines.join("\n    "));
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

fn ids(ids: &[DocId]) -> String {
    ids.iter().map(DocId::as_str).collect::<Vec<_>>().join(", ")
}
