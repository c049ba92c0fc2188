//! A task is changed: whoever may not is told who has it, who begins it claims it, and the ledger learns how it ended.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::bridge::{Decided, Reserved};
use super::ledger::{Seat, task_of};
use super::operation::refusing;
use super::{Error, Outcome, Workspace};
use crate::claim::{self, Ask, Entry, Facts, Loss, Origin, Pass, Place, Refusal, Sight, State, Taking, Verdict};
use crate::document::Document;
use crate::entity::claim::Hold;
use crate::entity::{self, Task, TaskStatus};
use crate::name::DocPath;
use crate::snapshot::Blocker;
use crate::store::{ClaimLock, StoreError};
use crate::time::Timestamp;

/// How often a task is looked at anew that others change meanwhile.
const ATTEMPTS_MAX: u32 = 50;
/// How long to wait for a claim of the same agent that is under way.
const NAP: Duration = Duration::from_millis(5);

/// What whoever changes a task says about their right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passing {
    /// The fence that they believe to have.
    pub fence: Option<u64>,
    /// How hard they ask; anything but politely goes over the head of the holder.
    pub taking: Taking,
}

/// A pure change of a document.
pub(super) type Edit<'a> = dyn Fn(&Document) -> Result<Document, entity::Refusal> + 'a;

/// What is to be done to a task.
#[derive(Clone, Copy)]
pub(super) enum Deed<'a> {
    /// Somebody takes it.
    Claim(&'a Ask),
    /// It is changed in any other way.
    Change(&'a Passing),
    /// Its lease is over: nobody has it any more.
    TakeBack,
}

/// An operation on a task, and the documents that it touches: the task, then those that tell how it stands.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) paths: &'a [DocPath],
    pub(super) verb: &'a str,
    pub(super) deed: Deed<'a>,
    pub(super) edit: &'a Edit<'a>,
}

/// A task that was changed.
#[derive(Debug)]
pub(super) struct Turned {
    /// What became of it.
    pub(super) outcome: Outcome,
    /// For a claim: who has it now, from whom it comes, and where that was decided.
    pub(super) claimed: Option<(Entry, Origin, Decided)>,
    /// The document as it was found under the lock of the folder.
    pub(super) found: Option<Document>,
}

/// How an operation goes on from the ledger.
#[derive(Debug)]
pub(super) enum Entered {
    /// It may, and needs no entry.
    Free,
    /// It may, and its entry is written.
    Seated(Box<Seat>),
    /// It may, and gives the task to somebody.
    Given(Box<Seat>, Origin),
    /// The same agent is at it.
    Wait,
}

