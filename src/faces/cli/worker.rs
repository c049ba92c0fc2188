//! `worker`: claims tasks for an agent and runs a command for each; `worker logs`: what the commands printed.

use std::time::Duration;

use clap::Subcommand;

use super::answer::{Answer, print, print_line};
use super::input::lease_span;
use super::render::{self, Ink, paint};
use super::session::{self, Session};
use crate::api::daemon;
use crate::api::view::{AnswerHead, ErrorReport, count, envelope, worker_data, worker_line, worker_log_data};
use crate::core::name::{AgentName, visible};
use crate::core::problem::{ErrorClass, Problem as _};
use crate::services::{Error, WorkerControl, WorkerLog, WorkerNotice, WorkerOptions};

/// How often `worker logs --follow` reads on.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// Most bytes of a log in an answer in JSON, its last ones.
const JSON_TEXT_BYTES_MAX: u64 = 64 << 10;
/// Most commands at once.
const CONCURRENCY_MAX: u64 = 1_000;

/// Claim ready tasks for an agent and run a command for each
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
The command is run by `sh -c` at the root of the worktree. It gets the payload as JSON on standard input, and
MYCELIUM_ROOT, MYCELIUM_AGENT, MYCELIUM_TASK, MYCELIUM_FENCE, MYCELIUM_ATTEMPT, MYCELIUM_IDEMPOTENCY_KEY and
MYCELIUM_RESULT (a file) in its environment.

  exit 0    completed; the result is what was written to $MYCELIUM_RESULT as JSON, else the last line of standard
            output that is a JSON object, else the end of standard output
  exit 75   run again in a while, at most 10 times or until the task's timeout
  other     failed, with the last lines of standard error

What it leaves running is ended with it. Without `--exec` the user's setting `worker.command` is run.

Example:
  mycelium worker --agent ann --type train-model --concurrency 2 --exec './train.sh'"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The agent for which tasks are claimed [default: as `--as`]
    #[arg(long = "agent", value_name = "NAME")]
    of_agent: Option<AgentName>,
    /// Only tasks of this type; repeatable
    #[arg(long = "type", value_name = "TYPE")]
    kinds: Vec<String>,
    /// How many commands run at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=CONCURRENCY_MAX))]
    concurrency: u64,
    /// The command, for `sh -c` [default: the setting `worker.command`]
    #[arg(long = "exec", value_name = "CMD", allow_hyphen_values = true)]
    exec: Option<String>,
    /// Work until nothing is ready, then stop
    #[arg(long)]
    once: bool,
    /// When asked to stop, let running commands end
    #[arg(long)]
    drain: bool,
    /// For how long a claim lasts without a heartbeat, such as `5m` [default: the setting `claim.lease`]
    #[arg(long, value_name = "SPAN", value_parser = lease_span)]
    lease: Option<Duration>,
}

/// Other commands about workers.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the command of a task printed
    Logs(Logs),
}

/// Show what the command of a task printed
#[derive(Debug, clap::Args)]
struct Logs {
    /// The task's id, or the beginning of it
    id: String,
    /// Go on until the command has ended
    #[arg(short, long)]
    follow: bool,
    /// Of this attempt [default: the last one]
    #[arg(long, value_name = "N")]
    attempt: Option<u64>,
}

/// Works, or shows a log.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    match &args.command {
        Some(Command::Logs(args)) => logs(args, session),
        None => work(args, session).map(|()| None),
    }
}

fn work(args: &Args, session: &Session) -> Result<(), ErrorReport> {
    let project = session.open()?;
    let agent = args.of_agent.clone().or_else(|| project.agent().cloned()).ok_or(Error::NoAgent)?;
    let options = WorkerOptions {
        agent,
        command: args.exec.clone(),
        kinds: args.kinds.clone(),
        concurrency: usize::try_from(args.concurrency).unwrap_or(1),
        lease: args.lease,
        once: args.once,
        drain: args.drain,
    };
    let head = session::head(&project)?;
    let (control, inbox) = WorkerControl::new();
    daemon::when_interrupted(move || control.stop()).map_err(|error| {
        ErrorReport::new(ErrorClass::Problem, "worker", "signals cannot be received").cause(error.to_string())
    })?;
    // From here on it waits more than it works.
    session.done();
    let report =
        project.workers().run(&options, &inbox, &mut |notice| show_notice(notice, &options, session, &head))?;
    if !session.face.json() {
        session.face.say(&format!("{} ended\n", count(report.ended, "command")));
    }
    if report.is_stopped && args.once {
        return Err(ErrorReport::new(
            ErrorClass::Interrupted,
            "interrupted",
            "the worker was stopped before it was done",
        ));
    }
    Ok(())
}

