//! New documents: values → template → text, read back before it is handed out. Nothing is written to disk here.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::keys::skeleton;
use super::model::{ActiveTask, Entity};
use super::read::read;
use super::status::{AgentStatus, Priority, TaskStatus, WorkflowStatus};
use crate::core::diagnostic::{Code, Diagnostic, Severity};
use crate::core::document::{Document, json_fault};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::problem::Problem;
use crate::core::template::{self, Shape, TemplateError, one_line};
use crate::core::time::Timestamp;

/// Says why a new document could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template itself is at fault.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The template made a text that cannot be read.
    #[error("the {kind} template makes a document that cannot be read")]
    Unreadable {
        /// Of which kind.
        kind: Kind,
        /// What is wrong with it.
        findings: Vec<Diagnostic>,
    },
    /// A value is too large, nested too deep, or no document can keep it.
    #[error("{}", .0.message)]
    Value(Box<Diagnostic>),
    /// The template left a value out or changed it.
    #[error("the {kind} template does not keep `{key}`")]
    Lost {
        /// Of which kind.
        kind: Kind,
        /// Which value.
        key: &'static str,
    },
}

impl Problem for RenderError {
    fn code(&self) -> &'static str {
        "template"
    }

    fn hint(&self) -> Option<String> {
        let file = match self {
            Self::Value(fault) => return fault.hint.clone().or_else(|| Some("give another value".to_owned())),
            Self::Template(error) => error.name.clone(),
            Self::Unreadable { kind, .. } | Self::Lost { kind, .. } => template::file_name(*kind),
        };
        Some(format!("correct `{file}` among your templates, or remove it"))
    }

    fn findings(&self) -> Vec<Diagnostic> {
        if let Self::Unreadable { findings, .. } = self { findings.clone() } else { Vec::new() }
    }
}

/// What a new task is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDraft {
    /// Its id.
    pub id: DocId,
    /// What sort of work.
    pub kind: String,
    /// Its heading; the sort of work if there is none.
    pub title: Option<String>,
    /// What is to be done, in markdown.
    pub description: Option<String>,
    /// Who is to do it.
    pub assigned_to: Option<AgentName>,
    /// What must be completed before.
    pub depends_on: Vec<DocId>,
    /// How urgent; normal has no line in the file.
    pub priority: Priority,
    /// The workflow it belongs to.
    pub workflow: Option<DocId>,
    /// What it is to work with.
    pub payload: Option<Json>,
    /// Its check boxes, all open.
    pub steps: Vec<String>,
    /// When it is made.
    pub created: Timestamp,
}

/// What a new agent's document is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentDraft {
    /// Its name.
    pub name: AgentName,
    /// What it is doing.
    pub status: AgentStatus,
    /// When it is written.
    pub last_updated: Timestamp,
    /// For how long it counts as alive without a sign.
    pub ttl: Option<Duration>,
    /// What it works on.
    pub active_tasks: Vec<ActiveTask>,
    /// Anything else.
    pub metadata: Option<Json>,
}

/// What a new workflow is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowDraft {
    /// Its id.
    pub id: DocId,
    /// What sort of workflow.
    pub kind: String,
    /// Its heading; the sort of workflow if there is none.
    pub title: Option<String>,
    /// What it is for, in markdown.
    pub description: Option<String>,
    /// Its tasks, in their order.
    pub tasks: Vec<DocId>,
    /// Anything else.
    pub metadata: Option<Json>,
    /// When it is made.
    pub created: Timestamp,
}

