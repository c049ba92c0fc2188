//! `task tick`: one check box of a task.

use crate::api::view::ErrorReport;
use crate::core::document::Mark;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Mark a step of a task as done
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// Which step, counted from 1 as `task get` shows them
    step: usize,
    /// Mark it as open again
    #[arg(long)]
    open: bool,
}

/// Ticks the step.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let mark = if args.open { Mark::Open } else { Mark::Done };
    let change = TaskChange::Tick { item: args.step, mark };
    write::apply("task.tick", &project, Request::task(&args.id, change))
}
