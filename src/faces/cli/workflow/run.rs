//! `workflow new|run|drive|graph|pause|resume|cancel|retry`: definitions, and workflows that Mycelium moves on itself.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::api::view::{ErrorReport, Exit, WriteState, count, document_path};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Entity, WorkflowStatus};
use crate::core::name::{DocId, DocPath, Kind, visible};
use crate::core::snapshot::FindError;
use crate::core::workflow::{RunPlan, STARTERS, StepGraph, starter};
use crate::faces::cli::answer::{Answer, print};
use crate::faces::cli::render::{Ink, finding, paint};
use crate::faces::cli::session::{self, Session};
use crate::services::{Error, Outcome, Project, Scope, Workflows};

/// Between two looks of `run --wait` and `drive --wait`.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Make a workflow definition to begin with, in .mycelium/workflows
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// Its name, such as `train-model`
    name: String,
    /// Which pattern: sequential, parallel, conditional or review-then-merge [default: the one of that name, else sequential]
    #[arg(long, value_name = "PATTERN")]
    template: Option<String>,
}

/// Draw the steps of a workflow, or of a definition
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// The workflow's id, or the name of a definition
    workflow: String,
    /// As a mermaid flowchart; more than 90 steps as several
    #[arg(long, conflicts_with = "dot")]
    mermaid: bool,
    /// In the language of Graphviz
    #[arg(long)]
    dot: bool,
}

/// Run a workflow definition and print the workflow's id
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  mycelium workflow new train-model --template parallel
  mycelium workflow run train-model --input 'folds=[1,2]'

Its steps are tasks that agents claim. A watcher, `workflow drive` and `--wait` move it on.")]
pub(crate) struct RunArgs {
    /// The definition's name
    name: String,
    /// An input; repeatable
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// The workflow's id [default: a random one]
    #[arg(long)]
    id: Option<DocId>,
    /// Print what it would create, and create nothing
    #[arg(long)]
    dry_run: bool,
    /// Move it on until it ends; exit code 1 if it failed
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// Move workflows on: skip, retry and fill steps, end what is done
#[derive(Debug, clap::Args)]
pub(crate) struct Drive {
    /// Go on until this workflow has ended; exit code 1 if it failed
    #[arg(long, value_name = "ID")]
    wait: Option<String>,
}

/// Let no further step of a workflow start
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// The workflow's id, or the beginning of it
    id: String,
}

/// Let the steps of a paused workflow start again
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The workflow's id, or the beginning of it
    id: String,
}

/// End a workflow and every step of it that has not ended
#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The workflow's id, or the beginning of it
    id: String,
}

/// Try again what failed in a workflow, and what was skipped for that
#[derive(Debug, clap::Args)]
pub(crate) struct Retry {
    /// The workflow's id, or the beginning of it
    id: String,
    /// This step and all behind it, whatever became of them
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
}

/// Makes a definition.
pub(super) fn new(args: &New, session: &Session) -> Result<Answer, ErrorReport> {
    let pattern = match &args.template {
        Some(pattern) => pattern,
        None if starter(&args.name).is_some() => &args.name,
        None => "sequential",
    };
    let Some(text) = starter(pattern) else {
        let known: Vec<&str> = STARTERS.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no pattern `{}`", visible(pattern));
        return Err(ErrorReport::usage("bad-value", message).hint(format!("use one of {}", known.join(", "))));
    };
    let project = session.open_any()?;
    let path = project.workflows().create_definition(&args.name, text)?;
    let mut answer = session::answer("workflow.new", &project)?;
    answer.text = format!("{path}\n");
    answer.words = format!("{} run `mycelium workflow graph {}`\n", paint(Ink::Hint, "hint:"), visible(&args.name));
    answer.data = json!({ "name": args.name, "path": path });
    Ok(answer)
}

