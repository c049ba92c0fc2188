//! `status --watch`: looks again when something has changed, and shows what it sees: on a terminal in place, elsewhere one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use serde_json::{Value, json};

use super::look;
use crate::adapters::watch::Watcher;
use crate::api::view::{ErrorReport, Exit, envelope, readable_span, status_without_time};
use crate::faces::cli::answer::{Answer, print, print_line};
use crate::faces::cli::format::Wording;
use crate::faces::cli::live::{LiveScreen, listen, ring_once, wait};
use crate::faces::cli::render::{Ink, paint};
use crate::faces::cli::session;
use crate::faces::cli::session::Session;
use crate::services::Project;

/// The shortest interval: below it looking would be all this does.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Shows the overview until it is interrupted.
pub(super) fn watch(project: &Project, interval: Duration, session: &Session) -> Result<Answer, ErrorReport> {
    let interval = interval.max(INTERVAL_MIN);
    let is_ended = Arc::new(AtomicBool::new(false));
    let (ring, woken) = sync_channel(1);
    listen(&is_ended, ring.clone())?;
    let mut watcher = Watcher::new(project.places(), move || ring_once(&ring));
    // From here on it waits more than it works.
    session.done();
    let mut screen = Screen::new(session, interval);
    while !is_ended.load(Ordering::Relaxed) {
        // What cannot be watched is seen at the next interval.
        let _ = watcher.arm();
        screen.show(&look(project, &Wording::default())?)?;
        if !is_ended.load(Ordering::Relaxed) {
            wait(&woken, interval);
        }
    }
    let mut answer = session::answer("status.end", project)?;
    answer.data = json!({ "shown": screen.shown });
    answer.exit = Exit::Interrupted;
    Ok(answer)
}

/// How looks are shown.
struct Screen<'a> {
    session: &'a Session,
    interval: Duration,
    live: Option<LiveScreen>,
    /// What was shown last, without what changes by itself.
    last: Option<Value>,
    /// How many looks were shown.
    shown: usize,
}

impl<'a> Screen<'a> {
    fn new(session: &'a Session, interval: Duration) -> Self {
        let live = if session.face.json() { None } else { LiveScreen::enter() };
        Self { session, interval, live, last: None, shown: 0 }
    }

    /// In place on a terminal; elsewhere only if something has changed.
    fn show(&mut self, answer: &Answer) -> Result<(), ErrorReport> {
        let still = Some(status_without_time(&answer.data));
        let is_new = still != self.last;
        self.last = still;
        if let Some(live) = &self.live {
            self.shown += 1;
            return live.show(&answer.text, &self.footer());
        }
        if !is_new {
            return Ok(());
        }
        self.shown += 1;
        if self.session.face.json() {
            let Answer { kind, head, data, findings, .. } = answer;
            return print_line(&envelope(kind, head, data, findings, None));
        }
        let gap = if self.shown > 1 { "\n" } else { "" };
        print(&format!("{gap}{}", answer.text))
    }

    fn footer(&self) -> String {
        let every = readable_span(self.interval.max(Duration::from_secs(1)));
        paint(Ink::Dim, &format!("changes show at once, ages every {every}; Ctrl-C ends"))
    }
}
