//! `bridge push` and `bridge pull`: one exchange at once, a line for each document.

use std::fmt::Write as _;

use crate::api::view::{ErrorReport, Exit, ITEMS_DEFAULT, bridge_passes_data, count, document_path};
use crate::core::name::visible;
use crate::core::problem::Problem;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::render::{self, Ink, paint};
use crate::faces::cli::session::{self, Session};
use crate::services::{BackendId, BackendPass, Direction, Error, PassOptions, PassReport, Project};

/// Exchange with the server, at once
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "It ends with 1 if something is held back or cannot be used, with 4 if a person must decide between both \
versions, with 75 if the server is not to be reached."
)]
pub(crate) struct Args {
    /// With this backend alone: redis or taskqueue [default: each that is enabled]
    #[arg(long, value_enum, hide_possible_values = true)]
    backend: Option<BackendWord>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Also do what is held back because it is too much at once
    #[arg(long)]
    force: bool,
}

/// A backend by its word.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum BackendWord {
    /// A Redis or Valkey server
    Redis,
    /// A `TaskQueue` MCP server
    #[value(name = "taskqueue")]
    TaskQueue,
}

impl BackendWord {
    pub(super) const fn id(self) -> BackendId {
        match self {
            Self::Redis => BackendId::Redis,
            Self::TaskQueue => BackendId::TaskQueue,
        }
    }
}

/// What is here goes there.
pub(super) fn push(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    run("bridge.push", Direction::Push, args, session)
}

/// What is there comes here.
pub(super) fn pull(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    run("bridge.pull", Direction::Pull, args, session)
}

fn run(kind: &'static str, direction: Direction, args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let options = PassOptions { direction, dry_run: args.dry_run, force: args.force, removes_many: false };
    let mut answer = session::answer(kind, &project)?;
    let done = project.bridge().sync_once(args.backend.map(BackendWord::id), options)?;
    if done.iter().all(|pass| pass.done.is_err()) {
        return Err(done.into_iter().find_map(|pass| pass.done.err()).unwrap_or(Error::NoServer).into());
    }
    answer.data = bridge_passes_data(&project, &done);
    let is_one = done.len() == 1;
    for BackendPass { backend, done } in &done {
        if !is_one {
            let _ = writeln!(answer.words, "{}", paint(Ink::Dim, backend.word()));
        }
        match done {
            Ok(report) => {
                answer.text.push_str(&text(&project, report));
                answer.words.push_str(&words(&project, report));
            }
            Err(error) => {
                let _ = writeln!(answer.words, "{} {}", paint(Ink::Bad, "error:"), visible(&error.to_string()));
                answer.words.extend(error.hint().as_deref().map(render::hint));
            }
        }
    }
    let exits: Vec<Exit> = done.iter().map(|pass| pass.done.as_ref().map_or(Exit::Busy, exit)).collect();
    let worst = [Exit::Conflict, Exit::Problems, Exit::Busy].into_iter().find(|exit| exits.contains(exit));
    answer.exit = worst.unwrap_or(Exit::Ok);
    Ok(answer)
}

fn exit(report: &PassReport) -> Exit {
    if !report.conflicts.is_empty() {
        Exit::Conflict
    } else if !report.held.is_empty() || !report.garbage.is_empty() || report.mass.is_some() {
        Exit::Problems
    } else {
        Exit::Ok
    }
}

/// `sent  task-7: running`, a line for each document.
fn text(project: &Project, report: &PassReport) -> String {
    let mut out = String::new();
    for (word, all) in [("sent", &report.sent), ("came", &report.came)] {
        for (path, what) in all.iter().take(ITEMS_DEFAULT) {
            let _ = writeln!(out, "{word}  {}  {}", visible(&document_path(project, path)), visible(what));
        }
        if all.len() > ITEMS_DEFAULT {
            let _ = writeln!(out, "{word}  … and {} more", all.len() - ITEMS_DEFAULT);
        }
    }
    out
}

fn words(project: &Project, report: &PassReport) -> String {
    let mut out = String::new();
    for (word, all) in [("held:", &report.held), ("cannot be used:", &report.garbage)] {
        for (name, why) in all.iter().take(ITEMS_DEFAULT) {
            let _ = writeln!(out, "{} {}: {}", paint(Ink::Warn, word), visible(name), visible(why));
        }
        if all.len() > ITEMS_DEFAULT {
            let _ = writeln!(out, "{} … and {} more", paint(Ink::Warn, word), all.len() - ITEMS_DEFAULT);
        }
    }
    for (path, one) in report.conflicts.iter().take(ITEMS_DEFAULT) {
        let line = format!("{}: both sides say something else ({})", one.what, one.rule);
        let file = document_path(project, path);
        let _ = writeln!(out, "{} {}: {}", paint(Ink::Bad, "conflict:"), visible(&file), visible(&line));
    }
    if let Some((path, _)) = report.conflicts.first() {
        out.push_str(&render::hint(&format!("run `mycelium resolve {}`", path.stem())));
    }
    if let Some(removal) = &report.mass {
        let _ = writeln!(out, "{} {removal}", paint(Ink::Warn, "held:"));
        let _ = writeln!(out, "{} look with `--dry-run`, then give `--force`", paint(Ink::Hint, "hint:"));
    }
    let would = if report.is_dry { "would be " } else { "" };
    let (sent, came) = (count(report.sent.len(), "document"), count(report.came.len(), "document"));
    let removed =
        if report.removed > 0 { format!(", {} removed there", count(report.removed, "key")) } else { String::new() };
    let _ = match (report.sent.len(), report.came.len(), report.removed) {
        (0, 0, 0) => writeln!(out, "nothing to exchange ({} ms)", report.took.as_millis()),
        _ => writeln!(out, "{would}sent: {sent}, {would}taken: {came}{removed} ({} ms)", report.took.as_millis()),
    };
    out
}