/// Draws a workflow or a definition.
pub(super) fn graph(args: &Graph, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open_any()?;
    let live = project.documents().snapshot(Scope::Named)?;
    let (graph, findings) = match live.find(Some(Kind::Workflow), &args.workflow).map(|entry| entry.workflow()) {
        Ok(Some(workflow)) => (StepGraph::of_workflow(&live, workflow), Vec::new()),
        Ok(None) | Err(FindError::NotFound { .. }) => {
            let (definition, findings) = project.workflows().definition(&args.workflow)?;
            (StepGraph::of_definition(&definition), findings)
        }
        Err(error) => return Err(Error::from(error).into()),
    };
    let mut answer = session::answer("workflow.graph", &project)?;
    answer.text = match (args.mermaid, args.dot) {
        (true, _) => graph.to_mermaid(),
        (_, true) => graph.to_dot(),
        _ => graph.to_text(),
    };
    answer.data = graph.to_json();
    add_findings(&mut answer, findings);
    Ok(answer)
}

/// Runs a definition.
pub(super) fn run(args: &RunArgs, session: &Session) -> Result<Answer, ErrorReport> {
    let inputs = args.inputs.iter().map(|text| input(text)).collect::<Result<Vec<_>, _>>()?;
    let project = session.open()?;
    let workflows = project.workflows();
    let (definition, findings) = workflows.definition(&args.name)?;
    let plan = workflows.plan(&definition, &inputs, args.id.clone())?;
    let mut answer = session::answer("workflow.run", &project)?;
    answer.data = plan_data(&project, &plan, args.dry_run);
    if args.dry_run {
        answer.text = plan_text(&plan);
        add_findings(&mut answer, findings);
        return Ok(answer);
    }
    let outcome = workflows.run(&plan)?;
    let mut answer = written(answer, &project, &outcome)?;
    let id = &plan.workflow.id;
    answer.text = format!("{id}\n");
    let _ = writeln!(
        answer.words,
        "{}",
        visible(&format!("{id} runs with {}{}", count(plan.tasks.len(), "step"), committed(&outcome)))
    );
    add_findings(&mut answer, findings);
    workflows.drive()?;
    if args.wait {
        if !session.face.json() {
            // The id is shown at once, not at the end of the wait.
            print(&std::mem::take(&mut answer.text))?;
        }
        wait(&mut answer, &project, &workflows, id.as_str())?;
    }
    Ok(answer)
}

/// Moves workflows on.
pub(super) fn drive(args: &Drive, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let workflows = project.workflows();
    let report = workflows.drive()?;
    let mut answer = session::answer("workflow.drive", &project)?;
    answer.text = format!("{} carried out\n", count(report.operations, "operation"));
    for id in &report.ended {
        let _ = writeln!(answer.text, "{} ended", visible(id.as_str()));
    }
    let ended: Vec<&str> = report.ended.iter().map(DocId::as_str).collect();
    answer.data = json!({ "operations": report.operations, "ended": ended });
    if let Some(id) = &args.wait {
        wait(&mut answer, &project, &workflows, id)?;
    }
    Ok(answer)
}

/// Moves a workflow on until it has ended.
fn wait(answer: &mut Answer, project: &Project, workflows: &Workflows<'_>, id: &str) -> Result<(), ErrorReport> {
    loop {
        workflows.drive()?;
        let found = project.documents().find(Some(Kind::Workflow), id)?;
        let Some(Entity::Workflow(workflow)) = found.entity else {
            return Err(Error::Gone { path: found.path }.into());
        };
        if workflow.status == WorkflowStatus::Running {
            thread::sleep(LOOK_EVERY);
            continue;
        }
        let _ = writeln!(answer.words, "{}", visible(&format!("{} {}", workflow.id, workflow.status)));
        answer.data["status"] = json!(workflow.status.word());
        answer.data["result"] = json!(workflow.result);
        answer.data["error"] = json!(workflow.error);
        answer.exit = if workflow.status == WorkflowStatus::Failed { Exit::Problems } else { Exit::Ok };
        return Ok(());
    }
}

/// Pauses a workflow.
pub(super) fn pause(args: &Pause, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    control("workflow.pause", &project, &project.workflows().pause(&args.id)?, "paused")
}

/// Lets a workflow go on.
pub(super) fn resume(args: &Resume, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let outcome = project.workflows().resume(&args.id)?;
    project.workflows().drive()?;
    control("workflow.resume", &project, &outcome, "goes on")
}

