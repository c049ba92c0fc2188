//! `task remove`: a task's file goes; git keeps its history.

use crate::cli::answer::Answer;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::write;
use crate::name::Kind;

/// Remove a task's file (its history stays)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Removes the file.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    write::removed("task.remove", &workspace, Kind::Task, &args.id)
}
