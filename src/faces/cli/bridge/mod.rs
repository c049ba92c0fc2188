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
use crate::services::BackendId;

/// Every command about the bridge.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell how the mirror stands: live or not, why, and how far behind
    Status(OneBackend),
    /// Look now which follower is there: Redis, then `TaskQueue`, then none but the files
    Detect(OneBackend),
    /// Agree to a server, and mirror the documents of a branch there
    Enable(choice::Enable),
    /// Take that back; what lies on the server stays there
    Disable(choice::Disable),
    /// Bring what is here to the server, at once
    Push(pass::Args),
    /// Bring what is on the server here, at once
    Pull(pass::Args),
}

/// Which backends an answer is about
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct OneBackend {
    /// This backend alone: redis or taskqueue [default: each]
    #[arg(long, value_enum, hide_possible_values = true)]
    backend: Option<pass::BackendWord>,
}

impl OneBackend {
    /// Returns true if the answer is about a backend.
    fn has(self, backend: BackendId) -> bool {
        self.backend.is_none_or(|only| only.id() == backend)
    }

    /// The one that is asked for.
    fn id(self) -> Option<BackendId> {
        self.backend.map(pass::BackendWord::id)
    }
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Answer, ErrorReport> {
    match command {
        Command::Status(only) => status::run(*only, session),
        Command::Detect(only) => detect::run(*only, session),
        Command::Enable(args) => choice::enable(args, session),
        Command::Disable(args) => choice::disable(args, session),
        Command::Push(args) => pass::push(args, session),
        Command::Pull(args) => pass::pull(args, session),
    }
}
