//! `workflow monitor`: follows a workflow to its end; on a terminal as a tree in place, elsewhere as one JSON object for each change.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use serde_json::Value;

use crate::adapters::watch::Watcher;
use crate::api::client::{Monitored, monitored_progress};
use crate::api::view::{ErrorReport, Exit, StepRow, StepTimes, WorkflowTree, count, envelope, readable_span};
use crate::core::entity::{Entity, WorkflowStatus};
use crate::core::follow::FollowScope;
use crate::core::name::{ChannelPattern, DocPath, Kind, visible};
use crate::core::snapshot::Entry;
use crate::core::time::Timestamp;
use crate::faces::cli::answer::{Answer, on_terminal, print, print_line, width};
use crate::faces::cli::bar::{Signs, bar, columns};
use crate::faces::cli::live::{LiveScreen, listen, ring_once, wait};
use crate::faces::cli::render::{Cell, Ink, Table, paint, status};
use crate::faces::cli::session::{self, Session};
use crate::faces::cli::show;
use crate::services::{Error, Filter, Project, Scope, now};

/// How often times are shown anew on a terminal, and documents are looked at where they cannot be watched.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for a change where nobody sees the time pass.
const LONG: Duration = Duration::from_secs(3_600);
/// What a bar counts to.
const WHOLE: usize = 1_000;

/// Follow a workflow to its end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
On a terminal a tree of its steps, in place; elsewhere one JSON object a line for each change, the last for the end.
Ends with 0 if the workflow is completed, with 1 if it failed or was cancelled. It looks only: a watcher or
`workflow drive --wait` moves workflows on.")]
pub(crate) struct Monitor {
    /// The workflow's id, or the beginning of it
    id: String,
    /// Show how it stands and end
    #[arg(long)]
    once: bool,
}

/// Follows a workflow.
pub(super) fn run(args: &Monitor, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let found = project.documents().find(Some(Kind::Workflow), &args.id)?;
    let Some(Entity::Workflow(_)) = &found.entity else { return Err(Error::Gone { path: found.path }.into()) };
    let mut look = Look { project: &project, path: found.path, times: times(&project)? };
    if args.once {
        let (tree, _) = look.tree()?;
        return without_pager(end(&project, &tree)?, session);
    }
    without_pager(follow(&project, &mut look, session)?, session)
}

/// Prints the text of an answer at once: one who follows does not page.
fn without_pager(mut answer: Answer, session: &Session) -> Result<Answer, ErrorReport> {
    if !session.face.json() {
        print(&std::mem::take(&mut answer.text))?;
    }
    Ok(answer)
}

fn follow(project: &Project, look: &mut Look<'_>, session: &Session) -> Result<Answer, ErrorReport> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let (ring, woken) = sync_channel(1);
    listen(&is_interrupted, ring.clone())?;
    let mut watcher = Watcher::new(project.document_places(), move || ring_once(&ring));
    // From here on it waits more than it works.
    session.done();
    let as_json = session.face.json() || !on_terminal();
    let screen = if as_json { None } else { LiveScreen::enter() };
    let mut last: Option<Value> = None;
    loop {
        let is_deaf = watcher.arm().is_err();
        let (tree, is_over) = look.tree()?;
        let data = tree.to_json();
        let is_new = last.as_ref() != Some(&data);
        match &screen {
            Some(screen) => screen.show(&text(&tree, now()), &footer())?,
            None if is_over || !is_new => {}
            None if as_json => {
                let head = session::head(project)?;
                print_line(&envelope("workflow.monitor", &head, &data, &[], None))?;
            }
            None => print(&text(&tree, now()))?,
        }
        last = Some(data);
        let is_ended = is_interrupted.load(Ordering::Relaxed);
        if is_over || is_ended {
            drop(screen);
            let mut answer = end(project, &tree)?;
            if is_ended && !is_over {
                answer.exit = Exit::Interrupted;
            }
            if as_json && !session.face.json() {
                print_line(&envelope(answer.kind, &answer.head, &answer.data, &answer.findings, None))?;
                answer.text = String::new();
            }
            return Ok(answer);
        }
        wait(&woken, if is_deaf || screen.is_some() { INTERVAL } else { LONG });
    }
}

/// The answer behind the last look.
fn end(project: &Project, tree: &WorkflowTree) -> Result<Answer, ErrorReport> {
    let mut answer = session::answer("workflow.end", project)?;
    answer.data = tree.to_json();
    answer.text = text(tree, now());
    answer.exit = if is_failed(tree) { Exit::Problems } else { Exit::Ok };
    Ok(answer)
}

