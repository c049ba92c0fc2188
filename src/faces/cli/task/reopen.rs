//! `task reopen`: a completed task becomes pending again; only on purpose.

use crate::api::view::ErrorReport;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Make a completed task pending again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Does it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    write::apply("task.reopen", &project, Request::task(&args.id, TaskChange::Reopen))
}
