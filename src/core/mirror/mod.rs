//! The documents as a key-value server shows them, and back: which keys, which fields, and what to do where the file, the
//! server and what both last agreed on differ. Pure; knows no connection, no file and no clock.
//!
//! The server is a follower: whatever it holds can be lost at any moment and is told again from the files.

mod case;
mod create;
mod entry;
mod fields;
mod guard;
mod keys;
mod lineage;
mod outgoing;
mod queue;
mod reconcile;
mod remote;
mod take;
mod told;
mod wish;

pub use create::create;
pub use entry::{ENTRY_BYTES_MAX, Entry, QueuedTask, entry};
pub use fields::{Derived, Life, WORKFLOW_LIFE, digest, fields, sum, ttl};
pub use guard::{Mass, REMOVALS_MAX, mass};
pub use keys::{Key, Keys};
pub use queue::queues;
pub use reconcile::{Back, FileStep, Ground, Held, Step, reconcile};
pub use remote::{Base, Fields, Gone, Local, Outgoing, Record, Remote};
pub use take::{FIELD_BYTES_MAX, FIELDS_MAX, Garbage, NewDoc, Taken, take};

#[cfg(test)]
mod tests;
