//! Fields that others changed on a remote, applied to the document as if it were edited by hand: the smallest edits, and what
//! cannot be used is left out and reported.

use std::time::Duration;

use serde_json::Value as Json;

use super::field_text::{ids, json, moment, moment_fault, name, one_line, plain, seconds, texts, word};
use crate::core::document::{Document, FRONTMATTER_BYTES_MAX, Value};
use crate::core::entity::agent::{self, AgentUpdate};
use crate::core::entity::claim::{self, HolderFields};
use crate::core::entity::task::{self, TaskUpdate};
use crate::core::entity::{
    self, ActiveTask, AgentStatus, DependencyBullet, Entity, Priority, Refusal, Review, Task, TaskStatus,
    WorkflowStatus, add_ids, remove_ids, remove_key, set_key, set_outcome,
};
use crate::core::name::{AgentName, DocId, DocPath, Kind, visible};
use crate::core::problem::Problem;
use crate::core::time::{Timestamp, parse_span};

/// Longest text of a field, in bytes.
pub const FIELD_BYTES_MAX: usize = crate::core::document::JSON_BYTES_MAX;
/// The lease of an agent that took a task without saying for how long.
const LEASE_DEFAULT: Duration = Duration::from_secs(300);
/// How much further than the document a remote may count: the highest of all numbers leaves none for the next holder.
const COUNT_AHEAD_MAX: u64 = 1_000;
/// The highest number that is taken: above it scripts of a server lose precision.
const COUNT_MAX: u64 = 1 << 52;
/// Characters of a text that a complaint repeats.
const SHOWN_MAX: usize = 60;

type Edit = Result<Document, String>;

/// A field that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedField {
    /// Which field, safe to show; empty for the document as a whole.
    pub field: String,
    /// What is wrong with it, in plain words.
    pub why: String,
}

impl RejectedField {
    /// Makes the name of the field safe to show.
    pub fn new(field: &str, why: impl Into<String>) -> Self {
        Self { field: short(field), why: why.into() }
    }
}

/// What became of fields that others changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldEdits {
    /// The document with all that could be used; `None` if that changes nothing.
    pub document: Option<Document>,
    /// Who made the change, as far as the fields say.
    pub author: Option<AgentName>,
    /// What could not be used.
    pub rejected: Vec<RejectedField>,
}

