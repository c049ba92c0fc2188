//! The leases of tasks: who holds which, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::{Leases, task_of};
use crate::adapters::store::ClaimPart;
use crate::core::document::Document;
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{EntryState, LeaseEntry, LeaseEvidence, LeaseFacts, LeaseState, TimeLeft, lease_state};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;
use crate::services::Error;

/// The lease of a task, or the end of one in a worktree whose work is not merged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The holder.
    pub by: AgentName,
    /// The fencing token.
    pub fence: u64,
    /// [`EntryState::Held`], or [`EntryState::Completed`] or [`EntryState::Failed`] if it ended in another worktree.
    pub state: EntryState,
    /// Since when, by the wall clock; `None` if only the document says so.
    pub since: Option<Timestamp>,
    /// How long the lease lasts unless it is renewed.
    pub lease: Option<Duration>,
    /// How much of that is left; `None` if that is unknown in this clone.
    pub left: Option<Duration>,
    /// It has expired: the next request gets the task.
    pub is_over: bool,
    /// The worktree in which it was claimed, if that is known.
    pub work_tree: Option<PathBuf>,
    /// The branch that was checked out there.
    pub branch: Option<String>,
    /// It was claimed in this worktree.
    pub is_here: bool,
}

impl Leases<'_> {
    /// Lists the leases of the tasks of a snapshot, and those that ended in another worktree. Reads the registry, and of other
    /// worktrees only documents that are claimed there.
    ///
    /// # Errors
    /// [`Error::Store`] if the registry cannot be read.
    pub fn list(&self, snapshot: &Snapshot) -> Result<BTreeMap<DocId, Lease>, Error> {
        let mut known: BTreeSet<DocId> = self.store.leases.list(ClaimPart::Held)?.into_iter().collect();
        known.extend(self.store.leases.list(ClaimPart::Past)?);
        let now = self.boot_time();
        let mut leases = BTreeMap::new();
        for entry in snapshot.of_kind(Kind::Task).filter(|entry| !entry.path.is_archived()) {
            let Some(task) = entry.task() else { continue };
            if !matches!(task.status, TaskStatus::Pending | TaskStatus::Running) {
                continue;
            }
            let here = LeaseFacts::of(task);
            let evidence = if known.contains(&task.id) {
                self.evidence(&task.id, &entry.path, here)?
            } else {
                LeaseEvidence::of_document(here)
            };
            if let Some(lease) = self.lease(&entry.path, &evidence, lease_state(&evidence, &now)) {
                leases.insert(task.id.clone(), lease);
            }
        }
        Ok(leases)
    }

    fn lease(&self, path: &DocPath, evidence: &LeaseEvidence, state: LeaseState) -> Option<Lease> {
        let (entry, left) = match state {
            LeaseState::Free | LeaseState::Unnamed => return None,
            LeaseState::Held { entry, left } => (entry, Some(left)),
            LeaseState::Finished(entry) => (entry, None),
            LeaseState::Elsewhere(by) | LeaseState::Lost(by) => {
                return Some(Lease {
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
        let is_here = entry.place.root == *self.root && entry.place.document == self.here(path).document;
        Some(Lease {
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

    /// Returns how long until the next lease of this worktree expires; `None` without leases.
    ///
    /// # Errors
    /// [`Error`] if the registry or the folder cannot be read.
    pub fn next_end(&self) -> Result<Option<Duration>, Error> {
        Ok(self.held_here()?.into_iter().map(|(_, _, left)| left.span()).min())
    }

    /// Lists the tasks that are held in this worktree, with what is left of the lease. A lease of unknown age is measured from
    /// now on.
    pub(in crate::services) fn held_here(&self) -> Result<Vec<(DocId, DocPath, TimeLeft)>, Error> {
        let mut held = Vec::new();
        for id in self.store.leases.list(ClaimPart::Held)? {
            let Some((_, path)) = self.claimed_here(&id)? else { continue };
            let Some(task) = self.task_at(&path)?.filter(|task| task.id == id) else { continue };
            let evidence = self.evidence(&id, &path, LeaseFacts::of(&task))?;
            match lease_state(&evidence, &self.boot_time()) {
                LeaseState::Held { left: TimeLeft::Reanchored(_), entry } => {
                    let lock = self.lock()?;
                    let evidence = self.evidence(&id, &path, LeaseFacts::of(&task))?;
                    let entry = self.reanchor(&lock, &id, &evidence, &entry.by, self.place(&path)?)?;
                    held.push((id, path, TimeLeft::Known(entry.lease)));
                }
                LeaseState::Held { left, entry } if entry.fence == task.fence.unwrap_or(0) => {
                    self.record_last_seen(&id, &path, &task)?;
                    held.push((id, path, left));
                }
                _ => {}
            }
        }
        Ok(held)
    }

    /// Returns the tasks that an agent holds in this worktree, by the registry and by their files, and for how long a silent
    /// holder keeps each.
    pub(in crate::services) fn held_by(&self, agent: &AgentName) -> Result<Vec<(Task, Duration)>, Error> {
        let mut held = Vec::new();
        for id in self.store.leases.list(ClaimPart::Held)? {
            let Some((entry, path)) = self.claimed_here(&id)?.filter(|(entry, _)| entry.by == *agent) else { continue };
            let is_theirs = |task: &Task| {
                let is_running = task.status == TaskStatus::Running && task.claimed_by.as_ref() == Some(agent);
                task.id == id && is_running && task.fence.unwrap_or(0) == entry.fence
            };
            held.extend(self.task_at(&path)?.filter(is_theirs).map(|task| (task, entry.lease)));
        }
        Ok(held)
    }

    /// Returns the newest entry of a task, and the document of this worktree that it names.
    fn claimed_here(&self, id: &DocId) -> Result<Option<(LeaseEntry, DocPath)>, Error> {
        let entries = self.store.leases.records(id)?.into_iter();
        let entries = entries.filter_map(|record| LeaseEntry::from_bytes(&record.bytes));
        let newest = entries.max_by_key(|entry| entry.fence);
        let here = newest.filter(|entry| entry.place.root == *self.root);
        let below = |document: &str| {
            document.strip_prefix(self.folder).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned)
        };
        Ok(here.and_then(|entry| {
            let path = DocPath::new(below(&entry.place.document)?).ok()?;
            Some((entry, path))
        }))
    }

    /// Reads the task at a path; `None` if there is none that can be read.
    pub(in crate::services) fn task_at(&self, path: &DocPath) -> Result<Option<Task>, Error> {
        match self.store.folder.read(path) {
            Ok(file) => Ok(file.and_then(|file| task_of(path, &Document::parse(file.bytes)))),
            // The leases of all other tasks must still end.
            Err(error) if error.concerns_one_file() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
