//! `task list`: the tasks that are asked for, those under way first, with what each waits for.

use serde_json::{Value, json};

use crate::cli::answer::Answer;
use crate::cli::envelope::Item;
use crate::cli::failure::Failure;
use crate::cli::list::{self, Part, Rows};
use crate::cli::render::{Cell, cut, status};
use crate::cli::session::Session;
use crate::cli::show;
use crate::entity::{Priority, Task, TaskStatus};
use crate::name::{AgentName, DocId, Kind};
use crate::runner::Scope;
use crate::snapshot::{Cause, Outlook, Queue, Root};

/// Columns of a title in the table; `task get` shows all of it.
const TITLE_COLUMNS_MAX: usize = 48;

/// List tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only tasks with this status: pending, running, completed or failed
    #[arg(long)]
    status: Option<TaskStatus>,
    /// Only this agent's tasks
    #[arg(long, value_name = "AGENT")]
    assigned_to: Option<AgentName>,
    /// Archived tasks too
    #[arg(long)]
    archived: bool,
    #[command(flatten)]
    part: Part,
}

/// Lists the tasks.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    let snapshot = workspace.snapshot(if args.archived { Scope::All } else { Scope::Named })?;
    let queue = snapshot.queue();
    let mut rows = Rows::new("task.list", &["ID", "STATUS", "PRIORITY", "ASSIGNED TO", "WHAT", "WAITS FOR"]);
    for entry in snapshot.of_kind(Kind::Task).filter(|entry| args.archived || !entry.path.is_archived()) {
        let Some(task) = entry.task() else {
            rows.unreadable(&workspace, entry);
            continue;
        };
        if args.status.is_some_and(|status| status != task.status)
            || args.assigned_to.is_some() && args.assigned_to != task.assigned_to
        {
            continue;
        }
        let item = item(task, &queue, &show::file(&workspace, &entry.path));
        rows.push(Item { key: key(task), value: (item, cells(task, &queue)) });
    }
    rows.answer(&workspace, &args.part)
}

/// Running ones first, then what is to be done, then what failed, then what is done; the most urgent first.
fn key(task: &Task) -> String {
    let rank = match task.status {
        TaskStatus::Running => 0,
        TaskStatus::Pending => 1,
        TaskStatus::Failed => 2,
        TaskStatus::Completed => 3,
    };
    let urgency = Priority::ALL.iter().rev().position(|priority| *priority == task.priority).unwrap_or(9);
    list::key(rank, urgency, task.created, &task.id)
}

fn item(task: &Task, queue: &Queue<'_>, path: &str) -> Value {
    json!({
        "id": task.id.as_str(),
        "status": task.status.word(),
        "outlook": queue.outlook(task).word(),
        "ready": queue.outlook(task) == Outlook::Ready,
        "priority": task.priority.word(),
        "assigned_to": task.assigned_to.as_ref().map(AgentName::as_str),
        "type": task.kind,
        "title": task.title,
        "progress": task.progress,
        "depends_on": task.depends_on.iter().map(DocId::as_str).collect::<Vec<_>>(),
        "waits_for": queue.waits_for(task).iter().map(|blocker| blocker.id.as_str()).collect::<Vec<_>>(),
        "path": path,
    })
}

fn cells(task: &Task, queue: &Queue<'_>) -> Vec<Cell> {
    let word = match queue.outlook(task) {
        Outlook::Blocked => Outlook::Blocked.word(),
        _ => task.status.word(),
    };
    let title = task.title.as_deref().unwrap_or(&task.kind);
    vec![
        task.id.as_str().into(),
        status(word),
        task.priority.word().into(),
        task.assigned_to.as_ref().map_or("", |name| name.as_str()).into(),
        cut(title, Some(TITLE_COLUMNS_MAX)).into(),
        reason(task, queue).into(),
    ]
}

/// What a pending task still waits for (`task-1 (running), task-2 (missing)`), and what blocks it.
pub(crate) fn reason(task: &Task, queue: &Queue<'_>) -> String {
    let waits = queue.waits_for(task).iter();
    let waits = waits.map(|blocker| format!("{} ({})", blocker.id, blocker.why.word())).collect::<Vec<_>>().join(", ");
    let root = queue.root(&task.id).filter(|_| queue.outlook(task) == Outlook::Blocked);
    told(&waits, root.as_ref())
}

/// The same from what is known already. Where the root is not what the task itself waits for, it is told too:
/// `task-2 (pending): task-1 failed`.
pub(crate) fn told(waits: &str, root: Option<&Root>) -> String {
    let Some(root) = root else { return waits.to_owned() };
    let last = root.path.last().map_or("", DocId::as_str);
    match root.cause {
        Cause::Circle => chain(&root.path),
        Cause::Duplicate if root.path.len() == 1 => "its id stands in several files".to_owned(),
        _ if root.path.len() <= 2 => waits.to_owned(),
        Cause::Failed => format!("{waits}: {last} failed"),
        Cause::Missing => format!("{waits}: {last} is missing"),
        Cause::Unreadable => format!("{waits}: {last} cannot be read"),
        Cause::Duplicate => format!("{waits}: {last} stands in several files"),
    }
}

/// Tasks that wait for each other: `a → b → a`.
pub(crate) fn chain(path: &[DocId]) -> String {
    path.iter().map(DocId::as_str).collect::<Vec<_>>().join(" → ")
}
