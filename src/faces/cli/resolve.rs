//! `resolve`: merges documents in conflict by what they say, and tells what is left to a person. Never ends a merge.

use std::fmt::Write as _;

use super::answer::Answer;
use super::merge_driver::told;
use super::render::{self, Ink, paint};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, Exit, WriteState, document_path, resolution_data, resolution_hint};
use crate::core::merge::MergeSide;
use crate::core::name::visible;
use crate::services::{Project, ResolutionKind, Resolved};

/// Merge documents in conflict by what they say, after a merge, rebase or the like that stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mycelium resolve
  mycelium resolve task-k7f3 --theirs

What is merged is staged, so that git takes it for resolved. What only you can decide stays between conflict markers and is \
listed, and the command ends with 4. `--ours` and `--theirs` mean what git means: `ours` is what is checked out, so during a \
rebase it is the branch that you rebase onto, and `theirs` is your own commit.")]
pub(crate) struct Args {
    /// Documents: a path, a file name or an id [default: all that are in conflict]
    #[arg(value_name = "FILE|ID")]
    names: Vec<String>,
    /// Take our version of what is left undecided, and of nothing else
    #[arg(long, conflicts_with = "theirs")]
    ours: bool,
    /// Take their version of what is left undecided, and of nothing else
    #[arg(long)]
    theirs: bool,
}

/// Resolves.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let side = match (args.ours, args.theirs) {
        (true, _) => Some(MergeSide::Ours),
        (_, true) => Some(MergeSide::Theirs),
        _ => None,
    };
    let done = project.conflicts().resolve(&args.names, side)?;
    let mut answer = session::answer("resolve", &project)?;
    let mut is_open = false;
    for one in &done.documents {
        let file = document_path(&project, &one.path);
        if one.conflicts.is_empty() {
            let _ = writeln!(answer.text, "{}  {}", paint(Ink::Good, "resolved"), visible(&said(one, &file, &project)));
        } else {
            let _ = writeln!(answer.text, "{}  {}", paint(Ink::Warn, "conflict"), visible(&file));
            is_open = true;
        }
        answer.words.push_str(&told(&file, &one.decisions, &one.conflicts));
    }
    if done.documents.is_empty() && done.waiting.is_none() {
        answer.words.push_str("nothing to resolve\n");
    }
    if let Some(waiting) = &done.waiting {
        let _ = writeln!(answer.words, "{} {}", paint(Ink::Warn, "waiting:"), visible(&waiting.to_string()));
    }
    answer.words.extend(done.findings.iter().map(|one| render::finding(one, project.folder(), None)));
    if let Some(next) = resolution_hint(&done) {
        answer.words.push_str(&render::hint(&next));
    }
    answer.data = resolution_data(&project, &done);
    if done.documents.iter().any(|one| !one.staged && one.conflicts.is_empty()) {
        answer.written = Some(WriteState::new(done.committed.as_ref(), done.waiting.as_ref()));
    }
    answer.findings.clone_from(&done.findings);
    answer.exit = match (is_open, done.documents.is_empty() && done.waiting.is_some()) {
        (_, true) => Exit::Busy,
        (true, _) => Exit::Conflict,
        (false, _) => Exit::Ok,
    };
    Ok(answer)
}

/// `task-1.md: merged, staged`
fn said(one: &Resolved, file: &str, project: &Project) -> String {
    let how = match one.how {
        ResolutionKind::Merged => "merged",
        ResolutionKind::ByHand => "as it was changed by hand",
        ResolutionKind::Kept => "one side had removed it; the change stands",
        ResolutionKind::Removed => "removed on both sides",
        ResolutionKind::Returned => "not finished, so it leaves the archive",
    };
    let from: Vec<String> = one.from.iter().map(|path| document_path(project, path)).collect();
    let from = if from.is_empty() { String::new() } else { format!(", out of {}", from.join(", ")) };
    let staged = if one.staged { ", staged" } else { "" };
    format!("{file}  {how}{from}{staged}")
}
