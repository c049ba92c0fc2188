//! `task get`: what a task's document says, or its exact bytes.

use crate::api::view::ErrorReport;
use crate::core::name::Kind;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::format::Wording;
use crate::faces::cli::session::Session;
use crate::faces::cli::show;

/// Show a task
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// Print the file's exact bytes instead
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    #[command(flatten)]
    wording: Wording,
}

/// Shows the task.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let project = session.open()?;
    let found = project.documents().find(Some(Kind::Task), &args.id)?;
    if args.raw {
        return show::raw(&found).map(|()| None);
    }
    show::document("task.get", &project, &found, &args.wording).map(Some)
}
