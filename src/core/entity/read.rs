//! Reads a document as an agent, task or workflow. Never fails: what cannot be used becomes a finding with its place.

mod gates;
mod step_settings;

pub(crate) use gates::referred;
pub(super) use gates::{is_absent_word, is_approver};
pub(crate) use step_settings::retry_policy;

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::gate::{ApprovalMark, StatedValue, TaskReference};
use super::keys::{id_key, known_keys, skeleton};
use super::model::{ActiveTask, Agent, Entity, Task, Workflow};
use super::status::{AgentStatus, Priority, Review, TaskStatus, UnknownWord, WorkflowStatus};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::{Document, Field};
use crate::core::name::{AgentName, DocId, DocPath, Kind, NameError, visible};
use crate::core::time::{Timestamp, parse_span};

/// What a document is, as far as it can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which kind the file is, by its name or its keys; `None` for event logs and foreign files.
    pub kind: Option<Kind>,
    /// Its id, even if the rest cannot be used: from the frontmatter, else from the file name.
    pub id: Option<DocId>,
    /// What it says; `None` if the file cannot be read or has no known status.
    pub entity: Option<Entity>,
    /// What is wrong with it, in file order.
    pub findings: Vec<Diagnostic>,
}

/// Reads a document.
#[must_use]
pub fn read(path: &DocPath, document: &Document) -> Reading {
    let mut reader = Reader { path: Some(path), document, findings: Vec::new() };
    for fault in document.faults() {
        reader.push(fault.clone());
    }
    if path.is_events() {
        return Reading { kind: None, id: None, entity: None, findings: reader.findings };
    }
    let kind = path.kind().or_else(|| kind_by_keys(document));
    let Some(kind) = kind else {
        reader.findings.push(foreign(path));
        return Reading { kind, id: None, entity: None, findings: reader.findings };
    };
    reader.read(kind)
}

/// Reads a document whose kind is known, and its path not: for the operations.
pub(super) fn reread(kind: Kind, document: &Document) -> Reading {
    Reader { path: None, document, findings: document.faults().to_vec() }.read(kind)
}

/// The status alone, or why there is none.
pub(super) fn read_status<S: FromStr<Err = UnknownWord>>(document: &Document) -> Result<S, Vec<Diagnostic>> {
    let mut reader = Reader { path: None, document, findings: document.faults().to_vec() };
    if document.is_readable() && !document.has_frontmatter() {
        reader.push(Diagnostic::error(Code::NoFrontmatter, "there is no frontmatter").at(document.place(0)));
    }
    reader.status().filter(|_| document.is_readable()).ok_or(reader.findings)
}

/// The outcome that a section holds: JSON, or a text as a string.
pub(super) fn outcome(document: &Document, heading: &str) -> Option<Json> {
    Reader { path: None, document, findings: Vec::new() }.json("", heading, Prose::IsAString)
}

/// A file without frontmatter: what is in its way, or what to write.
fn no_frontmatter(kind: Kind, document: &Document) -> Diagnostic {
    let lost = document.lost_fence();
    let why = lost.why.map_or_else(String::new, |why| format!(": {why}"));
    let key = id_key(kind);
    let write = || format!("begin the file with `---`, `{key}: …`, `status: …` and `---`");
    Diagnostic::error(Code::NoFrontmatter, format!("a {kind} needs frontmatter{why}"))
        .at(document.place(lost.at))
        .hint(lost.hint.unwrap_or_else(write))
}

fn foreign(path: &DocPath) -> Diagnostic {
    Diagnostic::warning(Code::UnknownKind, format!("`{path}` is no agent, task, workflow or event log"))
        .in_file(path)
        .hint("name it `task-<id>.md`, `agent-<name>.md` or `workflow-<id>.md`, or move it out of the folder")
}

/// A file whose name says nothing is known by its keys.
fn kind_by_keys(document: &Document) -> Option<Kind> {
    let text = |key| document.field(key).and_then(|field| field.value.as_text());
    match text("id") {
        Some(id) => [Kind::Task, Kind::Workflow].into_iter().find(|kind| id.starts_with(kind.prefix())),
        None => text("agent").map(|_| Kind::Agent),
    }
}

