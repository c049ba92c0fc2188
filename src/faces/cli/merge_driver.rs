//! `merge-driver`: what git calls to merge a document. Needs no project, commits nothing, starts no program.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::answer::Answer;
use super::render::{Ink, paint};
use crate::api::view::{AnswerHead, ErrorReport, Exit, merge_data};
use crate::core::merge::{Conflict, Decision};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::services;

/// Longest value told of a conflict, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// Merge three versions of a document, as git asks for it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Git calls it once `mycelium init --merge-driver` has been run. The result replaces OURS. It ends with 0 if all is merged, with
1 if conflicts are left in it, and with another number if it could do nothing; then OURS is as it was.")]
pub(crate) struct Args {
    /// The version that both came from (git's %O); empty if there is none
    base: PathBuf,
    /// The version that is checked out (%A)
    ours: PathBuf,
    /// The other version (%B)
    theirs: PathBuf,
    /// Where the file lies in the repository (%P)
    path: String,
}

/// Merges.
pub(crate) fn run(args: &Args) -> Result<Answer, ErrorReport> {
    let merged = services::merge_files(&args.base, &args.ours, &args.theirs, &args.path).map_err(|error| {
        let failure = ErrorReport::from(error);
        // 1 says that conflicts are left in the file, and nothing of the kind happened.
        let class = if failure.class == ErrorClass::Problem { ErrorClass::Usage } else { failure.class };
        ErrorReport { class, hint: None, ..failure }
    })?;
    let mut answer = Answer::new("merge-driver", AnswerHead::default());
    answer.words = told(&args.path, &merged.decisions, &merged.conflicts);
    answer.data = merge_data(&args.path, &merged);
    answer.exit = if merged.conflicts.is_empty() { Exit::Ok } else { Exit::Problems };
    Ok(answer)
}

/// What was decided and what was not, a line each.
pub(crate) fn told(path: &str, decisions: &[Decision], conflicts: &[Conflict]) -> String {
    let mut out = String::new();
    let path = visible(path);
    for one in decisions {
        let Decision { what, kept, lost, rule, .. } = one;
        let who = match (&one.loser, &one.winner) {
            (Some(loser), Some(winner)) => format!("; {loser} loses it to {winner}"),
            (Some(loser), None) => format!("; {loser} loses it"),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "{path}: {}: {} stands, {} gives way ({}){who}",
            visible(what),
            short(kept),
            short(lost),
            visible(rule)
        );
    }
    for one in conflicts {
        let Conflict { what, ours, theirs, rule } = one;
        let _ = writeln!(
            out,
            "{path}: {} {}: ours {}, theirs {} ({})",
            paint(Ink::Warn, "conflict in"),
            visible(what),
            short(ours),
            short(theirs),
            visible(rule)
        );
    }
    out
}

/// A value in one line, in quotes.
fn short(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "nothing".to_owned();
    }
    let line: String = text.lines().map(str::trim).collect::<Vec<_>>().join(" / ");
    let cut: String = line.chars().take(VALUE_CHARS_MAX).collect();
    let more = if cut.len() < line.len() { "…" } else { "" };
    format!("`{}{more}`", visible(&cut))
}
