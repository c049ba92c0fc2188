//! Who has which task, and taking back what nobody is at any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::ledger::task_of;
use super::turn::{Deed, Turn};
use super::{Error, Outcome, Workspace};
use crate::claim::{Facts, Left, Sight, Standing, State, standing};
use crate::document::Document;
use crate::entity::{Task, TaskStatus, task};
use crate::name::{AgentName, DocId, DocPath, Kind};
use crate::snapshot::Snapshot;
use crate::store::ClaimPart;
use crate::time::Timestamp;

/// Who has a task, or has finished it where this work tree does not see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Who.
    pub by: AgentName,
    /// Which holder that is, counted from 1.
    pub fence: u64,
    /// [`State::Held`], or [`State::Completed`] and [`State::Failed`] for what is finished in another work tree.
    pub state: State,
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

/// A task that was taken back.
#[derive(Debug, Clone)]
pub struct TakenBack {
    /// Which task.
    pub task: DocId,
    /// Who had it.
    pub by: AgentName,
    /// What became of the document.
    pub outcome: Outcome,
}

impl Workspace {
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
            let here = Facts::of(task);
            let sight = if known.contains(&task.id) {
                self.sight(&task.id, &entry.path, here)?
            } else {
                Sight::of_document(here)
            };
            if let Some(holding) = self.holding(&entry.path, &sight, standing(&sight, &now)) {
                holdings.insert(task.id.clone(), holding);
            }
        }
        Ok(holdings)
    }

    fn holding(&self, path: &DocPath, sight: &Sight, standing: Standing) -> Option<Holding> {
        let (entry, left) = match standing {
            Standing::Free | Standing::Unnamed => return None,
            Standing::Held { entry, left } => (entry, Some(left)),
            Standing::Finished(entry) => (entry, None),
            Standing::Elsewhere(by) | Standing::Lost(by) => {
                return Some(Holding {
                    by,
                    fence: sight.here.fence,
                    state: State::Held,
                    since: None,
                    lease: sight.here.lease,
                    left: None,
                    is_over: false,
                    work_tree: None,
                    branch: None,
                    is_here: false,
                });
            }
        };
        let is_here = entry.place.root == self.root && entry.place.document == self.in_repository(path);
        Some(Holding {
            by: entry.by,
            fence: entry.fence,
            state: entry.state,
            since: Some(entry.since),
            lease: Some(entry.lease),
            left: left.map(Left::span),
            is_over: left.is_some_and(Left::is_over),
            work_tree: Some(entry.place.root),
            branch: entry.place.branch,
            is_here,
        })
    }

    /// Takes back the tasks of this work tree whose lease is over: they are pending again, and free for whoever asks.
    ///
    /// # Errors
    /// [`Error`] if the ledger or the folder fails; what was taken back before stays so.
    pub fn take_back(&self) -> Result<Vec<TakenBack>, Error> {
        let mut taken = Vec::new();
        for (id, path, left) in self.held_here()? {
            if !left.is_over() {
                continue;
            }
            let (_, paths) = self.find_with_telling(Kind::Task, id.as_str())?;
            if paths[0] != path {
                continue;
            }
            let (verb, deed) = (crate::message::TAKE_BACK, Deed::TakeBack);
            let turn = Turn { workspace: self, paths: &paths, verb, deed, edit: &task::release };
            let by = self.task_at(&path)?.and_then(|task| task.claimed_by);
            match (turn.run(), by) {
                (Ok(turned), Some(by)) => taken.push(TakenBack { task: id, by, outcome: turned.outcome }),
                // Renewed, given back or finished in the meantime: somebody is at it.
                (Ok(_), None) | (Err(Error::NotHeld { .. } | Error::Refused { .. } | Error::Gone { .. }), _) => {}
                (Err(error), _) => return Err(error),
            }
        }
        Ok(taken)
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
    fn held_here(&self) -> Result<Vec<(DocId, DocPath, Left)>, Error> {
        let mut held = Vec::new();
        for id in self.store.claimed(ClaimPart::Held)? {
            let Some(path) = self.claimed_here(&id)? else { continue };
            let Some(task) = self.task_at(&path)?.filter(|task| task.id == id) else { continue };
            let sight = self.sight(&id, &path, Facts::of(&task))?;
            match standing(&sight, &self.moment()) {
                Standing::Held { left: Left::Anew(_), entry } => {
                    let lock = self.lock_claims()?;
                    let sight = self.sight(&id, &path, Facts::of(&task))?;
                    let entry = self.count_anew(&lock, &id, &sight, &entry.by, self.place(&path)?)?;
                    held.push((id, path, Left::Span(entry.lease)));
                }
                Standing::Held { left, entry } if entry.fence == task.fence.unwrap_or(0) => held.push((id, path, left)),
                _ => {}
            }
        }
        Ok(held)
    }

    /// The document of this work tree that an entry of the ledger names.
    fn claimed_here(&self, id: &DocId) -> Result<Option<DocPath>, Error> {
        let entries = self.store.claim_records(id)?.into_iter();
        let entries = entries.filter_map(|record| crate::claim::Entry::from_bytes(&record.bytes));
        let newest = entries.max_by_key(|entry| entry.fence);
        let here = newest.filter(|entry| entry.place.root == self.root);
        let below = |document: &str| {
            document.strip_prefix(self.folder()).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned)
        };
        Ok(here.and_then(|entry| DocPath::new(below(&entry.place.document)?).ok()))
    }

    fn task_at(&self, path: &DocPath) -> Result<Option<Task>, Error> {
        Ok(self.store.read(path)?.and_then(|file| task_of(path, &Document::parse(file.bytes))))
    }
}
