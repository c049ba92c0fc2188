//! `task claim`: a task is given to the acting agent, and to nobody else.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::api::view::ErrorReport;
use crate::core::lease::{LeaseRequest, Override};
use crate::core::name::visible;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::lease_span;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;
use crate::services::{Error, SyncOptions, Which};

/// Claim a task: it is yours until you finish it, give it back, or say nothing for a whole lease
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "next"]))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: Option<String>,
    /// The most urgent task that is ready, whichever it is
    #[arg(long)]
    next: bool,
    /// With --next: only tasks of this type
    #[arg(long = "type", value_name = "TYPE", requires = "next")]
    kind: Option<String>,
    /// For how long it is yours without a heartbeat, such as `5m`; `task renew` renews it
    #[arg(long, value_name = "SPAN", value_parser = lease_span)]
    lease: Option<Duration>,
    /// Also if it is assigned to another agent
    #[arg(long)]
    force: bool,
    /// Also if another agent has it; that one is refused from then on
    #[arg(long)]
    steal: bool,
    /// Also among all clones: it is yours when the remote has taken it, or not at all
    #[arg(long)]
    push: bool,
    /// With --push: this remote [default: as `mycelium sync`]
    #[arg(long, value_name = "NAME", requires = "push")]
    remote: Option<String>,
}

/// Claims the task.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    // Only what is committed can be pushed.
    let flags = if args.push { vec![("commit.auto".to_owned(), "true".to_owned())] } else { Vec::new() };
    let project = session.open_with(flags)?;
    let by = project.agent().cloned().ok_or(Error::NoAgent)?;
    let over = match (args.steal, args.force) {
        (true, _) => Override::Steal,
        (false, true) => Override::Force,
        (false, false) => Override::None,
    };
    let ask = LeaseRequest { by, lease: args.lease.unwrap_or_else(|| project.leases().default_lease()), over };
    let which = args.id.as_deref().map_or(Which::Next { kind: args.kind.as_deref() }, Which::Task);
    if !args.push {
        return write::claimed("task.claim", &project, &project.operations().claim(project.actor(), which, &ask)?);
    }
    let options = SyncOptions { remote: args.remote.clone(), ..SyncOptions::default() };
    let (claimed, report) = project.sync().claim_pushed(which, &ask, &options)?;
    let mut answer = write::claimed("task.claim", &project, &claimed)?;
    let other = format!("{}/{}", report.remote, report.branch);
    answer.data["pushed"] = json!(other);
    let _ = writeln!(answer.words, "pushed to {}", visible(&other));
    Ok(answer)
}
