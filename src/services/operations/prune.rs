//! Removes the documents of agents that have given no sign of life for long.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Actor, Operations, Together};
use crate::adapters::store::ClaimPart;
use crate::core::document::Document;
use crate::core::entity::Liveness;
use crate::core::lease;
use crate::core::name::{AgentName, DocId, DocPath, OperationId, Revision};
use crate::core::operation::{DocumentChange, Expect, Request};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;
use crate::services::{Error, Scope, Waiting, environment};

/// Whether anything is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruning {
    /// It is.
    Real,
    /// It is only told.
    DryRun,
}

/// An agent that is or would be cleared away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Its name.
    pub name: AgentName,
    /// Its document.
    pub path: DocPath,
    /// Its last sign of life.
    pub seen: Option<Timestamp>,
    /// For how long it has been stale.
    pub stale: Duration,
    /// What it holds; such an agent stays.
    pub holds: Vec<String>,
}

/// What clearing away came to.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// Those that went, or would go.
    pub gone: Vec<Stale>,
    /// Those that are stale for as long and stay, since they hold something or came back meanwhile.
    pub kept: Vec<Stale>,
    /// The operation; `None` if nothing was removed.
    pub operation: Option<OperationId>,
    /// The commit it is in, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
}

impl Operations<'_> {
    /// Removes the documents of agents that have been stale for at least `older` and hold nothing, in one operation. Of
    /// which nothing is known, and which cannot be read, stay.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository fails; then nothing is removed.
    pub fn prune(&self, by: &Actor, older: Duration, pruning: Pruning) -> Result<Pruned, Error> {
        let snapshot = self.documents.snapshot(Scope::Live)?;
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for stale in self.stale_for(&snapshot, older)? {
            if stale.holds.is_empty() { gone.push(stale) } else { kept.push(stale) }
        }
        let mut pruned = Pruned { gone, kept, ..Pruned::default() };
        if pruning == Pruning::Real && !pruned.gone.is_empty() {
            self.clear_away(by, &snapshot, older, &mut pruned)?;
        }
        Ok(pruned)
    }

    fn stale_for(&self, snapshot: &Snapshot, older: Duration) -> Result<Vec<Stale>, Error> {
        let (now, beats) = (environment::now(), self.leases.heartbeats()?);
        let held = self.held_anywhere(snapshot)?;
        let mut found = Vec::new();
        for (entry, agent) in snapshot.entries().filter_map(|entry| Some((entry, entry.agent()?))) {
            let pulse = Liveness::new(agent, beats.get(&agent.name).copied(), now);
            if let Some(stale) = pulse.stale.filter(|stale| *stale >= older) {
                let holds = held.iter().filter(|(by, _)| *by == agent.name).map(|(_, id)| id.to_string()).collect();
                let (name, path) = (agent.name.clone(), entry.path.clone());
                found.push(Stale { name, path, seen: pulse.seen, stale, holds });
            }
        }
        Ok(found)
    }

    /// Who holds what: by the documents here, and by the claims of all work trees.
    fn held_anywhere(&self, snapshot: &Snapshot) -> Result<BTreeSet<(AgentName, DocId)>, Error> {
        let here = self.leases.holders(snapshot)?.into_iter().filter(|(_, hold)| hold.state.is_held());
        let mut held: BTreeSet<(AgentName, DocId)> = here.map(|(id, hold)| (hold.by, id)).collect();
        for id in self.documents.store.leases.list(ClaimPart::Held)? {
            let records = self.documents.store.leases.records(&id)?.into_iter();
            let entries = records.filter_map(|record| lease::LeaseEntry::from_bytes(&record.bytes));
            if let Some(entry) = entries.max_by_key(|entry| entry.fence).filter(|entry| entry.state.is_held()) {
                held.insert((entry.by, id));
            }
        }
        Ok(held)
    }

    /// Removes the documents that are as they were judged; an agent that came back stays.
    fn clear_away(&self, by: &Actor, judged: &Snapshot, older: Duration, pruned: &mut Pruned) -> Result<(), Error> {
        let again: BTreeSet<AgentName> = self.stale_for(judged, older)?.into_iter().map(|stale| stale.name).collect();
        let (gone, back): (Vec<Stale>, Vec<Stale>) =
            std::mem::take(&mut pruned.gone).into_iter().partition(|stale| again.contains(&stale.name));
        pruned.kept.extend(back);
        let document = |stale: &Stale| judged.get(&stale.path).map(|entry| entry.document.clone());
        let judged: Vec<_> = gone.into_iter().filter_map(|stale| Some((document(&stale)?, stale))).collect();
        let prune = |(judged, stale): &(Document, Stale)| {
            Request::from(DocumentChange::Prune { path: stale.path.clone() }).expecting(Expect::text_of(judged))
        };
        let results = self.batch(by, &judged.iter().map(prune).collect::<Vec<_>>(), Together::Each)?;
        for ((_, stale), result) in judged.into_iter().zip(results) {
            let Ok(outcome) = result else {
                pruned.kept.push(stale);
                continue;
            };
            pruned.gone.push(stale);
            (pruned.operation, pruned.committed, pruned.waiting) =
                (outcome.operation, outcome.committed, outcome.waiting);
        }
        Ok(())
    }
}
