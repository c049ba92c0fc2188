//! `bridge`: the server that the documents are mirrored to: how it stands, whether it is there, yes, no, and an exchange at once.

mod choice;
mod detect;
mod pass;
mod status;

pub(super) use status::line;

use clap::Subcommand;

use super::answer::Answer;
use super::session::Session;
use crate::api::view::ErrorReport;

/// Every command about the bridge.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell how the mirror stands: live or not, why, and how far behind
    Status,
    /// Look now which follower is there: Redis, then `TaskQueue`, then none but the files
    Detect,
    /// Agree to a server, and mirror the documents of a branch there
    Enable(choice::Enable),
    /// Take that back; what lies on the server stays there
    Disable,
    /// Bring what is here to the server, at once
    Push(pass::Args),
    /// Bring what is on the server here, at once
    Pull(pass::Args),
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Answer, ErrorReport> {
    match command {
        Command::Status => status::run(session),
        Command::Detect => detect::run(session),
        Command::Enable(args) => choice::enable(args, session),
        Command::Disable => choice::disable(session),
        Command::Push(args) => pass::push(args, session),
        Command::Pull(args) => pass::pull(args, session),
    }
}
