//! `task wait`: sleeps until tasks have ended, and tells how.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::api::view::{ErrorReport, Exit, count, waited_data};
use crate::core::entity::{Entity, Task, TaskStatus};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::render::{listed, status};
use crate::faces::cli::session::{self, Session};
use crate::services::{Found, Until};

/// Wait until tasks are completed or have failed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with 0 if what has ended is completed, with 1 if some of it has failed, with 75 if the time is over."
)]
pub(crate) struct Args {
    /// The tasks' ids, or the beginnings of them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Wait for the first of them only
    #[arg(long)]
    any: bool,
    /// Longest wait, such as `30s` or `5m` [default: as long as it takes]
    #[arg(long, value_name = "SPAN", value_parser = crate::core::time::parse_span)]
    timeout: Option<Duration>,
}

/// Waits.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let until = if args.any { Until::Any } else { Until::All };
    let waited = project.monitor().wait_for_tasks(project.document_places(), &args.ids, until, args.timeout)?;
    if !waited.is_over {
        return Err(too_late(&waited.tasks, args.timeout.unwrap_or_default()));
    }
    let mut answer = session::answer("task.wait", &project)?;
    answer.data = waited_data(&project, &waited);
    for task in waited.tasks.iter().filter(|found| found.has_ended()).filter_map(task) {
        let why = task.error.as_ref().filter(|_| task.status == TaskStatus::Failed).and_then(reason);
        let why = why.map(|why| format!(": {}", visible(&why))).unwrap_or_default();
        let _ = writeln!(answer.text, "{} {}{why}", task.id, status(task.status.word()).painted());
        if task.status == TaskStatus::Failed {
            answer.exit = Exit::Problems;
        }
    }
    Ok(answer)
}

fn task(found: &Found) -> Option<&Task> {
    found.entity.as_ref().and_then(Entity::as_task)
}

/// The first line of an error.
fn reason(error: &Value) -> Option<String> {
    let said = error.get("error").unwrap_or(error);
    let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    text.lines().next().map(str::to_owned)
}

/// The time is over.
fn too_late(tasks: &[Found], after: Duration) -> ErrorReport {
    let open: Vec<&Found> = tasks.iter().filter(|found| !found.has_ended()).collect();
    let name = |found: &&Found| match task(found) {
        Some(task) => format!("`{}` ({})", task.id, task.status),
        None => format!("`{}` (unreadable)", found.path.stem()),
    };
    let names: Vec<String> = open.iter().map(name).collect();
    let message = match names.as_slice() {
        [one] => format!("{one} has not ended in {} ms", after.as_millis()),
        several => {
            let number = count(several.len(), "task");
            format!("{number} have not ended in {} ms: {}", after.as_millis(), listed(several))
        }
    };
    let failure = ErrorReport::new(ErrorClass::Busy, "timeout", message);
    match open.first() {
        Some(found) => failure.hint(format!("run `mycelium task get {}` to see how far it is", found.path.stem())),
        None => failure,
    }
}
