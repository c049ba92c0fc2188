//! One field that others changed, as an edit of the document; and what the texts of fields must be.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value as Json;

use super::take::FIELD_BYTES_MAX;
use crate::core::document::{Document, FRONTMATTER_BYTES_MAX, Value};
use crate::core::entity::agent::{self, AgentUpdate};
use crate::core::entity::claim::{self, Hold};
use crate::core::entity::task::{self, TaskUpdate};
use crate::core::entity::{
    self, ActiveTask, AgentStatus, DependencyBullet, Entity, Priority, Refusal, Review, Task, TaskStatus, UnknownWord,
    WorkflowStatus, add_ids, remove_ids, remove_key, set_key, set_outcome,
};
use crate::core::name::{AgentName, DocId, DocPath, Kind, NameError, is_unsafe_to_show, visible};
use crate::core::time::{Timestamp, parse_span};

/// For how long somebody has a task who took it without saying so.
const LEASE_DEFAULT: Duration = Duration::from_secs(300);
/// How much further than the document a hash may count: a number at the end of all numbers leaves none for the next holder.
const COUNT_AHEAD_MAX: u64 = 1_000;
/// The highest number that is taken: beyond it scripts of the server cannot count one by one.
const COUNT_MAX: u64 = 1 << 52;
/// Most entries of a list in a field.
const LIST_MAX: usize = 1_000;
/// Characters of a text that a complaint repeats.
const SHOWN_MAX: usize = 60;

type Edit = Result<Document, String>;

/// All that others changed in a hash, and the document that it is about.
pub(super) struct Wish<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a DocId,
    pub(super) before: &'a Document,
    pub(super) wishes: &'a [(&'a str, Option<&'a str>)],
    pub(super) now: Timestamp,
}

