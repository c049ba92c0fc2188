//! `agent set|get|list|remove`: what agents say of themselves.

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::Answer;
use super::envelope::Item;
use super::failure::Failure;
use super::format::Wording;
use super::input::Given;
use super::list::{self, Rows};
use super::render::status;
use super::session::Session;
use super::{show, write};
use crate::entity::agent::AgentUpdate;
use crate::entity::{ActiveTask, AgentStatus};
use crate::name::{AgentName, Kind};
use crate::runner::{New, Scope};
use crate::time::{Timestamp, ago};

/// Every command about agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set what an agent is doing; makes its file if there is none
    Set(Set),
    /// Show an agent
    Get(Get),
    /// List agents
    List(List),
    /// Remove an agent's file (its history stays)
    Remove(Remove),
}

/// Set what an agent is doing; makes its file if there is none
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The agent's name
    name: AgentName,
    /// idle, busy or error
    #[arg(long)]
    status: Option<AgentStatus>,
    /// A task it works on; repeatable, replaces the list
    #[arg(long, value_name = "ID")]
    active_task: Vec<String>,
    /// It works on nothing
    #[arg(long, conflicts_with = "active_task")]
    no_active_task: bool,
    /// Anything else it wants to say, as a JSON object; `@FILE` and `-` are read
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    metadata: Option<Given>,
    /// For how long it counts as alive without a sign, such as `300` (seconds) or `5m`
    #[arg(long, value_name = "SPAN", value_parser = crate::time::parse_span)]
    ttl: Option<std::time::Duration>,
}

/// Show an agent
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The agent's name, or the beginning of it
    name: String,
    /// Print the file's exact bytes instead
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    #[command(flatten)]
    wording: Wording,
}

/// List agents
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only agents with this status: idle, busy or error
    #[arg(long)]
    status: Option<AgentStatus>,
    #[command(flatten)]
    part: list::Part,
}

/// Remove an agent's file (its history stays)
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The agent's name, or the beginning of it
    name: String,
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Option<Answer>, Failure> {
    match command {
        Command::Set(args) => set(args, session).map(Some),
        Command::Get(args) => get(args, session),
        Command::List(args) => list(args, session).map(Some),
        Command::Remove(args) => remove(args, session).map(Some),
    }
}

fn set(args: &Set, session: &Session) -> Result<Answer, Failure> {
    let metadata = args.metadata.as_ref().map(|given| given.object("--metadata")).transpose()?;
    // Who sets an agent without saying who acts is that agent.
    let workspace = session.open()?.or_acting_as(&args.name);
    let tasks =
        args.active_task.iter().map(|task| ActiveTask { task: task.clone(), started: None }).collect::<Vec<_>>();
    let update = AgentUpdate {
        status: args.status,
        active_tasks: (args.no_active_task || !tasks.is_empty()).then_some(tasks),
        metadata: metadata.map(Value::Object),
        ttl: args.ttl,
        ..AgentUpdate::at(workspace.now())
    };
    let edit = write::Edit { answer: "agent.set", kind: Kind::Agent, id: args.name.as_str(), verb: "set" };
    let new = New::Agent(update.clone().into_new(args.name.clone()));
    edit.apply_or_create(&workspace, &|document| crate::entity::agent::set(document, &update), &new)
}

fn get(args: &Get, session: &Session) -> Result<Option<Answer>, Failure> {
    let workspace = session.open()?;
    let found = workspace.find(Some(Kind::Agent), &args.name)?;
    if args.raw {
        return show::raw(&found).map(|()| None);
    }
    show::document("agent.get", &workspace, &found, &args.wording).map(Some)
}

fn list(args: &List, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    let snapshot = workspace.snapshot(Scope::Live)?;
    let now = workspace.now();
    let mut rows = Rows::new("agent.list", &["AGENT", "STATUS", "SEEN", "ACTIVE TASKS"]);
    for entry in snapshot.of_kind(Kind::Agent) {
        let Some(agent) = entry.agent() else {
            rows.unreadable(&workspace, entry);
            continue;
        };
        if args.status.is_some_and(|status| status != agent.status) {
            continue;
        }
        let active = agent.active_tasks.iter().map(|active| active.task.as_str()).collect::<Vec<_>>();
        let item = json!({
            "agent": agent.name.as_str(),
            "status": agent.status.word(),
            "last_updated": agent.last_updated.map(|at| at.to_string()),
            "active_tasks": active,
            "path": show::file(&workspace, &entry.path),
        });
        let cells = vec![
            agent.name.as_str().into(),
            status(agent.status.word()),
            agent.last_updated.map_or_else(String::new, |at: Timestamp| format!("{} ago", ago(at, now))).into(),
            active.join(", ").into(),
        ];
        rows.push(Item { key: agent.name.to_string(), value: (item, cells) });
    }
    rows.answer(&workspace, &args.part)
}

fn remove(args: &Remove, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    write::removed("agent.remove", &workspace, Kind::Agent, &args.name)
}