struct Reader<'a> {
    path: Option<&'a DocPath>,
    document: &'a Document,
    findings: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn read(mut self, kind: Kind) -> Reading {
        if !self.document.is_readable() {
            let id = self.quiet_id(kind);
            return Reading { kind: Some(kind), id, entity: None, findings: self.findings };
        }
        for block in self.document.body().open_blocks() {
            self.push(block.finding());
        }
        let id = self.id(kind);
        let entity = id.clone().and_then(|id| match kind {
            Kind::Agent => self.agent(&id),
            Kind::Task => self.task(id),
            Kind::Workflow => self.workflow(id),
        });
        self.findings.sort_by_key(|finding| finding.place);
        Reading { kind: Some(kind), id, entity, findings: self.findings }
    }

    fn task(&mut self, id: DocId) -> Option<Entity> {
        let status = self.status::<TaskStatus>()?;
        let gates = self.gates();
        let task = Task {
            id,
            kind: self.type_key(),
            title: self.title(Kind::Task),
            description: self.description(Kind::Task),
            status,
            assigned_to: gates.assigned_to.usable().cloned(),
            priority: self.word::<Priority>("priority").unwrap_or(Priority::Normal),
            depends_on: explicit(&gates.depends_on),
            created: self.created(),
            workflow: self.name("workflow"),
            progress: self.fraction("progress"),
            claimed_by: self.name("claimed_by"),
            fence: self.count("fence"),
            lease: self.span("lease"),
            attempt: self.count("attempt"),
            review: match &gates.review {
                StatedValue::Absent => None,
                StatedValue::Usable(review) => Some(*review),
                StatedValue::Unusable(_) => Some(Review::Required),
            },
            approved: match &gates.approved {
                StatedValue::Usable(ApprovalMark::By(name)) => Some(name.clone()),
                _ => None,
            },
            gates,
            execution: step_settings::execution(self),
            payload: self.json("payload", "Payload", Prose::IsAFault),
            result: self.json("result", "Result", Prose::IsAString),
            error: self.json("error", "Error", Prose::IsAString),
            steps: self.document.body().steps().to_vec(),
            notes: self.document.body().notes(),
            extra: self.extra(Kind::Task),
        };
        Some(Entity::Task(Box::new(task)))
    }

    fn agent(&mut self, id: &DocId) -> Option<Entity> {
        let status = self.status::<AgentStatus>()?;
        self.layout(Kind::Agent);
        let agent = Agent {
            name: AgentName::new(id.as_str()).ok()?,
            status,
            last_updated: self.moment("last_updated"),
            ttl: self.span("ttl"),
            active_tasks: self.active_tasks(),
            description: self.description(Kind::Agent),
            metadata: self.json("metadata", "Metadata", Prose::IsAFault),
            notes: self.document.body().notes(),
            extra: self.extra(Kind::Agent),
        };
        Some(Entity::Agent(Box::new(agent)))
    }

    fn workflow(&mut self, id: DocId) -> Option<Entity> {
        let status = self.status::<WorkflowStatus>()?;
        let listed = self.references("tasks", "Tasks");
        self.layout(Kind::Workflow);
        let workflow = Workflow {
            id,
            kind: self.type_key(),
            title: self.title(Kind::Workflow),
            description: self.description(Kind::Workflow),
            status,
            file_status: None,
            tasks: explicit(&listed),
            listed,
            paused: step_settings::paused(self),
            created: self.created(),
            progress: self.fraction("progress"),
            current_task: self.name("current_task"),
            metadata: self.json("metadata", "Metadata", Prose::IsAFault),
            result: self.json("result", "Result", Prose::IsAString),
            error: self.json("error", "Error", Prose::IsAString),
            steps: self.document.body().steps().to_vec(),
            notes: self.document.body().notes(),
            extra: self.extra(Kind::Workflow),
        };
        Some(Entity::Workflow(Box::new(workflow)))
    }

    // Identity.

    /// The id of the frontmatter, else of the file name with a finding.
    fn id(&mut self, kind: Kind) -> Option<DocId> {
        let key = id_key(kind);
        if !self.document.has_frontmatter() {
            self.push(no_frontmatter(kind, self.document));
            return self.quiet_id(kind);
        }
        let stated = self.name::<DocId>(key);
        if stated.is_none() && self.text_quietly(key).is_none() {
            let from_name = self.path.and_then(|path| id_of_name(path, kind));
            let hint = from_name.as_ref().map_or_else(|| format!("add `{key}: …`"), |id| format!("add `{key}: {id}`"));
            self.push_for_file(Diagnostic::error(Code::MissingKey, format!("the key `{key}` is missing")).hint(hint));
        }
        stated.or_else(|| self.path.and_then(|path| id_of_name(path, kind)))
    }

    fn quiet_id(&self, kind: Kind) -> Option<DocId> {
        let stated = self.text_quietly(id_key(kind)).and_then(|text| DocId::new(text).ok());
        stated.or_else(|| self.path.and_then(|path| id_of_name(path, kind)))
    }

    fn status<S: FromStr<Err = UnknownWord>>(&mut self) -> Option<S> {
        if self.text_quietly("status").is_none() && self.document.has_frontmatter() {
            let list = match S::from_str("") {
                Err(unknown) => unknown.known,
                Ok(_) => "",
            };
            let finding = Diagnostic::error(Code::MissingKey, "the key `status` is missing");
            self.push_for_file(finding.hint(format!("add `status: …`, one of {list}")));
        }
        self.word::<S>("status")
    }

    fn type_key(&mut self) -> String {
        let found = self.text("type").map(str::to_owned);
        found.unwrap_or_else(|| {
            let finding = Diagnostic::warning(Code::MissingKey, "the key `type` is missing");
            self.push_for_file(finding.hint("add `type: …`, a word for the sort of work"));
            String::new()
        })
    }

    fn title(&mut self, kind: Kind) -> Option<String> {
        // A title that is a list or a map is a finding.
        self.text("title");
        title(kind, self.document)
    }

    /// What the body says outside of its skeleton, else the key of that name.
    fn description(&self, kind: Kind) -> Option<String> {
        let stated = || self.text_quietly("description").map(str::to_owned);
        self.document.body().description(skeleton(kind)).or_else(stated)
    }

    // Values of keys. Each takes an empty or null value as absent, and a value it cannot use as a finding.

    fn field(&self, key: &str) -> Option<&'a Field> {
        let document: &'a Document = self.document;
        document.field(key).filter(|field| !field.value.is_null() && field.value.as_text() != Some(""))
    }

    fn text_quietly(&self, key: &str) -> Option<&'a str> {
        self.field(key).and_then(|field| field.value.as_text())
    }

    fn text(&mut self, key: &str) -> Option<&'a str> {
        let field = self.field(key)?;
        let text = field.value.as_text();
        if text.is_none() {
            self.bad_value(field, format!("`{key}` must be one value, not a list or map"), "write it on one line");
        }
        text
    }

    fn word<W: FromStr<Err = UnknownWord>>(&mut self, key: &str) -> Option<W> {
        let text = self.text(key)?;
        match W::from_str(text) {
            Ok(word) => Some(word),
            Err(unknown) => {
                let code = if key == "status" { Code::UnknownStatus } else { Code::BadValue };
                let finding = Diagnostic::error(code, unknown.to_string()).hint(unknown.hint());
                self.push_at_value(key, finding);
                None
            }
        }
    }

    fn name<N: FromStr<Err = NameError>>(&mut self, key: &str) -> Option<N> {
        let text = self.text(key)?;
        match N::from_str(text) {
            Ok(name) => Some(name),
            Err(error) => {
                let finding = Diagnostic::error(Code::BadName, format!("`{key}`: {error}"));
                self.push_at_value(key, finding.hint("use letters, digits, `-`, `_` and `.`"));
                None
            }
        }
    }

    fn created(&mut self) -> Option<Timestamp> {
        let key = if self.field("created").is_some() { "created" } else { "created_at" };
        self.moment(key)
    }

    fn moment(&mut self, key: &str) -> Option<Timestamp> {
        self.parsed(key, "write a moment in UTC, such as 2025-10-17T00:00:00Z", |text| {
            text.parse().map_err(|error: crate::core::time::TimeError| error.to_string())
        })
    }

    fn span(&mut self, key: &str) -> Option<Duration> {
        self.parsed(key, "write a span such as 300, 30s or 5m", |text| {
            parse_span(text).map_err(|error| error.to_string())
        })
    }

    fn count(&mut self, key: &str) -> Option<u64> {
        self.parsed(key, "write a whole number from 0", |text| {
            text.parse().map_err(|_| format!("`{}` is not a whole number", visible(text)))
        })
    }

    fn fraction(&mut self, key: &str) -> Option<f64> {
        self.parsed(key, "write a number from 0 to 1, such as 0.5", |text| {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| format!("`{}` is not a number", visible(text)))?;
            (0.0..=1.0).contains(&number).then_some(number).ok_or_else(|| format!("{number} is not between 0 and 1"))
        })
    }

    fn parsed<T>(&mut self, key: &str, hint: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(message) => {
                let finding = Diagnostic::error(Code::BadValue, format!("`{key}`: {message}")).hint(hint);
                self.push_at_value(key, finding);
                None
            }
        }
    }

    fn active_tasks(&mut self) -> Vec<ActiveTask> {
        if let Some(texts) = self.field("active_tasks").and_then(|field| field.value.texts()) {
            return texts.into_iter().map(|text| ActiveTask { task: text.to_owned(), started: None }).collect();
        }
        let bullets = self.document.body().bullets("Active Tasks");
        bullets.iter().filter_map(|bullet| ActiveTask::parse(&bullet.text)).collect()
    }

    /// A section that holds JSON, else the key of that name.
    fn json(&mut self, key: &str, heading: &str, prose: Prose) -> Option<Json> {
        let Some(read) = self.document.body().section_json(heading) else {
            return self.field(key).map(|field| field.value.to_json());
        };
        let text = self.document.body().section_text(heading).unwrap_or_default();
        if prose == Prose::IsAString && is_prose(text) {
            return Some(serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)));
        }
        read.map_err(|finding| self.push(finding)).ok()
    }

    fn extra(&self, kind: Kind) -> Map<String, Json> {
        let fields = self.document.fields().iter();
        let unknown = fields.filter(|field| !known_keys(kind).contains(&field.key.as_str()));
        unknown.map(|field| (field.key.clone(), field.value.to_json())).collect()
    }

    // Findings.

    fn bad_value(&mut self, field: &Field, message: String, hint: &str) {
        let place = self.document.place(field.value_span.start);
        self.push(Diagnostic::error(Code::BadValue, message).at(place).hint(hint));
    }

    fn push_at_value(&mut self, key: &str, finding: Diagnostic) {
        self.push(match self.document.field(key) {
            Some(field) => finding.at(self.document.place(field.value_span.start)),
            None => finding,
        });
    }

    /// A finding about something that is not there: at the first line.
    fn push_for_file(&mut self, finding: Diagnostic) {
        self.push(finding.at(self.document.place(0)));
    }

    fn push(&mut self, finding: Diagnostic) {
        self.findings.push(match self.path {
            Some(path) => finding.in_file(path),
            None => finding,
        });
    }
}

