//! An agent whose lease ended: what it may still do, and what it is told where another one has had the task since.

use super::claim_arbiter::Reservation;
use super::operations::refusing;
use super::{Error, Project};
use crate::core::claim::{self, Ask, Sight, Taking, late_holder};
use crate::core::document::Document;
use crate::core::entity::claim::{Hold, retake};
use crate::core::entity::{Task, TaskStatus};
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
    pub(super) fn late_ask(&self, sight: &Sight) -> Option<Ask> {
        let by = self.agent.as_ref()?;
        let entry = late_holder(sight, by)?;
        Some(Ask { by: by.clone(), lease: entry.lease, taking: Taking::Polite })
    }

    /// Why the acting agent may not end a task: its lease ended, and another one has had the task since.
    pub(super) fn lost_since(&self, path: &DocPath, task: &Task, sight: &Sight) -> Option<Error> {
        let by = self.agent.as_ref()?;
        let loss = claim::lost_since(task.id.as_str(), sight, by, &self.moment(), &self.here(path))?;
        Some(self.lost(*loss))
    }
}

/// The document as its last holder takes it up again: it runs, with the same fence and a lease that begins again.
pub(super) fn taken_up(
    path: &DocPath,
    document: &Document,
    sight: &Sight,
    ask: &Ask,
    reserved: &Reservation,
) -> Result<Document, Error> {
    let fence = sight.entry().map_or(0, |entry| entry.fence).max(reserved.fence());
    refusing(path, retake(document, &Hold { by: ask.by.clone(), fence, lease: ask.lease }))
}