impl TaskDraft {
    /// The document, in a shape or by the caller's own template.
    ///
    /// # Errors
    /// [`RenderError`] if the template is at fault; with the built-in ones there is no such value.
    pub fn render(&self, shape: Shape, replacement: Option<&str>) -> Result<Document, RenderError> {
        let mut values = Map::new();
        let mut put = |key: &str, value: Json| values.insert(key.to_owned(), value);
        put("id", json!(self.id.as_str()));
        put("type", json!(self.kind));
        put("status", json!(TaskStatus::Pending.word()));
        put("title", heading(self.title.as_deref()));
        put("assigned_to", json!(self.assigned_to.as_ref().map(AgentName::as_str)));
        put("priority", json!((self.priority != Priority::Normal).then_some(self.priority.word())));
        put("depends_on", words(&self.depends_on));
        put("workflow", json!(self.workflow.as_ref().map(DocId::as_str)));
        let payload = given("the payload", self.payload.as_ref())?;
        put("payload", json!(payload));
        put("steps", self.steps.iter().map(|step| one_line(step)).filter(|step| !step.is_empty()).collect());
        put("created", json!(self.created.exact()));
        let (document, entity) = make(Kind::Task, &self.id, shape, replacement, &values)?;
        let document = describe(Kind::Task, document, self.description.as_deref())?;
        let lost = |key| Err(lost(Kind::Task, key, replacement));
        let Some(task) = entity.as_task() else { return lost("id") };
        let kept = [
            ("id", task.id == self.id),
            ("type", task.kind == self.kind),
            ("status", task.status == TaskStatus::Pending),
            ("assigned_to", task.assigned_to == self.assigned_to),
            ("priority", task.priority == self.priority),
            ("depends_on", task.references().iter().map(|reference| &reference.id).eq(&self.depends_on)),
            ("workflow", task.workflow == self.workflow),
            ("payload", task.payload.as_ref() == payload),
            ("created", task.created.map(Timestamp::unix_s) == Some(self.created.unix_s())),
        ];
        kept.into_iter().find(|(_, same)| !same).map_or(Ok(document), |(key, _)| lost(key))
    }
}

impl AgentDraft {
    /// The document, in a shape or by the caller's own template.
    ///
    /// # Errors
    /// [`RenderError`] if the template is at fault; with the built-in ones there is no such value.
    pub fn render(&self, shape: Shape, replacement: Option<&str>) -> Result<Document, RenderError> {
        let mut values = Map::new();
        let mut put = |key: &str, value: Json| values.insert(key.to_owned(), value);
        put("agent", json!(self.name.as_str()));
        put("status", json!(self.status.word()));
        put("last_updated", json!(self.last_updated.to_string()));
        put("ttl", json!(self.ttl.map(|span| span.as_secs())));
        put("active_tasks", self.active_tasks.iter().map(|task| one_line(&task.to_bullet())).collect());
        let metadata = given("the metadata", self.metadata.as_ref())?;
        put("metadata", json!(metadata));
        let id = DocId::from(self.name.clone());
        let (document, entity) = make(Kind::Agent, &id, shape, replacement, &values)?;
        let lost = |key| Err(lost(Kind::Agent, key, replacement));
        let Some(agent) = entity.as_agent() else { return lost("agent") };
        let kept = [
            ("agent", agent.name == self.name),
            ("status", agent.status == self.status),
            ("last_updated", agent.last_updated.map(Timestamp::unix_s) == Some(self.last_updated.unix_s())),
            ("ttl", agent.ttl.map(|span| span.as_secs()) == self.ttl.map(|span| span.as_secs())),
            ("active_tasks", agent.active_tasks.len() == self.active_tasks.len()),
            ("metadata", agent.metadata.as_ref() == metadata),
        ];
        kept.into_iter().find(|(_, same)| !same).map_or(Ok(document), |(key, _)| lost(key))
    }
}

impl WorkflowDraft {
    /// The document, in a shape or by the caller's own template.
    ///
    /// # Errors
    /// [`RenderError`] if the template is at fault; with the built-in ones there is no such value.
    pub fn render(&self, shape: Shape, replacement: Option<&str>) -> Result<Document, RenderError> {
        let mut values = Map::new();
        let mut put = |key: &str, value: Json| values.insert(key.to_owned(), value);
        put("id", json!(self.id.as_str()));
        put("type", json!(self.kind));
        put("status", json!(WorkflowStatus::Running.word()));
        put("title", heading(self.title.as_deref()));
        put("tasks", words(&self.tasks));
        let metadata = given("the metadata", self.metadata.as_ref())?;
        put("metadata", json!(metadata));
        put("created", json!(self.created.exact()));
        let (document, entity) = make(Kind::Workflow, &self.id, shape, replacement, &values)?;
        let document = describe(Kind::Workflow, document, self.description.as_deref())?;
        let lost = |key| Err(lost(Kind::Workflow, key, replacement));
        let Some(workflow) = entity.as_workflow() else { return lost("id") };
        let kept = [
            ("id", workflow.id == self.id),
            ("type", workflow.kind == self.kind),
            ("status", workflow.status == WorkflowStatus::Running),
            ("tasks", workflow.tasks == self.tasks),
            ("metadata", workflow.metadata.as_ref() == metadata),
            ("created", workflow.created.map(Timestamp::unix_s) == Some(self.created.unix_s())),
        ];
        kept.into_iter().find(|(_, same)| !same).map_or(Ok(document), |(key, _)| lost(key))
    }
}

