//! Many operations in one call: one wait for the disk and one commit for all of them.

use serde_json::Value as Json;

use super::edits::{
    Approval, approving, completing, completing_workflow, failing, failing_workflow, rejecting, updating,
};
use super::tasks::making;
use super::values::agent_name;
use super::{
    AgentReport, ClaimOptions, CoordinationClient, Error, Failure, Fields, NewTask, NewWorkflow, Receipt, TaskChanges,
    WorkflowChanges, actor, agents, workflows,
};
use crate::core::document::Mark;
use crate::core::entity::TaskStatus;
use crate::core::lease::LeaseRequest;
use crate::core::name::{Channel, Kind};
use crate::core::operation::{DocumentChange, DocumentRef, New, Request, TaskChange, WorkflowChange};
use crate::services::{self, Actor, NewEvent, Project, Together};

/// What is left to be worked out where the project is, and in whose name.
type Plan = Box<dyn FnOnce(&Project, &Actor) -> Result<Planned, Error> + Send>;

/// One operation of a pipeline.
enum Planned {
    /// A step of the batch.
    Step(Box<Request<'static>>),
    /// A claim, which is a step too.
    Claim {
        /// Of which task.
        id: String,
        /// By whom and how.
        ask: LeaseRequest,
    },
    /// An event, which is published behind the batch.
    Event(NewEvent),
}

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
        self.step(move |project, _| Ok(agents::set(project, name?, report)))
    }

    /// As [`CoordinationClient::create_task`]; a later operation of the same pipeline may name it if the task is given its id.
    pub fn create_task(&mut self, new: NewTask) -> &mut Self {
        self.step(move |project, _| {
            let (new, taken) = making(project, new)?;
            Ok(DocumentChange::Create { new: New::Task(new), taken }.into())
        })
    }

    /// As [`CoordinationClient::claim_task`]; the receipt has the fence.
    pub fn claim_task(&mut self, id: impl AsRef<str>, terms: impl Into<ClaimOptions>) -> &mut Self {
        let (id, terms) = (id.as_ref().to_owned(), terms.into());
        self.plan(move |project, by| Ok(Planned::Claim { id, ask: terms.ask(project, by)? }))
    }

    /// As [`CoordinationClient::release_task`].
    pub fn release_task(&mut self, id: impl AsRef<str>) -> &mut Self {
        self.change(id.as_ref(), Ok(TaskChange::Release))
    }

    /// As [`CoordinationClient::add_note`].
    pub fn add_note(&mut self, id: impl AsRef<str>, text: &str) -> &mut Self {
        self.change(id.as_ref(), Ok(TaskChange::Note(text.to_owned())))
    }

    /// As [`CoordinationClient::tick_item`].
    pub fn tick_item(&mut self, id: impl AsRef<str>, item: usize) -> &mut Self {
        self.change(id.as_ref(), Ok(TaskChange::Tick { item, mark: Mark::Done }))
    }

    /// As [`CoordinationClient::untick_item`].
    pub fn untick_item(&mut self, id: impl AsRef<str>, item: usize) -> &mut Self {
        self.change(id.as_ref(), Ok(TaskChange::Tick { item, mark: Mark::Open }))
    }

    /// As [`CoordinationClient::approve_task`]. Who completed the task is looked up before the first operation.
    pub fn approve_task(&mut self, id: impl AsRef<str>, note: Option<&str>) -> &mut Self {
        let (id, note) = (id.as_ref().to_owned(), note.map(str::to_owned));
        self.step(move |project, by| approving(project, by, &id, Approval::Others, note))
    }

    /// As [`CoordinationClient::reject_task`].
    pub fn reject_task(&mut self, id: impl AsRef<str>, reason: &str) -> &mut Self {
        let (id, reason) = (id.as_ref().to_owned(), reason.to_owned());
        self.step(move |project, by| Ok(rejecting(project, by, &id, reason)))
    }

    /// As [`CoordinationClient::retry_task`].
    pub fn retry_task(&mut self, id: impl AsRef<str>) -> &mut Self {
        self.change(id.as_ref(), Ok(TaskChange::Retry))
    }

    /// As [`CoordinationClient::reopen_task`].
    pub fn reopen_task(&mut self, id: impl AsRef<str>) -> &mut Self {
        self.change(id.as_ref(), Ok(TaskChange::Reopen))
    }

    /// As [`CoordinationClient::remove_task`].
    pub fn remove_task(&mut self, id: impl AsRef<str>) -> &mut Self {
        let id = id.as_ref().to_owned();
        self.step(move |_, _| Ok(DocumentChange::Remove { kind: Kind::Task, id }.into()))
    }

    /// As [`CoordinationClient::create_workflow`], but that its tasks are ids: a pipeline makes no further ones.
    pub fn create_workflow(&mut self, new: NewWorkflow) -> &mut Self {
        self.step(move |project, _| {
            let (new, taken) = workflows::making(project, new)?;
            Ok(DocumentChange::Create { new: New::Workflow(new), taken }.into())
        })
    }

    /// As [`CoordinationClient::update_workflow`].
    pub fn update_workflow(&mut self, id: impl AsRef<str>, changes: impl Into<WorkflowChanges>) -> &mut Self {
        self.change_workflow(id.as_ref(), changes.into().into_update().map(WorkflowChange::from))
    }

    /// As [`CoordinationClient::complete_workflow`].
    pub fn complete_workflow(&mut self, id: impl AsRef<str>, result: impl Into<Json>) -> &mut Self {
        self.change_workflow(id.as_ref(), Ok(completing_workflow(result.into())))
    }

    /// As [`CoordinationClient::fail_workflow`].
    pub fn fail_workflow(&mut self, id: impl AsRef<str>, failure: impl Into<Failure>) -> &mut Self {
        self.change_workflow(id.as_ref(), Ok(failing_workflow(failure.into())))
    }

    /// As [`CoordinationClient::publish_event`]; the receipt has the event's id. The events of a pipeline are published in
    /// their order behind its other operations, as one operation of their own. If it is all or nothing, they are not
    /// published where another operation fails.
    pub fn publish_event(&mut self, channel: &str, event: impl Into<Json>) -> &mut Self {
        let (channel, value) = (Channel::new(channel), event.into());
        self.plan(move |_, by| {
            let (channel, agent) = (channel.map_err(services::Error::from)?, by.agent.clone());
            let event = NewEvent { agent, channel, value };
            event.check().map_err(services::Error::from)?;
            Ok(Planned::Event(event))
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
        self.step(move |_, _| Ok(DocumentChange::Remove { kind: Kind::Agent, id: name?.to_string() }.into()))
    }

    fn change(&mut self, id: &str, change: Result<TaskChange, Error>) -> &mut Self {
        let id = id.to_owned();
        self.step(move |_, _| Ok(Request::task(&id, change?)))
    }

    fn change_workflow(&mut self, id: &str, change: Result<WorkflowChange, Error>) -> &mut Self {
        let id = id.to_owned();
        self.step(move |_, _| Ok(Request::workflow(&id, change?)))
    }

    fn step(
        &mut self,
        step: impl FnOnce(&Project, &Actor) -> Result<Request<'static>, Error> + Send + 'static,
    ) -> &mut Self {
        self.plan(move |project, by| Ok(Planned::Step(Box::new(step(project, by)?))))
    }

    fn plan(&mut self, plan: impl FnOnce(&Project, &Actor) -> Result<Planned, Error> + Send + 'static) -> &mut Self {
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
        let carry_out = move |_: &_, project: &Project| carry_out(project, &by, plans, how);
        client.crew.run(carry_out).await
    }
}

fn carry_out(
    project: &Project,
    by: &Actor,
    plans: Vec<Plan>,
    how: Together,
) -> Result<Vec<Result<Receipt, Error>>, Error> {
    let planned: Vec<Result<Planned, Error>> = plans.into_iter().map(|plan| plan(project, by)).collect();
    if let Some(fault) = planned.iter().position(Result::is_err).filter(|_| how == Together::All) {
        // A value that is wrong before anything is tried.
        let undone = |one: Result<Planned, Error>| Err(one.err().unwrap_or_else(|| not_done(fault)));
        return Ok(planned.into_iter().map(undone).collect());
    }
    let claimed: Vec<String> = planned.iter().map(claimed_id).collect();
    let mut results: Vec<Option<Result<Receipt, Error>>> = Vec::with_capacity(planned.len());
    let (mut steps, mut events) = (Vec::new(), Vec::new());
    // Where each step and each event stands in the pipeline.
    let (mut step_places, mut event_places) = (Vec::new(), Vec::new());
    for (place, planned) in planned.into_iter().enumerate() {
        results.push(None);
        match planned {
            Err(error) => results[place] = Some(Err(error)),
            Ok(Planned::Step(step)) => steps.push(*step),
            Ok(Planned::Claim { ask, .. }) => {
                steps.push(DocumentChange::Claim { task: DocumentRef::Id(&claimed[place]), ask }.into());
            }
            Ok(Planned::Event(event)) => {
                events.push(event);
                event_places.push(place);
            }
        }
        step_places.resize(steps.len(), place);
    }
    let done = if steps.is_empty() { Vec::new() } else { project.operations().batch(by, &steps, how)? };
    let mut failed = None;
    for (place, done) in step_places.iter().zip(done) {
        let is_cause = matches!(&done, Err(error) if !matches!(error, services::Error::Undone { .. }));
        failed = failed.or(Some(*place).filter(|_| how == Together::All && is_cause));
        results[*place] = Some(done.map(Receipt::from).map_err(|error| in_pipeline(error, &step_places)));
    }
    let published = if failed.is_none() { project.events().publish_all(by, events) } else { Ok(Vec::new()) };
    let (mut published, error) = match published {
        Ok(published) => (published.into_iter(), None),
        Err(error) => (Vec::new().into_iter(), Some(error)),
    };
    if let (Some(error), Some(first)) = (error, event_places.first()) {
        failed = Some(*first);
        results[*first] = Some(Err(error.into()));
    }
    for place in event_places.into_iter().filter(|place| failed != Some(*place)) {
        results[place] = published.next().map(|event| Receipt::of_event(event.map_err(services::Error::from)?));
    }
    let undone = || Err(not_done(failed.unwrap_or_default()));
    Ok(results.into_iter().map(|result| result.unwrap_or_else(undone)).collect())
}

/// The id of the task that is claimed; empty if none is.
fn claimed_id(planned: &Result<Planned, Error>) -> String {
    if let Ok(Planned::Claim { id, .. }) = planned { id.clone() } else { String::new() }
}

/// The operation at this place failed, so that another was not done.
fn not_done(failed: usize) -> Error {
    services::Error::Undone { step: failed + 1 }.into()
}

/// The error of a step, which counts from the beginning of the pipeline.
fn in_pipeline(error: services::Error, places: &[usize]) -> Error {
    match error {
        services::Error::Undone { step } => not_done(places.get(step - 1).copied().unwrap_or_default()),
        error => error.into(),
    }
}
