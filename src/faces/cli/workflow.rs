//! `workflow create|get|list|update|complete|fail`, and what `run` has: tasks that belong together.

mod monitor;
mod run;

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::Answer;
use super::format::Wording;
use super::input::Given;
use super::list::{self, Rows};
use super::render::Cell;
use super::session::Session;
use super::task::{fraction, pairs};
use super::{show, write};
use crate::api::view::{ErrorReport, WorkflowRow, document_path};
use crate::core::entity::workflow::WorkflowUpdate;
use crate::core::entity::{Entity, Workflow, WorkflowDraft, WorkflowStatus};
use crate::core::name::{DocId, Kind};
use crate::core::operation::{Request, Taken, WorkflowChange};
use crate::core::workflow::derived_workflow;
use crate::services::Scope;

/// Every command about workflows.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a workflow and print its id
    Create(Create),
    /// Show a workflow
    Get(Get),
    /// List workflows
    List(List),
    /// Change a workflow's progress, tasks or any other field
    Update(Update),
    /// Mark a running workflow as completed
    Complete(Complete),
    /// Mark a running workflow as failed
    Fail(Fail),
    /// Make a workflow definition to begin with, in .mycelium/workflows
    New(run::New),
    /// Run a workflow definition and print the workflow's id
    Run(run::RunArgs),
    /// Draw the steps of a workflow, or of a definition
    Graph(run::Graph),
    /// Move workflows on: skip, retry and fill steps, end what is done
    Drive(run::Drive),
    /// Follow a workflow to its end
    Monitor(monitor::Monitor),
    /// Let no further step of a workflow start
    Pause(run::Pause),
    /// Let the steps of a paused workflow start again
    Resume(run::Resume),
    /// End a workflow and every step of it that has not ended
    Cancel(run::Cancel),
    /// Try again what failed in a workflow, and what was skipped for that
    Retry(run::Retry),
}

/// Create a workflow and print its id
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// What sort of workflow it is, such as `model-training`
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// What it is about, in a few words
    #[arg(long)]
    title: Option<String>,
    /// What it is for, in markdown; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<Given>,
    /// A task of it: its id, or a type of which a new one is made where not just one is pending; repeatable, in order
    #[arg(long = "task", value_name = "ID|TYPE", value_delimiter = ',')]
    tasks: Vec<DocId>,
    /// Anything else to say about it, as a JSON object; `@FILE` and `-` are read
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    metadata: Option<Given>,
    /// Its id [default: a random one]
    #[arg(long)]
    id: Option<DocId>,
}

/// Show a workflow
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The workflow's id, or the beginning of it
    id: String,
    /// Print the file's exact bytes instead
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    #[command(flatten)]
    wording: Wording,
}

/// List workflows
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only workflows with this status: running, completed or failed
    #[arg(long)]
    status: Option<WorkflowStatus>,
    #[command(flatten)]
    part: list::Part,
}

/// Change a workflow's progress, tasks or any other field
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// The workflow's id, or the beginning of it
    id: String,
    /// running, completed or failed
    #[arg(long)]
    status: Option<WorkflowStatus>,
    /// How far it is, from 0 to 1; without it, it follows from the tasks
    #[arg(long, value_name = "0..1", allow_hyphen_values = true, value_parser = fraction)]
    progress: Option<f64>,
    /// The task under way
    #[arg(long, value_name = "ID")]
    current_task: Option<DocId>,
    /// One more task; repeatable
    #[arg(long = "task", value_name = "ID", value_delimiter = ',')]
    tasks: Vec<DocId>,
    /// A task that no longer belongs to it; repeatable
    #[arg(long = "no-task", value_name = "ID", value_delimiter = ',')]
    not_tasks: Vec<DocId>,
    /// Replace what it is for, in markdown; `@FILE` and `-` are read; an empty text removes it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<Given>,
    /// Anything else to say about it, as a JSON object; `@FILE` and `-` are read
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    metadata: Option<Given>,
    /// Set a field of your own; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Remove a field of your own; repeatable
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
}

/// Mark a running workflow as completed
#[derive(Debug, clap::Args)]
pub(crate) struct Complete {
    /// The workflow's id, or the beginning of it
    id: String,
    /// What came out, as JSON or plain text; `@FILE` and `-` are read
    #[arg(long, value_name = "JSON|TEXT", allow_hyphen_values = true)]
    result: Option<Given>,
}

/// Mark a running workflow as failed
#[derive(Debug, clap::Args)]
pub(crate) struct Fail {
    /// The workflow's id, or the beginning of it
    id: String,
    /// Why, as plain text or JSON; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT|JSON", allow_hyphen_values = true)]
    error: Given,
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    match command {
        Command::Create(args) => create(args, session).map(Some),
        Command::Get(args) => get(args, session),
        Command::List(args) => list(args, session).map(Some),
        Command::Update(args) => update(args, session).map(Some),
        Command::Complete(args) => complete(args, session).map(Some),
        Command::Fail(args) => fail(args, session).map(Some),
        Command::New(args) => run::new(args, session).map(Some),
        Command::Run(args) => run::run(args, session).map(Some),
        Command::Graph(args) => run::graph(args, session).map(Some),
        Command::Drive(args) => run::drive(args, session).map(Some),
        Command::Monitor(args) => monitor::run(args, session).map(Some),
        Command::Pause(args) => run::pause(args, session).map(Some),
        Command::Resume(args) => run::resume(args, session).map(Some),
        Command::Cancel(args) => run::cancel(args, session).map(Some),
        Command::Retry(args) => run::retry(args, session).map(Some),
    }
}

