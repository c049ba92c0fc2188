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
    setters! {
        /// Its next status; the present one is no change.
        value(TaskStatus) status => update.status;
        /// How far it is, from 0 to 1.
        value(f64) progress => update.progress;
        /// What is to be done, in markdown; an empty text removes it.
        text description => update.description;
        /// What it is to work with; `null` removes it.
        json payload => update.payload;
        /// Steps to add; those that are there are not added again.
        texts steps => update.steps_add;
        /// What sort of work it is: the key `type`.
        text kind => update.kind;
        /// What it is about, in a few words.
        text title => update.title;
        /// How urgent it is.
        value(Priority) priority => update.priority;
        /// The agent that is to do it.
        text assigned_to => assigned_to;
        /// Tasks that must be completed first, beside those that are named already.
        names depends_on => depends_on;
        /// Tasks that it need no longer wait for.
        names no_depends_on => no_depends_on;
    }

    /// Keys of one's own, as a JSON object; `null` removes a key.
    #[must_use]
    pub fn fields(mut self, fields: impl Into<Fields>) -> Self {
        self.fields = fields.into();
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
    setters! {
        /// Its next status; the present one is no change.
        value(WorkflowStatus) status => update.status;
        /// How far it is, from 0 to 1; without it, it follows from the tasks.
        value(f64) progress => update.progress;
        /// The task under way.
        name current_task => current_task;
        /// Tasks to add at the end.
        names tasks => tasks;
        /// Tasks that no longer belong to it.
        names no_tasks => no_tasks;
        /// What it is for, in markdown; an empty text removes it.
        text description => update.description;
        /// Anything else to say about it, as a JSON object.
        json metadata => update.metadata;
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
