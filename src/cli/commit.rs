//! `commit`: commits what is not committed yet; tells what is held back and why.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::Answer;
use super::envelope::Written;
use super::exit::Exit;
use super::failure::Failure;
use super::render::{Ink, paint};
use super::session::{self, Session};
use super::show;
use crate::engine::Force;
use crate::name::visible;
use crate::runner::{CommitReport, Waiting};

/// Commit what is not committed yet
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also commit what is held back: files that cannot be read, many deletions at once
    #[arg(long)]
    force: bool,
}

/// Commits.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    // To ask for a commit is to want one, whatever happens by itself.
    let workspace = session.open_with(vec![("commit.auto".to_owned(), "true".to_owned())])?;
    let report = workspace.commit_all(if args.force { Force::Yes } else { Force::No })?;
    let mut answer = session::answer("commit", &workspace)?;
    let file = |path: &crate::name::DocPath| show::file(&workspace, path);
    for (revision, subject) in &report.done.revisions {
        let _ = writeln!(answer.text, "{}  {}", paint(Ink::Warn, revision.short()), visible(subject));
    }
    if report.done.revisions.is_empty() && report.held.is_empty() && report.done.waiting.is_none() {
        answer.words.push_str("nothing to commit\n");
    }
    for held in &report.held {
        let _ = writeln!(
            answer.words,
            "{} {}: {}",
            paint(Ink::Warn, "held back:"),
            visible(&file(&held.path)),
            visible(&held.why.to_string())
        );
        if let Some(hint) = held.why.hint() {
            let _ = writeln!(answer.words, "{} {}", paint(Ink::Hint, "hint:"), visible(&hint));
        }
    }
    if let Some(waiting) = &report.done.waiting {
        let _ = writeln!(answer.words, "{} {}", paint(Ink::Warn, "not committed:"), visible(&waiting.to_string()));
        if let Some(hint) = waiting.hint() {
            let _ = writeln!(answer.words, "{} {}", paint(Ink::Hint, "hint:"), visible(&hint));
        }
    }
    answer.data = json!({
        "revisions": report.done.revisions.iter().map(|(revision, subject)| json!({
            "revision": revision.as_str(), "subject": subject,
        })).collect::<Vec<_>>(),
        "held": report.held.iter().map(|held| json!({
            "path": file(&held.path), "why": held.why.to_string(), "hint": held.why.hint(),
        })).collect::<Vec<_>>(),
    });
    answer.written = Some(Written {
        committed: report.done.revisions.last().map(|(revision, _)| revision.to_string()),
        waiting: report.done.waiting.as_ref().map(ToString::to_string),
    });
    answer.exit = exit(&report);
    Ok(answer)
}

/// 0 says that everything is committed.
fn exit(report: &CommitReport) -> Exit {
    match &report.done.waiting {
        Some(Waiting::Busy(_) | Waiting::Committer | Waiting::Moving | Waiting::Watcher) => Exit::Busy,
        None if report.held.is_empty() => Exit::Ok,
        Some(_) | None => Exit::Problems,
    }
}
