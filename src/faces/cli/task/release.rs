//! `task release`: a running task goes back to pending; nobody holds it then.

use super::right::Right;
use crate::api::view::ErrorReport;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Give a running task back
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    #[command(flatten)]
    right: Right,
}

/// Does it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    write::apply("task.release", &project, Request::task(&args.id, TaskChange::Release).with(args.right.passing()))
}
