//! `event list`: what was published, and what happened to documents of late.

use serde_json::json;

use crate::api::view::{ANSWER_BYTES_MAX, ErrorReport, ITEMS_DEFAULT};
use crate::core::event::Event;
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
    let mut events = project.events().list(&filter)?;
    let (total, limit) = (events.len(), args.limit.unwrap_or(ITEMS_DEFAULT));
    // Behind an event one reads on; without one, the newest are wanted.
    let mut next = None;
    if args.since.is_some() {
        // A notice that something may be missing is no event to go on from.
        events.truncate(limit + events.iter().take_while(|event| event.is_notice()).count());
    } else {
        events.drain(..total.saturating_sub(limit));
    }
    if args.limit.is_none() {
        let mut left = ANSWER_BYTES_MAX;
        let mut fits = |event: &&Event| {
            let bytes = event.to_json().to_string().len();
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        };
        if args.since.is_some() {
            let count = events.iter().take_while(&mut fits).count().max(1);
            events.truncate(count);
        } else {
            let count = events.iter().rev().take_while(&mut fits).count().max(1);
            events.drain(..events.len().saturating_sub(count));
        }
    }
    if events.len() < total {
        next = events.last().map(|event| event.id.to_string());
    }
    let mut answer = session::answer("event.list", &project)?;
    answer.text = events.iter().map(super::line).collect();
    answer.words = match (events.len(), total) {
        (0, 0) => "nothing has happened yet\n".to_owned(),
        (shown, total) if shown < total => format!("{shown} of {total} shown; `--limit {total}` shows all\n"),
        _ => String::new(),
    };
    let items: Vec<_> = events.iter().map(Event::to_json).collect();
    answer.data = json!({ "items": items, "total": total, "limit": limit, "next": next });
    answer.pager = project.config().text("ui.pager").map(ToOwned::to_owned);
    Ok(answer)
}