/// Returns true if the workflow has failed, or cannot go on because a step has.
fn is_failed(tree: &WorkflowTree) -> bool {
    match tree.workflow.status {
        WorkflowStatus::Completed => false,
        WorkflowStatus::Failed => true,
        WorkflowStatus::Running => {
            let is_open = |step: &StepRow| matches!(step.state, "running" | "ready" | "waiting");
            tree.steps.iter().any(|step| step.state == "failed") && !tree.steps.iter().any(is_open)
        }
    }
}

/// One who looks at a workflow again and again.
struct Look<'a> {
    project: &'a Project,
    path: DocPath,
    times: StepTimes,
}

impl Look<'_> {
    /// The workflow as it stands, and whether nothing moves any more.
    fn tree(&mut self) -> Result<(WorkflowTree, bool), ErrorReport> {
        // What is in the way of that is reported by who writes; the look goes on with what the folder holds.
        let _ = self.project.commits().branch().follow_branch(FollowScope::Everything);
        let scope = if self.path.is_archived() { Scope::All } else { Scope::Named };
        let snapshot = self.project.documents().snapshot(scope)?;
        let workflow = snapshot.get(&self.path).and_then(Entry::workflow);
        let workflow = workflow.ok_or_else(|| Error::Gone { path: self.path.clone() })?;
        let tree = WorkflowTree::new(&snapshot, workflow, &mut self.times, now());
        let progress = monitored_progress(&snapshot, &Monitored::Workflow(workflow.id.to_string()))?;
        Ok((tree, progress.is_over()))
    }
}

/// When steps began and ended before this, as far as the change log has it.
fn times(project: &Project) -> Result<StepTimes, ErrorReport> {
    let pattern = ChannelPattern::new("tasks:events").map_err(Error::from)?;
    let events = project.events().list(&Filter { patterns: vec![pattern], since: None, limit: None })?;
    Ok(StepTimes::of_events(&events))
}

fn footer() -> String {
    paint(Ink::Dim, "Ctrl-C ends this, not the workflow")
}

/// The tree: the workflow with a bar of all of it, and a line for each step.
fn text(tree: &WorkflowTree, now: Timestamp) -> String {
    let workflow = &tree.workflow;
    let signs = Signs::of_environment();
    let room = columns(width());
    let title = workflow.title.as_deref().unwrap_or(&workflow.kind);
    let state = if workflow.is_paused() { status("paused") } else { show::workflow_status(workflow) };
    let mut out =
        format!("{}  {}  {}\n", paint(Ink::Bold, &visible(workflow.id.as_str())), state.painted(), visible(title));
    let progress = workflow.progress.unwrap_or_default();
    // A share from 0 to 1, in thousandths.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    let done = (progress.clamp(0.0, 1.0) * 1_000.0) as usize;
    let whole = bar(signs, 2 * room, done, 0, WHOLE);
    let _ = writeln!(
        out,
        "{whole}  {}  {} of {} ended\n",
        show::percent(progress),
        tree.ended(),
        count(tree.steps.len(), "step")
    );
    let mut table = Table::new(&[]);
    for step in &tree.steps {
        table.row(cells(step, signs, room, now));
    }
    out + &table.text(width())
}

fn cells(step: &StepRow, signs: Signs, room: usize, now: Timestamp) -> Vec<Cell> {
    let arrow = if step.depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(step.depth - 1)) };
    let items = step.items.map_or_else(String::new, |items| {
        let failed = if items.failed > 0 { format!(", {} failed", items.failed) } else { String::new() };
        let bar = bar(signs, room, items.completed, items.running, items.total);
        format!("{bar} {} of {}{failed}", items.completed, items.total)
    });
    let attempt = step.attempt.map_or_else(String::new, |attempt| format!("attempt {attempt}"));
    vec![
        Cell::from(format!("  {arrow}{}", step.name)),
        status(step.state),
        Cell::new(Ink::Plain, step.agent.as_ref().map_or("", |agent| agent.as_str())),
        attempt.into(),
        Cell::new(Ink::Dim, &duration(step, now)),
        items.into(),
        Cell::new(Ink::Dim, step.why.as_deref().unwrap_or_default()),
    ]
}

/// For how long the attempt has been going on, or how long it took.
fn duration(step: &StepRow, now: Timestamp) -> String {
    let Some(started) = step.span.started else { return String::new() };
    let until = step.span.ended.unwrap_or(now);
    let span = Duration::from_millis((until.unix_ms() - started.unix_ms()).max(0).unsigned_abs());
    readable_span(span)
}
