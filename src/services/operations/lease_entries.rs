//! Writes what an operation makes of the lease registry: before its documents change, and after.

use super::lease_plan::LeasePlan;
use super::{Actor, Operations};
use crate::core::lease::EntryState;
use crate::services::Error;
use crate::services::leases::PendingLease;

/// From so many entries on, all of the file system is written to the disk at once.
const SYNC_TOGETHER_MIN: usize = 16;

impl Operations<'_> {
    /// Notes the signs of life of the holders before another agent's operation writes their documents.
    pub(super) fn note_holders_heard(&self, by: &Actor, plan: &LeasePlan) -> Result<(), Error> {
        let changed = plan.tasks.iter().filter(|(_, lease)| lease.is_changed);
        changed
            .into_iter()
            .try_for_each(|(path, lease)| self.leases.record_before_foreign_save(by.agent.as_ref(), path, &lease.task))
    }

    /// Counts leases of unknown age from now on.
    pub(super) fn measure_leases(&self, plan: &LeasePlan) -> Result<(), Error> {
        for (id, path, facts, by) in &plan.unmeasured {
            let lock = self.leases.lock()?;
            let evidence = self.leases.evidence(id, path, facts.clone())?;
            self.leases.reanchor(&lock, id, &evidence, by, self.leases.place(path)?)?;
        }
        Ok(())
    }

    /// Writes down what an operation makes of the registry; `None` if it is not any more what the steps were planned on.
    pub(super) fn begin_leases(&self, plan: &LeasePlan) -> Result<Option<Vec<PendingLease>>, Error> {
        let changed: Vec<_> =
            plan.tasks.iter().filter_map(|(path, lease)| Some((path, lease, lease.entry.as_ref()?))).collect();
        if changed.is_empty() {
            return Ok(Some(Vec::new()));
        }
        // A lease that ends, and one that the last holder takes up again, are judged by the document.
        let gives = changed.iter().any(|(_, lease, entry)| entry.state.is_held() && lease.is_claimed);
        let lock = match self.leases.lock() {
            Err(error) if error.is_state_read_only() && !gives => None,
            lock => Some(lock?),
        };
        for (path, lease, _) in &changed {
            if self.leases.evidence(&lease.task.id, path, lease.found.here.clone())?.record != lease.found.record {
                return Ok(None);
            }
        }
        let Some(lock) = lock else { return Ok(Some(Vec::new())) };
        let mut seats = Vec::with_capacity(changed.len());
        for (_, lease, entry) in changed {
            let state = if lease.is_given && entry.state == EntryState::Held { EntryState::Begun } else { entry.state };
            seats.push(self.leases.begin(&lock, &lease.task.id, entry.in_state(state))?);
        }
        Ok(Some(seats))
    }

    /// The documents were not changed.
    pub(super) fn withdraw_leases(&self, seats: &[PendingLease]) -> Result<(), Error> {
        seats.iter().try_for_each(|seat| self.leases.rollback(seat))
    }

    /// Waits until what the registry must not lose is on the disk.
    pub(super) fn sync_leases(&self, seats: &[PendingLease]) -> Result<(), Error> {
        if seats.len() < SYNC_TOGETHER_MIN {
            return seats.iter().try_for_each(|seat| self.leases.sync(&seat.file));
        }
        if self.leases.must_last() { Ok(self.documents.store.leases.sync()?) } else { Ok(()) }
    }
}
