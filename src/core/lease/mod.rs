//! Who may have a task: decided from what the documents say, what the lease registry of this clone says, and what is requested.
//! Pure: locks, files and clocks belong to the services.

mod decide;
mod entry;
mod lost;
mod state;

pub use decide::{
    ClaimRefusal, ClaimVerdict, LeaseGrant, LeaseProof, LeaseRequest, Override, PreviousHolder, authorize, decide,
    taken_over_since,
};
pub use entry::{BootTime, EntryState, FormerHolder, LeaseEntry, LeasePlace};
pub use lost::{LossReason, LostLease};
pub use state::{
    EntryWriter, HolderDocument, LeaseEvidence, LeaseFacts, LeaseRecord, LeaseState, TimeLeft, expired_for,
    expired_holder, lease_state,
};
