//! What to do with a document where the file, a remote and their sync base differ. Pure; knows no remote's format, no
//! connection, no file and no clock.
//!
//! A remote is decoded into a [`RemoteDocument`] before it is judged. The files are the source of truth: whatever a remote
//! loses is sent again from them.

mod adapter;
mod ancestry;
mod decision;
mod digest;
pub mod field_text;
mod field_update;
mod guard;
mod plan;
mod remote;
mod sync_base;

pub use adapter::{AppliedWrite, DocumentRemote, RemoteHead, RemoteListing, RemoteTraits};
pub use ancestry::Ancestry;
pub use digest::digest;
pub use field_update::{FIELD_BYTES_MAX, FieldEdits, FieldUpdates, RejectedField};
pub use guard::{MassDeletion, REMOVALS_MAX, mass_deletion};
pub use plan::{FileAction, HeadMotion, HoldReason, ReconcileContext, ReconcilePlan, local_side, reconcile};
pub use remote::{
    ChangeAuthor, DerivedValues, DocumentKey, Gone, KnownDocument, MirroredDocument, NewDocument, RemoteContent,
    RemoteDocument, RemoteEdit, RemoteText, RemoteVersion, RemoteWrite, WriteContent, entity_of,
};
pub use sync_base::{LocalDocument, SyncBase};

#[cfg(test)]
mod tests;
