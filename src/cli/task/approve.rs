//! `task approve`: a completed task is good, so those that wait for it may start.

use crate::cli::answer::Answer;
use crate::cli::failure::Failure;
use crate::cli::input::Given;
use crate::cli::session::Session;
use crate::cli::write;
use crate::entity::review;
use crate::name::Kind;

/// Approve a completed task; not by whoever did it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// A note to go with it; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    note: Option<Given>,
}

/// Approves it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let note = args.note.as_ref().map(|given| given.text("--note")).transpose()?;
    let note = note.as_deref().filter(|note| !note.trim().is_empty());
    let workspace = session.open()?;
    let by = workspace.actor();
    let edit = write::Edit { answer: "task.approve", kind: Kind::Task, id: &args.id, verb: "approve" };
    edit.apply(&workspace, &|document| review::approve(document, &by, note))
}