/// Fields that others changed, and the document that they are about.
#[derive(Debug)]
pub struct FieldUpdates<'a> {
    /// The kind of the document.
    pub kind: Kind,
    /// Its id.
    pub id: &'a DocId,
    /// The document as it was before.
    pub before: &'a Document,
    /// Names and texts; without a text the field was removed.
    pub updates: Vec<(&'a str, Option<&'a str>)>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> FieldUpdates<'a> {
    /// Applies all of them; what cannot be used is left out.
    #[must_use]
    pub fn apply(mut self) -> FieldEdits {
        self.updates.sort_by_key(|(field, _)| order(field));
        let (mut document, mut rejected) = (self.before.clone(), Vec::new());
        for (field, text) in &self.updates {
            match self.apply_field(&document, field, *text) {
                Ok(new) if new == document => {}
                Ok(new) if self.is_sound(&new) => document = new,
                Ok(_) => rejected.push(RejectedField::new(field, "the document could not be read with it")),
                Err(why) => rejected.push(RejectedField::new(field, why)),
            }
        }
        let author = self.author(&document);
        FieldEdits { document: (document != *self.before).then_some(document), author, rejected }
    }

    /// Returns true if a document is still the one that it was.
    fn is_sound(&self, after: &Document) -> bool {
        let path = DocPath::for_new(self.kind, self.id);
        let of = |document: &Document| entity::read(&path, document).entity.map(|entity| entity.id());
        after.is_readable() && of(after).is_some_and(|after| Some(after) == of(self.before))
    }

    fn author(&self, document: &Document) -> Option<AgentName> {
        match self.kind {
            Kind::Agent => AgentName::new(self.id.as_str()).ok(),
            Kind::Workflow => None,
            Kind::Task => self.read(document).and_then(|task| task.claimed_by.or(task.assigned_to)),
        }
    }

    /// Returns the document with one field changed.
    fn apply_field(&self, document: &Document, field: &str, text: Option<&str>) -> Edit {
        if text.is_some_and(|text| text.len() > FIELD_BYTES_MAX) {
            return Err(format!("it has more than {FIELD_BYTES_MAX} bytes"));
        }
        let Some(text) = text else { return self.remove(document, field) };
        match (self.kind, field) {
            (Kind::Agent, "agent") | (_, "id") => self.identity(document, text),
            (Kind::Agent, _) => self.agent(document, field, text),
            (_, "type") => key(document, field, &Value::text(one_line(text)?)),
            (_, "created_at" | "created") => self.created(document, text),
            (_, "title") => self.title(document, text),
            (_, "progress") => progress(document, text),
            (_, "result") => outcome(document, "Result", "result", text),
            (_, "error") => outcome(document, "Error", "error", text),
            (Kind::Task, _) => self.task(document, field, text),
            (Kind::Workflow, _) => workflow(document, field, text),
        }
    }

    fn identity(&self, document: &Document, text: &str) -> Edit {
        if text == self.id.as_str() { Ok(document.clone()) } else { Err(format!("the id is `{}` for good", self.id)) }
    }

    fn created(&self, document: &Document, text: &str) -> Edit {
        let at = moment(text, self.now)?;
        let mut known = ["created", "created_at"].iter().filter_map(|key| document.field(key)?.value.as_text());
        match known.find_map(|text| text.parse::<Timestamp>().ok()) {
            Some(known) if known.unix_s() != at.unix_s() => Err("when it was made does not change".to_owned()),
            Some(_) => Ok(document.clone()),
            None => key(document, "created", &Value::text(at.exact())),
        }
    }

    fn title(&self, document: &Document, text: &str) -> Edit {
        let title = one_line(text)?;
        if self.kind == Kind::Task {
            let update = TaskUpdate { title: Some(title), ..TaskUpdate::default() };
            return task::update(document, &update).map_err(|refusal| refused(&refusal));
        }
        if document.field("title").is_some() {
            return key(document, "title", &Value::text(title));
        }
        let has_label = document.body().title().is_some_and(|heading| heading.starts_with("Workflow:"));
        let heading = if has_label { format!("Workflow: {title}") } else { title };
        document.edit().set_title(&heading).map_err(|error| error.diagnostic().message)
    }

    fn remove(&self, document: &Document, field: &str) -> Edit {
        let always = match self.kind {
            Kind::Agent => ["status", "last_updated", "active_tasks", "agent"].contains(&field),
            Kind::Task | Kind::Workflow => ["id", "type", "status", "created_at"].contains(&field),
        };
        if always {
            return Err("it cannot be removed".to_owned());
        }
        let section = match (self.kind, field) {
            (Kind::Task, "payload") => "Payload",
            (Kind::Agent | Kind::Workflow, "metadata") => "Metadata",
            (Kind::Task | Kind::Workflow, "result") => "Result",
            (Kind::Task | Kind::Workflow, "error") => "Error",
            (Kind::Task, "depends_on") => return list(document, field, "Dependencies", &[]),
            (Kind::Workflow, "tasks") => return list(document, field, "Tasks", &[]),
            // It stands in a heading.
            (_, "title") if document.field("title").is_none() => return Ok(document.clone()),
            _ => return remove_key(document, field).map_err(|refusal| refused(&refusal)),
        };
        let document = remove_key(document, field).map_err(|refusal| refused(&refusal))?;
        match document.body().section(section) {
            None => Ok(document),
            Some(_) => document.edit().set_section_text(section, "").map_err(|error| error.diagnostic().message),
        }
    }

    fn agent(&self, document: &Document, field: &str, text: &str) -> Edit {
        let mut update = AgentUpdate::at(self.now);
        match field {
            "status" => update.status = Some(word::<AgentStatus>(text)?),
            "active_tasks" => {
                let tasks = texts(text)?.into_iter().map(|task| ActiveTask { task, started: None });
                update.active_tasks = Some(tasks.collect());
            }
            "metadata" => {
                let json = json(text)?;
                let is_empty = json.as_object().is_some_and(serde_json::Map::is_empty);
                let has_none =
                    document.body().section_json("Metadata").is_none() && document.field("metadata").is_none();
                if is_empty && has_none {
                    return Ok(document.clone());
                }
                update.metadata = Some(json);
            }
            "ttl" => update.ttl = Some(Duration::from_secs(seconds(text)?)),
            "last_updated" => {
                let Ok(at) = moment(text, self.now) else {
                    let now = key(document, field, &Value::text(self.now.to_string()))?;
                    return if now == *document { Err(moment_fault(text)) } else { Ok(now) };
                };
                return key(document, field, &Value::text(at.to_string()));
            }
            _ => return extra(document, field, text),
        }
        agent::set(document, &update).map_err(|refusal| refused(&refusal))
    }

    fn task(&self, document: &Document, field: &str, text: &str) -> Edit {
        let number = || {
            let number = text.parse::<u64>().map_err(|_| format!("`{}` is not a whole number", short(text)))?;
            let known =
                self.read(self.before).and_then(|task| if field == "fence" { task.fence } else { task.attempt });
            let most = known.unwrap_or(0).saturating_add(COUNT_AHEAD_MAX).min(COUNT_MAX);
            if number > most {
                return Err(format!("`{number}` is too far ahead; at most {most} is taken"));
            }
            key(document, field, &Value::plain(number.to_string()))
        };
        match field {
            "status" => self.status(document, word::<TaskStatus>(text)?),
            "claimed_by" => self.claimed(document, &name::<AgentName>(text)?),
            // Who has it has the next number, whatever the hash says.
            "fence" | "attempt" if self.has_new_holder() => Ok(document.clone()),
            "fence" | "attempt" => number(),
            "lease" => {
                parse_span(text).map_err(|error| error.to_string())?;
                key(document, field, &Value::text(text))
            }
            "assigned_to" if text.is_empty() => remove_key(document, field).map_err(|refusal| refused(&refusal)),
            "assigned_to" => key(document, field, &Value::text(name::<AgentName>(text)?.as_str())),
            "priority" => {
                let priority = word::<Priority>(text)?;
                let is_normal = priority == Priority::Normal && document.field(field).is_none();
                if is_normal { Ok(document.clone()) } else { key(document, field, &Value::text(priority.word())) }
            }
            "workflow" => key(document, field, &Value::text(name::<DocId>(text)?.as_str())),
            "review" => key(document, field, &Value::text(word::<Review>(text)?.word())),
            "approved" => key(document, field, &Value::text(one_line(text)?)),
            "depends_on" => list(document, field, "Dependencies", &ids(text)?),
            "payload" => section(document, "Payload", field, &json(text)?),
            _ => extra(document, field, text),
        }
    }

    fn updated(&self, field: &str) -> Option<&'a str> {
        self.updates.iter().find(|(known, _)| *known == field).and_then(|(_, text)| *text)
    }

    fn read(&self, document: &Document) -> Option<Task> {
        match entity::read(&DocPath::for_new(self.kind, self.id), document).entity {
            Some(Entity::Task(task)) => Some(*task),
            _ => None,
        }
    }

    /// Returns the agent that is to have the task that is to run.
    fn holder(&self, task: &Task) -> Option<AgentName> {
        let named = |field| self.updated(field).and_then(|text| AgentName::new(text).ok());
        let assigned = || named("assigned_to").or_else(|| task.assigned_to.clone());
        named("claimed_by").or_else(|| task.claimed_by.clone()).or_else(assigned)
    }

    fn has_new_holder(&self) -> bool {
        let Some(task) = self.read(self.before) else { return false };
        let status = self.updated("status").and_then(|text| text.parse::<TaskStatus>().ok());
        let runs = status.unwrap_or(task.status) == TaskStatus::Running;
        let holder = self.holder(&task);
        runs && holder.is_some() && (holder != task.claimed_by || task.status != TaskStatus::Running)
    }

    fn status(&self, document: &Document, to: TaskStatus) -> Edit {
        let task = self.read(document).ok_or("the document cannot be read")?;
        if to == TaskStatus::Running
            && let Some(holder) = self.holder(&task)
        {
            return if self.has_new_holder() { give(document, &task, holder, self.now) } else { Ok(document.clone()) };
        }
        let new = key(document, "status", &Value::text(to.word()))?;
        if to != TaskStatus::Pending || self.updated("claimed_by").is_some() {
            return Ok(new);
        }
        // The last holder has it no longer.
        let new = remove_key(&new, "claimed_by").map_err(|refusal| refused(&refusal))?;
        remove_key(&new, "lease").map_err(|refusal| refused(&refusal))
    }

    fn claimed(&self, document: &Document, by: &AgentName) -> Edit {
        let task = self.read(document).ok_or("the document cannot be read")?;
        if task.claimed_by.as_ref() == Some(by) {
            return Ok(document.clone());
        }
        if task.status == TaskStatus::Running {
            return give(document, &task, by.clone(), self.now);
        }
        key(document, "claimed_by", &Value::text(by.as_str()))
    }
}

