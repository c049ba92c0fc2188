//! What follows once an operation is durable: backends are told what it changed.

use super::BackendId;
use crate::adapters::store::Record;

/// Called once an operation is durable. It cannot fail the operation.
pub(super) trait AfterWrite {
    /// Passes on what an operation wrote, unless it came from there.
    fn after_write(&self, written: &Record, origin: WriteOrigin);
}

/// Where an operation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum WriteOrigin {
    /// From this clone.
    #[default]
    Here,
    /// From a backend, which knows it already.
    Backend(BackendId),
}
