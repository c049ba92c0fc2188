//! `task reopen`: a completed task becomes pending again; only on purpose.

use crate::cli::answer::Answer;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::write;
use crate::entity::task;
use crate::name::Kind;

/// Make a completed task pending again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Does it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    let edit = write::Edit { answer: "task.reopen", kind: Kind::Task, id: &args.id, verb: "reopen" };
    edit.apply(&workspace, &task::reopen)
}
