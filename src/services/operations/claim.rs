//! Claims: a task is given to exactly one agent, among all processes and work trees of the clone, for as long as they say
//! now and then that they are at it.

use std::time::Duration;

use super::guards::denied;
use super::skipped::SkippedTasks;
use super::{Actor, ClaimDecision, Operations, Outcome};
use crate::adapters::store::StoreError;
use crate::core::document::Document;
use crate::core::entity::Task;
use crate::core::lease::{
    EntryState, LeaseEntry, LeaseFacts, LeaseRequest, LeaseState, Override, PreviousHolder, lease_state,
};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::operation::{DocumentChange, DocumentRef, Passing};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::snapshot::{Snapshot, sort_by_urgency};
use crate::core::time::Timestamp;
use crate::services::claim_arbiter::{ClaimRequest, Decided};
use crate::services::leases::task_of;
use crate::services::{Error, Scope, environment};

/// How often the list of what is ready is made anew when others take everything on it.
const ATTEMPTS_MAX: u32 = 50;

/// Which task is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// This one, by its id or the beginning of it.
    Task(&'a str),
    /// The most urgent one that is ready.
    Next {
        /// Only of this `type`.
        kind: Option<&'a str>,
    },
}

/// Is called with a task before it is claimed.
pub(in crate::services) type Announce<'a> = &'a dyn Fn(&DocId) -> Result<(), Error>;

/// A request for the most urgent task that is ready.
struct NextTask<'a> {
    /// Only of these types; of all, if there are none.
    kinds: &'a [&'a str],
    /// Is called with each task before it is tried; then only what the agent does not hold yet is given.
    announce: Option<Announce<'a>>,
}

/// A task with its holder.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Who has it.
    pub by: AgentName,
    /// Their fence: which holder they are, counted from 1.
    pub fence: u64,
    /// For how long they have it without a word.
    pub lease: Duration,
    /// Since when, by the clock on the wall.
    pub since: Timestamp,
    /// Until when, by the clock on the wall, if they do not renew it and the clock is not set.
    pub until: Timestamp,
    /// From whom it came.
    pub origin: PreviousHolder,
    /// What became of the document.
    pub outcome: Outcome,
    /// Where that was decided.
    pub decided: Decided,
    /// With [`Which::Next`]: tasks that would have come before, and cannot be given to an agent as they are.
    pub skipped: SkippedTasks,
}

/// A lease that was renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewedLease {
    /// Which task.
    pub task: DocId,
    /// Where its document is.
    pub path: DocPath,
    /// Who has it.
    pub by: AgentName,
    /// Their fence.
    pub fence: u64,
    /// For how long they have it without another word.
    pub lease: Duration,
    /// Until when that is, by the clock on the wall.
    pub until: Timestamp,
}

