//! The client's methods about workflows, which are plain documents: what their tasks do moves them on.

use serde_json::Value as Json;

use super::agents::not_found;
use super::edits::{completing_workflow, failing_workflow};
use super::values::{doc_id, doc_ids};
use super::{CoordinationClient, Error, Failure, NewWorkflow, Receipt, WorkflowChanges, WorkflowFilter, actor};
use crate::core::entity::{self, Workflow, WorkflowStatus};
use crate::core::name::Kind;
use crate::core::operation::{Request, Taken};
use crate::core::workflow::derived_workflow;
use crate::services::{self, Project, Scope};

impl CoordinationClient {
    /// Makes a workflow, running. Each of its tasks is an id, the stem of a file, or a type: the one pending task of this type that
    /// belongs to no workflow becomes one of its tasks, and where there is none, or several, a task of this type is made. The
    /// receipt has the workflow's id, can be used as the id, and says what is odd about the workflow: an id (it begins with `task-`)
    /// that no task has yet is a finding.
    ///
    /// Durable on return: the workflow and the tasks that were made, as one operation.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the given id is taken; [`Error::BadInput`] for a name that is none, or a value that is too big.
    pub async fn create_workflow(&self, new: NewWorkflow) -> Result<Receipt, Error> {
        let by = actor(self);
        let create = move |_: &_, project: &Project| {
            let (new, taken) = making(project, new)?;
            Ok(project.workflows().create(&by, &new, taken)?.into())
        };
        self.crew.run(create).await
    }

    /// A workflow, by its id or the unique beginning of it. Its `tasks` are those that it lists and those that name it;
    /// `progress` (0 to 1) and `current_task` follow from them unless the document says otherwise. Of one that is run (`engine:
    /// embedded`) `status`, `result` and `error` follow from its steps, too, where nobody has written its end yet; `file_status`
    /// then has what the file says.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn get_workflow(&self, id: impl AsRef<str>) -> Result<Workflow, Error> {
        let id = id.as_ref().to_owned();
        let find = move |_: &_, project: &Project| {
            let snapshot = project.documents().snapshot(Scope::Named)?;
            let found = snapshot.find(Some(Kind::Workflow), &id).map_err(services::Error::from)?;
            let Some(workflow) = found.workflow() else { return Err(not_found(Kind::Workflow, &id)) };
            Ok(derived_workflow(&snapshot, workflow))
        };
        self.crew.run(find).await
    }

    /// The workflows that a filter lets through; `()` is all. Running ones first, then the oldest. Each is as
    /// [`CoordinationClient::get_workflow`] gives it.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read.
    pub async fn list_workflows(&self, filter: impl Into<WorkflowFilter>) -> Result<Vec<Workflow>, Error> {
        let filter = filter.into();
        let list = move |crew: &super::Crew, project: &Project| {
            crew.follow(project);
            let snapshot = project.documents().snapshot(Scope::Named)?;
            let fits = |workflow: &Workflow| filter.status.is_none_or(|status| workflow.status == status);
            let shown = snapshot.workflows().map(|workflow| derived_workflow(&snapshot, workflow));
            let mut workflows: Vec<Workflow> = shown.filter(fits).collect();
            let rank = |status: WorkflowStatus| WorkflowStatus::ALL.iter().position(|other| *other == status);
            workflows.sort_by_key(|one| (rank(one.status), one.created.is_none(), one.created, one.id.clone()));
            Ok(workflows)
        };
        self.crew.run(list).await
    }

    /// Changes a workflow: its fields as a JSON object, or more with [`WorkflowChanges`].
    ///
    /// Durable on return: all of it, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadInput`] for a value that does not fit its key; [`Error::Refused`] for a transition that
    /// the status machine does not have; [`Error::NoObject`].
    pub async fn update_workflow(
        &self,
        id: impl AsRef<str>,
        changes: impl Into<WorkflowChanges>,
    ) -> Result<Receipt, Error> {
        self.change(Request::workflow(id.as_ref(), changes.into().into_update()?.into())).await
    }

    /// Marks a running workflow as completed, with its result.
    ///
    /// Durable on return: status and result, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not running.
    pub async fn complete_workflow(&self, id: impl AsRef<str>, result: impl Into<Json>) -> Result<Receipt, Error> {
        self.change(Request::workflow(id.as_ref(), completing_workflow(result.into()))).await
    }

    /// Marks a running workflow as failed, with the reason.
    ///
    /// Durable on return: status and error, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not running.
    pub async fn fail_workflow(&self, id: impl AsRef<str>, failure: impl Into<Failure>) -> Result<Receipt, Error> {
        self.change(Request::workflow(id.as_ref(), failing_workflow(failure.into()))).await
    }
}

/// The workflow as it is to be made, and how careful to be about its id.
pub(super) fn making(project: &Project, new: NewWorkflow) -> Result<(entity::WorkflowDraft, Taken), Error> {
    let (id, taken) = match new.id {
        Some(id) => (doc_id(id)?, Taken::LookUp),
        None => (project.new_id(Kind::Workflow)?, Taken::FileName),
    };
    let new = entity::WorkflowDraft {
        id,
        kind: new.kind,
        title: new.title,
        description: new.description,
        tasks: doc_ids(new.tasks)?,
        metadata: new.metadata,
        created: project.moment_of_creation(),
    };
    Ok((new, taken))
}
