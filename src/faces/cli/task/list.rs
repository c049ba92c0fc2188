//! `task list`: the tasks that are asked for, those under way first, with what each waits for.

use crate::api::view::{ErrorReport, TaskRow, document_path};
use crate::core::entity::{Priority, Task, TaskStatus};
use crate::core::name::{AgentName, DocId, Kind};
use crate::core::snapshot::{Blocker, CHAIN_SHOWN_MAX, Cause, Outlook, Queue, Root};
use crate::faces::cli::answer::{Answer, limit};
use crate::faces::cli::list::{self, Part, Rows};
use crate::faces::cli::render::{Cell, cut, status};
use crate::faces::cli::session::Session;
use crate::services::{Scope, TaskHolder, queue, status_anywhere};

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
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let snapshot = project.documents().snapshot(if args.archived { Scope::All } else { Scope::Named })?;
    let holds = project.leases().holders(&snapshot)?;
    let queue = queue(&snapshot, &holds);
    let mut rows = Rows::new("task.list", &["ID", "STATUS", "PRIORITY", "ASSIGNED TO", "WHAT", "WAITS FOR"]);
    for entry in snapshot.of_kind(Kind::Task).filter(|entry| args.archived || !entry.path.is_archived()) {
        let Some(task) = entry.task() else {
            rows.unreadable(&project, entry);
            continue;
        };
        if args.status.is_some_and(|status| status != status_anywhere(task, &holds))
            || args.assigned_to.is_some() && args.assigned_to != task.assigned_to
        {
            continue;
        }
        let (queue, path) = (&queue, document_path(&project, &entry.path));
        let hold = holds.get(&task.id).filter(|hold| hold.is_unavailable());
        let key = key(task, status_anywhere(task, &holds));
        rows.push_document(&project, entry, key, move || {
            (TaskRow::new(task, queue, hold, path, reason(task, queue)), cells(task, queue, hold))
        });
    }
    rows.answer(&project, &args.part)
}

/// Running ones first, then what is to be done, then what failed, then what is done; the most urgent first.
fn key(task: &Task, status: TaskStatus) -> String {
    let rank = match status {
        TaskStatus::Running => 0,
        TaskStatus::Pending => 1,
        TaskStatus::Failed => 2,
        TaskStatus::Completed => 3,
    };
    let urgency = Priority::ALL.iter().rev().position(|priority| *priority == task.priority).unwrap_or(9);
    list::key(rank, urgency, task.created, &task.id)
}

fn cells(task: &Task, queue: &Queue<'_>, hold: Option<&TaskHolder>) -> Vec<Cell> {
    let word = match (queue.outlook(task), hold) {
        (_, Some(hold)) if !hold.state.is_held() => hold.state.word(),
        (Outlook::Blocked, _) => Outlook::Blocked.word(),
        (Outlook::Status(status), _) => status.word(),
        _ => task.status.word(),
    };
    let reason = match hold {
        Some(hold) if hold.runs_elsewhere() => {
            format!("in {} by {}", hold.elsewhere.as_deref().unwrap_or_default(), hold.by)
        }
        Some(hold) => ended_elsewhere(hold),
        None => reason(task, queue),
    };
    let title = task.title.as_deref().unwrap_or(&task.kind);
    vec![
        task.id.as_str().into(),
        status(word),
        task.priority.word().into(),
        task.assigned_to.as_ref().map_or("", |name| name.as_str()).into(),
        cut(title, limit(TITLE_COLUMNS_MAX)).into(),
        reason.into(),
    ]
}

/// Where a task was finished that is pending here, and what brings it: `in ../wb by ben; git merge wb`.
pub(crate) fn ended_elsewhere(hold: &TaskHolder) -> String {
    let place = hold.elsewhere.as_deref().unwrap_or_default();
    let merge = hold.branch.as_ref().map_or_else(String::new, |branch| format!("; git merge {branch}"));
    format!("in {place} by {}{merge}", hold.by)
}

/// What a pending task still waits for (`task-1 (running), task-2 (missing)`), and what blocks it.
pub(crate) fn reason(task: &Task, queue: &Queue<'_>) -> String {
    let root = queue.root(&task.id).filter(|_| queue.outlook(task) == Outlook::Blocked);
    if let Some(finding) = task.gates.unusable().filter(|_| root.as_ref().is_some_and(|root| root.path.length() == 1)) {
        return finding.message.clone();
    }
    let waits = queue.waits_for(task);
    let reason = told(waits, root.as_ref());
    // What is wrong with the approval that is waited for, of the first one.
    match waits.iter().find_map(|blocker| queue.approval_fault(blocker)) {
        Some(fault) => format!("{reason}: {}", fault.message),
        None => reason,
    }
}

/// The same from what is known already. Where the root is not what the task itself waits for, it is told too:
/// `task-2 (pending): task-1 failed`.
pub(crate) fn told(waits: &[Blocker], root: Option<&Root>) -> String {
    let named = waits.iter().take(CHAIN_SHOWN_MAX).map(Blocker::to_string);
    let mut named: Vec<String> = named.collect();
    if waits.len() > CHAIN_SHOWN_MAX {
        named.push(format!("… and {} more", waits.len() - CHAIN_SHOWN_MAX));
    }
    let waits = named.join(", ");
    let Some(root) = root else { return waits };
    let last = root.path.last().map_or("", DocId::as_str);
    match root.cause {
        Cause::Circle => root.path.to_string(),
        Cause::Duplicate if root.path.length() == 1 => "its id is used in several files".to_owned(),
        Cause::Unusable if root.path.length() == 1 => "it states a value that cannot be used".to_owned(),
        Cause::Failed
        | Cause::Missing
        | Cause::Unreadable
        | Cause::Skipped
        | Cause::Condition
        | Cause::Paused
        | Cause::Cancelled
            if root.path.length() <= 2 =>
        {
            waits
        }
        Cause::Failed => format!("{waits}: {last} failed"),
        Cause::Missing => format!("{waits}: {last} is missing"),
        Cause::Unreadable => format!("{waits}: {last} cannot be read"),
        Cause::Duplicate => format!("{waits}: {last} is used in several files"),
        Cause::Unusable => format!("{waits}: {last} states a value that cannot be used"),
        Cause::Skipped => format!("{waits}: {last} was skipped"),
        Cause::Condition => format!("{waits}: the condition of {last} is not met"),
        Cause::Paused => format!("{waits}: the workflow of {last} is paused"),
        Cause::Cancelled => format!("{waits}: the workflow of {last} was cancelled"),
    }
}
