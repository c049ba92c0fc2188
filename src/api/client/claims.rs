//! The client's methods about who has a task: exactly one agent, for as long as it says now and then that it is at it.

use std::time::Duration;

use serde::Serialize;

use super::agents::not_found;
use super::{CoordinationClient, Error, Receipt, actor};
use crate::api::view::texts;
use crate::core::entity::{Entity, Task};
use crate::core::lease::{LeaseRequest, Override};
use crate::core::name::{AgentName, Kind};
use crate::core::operation::{Request, TaskChange};
use crate::core::time::Timestamp;
use crate::services::{self, Actor, Claimed, Decided, Project, RenewedLease, Which};

/// How a task is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimOptions {
    lease: Option<Duration>,
    over: Option<Override>,
}

impl ClaimOptions {
    setters! {
        /// For how long the task is the agent's without a sign of life; else the setting `claim.lease` (30 minutes).
        value(Duration) lease => lease;
    }

    /// Also if it is assigned to another agent.
    #[must_use]
    pub const fn force(mut self) -> Self {
        self.over = Some(Override::Force);
        self
    }

    /// Also if another agent has it, which is refused from then on.
    #[must_use]
    pub const fn steal(mut self) -> Self {
        self.over = Some(Override::Steal);
        self
    }

    pub(super) fn ask(&self, project: &Project, by: &Actor) -> Result<LeaseRequest, services::Error> {
        let by = by.agent.clone().ok_or(services::Error::NoAgent)?;
        let lease = self.lease.filter(|lease| !lease.is_zero()).unwrap_or_else(|| project.leases().default_lease());
        Ok(LeaseRequest { by, lease, over: self.over.unwrap_or(Override::None) })
    }
}

impl From<Duration> for ClaimOptions {
    fn from(lease: Duration) -> Self {
        Self::default().lease(lease)
    }
}

/// A task that an agent has.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Claim {
    /// The task, running.
    pub task: Task,
    /// Who has it.
    #[serde(rename = "holder")]
    pub by: AgentName,
    /// Which holder they are, counted from 1; see [`CoordinationClient::fenced`].
    pub fence: u64,
    /// For how long they have it without a word.
    #[serde(serialize_with = "texts::span")]
    pub lease: Duration,
    /// Since when, by the clock on the wall.
    #[serde(serialize_with = "texts::text")]
    pub since: Timestamp,
    /// Until when, by the clock on the wall, unless they renew it.
    #[serde(serialize_with = "texts::text")]
    pub until: Timestamp,
    /// Where that was decided: in this clone, or on the server for all clones.
    #[serde(flatten, serialize_with = "texts::decision")]
    pub decided: Decided,
    /// What became of the document.
    pub receipt: Receipt,
}

impl TryFrom<Claimed> for Claim {
    type Error = Error;

    fn try_from(claimed: Claimed) -> Result<Self, Error> {
        let Claimed { by, fence, lease, since, until, outcome, decided, .. } = claimed;
        match outcome.entity.clone() {
            Some(Entity::Task(task)) => Ok(Self {
                task: *task,
                by,
                fence,
                lease,
                since,
                until,
                decided,
                receipt: Receipt { fence: Some(fence), ..outcome.into() },
            }),
            _ => Err(not_found(Kind::Task, outcome.path.stem())),
        }
    }
}

impl CoordinationClient {
    /// Takes a task for the agent that acts: it is theirs and nobody else's, among all processes and work trees of this clone;
    /// where a server decides ([`Claim::decided`]), among all clones. Who has it already keeps it, and the lease begins anew.
    ///
    /// Durable on return: the document (`claimed_by`, `fence`, `lease`, `status: running`) and the entry of who has it.
    ///
    /// # Errors
    /// [`Error::Lost`] if another agent has it: who, since when and until when; [`Error::Refused`] if it is not ready or is
    /// assigned to another agent; [`Error::NotFound`]; [`Error::BadInput`] if nobody acts by name; [`Error::Busy`] if the server
    /// has to decide ([`super::Builder::require_mode`]) and cannot.
    pub async fn claim_task(&self, id: impl AsRef<str>, terms: impl Into<ClaimOptions>) -> Result<Claim, Error> {
        let (id, terms, by) = (id.as_ref().to_owned(), terms.into(), actor(self));
        let claim = move |_: &_, project: &Project| {
            let ask = terms.ask(project, &by)?;
            project.operations().claim(&by, Which::Task(&id), &ask)?.try_into()
        };
        self.crew.run(claim).await
    }

    /// Takes the most urgent task that is ready, of this type if one is given; `None` if there is none. Two who ask at the
    /// same time get two tasks.
    ///
    /// Durable on return: as [`CoordinationClient::claim_task`].
    ///
    /// # Errors
    /// [`Error::BadInput`] if nobody acts by name; others if the folder fails.
    pub async fn claim_next(&self, kind: Option<&str>, terms: impl Into<ClaimOptions>) -> Result<Option<Claim>, Error> {
        let (kind, terms, by) = (kind.map(str::to_owned), terms.into(), actor(self));
        let claim = move |_: &_, project: &Project| {
            let next = Which::Next { kind: kind.as_deref() };
            match project.operations().claim(&by, next, &terms.ask(project, &by)?) {
                Err(services::Error::NothingReady { .. }) => Ok(None),
                claimed => Claim::try_from(claimed?).map(Some),
            }
        };
        self.crew.run(claim).await
    }

    /// Says that the holder of a task is still at it: the lease begins anew. No document changes.
    ///
    /// Durable on return: nothing needs to be; a lease that is forgotten at a power cut begins anew with the next look.
    ///
    /// # Errors
    /// [`Error::Lost`] if another agent has it by now; [`Error::Refused`] if nobody has it.
    pub async fn renew_task(&self, id: impl AsRef<str>) -> Result<RenewedLease, Error> {
        let (id, by) = (id.as_ref().to_owned(), actor(self));
        let renew = move |_: &_, project: &Project| Ok(project.operations().renew(&by, &id)?);
        self.crew.run(renew).await
    }

    /// Gives a running task back: it is pending, and anybody may have it.
    ///
    /// Durable on return: the document and the entry of who had it.
    ///
    /// # Errors
    /// [`Error::Lost`] if another agent has it by now; [`Error::Refused`] if it is not running.
    pub async fn release_task(&self, id: impl AsRef<str>) -> Result<Receipt, Error> {
        self.change(Request::task(id.as_ref(), TaskChange::Release)).await
    }

    /// The same client, whose changes of tasks are made only while the task's fence is this one: whoever lost the task,
    /// even to itself under another fence, is refused with [`Error::Lost`].
    #[must_use]
    pub fn fenced(&self, fence: u64) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }
}
