//! `task create`: a new task; prints its id and nothing else on standard output.

use serde_json::Value;

use crate::api::view::ErrorReport;
use crate::core::entity::{Priority, TaskDraft};
use crate::core::name::{AgentName, DocId, Kind};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;
use crate::services::{New, Taken};

/// Create a task and print its id
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What sort of work it is, such as `train-model`
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// What it is about, in a few words
    #[arg(long)]
    title: Option<String>,
    /// What is to be done, in markdown; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<Given>,
    /// Its id [default: a random one]
    #[arg(long)]
    id: Option<DocId>,
    /// Who is to do it
    #[arg(long, value_name = "AGENT")]
    assigned_to: Option<AgentName>,
    /// A task that must be completed first; repeatable
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    depends_on: Vec<DocId>,
    /// How urgent it is: low, normal, high or critical
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// The workflow it belongs to
    #[arg(long, value_name = "ID")]
    workflow: Option<DocId>,
    /// What it is to work with, as JSON; `@FILE` and `-` are read
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    payload: Option<Given>,
    /// A step to tick off later; repeatable
    #[arg(long, value_name = "TEXT")]
    step: Vec<String>,
}

/// Creates the task.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let payload: Option<Value> = args.payload.as_ref().map(|given| given.json("--payload")).transpose()?;
    let description = args.description.as_ref().map(|given| given.text("--description")).transpose()?;
    let project = session.open()?;
    let (id, taken) = match &args.id {
        Some(id) => (id.clone(), Taken::LookUp),
        None => (project.new_id(Kind::Task)?, Taken::FileName),
    };
    let new = TaskDraft {
        id,
        kind: args.kind.clone(),
        title: args.title.clone(),
        description,
        assigned_to: args.assigned_to.clone(),
        depends_on: args.depends_on.clone(),
        priority: args.priority,
        workflow: args.workflow.clone(),
        payload,
        steps: args.step.clone(),
        created: project.moment_of_creation(),
    };
    write::created("task.create", &project, &New::Task(new), taken)
}
