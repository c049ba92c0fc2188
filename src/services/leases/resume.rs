//! An agent whose lease has expired may resume its task, until another agent gets it.

use super::Leases;
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{self, LeaseEvidence, LeaseRequest, LostLease, Override, expired_holder};
use crate::core::name::{AgentName, DocPath};
use crate::core::operation::TaskChange;

/// Returns true if an operation may be that of a last holder whose task is pending again.
pub(in crate::services) fn may_resume(by: Option<&AgentName>, task: &Task, change: Option<&TaskChange>) -> bool {
    by.is_some() && task.status == TaskStatus::Pending && change.is_some_and(TaskChange::takes_up)
}

/// Returns the request by which an agent resumes a task; `None` if it is not the last holder, or if another agent has held the
/// task since.
pub(in crate::services) fn resume_request(by: Option<&AgentName>, evidence: &LeaseEvidence) -> Option<LeaseRequest> {
    let by = by?;
    let entry = expired_holder(evidence, by)?;
    Some(LeaseRequest { by: by.clone(), lease: entry.lease, over: Override::None })
}

impl Leases<'_> {
    /// Returns why an agent may not end a task: its lease expired, and another agent has held the task since.
    pub(in crate::services) fn taken_over_since(
        &self,
        by: Option<&AgentName>,
        path: &DocPath,
        task: &Task,
        evidence: &LeaseEvidence,
    ) -> Option<LostLease> {
        let (now, here) = (self.boot_time(), self.here(path));
        lease::taken_over_since(task.id.as_str(), evidence, by?, &now, &here).map(|lost| *lost)
    }
}
