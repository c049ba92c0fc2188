//! The client's methods about workflows that Mycelium moves on itself: run, drive, pause, resume, cancel, retry.

use super::values::{Fields, doc_id};
use super::{CoordinationClient, Error, Receipt};
use crate::core::entity::Entity;
use crate::services::{DriveReport, Outcome, Project};

impl CoordinationClient {
    /// Runs a workflow definition (`.mycelium/workflows/NAME.yaml`) with its inputs, a JSON object. The receipt has the workflow's id.
    /// Its steps are tasks, which agents claim; it is moved on once, then by each process that drives.
    ///
    /// Durable on return: the workflow and its tasks, as one operation.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such definition; [`Error::Failed`] if it has errors; [`Error::BadInput`] for inputs that do
    /// not fit; [`Error::Busy`] if its engine is not built in; [`Error::NoObject`]. Then nothing was made.
    pub async fn run_workflow(&self, definition: &str, inputs: impl Into<Fields>) -> Result<Receipt, Error> {
        let (name, inputs) = (definition.to_owned(), inputs.into());
        let run = move |_: &_, project: &Project| {
            let workflows = project.workflows();
            let inputs = inputs.into_pairs()?.into_iter().collect();
            let (definition, findings) = workflows.definition(&name)?;
            let plan = workflows.plan_with(&definition, inputs, None)?;
            let outcome = workflows.run(&plan)?;
            // The run is made. What keeps it from being moved on now keeps the next driver from it, too, and is reported there.
            let _ = workflows.drive();
            let mut receipt = Receipt::from(outcome);
            receipt.findings.extend(findings);
            Ok(receipt)
        };
        self.crew.run(run).await
    }

    /// Moves all workflows on that can be: skips, retries and fills steps, makes the items of fan-outs, ends what is done. Any number
    /// of processes may drive at once; a watcher does it by itself.
    ///
    /// Durable on return: what was carried out.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be read or written; what was carried out before stays.
    pub async fn drive_workflows(&self) -> Result<DriveReport, Error> {
        self.crew.run(|_, project| Ok(project.workflows().drive()?)).await
    }

    /// Pauses a running workflow: none of its steps starts any more. Those that run go on.
    ///
    /// Durable on return: the pause.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it does not run.
    pub async fn pause_workflow(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        let id = id.as_ref().to_owned();
        self.crew.run(move |_, project| about_workflow(project.workflows().pause(&id)?)).await
    }

    /// Lets the steps of a paused workflow start again, and moves it on.
    ///
    /// Durable on return: the end of the pause.
    ///
    /// # Errors
    /// As [`CoordinationClient::pause_workflow`].
    pub async fn resume_workflow(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        let id = id.as_ref().to_owned();
        let resume = move |_: &_, project: &Project| {
            let outcome = project.workflows().resume(&id)?;
            let _ = project.workflows().drive();
            about_workflow(outcome)
        };
        self.crew.run(resume).await
    }

    /// Cancels a running workflow: it fails, and so does every step of it that has not ended. Who holds one is told by the lease.
    ///
    /// Durable on return: all of it, as one operation.
    ///
    /// # Errors
    /// As [`CoordinationClient::pause_workflow`].
    pub async fn cancel_workflow(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        let (id, by) = (id.as_ref().to_owned(), self.agent().cloned());
        let cancel = move |_: &_, project: &Project| {
            let by = by.map_or_else(|| project.actor_name(), |agent| agent.to_string());
            about_workflow(project.workflows().cancel(&id, &by)?)
        };
        self.crew.run(cancel).await
    }

    /// Tries again what failed in a workflow, and what was skipped for that; with `from` this step and all behind it, whatever became
    /// of them. It runs again, and is moved on once.
    ///
    /// Durable on return: all of it, as one operation.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such workflow or step; [`Error::Conflict`] if there is nothing to try again.
    pub async fn retry_workflow(&self, id: impl AsRef<str>, from: Option<&str>) -> Result<Receipt, Error> {
        let (id, from) = (id.as_ref().to_owned(), from.map(str::to_owned));
        let retry = move |_: &_, project: &Project| {
            let outcome = project.workflows().retry(&id, from.as_deref())?;
            let _ = project.workflows().drive();
            about_workflow(outcome)
        };
        self.crew.run(retry).await
    }
}

/// The receipt of an operation over a whole workflow: it names the workflow, also where its last document is a step.
fn about_workflow(outcome: Outcome) -> Result<Receipt, Error> {
    let workflow = match &outcome.entity {
        Some(Entity::Task(task)) => task.workflow.as_ref().map(ToString::to_string),
        _ => None,
    };
    let receipt = Receipt::from(outcome);
    Ok(match workflow {
        Some(id) => Receipt { id: doc_id(id)?, ..receipt },
        None => receipt,
    })
}
