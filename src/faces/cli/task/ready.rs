//! `task ready`: what could be started now, the best first; where there is nothing, what waits and why.

use crate::api::view::{ErrorReport, ListItem, OtherTasks, ReadyRow, count, other_tasks_data, running_tasks};
use crate::core::entity::{Task, TaskStatus};
use crate::core::name::{AgentName, visible};
use crate::core::snapshot::{Outlook, Snapshot};
use crate::core::time::ago;
use crate::faces::cli::answer::{Answer, limit};
use crate::faces::cli::list::{Part, Rows};
use crate::faces::cli::render::{Cell, Ink, cut, paint};
use crate::faces::cli::session::Session;
use crate::services::{Project, Scope, TaskHolder, queue};

use super::list::reason;

/// Columns of a title in the table; `task get` shows all of it.
const TITLE_COLUMNS_MAX: usize = 48;

/// List the tasks that could be started now, the best first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this type of work
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only what this agent may take: what is assigned to it, or to no agent
    #[arg(long = "for", value_name = "AGENT")]
    taker: Option<AgentName>,
    #[command(flatten)]
    part: Part,
}

/// Most tasks with an unusable value that are named; `--json` has all.
const UNUSABLE_SHOWN_MAX: usize = 5;

/// Lists them.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let snapshot = project.documents().snapshot(Scope::Named)?;
    let holds = project.leases().holders(&snapshot)?;
    let queue = queue(&snapshot, &holds);
    let is_elsewhere = |task: &&Task| holds.get(&task.id).is_some_and(TaskHolder::is_unavailable);
    let held: Vec<&Task> =
        snapshot.tasks().filter(|task| task.status == TaskStatus::Pending).filter(is_elsewhere).collect();
    let ready: Vec<&Task> = queue.ready().into_iter().filter(|task| !is_elsewhere(task)).collect();
    let fits = |task: &&Task| {
        args.kind.as_ref().is_none_or(|kind| *kind == task.kind)
            && args.taker.as_ref().is_none_or(|taker| task.assigned_to.as_ref().is_none_or(|name| name == taker))
    };
    let all = ready.len();
    let ready: Vec<&Task> = ready.into_iter().filter(fits).collect();
    let mut rows = Rows::new("task.ready", &["ID", "PRIORITY", "TYPE", "ASSIGNED TO", "WHAT", "AGE"]);
    for (index, task) in ready.iter().enumerate() {
        // In the order of the queue.
        rows.push(ListItem { key: format!("{index:09}.{}", task.id), value: row(task, &project, &snapshot) });
    }
    let mut answer = rows.answer(&project, &args.part)?;
    let others = OtherTasks { queue: &queue, held: &held, left_out: all - ready.len() };
    answer.data["others"] = other_tasks_data(&others, &snapshot);
    if ready.is_empty() {
        answer.words = words(&others, &snapshot);
    }
    for task in others.unusable().into_iter().take(UNUSABLE_SHOWN_MAX) {
        answer.words.push_str(&visible(&format!("{} is blocked: {}", task.id, reason(task, &queue))));
        answer.words.push('\n');
    }
    Ok(answer)
}

fn row(task: &Task, project: &Project, snapshot: &Snapshot) -> (ReadyRow, Vec<Cell>) {
    let age = task.created.map_or_else(String::new, |at| ago(at, project.now()));
    let title = task.title.as_deref().filter(|title| *title != task.kind).unwrap_or_default();
    let cells = vec![
        task.id.as_str().into(),
        task.priority.word().into(),
        task.kind.as_str().into(),
        task.assigned_to.as_ref().map_or("", |name| name.as_str()).into(),
        cut(title, limit(TITLE_COLUMNS_MAX)).into(),
        Cell::new(Ink::Dim, &age),
    ];
    (ReadyRow::new(task, project, snapshot), cells)
}

/// One line for an empty list: what there is instead, and why the first of it is not ready.
fn words(others: &OtherTasks<'_>, snapshot: &Snapshot) -> String {
    let (waiting, blocked) = (others.queue.with(Outlook::Waiting), others.queue.with(Outlook::Blocked));
    let running = running_tasks(snapshot);
    let mut parts = Vec::new();
    if others.left_out > 0 {
        parts.push(format!("{} for others or of another type", count(others.left_out, "ready task")));
    }
    if !others.held.is_empty() {
        parts.push(format!("{} held or finished in other worktrees", count(others.held.len(), "task")));
    }
    if running > 0 {
        parts.push(format!("{running} running"));
    }
    for (tasks, word, by) in [(&waiting, "waiting", "for"), (&blocked, "blocked", "by")] {
        if let Some(first) = tasks.first() {
            let why = reason(first, others.queue);
            parts.push(format!("{} {word} ({} {by} {why})", tasks.len(), first.id));
        }
    }
    if parts.is_empty() {
        return "nothing is ready: there is no pending task\n".to_owned();
    }
    let words = format!("nothing is ready: {}\n", visible(&parts.join(", ")));
    match waiting.first().or_else(|| blocked.first()) {
        Some(first) => words + &format!("{} run `mycelium why {}`\n", paint(Ink::Hint, "hint:"), first.id),
        None => words,
    }
}