/// Puts the description behind the title, before what a template has there. A description is no value of a template: its
/// place and its text are judged as in every other edit.
fn describe(kind: Kind, document: Document, text: Option<&str>) -> Result<Document, RenderError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(document) };
    let skeleton = skeleton(kind);
    let whole = match document.body().description(skeleton) {
        Some(own) => format!("{}\n\n{own}", text.trim_end()),
        None => text.to_owned(),
    };
    document.edit().set_description(skeleton, &whole).map_err(|error| RenderError::Value(Box::new(error.diagnostic())))
}

/// A title as a heading can hold it: one line, no closing `#` that markdown would drop; `null` if nothing is left.
fn heading(title: Option<&str>) -> Json {
    let line = title.map(one_line).filter(|line| !line.is_empty());
    json!(line)
}

/// A value that may be written as JSON; `null` is none.
fn given<'a>(name: &str, value: Option<&'a Json>) -> Result<Option<&'a Json>, RenderError> {
    let value = value.filter(|value| !value.is_null());
    match value.and_then(|value| json_fault(name, value)) {
        Some(fault) => Err(RenderError::Value(Box::new(fault))),
        None => Ok(value),
    }
}

/// A value that was not read back. The templates that are built in keep everything that can be kept.
fn lost(kind: Kind, key: &'static str, replacement: Option<&str>) -> RenderError {
    if replacement.is_some() {
        return RenderError::Lost { kind, key };
    }
    let message = format!("`{key}` of a {kind} cannot have this value: it would be read as something else");
    RenderError::Value(Box::new(Diagnostic::error(Code::BadValue, message).hint(format!("give `{key}` another value"))))
}

/// What is built in fails for one reason: there is too much to write.
fn fault(kind: Kind, error: TemplateError, replacement: Option<&str>) -> RenderError {
    if replacement.is_some() {
        return RenderError::Template(error);
    }
    let message = format!("the {kind} has too many values to write");
    let hint = "put bulky data into a file, and give its path";
    RenderError::Value(Box::new(Diagnostic::error(Code::BadValue, message).hint(hint)))
}

/// A document that cannot be read is too large or has too much in it, or the template is at fault.
fn unreadable(kind: Kind, findings: Vec<Diagnostic>, replacement: Option<&str>) -> RenderError {
    let is_size = |finding: &&Diagnostic| {
        matches!(finding.code, Code::FileTooBig | Code::FrontmatterTooBig | Code::TooManyValues)
    };
    let blamed = findings.iter().find(|finding| replacement.is_none() || is_size(finding));
    match blamed {
        Some(finding) => {
            let message = format!("the {kind} would be too large: {}", finding.message);
            let hint = "put bulky data into a file, and give its path";
            RenderError::Value(Box::new(Diagnostic::error(Code::BadValue, message).hint(hint)))
        }
        None => RenderError::Unreadable { kind, findings },
    }
}

fn words(ids: &[DocId]) -> Json {
    ids.iter().map(|id| Json::from(id.as_str())).collect()
}

