//! `restore`: lists what is missing from documents and can be brought back, and brings it back.

use std::fmt::Write as _;

use super::answer::Answer;
use super::merge_driver::told;
use super::render::{self, Ink, finding, listed, paint};
use super::session::{self, Session};
use crate::api::view::{
    ErrorReport, Exit, ITEMS_DEFAULT, WriteState, count, dismissal_data, document_path, restorable_data, restore_data,
};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::services::{Project, Restorable, RestoreReport, Waiting};

/// Bring back what git put back before it was committed, and documents that were removed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mycelium restore
  mycelium restore task-k7f3
  mycelium restore --dismiss op-4k2j9w

`git rebase --abort`, `git stash`, `git checkout -- .` and the like replace documents while commits wait. What an agent had \
written by then is kept, and brought back only by this command: it is merged with what the document holds now. A document that \
the newest commit has and the folder lacks comes back whole. Without a name everything that can be brought back is listed.")]
pub(crate) struct Args {
    /// Operations or documents: an id, or a unique beginning of it [default: list them]
    #[arg(value_name = "OP|ID")]
    names: Vec<String>,
    /// Everything that was put back in this worktree, and every document that was removed
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Forget what was put back, for good, instead of bringing it back
    #[arg(long)]
    dismiss: bool,
}

/// Restores.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let restorable = project.history().restorable()?;
    let chosen = if args.all {
        let mut all = restorable;
        all.operations.retain(|one| one.elsewhere.is_none());
        all
    } else if args.names.is_empty() {
        if args.dismiss {
            let message = "missing what to dismiss";
            return Err(ErrorReport::new(ErrorClass::Usage, "usage", message)
                .hint("name an operation or a document, or pass --all"));
        }
        return list(&project, &restorable);
    } else {
        let (chosen, unknown) = restorable.select(&args.names);
        if let Some(name) = unknown.first() {
            let message = format!("nothing that can be brought back is called `{}`", visible(name));
            let hint = restorable.waiting.as_ref().map_or_else(
                || "run `mycelium restore` to list what can be brought back".to_owned(),
                |waiting| format!("{waiting}; what git put back is known afterwards"),
            );
            return Err(ErrorReport::new(ErrorClass::NotFound, "not-found", message).hint(visible(&hint)));
        }
        chosen
    };
    if args.dismiss { dismiss(&project, &chosen) } else { bring_back(&project, &chosen) }
}

fn list(project: &Project, restorable: &Restorable) -> Result<Answer, ErrorReport> {
    let mut answer = session::answer("restore", project)?;
    for one in restorable.operations.iter().take(ITEMS_DEFAULT) {
        let place = one.elsewhere.as_ref().map_or_else(String::new, |name| format!(", put back in worktree {name}"));
        let id = paint(Ink::Warn, one.id.as_str());
        let _ = writeln!(answer.text, "{id}  {}  {}{}", one.at, visible(&one.subject), visible(&place));
        let _ = writeln!(answer.text, "    {}", paint(Ink::Dim, &format!("git show {}", one.reference())));
    }
    for path in restorable.removed.keys().take(ITEMS_DEFAULT) {
        let _ = writeln!(answer.text, "{}  removed from the folder", visible(&document_path(project, path)));
    }
    let total = restorable.operations.len() + restorable.removed.len();
    let shown = restorable.operations.len().min(ITEMS_DEFAULT) + restorable.removed.len().min(ITEMS_DEFAULT);
    if let Some(waiting) = &restorable.waiting {
        let waiting = visible(&waiting.to_string());
        let _ = writeln!(answer.words, "not committed yet: {waiting}; what git put back is known afterwards");
    }
    if total == 0 {
        answer.words.push_str("nothing to restore\n");
    } else {
        if shown < total {
            let _ = writeln!(answer.words, "{shown} of {total} shown");
        }
        let hint = "`mycelium restore OP|ID` brings one back, `mycelium restore --all` all of them; `--dismiss` forgets what git put back";
        answer.words.push_str(&render::hint(hint));
    }
    answer.data = restorable_data(project, restorable);
    Ok(answer)
}

fn dismiss(project: &Project, chosen: &Restorable) -> Result<Answer, ErrorReport> {
    let dropped = project.history().dismiss(&chosen.operations)?;
    let mut answer = session::answer("restore", project)?;
    for one in &chosen.operations {
        let _ = writeln!(answer.text, "{}  dismissed: {}", one.id, visible(&one.subject));
    }
    if chosen.operations.is_empty() {
        answer.words.push_str("nothing to dismiss: a document that was removed is no operation; `mycelium commit --force` commits its removal\n");
    }
    answer.data = dismissal_data(&dropped);
    Ok(answer)
}

fn bring_back(project: &Project, chosen: &Restorable) -> Result<Answer, ErrorReport> {
    let done = project.history().restore(chosen)?;
    let mut answer = session::answer("restore", project)?;
    let mut is_open = false;
    for one in &done.documents {
        let file = document_path(project, &one.path);
        let operations: Vec<&str> = one.operations.iter().map(AsRef::as_ref).collect();
        let what = if operations.is_empty() { String::new() } else { format!(": {}", listed(&operations)) };
        if one.conflicts.is_empty() {
            let _ = writeln!(answer.text, "{}  {}", paint(Ink::Good, "restored"), visible(&format!("{file}{what}")));
        } else {
            is_open = true;
            let _ = writeln!(answer.text, "{}  {}", paint(Ink::Warn, "conflict"), visible(&file));
        }
        answer.words.push_str(&told(&file, &one.decisions, &one.conflicts));
        if let Some(reference) = &one.reference {
            let hint = format!(
                "the document is as it was; see what was written with `git show {reference}`, take over what should stay, then run `mycelium restore --dismiss {}`",
                one.path.stem()
            );
            answer.words.push_str(&render::hint(&hint));
        }
    }
    if done.documents.is_empty() {
        answer.words.push_str("nothing to restore\n");
    } else if !is_open {
        let _ = writeln!(answer.words, "{} {}", count(done.documents.len(), "document"), fate(&done));
    }
    if let Some(hint) = done.waiting.as_ref().and_then(Waiting::hint) {
        answer.words.push_str(&render::hint(&hint));
    }
    answer.words.extend(done.findings.iter().map(|one| finding(one, project.folder(), None)));
    answer.findings.clone_from(&done.findings);
    answer.data = restore_data(project, &done);
    answer.written = Some(WriteState::new(done.committed.as_ref(), done.waiting.as_ref()));
    answer.exit = if is_open { Exit::Conflict } else { Exit::Ok };
    Ok(answer)
}

fn fate(done: &RestoreReport) -> String {
    match (&done.committed, &done.waiting) {
        (Some(revision), _) => format!("restored (committed {})", revision.short()),
        (None, Some(waiting)) => format!("restored (not committed yet: {})", visible(&waiting.to_string())),
        (None, None) => "restored".to_owned(),
    }
}
