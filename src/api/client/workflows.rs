//! The client's methods about workflows, which are plain documents: what their tasks do moves them on.

use serde_json::Value as Json;

use super::agents::not_found;
use super::values::{doc_id, doc_ids, document_values, take_number};
use super::{CoordinationClient, Error, Failure, Fields, NewWorkflow, Receipt, actor};
use crate::core::entity::workflow::WorkflowUpdate;
use crate::core::entity::{self, Workflow};
use crate::core::name::Kind;
use crate::core::operation::{New, Request, Taken, WorkflowChange};
use crate::services::{self, Project, Scope};

impl CoordinationClient {
    /// Makes a workflow, running. The receipt has its id, can be used as the id, and says what is odd about the workflow: a
    /// task that does not exist yet is a finding.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the given id is taken; [`Error::BadInput`] for a name that is none, or a value that is too big.
    pub async fn create_workflow(&self, new: NewWorkflow) -> Result<Receipt, Error> {
        let by = actor(self);
        let create = move |_: &_, workspace: &Project| {
            let (id, taken) = match new.id {
                Some(id) => (doc_id(id)?, Taken::LookUp),
                None => (workspace.new_id(Kind::Workflow)?, Taken::FileName),
            };
            let new = entity::NewWorkflow {
                id,
                kind: new.kind,
                title: new.title,
                description: new.description,
                tasks: doc_ids(new.tasks)?,
                metadata: new.metadata,
                created: workspace.moment_of_creation(),
            };
            Ok(workspace.operations().create(&by, &New::Workflow(new), taken)?.into())
        };
        self.crew.run(create).await
    }

    /// A workflow, by its id or the unique beginning of it. Its `tasks` are those that it lists and those that name it;
    /// `progress` (0 to 1) and `current_task` follow from them unless the document says otherwise.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn get_workflow(&self, id: impl AsRef<str>) -> Result<Workflow, Error> {
        let id = id.as_ref().to_owned();
        let find = move |_: &_, workspace: &Project| {
            let snapshot = workspace.documents().snapshot(Scope::Named)?;
            let found = snapshot.find(Some(Kind::Workflow), &id).map_err(services::Error::from)?;
            let Some(workflow) = found.workflow() else { return Err(not_found(Kind::Workflow, &id)) };
            Ok(Workflow {
                tasks: snapshot.workflow_tasks(workflow),
                progress: snapshot.workflow_progress(workflow),
                current_task: snapshot.workflow_current_task(workflow),
                ..workflow.clone()
            })
        };
        self.crew.run(find).await
    }

    /// Sets fields of a workflow: `progress` (0 to 1), `current_task` and keys of one's own.
    ///
    /// Durable on return: all of it, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadInput`] for a value that does not fit its key; [`Error::NoObject`].
    pub async fn update_workflow(&self, id: impl AsRef<str>, fields: impl Into<Fields>) -> Result<Receipt, Error> {
        let mut fields = fields.into().into_pairs()?;
        let progress = take_number(&mut fields, "progress");
        let update = WorkflowUpdate { progress, set: document_values(fields), ..WorkflowUpdate::default() };
        self.change(Request::workflow(id.as_ref(), update.into())).await
    }

    /// Marks a running workflow as completed, with its result.
    ///
    /// Durable on return: status and result, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not running.
    pub async fn complete_workflow(&self, id: impl AsRef<str>, result: impl Into<Json>) -> Result<Receipt, Error> {
        let result = Some(result.into()).filter(|result| !result.is_null());
        self.change(Request::workflow(id.as_ref(), WorkflowChange::Complete { result })).await
    }

    /// Marks a running workflow as failed, with the reason.
    ///
    /// Durable on return: status and error, in one write.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] if it is not running.
    pub async fn fail_workflow(&self, id: impl AsRef<str>, failure: impl Into<Failure>) -> Result<Receipt, Error> {
        let error = Some(failure.into().into_json());
        self.change(Request::workflow(id.as_ref(), WorkflowChange::Fail { error })).await
    }
}
