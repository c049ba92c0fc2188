//! The changes behind the client's methods, shared by single calls and pipelines.

use serde_json::Value as Json;

use super::values::{document_values, take_number};
use super::{Error, Failure, Fields};
use crate::core::entity::TaskStatus;
use crate::core::entity::task::TaskUpdate;
use crate::core::operation::{Request, TaskChange, WorkflowChange};
use crate::services::{Actor, Project};

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

/// Whose work may be approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval {
    /// The work of others.
    Others,
    /// One's own too, if the approver is a person and no agent.
    Own,
}

/// The request that approves a completed task in the name of who acts.
pub(super) fn approving(
    project: &Project,
    by: &Actor,
    id: &str,
    approval: Approval,
    note: Option<String>,
) -> Result<Request<'static>, Error> {
    let name = name_of(project, by);
    let has_completed_it = project.history().completed_by(id)?.as_ref() == Some(&name);
    let own = approval == Approval::Own && by.agent.is_none();
    let note = note.filter(|note| !note.trim().is_empty());
    Ok(Request::task(id, TaskChange::Approve { by: name, has_completed_it, note, own }))
}

/// The request that rejects a completed task in the name of who acts.
pub(super) fn rejecting(project: &Project, by: &Actor, id: &str, reason: String) -> Request<'static> {
    Request::task(id, TaskChange::Reject { by: name_of(project, by), reason })
}

/// The agent that acts, else the person.
fn name_of(project: &Project, by: &Actor) -> String {
    by.agent.as_ref().map_or_else(|| project.actor_name(), ToString::to_string)
}

/// The change that completes a workflow.
pub(super) fn completing_workflow(result: Json) -> WorkflowChange {
    WorkflowChange::Complete { result: Some(result).filter(|result| !result.is_null()) }
}

/// The change that fails a workflow.
pub(super) fn failing_workflow(failure: Failure) -> WorkflowChange {
    WorkflowChange::Fail { error: Some(failure.into_json()) }
}
