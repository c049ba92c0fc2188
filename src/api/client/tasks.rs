//! The client's methods about tasks, and the reading that all kinds share.

use serde_json::Value as Json;

use super::agents::not_found;
use super::values::{agent_name, doc_id, doc_ids, document_values, take_number};
use super::{CoordinationClient, Error, Failure, Fields, NewTask, Receipt, TaskChanges, actor};
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::{self, Entity, Task, TaskStatus};
use crate::core::name::Kind;
use crate::core::operation::{New, Request, Taken, TaskChange};
use crate::core::snapshot::Snapshot;
use crate::services::{Project, TaskHolder};

impl CoordinationClient {
    /// Makes a task, pending. The receipt has its id, can be used as the id, and says what is odd about the task: a
    /// dependency that does not exist yet is a finding, and the task waits for it.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the given id is taken; [`Error::BadInput`] for a name that is none, or a value that is too big.
    pub async fn create_task(&self, new: NewTask) -> Result<Receipt, Error> {
        let by = actor(self);
        let create = move |_: &_, workspace: &Project| {
            let (new, taken) = making(workspace, new)?;
            Ok(workspace.operations().create(&by, &New::Task(new), taken)?.into())
        };
        self.crew.run(create).await
    }

    /// A task, by its id or the unique beginning of it; archived ones too. Answered from memory where the file is as it was
    /// read last, which is looked at each time.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; [`Error::Conflict`] if the id stands in several files or begins several ids.
    pub async fn get_task(&self, id: impl AsRef<str>) -> Result<Task, Error> {
        match self.entity(Kind::Task, id.as_ref()).await? {
            Entity::Task(task) => Ok(*task),
            _ => Err(not_found(Kind::Task, id.as_ref())),
        }
    }

    /// Sets a task's status, and fields beside it: `progress` (0 to 1) and keys of one's own. The present status is no change.
    ///
    /// Durable on return: all of it, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] for a step that the status machine does not have (its message names those that
    /// it has); [`Error::BadInput`] for a value that does not fit its key; [`Error::NoObject`].
    pub async fn update_task_status(
        &self,
        id: impl AsRef<str>,
        status: TaskStatus,
        fields: impl Into<Fields>,
    ) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), updating(status, fields.into())?)).await
    }

    /// Changes what a task says: its description, payload, steps, type, title and the like.
    ///
    /// Durable on return: all of it, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadInput`] for a name that is none, or a value that does not fit; [`Error::Lost`] if another
    /// agent has the task.
    pub async fn update_task(&self, id: impl AsRef<str>, changes: TaskChanges) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), changes.into_update()?.into())).await
    }

    /// Marks a running task as completed, with its result.
    ///
    /// Durable on return: status and result, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not running.
    pub async fn complete_task(&self, id: impl AsRef<str>, result: impl Into<Json>) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), completing(result.into()))).await
    }

    /// Marks a running task as failed, with the reason and, if given, the stack trace.
    ///
    /// Durable on return: status and error, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not running.
    pub async fn fail_task(&self, id: impl AsRef<str>, failure: impl Into<Failure>) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), failing(failure.into()))).await
    }

    /// Every task that is assigned to an agent or held by it and not archived, whatever its status: running ones first, then
    /// the most urgent, then the oldest.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a name that is none.
    pub async fn get_tasks_for_agent(&self, agent: &str) -> Result<Vec<Task>, Error> {
        let name = agent_name(agent)?;
        self.look(move |live| {
            let is_its = |task: &&Task| task.claimed_by.as_ref().or(task.assigned_to.as_ref()) == Some(&name);
            let mut tasks: Vec<Task> = live.tasks().filter(is_its).cloned().collect();
            let key = |task: &Task| {
                (
                    task.status != TaskStatus::Running,
                    std::cmp::Reverse(task.priority),
                    task.created.is_none(),
                    task.created,
                )
            };
            tasks.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
            tasks
        })
        .await
    }

    /// Every task that may be started now: pending, with everything it depends on completed and nobody holding it in another
    /// work tree. The most urgent first, then the oldest.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read.
    pub async fn ready_tasks(&self) -> Result<Vec<Task>, Error> {
        let ready = |_: &_, workspace: &Project| {
            // What a task depends on may be archived.
            let live = workspace.documents().snapshot(crate::services::Scope::Named)?;
            let holds = workspace.leases().holders(&live)?;
            let is_free = |task: &&Task| !holds.get(&task.id).is_some_and(TaskHolder::is_unavailable);
            Ok(live.ready_tasks().into_iter().filter(is_free).cloned().collect())
        };
        self.crew.run(ready).await
    }

    /// Makes one change.
    pub(super) async fn change(&self, request: Request<'static>) -> Result<Receipt, Error> {
        let by = actor(self);
        self.crew.run(move |_, workspace| Ok(workspace.operations().run_one(&by, request)?.into())).await
    }

    /// One document, from memory if that is still true.
    pub(super) async fn entity(&self, kind: Kind, id: &str) -> Result<Entity, Error> {
        if !self.crew.is_closed()
            && let Some(entity) = self.crew.glance(kind, id)
        {
            return Ok(entity);
        }
        let id = id.to_owned();
        let find = move |crew: &super::Crew, workspace: &Project| {
            crew.follow(workspace);
            Ok(crew.held().find(workspace, kind, &id)?)
        };
        self.crew.run(find).await
    }

    /// Looks at every live document as it is now.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let look = move |crew: &super::Crew, workspace: &Project| {
            crew.follow(workspace);
            Ok(crew.held().look(workspace, look)?)
        };
        self.crew.run(look).await
    }
}

/// The change that sets a status and fields beside it.
pub(super) fn updating(status: TaskStatus, fields: Fields) -> Result<TaskChange, Error> {
    let mut fields = fields.into_pairs()?;
    let progress = take_number(&mut fields, "progress");
    let set = document_values(fields);
    Ok(TaskUpdate { status: Some(status), progress, set, ..TaskUpdate::default() }.into())
}

/// The change that completes a task.
pub(super) fn completing(result: Json) -> TaskChange {
    TaskChange::Complete { result: Some(result).filter(|result| !result.is_null()) }
}

/// The change that fails a task.
pub(super) fn failing(failure: Failure) -> TaskChange {
    TaskChange::Fail { error: Some(failure.into_json()) }
}

/// The task as it is to be made, and how careful to be about its id.
pub(super) fn making(workspace: &Project, new: NewTask) -> Result<(entity::NewTask, Taken), Error> {
    let (id, taken) = match new.id {
        Some(id) => (doc_id(id)?, Taken::LookUp),
        None => (workspace.new_id(Kind::Task)?, Taken::FileName),
    };
    let new = entity::NewTask {
        id,
        kind: new.kind,
        title: new.title,
        description: new.description,
        assigned_to: new.assigned_to.as_deref().map(agent_name).transpose()?,
        depends_on: doc_ids(new.depends_on)?,
        priority: new.priority,
        workflow: new.workflow.map(doc_id).transpose()?,
        payload: new.payload,
        steps: new.steps,
        created: workspace.moment_of_creation(),
    };
    Ok((new, taken))
}
