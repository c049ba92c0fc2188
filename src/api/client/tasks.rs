//! The client's methods about tasks, and the reading that all kinds share.

use std::cmp::Reverse;

use serde_json::Value as Json;

use super::agents::not_found;
use super::edits::{Approval, approving, completing, failing, rejecting, updating};
use super::values::{agent_name, doc_id, doc_ids};
use super::{
    CoordinationClient, Error, Failure, Fields, NewTask, ReadyFilter, Receipt, TaskChanges, TaskFilter, actor,
};
use crate::core::document::Mark;
use crate::core::entity::{self, Entity, Priority, Task, TaskStatus};
use crate::core::name::{DocId, Kind};
use crate::core::operation::{DocumentChange, New, Request, Taken, TaskChange};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;
use crate::services::{Actor, Project, Scope, TaskHolder, status_anywhere};

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
        let create = move |_: &_, project: &Project| {
            let (new, taken) = making(project, new)?;
            Ok(project.operations().create(&by, &New::Task(new), taken)?.into())
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

    /// Adds a note at the end of a task's notes.
    ///
    /// Durable on return: the note.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadInput`] if it is empty.
    pub async fn add_note(&self, id: impl AsRef<str>, text: &str) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), TaskChange::Note(text.to_owned()))).await
    }

    /// Marks a checklist item of a task as done; the first is 1.
    ///
    /// Durable on return: the mark.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such task, or no such item in it.
    pub async fn tick_item(&self, id: impl AsRef<str>, item: usize) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), TaskChange::Tick { item, mark: Mark::Done })).await
    }

    /// Marks a checklist item of a task as open again.
    ///
    /// Durable on return: the mark.
    ///
    /// # Errors
    /// As [`CoordinationClient::tick_item`].
    pub async fn untick_item(&self, id: impl AsRef<str>, item: usize) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), TaskChange::Tick { item, mark: Mark::Open })).await
    }

    /// Approves a completed task, so that those that wait for its approval may start. A note goes with it if one is given.
    ///
    /// Durable on return: the approval and the note.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not completed, or was done by who approves.
    pub async fn approve_task(&self, id: impl AsRef<str>, note: Option<&str>) -> Result<Receipt, Error> {
        self.approve(id.as_ref(), Approval::Others, note).await
    }

    /// Approves a completed task that one may have done oneself, which only a person may: a client for which no agent acts.
    /// The approval says so.
    ///
    /// Durable on return: the approval and the note.
    ///
    /// # Errors
    /// As [`CoordinationClient::approve_task`], which this is where an agent acts.
    pub async fn approve_own_task(&self, id: impl AsRef<str>, note: Option<&str>) -> Result<Receipt, Error> {
        self.approve(id.as_ref(), Approval::Own, note).await
    }

    /// Rejects a completed task: it is pending again, with the reason as a note.
    ///
    /// Durable on return: status and note, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not completed; [`Error::BadInput`] without a reason.
    pub async fn reject_task(&self, id: impl AsRef<str>, reason: &str) -> Result<Receipt, Error> {
        let (id, reason) = (id.as_ref().to_owned(), reason.to_owned());
        self.change_with(move |project, by| Ok(rejecting(project, by, &id, reason))).await
    }

    /// Makes a failed task pending again.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it has not failed.
    pub async fn retry_task(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), TaskChange::Retry)).await
    }

    /// Makes a completed task pending again.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not completed.
    pub async fn reopen_task(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), TaskChange::Reopen)).await
    }

    /// Removes a task's document, also if an agent has it; its history stays.
    ///
    /// Durable on return: the document is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn remove_task(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        self.change(DocumentChange::Remove { kind: Kind::Task, id: id.as_ref().to_owned() }.into()).await
    }

    /// The tasks that a filter lets through; `()` is all that are not archived. Running ones first, then pending, failed and
    /// completed ones; among them the most urgent, then the oldest. The status is that of all worktrees: a task that is
    /// running in another one counts as running.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a name that is none; others if the folder cannot be read.
    pub async fn list_tasks(&self, filter: impl Into<TaskFilter>) -> Result<Vec<Task>, Error> {
        let filter = filter.into();
        let assigned_to = filter.assigned_to.as_deref().map(agent_name).transpose()?;
        let list = move |crew: &super::Crew, project: &Project| {
            crew.follow(project);
            let snapshot = project.documents().snapshot(if filter.archived { Scope::All } else { Scope::Named })?;
            let holds = project.leases().holders(&snapshot)?;
            let live = snapshot.of_kind(Kind::Task).filter(|entry| filter.archived || !entry.path.is_archived());
            let mut tasks: Vec<(TaskStatus, &Task)> = live
                .filter_map(|entry| entry.task())
                .filter(|task| assigned_to.is_none() || task.assigned_to == assigned_to)
                .map(|task| (status_anywhere(task, &holds), task))
                .filter(|(status, _)| filter.status.is_none_or(|wanted| wanted == *status))
                .collect();
            tasks.sort_by_key(|(status, task)| (rank(*status), Reverse(task.priority), is_newer(task)));
            Ok(tasks.into_iter().map(|(_, task)| task.clone()).collect())
        };
        self.crew.run(list).await
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
            tasks.sort_by_cached_key(|task| {
                (task.status != TaskStatus::Running, Reverse(task.priority), is_newer(task))
            });
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
        self.list_ready(ReadyFilter::default()).await
    }

    /// The tasks that may be started now and that a filter lets through, in the order of
    /// [`CoordinationClient::ready_tasks`].
    ///
    /// # Errors
    /// [`Error::BadInput`] for a name that is none; others if the folder cannot be read.
    pub async fn list_ready(&self, filter: impl Into<ReadyFilter>) -> Result<Vec<Task>, Error> {
        let filter = filter.into();
        let taker = filter.taker.as_deref().map(agent_name).transpose()?;
        let ready = move |_: &_, project: &Project| {
            // What a task depends on may be archived.
            let live = project.documents().snapshot(Scope::Named)?;
            let holds = project.leases().holders(&live)?;
            let is_free = |task: &&Task| !holds.get(&task.id).is_some_and(TaskHolder::is_unavailable);
            let fits = |task: &&Task| {
                filter.kind.as_ref().is_none_or(|kind| *kind == task.kind)
                    && (taker.is_none() || task.assigned_to.is_none() || task.assigned_to == taker)
            };
            Ok(live.ready_tasks().into_iter().filter(is_free).filter(fits).cloned().collect())
        };
        self.crew.run(ready).await
    }

    async fn approve(&self, id: &str, approval: Approval, note: Option<&str>) -> Result<Receipt, Error> {
        let (id, note) = (id.to_owned(), note.map(str::to_owned));
        self.change_with(move |project, by| approving(project, by, &id, approval, note)).await
    }

    /// Makes one change that depends on the project and on who acts.
    async fn change_with(
        &self,
        request: impl FnOnce(&Project, &Actor) -> Result<Request<'static>, Error> + Send + 'static,
    ) -> Result<Receipt, Error> {
        let by = actor(self);
        let change =
            move |_: &_, project: &Project| Ok(project.operations().run_one(&by, request(project, &by)?)?.into());
        self.crew.run(change).await
    }

    /// Makes one change.
    pub(super) async fn change(&self, request: Request<'static>) -> Result<Receipt, Error> {
        self.change_with(move |_, _| Ok(request)).await
    }

    /// One document, from memory if that is still true.
    pub(super) async fn entity(&self, kind: Kind, id: &str) -> Result<Entity, Error> {
        if !self.crew.is_closed()
            && let Some(entity) = self.crew.glance(kind, id)
        {
            return Ok(entity);
        }
        let id = id.to_owned();
        let find = move |crew: &super::Crew, project: &Project| {
            crew.follow(project);
            Ok(crew.held().find(project, kind, &id)?)
        };
        self.crew.run(find).await
    }

    /// Looks at every live document as it is now.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let look = move |crew: &super::Crew, project: &Project| {
            crew.follow(project);
            Ok(crew.held().look(project, look)?)
        };
        self.crew.run(look).await
    }
}