/// Cancels a workflow.
pub(super) fn cancel(args: &Cancel, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let outcome = project.workflows().cancel(&args.id, &project.actor_name())?;
    control("workflow.cancel", &project, &outcome, "cancelled")
}

/// Tries a workflow again.
pub(super) fn retry(args: &Retry, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let outcome = project.workflows().retry(&args.id, args.from.as_deref())?;
    project.workflows().drive()?;
    control("workflow.retry", &project, &outcome, "runs again")
}

/// The answer about an operation over a whole workflow.
fn control(kind: &'static str, project: &Project, outcome: &Outcome, word: &str) -> Result<Answer, ErrorReport> {
    let mut answer = written(session::answer(kind, project)?, project, outcome)?;
    let id = workflow_id(outcome);
    answer.data = json!({ "id": id });
    let _ = writeln!(answer.words, "{}", visible(&format!("{id} {word}{}", committed(outcome))));
    Ok(answer)
}

/// The workflow of an operation: its last document, or what its last document names.
fn workflow_id(outcome: &Outcome) -> String {
    match &outcome.entity {
        Some(Entity::Task(task)) => task.workflow.as_ref().map_or_else(|| task.id.to_string(), ToString::to_string),
        Some(entity) => entity.id().to_string(),
        None => outcome.path.stem().to_owned(),
    }
}

fn written(answer: Answer, project: &Project, outcome: &Outcome) -> Result<Answer, ErrorReport> {
    let head = session::head(project)?;
    let written = WriteState::new(outcome.committed.as_ref(), outcome.waiting.as_ref());
    Ok(Answer { head, written: Some(written), ..answer })
}

fn committed(outcome: &Outcome) -> String {
    match (&outcome.committed, &outcome.waiting) {
        (Some(revision), _) => format!(" (committed {})", revision.short()),
        (None, Some(waiting)) => format!(" (not committed yet: {waiting})"),
        (None, None) => String::new(),
    }
}

fn input(text: &str) -> Result<(String, String), ErrorReport> {
    let pair = text.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
    pair.ok_or_else(|| {
        let message = format!("`--input {}` is not NAME=VALUE", visible(text));
        ErrorReport::usage("bad-value", message).hint("write `--input epochs=3`")
    })
}

fn plan_text(plan: &RunPlan) -> String {
    let mut out = format!("workflow {}\n", plan.workflow.id);
    for task in &plan.tasks {
        let needs: Vec<&str> = task.draft.depends_on.iter().map(DocId::as_str).collect();
        let needs = if needs.is_empty() { String::new() } else { format!("  waits for {}", needs.join(", ")) };
        let when = task.keys.iter().find(|(key, _)| key == "when").and_then(|(_, value)| value.as_text());
        let when = when.map_or_else(String::new, |when| format!("  when {when}"));
        let _ = writeln!(out, "{}", visible(&format!("  {}  {}{needs}{when}", task.draft.id, task.draft.kind)));
    }
    out
}

fn plan_data(project: &Project, plan: &RunPlan, is_dry_run: bool) -> serde_json::Value {
    let tasks = plan.tasks.iter().map(|task| {
        json!({
            "id": task.draft.id.as_str(),
            "step": task.step,
            "type": task.draft.kind,
            "depends_on": task.draft.depends_on.iter().map(DocId::as_str).collect::<Vec<_>>(),
            "path": document_path(project, &DocPath::for_new(Kind::Task, &task.draft.id)),
        })
    });
    json!({
        "id": plan.workflow.id.as_str(),
        "type": plan.workflow.kind,
        "dry_run": is_dry_run,
        "tasks": tasks.collect::<Vec<_>>(),
        "path": document_path(project, &DocPath::for_new(Kind::Workflow, &plan.workflow.id)),
    })
}

fn add_findings(answer: &mut Answer, findings: Vec<Diagnostic>) {
    for one in findings {
        answer.words.push_str(&finding(&one, "", None));
        answer.findings.push(one);
    }
}
