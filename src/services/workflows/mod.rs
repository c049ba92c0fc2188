//! Workflows that Mycelium moves on itself: definitions are read and run, and what `core::workflow` decides is carried out as
//! operations like any other. Any number of processes may drive at once.

mod control;
mod create;
mod definitions;
mod workflow_error;

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value as Json};

pub use self::workflow_error::WorkflowError;
use super::index::{DocumentName, DocumentReader};
use super::operations::{Actor, Operations, Outcome, Together};
use super::{Error, Scope, environment};
use crate::adapters::store;
use crate::core::diagnostic::Diagnostic;
use crate::core::document::FRONTMATTER_BYTES_MAX;
use crate::core::name::{DocId, Kind};
use crate::core::operation::Request;
use crate::core::problem::{ErrorClass, Problem as _};
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::time::Timestamp;
use crate::core::workflow::{
    self, DriverMoment, DriverOperation, EngineKind, RunPlan, WorkflowDefinition, read_definition,
};

/// Where definitions lie, below the worktree.
pub const DEFINITIONS: &str = ".mycelium/workflows";
/// Rounds of one call of [`Workflows::drive`]: others may write in between.
const ROUNDS_MAX: usize = 20;
/// When it is checked again whether workers are alive: one that died does not end its attempts.
const WORKERS_CHECK: Duration = Duration::from_secs(5);

/// Runs workflows and moves them on.
#[derive(Debug, Clone, Copy)]
pub struct Workflows<'a> {
    pub(super) root: &'a Path,
    pub(super) documents: DocumentReader<'a>,
    pub(super) operations: Operations<'a>,
    pub(super) actor: &'a Actor,
}

/// What a call of [`Workflows::drive`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriveReport {
    /// How many operations were carried out.
    pub operations: usize,
    /// The workflows that ended.
    pub ended: Vec<DocId>,
    /// When the time of a step is over, if nothing else happens before.
    pub next: Option<Timestamp>,
}

