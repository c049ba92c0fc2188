//! The commands about events. One file each; this one lists them, and says how an event is shown.

mod list;
mod publish;
mod subscribe;

use clap::Subcommand;

use super::answer::Answer;
use super::render::{Ink, paint};
use super::session::Session;
use crate::api::view::ErrorReport;
use crate::core::event::Event;
use crate::core::name::visible;

/// Every command about events.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish an event on a channel and print its id
    Publish(publish::Args),
    /// Print events as they happen
    Subscribe(subscribe::Args),
    /// List published events, and recent changes
    List(list::Args),
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    match command {
        Command::Publish(args) => publish::run(args, session).map(Some),
        Command::Subscribe(args) => subscribe::run(args, session).map(|()| None),
        Command::List(args) => list::run(args, session).map(Some),
    }
}

/// `2025-10-17T00:00:00.000Z  op-4k2j9w  tasks:events  completed  {"task_id":"task-7"}`
fn line(event: &Event) -> String {
    let body = serde_json::to_string(&event.body).unwrap_or_default();
    let at = paint(Ink::Dim, &event.at.to_the_millisecond());
    let (id, channel) = (paint(Ink::Dim, event.id.as_str()), paint(Ink::Live, event.channel.as_str()));
    let name = paint(Ink::Bold, &visible(&event.event));
    format!("{at}  {id}  {channel}  {name}  {}\n", visible(&body))
}
