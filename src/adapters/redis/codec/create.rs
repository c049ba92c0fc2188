//! A hash that appeared without a document, as the values of a new one.

use std::time::Duration;

use serde_json::Value as Json;

use super::hash::find;
use super::record::HashFields;
use crate::core::entity::{
    ActiveTask, AgentDraft, AgentStatus, Priority, TaskDraft, TaskStatus, WorkflowDraft, WorkflowStatus,
};
use crate::core::name::{AgentName, DocId, Kind, visible};
use crate::core::reconcile::field_text::{self, ids, json, moment, one_line, word};
use crate::core::reconcile::{NewDocument, RejectedField};
use crate::core::time::Timestamp;

/// A hash that appeared without a document. What does not fit into the new one is taken afterwards: by decoding again.
///
/// # Errors
/// [`RejectedField`] if its id is none or it does not say what it needs to.
pub fn create(kind: Kind, key_id: &str, shown: &HashFields, now: Timestamp) -> Result<NewDocument, RejectedField> {
    let id = DocId::new(key_id).map_err(|error| RejectedField::new("", format!("its key is no id: {error}")))?;
    if let Some(other) = find(shown, if kind == Kind::Agent { "agent" } else { "id" }).filter(|other| *other != key_id)
    {
        return Err(RejectedField::new("id", format!("it is `{}`, and the key says `{id}`", visible(&short(other)))));
    }
    let hash = Hash { shown, now };
    match kind {
        Kind::Agent => hash.agent(&id).map(NewDocument::Agent),
        Kind::Task => hash.task(id).map(NewDocument::Task),
        Kind::Workflow => hash.workflow(id).map(NewDocument::Workflow),
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

struct Hash<'a> {
    shown: &'a HashFields,
    now: Timestamp,
}

impl Hash<'_> {
    /// What a field says, if it says anything that can be used; else it is taken, and reported, afterwards.
    fn get<T>(&self, field: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        find(self.shown, field).filter(|text| !text.is_empty()).and_then(|text| read(text).ok())
    }

    fn must<T>(&self, field: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, RejectedField> {
        match find(self.shown, field).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => read(text).map(Some).map_err(|why| RejectedField::new(field, why)),
        }
    }

    fn created(&self) -> Timestamp {
        self.get("created_at", |text| moment(text, self.now)).unwrap_or(self.now)
    }

    fn agent(&self, id: &DocId) -> Result<AgentDraft, RejectedField> {
        let name = AgentName::new(id.as_str()).map_err(|error| RejectedField::new("", error.to_string()))?;
        let status = self.must("status", word::<AgentStatus>)?;
        let status = status.ok_or_else(|| RejectedField::new("status", "it is missing; a new agent needs one"))?;
        let ttl = self.get("ttl", field_text::seconds);
        let tasks = self.get("active_tasks", field_text::texts).unwrap_or_default();
        Ok(AgentDraft {
            name,
            status,
            last_updated: self.get("last_updated", |text| moment(text, self.now)).unwrap_or(self.now),
            ttl: ttl.map(Duration::from_secs),
            active_tasks: tasks.into_iter().map(|task| ActiveTask { task, started: None }).collect(),
            metadata: self.get("metadata", json).filter(|json| json != &Json::Object(serde_json::Map::new())),
        })
    }

    fn task(&self, id: DocId) -> Result<TaskDraft, RejectedField> {
        self.must("status", word::<TaskStatus>)?;
        let kind = self.must("type", one_line)?;
        Ok(TaskDraft {
            id,
            kind: kind.ok_or_else(|| RejectedField::new("type", "it is missing; a new task needs one"))?,
            title: self.get("title", one_line),
            description: None,
            assigned_to: self.get("assigned_to", field_text::name),
            depends_on: self.get("depends_on", ids).unwrap_or_default(),
            priority: self.get("priority", word::<Priority>).unwrap_or(Priority::Normal),
            workflow: self.get("workflow", field_text::name),
            payload: self.get("payload", json),
            steps: Vec::new(),
            created: self.created(),
        })
    }

    fn workflow(&self, id: DocId) -> Result<WorkflowDraft, RejectedField> {
        let status = self.must("status", word::<WorkflowStatus>)?;
        status.ok_or_else(|| RejectedField::new("status", "it is missing; a new workflow needs one"))?;
        Ok(WorkflowDraft {
            id,
            // Clients of the reference document name none.
            kind: self.must("type", one_line)?.unwrap_or_else(|| "workflow".to_owned()),
            title: self.get("title", one_line),
            description: None,
            tasks: self.get("tasks", ids).unwrap_or_default(),
            metadata: self.get("metadata", json),
            created: self.created(),
        })
    }
}