impl Workflows<'_> {
    /// Reads a definition by its name; with warnings, if there are any.
    ///
    /// # Errors
    /// [`WorkflowError`] if there is none, or it has errors; others if the file cannot be read.
    pub fn definition(&self, name: &str) -> Result<(WorkflowDefinition, Vec<Diagnostic>), Error> {
        let path = definition_path(name)?;
        let text = store::read_text_in(self.root, &path, FRONTMATTER_BYTES_MAX + 1)?;
        let text = text.ok_or_else(|| WorkflowError::NoDefinition { name: name.to_owned(), path: path.clone() })?;
        let reading = read_definition(name, &text);
        let findings = reading.findings.into_iter().map(|finding| located(&path, finding)).collect();
        match reading.definition {
            Some(definition) => Ok((definition, findings)),
            None => Err(WorkflowError::BadDefinition { path, findings }.into()),
        }
    }

    /// Writes a new definition and returns its path below the worktree.
    ///
    /// Durable on return: the file.
    ///
    /// # Errors
    /// [`WorkflowError::Exists`] if there is one of that name; others if it cannot be written.
    pub fn create_definition(&self, name: &str, text: &str) -> Result<String, Error> {
        let path = definition_path(name)?;
        if store::write_new_in(self.root, &path, text)? { Ok(path) } else { Err(WorkflowError::Exists { path }.into()) }
    }

    /// Returns what a run of a definition writes, and writes nothing.
    ///
    /// # Errors
    /// [`WorkflowError::Inputs`] for inputs that do not fit; others if the system gives no random bytes.
    pub fn plan(
        &self,
        definition: &WorkflowDefinition,
        inputs: &[(String, String)],
        id: Option<DocId>,
    ) -> Result<RunPlan, Error> {
        let inputs = workflow::parse_inputs(definition, inputs).map_err(WorkflowError::Inputs)?;
        Self::plan_of(definition, &inputs, id)
    }

    /// Returns what a run of a definition writes, with inputs as JSON values.
    ///
    /// # Errors
    /// As [`Workflows::plan`].
    pub fn plan_with(
        &self,
        definition: &WorkflowDefinition,
        inputs: Map<String, Json>,
        id: Option<DocId>,
    ) -> Result<RunPlan, Error> {
        let inputs = workflow::check_inputs(definition, inputs).map_err(WorkflowError::Inputs)?;
        Self::plan_of(definition, &inputs, id)
    }

    fn plan_of(
        definition: &WorkflowDefinition,
        inputs: &Map<String, Json>,
        id: Option<DocId>,
    ) -> Result<RunPlan, Error> {
        let id = id.map_or_else(|| environment::new_id(Kind::Workflow), Ok)?;
        Ok(workflow::plan_run(definition, inputs, &id, environment::moment_of_creation())?)
    }

    /// Makes the documents of a run: one operation, all of it or nothing.
    ///
    /// Durable on return: the workflow and its tasks.
    ///
    /// # Errors
    /// [`Error::Exists`] if an id is taken; [`WorkflowError::NoEngine`] if its engine is not built in; others if the folder fails.
    /// Then nothing was made.
    pub fn run(&self, plan: &RunPlan) -> Result<Outcome, Error> {
        if plan.engine != EngineKind::Embedded {
            return Err(WorkflowError::NoEngine { engine: plan.engine.word() }.into());
        }
        self.carry_out(&plan.requests())
    }

    /// Carries out everything that follows from the documents and the time, for all workflows.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read or written; what was carried out before stays.
    pub fn drive(&self) -> Result<DriveReport, Error> {
        let mut report = DriveReport::default();
        let is_workflow = |name: &DocumentName| name.path.kind() == Some(Kind::Workflow);
        if !self.documents.names()?.iter().any(is_workflow) {
            return Ok(report);
        }
        for _ in 0..ROUNDS_MAX {
            let live = self.take_back(self.documents.snapshot(Scope::Named)?)?;
            let worked = self.operations.worked_tasks()?;
            let operations = workflow::settle(&live, DriverMoment { now: environment::now(), worked: &worked });
            if operations.is_empty() {
                report.next = workflow::next_timeout(&live, &worked);
                if !worked.is_empty() {
                    // No event says that a worker has died.
                    let check = environment::now().later_by(WORKERS_CHECK);
                    report.next = Some(report.next.map_or(check, |next| next.min(check)));
                }
                break;
            }
            for one in by_workflow(&operations) {
                let requests: Vec<Request<'_>> = one.iter().flat_map(|operation| operation.requests()).collect();
                match self.carry_out(&requests) {
                    Ok(_) => {
                        report.operations += one.len();
                        let ends = one.iter().filter(|operation| operation.is_end());
                        report.ended.extend(ends.map(|operation| operation.workflow.clone()));
                    }
                    // Another process was faster: the next round decides on what it wrote.
                    Err(error) if matches!(error.class(), ErrorClass::Conflict | ErrorClass::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(report)
    }

    /// Takes back the steps of driven workflows whose lease is over; the documents as they are then.
    fn take_back(&self, live: Snapshot) -> Result<Snapshot, Error> {
        let task = |id: &DocId| live.named_task(id).and_then(Entry::task);
        let is_step = |id: &DocId| task(id).and_then(|task| live.workflow_of(task)).is_some_and(workflow::is_driven);
        let taken = self.operations.take_back_of(&is_step)?;
        if taken.is_empty() { Ok(live) } else { self.documents.snapshot(Scope::Named) }
    }

    /// Carries out requests as one operation.
    fn carry_out(&self, requests: &[Request<'_>]) -> Result<Outcome, Error> {
        let driver = self.actor.clone().with_agent(None).with_fence(None);
        only_outcome(self.operations.batch(&driver, requests, Together::All)?)
    }
}

/// The outcome of the last step of a batch that is done as a whole, or why it is not.
fn only_outcome(results: Vec<Result<Outcome, Error>>) -> Result<Outcome, Error> {
    let mut failed = None;
    let mut last = None;
    for result in results {
        match result {
            Ok(outcome) => last = Some(outcome),
            // The others say only that one failed.
            Err(Error::Undone { .. }) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match (failed, last) {
        (Some(error), _) => Err(error),
        (None, Some(outcome)) => Ok(outcome),
        (None, None) => Err(Error::TooManySteps { count: 0, max: super::STEPS_MAX }),
    }
}

/// The operations of each workflow, in their order.
fn by_workflow(operations: &[DriverOperation]) -> Vec<Vec<&DriverOperation>> {
    let mut all: Vec<Vec<&DriverOperation>> = Vec::new();
    for operation in operations {
        match all.iter_mut().find(|one| one.first().is_some_and(|first| first.workflow == operation.workflow)) {
            Some(one) => one.push(operation),
            None => all.push(vec![operation]),
        }
    }
    all
}

/// The path of a definition, if its name is one.
fn definition_path(name: &str) -> Result<String, Error> {
    let id = DocId::new(name)?;
    Ok(format!("{DEFINITIONS}/{id}.yaml"))
}

/// A finding of a file that is no document says where in its words.
fn located(path: &str, finding: Diagnostic) -> Diagnostic {
    let place = finding.place.map_or_else(String::new, |place| format!("{}:{}:", place.line, place.column));
    let message = format!("{path}:{place} {}", finding.message);
    Diagnostic { message, place: None, ..finding }
}
