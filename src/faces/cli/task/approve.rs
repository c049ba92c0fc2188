//! `task approve`: a completed task is good, so those that wait for it may start.

use crate::api::view::ErrorReport;
use crate::core::name::visible;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Approve a completed task; not by the agent that did it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// A note to go with it; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    note: Option<Given>,
    /// Approve your own work; only a person may (no `--as`, no `MYCELIUM_AGENT`), and the approval says so
    #[arg(long = "self")]
    own: bool,
}

/// Approves it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let note = args.note.as_ref().map(|given| given.text("--note")).transpose()?;
    let note = note.as_deref().filter(|note| !note.trim().is_empty());
    let project = session.open()?;
    let name = project.actor_name();
    let has_completed_it = project.history().completed_by(&args.id)?.as_ref() == Some(&name);
    let change = TaskChange::Approve { by: name, has_completed_it, note: note.map(ToOwned::to_owned), own: args.own };
    let request = Request::task(&args.id, change);
    if !args.own {
        return write::apply("task.approve", &project, request).map_err(|failure| {
            let is_person = failure.code == "own-work" && project.agent().is_none();
            let hint = || {
                format!(
                    "have another person or an agent approve it, or run `mycelium task approve {} --self`",
                    visible(&args.id)
                )
            };
            if is_person { failure.hint(hint()) } else { failure }
        });
    }
    if let Some(agent) = project.agent() {
        let message = format!("`{agent}` is an agent; only a person may approve their own work");
        let failure = ErrorReport::usage("not-a-person", message);
        return Err(failure.hint("run it without `--as` and without MYCELIUM_AGENT, or have another agent approve"));
    }
    write::apply("task.approve", &project, request)
}