/// Returns the title that a document states, whatever else of it cannot be used.
#[must_use]
pub fn title(kind: Kind, document: &Document) -> Option<String> {
    let stated = document.field("title").and_then(|field| field.value.as_text()).filter(|title| !title.is_empty());
    if let Some(title) = stated {
        return Some(title.to_owned());
    }
    let heading = document.body().title()?;
    let label = match kind {
        Kind::Agent => "Agent:",
        Kind::Task => "Task:",
        Kind::Workflow => "Workflow:",
    };
    let title = heading.strip_prefix(label).unwrap_or(heading).trim();
    (!title.is_empty()).then(|| title.to_owned())
}

/// Whether a section may hold plain text where JSON is the rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prose {
    IsAString,
    IsAFault,
}

/// Tells whether a section's text neither begins as JSON nor has a fenced block in it.
fn is_prose(text: &str) -> bool {
    !text.starts_with(['{', '[', '"']) && !text.lines().any(|line| line.starts_with("```") || line.starts_with("~~~"))
}

/// The ids that are written as such.
fn explicit(references: &StatedValue<Vec<TaskReference>>) -> Vec<DocId> {
    let all = references.usable().into_iter().flatten();
    all.filter(|reference| reference.is_explicit()).map(|reference| reference.id.clone()).collect()
}

fn bad_id(what: &str, error: &NameError) -> Diagnostic {
    Diagnostic::error(Code::BadName, format!("`{what}`: {error}")).hint("use the id that the task's file states")
}

fn id_of_name(path: &DocPath, kind: Kind) -> Option<DocId> {
    let stem = path.stem();
    let id = if kind == Kind::Agent { stem.strip_prefix(kind.prefix()).unwrap_or(stem) } else { stem };
    DocId::new(id).ok()
}

#[cfg(test)]
mod tests;
