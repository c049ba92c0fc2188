//! The commands about tasks. One file each; this one only lists them.

mod approve;
mod claim;
mod complete;
mod create;
mod edit;
mod fail;
mod get;
mod list;
mod note;
mod ready;
mod reject;
mod release;
mod remove;
mod renew;
mod reopen;
mod retry;
mod right;
mod tick;
mod update;
mod wait;

pub(crate) use list::{ended_elsewhere, told};
pub(crate) use update::{fraction, pairs};

use clap::Subcommand;

use super::answer::Answer;
use super::late::Late;
use super::session::Session;
use crate::api::view::ErrorReport;

/// Every command about tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a task and print its id
    Create(Late<create::Args>),
    /// Show a task
    Get(Late<get::Args>),
    /// List tasks
    List(Late<list::Args>),
    /// List the tasks that could be started now, the best first
    Ready(Late<ready::Args>),
    /// Claim a task, or the next one that is ready
    Claim(Late<claim::Args>),
    /// Renew the lease on a task you hold
    Renew(Late<renew::Args>),
    /// Change a task's status, progress or any other field
    Update(Late<update::Args>),
    /// Mark a running task as completed
    Complete(Late<complete::Args>),
    /// Mark a running task as failed
    Fail(Late<fail::Args>),
    /// Give a running task back
    Release(Late<release::Args>),
    /// Make a failed task pending again
    Retry(Late<retry::Args>),
    /// Make a completed task pending again
    Reopen(Late<reopen::Args>),
    /// Approve a completed task; not by the agent that did it
    Approve(Late<approve::Args>),
    /// Reject a completed task: it is pending again, with the reason as a note
    Reject(Late<reject::Args>),
    /// Edit a task's file in your editor
    Edit(Late<edit::Args>),
    /// Mark a step of a task as done
    Tick(Late<tick::Args>),
    /// Add a note to a task
    Note(Late<note::Args>),
    /// Wait until tasks are completed or have failed
    Wait(Late<wait::Args>),
    /// Remove a task's file (its history stays)
    Remove(Late<remove::Args>),
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    match command {
        Command::Create(args) => create::run(args, session).map(Some),
        Command::Get(args) => get::run(args, session),
        Command::List(args) => list::run(args, session).map(Some),
        Command::Ready(args) => ready::run(args, session).map(Some),
        Command::Claim(args) => claim::run(args, session).map(Some),
        Command::Renew(args) => renew::run(args, session).map(Some),
        Command::Update(args) => update::run(args, session).map(Some),
        Command::Complete(args) => complete::run(args, session).map(Some),
        Command::Fail(args) => fail::run(args, session).map(Some),
        Command::Release(args) => release::run(args, session).map(Some),
        Command::Retry(args) => retry::run(args, session).map(Some),
        Command::Reopen(args) => reopen::run(args, session).map(Some),
        Command::Approve(args) => approve::run(args, session).map(Some),
        Command::Reject(args) => reject::run(args, session).map(Some),
        Command::Edit(args) => edit::run(args, session).map(Some),
        Command::Tick(args) => tick::run(args, session).map(Some),
        Command::Note(args) => note::run(args, session).map(Some),
        Command::Wait(args) => wait::run(args, session).map(Some),
        Command::Remove(args) => remove::run(args, session).map(Some),
    }
}