impl Operations<'_> {
    /// Gives a task to an agent: it is theirs and nobody else's when this returns, and stays so through a power cut.
    /// Whoever has it already keeps it, and their lease begins anew.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if another agent has it; [`Error::Assigned`], [`Error::NotReady`] and [`Error::NotPending`] if
    /// nobody is to have it now, or not this agent; [`Error::NothingReady`] if there is no next one; others if the folder
    /// fails.
    pub fn claim(&self, by: &Actor, which: Which<'_>, ask: &LeaseRequest) -> Result<Claimed, Error> {
        match which {
            Which::Task(id) => {
                let task = DocumentRef::Id(id);
                self.claimed(self.run_one(by, DocumentChange::Claim { task, ask: ask.clone() })?)
            }
            Which::Next { kind } => {
                let kinds: Vec<&str> = kind.into_iter().collect();
                self.claim_any(by, &NextTask { kinds: &kinds, announce: None }, ask)
            }
        }
    }

    /// Gives the most urgent task that is ready to an agent that does not hold it yet, whichever process acts as the agent: of
    /// several that ask at the same moment one gets it. `None` if no task is ready. `announce` is called before each try.
    ///
    /// Durable on return: the claim.
    ///
    /// # Errors
    /// As [`Operations::claim`], and those of `announce`.
    pub(in crate::services) fn claim_new(
        &self,
        by: &Actor,
        kinds: &[&str],
        ask: &LeaseRequest,
        announce: Announce<'_>,
    ) -> Result<Option<Claimed>, Error> {
        match self.claim_any(by, &NextTask { kinds, announce: Some(announce) }, ask) {
            Err(Error::NothingReady { .. }) => Ok(None),
            claimed => claimed.map(Some),
        }
    }

    fn claim_any(&self, by: &Actor, next: &NextTask<'_>, ask: &LeaseRequest) -> Result<Claimed, Error> {
        let mut skipped = SkippedTasks::default();
        for _ in 0..ATTEMPTS_MAX {
            if let Some(claimed) = self.claim_next(by, next, ask, &mut skipped)? {
                return Ok(Claimed { skipped, ..claimed });
            }
        }
        let path = self.leases.root.join(self.documents.folder());
        Err(StoreError::Restless { path, attempts: ATTEMPTS_MAX }.into())
    }

    /// One try; `None` if other agents took everything that was ready when it began.
    fn claim_next(
        &self,
        by: &Actor,
        next: &NextTask<'_>,
        ask: &LeaseRequest,
        skipped: &mut SkippedTasks,
    ) -> Result<Option<Claimed>, Error> {
        let live = self.documents.snapshot(Scope::Named)?;
        skipped.note_unusable(&live, next.kinds);
        let mut free = self.free_tasks(&live, next.kinds, ask)?;
        let is_new = |task: &Task| next.announce.is_none() || LeaseFacts::of(task).holder() != Some(&ask.by);
        free.retain(|task| !skipped.contains(&task.id) && is_new(task));
        if free.is_empty() {
            let kind = Some(next.kinds.join("`, `")).filter(|kinds| !kinds.is_empty());
            let hint = skipped.hint();
            return Err(Error::NothingReady { kind, skipped: skipped.to_string(), hint });
        }
        // The list is not of this moment: the first that is still free is theirs.
        for task in free {
            let Some(path) = live.paths_of(Kind::Task, task.id.as_str()).first() else { continue };
            next.announce.map_or(Ok(()), |announce| announce(&task.id))?;
            let claim = DocumentChange::Claim { task: DocumentRef::Path(path), ask: ask.clone() };
            match self.run_one_over(by, &live, claim) {
                // Another process of the same agent was faster.
                Ok(outcome) if next.announce.is_some() && outcome.operation.is_none() => {}
                Ok(outcome) => return self.claimed(outcome).map(Some),
                // This document takes no edit; the others do.
                Err(error @ Error::Refused { .. }) => skipped.note(task.id.clone(), path, &error),
                // Each of these stays free in the next try too, where it must not be met again.
                Err(error @ (Error::Unmerged { .. } | Error::GitsAlone(_))) => {
                    skipped.note_refused(task.id.clone(), &error);
                }
                Err(Error::Store(error)) if error.concerns_one_file() => {
                    skipped.note_refused(task.id.clone(), &error.into());
                }
                Err(Error::Gone { .. }) => {}
                // Another agent was faster.
                Err(error) if error.class() == ErrorClass::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The tasks that an agent may have, the most urgent first: those that are ready, and those whose lease is over.
    fn free_tasks<'a>(&self, live: &'a Snapshot, kinds: &[&str], ask: &LeaseRequest) -> Result<Vec<&'a Task>, Error> {
        let holdings = self.leases.list(live)?;
        // Of a task that runs and names an agent, the ledger may know that nobody has it any more.
        let is_free = |task: &Task| holdings.get(&task.id).is_none_or(|holding| holding.is_over);
        let mut free = live.ready_tasks();
        free.extend(live.tasks().filter(|task| LeaseFacts::of(task).holder().is_some()));
        free.retain(|task| is_free(task) && (kinds.is_empty() || kinds.contains(&task.kind.as_str())));
        let is_meant = |task: &Task| task.assigned_to.as_ref().is_none_or(|to| *to == ask.by);
        free.retain(|task| ask.over != Override::None || is_meant(task));
        sort_by_urgency(&mut free);
        Ok(free)
    }

    fn claimed(&self, mut outcome: Outcome) -> Result<Claimed, Error> {
        let decision = outcome.claim.take().ok_or_else(|| self.documents.gone(&outcome.path))?;
        let until = environment::now().later_by(decision.entry.lease);
        let ClaimDecision { entry: LeaseEntry { by, fence, lease, since, .. }, origin, decided } = decision;
        Ok(Claimed { by, fence, lease, since, until, origin, outcome, decided, skipped: SkippedTasks::default() })
    }

    /// The holder of a task says that they are at it: their lease begins anew. No document changes.
    ///
    /// # Errors
    /// [`Error::NoAgent`] if no agent acts; [`Error::ClaimLost`] if somebody else has the task, or if the fence is
    /// not theirs; [`Error::NotHeld`] if nobody has it; others if the folder fails.
    pub fn renew(&self, actor: &Actor, id: &str) -> Result<RenewedLease, Error> {
        let by = actor.agent.as_ref().ok_or(Error::NoAgent)?;
        let path = self.documents.find(Some(Kind::Task), id)?.path;
        let lock = self.leases.lock()?;
        let file = self.documents.store.folder.read(&path)?.ok_or_else(|| self.documents.gone(&path))?;
        let task = task_of(&path, &Document::parse(file.bytes)).ok_or_else(|| Error::Gone { path: path.clone() })?;
        let (evidence, now) = (self.leases.evidence(&task.id, &path, LeaseFacts::of(&task))?, self.leases.boot_time());
        self.let_pass(actor, &path, (&task, &evidence), &Passing::default())?;
        let entry = match lease_state(&evidence, &now) {
            LeaseState::Held { entry, .. } if entry.by == *by => entry.in_state(EntryState::Held).renewed_at(&now),
            LeaseState::Elsewhere(holder) | LeaseState::Lost(holder) if holder == *by => {
                self.leases.new_entry(by, &evidence.here, self.leases.place(&path)?)
            }
            _ => return Err(Error::NotHeld { task: task.id.to_string(), by: Some(by.clone()) }),
        };
        // Where the file came back by a revert, the registry keeps the higher fence.
        let written = if evidence.is_reverted { None } else { Some(self.leases.write(&lock, &task.id, &entry)?) };
        drop(lock);
        let ask = LeaseRequest { by: entry.by.clone(), lease: entry.lease, over: Override::None };
        let request = ClaimRequest::new(&Task { fence: Some(entry.fence), ..task.clone() }, &ask);
        self.arbiter.renew(&request, actor.claims).map_err(denied)?;
        if let Some(written) = written {
            written.close()?;
            self.leases.sync(&written)?;
        }
        let until = environment::now().later_by(entry.lease);
        Ok(RenewedLease { task: task.id, path, by: entry.by, fence: entry.fence, lease: entry.lease, until })
    }
}