fn workflow(document: &Document, field: &str, text: &str) -> Edit {
    match field {
        "status" => key(document, field, &Value::text(word::<WorkflowStatus>(text)?.word())),
        "current_task" => key(document, field, &Value::text(name::<DocId>(text)?.as_str())),
        "tasks" => list(document, field, "Tasks", &ids(text)?),
        "metadata" => section(document, "Metadata", field, &json(text)?),
        _ => extra(document, field, text),
    }
}

/// Returns the document as if the agent had claimed the task.
fn give(document: &Document, task: &Task, by: AgentName, now: Timestamp) -> Edit {
    let is_new = task.claimed_by.as_ref() != Some(&by) || task.fence.is_none();
    let fence = task.fence.unwrap_or(0).saturating_add(u64::from(is_new));
    let hold =
        HolderFields { by, fence, lease: task.lease.unwrap_or(LEASE_DEFAULT), since: now, is_after_expiry: false };
    match claim::take(document, &hold) {
        Err(Refusal::IllegalStep { .. }) => {
            // As an edit by hand would; `check` reports the step.
            let running = key(document, "status", &Value::text(TaskStatus::Running.word()))?;
            claim::take(&running, &hold).map_err(|refusal| refused(&refusal))
        }
        taken => taken.map_err(|refusal| refused(&refusal)),
    }
}