/// Running ones come first, then what is to be done, what failed and what is done.
const fn rank(status: TaskStatus) -> u8 {
    match status {
        TaskStatus::Running => 0,
        TaskStatus::Pending => 1,
        TaskStatus::Failed => 2,
        TaskStatus::Completed => 3,
    }
}

/// A key by which older tasks come first; one that does not say how old it is comes last.
fn is_newer(task: &Task) -> (bool, Option<Timestamp>, DocId) {
    (task.created.is_none(), task.created, task.id.clone())
}

/// The task as it is to be made, and how careful to be about its id.
pub(super) fn making(project: &Project, new: NewTask) -> Result<(entity::TaskDraft, Taken), Error> {
    let (id, taken) = match new.id {
        Some(id) => (doc_id(id)?, Taken::LookUp),
        None => (project.new_id(Kind::Task)?, Taken::FileName),
    };
    let new = entity::TaskDraft {
        id,
        kind: new.kind,
        title: new.title,
        description: new.description,
        assigned_to: new.assigned_to.as_deref().map(agent_name).transpose()?,
        depends_on: doc_ids(new.depends_on)?,
        priority: new.priority.unwrap_or(Priority::Normal),
        workflow: new.workflow.map(doc_id).transpose()?,
        payload: new.payload,
        steps: new.steps,
        created: project.moment_of_creation(),
    };
    Ok((new, taken))
}
