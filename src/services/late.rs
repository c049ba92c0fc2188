//! An agent whose lease ended: what it may still do, and what it is told where another one has had the task since.

use super::claim_arbiter::Reservation;
use super::operations::{Actor, refusing};
use super::{Error, Project};
use crate::core::document::Document;
use crate::core::entity::claim::{Hold, retake};
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{self, LeaseEvidence, LeaseRequest, LostLease, Override, expired_holder};
use crate::core::name::DocPath;
use crate::core::operation::TaskChange;

/// Returns true if an operation may be that of a last holder whose task is pending again.
pub(super) fn may_take_up(by: &Actor, task: &Task, change: Option<&TaskChange>) -> bool {
    by.agent.is_some() && task.status == TaskStatus::Pending && change.is_some_and(TaskChange::takes_up)
}

/// The request by which an agent takes a task up again whose lease ended; `None` if it is not the last holder, or if another
/// agent has had the task since.
pub(super) fn late_ask(by: &Actor, evidence: &LeaseEvidence) -> Option<LeaseRequest> {
    let by = by.agent.as_ref()?;
    let entry = expired_holder(evidence, by)?;
    Some(LeaseRequest { by: by.clone(), lease: entry.lease, over: Override::None })
}

impl Project {
    /// Why an agent may not end a task: its lease ended, and another one has had the task since.
    pub(super) fn taken_over_since(
        &self,
        by: &Actor,
        path: &DocPath,
        task: &Task,
        evidence: &LeaseEvidence,
    ) -> Option<LostLease> {
        let by = by.agent.as_ref()?;
        lease::taken_over_since(task.id.as_str(), evidence, by, &self.moment(), &self.here(path)).map(|loss| *loss)
    }
}

/// The document as its last holder takes it up again: it runs, with the same fence and a lease that begins again.
pub(super) fn taken_up(
    path: &DocPath,
    document: &Document,
    evidence: &LeaseEvidence,
    ask: &LeaseRequest,
    reserved: &Reservation,
) -> Result<Document, Error> {
    let fence = evidence.entry().map_or(0, |entry| entry.fence).max(reserved.fence());
    refusing(path, retake(document, &Hold { by: ask.by.clone(), fence, lease: ask.lease }))
}