impl Turn<'_> {
    /// Does it, whatever others do meanwhile.
    pub(super) fn run(&self) -> Result<Turned, Error> {
        let path = &self.paths[0];
        for _ in 0..ATTEMPTS_MAX {
            let file = self.workspace.store.read(path)?.ok_or_else(|| Error::Gone { path: path.clone() })?;
            let document = Document::parse(file.bytes);
            let entered = match task_of(path, &document) {
                Some(task) => self.enter(&task, &document)?,
                // Whether it can be changed at all is for the edit to say.
                None => Entered::Free,
            };
            if let Some(turned) = self.carry_out(&document, entered)? {
                return Ok(turned);
            }
        }
        let path = self.workspace.root.join(self.workspace.in_repository(path));
        Err(StoreError::Restless { path, attempts: ATTEMPTS_MAX }.into())
    }

    /// Changes the document as the ledger allows; `None` if it says something else by now.
    pub(super) fn carry_out(&self, found: &Document, entered: Entered) -> Result<Option<Turned>, Error> {
        let (mut seat, origin) = match entered {
            Entered::Free => (None, None),
            Entered::Seated(seat) => (Some(*seat), None),
            Entered::Given(seat, origin) => (Some(*seat), Some(origin)),
            Entered::Wait => {
                std::thread::sleep(NAP);
                return Ok(None);
            }
        };
        let workspace = self.workspace;
        let mut operation = workspace.operation(self.verb)?;
        match self.deed {
            Deed::Claim(ask) => operation.agent = Some(ask.by.clone()),
            Deed::TakeBack => operation.agent = None,
            Deed::Change(_) => {}
        }
        let claimed = origin.zip(seat.as_ref()).map(|(origin, seat)| (seat.entry.clone(), origin, seat.decided()));
        let (is_overtaken, before) = (Cell::new(false), RefCell::new(None));
        let edited = workspace.apply_edit(&operation, self.paths, &|document| {
            is_overtaken.set(!self.is_as_found(found, document));
            if is_overtaken.get() {
                return Err(Error::Gone { path: self.paths[0].clone() });
            }
            *before.borrow_mut() = Some(document.clone());
            self.edited(document, seat.as_ref().and_then(Seat::hold))
        });
        let done = edited.and_then(|edited| {
            // The document is in place. An entry that cannot be brought up to date now is judged by it.
            let _ = seat.as_mut().map_or(Ok(()), |seat| workspace.confirm(seat));
            workspace.outcome_of(operation, edited)
        });
        match (done, seat) {
            (Ok(outcome), seat) => {
                seat.map_or(Ok(()), |seat| workspace.sync_claim(&seat.file))?;
                Ok(Some(Turned { outcome, claimed, found: before.into_inner() }))
            }
            (Err(error), seat) => {
                seat.map_or(Ok(()), |seat| workspace.withdraw(&seat))?;
                if is_overtaken.get() { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Tells whether a document says what the ledger was asked about.
    fn is_as_found(&self, found: &Document, now: &Document) -> bool {
        let facts = |document| task_of(&self.paths[0], document).map(|task| Facts::of(&task));
        found == now || facts(found) == facts(now)
    }

    fn edited(&self, document: &Document, hold: Option<Hold>) -> Result<Document, Error> {
        let path = &self.paths[0];
        let edited = refusing(path, (self.edit)(document))?;
        hold.map_or(Ok(edited.clone()), |hold| refusing(path, entity::claim::take(&edited, &hold)))
    }

    /// Asks the ledger, and writes down there what is begun.
    fn enter(&self, task: &Task, document: &Document) -> Result<Entered, Error> {
        let workspace = self.workspace;
        let path = &self.paths[0];
        let passing = match self.deed {
            Deed::Claim(ask) => {
                let blockers = workspace.blockers_of(task)?;
                return workspace.seat(path, task, &blockers, ask);
            }
            Deed::TakeBack => return workspace.enter_end(path, task, State::Released, None),
            Deed::Change(passing) => passing,
        };
        let after = (self.edit)(document).ok().and_then(|after| task_of(path, &after));
        let next = after.as_ref().map_or(task.status, |after| after.status);
        match (task.status, next, &workspace.agent) {
            (TaskStatus::Pending, TaskStatus::Running, Some(by)) => {
                let ask = Ask { by: by.clone(), lease: workspace.lease(), taking: passing.taking };
                // Whoever begins a task may have it assigned to them in one go.
                let task = Task { assigned_to: after.and_then(|after| after.assigned_to), ..task.clone() };
                let blockers = workspace.blockers_of(&task)?;
                workspace.seat(path, &task, &blockers, &ask)
            }
            (from, to, _) if from != to && to != TaskStatus::Running => {
                workspace.enter_end(path, task, end_of(to), Some(passing))
            }
            _ => {
                let sight = workspace.sight(&task.id, path, Facts::of(task))?;
                workspace.let_pass(path, task, &sight, passing)?;
                Ok(Entered::Free)
            }
        }
    }
}

impl Workspace {
    /// Refuses whoever has lost the task.
    pub(super) fn let_pass(&self, path: &DocPath, task: &Task, sight: &Sight, passing: &Passing) -> Result<(), Error> {
        if passing.taking != Taking::Polite || self.agent.is_none() && passing.fence.is_none() {
            return Ok(());
        }
        let pass = Pass { by: self.agent.as_ref(), fence: passing.fence };
        let guarded = claim::guard(task.id.as_str(), sight, pass, &self.moment(), &self.here(path));
        guarded.map_err(|loss| self.lost(*loss))
    }

    /// Decides who gets a task: where clones share a server there first, without a lock, then here.
    pub(super) fn seat(&self, path: &DocPath, task: &Task, blockers: &[Blocker], ask: &Ask) -> Result<Entered, Error> {
        let reserved = self.reserve(task, ask)?;
        let given = self.lock_claims().and_then(|lock| self.give(&lock, path, task, blockers, &reserved, ask));
        if !matches!(given, Ok(Entered::Given(..))) {
            self.unreserve(&reserved);
        }
        given
    }

    /// Decides who gets a task here, and writes it down.
    fn give(
        &self,
        lock: &ClaimLock,
        path: &DocPath,
        task: &Task,
        blockers: &[Blocker],
        reserved: &Reserved,
        ask: &Ask,
    ) -> Result<Entered, Error> {
        let ask = &reserved.ask(ask);
        let now = self.moment();
        let sight = self.sight(&task.id, path, Facts::of(task))?;
        match claim::decide(task.id.as_str(), &sight, blockers, ask, &now, &self.here(path)) {
            Verdict::Give(give) => {
                let place = self.place(path)?;
                let (by, since) = (ask.by.clone(), self.now());
                let (state, lease) = (State::Begun, ask.lease);
                let fence = give.fence.max(reserved.fence());
                let origin = match (give.origin, reserved) {
                    (Origin::Stolen(by), Reserved::There(there)) if there.was.is_some() => Origin::Expired(by),
                    (origin, _) => origin,
                };
                let entry = Entry { fence, state, by, lease, since, renewed: now, place };
                let seat = self.take_seat(lock, &task.id, entry)?.reserved(reserved.clone());
                Ok(Entered::Given(Box::new(seat), origin))
            }
            Verdict::Keep { .. } => {
                let known = sight.entry().filter(|entry| entry.by == ask.by && entry.fence == sight.here.fence);
                let entry = known.map(|entry| entry.in_state(State::Held).renewed_at(&now));
                let entry = entry
                    .map_or_else(|| Ok(self.new_entry(&ask.by, &sight.here, self.place(path)?)), Ok::<_, Error>)?;
                let seat = self.take_seat(lock, &task.id, entry)?.reserved(reserved.clone());
                Ok(Entered::Given(Box::new(seat), Origin::Nobody))
            }
            Verdict::Wait => Ok(Entered::Wait),
            Verdict::Lost { loss, anew } => {
                if let Some(by) = anew {
                    self.count_anew(lock, &task.id, &sight, &by, self.place(path)?)?;
                }
                Err(self.lost(*loss))
            }
            Verdict::Refused(refusal) => Err(refused(task.id.as_str(), refusal)),
        }
    }

    /// The task ends or goes back: the ledger is told first, so that whoever asks in another work tree hears of it. Without
    /// `passing` only what is over may go back.
    fn enter_end(
        &self,
        path: &DocPath,
        task: &Task,
        state: State,
        passing: Option<&Passing>,
    ) -> Result<Entered, Error> {
        let here = Facts::of(task);
        if here.fence == 0 && here.claimed_by.is_none() && self.store.claim_records(&task.id)?.is_empty() {
            if let Some(passing) = passing {
                self.let_pass(path, task, &Sight::of_document(here), passing)?;
            }
            return Ok(Entered::Free);
        }
        let lock = self.lock_claims()?;
        let sight = self.sight(&task.id, path, here)?;
        if let Some(passing) = passing {
            self.let_pass(path, task, &sight, passing)?;
        } else if !claim::standing(&sight, &self.moment()).is_over() {
            return Err(Error::NotHeld { task: task.id.to_string(), by: None });
        }
        let Some(entry) = self.end_entry(task, &sight, || self.place(path))? else { return Ok(Entered::Free) };
        let entry = entry.in_state(state);
        Ok(Entered::Seated(Box::new(self.take_seat(&lock, &task.id, entry)?)))
    }

    /// The entry of a task that ends or goes back, in the state in which it was; `None` if the ledger need not be told.
    pub(super) fn end_entry(
        &self,
        task: &Task,
        sight: &Sight,
        place: impl Fn() -> Result<Place, Error>,
    ) -> Result<Option<Entry>, Error> {
        match (sight.entry(), &task.claimed_by) {
            // Somebody else has it by now: that stands.
            (Some(entry), _) if entry.fence > sight.here.fence => Ok(None),
            (Some(entry), _) if entry.fence == sight.here.fence => Ok(Some(Entry { place: place()?, ..entry.clone() })),
            (_, Some(by)) => Ok(Some(self.new_entry(by, &sight.here, place()?))),
            (_, None) => Ok(None),
        }
    }

    /// The same loss, with the moment until which the holder has it.
    pub(super) fn lost(&self, mut loss: Loss) -> Error {
        let ms = loss.left.and_then(|left| i64::try_from(left.as_millis()).ok());
        loss.until = ms.map(|ms| Timestamp::from_unix_ms(self.now().unix_ms().saturating_add(ms)));
        Error::ClaimLost(Box::new(loss))
    }
}

/// What the ledger says of a task that does not run any more.
pub(super) const fn end_of(status: TaskStatus) -> State {
    match status {
        TaskStatus::Completed => State::Completed,
        TaskStatus::Failed => State::Failed,
        TaskStatus::Pending | TaskStatus::Running => State::Released,
    }
}

/// Why nobody gets a task.
pub(super) fn refused(task: &str, refusal: Refusal) -> Error {
    let task = task.to_owned();
    match refusal {
        Refusal::Assigned(to) => Error::Assigned { task, to },
        Refusal::Waits(waits) => Error::NotReady { task, waits },
        Refusal::Status(status) => Error::NotPending { task, status },
    }
}
