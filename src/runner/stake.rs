//! Claims within a batch: its steps find the ledger as the steps before them left it; what it says in the end is written
//! down before the documents change, and confirmed after.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::ledger::{Seat, task_of};
use super::operation::refusing;
use super::turn::{end_of, refused};
use super::{Error, Passing, Workspace};
use crate::claim::{Ask, Entry, Facts, Home, Place, Record, Sight, State, Taking, Verdict, Writing, decide};
use crate::document::Document;
use crate::entity::claim::{Hold, take};
use crate::entity::{Task, TaskStatus};
use crate::name::{DocId, DocPath};
use crate::snapshot::Blocker;
use crate::store::{FOLDER_WAIT, StoreError};

/// From so many entries on, all of the file system is written to the disk at once.
const SYNC_TOGETHER_MIN: usize = 16;

/// What a batch makes of the ledger.
#[derive(Debug, Default)]
pub(super) struct Stakes {
    tasks: BTreeMap<DocPath, Stake>,
    branch: OnceCell<Option<String>>,
}

/// One task of a batch.
#[derive(Debug)]
struct Stake {
    id: DocId,
    /// What the ledger said before the first step.
    found: Option<Record>,
    /// What is known of the task as the steps so far left it.
    sight: Sight,
    /// What the ledger is to say after the last step, if it is to say something else.
    entry: Option<Entry>,
}

impl Stakes {
    /// Tells whether the ledger is to say nothing new.
    pub(super) fn are_none(&self) -> bool {
        self.tasks.values().all(|stake| stake.entry.is_none())
    }

    /// Decides whether a step may change a task so, and gives the document as it is then: whoever begins it claims it.
    pub(super) fn play(
        &mut self,
        workspace: &Workspace,
        path: &DocPath,
        before: &Document,
        after: Document,
        blockers: &dyn Fn(&Task) -> Vec<Blocker>,
    ) -> Result<Document, Error> {
        let (Some(task), Some(next)) = (task_of(path, before), task_of(path, &after)) else { return Ok(after) };
        if !self.tasks.contains_key(path) {
            let sight = workspace.sight(&task.id, path, Facts::of(&task))?;
            let found = sight.record.clone();
            self.tasks.insert(path.clone(), Stake { id: task.id.clone(), found, sight, entry: None });
        }
        let branch = &self.branch;
        let place = || -> Result<Place, Error> {
            if branch.get().is_none() {
                let _ = branch.set(workspace.head()?.and_then(|head| head.branch));
            }
            Ok(Place { branch: branch.get().cloned().flatten(), ..workspace.here(path) })
        };
        let Some(stake) = self.tasks.get_mut(path) else { return Ok(after) };
        stake.sight.here = Facts::of(&task);
        match (task.status, next.status, &workspace.agent) {
            (TaskStatus::Pending, TaskStatus::Running, Some(by)) => {
                let ask = Ask { by: by.clone(), lease: workspace.lease(), taking: Taking::Polite };
                stake.sight.here.assigned_to.clone_from(&next.assigned_to);
                let entry = stake.claim(workspace, path, &blockers(&task), &ask)?;
                let hold = Hold { by: ask.by, fence: entry.fence, lease: entry.lease };
                stake.put(Entry { place: place()?, ..entry });
                refusing(path, take(&after, &hold))
            }
            (from, to, _) if from != to && to != TaskStatus::Running => {
                workspace.let_pass(path, &task, &stake.sight, &Passing::default())?;
                if let Some(entry) = workspace.end_entry(&task, &stake.sight, place)? {
                    stake.put(entry.in_state(end_of(to)));
                }
                Ok(after)
            }
            _ => workspace.let_pass(path, &task, &stake.sight, &Passing::default()).map(|()| after),
        }
    }
}

impl Stake {
    fn put(&mut self, entry: Entry) {
        self.sight.record = Some(Record::Entry(entry.clone()));
        self.sight.home = Home::Here;
        self.sight.writing = Writing::Over;
        self.entry = Some(entry);
    }

    fn claim(&self, workspace: &Workspace, path: &DocPath, blockers: &[Blocker], ask: &Ask) -> Result<Entry, Error> {
        let (now, here) = (workspace.moment(), workspace.here(path));
        match decide(self.id.as_str(), &self.sight, blockers, ask, &now, &here) {
            Verdict::Give(give) => Ok(Entry {
                fence: give.fence,
                state: State::Held,
                by: ask.by.clone(),
                lease: ask.lease,
                since: workspace.now(),
                renewed: now,
                place: here,
            }),
            Verdict::Lost { loss, .. } => Err(workspace.lost(*loss)),
            Verdict::Refused(refusal) => Err(refused(self.id.as_str(), refusal)),
            Verdict::Keep { .. } | Verdict::Wait => {
                Err(StoreError::Busy { path: workspace.store.claim_lock_path(), waited: FOLDER_WAIT }.into())
            }
        }
    }
}

impl Workspace {
    /// Writes down what a batch makes of the ledger; `None` if the ledger is not any more what it was played on.
    pub(super) fn seat_all(&self, stakes: &Stakes) -> Result<Option<Vec<Seat>>, Error> {
        let changed: Vec<_> =
            stakes.tasks.iter().filter_map(|(path, stake)| Some((path, stake, stake.entry.as_ref()?))).collect();
        if changed.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let lock = self.lock_claims()?;
        for (path, stake, _) in &changed {
            if self.sight(&stake.id, path, stake.sight.here.clone())?.record != stake.found {
                return Ok(None);
            }
        }
        let mut seats = Vec::with_capacity(changed.len());
        for (_, stake, entry) in changed {
            let state = if entry.state == State::Held { State::Begun } else { entry.state };
            seats.push(self.take_seat(&lock, &stake.id, entry.in_state(state))?);
        }
        Ok(Some(seats))
    }

    /// The documents are as the entries say.
    pub(super) fn confirm_all(&self, seats: &mut [Seat]) {
        for seat in seats {
            // An entry that cannot be brought up to date now is judged by its document.
            let _ = self.confirm(seat);
        }
    }

    /// The documents were not changed.
    pub(super) fn withdraw_all(&self, seats: &[Seat]) -> Result<(), Error> {
        seats.iter().try_for_each(|seat| self.withdraw(seat))
    }

    /// What the ledger must not lose is on the disk.
    pub(super) fn sync_all(&self, seats: &[Seat]) -> Result<(), Error> {
        if seats.len() < SYNC_TOGETHER_MIN {
            return seats.iter().try_for_each(|seat| self.sync_claim(&seat.file));
        }
        if self.shares_claims() { Ok(self.store.sync_claims()?) } else { Ok(()) }
    }
}
