//! The operations that change documents: create, change, claim, expire, remove. One path for all of them: the steps are planned
//! on what the folder holds ([`plan`]), applied as one operation of the store, and committed ([`run`]). A single call is a batch
//! of one.

mod actor;
mod archive;
mod claim;
mod claim_answers;
mod cycle;
mod derived;
mod expire;
mod folder_view;
mod guards;
mod lease_entries;
mod lease_plan;
mod left_behind;
mod outcome;
mod overlay;
mod own_templates;
mod plan;
mod prune;
mod run;
mod skipped;

pub use self::actor::Actor;
pub use self::archive::{Archived, Kept, Moved, Run, Wanted, quiet_span};
pub use self::claim::{Claimed, RenewedLease, Which};
pub(super) use self::derived::out_of_the_archive;
pub use self::expire::TakenBack;
use self::folder_view::FolderView;
pub use self::outcome::{ClaimDecision, Outcome};
pub(super) use self::own_templates::OwnTemplates;
pub use self::prune::{Pruned, Pruning, Stale};
pub use self::run::{STEPS_MAX, Together};
pub use self::skipped::{SkippedTask, SkippedTasks};
use super::Error;
use super::after_write::AfterWrite;
use super::claim_arbiter::ClaimArbiter;
use super::commits::{Committer, OperationRecords};
use super::document_writer::DocumentWriter;
use super::index::DocumentReader;
use super::leases::Leases;
use crate::core::document::Document;
use crate::core::entity::Refusal;
use crate::core::name::Kind;
use crate::core::operation::{DocumentChange, New, Passing, Request, Taken};
use crate::core::snapshot::Snapshot;

/// Carries out operations.
#[derive(Clone, Copy)]
pub struct Operations<'a> {
    pub(super) documents: DocumentReader<'a>,
    pub(super) leases: Leases<'a>,
    pub(super) writer: DocumentWriter<'a>,
    pub(super) records: OperationRecords<'a>,
    pub(super) commits: Committer<'a>,
    pub(super) templates: OwnTemplates<'a>,
    /// Decides claims before this clone does.
    pub(super) arbiter: &'a dyn ClaimArbiter,
    /// Is told of every operation once it is durable.
    pub(super) after: &'a dyn AfterWrite,
}

impl std::fmt::Debug for Operations<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").field("leases", &self.leases).finish_non_exhaustive()
    }
}

impl Operations<'_> {
    /// Creates a document. `taken` says how careful to be about the id: one that was made up at random needs no look-up.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::Exists`] if the id is taken; others if the template, the folder or git fails.
    pub fn create(&self, by: &Actor, new: &New, taken: Taken) -> Result<Outcome, Error> {
        self.run_one(by, DocumentChange::Create { new: new.clone(), taken })
    }

    /// Changes a document by any edit, which may be called again if another process changes the document at the same time.
    /// An agent that has lost a task to another one may not change it; a task that an agent begins is claimed.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::Refused`] if the edit refuses; [`Error::Find`] if there is no such document; [`Error::ClaimLost`] if another
    /// agent has the task; others if the folder fails.
    pub fn change(
        &self,
        by: &Actor,
        kind: Kind,
        id: &str,
        verb: &'static str,
        passing: &Passing,
        edit: &(dyn Fn(&Document) -> Result<Document, Refusal> + Sync),
    ) -> Result<Outcome, Error> {
        let change = DocumentChange::Replace { kind, id: id.to_owned(), verb, edit: Box::new(edit) };
        self.run_one(by, Request::from(change).with(*passing))
    }

    /// Removes a document; git keeps what it said.
    ///
    /// Durable on return: the removal.
    ///
    /// # Errors
    /// [`Error::Find`] if there is no such document; others if the folder fails.
    pub fn remove(&self, by: &Actor, kind: Kind, id: &str) -> Result<Outcome, Error> {
        self.run_one(by, DocumentChange::Remove { kind, id: id.to_owned() })
    }

    /// Carries out a request alone, over live documents that were read before.
    fn run_one_over<'r>(&self, by: &Actor, live: &Snapshot, request: impl Into<Request<'r>>) -> Result<Outcome, Error> {
        one(self.run(&mut FolderView::of(self, by, live), &[request.into()], Together::Each)?)
    }

    /// Carries out a request alone.
    ///
    /// Durable on return: what it changed.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn run_one<'r>(&self, by: &Actor, request: impl Into<Request<'r>>) -> Result<Outcome, Error> {
        one(self.run(&mut FolderView::new(self, by), &[request.into()], Together::Each)?)
    }
}

/// The result of a single step.
fn one(mut results: Vec<Result<Outcome, Error>>) -> Result<Outcome, Error> {
    results.pop().unwrap_or(Err(Error::TooManySteps { count: 0, max: STEPS_MAX }))
}
