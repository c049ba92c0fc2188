//! What whoever changes a task says about their right to: options that several commands share.

use crate::core::lease::Override;
use crate::core::operation::Passing;

/// The right to change a task that an agent has.
#[derive(Debug, clap::Args)]
pub(crate) struct Right {
    /// Only if this is still the fence of the task, as `task claim` printed it
    #[arg(long, value_name = "N")]
    fence: Option<u64>,
    /// Also if another agent has the task
    #[arg(long)]
    force: bool,
}

impl Right {
    /// The same in the words of the project.
    pub(crate) const fn passing(&self) -> Passing {
        Passing { fence: self.fence, over: if self.force { Override::Force } else { Override::None } }
    }
}
