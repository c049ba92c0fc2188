//! What can be done to an agent's document, as pure functions. The moment is given; there is no clock here.

use std::time::Duration;

use serde_json::Value as Json;

use super::create::AgentDraft;
use super::edit::{Refusal, accept, set_key, set_keys, status};
use super::model::{ActiveTask, Entity};
use super::read::reread;
use super::status::AgentStatus;
use crate::core::document::{Document, Value};
use crate::core::name::{AgentName, Kind};
use crate::core::template::one_line;
use crate::core::time::Timestamp;

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
    pub fn into_new(self, name: AgentName) -> AgentDraft {
        let active_tasks = self.active_tasks.unwrap_or_default().into_iter();
        AgentDraft {
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
        new = if same { new } else { new.edit().set_section_json("Metadata", metadata)? };
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

/// What is no longer worked on goes, what stays keeps its line, what is new comes last.
fn set_active_tasks(document: &Document, tasks: &[ActiveTask], now: Timestamp) -> Result<Document, Refusal> {
    let same = |old: &ActiveTask, new: &ActiveTask| {
        old.task == new.task
            && (new.started.is_none() || new.started.map(Timestamp::unix_s) == old.started.map(Timestamp::unix_s))
    };
    let mut document = document.clone();
    if document.field("active_tasks").is_some() {
        let names = tasks.iter().map(|task| Value::text(task.task.as_str())).collect();
        document = set_key(&document, "active_tasks", &Value::List(names))?;
    }
    let mut kept = Vec::new();
    for (index, bullet) in document.body().bullets(ACTIVE_TASKS).into_iter().enumerate().rev() {
        match ActiveTask::parse(&bullet.text).filter(|old| tasks.iter().any(|new| same(old, new))) {
            Some(old) if !kept.contains(&old) => kept.push(old),
            _ => document = document.edit().remove_bullet(ACTIVE_TASKS, index)?,
        }
    }
    for new in tasks.iter().filter(|new| !kept.iter().any(|old| same(old, new))) {
        document = document.edit().add_bullet(ACTIVE_TASKS, &one_line(&started(new.clone(), now).to_bullet()))?;
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AGENT: &str = "---\nagent: a\nstatus: busy\nlast_updated: 2025-10-17T00:00:00Z\n---\n\n# Agent: a\n\n**Status**: busy\n**Last Updated**: 2025-10-17T00:00:00Z\n\n## Active Tasks\n\n- x (started: 2025-10-17T00:00:00Z)\n- y\n\n## Metadata\n\n{\n  \"gpu\": 1\n}\n";

    fn now() -> Timestamp {
        "2025-11-01T00:00:00Z".parse().expect("a time")
    }

    fn task(name: &str) -> ActiveTask {
        ActiveTask { task: name.to_owned(), started: None }
    }

    #[test]
    fn nothing_new_changes_no_byte() {
        let document = Document::parse(AGENT.as_bytes());
        let update = AgentUpdate {
            status: Some(AgentStatus::Busy),
            active_tasks: Some(vec![task("y"), task("x")]),
            metadata: Some(json!({"gpu": 1})),
            ..AgentUpdate::at(now())
        };
        assert_eq!(set(&document, &update).expect("allowed"), document);
    }

    #[test]
    fn changes_touch_their_lines_and_the_time() {
        let document = Document::parse(AGENT.as_bytes());
        let update = AgentUpdate {
            status: Some(AgentStatus::Idle),
            active_tasks: Some(vec![task("x"), task("z")]),
            metadata: Some(json!({"gpu": 2})),
            ttl: Some(Duration::from_secs(300)),
            ..AgentUpdate::at(now())
        };
        let expected = "---\nagent: a\nstatus: idle\nlast_updated: 2025-11-01T00:00:00Z\nttl: 300\n---\n\n# Agent: a\n\n**Status**: idle\n**Last Updated**: 2025-11-01T00:00:00Z\n\n## Active Tasks\n\n- x (started: 2025-10-17T00:00:00Z)\n- z (started: 2025-11-01T00:00:00Z)\n\n## Metadata\n\n{\n  \"gpu\": 2\n}\n";
        assert_eq!(set(&document, &update).expect("allowed").text(), expected);
        let nothing = AgentUpdate { active_tasks: Some(Vec::new()), ..AgentUpdate::at(now()) };
        let emptied = set(&document, &nothing).expect("allowed");
        assert!(emptied.body().bullets(ACTIVE_TASKS).is_empty() && emptied.text().contains("## Active Tasks\n\n"));
    }

    #[test]
    fn an_update_makes_a_new_agent_too() {
        let update = AgentUpdate { active_tasks: Some(vec![task("x")]), ..AgentUpdate::at(now()) };
        let new = update.into_new(AgentName::new("b").expect("valid"));
        assert_eq!((new.status, new.active_tasks[0].started), (AgentStatus::Idle, Some(now())));
    }
}
