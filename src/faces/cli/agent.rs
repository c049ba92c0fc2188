//! `agent set|beat|get|list|remove|prune`: what agents say of themselves, and whether they are alive.

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::Value;

use super::answer::Answer;
use super::format::Wording;
use super::input::Given;
use super::list::{self, Rows};
use super::render::{Cell, Ink, listed, paint, status};
use super::session::{self, Session};
use super::{show, write};
use crate::api::view::{
    AgentRow, ErrorReport, WriteState, add_liveness, count, document_path, heartbeat_data, prune_data, readable_span,
};
use crate::core::entity::agent::AgentUpdate;
use crate::core::entity::{ActiveTask, AgentStatus, Entity, Liveness};
use crate::core::name::{AgentName, Kind, visible};
use crate::core::time::{Timestamp, ago};
use crate::services::{Pruned, Pruning, Scope, Stale};

/// Every command about agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set what an agent is doing; makes its file if there is none
    Set(Set),
    /// Give a sign of life for an agent; changes no file
    #[command(visible_alias = "heartbeat")]
    Beat(Beat),
    /// Show an agent
    Get(Get),
    /// List agents
    List(List),
    /// Remove an agent's file (its history stays)
    Remove(Remove),
    /// Remove the files of agents that have been stale for long and hold nothing
    Prune(Prune),
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
    #[arg(long, value_name = "SPAN", value_parser = crate::core::time::parse_span)]
    ttl: Option<std::time::Duration>,
}

/// Give a sign of life for an agent; changes no file
#[derive(Debug, clap::Args)]
pub(crate) struct Beat {
    /// The agent's name [default: who acts, by `--as` or `MYCELIUM_AGENT`]
    name: Option<AgentName>,
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

/// Remove the files of agents that have been stale for long and hold nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// For how long they must have been stale
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = crate::core::time::parse_span)]
    older: std::time::Duration,
    /// Only say which
    #[arg(long)]
    dry_run: bool,
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    match command {
        Command::Set(args) => set(args, session).map(Some),
        Command::Beat(args) => beat(args, session).map(Some),
        Command::Get(args) => get(args, session),
        Command::List(args) => list(args, session).map(Some),
        Command::Remove(args) => remove(args, session).map(Some),
        Command::Prune(args) => prune(args, session).map(Some),
    }
}

fn set(args: &Set, session: &Session) -> Result<Answer, ErrorReport> {
    let metadata = args.metadata.as_ref().map(|given| given.object("--metadata")).transpose()?;
    // Who sets an agent without saying who acts is that agent.
    let project = session.open()?.acting(|by| by.or_agent(&args.name));
    let tasks = args.active_task.iter().map(|task| ActiveTask::new(task, None)).collect::<Vec<_>>();
    let update = AgentUpdate {
        status: args.status,
        active_tasks: (args.no_active_task || !tasks.is_empty()).then_some(tasks),
        metadata: metadata.map(Value::Object),
        ttl: args.ttl,
        ..AgentUpdate::at(project.now())
    };
    write::set_agent(&project, &args.name, &update)
}

fn get(args: &Get, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let project = session.open()?;
    let found = project.documents().find(Some(Kind::Agent), &args.name)?;
    if args.raw {
        return show::raw(&found).map(|()| None);
    }
    let pulse =
        found.entity.as_ref().and_then(Entity::as_agent).map(|agent| project.leases().liveness(agent)).transpose()?;
    let mut answer = show::document("agent.get", &project, &found, &args.wording)?;
    add_liveness(&mut answer.data, pulse.as_ref());
    if let Some(seen) = pulse.filter(Liveness::is_stale).and_then(|pulse| pulse.seen) {
        let silent = ago(seen, project.now());
        answer.words = format!("{} no sign of life for {silent}\n", paint(Ink::Warn, "stale:"));
    }
    Ok(Some(answer))
}

/// When an agent was seen last: `12s ago`, `6m ago, stale`.
fn since(pulse: &Liveness, now: Timestamp) -> String {
    let ago = pulse.seen.map_or_else(String::new, |at| format!("{} ago", ago(at, now)));
    if pulse.is_stale() { format!("{ago}, stale") } else { ago }
}

fn beat(args: &Beat, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let name = args.name.clone().or_else(|| project.agent().cloned()).ok_or_else(|| {
        ErrorReport::usage("no-agent", "no agent given whose heartbeat this is")
            .hint("name the agent: `mycelium agent beat NAME`, or `--as NAME`")
    })?;
    let at = project.leases().heartbeat(&name)?;
    let mut answer = session::answer("agent.beat", &project)?;
    answer.data = heartbeat_data(&name, at);
    answer.words = format!("{name} is alive\n");
    Ok(answer)
}

fn prune(args: &Prune, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let pruning = if args.dry_run { Pruning::DryRun } else { Pruning::Real };
    let pruned = project.operations().prune(project.actor(), args.older, pruning)?;
    let mut answer = session::answer("agent.prune", &project)?;
    answer.data = prune_data(&project, pruning, &pruned);
    answer.written = (!args.dry_run).then(|| WriteState::new(pruned.committed.as_ref(), pruned.waiting.as_ref()));
    for stale in &pruned.gone {
        let _ = writeln!(answer.text, "{}", stale.name);
    }
    answer.words = prune_words(args, &pruned, project.now());
    Ok(answer)
}

fn prune_words(args: &Prune, pruned: &Pruned, now: Timestamp) -> String {
    let kept = |stale: &Stale| match &stale.holds[..] {
        [] => format!("kept {}: it came back", stale.name),
        holds => format!("kept {}: it holds {}", stale.name, visible(&listed(holds))),
    };
    let seen = |stale: &Stale| stale.seen.map_or_else(String::new, |at| format!(" (seen {} ago)", ago(at, now)));
    let mut lines: Vec<String> = pruned.kept.iter().map(kept).collect();
    let names: Vec<String> = pruned.gone.iter().map(|stale| format!("{}{}", stale.name, seen(stale))).collect();
    let verb = if args.dry_run { "would remove" } else { "removed" };
    lines.push(match names.len() {
        0 => format!("no agent has been stale for {} and holds nothing", readable_span(args.older)),
        n => format!("{verb} {}: {}", count(n, "agent"), listed(&names)),
    });
    lines.join("\n") + "\n"
}

fn list(args: &List, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let snapshot = project.documents().snapshot(Scope::Live)?;
    let (now, beats) = (project.now(), project.leases().heartbeats()?);
    let mut rows = Rows::new("agent.list", &["AGENT", "STATUS", "SEEN", "ACTIVE TASKS"]);
    for entry in snapshot.of_kind(Kind::Agent) {
        let Some(agent) = entry.agent() else {
            rows.unreadable(&project, entry);
            continue;
        };
        if args.status.is_some_and(|status| status != agent.status) {
            continue;
        }
        let pulse = Liveness::new(agent, beats.get(&agent.name).copied(), now);
        let row = AgentRow::new(agent, &pulse, document_path(&project, &entry.path));
        let cells = vec![
            agent.name.as_str().into(),
            status(agent.status.word()),
            Cell::new(if pulse.is_stale() { Ink::Warn } else { Ink::Plain }, &since(&pulse, now)),
            row.active_tasks.join(", ").into(),
        ];
        rows.push_document(&project, entry, agent.name.to_string(), move || (row, cells));
    }
    rows.answer(&project, &args.part)
}

fn remove(args: &Remove, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    write::removed("agent.remove", &project, Kind::Agent, &args.name)
}
