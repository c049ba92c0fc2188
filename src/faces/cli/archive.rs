//! `archive`: what is done with goes into `archive/YYYY-MM/`, out of the way and still found by its id.

use std::fmt::Write as _;
use std::time::Duration;

use super::answer::Answer;
use super::render::{self, Ink, paint};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, ITEMS_DEFAULT, WriteState, archive_data, count, document_path};
use crate::core::name::visible;
use crate::core::time::parse_span;
use crate::services::{Archived, Moved, Project, Run, Wanted, quiet_span};

/// Move finished tasks and workflows, and old event logs, into the archive
#[derive(Debug, clap::Args)]
#[command(after_help = "Documents in the archive are still found by their ids, and count where others name them.")]
pub(crate) struct Args {
    /// Tasks, workflows or event logs: an id, the beginning of it, or the file name of a log [default: all that is finished]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only what has not changed for so long, as `12h` or `30d` [default without ids: `archive.after_days`, 7d]
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    older: Option<Duration>,
    /// Tell what would go, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Archives.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let (wanted, older) = if args.ids.is_empty() {
        (Wanted::Finished, Some(args.older.unwrap_or_else(|| quiet_span(project.config()))))
    } else {
        (Wanted::These(&args.ids), args.older)
    };
    let run = if args.dry_run { Run::Dry } else { Run::Real };
    let done = project.operations().archive(project.actor(), wanted, older, run)?;
    let mut answer = session::answer("archive", &project)?;
    answer.text = done.moved.iter().take(ITEMS_DEFAULT).map(|one| line(&project, one)).collect();
    answer.words = words(&project, &done, run, wanted);
    answer.data = archive_data(&project, &done, run);
    answer.findings.clone_from(&done.findings);
    answer.written = (run != Run::Dry).then(|| WriteState::new(done.committed.as_ref(), done.waiting.as_ref()));
    Ok(answer)
}

/// `task-7  .claude/coordination/archive/2025-10/task-7.md`
fn line(project: &Project, one: &Moved) -> String {
    format!("{}  {}\n", visible(&one.id), visible(&document_path(project, &one.to)))
}

fn words(project: &Project, done: &Archived, run: Run, wanted: Wanted<'_>) -> String {
    let mut out = String::new();
    let left_out = done.moved.len().saturating_sub(ITEMS_DEFAULT);
    if left_out > 0 {
        let _ = writeln!(out, "… and {left_out} more");
    }
    let count = count(done.moved.len(), "document");
    let fate = match (&done.committed, &done.waiting) {
        _ if run == Run::Dry => "nothing is moved yet".to_owned(),
        (Some(revision), _) => format!("committed {}", revision.short()),
        (None, Some(waiting)) => format!("not committed yet: {waiting}"),
        (None, None) => "saved".to_owned(),
    };
    let fate = paint(Ink::Dim, &format!("({})", visible(&fate)));
    let _ = match (done.moved.is_empty(), run) {
        (true, _) if wanted == Wanted::Finished => writeln!(out, "nothing to archive"),
        (true, _) => writeln!(out, "no changes: it is archived already"),
        (false, Run::Dry) => writeln!(out, "{count} would go into the archive {fate}"),
        (false, Run::Real | Run::Part) => writeln!(out, "{count} went into the archive {fate}"),
    };
    for kept in done.kept.iter().take(ITEMS_DEFAULT) {
        let _ =
            writeln!(out, "{} `{}`: {}", paint(Ink::Warn, "stays:"), visible(&kept.id), visible(&kept.why.to_string()));
    }
    if let Some(hint) = done.kept.first().and_then(|kept| kept.why.hint(&kept.id)) {
        out.push_str(&render::hint(&hint));
    }
    let waits = done.waiting.as_ref().and_then(crate::services::Waiting::hint);
    if let Some(hint) = waits {
        out.push_str(&render::hint(&hint));
    }
    for finding in &done.findings {
        out.push_str(&render::finding(finding, project.folder(), None));
    }
    out
}
