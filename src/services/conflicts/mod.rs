//! Conflicts in documents: resolving them, and what git calls to merge documents.

mod behind;
mod driver;
mod pushed;
mod resolve;
mod versions;

pub(super) use self::behind::{judge, sides_behind};
pub use self::driver::{Driver, Drivers, merge_files, shown_file};
pub use self::resolve::{Resolution, ResolutionKind, Resolved};
use super::operations::{Actor, Operations};

/// Documents in conflict, and the drivers by which git merges documents.
#[derive(Debug, Clone, Copy)]
pub struct Conflicts<'a> {
    pub(super) operations: Operations<'a>,
    /// Who resolves.
    pub(super) actor: &'a Actor,
}
