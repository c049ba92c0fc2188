//! `task renew`: the holder of a task says that they are at it.

use crate::api::view::ErrorReport;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Renew the lease on a task you hold
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// Only if this is still the fence of the task, as `task claim` printed it
    #[arg(long, value_name = "N")]
    fence: Option<u64>,
}

/// Renews the lease.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    write::renewed(
        "task.renew",
        &project,
        &project.operations().renew(&project.actor().clone().with_fence(args.fence), &args.id)?,
    )
}
