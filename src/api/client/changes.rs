//! What of a task may be changed in one call, beside its status.

use serde_json::Value as Json;

use super::Error;
use super::values::{agent_name, doc_ids};
use crate::core::entity::Priority;
use crate::core::entity::task::TaskUpdate;

/// Changes of a task, made in one write; what is not named stays as it is. Names are checked when it is used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskChanges {
    update: TaskUpdate,
    assigned_to: Option<String>,
    depends_on: Vec<String>,
    no_depends_on: Vec<String>,
}

impl TaskChanges {
    /// What is to be done, in markdown; an empty text removes it.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.update.description = Some(text.into());
        self
    }

    /// What it is to work with; `null` removes it.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Json>) -> Self {
        self.update.payload = Some(payload.into());
        self
    }

    /// Steps to add; those that are there are not added again.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.update.steps_add.extend(steps.into_iter().map(Into::into));
        self
    }

    /// What sort of work it is: the key `type`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.update.kind = Some(kind.into());
        self
    }

    /// What it is about, in a few words.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.update.title = Some(title.into());
        self
    }

    /// How urgent it is.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.update.priority = Some(priority);
        self
    }

    /// The agent that is to do it.
    #[must_use]
    pub fn assigned_to(mut self, agent: impl Into<String>) -> Self {
        self.assigned_to = Some(agent.into());
        self
    }

    /// Tasks that must be completed first, beside those that are named already.
    #[must_use]
    pub fn depends_on(mut self, ids: impl IntoIterator<Item = impl ToString>) -> Self {
        self.depends_on.extend(ids.into_iter().map(|id| id.to_string()));
        self
    }

    /// Tasks that it need no longer wait for.
    #[must_use]
    pub fn no_depends_on(mut self, ids: impl IntoIterator<Item = impl ToString>) -> Self {
        self.no_depends_on.extend(ids.into_iter().map(|id| id.to_string()));
        self
    }

    /// The changes with checked names.
    pub(super) fn into_update(self) -> Result<TaskUpdate, Error> {
        Ok(TaskUpdate {
            assigned_to: self.assigned_to.as_deref().map(agent_name).transpose()?,
            depends_on_add: doc_ids(self.depends_on)?,
            depends_on_remove: doc_ids(self.no_depends_on)?,
            ..self.update
        })
    }
}
