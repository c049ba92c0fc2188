//! `task note`: one more line under a task's notes.

use crate::api::view::ErrorReport;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Add a note to a task
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// The note; `@FILE` and `-` are read
    #[arg(allow_hyphen_values = true)]
    text: Given,
}

/// Adds the note.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let text = args.text.text("TEXT")?;
    if text.trim().is_empty() {
        return Err(ErrorReport::usage("empty-note", "the note is empty")
            .hint("write something: `mycelium task note ID \"loss is flat\"`"));
    }
    let project = session.open()?;
    let change = TaskChange::Note(text);
    write::apply("task.note", &project, Request::task(&args.id, change))
}
