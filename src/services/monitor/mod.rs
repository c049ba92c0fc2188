//! How the tasks are: figures of all, why one is ready or not, and waiting for some to end.

mod stats;
mod wait;
mod why;

use super::Backends;
use super::commits::Committer;
use super::index::DocumentReader;
use super::leases::Leases;
use crate::core::name::AgentName;

pub use self::stats::{Flow, Member, Stats, TaskLine, status_anywhere};
pub use self::wait::{Until, Waited};
pub use self::why::{BlockReason, Need, WhyReport};

/// Tells how the tasks of a project are.
#[derive(Debug, Clone, Copy)]
pub struct TaskMonitor<'a> {
    pub(super) documents: DocumentReader<'a>,
    pub(super) leases: Leases<'a>,
    pub(super) commits: Committer<'a>,
    pub(super) bridge: Backends<'a>,
    /// Who asks.
    pub(super) agent: Option<&'a AgentName>,
}
