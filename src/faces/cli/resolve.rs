//! `resolve`: merges documents in conflict by what they say, and tells what is left to a person. Never ends a merge.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::Answer;
use super::merge_driver::{conflict, decision, told};
use super::render::{self, Ink, count, paint};
use super::session::{self, Session};
use crate::adapters::git::Operation;
use crate::api::view::{ErrorReport, Exit, WriteState, document_path};
use crate::core::merge::MergeSide;
use crate::core::name::visible;
use crate::services::{How, Project, Resolution, Resolved};

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
    let (mut merged, mut left) = (Vec::new(), Vec::new());
    for one in &done.documents {
        let file = document_path(&project, &one.path);
        if one.conflicts.is_empty() {
            let _ = writeln!(answer.text, "{}  {}", paint(Ink::Good, "resolved"), visible(&said(one, &file, &project)));
            merged.push(one);
        } else {
            let _ = writeln!(answer.text, "{}  {}", paint(Ink::Warn, "conflict"), visible(&file));
            left.push(one);
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
    let next = next(&done, left.len());
    if let Some(next) = &next {
        answer.words.push_str(&render::hint(next));
    }
    answer.data = json!({
        "resolved": merged.iter().map(|one| item(one, &project)).collect::<Vec<_>>(),
        "conflicts": left.iter().map(|one| item(one, &project)).collect::<Vec<_>>(),
        "under_way": done.under_way.map(Operation::word),
        "left": done.left,
        "next": next,
    });
    if done.documents.iter().any(|one| !one.staged && one.conflicts.is_empty()) {
        let waiting = done.waiting.as_ref().map(ToString::to_string);
        answer.written = Some(WriteState { committed: done.committed.as_ref().map(ToString::to_string), waiting });
    }
    answer.findings.clone_from(&done.findings);
    answer.exit = match (left.is_empty(), done.documents.is_empty() && done.waiting.is_some()) {
        (_, true) => Exit::Busy,
        (false, _) => Exit::Conflict,
        (true, _) => Exit::Ok,
    };
    Ok(answer)
}

/// `task-1.md: merged, staged`
fn said(one: &Resolved, file: &str, project: &Project) -> String {
    let how = match one.how {
        How::Merged => "merged",
        How::ByHand => "as it was changed by hand",
        How::Kept => "one side had removed it; the change stands",
        How::Removed => "removed on both sides",
        How::Returned => "not finished, so it leaves the archive",
    };
    let from: Vec<String> = one.from.iter().map(|path| document_path(project, path)).collect();
    let from = if from.is_empty() { String::new() } else { format!(", out of {}", from.join(", ")) };
    let staged = if one.staged { ", staged" } else { "" };
    format!("{file}  {how}{from}{staged}")
}

/// What to do next.
fn next(done: &Resolution, open: usize) -> Option<String> {
    let rebase = if done.under_way == Some(Operation::Rebase) {
        "; in a rebase `ours` is the branch that you rebase onto, `theirs` your own commit"
    } else {
        ""
    };
    if open > 0 {
        let again = "edit what is between the markers and run `mycelium resolve` again, or run `mycelium resolve --ours` or `mycelium resolve --theirs` to take one side of it";
        return Some(format!("{again}{rebase}"));
    }
    match done.under_way {
        Some(_) if done.left > 0 => Some(format!("git has {} in conflict: see `git status`", count(done.left, "file"))),
        Some(Operation::Bisect) | None => {
            let staged = done.documents.iter().any(|one| one.staged);
            staged.then(|| "run `mycelium commit` to commit what is staged; a stash that was popped is still there: `git stash drop`".to_owned())
        }
        Some(operation) => Some(format!("run `git {} --continue`", operation.word())),
    }
}

fn item(one: &Resolved, project: &Project) -> Value {
    let how = match one.how {
        _ if !one.conflicts.is_empty() => "open",
        How::Merged => "merged",
        How::ByHand => "by-hand",
        How::Kept => "kept",
        How::Removed => "removed",
        How::Returned => "returned",
    };
    json!({
        "path": document_path(project, &one.path),
        "from": one.from.iter().map(|path| document_path(project, path)).collect::<Vec<_>>(),
        "how": how,
        "staged": one.staged,
        "decisions": one.decisions.iter().map(decision).collect::<Vec<_>>(),
        "conflicts": one.conflicts.iter().map(conflict).collect::<Vec<_>>(),
        "replaced": one.replaced.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
