//! Writes what became of a task whose command has ended, under the fencing token with which it was claimed.

use std::io;
use std::time::Duration;

use super::WorkerLoop;
use crate::core::operation::TaskChange;
use crate::core::problem::{ErrorClass, Problem as _};
use crate::services::workers::command_outcome::{CommandOutcome, refused_result};
use crate::services::workers::job::{Job, JobState, cannot_start, loss};
use crate::services::workers::{WorkEnd, WorkerNotice};
use crate::services::{Error, Scope};

/// Tries to write an end.
const WRITES_MAX: u32 = 10;
/// Between two of them.
const RETRY: Duration = Duration::from_secs(1);

impl WorkerLoop<'_> {
    /// Writes what became of a task whose command has ended.
    pub(super) fn end(&mut self, job: &Job, outcome: io::Result<CommandOutcome>) -> WorkEnd {
        let change = match (&job.state, outcome) {
            (JobState::Lost(why), _) => return WorkEnd::Lost(why.clone()),
            (JobState::Released, _) | (_, Ok(CommandOutcome::Temporary(_))) => TaskChange::Release,
            (_, Ok(CommandOutcome::Completed(result))) => TaskChange::Complete { result: Some(result) },
            (_, Ok(CommandOutcome::Failed(error))) => TaskChange::Fail { error: Some(error) },
            (_, Err(source)) => {
                self.fail(cannot_start(&job.task, source));
                TaskChange::Release
            }
        };
        match self.write(job, &change) {
            Err(Error::Refused { source, .. }) => {
                let error = refused_result(&source.to_string(), &job.log_name);
                self.write(job, &TaskChange::Fail { error: Some(error) }).unwrap_or_else(unwritten)
            }
            end => end.unwrap_or_else(unwritten),
        }
    }

    /// Writes an end under the fencing token of the job.
    fn write(&mut self, job: &Job, change: &TaskChange) -> Result<WorkEnd, Error> {
        let end = end_word(change);
        let mut tries = 0;
        loop {
            tries += 1;
            let error =
                match self.workers.change(&job.task.by, job.task.id.as_str(), Some(job.task.fence), change.clone()) {
                    Ok(()) => return Ok(end),
                    Err(error) => error,
                };
            match error.class() {
                // Whoever drives the workflow has written the end of its time.
                ErrorClass::Conflict if job.state == JobState::TimedOut => return Ok(end),
                _ if matches!(error, Error::Refused { .. }) && is_completion(change) && self.is_held(job) => {
                    return Err(error);
                }
                ErrorClass::Conflict | ErrorClass::NotFound => return Ok(WorkEnd::Lost(error.to_string())),
                _ if tries >= WRITES_MAX => return Err(error),
                _ => {}
            }
            (self.listener)(&WorkerNotice::Trouble(error));
            std::thread::sleep(RETRY);
        }
    }

    /// Returns true if the document still says that the task is this job's.
    fn is_held(&self, job: &Job) -> bool {
        let live = self.workers.documents.snapshot(Scope::Named);
        live.is_ok_and(|live| {
            let task = live.named_task(&job.task.id).and_then(|entry| entry.task());
            task.is_some_and(|task| loss(task, &job.task).is_none())
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a `Result`")]
fn unwritten(error: Error) -> WorkEnd {
    WorkEnd::Unwritten(error.to_string())
}

const fn is_completion(change: &TaskChange) -> bool {
    matches!(change, TaskChange::Complete { .. })
}

/// What a task is after its end was written.
fn end_word(change: &TaskChange) -> WorkEnd {
    match change {
        TaskChange::Complete { .. } => WorkEnd::Completed,
        TaskChange::Fail { error: Some(error) } => {
            let said = error.get("error").unwrap_or(error);
            let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            WorkEnd::Failed(text.lines().next().unwrap_or_default().to_owned())
        }
        _ => WorkEnd::Released,
    }
}
