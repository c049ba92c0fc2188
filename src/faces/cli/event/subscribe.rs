//! `event subscribe`: events as they happen, one a line, until there were enough of them, or the user has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::view::{ErrorReport, envelope};
use crate::core::name::{ChannelPattern, EventId};
use crate::core::problem::ErrorClass;
use crate::core::time::parse_span;
use crate::faces::cli::answer::{print, print_line};
use crate::faces::cli::session::{self, Session};

/// How soon a signal is noticed.
const SIGNAL_WAIT: Duration = Duration::from_millis(100);

/// Print events as they happen
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only events on channels that fit; `*` stands for any text, `?` for any character [default: all]
    #[arg(value_name = "PATTERN")]
    patterns: Vec<ChannelPattern>,
    /// Go on right behind this event, instead of with the next one that happens
    #[arg(long, value_name = "ID")]
    since: Option<EventId>,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Stop after so long, such as `30s` or `5m`
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    timeout: Option<Duration>,
}

/// Listens.
pub(crate) fn run(args: &Args, session: &Session) -> Result<(), ErrorReport> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // A second signal ends it at once, as it would without this.
        let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&interrupted));
        let _ = signal_hook::flag::register(signal, Arc::clone(&interrupted));
    }
    let project = session.open()?;
    let head = session::head(&project)?;
    let mut subscription = project.events().subscribe(args.patterns.clone(), args.since.clone())?;
    session.done();
    if session.face.json() {
        // Who reads this knows that nothing is missed from here on.
        print_line(&envelope("event.begin", &head, &json!({ "late": subscription.gap() }), &[], None))?;
    }
    if let Some(gap) = subscription.gap() {
        session.face.say(&format!("events may come late: {}\n", crate::core::name::visible(gap)));
    }
    session.face.say("listening; Ctrl-C stops it\n");
    let until = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        if interrupted.load(Ordering::SeqCst) {
            return Err(ErrorReport::new(ErrorClass::Interrupted, "interrupted", "interrupted"));
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let wait = left.unwrap_or(SIGNAL_WAIT).min(SIGNAL_WAIT);
        if let Some(event) = subscription.next(wait)? {
            seen += 1;
            if session.face.json() {
                print_line(&envelope("event", &head, &event.to_json(), &[], None))?;
            } else {
                print(&super::line(&event))?;
            }
        } else if left.is_some_and(|left| left.is_zero()) {
            return ended(seen, args.count);
        }
    }
    Ok(())
}

/// The time is up: that is well where no number of events was asked for.
fn ended(seen: usize, wanted: Option<usize>) -> Result<(), ErrorReport> {
    let Some(wanted) = wanted else { return Ok(()) };
    Err(ErrorReport::new(ErrorClass::Busy, "timeout", format!("only {seen} of {wanted} events came in time"))
        .hint("run `mycelium event list` to see what happened before"))
}
