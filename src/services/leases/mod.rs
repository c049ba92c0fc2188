//! Who holds which task: the lease registry of a clone, heartbeats, and what is decided from them. No document is written here.

mod evidence;
mod heartbeat;
mod lease;
mod registry;
mod resume;
mod task_holder;
mod unmerged;

use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use self::lease::Lease;
pub(super) use self::registry::PendingLease;
pub(super) use self::resume::{may_resume, resume_request};
pub use self::task_holder::{TaskHolder, queue};
use super::Error;
use super::claim_arbiter::ClaimArbiter;
use super::environment;
use super::error::again;
use super::index::DocumentReader;
use crate::adapters::git::{Repository, Target};
use crate::adapters::store::{BootClock, Durability, Store};
use crate::core::config::Config;
use crate::core::document::Document;
use crate::core::entity::{self, Task};
use crate::core::lease::{BootTime, LeaseEvidence, LeasePlace, LeaseProof, LostLease};
use crate::core::name::DocPath;
use crate::core::time::parse_span;

/// The lease if the settings have none that can be used.
const LEASE_DEFAULT: Duration = Duration::from_secs(1_800);

/// The leases of a clone, as seen from one worktree.
#[derive(Clone, Copy)]
pub struct Leases<'a> {
    pub(super) store: &'a Store,
    pub(super) documents: DocumentReader<'a>,
    pub(super) repository: Option<&'a Repository>,
    /// The worktree, or the plain folder outside git.
    pub(super) root: &'a Path,
    /// The coordination folder below it.
    pub(super) folder: &'a str,
    /// The branch of the documents.
    pub(super) target: &'a Target,
    pub(super) durability: Durability,
    /// How long a lease lasts if the request does not say.
    pub(super) default_lease: Duration,
    /// Is told of renewed leases.
    pub(super) arbiter: &'a dyn ClaimArbiter,
}

impl fmt::Debug for Leases<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Leases<'_> {
    /// Returns how long a lease lasts if the request does not say.
    #[must_use]
    pub const fn default_lease(&self) -> Duration {
        self.default_lease
    }

    /// Returns the time on the clock by which leases are measured.
    pub(super) fn boot_time(&self) -> BootTime {
        let BootClock { boot, ms, slept_ms } = self.store.leases.boot_clock();
        BootTime { boot, ms, slept_ms }
    }

    /// Refuses a caller that the registry does not let change a task.
    pub(super) fn authorize(
        &self,
        path: &DocPath,
        (task, evidence): (&Task, &LeaseEvidence),
        proof: LeaseProof<'_>,
    ) -> Result<(), Error> {
        let id = task.id.as_str();
        let verdict = crate::core::lease::authorize(id, evidence, proof, &self.boot_time(), &self.here(path));
        verdict.map_err(|loss| claim_lost(*loss))
    }

    /// Returns the place of a claim on a document of this worktree, without the branch.
    pub(super) fn here(&self, path: &DocPath) -> LeasePlace {
        LeasePlace { root: self.root.to_owned(), document: self.documents.in_repository(path), branch: None }
    }

    /// Returns the place of a claim on a document of this worktree.
    pub(super) fn place(&self, path: &DocPath) -> Result<LeasePlace, Error> {
        let head = again(|| Ok(self.repository.map(|repository| repository.view().head(self.target)).transpose()?))?;
        Ok(LeasePlace { branch: head.and_then(|head| head.branch), ..self.here(path) })
    }
}

/// Returns how long a lease lasts by the settings.
pub(super) fn default_lease(config: &Config) -> Duration {
    config.text("claim.lease").and_then(|text| parse_span(text).ok()).unwrap_or(LEASE_DEFAULT)
}

/// Reads a document as a task; `None` if it is none.
pub(super) fn task_of(path: &DocPath, document: &Document) -> Option<Task> {
    match entity::read(path, document).entity {
        Some(entity::Entity::Task(task)) => Some(*task),
        _ => None,
    }
}

/// The error of an agent that does not get a lease or has lost it, with the times by the wall clock.
pub(super) fn claim_lost(mut lost: LostLease) -> Error {
    let now = environment::now();
    lost.ended = lost.ended.or_else(|| lost.ended_ago.map(|ago| now.earlier_by(ago)));
    lost.until = lost.left.map(|left| now.later_by(left));
    Error::ClaimLost(Box::new(lost))
}