impl Wish<'_> {
    /// The document with one field as it is wished; without it where there is no text.
    pub(super) fn apply(&self, document: &Document, field: &str, text: Option<&str>) -> Edit {
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
            return task::update(document, &update).map_err(|refusal| told(&refusal));
        }
        if document.field("title").is_some() {
            return key(document, "title", &Value::text(title));
        }
        let has_label = document.title().is_some_and(|heading| heading.starts_with("Workflow:"));
        let heading = if has_label { format!("Workflow: {title}") } else { title };
        document.set_title(&heading).map_err(|error| error.diagnostic().message)
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
            _ => return remove_key(document, field).map_err(|refusal| told(&refusal)),
        };
        let document = remove_key(document, field).map_err(|refusal| told(&refusal))?;
        match document.section(section) {
            None => Ok(document),
            Some(_) => document.set_section_text(section, "").map_err(|error| error.diagnostic().message),
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
                let has_none = document.section_json("Metadata").is_none() && document.field("metadata").is_none();
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
        agent::set(document, &update).map_err(|refusal| told(&refusal))
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
            "assigned_to" if text.is_empty() => remove_key(document, field).map_err(|refusal| told(&refusal)),
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

    fn wished(&self, field: &str) -> Option<&str> {
        self.wishes.iter().find(|(known, _)| *known == field).and_then(|(_, text)| *text)
    }

    fn read(&self, document: &Document) -> Option<Task> {
        match entity::read(&DocPath::for_new(self.kind, self.id), document).entity {
            Some(Entity::Task(task)) => Some(*task),
            _ => None,
        }
    }

    /// Who is to have the task that is to run.
    fn holder(&self, task: &Task) -> Option<AgentName> {
        let named = |field| self.wished(field).and_then(|text| AgentName::new(text).ok());
        let assigned = || named("assigned_to").or_else(|| task.assigned_to.clone());
        named("claimed_by").or_else(|| task.claimed_by.clone()).or_else(assigned)
    }

    fn has_new_holder(&self) -> bool {
        let Some(task) = self.read(self.before) else { return false };
        let wished = self.wished("status").and_then(|text| text.parse::<TaskStatus>().ok());
        let runs = wished.unwrap_or(task.status) == TaskStatus::Running;
        let holder = self.holder(&task);
        runs && holder.is_some() && (holder != task.claimed_by || task.status != TaskStatus::Running)
    }

    fn status(&self, document: &Document, to: TaskStatus) -> Edit {
        let task = self.read(document).ok_or("the document cannot be read")?;
        if to == TaskStatus::Running
            && let Some(holder) = self.holder(&task)
        {
            return if self.has_new_holder() { give(document, &task, holder) } else { Ok(document.clone()) };
        }
        let new = key(document, "status", &Value::text(to.word()))?;
        if to != TaskStatus::Pending || self.wished("claimed_by").is_some() {
            return Ok(new);
        }
        // Whoever had it has it no longer.
        let new = remove_key(&new, "claimed_by").map_err(|refusal| told(&refusal))?;
        remove_key(&new, "lease").map_err(|refusal| told(&refusal))
    }

    fn claimed(&self, document: &Document, by: &AgentName) -> Edit {
        let task = self.read(document).ok_or("the document cannot be read")?;
        if task.claimed_by.as_ref() == Some(by) {
            return Ok(document.clone());
        }
        if task.status == TaskStatus::Running {
            return give(document, &task, by.clone());
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

/// The task runs and is theirs, as if they had claimed it.
fn give(document: &Document, task: &Task, by: AgentName) -> Edit {
    let is_new = task.claimed_by.as_ref() != Some(&by) || task.fence.is_none();
    let fence = task.fence.unwrap_or(0).saturating_add(u64::from(is_new));
    let hold = Hold { by, fence, lease: task.lease.unwrap_or(LEASE_DEFAULT) };
    match claim::take(document, &hold) {
        Err(Refusal::IllegalStep { .. }) => {
            // As an edit by hand would; `check` tells of the step.
            let running = key(document, "status", &Value::text(TaskStatus::Running.word()))?;
            claim::take(&running, &hold).map_err(|refusal| told(&refusal))
        }
        taken => taken.map_err(|refusal| told(&refusal)),
    }
}

fn told(refusal: &Refusal) -> String {
    refusal.findings().first().map_or_else(|| refusal.to_string(), |finding| finding.message.clone())
}

fn short(text: &str) -> String {
    visible(&text.chars().take(SHOWN_MAX).collect::<String>())
}

fn key(document: &Document, key: &str, value: &Value) -> Edit {
    set_key(document, key, value).map_err(|refusal| told(&refusal))
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
    if document.section(heading).is_none() && document.field(field).is_some() {
        return key(document, field, &Value::from_json(&value));
    }
    set_outcome(document, heading, &value).map_err(|refusal| told(&refusal))
}

fn section(document: &Document, heading: &str, field: &str, value: &Json) -> Edit {
    if document.section(heading).is_none() && document.field(field).is_some() {
        return key(document, field, &Value::from_json(value));
    }
    document.set_section_json(heading, value).map_err(|error| error.diagnostic().message)
}

fn list(document: &Document, field: &str, heading: &str, ids: &[DocId]) -> Edit {
    let texts: Vec<String> = if let Some(field) = document.field(field) {
        let texts = field.value.texts().or_else(|| field.value.as_text().map(|text| vec![text]));
        texts.unwrap_or_default().into_iter().map(str::to_owned).collect()
    } else {
        let bullets = document.bullets(heading).into_iter();
        bullets.map(|bullet| DependencyBullet::parse(&bullet.text).id.to_owned()).collect()
    };
    let before: Vec<DocId> = texts.into_iter().filter_map(|text| DocId::new(text).ok()).collect();
    let gone: Vec<DocId> = before.iter().filter(|id| !ids.contains(id)).cloned().collect();
    let new: Vec<DocId> = ids.iter().filter(|id| !before.contains(id)).cloned().collect();
    let document = add_ids(document, field, heading, &new).map_err(|refusal| told(&refusal))?;
    remove_ids(&document, field, heading, &gone).map_err(|refusal| told(&refusal))
}

// What the texts of fields must be.

/// A text that a document can hold and a terminal show.
pub(super) fn plain(text: &str) -> Result<&str, String> {
    match text.chars().find(|c| is_unsafe_to_show(*c) && !matches!(c, '\n' | '\r' | '\t')) {
        Some(c) => Err(format!("it has the character {}", visible(&c.to_string()))),
        None => Ok(text),
    }
}

pub(super) fn one_line(text: &str) -> Result<String, String> {
    let text = plain(text)?.trim();
    if text.is_empty() || text.contains(['\n', '\r']) || text.len() > 1_000 {
        return Err("it is not one short line".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn word<W: FromStr<Err = UnknownWord>>(text: &str) -> Result<W, String> {
    if text.len() > SHOWN_MAX {
        return Err(format!("`{}…` is none of its words", short(text)));
    }
    text.parse().map_err(|unknown: UnknownWord| unknown.to_string())
}

pub(super) fn name<N: FromStr<Err = NameError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}

pub(super) fn json(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
}

pub(super) fn texts(text: &str) -> Result<Vec<String>, String> {
    let fault = || "it is not a JSON list of texts".to_owned();
    let list = json(text)?;
    let list = list.as_array().ok_or_else(fault)?;
    if list.len() > LIST_MAX {
        return Err(format!("it has more than {LIST_MAX} entries"));
    }
    list.iter().map(|item| one_line(item.as_str().ok_or_else(fault)?)).collect()
}

pub(super) fn ids(text: &str) -> Result<Vec<DocId>, String> {
    texts(text)?.iter().map(|text| name(text)).collect()
}

pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let seconds = text.trim().parse::<u64>().ok().filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds.ok_or_else(|| format!("`{}` is not a number of seconds, a year at most", short(text)))
}

/// A moment that is not still to come: a clock that is wrong makes nobody live for ever.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    text.parse::<Timestamp>().map(|at| at.min(now)).map_err(|_| moment_fault(text))
}

fn moment_fault(text: &str) -> String {
    format!("`{}` is not a moment such as 2025-10-17T00:00:00Z", short(text))
}
