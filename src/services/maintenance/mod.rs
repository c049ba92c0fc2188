//! Care for a project: the findings about its documents, the condition of everything around them, its first configuration, and
//! pauses of its writers.

mod check;
mod doctor;
mod pause;
mod setup;

use std::path::Path;

use super::Backends;
use super::commits::Committer;
use super::history::History;
use super::index::DocumentReader;
use crate::core::config::Config;

pub(super) use self::doctor::fault;
pub use self::setup::{InitReport, Templates};

/// Looks after a project.
#[derive(Debug, Clone, Copy)]
pub struct Maintenance<'a> {
    pub(super) root: &'a Path,
    pub(super) config: &'a Config,
    pub(super) documents: DocumentReader<'a>,
    pub(super) commits: Committer<'a>,
    pub(super) history: History<'a>,
    pub(super) bridge: Backends<'a>,
}
