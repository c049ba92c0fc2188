//! The command line as a whole: global options and the list of commands. Each command's own options stand in its file.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::late::Late;
use super::{
    agent, archive, batch, bridge, check, commit, completions, config, demo, doctor, event, explain, init,
    instructions, log, man, merge_driver, pause, resolve, restore, status, sync, task, textconv, watch, why, worker,
    workflow,
};
use crate::core::name::AgentName;

const EXAMPLES: &str = "\
Examples:
  mycelium task create --type train-model --assigned-to ai-engineer --payload '{\"epochs\": 3}'
  mycelium task update task-k7f3 --status running --progress 0.5
  mycelium task list --status pending
  mycelium watch --detach
  mycelium log task-k7f3

Values are given as text, as `@FILE`, or as `-` for standard input.

Exit codes:
    0  done
    1  problems found, or a failure without a code of its own
    2  wrong command line or value
    3  no such document, file or setting
    4  clashes with the document's state
    5  unsafe repository or folder
   75  busy, try again
  130  interrupted

Topics of `mycelium help`:
  exit-codes   what the exit code of a command means
  environment  the variables that are read
  format       what the files look like
  ids          names, and how to shorten them
  values       payloads, results and notes on the command line
  json         answers for programs";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Agents, tasks and workflows as markdown files in git: watched, checked and committed
#[derive(Debug, Parser)]
#[command(name = "mycelium", version, propagate_version = true, styles = STYLES, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Where options of every command stand: behind a command's own, whichever of them are known first.
const LAST: usize = 1_000;

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
pub(crate) struct Global {
    /// Who acts.
    #[arg(help = "Act as this agent [env: MYCELIUM_AGENT]")]
    #[arg(long = "as", value_name = "AGENT", global = true, display_order = LAST)]
    pub agent: Option<AgentName>,
    /// Where.
    #[arg(help = "Work in this directory's repository [env: MYCELIUM_ROOT] [default: the enclosing repository]")]
    #[arg(long, value_name = "DIR", global = true, display_order = LAST + 1)]
    pub root: Option<PathBuf>,
    /// Answer in JSON: one object, or one object a line for streams
    #[arg(long, global = true, display_order = LAST + 2)]
    pub json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", hide_possible_values = true, global = true, display_order = LAST + 3)]
    #[arg(help = "When to use colours: auto, always or never")]
    pub color: Color,
    /// Do not show long answers in a pager
    #[arg(long, global = true, display_order = LAST + 4)]
    pub no_pager: bool,
    /// Say on standard error where this works and how long it took
    #[arg(short, long, global = true, display_order = LAST + 5, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, display_order = LAST + 6)]
    pub quiet: bool,
    /// Do nothing unless this follower is live.
    #[arg(help = "End with 75 unless this follower is live: redis, taskqueue or markdown")]
    #[arg(long, value_name = "MODE", value_enum, hide_possible_values = true, global = true, display_order = LAST + 7)]
    pub require_mode: Option<Required>,
}

/// A follower that may be required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Required {
    /// A Redis or Valkey server.
    Redis,
    /// A `TaskQueue` server.
    Taskqueue,
    /// The files alone.
    Markdown,
}

impl Required {
    /// Its word, as in `coordination.mode`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Taskqueue => "taskqueue",
            Self::Markdown => "markdown",
        }
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is going on: agents, tasks, what waits and why
    #[command(visible_alias = "stats")]
    Status(Late<status::Args>),
    /// Create, change and list tasks
    #[command(subcommand)]
    Task(Late<task::Command>),
    /// Set, show and list agents
    #[command(subcommand)]
    Agent(Late<agent::Command>),
    /// Create, change and list workflows
    #[command(subcommand)]
    Workflow(Late<workflow::Command>),
    /// Publish, follow and list events
    #[command(subcommand)]
    Event(Late<event::Command>),
    /// Explain why a task is or is not ready, and how to unblock it
    Why(Late<why::Args>),
    /// Carry out many operations, one a line, in one write and one commit
    Batch(Late<batch::Args>),
    /// Tell what happened to a document, or to all of them
    Log(Late<log::Args>),
    /// Check every document: ids, statuses, dependencies, cycles, drift
    Check(Late<check::Args>),
    /// Watch the folder and commit what changes
    Watch(Late<watch::Args>),
    /// Claim ready tasks for an agent and run a command for each
    Worker(Late<worker::Args>),
    /// Commit what is not committed yet
    Commit(Late<commit::Args>),
    /// Let the writers of this worktree wait, so that git can change its files
    Pause(Late<pause::PauseArgs>),
    /// End the pause of the writers of this worktree
    Resume(Late<pause::ResumeArgs>),
    /// Exchange documents with a remote: fetch, merge, push
    Sync(Late<sync::Args>),
    /// Mirror the documents to a Redis or Valkey server
    #[command(subcommand)]
    Bridge(Late<bridge::Command>),
    /// Move finished tasks and workflows, and old event logs, into the archive
    Archive(Late<archive::Args>),
    /// Merge documents in conflict by what they say, after a merge, rebase or the like that stopped
    Resolve(Late<resolve::Args>),
    /// Bring back what git put back before it was committed, and documents that were removed
    Restore(Late<restore::Args>),
    /// Make the folder and a configuration file; never needed, overwrites nothing
    Init(Late<init::Args>),
    /// Show and change settings
    #[command(subcommand)]
    Config(Late<config::Command>),
    /// Let three agents work in a throw-away repository and show what came of it
    Demo(Late<demo::Args>),
    /// Check git, settings, watcher and system for problems
    Doctor(Late<doctor::Args>),
    /// Print the guide for agents, or keep it in AGENTS.md
    Instructions(Late<instructions::Args>),
    /// Explain what a code means, why, and how to fix it
    Explain(Late<explain::Args>),
    /// Print the script that lets a shell complete commands, ids and values
    Completions(Late<completions::Args>),
    /// Print a manual page, or write those of all commands
    Man(Late<man::Args>),
    /// Merge three versions of a document, as git asks for it
    MergeDriver(Late<merge_driver::Args>),
    /// Print a document as one fact a line, as `git diff` shows it
    Textconv(Late<textconv::Args>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::Exit;

    #[test]
    fn the_help_names_every_exit_code() {
        for exit in Exit::ALL {
            let line = format!("{:>5}  {}", exit.code(), exit.about());
            assert!(EXAMPLES.lines().any(|known| known == line), "{line}");
        }
    }
}
