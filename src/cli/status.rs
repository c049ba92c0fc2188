//! `status`: what is going on at one glance. Only looks.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, width};
use super::failure::Failure;
use super::format::Wording;
use super::render::{Cell, Ink, Table, count, cut, finding, paint, status};
use super::session::{self, Session};
use super::{envelope, show, task};
use crate::entity::{Agent, Task, TaskStatus, WorkflowStatus};
use crate::name::{AgentName, DocPath, visible};
use crate::runner::{Scope, Standing, Workspace};
use crate::snapshot::{Entry, Snapshot};
use crate::time::ago;

/// Rows of each part of the overview; the rest is counted.
const ROWS_MAX: usize = 10;

/// Show what is going on: agents, tasks, what is not committed and why
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    wording: Wording,
}

/// Looks around.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    let snapshot = workspace.snapshot(Scope::Named)?;
    let standing = workspace.standing()?;
    let mut answer = session::answer("status", &workspace)?;
    let seen = Seen { workspace: &workspace, snapshot: &snapshot, standing: &standing };
    answer.data = seen.data();
    if let Some(words) = args.wording.words("status", &workspace)? {
        answer.text = words.text([&answer.data])?;
        return Ok(answer);
    }
    answer.text = Seen::headline(&answer.head)
        + &seen.agents()
        + &seen.tasks()
        + &seen.workflows()
        + &seen.unreadable()
        + &seen.history();
    answer.findings.clone_from(&workspace.config().findings);
    answer.words = answer.findings.iter().map(|one| finding(one, "", None)).collect();
    Ok(answer)
}

/// Everything the overview is made of.
struct Seen<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    standing: &'a Standing,
}

