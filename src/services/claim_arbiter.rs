//! Who decides among several clones which agent gets a task. The registry of this clone decides only among its worktrees; a
//! backend may stand before it and is asked first.

use crate::core::entity::Task;
use crate::core::lease::{LeaseRequest, LostLease, Override};
use crate::core::name::{AgentName, DocId};

/// Decides for all clones that share it who gets a task. It is asked before any lock is held, and answers within a deadline.
pub(super) trait ClaimArbiter {
    /// Returns false if there is nobody to ask: then [`ClaimArbiter::reserve`] answers [`Reservation::NotAsked`].
    fn is_asked(&self) -> bool;

    /// Asks for several tasks in one go; the answers are in the same order. What was reserved and is not needed is to be given to
    /// [`ClaimArbiter::release`].
    fn reserve(&self, requests: &[ClaimRequest], mode: RemoteClaims) -> Vec<Result<Reservation, ClaimDenied>>;

    /// Gives reservations back. One that cannot be given back ends with its lease.
    fn release(&self, unused: &[RemoteLease], mode: RemoteClaims);

    /// Begins a lease again. Where nobody can be asked this succeeds: the document says who has the task.
    ///
    /// # Errors
    /// [`ClaimDenied::Lost`] if another agent has the task there.
    fn renew(&self, request: &ClaimRequest, mode: RemoteClaims) -> Result<(), ClaimDenied>;
}

/// Whether a claim may be decided without the arbiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RemoteClaims {
    /// It is asked if it is there, with a short deadline; else this clone decides alone.
    #[default]
    IfLive,
    /// Without it there is no claim.
    Required,
}

/// Where it was decided who has a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decided {
    /// In this clone: there is no server to ask.
    Here,
    /// On the server, for all clones.
    There,
    /// In this clone, because the server could not be asked; why.
    HereAlone(String),
}

impl Decided {
    /// The word in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::There => "there",
            Self::HereAlone(_) => "here_alone",
        }
    }

    /// Why the server was not asked, where it should have been.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::HereAlone(why) => Some(why),
            Self::Here | Self::There => None,
        }
    }
}

/// What an arbiter said before it is decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reservation {
    /// Nobody was asked.
    NotAsked,
    /// It could not be asked; why.
    Local(String),
    /// It is the agent's there.
    Remote(RemoteLease),
}

/// A task that an agent has by the word of an arbiter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteLease {
    pub(super) by: AgentName,
    pub(super) id: DocId,
    /// The fence there.
    pub(super) fence: u64,
    /// It was not theirs before.
    pub(super) is_new: bool,
    /// Whose lease was over.
    pub(super) was: Option<AgentName>,
}

impl Reservation {
    /// The fence that a new holder has at least.
    pub(super) fn fence(&self) -> u64 {
        self.remote().map_or(0, |lease| lease.fence)
    }

    /// The lease there.
    pub(super) const fn remote(&self) -> Option<&RemoteLease> {
        if let Self::Remote(lease) = self { Some(lease) } else { None }
    }

    /// The same question, for the clone: what the arbiter gives away nobody keeps here.
    pub(super) fn ask(&self, ask: &LeaseRequest) -> LeaseRequest {
        match self {
            Self::Remote(RemoteLease { was: Some(_), .. }) => LeaseRequest { over: Override::Steal, ..ask.clone() },
            _ => ask.clone(),
        }
    }

    /// Where it was decided.
    pub(super) fn decided(&self) -> Decided {
        match self {
            Self::NotAsked => Decided::Here,
            Self::Local(why) => Decided::HereAlone(why.clone()),
            Self::Remote(_) => Decided::There,
        }
    }
}

/// One task that an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClaimRequest {
    /// Which task.
    pub(super) task: DocId,
    /// The fence in its document; 0 for none.
    pub(super) fence: u64,
    /// Who asks, and how.
    pub(super) ask: LeaseRequest,
}

impl ClaimRequest {
    /// The request for a task as its document is now.
    pub(super) fn new(task: &Task, ask: &LeaseRequest) -> Self {
        Self { task: task.id.clone(), fence: task.fence.unwrap_or(0), ask: ask.clone() }
    }
}

/// Why an arbiter gives a task to another agent or to none. It can be kept, and said more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClaimDenied {
    /// Another agent has it, or has ended it.
    Lost(Box<LostLease>),
    /// The arbiter has to decide and cannot.
    Undecided {
        /// Which task.
        task: DocId,
        /// Why it cannot.
        why: String,
    },
}