fn create(args: &Create, session: &Session) -> Result<Answer, ErrorReport> {
    let metadata = args.metadata.as_ref().map(|given| given.object("--metadata")).transpose()?;
    let project = session.open()?;
    let (id, taken) = match &args.id {
        Some(id) => (id.clone(), Taken::LookUp),
        None => (project.new_id(Kind::Workflow)?, Taken::FileName),
    };
    let new = WorkflowDraft {
        id,
        kind: args.kind.clone(),
        title: args.title.clone(),
        description: args.description.as_ref().map(|given| given.text("--description")).transpose()?,
        tasks: args.tasks.clone(),
        metadata: metadata.map(Value::Object),
        created: project.moment_of_creation(),
    };
    let outcome = project.workflows().create(project.actor(), &new, taken)?;
    write::made("workflow.create", &project, &new.id, &outcome)
}

fn get(args: &Get, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let project = session.open()?;
    let mut found = project.documents().find(Some(Kind::Workflow), &args.id)?;
    if args.raw {
        return show::raw(&found).map(|()| None);
    }
    if let Some(Entity::Workflow(workflow)) = &mut found.entity {
        // The tasks of an archived one are nobody else's business, so nothing short of all names them.
        let scope = if found.path.is_archived() { Scope::All } else { Scope::Named };
        **workflow = derived_workflow(&project.documents().snapshot(scope)?, workflow);
    }
    let mut answer = show::document("workflow.get", &project, &found, &args.wording)?;
    if let Some(Entity::Workflow(workflow)) = &found.entity {
        answer.data["status"] = json!(workflow.status.word());
    }
    Ok(Some(answer))
}

fn list(args: &List, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let snapshot = project.documents().snapshot(Scope::Named)?;
    let mut rows = Rows::new("workflow.list", &["ID", "STATUS", "PROGRESS", "TASKS", "WHAT"]);
    for entry in snapshot.of_kind(Kind::Workflow) {
        let Some(workflow) = entry.workflow() else {
            rows.unreadable(&project, entry);
            continue;
        };
        let workflow = derived_workflow(&snapshot, workflow);
        if args.status.is_some_and(|status| status != workflow.status) {
            continue;
        }
        // Running ones first, then the oldest.
        let rank = WorkflowStatus::ALL.iter().position(|status| *status == workflow.status).unwrap_or(9);
        let key = list::key(rank, 0, workflow.created, &workflow.id);
        let path = document_path(&project, &entry.path);
        rows.push_document(&project, entry, key, move || {
            let row = WorkflowRow::new(&workflow, path);
            let cells = cells(&workflow, &row);
            (row, cells)
        });
    }
    rows.answer(&project, &args.part)
}

fn cells(workflow: &Workflow, row: &WorkflowRow) -> Vec<Cell> {
    vec![
        workflow.id.as_str().into(),
        show::workflow_status(workflow),
        row.progress.map_or_else(String::new, show::percent).into(),
        row.tasks.len().to_string().into(),
        workflow.title.as_deref().unwrap_or(&workflow.kind).into(),
    ]
}

fn update(args: &Update, session: &Session) -> Result<Answer, ErrorReport> {
    let metadata = args.metadata.as_ref().map(|given| given.object("--metadata")).transpose()?;
    let update = WorkflowUpdate {
        steps: None,
        status: args.status,
        progress: args.progress,
        current_task: args.current_task.clone(),
        tasks_add: args.tasks.clone(),
        tasks_remove: args.not_tasks.clone(),
        description: args.description.as_ref().map(|given| given.text("--description")).transpose()?,
        metadata: metadata.map(Value::Object),
        set: pairs(&args.set)?,
        unset: args.unset.clone(),
    };
    if update == WorkflowUpdate::default() {
        let failure = ErrorReport::usage("nothing-to-do", "nothing to update is given");
        return Err(failure.hint("run `mycelium workflow update --help` to see what can change"));
    }
    let project = session.open()?;
    write::apply("workflow.update", &project, Request::workflow(&args.id, update.into()))
}

fn complete(args: &Complete, session: &Session) -> Result<Answer, ErrorReport> {
    let result = args.result.as_ref().map(|given| given.json_or_text("--result")).transpose()?;
    let project = session.open()?;
    let change = WorkflowChange::Complete { result };
    write::apply("workflow.complete", &project, Request::workflow(&args.id, change))
}

fn fail(args: &Fail, session: &Session) -> Result<Answer, ErrorReport> {
    let error = args.error.json_or_text("--error")?;
    let project = session.open()?;
    let change = WorkflowChange::Fail { error: Some(error) };
    write::apply("workflow.fail", &project, Request::workflow(&args.id, change))
}
