//! Agents' signs of life: giving them, reading them, and clearing away who has given none for long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Error, Scope, Waiting, Workspace};
use crate::claim;
use crate::entity::{Agent, Pulse};
use crate::name::{AgentName, DocId, DocPath, OperationId, Revision};
use crate::snapshot::{Entry, Snapshot};
use crate::store::{Action, ApplyError, ClaimPart};
use crate::time::Timestamp;

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

impl Workspace {
    /// Gives a sign of life for an agent, whether it has a document or not. It is run state, shared by all work trees:
    /// nothing is committed, and the disk is not waited for. Gives the moment.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be written.
    pub fn beat(&self, agent: &AgentName) -> Result<Timestamp, Error> {
        let now = self.now();
        self.store.beat(agent, now)?;
        Ok(now)
    }

    /// The last sign of life of every agent that ever gave one by [`Workspace::beat`].
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn beats(&self) -> Result<BTreeMap<AgentName, Timestamp>, Error> {
        Ok(self.store.beats()?)
    }

    /// Whether an agent is alive, by its document and its heart-beats.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn pulse(&self, agent: &Agent) -> Result<Pulse, Error> {
        Ok(Pulse::of(agent, self.store.beat_of(&agent.name)?, self.now()))
    }

    /// Removes the documents of agents that have been stale for at least `older` and hold nothing, in one operation. Of
    /// which nothing is known, and which cannot be read, stay.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository fails; then nothing is removed.
    pub fn prune(&self, older: Duration, pruning: Pruning) -> Result<Pruned, Error> {
        let snapshot = self.snapshot(Scope::Live)?;
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for stale in self.stale_for(&snapshot, older)? {
            if stale.holds.is_empty() { gone.push(stale) } else { kept.push(stale) }
        }
        let mut pruned = Pruned { gone, kept, ..Pruned::default() };
        if pruning == Pruning::Real && !pruned.gone.is_empty() {
            self.clear_away(&snapshot, older, &mut pruned)?;
        }
        Ok(pruned)
    }

    fn stale_for(&self, snapshot: &Snapshot, older: Duration) -> Result<Vec<Stale>, Error> {
        let (now, beats) = (self.now(), self.beats()?);
        let held = self.held_anywhere(snapshot)?;
        let mut found = Vec::new();
        for (entry, agent) in snapshot.entries().filter_map(|entry| Some((entry, entry.agent()?))) {
            let pulse = Pulse::of(agent, beats.get(&agent.name).copied(), now);
            if let Some(stale) = pulse.stale.filter(|stale| *stale >= older) {
                let holds = held.iter().filter(|(by, _)| *by == agent.name).map(|(_, id)| id.to_string()).collect();
                found.push(Stale {
                    name: agent.name.clone(),
                    path: entry.path.clone(),
                    seen: pulse.seen,
                    stale,
                    holds,
                });
            }
        }
        Ok(found)
    }

    /// Who holds what: by the documents here, and by the claims of all work trees.
    fn held_anywhere(&self, snapshot: &Snapshot) -> Result<BTreeSet<(AgentName, DocId)>, Error> {
        let here = self.holds(snapshot)?.into_iter().filter(|(_, hold)| hold.state.is_held());
        let mut held: BTreeSet<(AgentName, DocId)> = here.map(|(id, hold)| (hold.by, id)).collect();
        for id in self.store.claimed(ClaimPart::Held)? {
            let records = self.store.claim_records(&id)?.into_iter();
            let entries = records.filter_map(|record| claim::Entry::from_bytes(&record.bytes));
            if let Some(entry) = entries.max_by_key(|entry| entry.fence).filter(|entry| entry.state.is_held()) {
                held.insert((entry.by, id));
            }
        }
        Ok(held)
    }

    /// Removes what is as it was judged; who came back meanwhile stays.
    fn clear_away(&self, judged: &Snapshot, older: Duration, pruned: &mut Pruned) -> Result<(), Error> {
        let again: BTreeSet<AgentName> = self.stale_for(judged, older)?.into_iter().map(|stale| stale.name).collect();
        let paths: Vec<DocPath> = pruned.gone.iter().map(|stale| stale.path.clone()).collect();
        let same = |path: &DocPath, bytes: &[u8]| judged.get(path).is_some_and(|entry| entry.document.bytes() == bytes);
        let is_stale =
            |path: &DocPath| judged.get(path).and_then(Entry::agent).is_some_and(|agent| again.contains(&agent.name));
        let operation = self.operation("agent.prune")?;
        let mut removed = BTreeSet::new();
        let written = self.store.apply_unsynced(&operation, &paths, &mut |current| {
            removed.clear();
            let actions = paths.iter().zip(current).map(|(path, bytes)| match bytes {
                Some(bytes) if same(path, bytes) && is_stale(path) => {
                    removed.insert(path.clone());
                    Action::Remove
                }
                _ => Action::Keep,
            });
            Ok::<_, ApplyError<Error>>(actions.collect())
        });
        let written = written.map_err(|error| match error {
            ApplyError::Refused(ApplyError::Refused(error)) => error,
            ApplyError::Refused(ApplyError::Store(error)) | ApplyError::Store(error) => Error::Store(error),
        })?;
        let (gone, back) = std::mem::take(&mut pruned.gone).into_iter().partition(|one| removed.contains(&one.path));
        pruned.gone = gone;
        pruned.kept.extend::<Vec<Stale>>(back);
        let Some(written) = written else { return Ok(()) };
        for stale in &pruned.gone {
            self.store.forget_beat(&stale.name)?;
        }
        let fate = self.fate(Some(&operation.id), Some(&written))?;
        (pruned.committed, pruned.waiting) = (fate.committed, fate.waiting);
        pruned.operation = Some(operation.id);
        Ok(())
    }
}
