//! The format on the server: keys, hashes, records and queues, and documents decoded from them and encoded into them. Pure.
//!
//! A document is a hash that every program sees (`tasks:<id>`), with our record of it beside.

mod create;
mod document;
mod edits;
mod hash;
mod keys;
mod queue;
mod queue_entry;
mod record;

pub use create::create;
pub use document::DocumentCodec;
pub use edits::{FIELDS_MAX, changed_fields};
pub use hash::{HashLife, WORKFLOW_LIFE, hash_fields, hash_life, hash_sum};
pub use keys::{Keys, RedisKey};
pub use queue::ready_queues;
pub use queue_entry::{ENTRY_BYTES_MAX, QueueEntry, QueuedTask, parse_entry};
pub use record::{HashFields, RedisDocument, RedisRecord, RedisWrite};

#[cfg(test)]
mod tests;
