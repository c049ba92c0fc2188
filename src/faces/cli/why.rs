//! `why`: why a task is ready or not, down to the root, and the one command that gets it going.

use std::fmt::Write as _;

use super::answer::{Answer, width};
use super::render::{Cell, Ink, Table, paint, status};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, NEEDS_SHOWN_MAX, TaskExplanation, shown_needs, why_data};
use crate::core::name::{AgentName, visible};
use crate::core::snapshot::{Cause, Wait};
use crate::services::{Need, TaskHolder, WhyReport};

/// Explain why a task is or is not ready, and how to unblock it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Explains it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let why = project.monitor().why(&args.id)?;
    let explanation = TaskExplanation::new(&why);
    let mut answer = session::answer("why", &project)?;
    answer.data = why_data(&project, &why, &explanation);
    answer.text = text(&why, &explanation);
    Ok(answer)
}

fn text(why: &WhyReport, explanation: &TaskExplanation) -> String {
    let task = &why.task;
    let title = task.title.as_deref().filter(|title| *title != task.id.as_str());
    let title = title.map_or_else(String::new, |title| format!("  {}", visible(title)));
    let ended = why.hold.as_ref().filter(|hold| hold.is_unavailable() && !hold.state.is_held());
    let word = status(ended.map_or_else(|| why.outlook.word(), |hold| hold.state.word())).painted();
    let mut out = format!("{}  {word}{title}\n", paint(Ink::Bold, &visible(task.id.as_str())));
    let mut table = Table::new(&[]);
    for need in shown_needs(why) {
        let met = if need.wait.is_none() { "met" } else { "" };
        table.row(vec![
            format!("  {}", need.id).into(),
            status(need_word(need)),
            need.holder.as_ref().map_or_else(String::new, |name| holder(need, name)).into(),
            Cell::new(Ink::Dim, if need.is_archived { "archived" } else { "" }),
            Cell::new(Ink::Good, met),
        ]);
    }
    out.push_str(&table.text(width()));
    if why.needs.len() > NEEDS_SHOWN_MAX {
        let _ = writeln!(out, "  … and {} more", why.needs.len() - NEEDS_SHOWN_MAX);
    }
    if let Some(root) = why.root.as_ref().filter(|root| root.path.length() > 2 && root.cause != Cause::Circle) {
        let _ = writeln!(out, "  {}", paint(Ink::Dim, &visible(&root.path.to_string())));
    }
    out.push_str(&visible(&format!("{} {}", task.id, explanation.sentence)));
    match &explanation.command {
        Some(command) => out + &format!("\n{} run `{}`\n", paint(Ink::Hint, "hint:"), visible(command)),
        None => out + "\n",
    }
}

/// By whom, and where if that is another worktree: `by ben in ../wb on wb`.
fn holder(need: &Need, name: &AgentName) -> String {
    let place = need.elsewhere.as_ref().and_then(TaskHolder::place);
    format!("by {name}{}", place.map_or_else(String::new, |place| format!(" in {place}")))
}

/// How a dependency stands, as far as the task is concerned.
fn need_word(need: &Need) -> &'static str {
    if let Some(hold) = need.elsewhere.as_ref().filter(|hold| !hold.state.is_held()) {
        return hold.state.word();
    }
    match (need.wait, need.outlook) {
        (Some(Wait::Status(_)) | None, Some(outlook)) => outlook.word(),
        (Some(wait), _) => wait.word(),
        (None, None) => "missing",
    }
}
