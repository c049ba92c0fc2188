//! An agent whose lease ended: what it may still do, and what it is told where another one has had the task since.

use super::claim_arbiter::Reservation;
use super::operations::refusing;
use super::{Error, Project};
use crate::core::document::Document;
use crate::core::entity::claim::{Hold, retake};
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{self, LeaseEvidence, LeaseRequest, Override, expired_holder};
use crate::core::name::DocPath;

/// The operation that adds a note: it is never refused, whatever became of the task.
pub(super) const NOTE: &str = "task.note";
/// What the last holder of a task may do though the lease ended and the task is pending again.
const TAKES_UP: [&str; 4] = ["task.update", "task.complete", "task.fail", "task.tick"];

impl Project {
    /// Returns true if an operation may be that of a last holder whose task is pending again.
    pub(super) fn may_take_up(&self, task: &Task, verb: &str) -> bool {
        self.agent.is_some() && task.status == TaskStatus::Pending && TAKES_UP.contains(&verb)
    }

    /// The request by which the acting agent takes a task up again whose lease ended; `None` if it is not the last holder, or
    /// if another agent has had the task since.
    pub(super) fn late_ask(&self, evidence: &LeaseEvidence) -> Option<LeaseRequest> {
        let by = self.agent.as_ref()?;
        let entry = expired_holder(evidence, by)?;
        Some(LeaseRequest { by: by.clone(), lease: entry.lease, over: Override::None })
    }

    /// Why the acting agent may not end a task: its lease ended, and another one has had the task since.
    pub(super) fn lost_since(&self, path: &DocPath, task: &Task, evidence: &LeaseEvidence) -> Option<Error> {
        let by = self.agent.as_ref()?;
        let lost = lease::taken_over_since(task.id.as_str(), evidence, by, &self.moment(), &self.here(path))?;
        Some(self.lost(*lost))
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