fn refused(refusal: &Refusal) -> String {
    refusal.findings().first().map_or_else(|| refusal.to_string(), |finding| finding.message.clone())
}

pub(super) fn short(text: &str) -> String {
    visible(&text.chars().take(SHOWN_MAX).collect::<String>())
}

fn key(document: &Document, key: &str, value: &Value) -> Edit {
    set_key(document, key, value).map_err(|refusal| refused(&refusal))
}

/// A key that means nothing to this program: whatever JSON it is, else a text.
fn extra(document: &Document, field: &str, text: &str) -> Edit {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if field.is_empty() || field.len() > 100 || !field.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err("its name is none that a key can have".to_owned());
    }
    if !field.chars().all(is_name) {
        return Err("its name is none that a key can have".to_owned());
    }
    if text.len() > FRONTMATTER_BYTES_MAX {
        return Err(format!("it has more than {FRONTMATTER_BYTES_MAX} bytes"));
    }
    let value = match serde_json::from_str::<Json>(text) {
        Ok(json) => Value::from_json(&json),
        Err(_) => Value::text(plain(text)?),
    };
    let before = document.field(field).map(|field| &field.value);
    // A text that looks like a number and was one all along.
    if before.is_some_and(|before| before.means(&value) || before.as_text() == Some(text)) {
        return Ok(document.clone());
    }
    key(document, field, &value)
}

fn progress(document: &Document, text: &str) -> Edit {
    let part = text.trim().parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    let part = part.ok_or_else(|| format!("`{}` is not a number from 0 to 1", short(text)))?;
    let before = document.field("progress").and_then(|field| field.value.as_text()?.parse::<f64>().ok());
    if before.is_some_and(|before| before.to_bits() == part.to_bits()) {
        return Ok(document.clone());
    }
    key(document, "progress", &Value::plain(format!("{part}")))
}

fn outcome(document: &Document, heading: &str, field: &str, text: &str) -> Edit {
    let value = match serde_json::from_str::<Json>(text) {
        Ok(json) => json,
        Err(_) => Json::from(plain(text)?),
    };
    if document.body().section(heading).is_none() && document.field(field).is_some() {
        return key(document, field, &Value::from_json(&value));
    }
    set_outcome(document, heading, &value).map_err(|refusal| refused(&refusal))
}

fn section(document: &Document, heading: &str, field: &str, value: &Json) -> Edit {
    if document.body().section(heading).is_none() && document.field(field).is_some() {
        return key(document, field, &Value::from_json(value));
    }
    document.edit().set_section_json(heading, value).map_err(|error| error.diagnostic().message)
}

fn list(document: &Document, field: &str, heading: &str, ids: &[DocId]) -> Edit {
    let texts: Vec<String> = if let Some(field) = document.field(field) {
        let texts = field.value.texts().or_else(|| field.value.as_text().map(|text| vec![text]));
        texts.unwrap_or_default().into_iter().map(str::to_owned).collect()
    } else {
        let bullets = document.body().bullets(heading).into_iter();
        bullets.map(|bullet| DependencyBullet::parse(&bullet.text).id.to_owned()).collect()
    };
    let before: Vec<DocId> = texts.into_iter().filter_map(|text| DocId::new(text).ok()).collect();
    let gone: Vec<DocId> = before.iter().filter(|id| !ids.contains(id)).cloned().collect();
    let new: Vec<DocId> = ids.iter().filter(|id| !before.contains(id)).cloned().collect();
    let document = add_ids(document, field, heading, &new).map_err(|refusal| refused(&refusal))?;
    remove_ids(&document, field, heading, &gone).map_err(|refusal| refused(&refusal))
}

/// The state comes first, then what says more than it about the same.
fn order(field: &str) -> usize {
    ["status", "claimed_by", "active_tasks", "metadata", "result", "error", "ttl", "last_updated"]
        .iter()
        .position(|known| *known == field)
        .map_or(8, |place| if place >= 6 { place + 4 } else { place })
}
