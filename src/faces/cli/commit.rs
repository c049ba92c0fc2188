//! `commit`: commits what is not committed yet; tells what is held back and why.

use std::fmt::Write as _;

use super::answer::Answer;
use super::render::{self, Ink, finding, paint};
use super::session::{self, Session};
use super::write;
use crate::api::view::{ErrorReport, Exit, ITEMS_DEFAULT, WriteState, commit_data, document_path};
use crate::core::diagnostic::{Code, Diagnostic, Severity};
use crate::core::engine::Force;
use crate::core::name::visible;
use crate::services::CommitReport;

/// Commit what is not committed yet
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also commit what is held back: files that cannot be read, many deletions at once
    #[arg(long)]
    force: bool,
}

/// Commits.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    // To ask for a commit is to want one, whatever happens by itself.
    let project = session.open_with(vec![("commit.auto".to_owned(), "true".to_owned())])?;
    let report = project.commits().commit_all(if args.force { Force::Yes } else { Force::No })?;
    let mut answer = session::answer("commit", &project)?;
    for (revision, subject) in &report.done.revisions {
        let _ = writeln!(answer.text, "{}  {}", paint(Ink::Warn, revision.short()), visible(subject));
    }
    if !report.done.revisions.is_empty() && project.commits().is_on_no_branch() {
        answer.words.push_str(&write::no_branch_hint());
    }
    if report.done.revisions.is_empty() && report.held.is_empty() && report.done.waiting.is_none() {
        answer.words.push_str("nothing to commit\n");
    }
    for held in report.held.iter().take(ITEMS_DEFAULT) {
        let _ = writeln!(
            answer.words,
            "{} {}: {}",
            paint(Ink::Warn, "held back:"),
            visible(&document_path(&project, &held.path)),
            visible(&held.why.to_string())
        );
        if let Some(hint) = held.why.hint() {
            answer.words.push_str(&render::hint(&hint));
        }
    }
    if report.held.len() > ITEMS_DEFAULT {
        let _ = writeln!(answer.words, "… and {} more", report.held.len() - ITEMS_DEFAULT);
    }
    if let Some(waiting) = &report.done.waiting {
        let _ = writeln!(answer.words, "{} {}", paint(Ink::Warn, "not committed:"), visible(&waiting.to_string()));
        if let Some(hint) = waiting.hint() {
            answer.words.push_str(&render::hint(&hint));
        }
    }
    let lacking = project.history().put_back_findings()?;
    // Those that are kept are among `lacking`; an error is one that could not be kept.
    let is_kept = |one: &Diagnostic| one.code == Code::PutBack && one.severity != Severity::Error;
    answer.findings = report.done.findings.iter().filter(|one| !is_kept(one)).cloned().chain(lacking).collect();
    answer.words.extend(answer.findings.iter().map(|one| finding(one, project.folder(), None)));
    answer.data = commit_data(&project, &report);
    let newest = report.done.revisions.last().map(|(revision, _)| revision);
    answer.written = Some(WriteState::new(newest, report.done.waiting.as_ref()));
    answer.exit = exit(&report);
    Ok(answer)
}

/// 0 says that everything is committed.
fn exit(report: &CommitReport) -> Exit {
    match &report.done.waiting {
        Some(waiting) if waiting.is_soon_over() => Exit::Busy,
        None if report.held.is_empty() => Exit::Ok,
        Some(_) | None => Exit::Problems,
    }
}
