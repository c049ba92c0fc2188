//! `task retry`: a failed task becomes pending again.

use crate::api::view::ErrorReport;
use crate::core::entity::task;
use crate::core::name::Kind;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Make a failed task pending again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Does it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let workspace = session.open()?;
    let edit = write::Edit { answer: "task.retry", kind: Kind::Task, id: &args.id, verb: "retry" };
    edit.apply(&workspace, &task::retry)
}