fn make(
    kind: Kind,
    id: &DocId,
    shape: Shape,
    replacement: Option<&str>,
    values: &Map<String, Json>,
) -> Result<(Document, Entity), RenderError> {
    let text = template::render(kind, shape, replacement, values).map_err(|error| fault(kind, error, replacement))?;
    let document = Document::parse(text.into_bytes());
    let reading = read(&DocPath::for_new(kind, id), &document);
    let wrong = reading.findings.iter().any(|finding| finding.severity == Severity::Error);
    match reading.entity {
        Some(entity) if !wrong => Ok((document, entity)),
        _ => Err(unreadable(kind, reading.findings, replacement)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "2025-10-17T00:00:00Z";

    fn id(text: &str) -> DocId {
        DocId::new(text).expect("valid")
    }

    fn new_task() -> TaskDraft {
        TaskDraft {
            id: id("task-123"),
            kind: "train-model".to_owned(),
            title: None,
            description: None,
            assigned_to: AgentName::new("ai-engineer").ok(),
            depends_on: vec![id("task-122")],
            priority: Priority::Normal,
            workflow: None,
            payload: Some(json!({"dataset": "alice-voice", "config": "configs/lora.yaml", "epochs": 3})),
            steps: vec!["Load dataset".to_owned(), "Training (epoch 1/3)".to_owned()],
            created: CREATED.parse().expect("a time"),
        }
    }

    fn text(document: &Document) -> &str {
        document.text()
    }

    #[test]
    fn a_lean_task_says_each_thing_once() {
        let task = TaskDraft { priority: Priority::High, workflow: Some(id("wf-1")), ..new_task() };
        assert_eq!(
            text(&task.render(Shape::Lean, None).expect("renders")),
            "---\nid: task-123\nstatus: pending\ntype: train-model\nassigned_to: ai-engineer\ncreated: 2025-10-17T00:00:00Z\npriority: high\n# waits for\ndepends_on:\n  - task-122\n# run\n# review\n# approval\n# more\nworkflow: wf-1\n---\n\n# train-model\n\n## Payload\n\n```json\n{\n  \"dataset\": \"alice-voice\",\n  \"config\": \"configs/lora.yaml\",\n  \"epochs\": 3\n}\n```\n\n## Progress\n\n- [ ] Load dataset\n- [ ] Training (epoch 1/3)\n\n## Result\n\n## Error\n\n## Notes\n"
        );
        let bare = TaskDraft { assigned_to: None, depends_on: vec![], payload: None, steps: vec![], ..new_task() };
        assert_eq!(
            text(&bare.render(Shape::Lean, None).expect("renders")),
            "---\nid: task-123\nstatus: pending\ntype: train-model\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n# review\n# approval\n# more\n---\n\n# train-model\n\n## Payload\n\n## Progress\n\n## Result\n\n## Error\n\n## Notes\n"
        );
    }

    #[test]
    fn a_classic_task_has_the_reference_shape() {
        let document = new_task().render(Shape::Classic, None).expect("renders");
        assert_eq!(
            text(&document),
            "---\nid: task-123\ntype: train-model\nstatus: pending\nassigned_to: ai-engineer\ncreated: 2025-10-17T00:00:00Z\n---\n\n# Task: train-model\n\n**Type**: train-model\n**Status**: pending\n**Assigned To**: ai-engineer\n\n## Dependencies\n\n- task-122\n\n## Payload\n\n{\n  \"dataset\": \"alice-voice\",\n  \"config\": \"configs/lora.yaml\",\n  \"epochs\": 3\n}\n\n## Progress\n\n- [ ] Load dataset\n- [ ] Training (epoch 1/3)\n\n## Result\n\n_In progress..._\n"
        );
    }

    #[test]
    fn agents_and_workflows_are_rendered_in_both_shapes() {
        let agent = AgentDraft {
            name: AgentName::new("ai-engineer").expect("valid"),
            status: AgentStatus::Busy,
            last_updated: CREATED.parse().expect("a time"),
            ttl: None,
            active_tasks: vec![ActiveTask { task: "train-model".to_owned(), started: CREATED.parse().ok() }],
            metadata: Some(json!({"gpu": "RTX 4090"})),
        };
        assert_eq!(
            text(&agent.render(Shape::Classic, None).expect("renders")),
            "---\nagent: ai-engineer\nstatus: busy\nlast_updated: 2025-10-17T00:00:00Z\n---\n\n# Agent: ai-engineer\n\n**Status**: busy\n**Last Updated**: 2025-10-17T00:00:00Z\n\n## Active Tasks\n\n- train-model (started: 2025-10-17T00:00:00Z)\n\n## Metadata\n\n{\n  \"gpu\": \"RTX 4090\"\n}\n"
        );
        let lean = AgentDraft { ttl: Some(Duration::from_secs(300)), ..agent };
        assert_eq!(
            text(&lean.render(Shape::Lean, None).expect("renders")),
            "---\nagent: ai-engineer\nstatus: busy\n# seen\nlast_updated: 2025-10-17T00:00:00Z\n# more\nttl: 300\n---\n\n# ai-engineer\n\n## Active Tasks\n\n- train-model (started: 2025-10-17T00:00:00Z)\n\n## Metadata\n\n```json\n{\n  \"gpu\": \"RTX 4090\"\n}\n```\n\n## Notes\n"
        );
        let workflow = WorkflowDraft {
            id: id("wf-1"),
            kind: "model-training".to_owned(),
            title: Some("Voices".to_owned()),
            description: None,
            tasks: vec![id("task-1"), id("007")],
            metadata: None,
            created: CREATED.parse().expect("a time"),
        };
        assert_eq!(
            text(&workflow.render(Shape::Lean, None).expect("renders")),
            "---\nid: wf-1\nstatus: running\ntype: model-training\ntasks:\n  - task-1\n  - \"007\"\ncreated: 2025-10-17T00:00:00Z\n# run\n# more\n---\n\n# Voices\n\n## Metadata\n\n## Progress\n\n## Result\n\n## Error\n\n## Notes\n"
        );
        assert!(
            text(&workflow.render(Shape::Classic, None).expect("renders")).contains("# Workflow: Voices\n\n**Type**")
        );
    }

    #[test]
    fn hostile_values_cannot_break_a_file() {
        for evil in [
            "a\n---\nid: other\nstatus: failed\n",
            "---",
            "```",
            "# heading",
            "x #",
            "null",
            "true",
            "12",
            "*&!%@`'\"\\{{ id }}{% if %}",
            "- [x] done",
            "<<<<<<< ours",
            "\u{feff}\u{202e}x\u{2028}y",
            "<script>",
            "**Status**: failed",
            "key: value # comment",
            "\t tab",
        ] {
            for shape in Shape::ALL {
                let task = TaskDraft {
                    kind: evil.to_owned(),
                    title: Some(evil.to_owned()),
                    payload: Some(json!({evil: [evil, {"deep": evil}]})),
                    steps: vec![evil.to_owned(), "second".to_owned()],
                    ..new_task()
                };
                let document = task.render(shape, None).unwrap_or_else(|error| panic!("{evil:?} {shape:?}: {error:?}"));
                let reading = read(&DocPath::for_new(Kind::Task, &task.id), &document);
                let read_back = reading.entity.as_ref().and_then(Entity::as_task).expect("a task");
                assert_eq!((&read_back.kind, &read_back.payload), (&task.kind, &task.payload), "{evil:?}");
                assert_eq!(read_back.steps.len(), 2, "{evil:?} {shape:?} {}", document.text());
                assert_eq!(read_back.steps.last().map(|step| step.text.as_str()), Some("second"), "{evil:?}");
                assert_eq!(document.body().sections().len(), if shape == Shape::Lean { 5 } else { 4 }, "{evil:?}");
                let odd = |c: &char| *c != '\n' && crate::core::name::is_unsafe_to_show(*c);
                assert_eq!(document.text().chars().find(odd), None, "{evil:?}");
            }
        }
    }

    #[test]
    fn an_own_template_must_keep_the_values() {
        let own = "---\nid: {{ id | yaml }}\ntype: {{ type | yaml }}\nstatus: {{ status | yaml }}\ncreated: {{ created | yaml }}\n---\n# {{ title or type }}\n";
        let plain = TaskDraft { assigned_to: None, depends_on: vec![], payload: None, ..new_task() };
        assert!(plain.render(Shape::Lean, Some(own)).is_ok());
        let error = new_task().render(Shape::Lean, Some(own)).expect_err("loses values");
        assert_eq!(error.to_string(), "the task template does not keep `assigned_to`");
        assert_eq!(error.hint().as_deref(), Some("correct `task.md` among your templates, or remove it"));
        let error = plain.render(Shape::Lean, Some("# {{ title }}\n")).expect_err("no frontmatter");
        assert!(matches!(error, RenderError::Unreadable { .. }));
        let error = plain.render(Shape::Lean, Some("{{ nobody }}\n")).expect_err("unknown name");
        assert_eq!(error.to_string(), "the template `task.md` cannot be used at line 1");
    }
}
