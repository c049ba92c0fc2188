//! Progress of what takes long, on a terminal's standard error: after half a second, never for programs, gone at the end.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer::choice;
use crate::services::{Doing, Progress, variable};

/// Nobody wonders about less.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the work is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Signs of a bar: done, under way, to be done. With numbers beside it, so that colour is not needed.
const SIGNS: &str = "=> ";

/// Shows the progress of some work until it goes.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Its end tells the thread to end.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Whether anybody could see it, and wants to.
pub(crate) fn is_wanted() -> bool {
    let is_dumb = variable("TERM").is_none_or(|term| term == "dumb");
    io::stderr().is_terminal() && !is_dumb && variable("CI").is_none()
}

impl Shown {
    /// Looks at this work from now on.
    pub(crate) fn of(progress: Progress) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut bar: Option<ProgressBar> = None;
            let mut since: Option<Instant> = None;
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                match progress.now() {
                    None => {
                        since = None;
                        clear(bar.take());
                    }
                    Some(doing) if since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE => {
                        draw(bar.get_or_insert_with(fresh), doing);
                    }
                    Some(_) => {}
                }
            }
            clear(bar);
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The line must be gone before the answer is printed.
            let _ = thread.join();
        }
    }
}

fn fresh() -> ProgressBar {
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
}

fn draw(bar: &ProgressBar, doing: Doing) {
    let colour = if choice(true) == anstream::ColorChoice::Never { "" } else { ".cyan" };
    let template = match doing.total {
        0 => format!("{{msg}} {{spinner{colour}}} {{elapsed}}"),
        _ => format!("{{msg}} [{{bar:30{colour}}}] {{pos}} of {{len}}"),
    };
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars(SIGNS));
    }
    bar.set_message(doing.what);
    match doing.total {
        0 => bar.unset_length(),
        total => bar.set_length(total as u64),
    }
    bar.set_position(doing.done as u64);
    bar.tick();
}

fn clear(bar: Option<ProgressBar>) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}
