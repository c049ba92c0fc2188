//! What of a task or a workflow may be changed in one call.

use serde_json::{Map, Value as Json};

use super::values::{agent_name, doc_id, doc_ids, document_values, take_number};
use super::{Error, Fields};
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::workflow::WorkflowUpdate;
use crate::core::entity::{Priority, TaskStatus, WorkflowStatus};

/// Changes of a task, made in one write; what is not named stays as it is. Names are checked when it is used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskChanges {
    update: TaskUpdate,
    assigned_to: Option<String>,
    depends_on: Vec<String>,
    no_depends_on: Vec<String>,
    fields: Fields,
}

impl TaskChanges {
    /// Its next status; the present one is no change.
    #[must_use]
    pub const fn status(mut self, status: TaskStatus) -> Self {
        self.update.status = Some(status);
        self
    }

    /// How far it is, from 0 to 1.
    #[must_use]
    pub const fn progress(mut self, progress: f64) -> Self {
        self.update.progress = Some(progress);
        self
    }

    /// Keys of one's own, as a JSON object; `null` removes a key.
    #[must_use]
    pub fn fields(mut self, fields: impl Into<Fields>) -> Self {
        self.fields = fields.into();
        self
    }

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
        let mut fields = self.fields.into_pairs()?;
        let progress = take_number(&mut fields, "progress");
        Ok(TaskUpdate {
            assigned_to: self.assigned_to.as_deref().map(agent_name).transpose()?,
            depends_on_add: doc_ids(self.depends_on)?,
            depends_on_remove: doc_ids(self.no_depends_on)?,
            progress: self.update.progress.or(progress),
            set: document_values(fields),
            ..self.update
        })
    }
}

/// Changes of a workflow, made in one write; what is not named stays as it is. A JSON object stands for its
/// [`WorkflowChanges::fields`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkflowChanges {
    update: WorkflowUpdate,
    current_task: Option<String>,
    tasks: Vec<String>,
    no_tasks: Vec<String>,
    fields: Fields,
}

impl WorkflowChanges {
    /// Its next status; the present one is no change.
    #[must_use]
    pub const fn status(mut self, status: WorkflowStatus) -> Self {
        self.update.status = Some(status);
        self
    }

    /// How far it is, from 0 to 1; without it, it follows from the tasks.
    #[must_use]
    pub const fn progress(mut self, progress: f64) -> Self {
        self.update.progress = Some(progress);
        self
    }

    /// The task under way.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "an id and a reference to one are taken alike")]
    pub fn current_task(mut self, id: impl ToString) -> Self {
        self.current_task = Some(id.to_string());
        self
    }

    /// Tasks to add at the end.
    #[must_use]
    pub fn tasks(mut self, ids: impl IntoIterator<Item = impl ToString>) -> Self {
        self.tasks.extend(ids.into_iter().map(|id| id.to_string()));
        self
    }

    /// Tasks that no longer belong to it.
    #[must_use]
    pub fn no_tasks(mut self, ids: impl IntoIterator<Item = impl ToString>) -> Self {
        self.no_tasks.extend(ids.into_iter().map(|id| id.to_string()));
        self
    }

    /// What it is for, in markdown; an empty text removes it.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.update.description = Some(text.into());
        self
    }

    /// Anything else to say about it, as a JSON object.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<Json>) -> Self {
        self.update.metadata = Some(metadata.into());
        self
    }

    /// Keys of one's own, as a JSON object; `null` removes a key.
    #[must_use]
    pub fn fields(mut self, fields: impl Into<Fields>) -> Self {
        self.fields = fields.into();
        self
    }

    /// The changes with checked names.
    pub(super) fn into_update(self) -> Result<WorkflowUpdate, Error> {
        let mut fields = self.fields.into_pairs()?;
        let progress = take_number(&mut fields, "progress");
        Ok(WorkflowUpdate {
            progress: self.update.progress.or(progress),
            current_task: self.current_task.map(doc_id).transpose()?,
            tasks_add: doc_ids(self.tasks)?,
            tasks_remove: doc_ids(self.no_tasks)?,
            set: document_values(fields),
            ..self.update
        })
    }
}

impl From<Fields> for WorkflowChanges {
    fn from(fields: Fields) -> Self {
        Self::default().fields(fields)
    }
}

impl From<()> for WorkflowChanges {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Json> for WorkflowChanges {
    fn from(fields: Json) -> Self {
        Self::default().fields(fields)
    }
}

impl From<Map<String, Json>> for WorkflowChanges {
    fn from(fields: Map<String, Json>) -> Self {
        Self::default().fields(fields)
    }
}
