//! `task reject`: a completed task is not good: it is pending again, with the reason as a note.

use crate::api::view::ErrorReport;
use crate::core::entity::review;
use crate::core::name::Kind;
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
    let workspace = session.open()?;
    let by = workspace.actor();
    let edit = write::Edit { answer: "task.reject", kind: Kind::Task, id: &args.id, verb: "reject" };
    edit.apply(&workspace, &|document| review::reject(document, &by, &reason))
}
