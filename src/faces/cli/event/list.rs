//! `event list`: what was published, and what happened to documents of late.

use crate::api::view::{ErrorReport, event_page};
use crate::core::name::{ChannelPattern, EventId};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::session::{self, Session};
use crate::services::Filter;

/// List published events, and recent changes
#[derive(Debug, clap::Args)]
#[command(after_help = "The newest come last. Times are in UTC.")]
pub(crate) struct Args {
    /// Only events on channels that fit; `*` stands for any text, `?` for any character [default: all]
    #[arg(value_name = "PATTERN")]
    patterns: Vec<ChannelPattern>,
    /// Only events behind this one
    #[arg(long, value_name = "ID")]
    since: Option<EventId>,
    /// Show at most this many [default: 20]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Lists them.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let filter = Filter { patterns: args.patterns.clone(), since: args.since.clone(), limit: None };
    let events = project.events().list(&filter)?;
    let page = event_page(events, args.since.is_some(), args.limit);
    let mut answer = session::answer("event.list", &project)?;
    answer.text = page.items.iter().map(super::line).collect();
    answer.words = match (page.items.len(), page.total) {
        (0, 0) => "nothing has happened yet\n".to_owned(),
        (shown, total) if shown < total => format!("{shown} of {total} shown; `--limit {total}` shows all\n"),
        _ => String::new(),
    };
    answer.data = page.json();
    answer.pager = project.config().text("ui.pager").map(ToOwned::to_owned);
    Ok(answer)
}
