//! `task reject`: a completed task is not good: it is pending again, with the reason as a note.

use crate::api::view::ErrorReport;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Reject a completed task: it is pending again, with the reason as a note
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// What is to be done better; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Given,
}

/// Rejects it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let reason = args.reason.text("--reason")?;
    let project = session.open()?;
    let change = TaskChange::Reject { by: project.actor_name(), reason };
    write::apply("task.reject", &project, Request::task(&args.id, change))
}
