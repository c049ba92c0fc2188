//! `sync`: exchanges documents with a remote, and tells what came, what went, and what was decided.

use std::fmt::Write as _;

use super::answer::Answer;
use super::render::{self, Ink, paint};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, Exit, ITEMS_DEFAULT, WriteState, count, document_path, sync_data};
use crate::core::name::{DocPath, visible};
use crate::services::{DroppedCommits, LostClaim, Project, SyncOptions, SyncReport, Unpushed, way_around};

const EXAMPLES: &str = "\
Examples:
  mycelium sync
  mycelium sync --no-push
  mycelium sync --remote upstream --json

Documents are merged field by field. Where both sides say something else and no rule decides, both stand in the document \
between conflict markers, and the exit code is 4; so it is if the acting agent lost a task to another one, which is named. A \
remote that cannot be reached is exit code 75; nothing is lost then.";

/// Exchange documents with a remote: fetch, merge, push
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
pub(crate) struct Args {
    /// With this remote [default: the one that the branch tracks, else `origin`, else the only one]
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,
    /// Fetch and merge only
    #[arg(long)]
    no_push: bool,
    /// Have git merge other files too, where both sides changed some
    #[arg(long)]
    merge: bool,
    /// Also push commits that change other files
    #[arg(long)]
    with_code: bool,
    /// Merge and push although the remote's branch was rewritten, renamed or removed: what it dropped goes back there
    #[arg(long)]
    keep_dropped: bool,
}

/// Syncs.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    // To ask for an exchange is to want commits, whatever happens by itself.
    let project = session.open_with(vec![("commit.auto".to_owned(), "true".to_owned())])?;
    let Args { remote, no_push, merge, with_code, keep_dropped } = args.clone();
    let dropped = if keep_dropped { DroppedCommits::Keep } else { DroppedCommits::Refuse };
    let report = project.sync().run(&SyncOptions { remote, no_push, merge, with_code, dropped })?;
    let mut answer = session::answer("sync", &project)?;
    answer.text = text(&project, &report);
    answer.words = words(&project, &report);
    answer.data = sync_data(&project, &report);
    answer.findings.clone_from(&report.findings);
    answer.written = Some(WriteState { committed: report.tip.as_ref().map(ToString::to_string), waiting: None });
    answer.exit = exit(&report);
    Ok(answer)
}

/// 0 says that both sides have everything, but for what nobody asked for.
fn exit(report: &SyncReport) -> Exit {
    match &report.unpushed {
        Some(Unpushed::Refused { .. }) => Exit::Conflict,
        _ if !report.conflicts.is_empty() || !report.lost.is_empty() => Exit::Conflict,
        Some(Unpushed::Code { .. }) => Exit::Problems,
        Some(Unpushed::Asked { .. }) | None => Exit::Ok,
    }
}

/// `came  task-7  (ai-engineer)`, a line for each document.
fn text(project: &Project, report: &SyncReport) -> String {
    let mut out = String::new();
    for (word, all) in [("came", &report.came), ("went", &report.went_documents)] {
        for one in all.iter().take(ITEMS_DEFAULT) {
            let by: Vec<&str> = one.by.iter().map(String::as_str).collect();
            let by = paint(Ink::Dim, &format!("({})", visible(&by.join(", "))));
            let _ = writeln!(out, "{word}  {}  {by}", visible(&document_path(project, &one.path)));
        }
        if all.len() > ITEMS_DEFAULT {
            let _ = writeln!(out, "{word}  … and {} more", all.len() - ITEMS_DEFAULT);
        }
    }
    out
}

fn words(project: &Project, report: &SyncReport) -> String {
    let other = visible(&format!("{}/{}", report.remote, report.branch));
    let hint = |text: &str| format!("{} {}\n", paint(Ink::Hint, "hint:"), visible(text));
    let file = |path: &DocPath| visible(&document_path(project, path));
    let mut out = String::new();
    for (path, one) in &report.decisions {
        let line = format!("{}: `{}` stands, `{}` gave way ({})", one.what, one.kept, one.lost, one.rule);
        let _ = writeln!(out, "{} {}: {}", paint(Ink::Warn, "decided:"), file(path), visible(&line));
        if let (Some(loser), Some(winner)) = (&one.loser, &one.winner) {
            let _ = writeln!(out, "  {} stays with {winner}; {loser}'s claim was dropped", path.stem());
        }
    }
    for (path, one) in &report.losses {
        let line = format!("{}: stays with {}; {}'s claim was dropped", file(path), one.winner, one.loser);
        let _ = writeln!(out, "{} {line}", paint(Ink::Warn, "decided elsewhere:"));
    }
    for LostClaim { path, loser, winner } in &report.lost {
        let by = winner.as_ref().map_or_else(String::new, |winner| format!(" to {winner}"));
        let line = format!("{loser} has lost `{}`{by}; what {loser} did is in its `## History`", path.stem());
        let _ = writeln!(out, "{} {}", paint(Ink::Bad, "lost:"), visible(&line));
    }
    if !report.lost.is_empty() {
        out.push_str(&hint("run `mycelium task claim --next` to get another one"));
    }
    for (path, one) in &report.conflicts {
        let line = format!("{}: both sides say something else ({})", one.what, one.rule);
        let _ = writeln!(out, "{} {}: {}", paint(Ink::Bad, "conflict:"), file(path), visible(&line));
    }
    if let Some((path, _)) = report.conflicts.first() {
        out.push_str(&hint(&format!("run `mycelium resolve {}`", path.stem())));
    }
    let came = count(report.came.len(), "document");
    let along =
        if report.came_along > 0 { format!(" and {}", count(report.came_along, "other file")) } else { String::new() };
    let went = count(report.went, "commit");
    let _ = match (report.came.is_empty() && report.came_along == 0, report.went) {
        (true, 0) if report.unpushed.is_none() => writeln!(out, "nothing to exchange: {other} has the same"),
        (true, 0) => writeln!(out, "nothing came from {other}"),
        (true, _) => writeln!(out, "{went} went to {other}"),
        (false, 0) => writeln!(out, "{came}{along} came from {other}"),
        (false, _) => writeln!(out, "{came}{along} came from {other}, {went} went there"),
    };
    match &report.unpushed {
        None => {}
        Some(Unpushed::Asked { commits }) => {
            let _ = writeln!(out, "not pushed: {}", count(*commits, "commit"));
            out.push_str(&hint("run `mycelium sync` to push"));
        }
        Some(Unpushed::Code { commits, paths }) => {
            let first = paths.first().map_or("", String::as_str);
            let what = format!("{} would take other files along (`{first}`)", count(*commits, "commit"));
            let _ = writeln!(out, "{} {}", paint(Ink::Warn, "not pushed:"), visible(&what));
            out.push_str(&hint("run `git push`, or `mycelium sync --with-code`"));
        }
        Some(Unpushed::Refused { why }) => {
            let _ = writeln!(out, "{} {other} does not take it: {}", paint(Ink::Bad, "not pushed:"), visible(why));
            out.push_str(&hint(&way_around()));
        }
    }
    for finding in &report.findings {
        out.push_str(&render::finding(finding, project.folder(), None));
    }
    out
}
