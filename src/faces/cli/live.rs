//! What goes on being shown: in place on a terminal, until it ends or is interrupted. Knows no command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use super::answer::{choice, on_terminal, print_bytes};
use super::render::{Ink, paint};
use crate::api::daemon;
use crate::api::view::{ErrorReport, sanitize_text};
use crate::core::problem::ErrorClass;
use crate::services::variable;

/// A look is never sooner after the one before than this: a burst of changes is a few looks.
const QUIET: Duration = Duration::from_millis(50);
/// Rows of a terminal that does not say how many it has.
const ROWS_DEFAULT: usize = 24;

/// To the other screen, without a cursor and without wrapping lines; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The other screen of a terminal, until it is dropped.
#[derive(Debug)]
pub(crate) struct LiveScreen(());

impl LiveScreen {
    /// Returns the screen if standard output is a terminal that can show it.
    pub(crate) fn enter() -> Option<Self> {
        let is_dumb = variable("TERM").is_none_or(|term| term == "dumb");
        if is_dumb || !on_terminal() {
            return None;
        }
        // A terminal that is gone is noticed at the first look.
        let _ = print_bytes(ENTER);
        Some(Self(()))
    }

    /// Shows a text in the place of the one before.
    #[expect(clippy::unused_self, reason = "only who has the screen may write to it")]
    pub(crate) fn show(&self, text: &str, footer: &str) -> Result<(), ErrorReport> {
        print_bytes(frame(text, footer, rows(), has_colours()).as_bytes())
    }
}

impl Drop for LiveScreen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = print_bytes(LEAVE);
    }
}

/// The signals that ask to end wake the loop.
pub(crate) fn listen(is_ended: &Arc<AtomicBool>, ring: SyncSender<()>) -> Result<(), ErrorReport> {
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
pub(crate) fn ring_once(ring: &SyncSender<()>) {
    let _ = ring.try_send(());
}

/// Until something rings, then until it has been quiet for a moment; no longer than the interval.
pub(crate) fn wait(woken: &Receiver<()>, interval: Duration) {
    if woken.recv_timeout(interval).is_ok() {
        std::thread::sleep(QUIET);
        while woken.try_recv().is_ok() {}
    } else if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(Duration::ZERO) {
        // Nobody can ring any more; ages still pass.
        std::thread::sleep(interval);
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