impl Seen<'_> {
    fn headline(head: &envelope::Head) -> String {
        let branch = match (&head.branch, &head.revision) {
            (Some(branch), Some(revision)) => format!(" on {branch} at {}", revision.get(..7).unwrap_or(revision)),
            (Some(branch), None) => format!(" on {branch}, without a commit yet"),
            (None, Some(revision)) => format!(" on no branch, at {}", revision.get(..7).unwrap_or(revision)),
            (None, None) => " outside git".to_owned(),
        };
        let place = visible(&format!("{}/{}", head.root, head.folder));
        format!("{}{}\n", paint(Ink::Bold, &place), visible(&branch))
    }

    fn agents(&self) -> String {
        let agents: Vec<&Agent> = self.snapshot.agents().collect();
        let mut table = Table::new(&[]);
        let now = self.workspace.now();
        for agent in agents.iter().take(ROWS_MAX) {
            let active: Vec<&str> = agent.active_tasks.iter().map(|active| active.task.as_str()).collect();
            let holds = self
                .snapshot
                .tasks()
                .filter(|task| task.status == TaskStatus::Running && holder(task) == Some(agent.name.as_str()));
            let mut tasks: Vec<&str> = holds.map(|task| task.id.as_str()).collect();
            tasks.extend(active.into_iter().filter(|active| !tasks.contains(active)).collect::<Vec<_>>());
            table.row(vec![
                format!("  {}", agent.name).into(),
                status(agent.status.word()),
                tasks.join(", ").into(),
                Cell::new(Ink::Dim, &agent.last_updated.map_or_else(String::new, |at| format!("{} ago", ago(at, now)))),
            ]);
        }
        let headline = if agents.is_empty() { "no agents".to_owned() } else { count(agents.len(), "agent") };
        part(&headline, &table, agents.len())
    }

    fn tasks(&self) -> String {
        let tasks: Vec<&Task> = self.snapshot.tasks().collect();
        let by_status =
            TaskStatus::ALL.iter().map(|status| (status, tasks.iter().filter(|task| task.status == *status).count()));
        let by_status: Vec<String> =
            by_status.filter(|(_, n)| *n > 0).map(|(status, n)| format!("{n} {status}")).collect();
        let headline = match by_status.join(", ") {
            counts if counts.is_empty() => "no tasks".to_owned(),
            counts => format!("{}: {counts}", count(tasks.len(), "task")),
        };
        let running: Vec<&&Task> = tasks.iter().filter(|task| task.status == TaskStatus::Running).collect();
        let waiting: Vec<&&Task> =
            tasks.iter().filter(|task| task.status == TaskStatus::Pending && !self.snapshot.ready(task)).collect();
        let ready = self.snapshot.ready_tasks();
        let mut table = Table::new(&[]);
        for task in running.iter().take(ROWS_MAX) {
            let by = holder(task).map_or_else(|| "by nobody".to_owned(), |name| format!("by {name}"));
            let progress = task.progress.map_or_else(String::new, |progress| format!(", {}", show::percent(progress)));
            table.row(row(task, status("running"), &format!("{by}{progress}")));
        }
        for task in ready.iter().take(ROWS_MAX) {
            let who = task.assigned_to.as_ref().map_or_else(String::new, |name| format!("for {name}"));
            table.row(row(task, status("ready"), &who));
        }
        for task in waiting.iter().take(ROWS_MAX) {
            table.row(row(task, status("blocked"), &format!("by {}", task::blockers(task, self.snapshot))));
        }
        for task in tasks.iter().filter(|task| task.status == TaskStatus::Failed).take(ROWS_MAX) {
            let why = task
                .error
                .as_ref()
                .map_or_else(String::new, |error| error.as_str().map_or_else(|| error.to_string(), ToOwned::to_owned));
            table.row(row(task, status("failed"), &why));
        }
        let failed = tasks.iter().filter(|task| task.status == TaskStatus::Failed).count();
        part(&headline, &table, running.len() + ready.len() + waiting.len() + failed)
    }

    fn workflows(&self) -> String {
        let running = self.snapshot.workflows().filter(|workflow| workflow.status == WorkflowStatus::Running);
        let running: Vec<_> = running.collect();
        if running.is_empty() {
            return String::new();
        }
        let mut table = Table::new(&[]);
        for workflow in running.iter().take(ROWS_MAX) {
            let progress = self.snapshot.workflow_progress(workflow).map_or_else(String::new, show::percent);
            let title = workflow.title.as_deref().unwrap_or(&workflow.kind);
            table.row(vec![format!("  {}", workflow.id).into(), status("running"), progress.into(), title.into()]);
        }
        part(&format!("{} running", count(running.len(), "workflow")), &table, running.len())
    }

    fn unreadable(&self) -> String {
        let mut out = String::new();
        for entry in self.snapshot.entries().filter(|entry| is_unreadable(entry)) {
            for one in entry.findings.iter().take(1) {
                out.push_str(&finding(one, self.workspace.folder(), Some(entry.document.bytes())));
            }
        }
        if out.is_empty() { out } else { format!("\n{}\n{out}", paint(Ink::Bad, "unreadable")) }
    }

    fn history(&self) -> String {
        let watcher = match &self.standing.watcher {
            Some(watcher) => {
                let process = watcher.pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
                format!("{}{process}", paint(Ink::Good, "a watcher is running"))
            }
            None if self.workspace.repository().is_none() => "history needs git: `git init` starts one".to_owned(),
            None => "no watcher is running; `mycelium watch --detach` starts one".to_owned(),
        };
        let uncommitted: Vec<String> = self.standing.uncommitted.iter().map(|path| self.why(path)).collect();
        let mut out = match (uncommitted.len(), &self.standing.waiting) {
            (0, None) => "everything is committed".to_owned(),
            (0, Some(waiting)) => format!("nothing to commit; {waiting}"),
            (n, None) => format!("{} not committed yet", count(n, "document")),
            (n, Some(waiting)) => format!("{} not committed: {waiting}", count(n, "document")),
        };
        out = visible(&out);
        for line in uncommitted.iter().take(ROWS_MAX) {
            let _ = write!(out, "\n  {}", visible(line));
        }
        if uncommitted.len() > ROWS_MAX {
            let _ = write!(out, "\n  … and {} more", uncommitted.len() - ROWS_MAX);
        }
        format!("\n{out}\n{watcher}\n")
    }

    /// A document that is not committed, with the reason where it has one of its own.
    fn why(&self, path: &DocPath) -> String {
        let held = self.standing.held.iter().find(|held| held.path == *path);
        held.map_or_else(|| path.to_string(), |held| format!("{path}  held back: {}", held.why))
    }

    fn data(&self) -> Value {
        let tasks: Vec<&Task> = self.snapshot.tasks().collect();
        let counted = TaskStatus::ALL.iter().map(|status| {
            (status.word().to_owned(), json!(tasks.iter().filter(|task| task.status == *status).count()))
        });
        let running = tasks.iter().filter(|task| task.status == TaskStatus::Running).take(ROWS_MAX);
        let blocked =
            tasks.iter().filter(|task| task.status == TaskStatus::Pending && !self.snapshot.ready(task)).take(ROWS_MAX);
        let unreadable = self.snapshot.entries().filter(|entry| is_unreadable(entry));
        json!({
            "agents": self.snapshot.agents().take(ROWS_MAX).map(|agent| json!({
                "agent": agent.name.as_str(),
                "status": agent.status.word(),
                "active_tasks": agent.active_tasks.iter().map(|active| active.task.as_str()).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "agent_count": self.snapshot.agents().count(),
            "tasks": counted.collect::<serde_json::Map<_, _>>(),
            "running": running.map(|task| json!({
                "id": task.id.as_str(), "holder": holder(task), "progress": task.progress,
            })).collect::<Vec<_>>(),
            "ready": self.snapshot.ready_tasks().iter().take(ROWS_MAX).map(|task| task.id.as_str()).collect::<Vec<_>>(),
            "blocked": blocked.map(|task| json!({
                "id": task.id.as_str(),
                "waits_for": self.snapshot.blockers(task).iter().map(|blocker| blocker.id.to_string()).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "unreadable": unreadable.take(ROWS_MAX).map(|entry| json!({
                "path": show::file(self.workspace, &entry.path),
                "findings": entry.findings.iter().map(|one| envelope::finding(self.workspace.folder(), one)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "uncommitted": self.standing.uncommitted.iter().take(ROWS_MAX).map(|path| show::file(self.workspace, path)).collect::<Vec<_>>(),
            "held": self.standing.held.iter().take(ROWS_MAX).map(|held| json!({
                "path": show::file(self.workspace, &held.path), "why": held.why.to_string(), "hint": held.why.hint(),
            })).collect::<Vec<_>>(),
            "uncommitted_count": self.standing.uncommitted.len(),
            "waiting": self.standing.waiting.as_ref().map(ToString::to_string),
            "watcher": self.standing.watcher.as_ref().map(|watcher| json!({
                "pid": watcher.pid, "since": watcher.since.map(|at| at.to_string()),
            })),
        })
    }
}

/// A document that should say something and does not, or a file of any sort that cannot be read.
fn is_unreadable(entry: &Entry) -> bool {
    !entry.document.is_readable() || entry.kind.is_some() && entry.entity.is_none()
}

/// Who works on a running task: the one who claimed it, else the one it is assigned to.
fn holder(task: &Task) -> Option<&str> {
    task.claimed_by.as_ref().or(task.assigned_to.as_ref()).map(AgentName::as_str)
}

fn row(task: &Task, word: Cell, about: &str) -> Vec<Cell> {
    let title = task.title.as_deref().unwrap_or(&task.kind);
    vec![format!("  {}", task.id).into(), word, cut(title, Some(32)).into(), Cell::new(Ink::Dim, about)]
}

/// A headline with its rows, and how many rows are left out.
fn part(headline: &str, table: &Table, total: usize) -> String {
    let left = total.saturating_sub(table.len());
    let more = if left > 0 { format!("  … and {left} more\n") } else { String::new() };
    format!("\n{}\n{}{more}", paint(Ink::Bold, headline), table.text(width()))
}
