//! `watch`: the watching process, here or apart from the terminal; tells what it does as it does it.

use std::fmt::Write as _;

use std::process::Command;

use serde_json::{Value, json};

use super::answer::{Answer, print, print_line};
use super::render::{self, Ink, finding, paint};
use super::session::{self, Session};
use super::unit;
use crate::api::daemon::{self, Detached, ForcedEnd, Notice, READY, Span, WatchError};
use crate::api::view::{AnswerHead, ErrorReport, Exit, envelope};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::services::Project;

/// Watch the folder and commit what changes
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
pub(crate) struct Args {
    /// Commit what there is to commit, then stop
    #[arg(long)]
    once: bool,
    /// Go on in the background, without this terminal
    #[arg(long, conflicts_with = "once")]
    detach: bool,
    /// Print a systemd user unit that keeps a watcher running here
    #[arg(long, conflicts_with_all = ["once", "detach"])]
    print_unit: bool,
    /// The process that `--detach` starts: says on standard error that it watches, then nothing more
    #[arg(long, hide = true, conflicts_with_all = ["once", "detach"])]
    detached: bool,
}

/// Watches until it is stopped.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let project = session.open()?;
    if args.print_unit {
        return print_unit(&project).map(Some);
    }
    if args.detach {
        return detach(&project).map(Some);
    }
    let mut head = session::head(&project)?;
    let span = if args.once { Span::Once } else { Span::UntilStopped };
    let mut told = 0_usize;
    let mut troubles = 0_usize;
    let mut listener = |notice: &Notice| {
        told += 1;
        // A finding in a document does not keep it from being committed.
        let is_beside = matches!(notice, Notice::SettingsBroken(_) | Notice::Document(_) | Notice::OnNoBranch);
        troubles += usize::from(notice.is_trouble() && !is_beside);
        if let Notice::Settings { folder, .. } = notice {
            head.folder.clone_from(folder);
        }
        tell(notice, args, session, &head);
    };
    // From here on it waits more than it works.
    session.done();
    daemon::watch(&project, span, Some(forced_end(args, session)), &mut listener)?;
    if session.face.json() {
        let end = AnswerHead { folder: head.folder, ..session::head(&project)? };
        print_line(&envelope("watch.end", &end, &json!({ "events": told }), &[], None))?;
    }
    if args.once && troubles > 0 {
        return Err(ErrorReport::new(ErrorClass::Problem, "not-committed", "not everything is committed")
            .hint("run `mycelium status` to see what is not, and why"));
    }
    Ok(None)
}

/// How it ends if it is asked to stop and is held up.
fn forced_end(args: &Args, session: &Session) -> ForcedEnd {
    let (face, is_detached) = (session.face.clone(), args.detached);
    let what = format!("{} stopped while something was in the way\n", paint(Ink::Warn, "warning:"));
    let words = what + &render::hint("run `mycelium status` to see what is not committed, and why");
    let last_words = Box::new(move || {
        if !is_detached {
            face.say(&words);
        }
    });
    // As one that stops with documents left. One that was to commit what there is has not done so.
    let exit = if args.once { Exit::Busy } else { Exit::Ok };
    ForcedEnd { code: exit.code(), last_words }
}

fn print_unit(project: &Project) -> Result<Answer, ErrorReport> {
    let program = std::env::current_exe().map_err(|error| {
        ErrorReport::new(ErrorClass::Problem, "watch", "could not find this program's own path")
            .cause(error.to_string())
    })?;
    let mut answer = session::answer("watch.unit", project)?;
    answer.text = unit::unit(&program, project.root())?;
    answer.data = json!({ "unit": answer.text });
    Ok(answer)
}

/// Tells one thing. Whoever listens may go away: the watcher's work is to commit, not to be heard.
fn tell(notice: &Notice, args: &Args, session: &Session, head: &AnswerHead) {
    if matches!(notice, Notice::Ready) && !args.once {
        // Where no service manager started this, there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }
    if args.detached {
        // The other end of standard error is gone after this.
        if matches!(notice, Notice::Ready) {
            session.face.say(&format!("{READY}\n"));
        }
        return;
    }
    if session.face.json() {
        let _ = print_line(&envelope("watch.event", head, &notice.to_json(&head.folder), &[], None));
        return;
    }
    match notice {
        Notice::Committed { revision, subject } => {
            let _ = print(&format!("{}  {}\n", paint(Ink::Warn, revision.short()), visible(subject)));
        }
        Notice::Ready if args.once => {}
        Notice::Ready => {
            let folder = visible(&format!("{}/{}", head.root, head.folder));
            session.face.say(&format!("watching {folder}; Ctrl-C stops it\n"));
        }
        Notice::Document(one) | Notice::Finding(one) => session.face.say(&finding(one, &head.folder, None)),
        other => session.face.say(&words(other)),
    }
}

fn words(notice: &Notice) -> String {
    let text = notice.to_string();
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let start = if index == 0 && notice.is_trouble() { paint(Ink::Warn, "warning:") + " " } else { String::new() };
        let _ = writeln!(out, "{start}{}", visible(line));
    }
    if let Some(hint) = notice.hint() {
        out.push_str(&render::hint(&hint));
    }
    out
}

/// Makes sure that a watcher runs: the one that does, or a new one in the background.
fn detach(project: &Project) -> Result<Answer, ErrorReport> {
    let mut answer = session::answer("watch", project)?;
    if let Some(pid) = project.commits().standing()?.watcher.and_then(|watcher| watcher.pid) {
        answer.words = format!("a watcher is running already (process {pid})\n");
        answer.data = data(pid, "running");
        return Ok(answer);
    }
    // The process in the background has nobody to tell it to.
    let greeting = daemon::greeting(project).map(|notice| words(&notice)).unwrap_or_default();
    let fault = |error: std::io::Error| not_started().cause(error.to_string());
    let mut command = Command::new(std::env::current_exe().map_err(fault)?);
    command.args(["watch", "--detached", "--root"]).arg(project.root());
    match daemon::detach(command).map_err(fault)? {
        Detached::Watching { pid } => {
            answer.words = format!("{greeting}watching in the background (process {pid}); `kill {pid}` stops it\n");
            answer.data = data(pid, "started");
            Ok(answer)
        }
        Detached::Ended { status, said } => {
            let cause = said.lines().next().unwrap_or("it said nothing").trim_start_matches("error: ");
            let hint = said.lines().find_map(|line| line.strip_prefix("hint: ")).map(ToOwned::to_owned);
            let class = if status.code() == Some(Exit::Busy as i32) { ErrorClass::Busy } else { ErrorClass::Problem };
            Err(ErrorReport { class, hint, ..not_started() }.cause(cause))
        }
    }
}

fn data(pid: u32, state: &str) -> Value {
    json!({ "pid": pid, "watcher": state })
}

fn not_started() -> ErrorReport {
    ErrorReport::new(ErrorClass::Problem, "watch", "the watcher did not start")
}

impl From<WatchError> for ErrorReport {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Project(error) => error.into(),
            other => Self::of(&other),
        }
    }
}