/// Shows one notice. A reader that goes away stops no work.
fn show_notice(notice: &WorkerNotice, options: &WorkerOptions, session: &Session, head: &AnswerHead) {
    if session.face.json() {
        if !matches!(notice, WorkerNotice::Ready | WorkerNotice::Stopping) {
            let _ = print_line(&envelope("worker.event", head, &worker_data(notice), &[], None));
        }
        return;
    }
    match notice {
        WorkerNotice::Ready => {
            let kinds =
                if options.kinds.is_empty() { String::new() } else { format!(" of type {}", options.kinds.join(", ")) };
            let end = if options.once { "" } else { "; Ctrl-C stops it" };
            session.face.say(&format!("{} takes tasks{}{end}\n", options.agent, visible(&kinds)));
        }
        WorkerNotice::Stopping => session.face.say("stopping; a second signal kills what runs\n"),
        WorkerNotice::Trouble(error) => {
            let mut words = format!("{} {}\n", paint(Ink::Warn, "warning:"), visible(&error.to_string()));
            words.extend(error.hint().map(|hint| render::hint(&hint)));
            session.face.say(&words);
        }
        other => {
            let _ = worker_line(other).map(|line| print(&format!("{line}\n")));
        }
    }
}

fn logs(args: &Logs, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let project = session.open_any()?;
    let mut log = project.workers().log(&args.id, args.attempt)?;
    if !args.follow && session.face.json() {
        let mut answer = session::answer("worker.logs", &project)?;
        log.reader.skip_to_last(JSON_TEXT_BYTES_MAX).map_err(unreadable)?;
        let mut text = Vec::new();
        read_on(&mut log, &mut |bytes| {
            text.extend(bytes);
            Ok(())
        })?;
        text.extend(log.reader.read_lost_end().map_err(unreadable)?);
        let start = text.len().saturating_sub(usize::try_from(JSON_TEXT_BYTES_MAX).unwrap_or(usize::MAX));
        answer.data = worker_log_data(&log, &String::from_utf8_lossy(&text[start..]));
        return Ok(Some(answer));
    }
    let head = session::head(&project)?;
    session.done();
    let mut text = LogText::default();
    let mut show = |bytes: &[u8], log: &WorkerLog| -> Result<(), ErrorReport> {
        let piece = text.next(bytes);
        if piece.is_empty() {
            return Ok(());
        }
        if session.face.json() {
            return print_line(&envelope("worker.log", &head, &worker_log_data(log, &piece), &[], None));
        }
        print(&piece)
    };
    follow(&mut log, args.follow, session, &mut show)?;
    Ok(None)
}

/// Shows a piece of a log.
type ShowLog<'a> = &'a mut dyn FnMut(&[u8], &WorkerLog) -> Result<(), ErrorReport>;

/// Shows a log to its end, or to what is its end now.
fn follow(log: &mut WorkerLog, is_followed: bool, session: &Session, show: ShowLog<'_>) -> Result<(), ErrorReport> {
    let mut is_noted = false;
    loop {
        // Seen before it is read: what was printed last is read then.
        let is_live = log.reader.is_live().map_err(Error::from)?;
        loop {
            let bytes = log.reader.read().map_err(unreadable)?;
            if bytes.is_empty() {
                break;
            }
            show(&bytes, log)?;
        }
        if is_live && log.reader.is_full() && !is_noted {
            is_noted = true;
            session.face.say("the log is full; the end of the output follows when the command has ended\n");
        }
        if !is_live || !is_followed {
            break;
        }
        std::thread::sleep(FOLLOW_EVERY);
    }
    let end = log.reader.read_lost_end().map_err(unreadable)?;
    show(&end, log)
}

fn read_on(log: &mut WorkerLog, take: &mut dyn FnMut(Vec<u8>) -> Result<(), ErrorReport>) -> Result<(), ErrorReport> {
    loop {
        let bytes = log.reader.read().map_err(unreadable)?;
        if bytes.is_empty() {
            return Ok(());
        }
        take(bytes)?;
    }
}

/// Makes text of pieces that may end within a character.
#[derive(Debug, Default)]
struct LogText {
    rest: Vec<u8>,
}

impl LogText {
    fn next(&mut self, bytes: &[u8]) -> String {
        self.rest.extend(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let text = String::from_utf8_lossy(&self.rest[..whole]).into_owned();
        self.rest.drain(..whole);
        text
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a `Result`")]
fn unreadable(error: std::io::Error) -> ErrorReport {
    ErrorReport::new(ErrorClass::Problem, "log-unreadable", "the log cannot be read").cause(error.to_string())
}
