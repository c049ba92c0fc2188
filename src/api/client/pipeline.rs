//! Many operations in one call: one wait for the disk and one commit for all of them.

use serde_json::Value as Json;

use super::tasks::{completing, failing, making, updating};
use super::values::agent_name;
use super::{AgentReport, CoordinationClient, Error, Failure, Fields, NewTask, Receipt, TaskChanges, actor, agents};
use crate::core::entity::TaskStatus;
use crate::core::name::Kind;
use crate::core::operation::{DocumentChange, New, Request, TaskChange};
use crate::services::{self, Actor, Outcome, Project, Together};

/// What is left to be worked out where the workspace is.
type Plan = Box<dyn FnOnce(&Project) -> Result<Request<'static>, Error> + Send>;

/// Operations that are collected and then carried out as one; see [`CoordinationClient::pipeline`]. Each finds the documents
/// as those before it left them.
#[must_use = "nothing is done before `execute`"]
pub struct Pipeline {
    client: CoordinationClient,
    plans: Vec<Plan>,
    how: Together,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("steps", &self.plans.len()).field("how", &self.how).finish_non_exhaustive()
    }
}

impl CoordinationClient {
    /// Collects operations for one call: one operation of the history, one wait for the disk and one commit for all of them.
    /// Each is allowed or refused as the method of the same name is, by the same agent, fence ([`CoordinationClient::fenced`])
    /// and mode ([`super::Builder::require_mode`]): a task that it begins is claimed, where a server decides on the server.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline { client: self.clone(), plans: Vec::new(), how: Together::Each }
    }
}

impl Pipeline {
    /// Either every operation is done or none; else each is done or fails alone.
    pub fn all_or_nothing(mut self) -> Self {
        self.how = Together::All;
        self
    }

    /// As [`CoordinationClient::store_agent_status`].
    pub fn store_agent_status(&mut self, agent: &str, report: impl Into<AgentReport>) -> &mut Self {
        let (name, report) = (agent_name(agent), report.into());
        self.plan(move |workspace| Ok(agents::set(workspace, name?, report)))
    }

    /// As [`CoordinationClient::create_task`]; a later operation of the same pipeline may name it if the task is given its id.
    pub fn create_task(&mut self, new: NewTask) -> &mut Self {
        self.plan(move |workspace| {
            let (new, taken) = making(workspace, new)?;
            Ok(DocumentChange::Create { new: New::Task(new), taken }.into())
        })
    }

    /// As [`CoordinationClient::update_task_status`].
    pub fn update_task_status(
        &mut self,
        id: impl AsRef<str>,
        status: TaskStatus,
        fields: impl Into<Fields>,
    ) -> &mut Self {
        self.change(id.as_ref(), updating(status, fields.into()))
    }

    /// As [`CoordinationClient::update_task`].
    pub fn update_task(&mut self, id: impl AsRef<str>, changes: TaskChanges) -> &mut Self {
        self.change(id.as_ref(), changes.into_update().map(TaskChange::from))
    }

    /// As [`CoordinationClient::complete_task`].
    pub fn complete_task(&mut self, id: impl AsRef<str>, result: impl Into<Json>) -> &mut Self {
        self.change(id.as_ref(), Ok(completing(result.into())))
    }

    /// As [`CoordinationClient::fail_task`].
    pub fn fail_task(&mut self, id: impl AsRef<str>, failure: impl Into<Failure>) -> &mut Self {
        self.change(id.as_ref(), Ok(failing(failure.into())))
    }

    /// As [`CoordinationClient::remove_agent_status`].
    pub fn remove_agent_status(&mut self, agent: &str) -> &mut Self {
        let name = agent_name(agent);
        self.plan(move |_| Ok(DocumentChange::Remove { kind: Kind::Agent, id: name?.to_string() }.into()))
    }

    fn change(&mut self, id: &str, change: Result<TaskChange, Error>) -> &mut Self {
        let id = id.to_owned();
        self.plan(move |_| Ok(Request::task(&id, change?)))
    }

    fn plan(&mut self, plan: impl FnOnce(&Project) -> Result<Request<'static>, Error> + Send + 'static) -> &mut Self {
        self.plans.push(Box::new(plan));
        self
    }

    /// Carries them out, in their order; gives one result for each.
    ///
    /// Durable on return: everything that succeeded, all of it in one operation, of which a crash leaves all or nothing.
    ///
    /// # Errors
    /// [`Error`] if none was done: for more than [`services::STEPS_MAX`] operations, or a folder that fails.
    pub async fn execute(self) -> Result<Vec<Result<Receipt, Error>>, Error> {
        let Self { client, plans, how } = self;
        let by = actor(&client);
        let carry_out = move |_: &_, workspace: &Project| carry_out(workspace, &by, plans, how);
        client.crew.run(carry_out).await
    }
}

fn carry_out(
    workspace: &Project,
    by: &Actor,
    plans: Vec<Plan>,
    how: Together,
) -> Result<Vec<Result<Receipt, Error>>, Error> {
    let mut steps = Vec::with_capacity(plans.len());
    let planned: Vec<Result<(), Error>> =
        plans.into_iter().map(|plan| plan(workspace).map(|step| steps.push(step))).collect();
    let fault = planned.iter().position(Result::is_err);
    let mut done = match fault.filter(|_| how == Together::All) {
        // A value that is wrong before anything is tried.
        Some(fault) => steps.iter().map(|_| Err(services::Error::Undone { step: fault + 1 })).collect(),
        None if steps.is_empty() => Vec::new(),
        None => workspace.operations().batch(by, &steps, how)?,
    }
    .into_iter();
    let result = |planned: Result<(), Error>| {
        planned?;
        let done: Result<Outcome, services::Error> = done.next().unwrap_or(Err(services::Error::Undone { step: 1 }));
        Ok(done?.into())
    };
    Ok(planned.into_iter().map(result).collect())
}
