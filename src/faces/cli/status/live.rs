//! `status --watch`: looks again when something has changed, and shows what it sees: on a terminal in place, elsewhere one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::look;
use crate::adapters::watch::Watcher;
use crate::api::daemon;
use crate::api::view::{ErrorReport, Exit, envelope, readable_span, sanitize_text, status_without_time};
use crate::core::problem::ErrorClass;
use crate::faces::cli::answer::{Answer, choice, on_terminal, print, print_bytes, print_line};
use crate::faces::cli::format::Wording;
use crate::faces::cli::render::{Ink, paint};
use crate::faces::cli::session;
use crate::faces::cli::session::Session;
use crate::services::{Project, variable};

/// A look is never sooner after the one before than this: a burst of changes is a few looks.
const QUIET: Duration = Duration::from_millis(50);
/// The shortest interval: below it looking would be all this does.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Rows of a terminal that does not say how many it has.
const ROWS_DEFAULT: usize = 24;

/// To the other screen, without a cursor and without wrapping lines; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

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

/// The signals that ask to end wake the loop.
fn listen(is_ended: &Arc<AtomicBool>, ring: SyncSender<()>) -> Result<(), ErrorReport> {
    let is_ended = Arc::clone(is_ended);
    let end = move || {
        is_ended.store(true, Ordering::Relaxed);
        ring_once(&ring);
    };
    daemon::when_interrupted(end).map_err(|error| {
        ErrorReport::new(ErrorClass::Problem, "watch", "cannot listen to signals").cause(error.to_string())
    })
}

/// One ring is as good as many.
fn ring_once(ring: &SyncSender<()>) {
    let _ = ring.try_send(());
}

/// Until something rings, then until it has been quiet for a moment; no longer than the interval.
fn wait(woken: &Receiver<()>, interval: Duration) {
    if woken.recv_timeout(interval).is_ok() {
        std::thread::sleep(QUIET);
        while woken.try_recv().is_ok() {}
    } else if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(Duration::ZERO) {
        // Nobody can ring any more; ages still pass.
        std::thread::sleep(interval);
    }
}

/// How looks are shown.
struct Screen<'a> {
    session: &'a Session,
    interval: Duration,
    is_terminal: bool,
    /// What was shown last, without what changes by itself.
    last: Option<Value>,
    /// How many looks were shown.
    shown: usize,
}

impl<'a> Screen<'a> {
    fn new(session: &'a Session, interval: Duration) -> Self {
        let is_dumb = variable("TERM").is_none_or(|term| term == "dumb");
        let is_terminal = on_terminal() && !is_dumb && !session.face.json();
        if is_terminal {
            // A terminal that is gone is noticed at the first look.
            let _ = print_bytes(ENTER);
        }
        Self { session, interval, is_terminal, last: None, shown: 0 }
    }

    /// In place on a terminal; elsewhere only if something has changed.
    fn show(&mut self, answer: &Answer) -> Result<(), ErrorReport> {
        let still = Some(status_without_time(&answer.data));
        let is_new = still != self.last;
        self.last = still;
        if self.is_terminal {
            self.shown += 1;
            return print_bytes(frame(&answer.text, &self.footer(), rows(), has_colours()).as_bytes());
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

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.is_terminal {
            // A terminal that is gone needs nothing back.
            let _ = print_bytes(LEAVE);
        }
    }
}

/// One screen: each line over what was there before, no more lines than there are rows, the footer last.
fn frame(text: &str, footer: &str, rows: usize, has_colours: bool) -> String {
    let room = rows.saturating_sub(2).max(1);
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: Vec<String> = lines.iter().take(room).map(|line| (*line).to_owned()).collect();
    if lines.len() > room {
        let left = lines.len() - room + 1;
        shown.truncate(room - 1);
        shown.push(paint(Ink::Dim, &format!("… and {left} more lines")));
    }
    shown.extend([String::new(), footer.to_owned()]);
    let mut out = String::from("\u{1b}[H");
    for (index, line) in shown.iter().enumerate() {
        let line = sanitize_text(line).into_owned();
        let line = if has_colours { line } else { anstream::adapter::strip_str(&line).to_string() };
        out.push_str(if index == 0 { "" } else { "\r\n" });
        // Before the text: behind a line as wide as the terminal the cursor stands on its last letter.
        out.push_str("\u{1b}[K");
        out.push_str(&line);
    }
    out + "\u{1b}[J"
}

fn has_colours() -> bool {
    choice(true) != anstream::ColorChoice::Never
}

/// Rows of the terminal.
fn rows() -> usize {
    terminal_size::terminal_size().map_or(ROWS_DEFAULT, |(_, rows)| usize::from(rows.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_its_rows_and_overwrites_what_was_there() {
        assert_eq!(
            frame("a\nb\n", "end", 10, false),
            "\u{1b}[H\u{1b}[Ka\r\n\u{1b}[Kb\r\n\u{1b}[K\r\n\u{1b}[Kend\u{1b}[J"
        );
        let long = frame("a\nb\nc\nd\ne\n", "end", 5, false);
        assert_eq!(long.matches("\r\n").count(), 4);
        assert!(long.contains("b\r\n\u{1b}[K… and 3 more lines"), "{long:?}");
        let coloured = frame(&paint(Ink::Bad, "x"), "end", 5, true);
        assert!(coloured.contains("\u{1b}[31m"), "{coloured:?}");
        assert!(!frame("\u{1b}[2Jx", "end", 5, true).contains("\u{1b}[2J"));
    }
}
