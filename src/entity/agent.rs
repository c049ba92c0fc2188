//! What can be done to an agent's document, as pure functions. The moment is given; there is no clock here.

use std::time::Duration;

use serde_json::Value as Json;

use super::create::NewAgent;
use super::edit::{Refusal, accept, set_key, set_keys, status};
use super::model::{ActiveTask, Entity};
use super::read::reread;
use super::status::AgentStatus;
use crate::document::{Document, Value};
use crate::name::{AgentName, Kind};
use crate::template::one_line;
use crate::time::Timestamp;

const ACTIVE_TASKS: &str = "Active Tasks";

/// What `set` changes; what is not named stays as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentUpdate {
    /// What it is doing now.
    pub status: Option<AgentStatus>,
    /// All it works on now; a task that was there keeps its start, a new one starts now.
    pub active_tasks: Option<Vec<ActiveTask>>,
    /// Replaces the metadata.
    pub metadata: Option<Json>,
    /// For how long it counts as alive without a sign, whole seconds.
    pub ttl: Option<Duration>,
    /// Further keys with their values; `null` removes.
    pub set: Vec<(String, Value)>,
    /// Now.
    pub now: Timestamp,
}

impl AgentUpdate {
    /// An update that changes nothing yet.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { status: None, active_tasks: None, metadata: None, ttl: None, set: Vec::new(), now }
    }

    /// The new agent's document that this update makes where there is none yet; idle unless it says otherwise.
    #[must_use]
    pub fn into_new(self, name: AgentName) -> NewAgent {
        let active_tasks = self.active_tasks.unwrap_or_default().into_iter();
        NewAgent {
            name,
            status: self.status.unwrap_or(AgentStatus::Idle),
            last_updated: self.now,
            ttl: self.ttl,
            active_tasks: active_tasks.map(|task| started(task, self.now)).collect(),
            metadata: self.metadata,
        }
    }
}

/// Changes what the update names; `last_updated` only if anything else changes.
///
/// # Errors
/// [`Refusal`] for a value of the wrong shape, or a document that does not allow the edit.
pub fn set(document: &Document, update: &AgentUpdate) -> Result<Document, Refusal> {
    status::<AgentStatus>(Kind::Agent, document)?;
    let mut new = set_keys(Kind::Agent, document, &update.set, &[])?;
    if let Some(status) = update.status {
        new = set_key(&new, "status", &Value::text(status.word()))?;
    }
    if let Some(ttl) = update.ttl {
        let same = agent(&new).is_some_and(|agent| agent.1 == Some(ttl));
        new = if same { new } else { set_key(&new, "ttl", &Value::plain(ttl.as_secs().to_string()))? };
    }
    if let Some(tasks) = &update.active_tasks {
        new = set_active_tasks(&new, tasks, update.now)?;
    }
    if let Some(metadata) = &update.metadata {
        let same = agent(&new).is_some_and(|agent| agent.2.as_ref() == Some(metadata));
        new = if same { new } else { new.set_section_json("Metadata", metadata)? };
    }
    if new.bytes() == document.bytes() {
        return Ok(new);
    }
    let new = set_key(&new, "last_updated", &Value::text(update.now.to_string()))?;
    accept(Kind::Agent, document, new)
}

fn agent(document: &Document) -> Option<(Vec<ActiveTask>, Option<Duration>, Option<Json>)> {
    match reread(Kind::Agent, document).entity {
        Some(Entity::Agent(agent)) => Some((agent.active_tasks, agent.ttl, agent.metadata)),
        _ => None,
    }
}

fn started(task: ActiveTask, now: Timestamp) -> ActiveTask {
    ActiveTask { started: task.started.or(Some(now)), ..task }
}

fn set_active_tasks(document: &Document, tasks: &[ActiveTask], now: Timestamp) -> Result<Document, Refusal> {
    let old = document.bullets(ACTIVE_TASKS);
    let bullet = |task: &ActiveTask| {
        let kept = old.iter().find(|bullet| {
            ActiveTask::parse(&bullet.text)
                .is_some_and(|old| old.task == task.task && task.started.is_none_or(|at| old.started == Some(at)))
        });
        kept.map_or_else(|| one_line(&started(task.clone(), now).to_bullet()), |bullet| bullet.text.clone())
    };
    let texts: Vec<String> = tasks.iter().map(bullet).collect();
    if texts.iter().map(String::as_str).eq(old.iter().map(|bullet| bullet.text.as_str())) {
        return Ok(document.clone());
    }
    Ok(document.set_bullets(ACTIVE_TASKS, &texts.iter().map(String::as_str).collect::<Vec<_>>())?)
}
