//! `task complete`: a running task is done.

use super::right::Right;
use crate::api::view::ErrorReport;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Mark a running task as completed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// What came out, as JSON or plain text; `@FILE` and `-` are read
    #[arg(long, value_name = "JSON|TEXT", allow_hyphen_values = true)]
    result: Option<Given>,
    #[command(flatten)]
    right: Right,
}

/// Completes the task.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let result = args.result.as_ref().map(|given| given.json_or_text("--result")).transpose()?;
    let project = session.open()?;
    let change = TaskChange::Complete { result };
    write::apply("task.complete", &project, Request::task(&args.id, change).with(args.right.passing()))
}
