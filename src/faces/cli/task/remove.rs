//! `task remove`: a task's file goes; git keeps its history.

use crate::api::view::ErrorReport;
use crate::core::name::Kind;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Remove a task's file (its history stays)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Removes the file.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    write::removed("task.remove", &project, Kind::Task, &args.id)
}
