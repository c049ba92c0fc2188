//! Who has which task.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::ledger::task_of;
use super::{Error, Project};
use crate::adapters::store::ClaimPart;
use crate::core::document::Document;
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{EntryState, LeaseEntry, LeaseEvidence, LeaseFacts, LeaseState, TimeLeft, lease_state};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;

/// Who has a task, or has finished it where this work tree does not see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Who.
    pub by: AgentName,
    /// Which holder that is, counted from 1.
    pub fence: u64,
    /// [`EntryState::Held`], or [`EntryState::Completed`] and [`EntryState::Failed`] for what is finished in another work tree.
    pub state: EntryState,
    /// Since when, by the clock on the wall; `None` where only the file says so.
    pub since: Option<Timestamp>,
    /// For how long they have it without a word.
    pub lease: Option<Duration>,
    /// How much of that is left; `None` where nobody can know in this clone.
    pub left: Option<Duration>,
    /// Tells whether the lease is over: whoever asks next gets it.
    pub is_over: bool,
    /// The work tree in which it was claimed, if it is known.
    pub work_tree: Option<PathBuf>,
    /// The branch that was checked out there.
    pub branch: Option<String>,
    /// Tells whether that is this work tree.
    pub is_here: bool,
}

impl Project {
    /// Who has the tasks of a snapshot, and who has finished one that is not finished here. Tasks that nobody has are not in
    /// the answer. Reads the ledger, and of another work tree only documents that are claimed there.
    ///
    /// # Errors
    /// [`Error::Store`] if the ledger cannot be read.
    pub fn claims(&self, snapshot: &Snapshot) -> Result<BTreeMap<DocId, Holding>, Error> {
        let mut known: BTreeSet<DocId> = self.store.claimed(ClaimPart::Held)?.into_iter().collect();
        known.extend(self.store.claimed(ClaimPart::Past)?);
        let now = self.moment();
        let mut holdings = BTreeMap::new();
        for entry in snapshot.of_kind(Kind::Task).filter(|entry| !entry.path.is_archived()) {
            let Some(task) = entry.task() else { continue };
            if !matches!(task.status, TaskStatus::Pending | TaskStatus::Running) {
                continue;
            }
            let here = LeaseFacts::of(task);
            let evidence = if known.contains(&task.id) {
                self.sight(&task.id, &entry.path, here)?
            } else {
                LeaseEvidence::of_document(here)
            };
            if let Some(holding) = self.holding(&entry.path, &evidence, lease_state(&evidence, &now)) {
                holdings.insert(task.id.clone(), holding);
            }
        }
        Ok(holdings)
    }

    fn holding(&self, path: &DocPath, evidence: &LeaseEvidence, standing: LeaseState) -> Option<Holding> {
        let (entry, left) = match standing {
            LeaseState::Free | LeaseState::Unnamed => return None,
            LeaseState::Held { entry, left } => (entry, Some(left)),
            LeaseState::Finished(entry) => (entry, None),
            LeaseState::Elsewhere(by) | LeaseState::Lost(by) => {
                return Some(Holding {
                    by,
                    fence: evidence.here.fence,
                    state: EntryState::Held,
                    since: None,
                    lease: evidence.here.lease,
                    left: None,
                    is_over: false,
                    work_tree: None,
                    branch: None,
                    is_here: false,
                });
            }
        };
        let is_here = entry.place.root == self.root && entry.place.document == self.documents().in_repository(path);
        Some(Holding {
            by: entry.by,
            fence: entry.fence,
            state: entry.state,
            since: Some(entry.since),
            lease: Some(entry.lease),
            left: left.map(TimeLeft::span),
            is_over: left.is_some_and(TimeLeft::is_over),
            work_tree: Some(entry.place.root),
            branch: entry.place.branch,
            is_here,
        })
    }

    /// How long until the next lease of this work tree is over; `None` if nobody has anything here.
    ///
    /// # Errors
    /// [`Error`] if the ledger or the folder cannot be read.
    pub fn next_lease_end(&self) -> Result<Option<Duration>, Error> {
        Ok(self.held_here()?.into_iter().map(|(_, _, left)| left.span()).min())
    }

    /// The tasks that somebody has in this work tree, and how much of the lease is left. Those that nobody knows how long
    /// they are held are counted anew from now on.
    pub(super) fn held_here(&self) -> Result<Vec<(DocId, DocPath, TimeLeft)>, Error> {
        let mut held = Vec::new();
        for id in self.store.claimed(ClaimPart::Held)? {
            let Some((_, path)) = self.claimed_here(&id)? else { continue };
            let Some(task) = self.task_at(&path)?.filter(|task| task.id == id) else { continue };
            let evidence = self.sight(&id, &path, LeaseFacts::of(&task))?;
            match lease_state(&evidence, &self.moment()) {
                LeaseState::Held { left: TimeLeft::Reanchored(_), entry } => {
                    let lock = self.lock_claims()?;
                    let evidence = self.sight(&id, &path, LeaseFacts::of(&task))?;
                    let entry = self.count_anew(&lock, &id, &evidence, &entry.by, self.place(&path)?)?;
                    held.push((id, path, TimeLeft::Known(entry.lease)));
                }
                LeaseState::Held { left, entry } if entry.fence == task.fence.unwrap_or(0) => {
                    self.note_heard(&id, &path, &task)?;
                    held.push((id, path, left));
                }
                _ => {}
            }
        }
        Ok(held)
    }

    /// Returns the tasks that an agent holds in this worktree, by the registry and by their files, and for how long a silent
    /// holder keeps each.
    pub(super) fn held_by(&self, agent: &AgentName) -> Result<Vec<(Task, Duration)>, Error> {
        let mut held = Vec::new();
        for id in self.store.claimed(ClaimPart::Held)? {
            let Some((entry, path)) = self.claimed_here(&id)?.filter(|(entry, _)| entry.by == *agent) else { continue };
            let is_theirs = |task: &Task| {
                let is_running = task.status == TaskStatus::Running && task.claimed_by.as_ref() == Some(agent);
                task.id == id && is_running && task.fence.unwrap_or(0) == entry.fence
            };
            held.extend(self.task_at(&path)?.filter(is_theirs).map(|task| (task, entry.lease)));
        }
        Ok(held)
    }

    /// The newest entry of the ledger for a task, and the document of this work tree that it names.
    fn claimed_here(&self, id: &DocId) -> Result<Option<(LeaseEntry, DocPath)>, Error> {
        let entries = self.store.claim_records(id)?.into_iter();
        let entries = entries.filter_map(|record| LeaseEntry::from_bytes(&record.bytes));
        let newest = entries.max_by_key(|entry| entry.fence);
        let here = newest.filter(|entry| entry.place.root == self.root);
        let below = |document: &str| {
            document.strip_prefix(self.folder()).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned)
        };
        Ok(here.and_then(|entry| {
            let path = DocPath::new(below(&entry.place.document)?).ok()?;
            Some((entry, path))
        }))
    }

    pub(super) fn task_at(&self, path: &DocPath) -> Result<Option<Task>, Error> {
        match self.store.read(path) {
            Ok(file) => Ok(file.and_then(|file| task_of(path, &Document::parse(file.bytes)))),
            // The leases of all other tasks must still end.
            Err(error) if error.concerns_one_file() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
