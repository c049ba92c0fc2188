//! Claims and leases within an operation: each step finds the lease registry as the steps before it left it. What the registry
//! says in the end is written down before the documents change, and confirmed after.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::Operations;
use super::claim_answers::{ClaimKey, key};
use super::derived::refusing;
use super::folder_view::FolderView;
use super::guards::denied;
use super::outcome::ClaimDecision;
use crate::adapters::store::{FOLDER_WAIT, StoreError};
use crate::core::document::Document;
use crate::core::entity::claim::{HolderFields, retake, take};
use crate::core::entity::{self, Task, TaskStatus};
use crate::core::lease::{
    self, ClaimVerdict, EntryState, EntryWriter, HolderDocument, LeaseEntry, LeaseEvidence, LeaseFacts, LeasePlace,
    LeaseRecord, LeaseRequest, Override, PreviousHolder, decide,
};
use crate::core::name::{AgentName, DocId, DocPath};
use crate::core::operation::{Passing, TaskChange};
use crate::core::snapshot::Blocker;
use crate::services::claim_arbiter::{ClaimRequest, RemoteLease, Reservation};
use crate::services::leases::{claim_lost, may_resume, resume_request, task_of};
use crate::services::{Error, environment};

/// What is to be done to a task.
#[derive(Debug, Clone, Copy)]
pub(super) enum TaskAction<'a> {
    /// It is claimed.
    Claim(&'a LeaseRequest),
    /// It is changed in any other way, as data where it is known what way that is.
    Change(Option<&'a TaskChange>, &'a Passing),
    /// Its lease ended: it is pending again.
    Expire,
}

/// A step that changes a task.
pub(super) struct TaskEdit<'a> {
    pub(super) path: &'a DocPath,
    pub(super) before: &'a Document,
    /// What the edit made of it.
    pub(super) edited: Result<Document, entity::Refusal>,
    pub(super) action: TaskAction<'a>,
}

/// What a task waits for.
pub(super) type Blockers<'a> = dyn FnMut(&Task) -> Result<Vec<Blocker>, Error> + 'a;

/// What an operation makes of the lease registry.
#[derive(Debug, Default)]
pub(super) struct LeasePlan {
    pub(super) tasks: BTreeMap<DocPath, PlannedLease>,
    branch: OnceCell<Option<String>>,
    /// What the server has still to be asked before the operation can be carried out.
    open: BTreeMap<ClaimKey, ClaimRequest>,
    /// Another process of the same agent is claiming one of the tasks.
    is_waiting: bool,
    /// What the registry said when the steps were planned before.
    known: BTreeMap<DocPath, LeaseEvidence>,
    /// Leases of unknown age, counted from now on: the machine has been restarted.
    pub(super) unmeasured: Vec<(DocId, DocPath, LeaseFacts, AgentName)>,
}

/// The lease of one task.
#[derive(Debug)]
pub(super) struct PlannedLease {
    /// The task before the first step.
    pub(super) task: Task,
    /// What was known of it before the first step.
    pub(super) found: LeaseEvidence,
    /// What is known of it as the steps so far left it.
    evidence: LeaseEvidence,
    /// What the registry is to say after the last step, if it is to say something else.
    pub(super) entry: Option<LeaseEntry>,
    /// A step gave the task to a new holder: the document is to say so.
    pub(super) is_given: bool,
    /// What the server said when a step claimed it.
    pub(super) reserved: Option<Reservation>,
    /// A step claimed it.
    pub(super) is_claimed: bool,
    /// A step changed it in another way.
    pub(super) is_changed: bool,
}

impl LeasePlan {
    /// An empty plan that knows of the registry what this one knew.
    pub(super) fn on_the_same(&self) -> Self {
        let known = self.tasks.iter().map(|(path, lease)| (path.clone(), lease.found.clone()));
        Self { known: known.collect(), ..Self::default() }
    }

    /// Returns true if the registry is to say the same by both plans, of tasks that say the same about their holders.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let terms = |lease: &PlannedLease| (LeaseFacts::of(&lease.task), lease.terms());
        let entries = |plan: &Self| -> Vec<_> {
            let changed = plan.tasks.iter().filter(|(_, lease)| lease.entry.is_some());
            changed.map(|(path, lease)| (path.clone(), terms(lease))).collect()
        };
        self.open.is_empty() && other.open.is_empty() && entries(self) == entries(other)
    }

    /// What the server has still to be asked, in the order of ids: two batches that want the same tasks ask in the same order.
    pub(super) fn open(&self) -> Vec<ClaimRequest> {
        self.open.values().cloned().collect()
    }

    /// Returns true if another process of the same agent is claiming one of the tasks at this moment.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// The reservations that are needed once the operation is done, without those of removed tasks.
    pub(super) fn needed(&self, removed: &[(DocId, DocPath)]) -> impl Iterator<Item = &Reservation> {
        let is_there = |path: &DocPath| !removed.iter().any(|(_, gone)| gone == path);
        let leases = self.tasks.iter().filter(move |(path, _)| is_there(path)).map(|(_, lease)| lease);
        let is_ours =
            |lease: &&PlannedLease| lease.entry.as_ref().is_some_and(|entry| entry.state != EntryState::Released);
        leases.filter(is_ours).filter_map(|lease| lease.reserved.as_ref())
    }

    /// The tasks about which the registry is to say something else.
    pub(super) fn paths_with_entry(&self) -> BTreeSet<DocPath> {
        let changed = self.tasks.iter().filter(|(_, lease)| lease.entry.is_some());
        changed.map(|(path, _)| path.clone()).collect()
    }

    /// What is known of a task, which now says this.
    fn lease(&mut self, operations: &Operations<'_>, path: &DocPath, task: &Task) -> Result<&mut PlannedLease, Error> {
        if !self.tasks.contains_key(path) {
            let facts = LeaseFacts::of(task);
            let evidence = match self.known.remove(path) {
                Some(known) => LeaseEvidence { here: facts, ..known },
                None => operations.leases.evidence(&task.id, path, facts)?,
            };
            self.tasks.insert(path.clone(), PlannedLease::new(task.clone(), evidence));
        }
        let lease = self.tasks.get_mut(path).ok_or_else(|| Error::Gone { path: path.clone() })?;
        lease.evidence.here = LeaseFacts::of(task);
        Ok(lease)
    }

    /// Returns the document as its last holder resumes it, if a step does that.
    pub(super) fn resume(
        &mut self,
        view: &FolderView<'_>,
        path: &DocPath,
        before: &Document,
        change: Option<&TaskChange>,
        passing: &Passing,
    ) -> Result<Option<Document>, Error> {
        let operations = view.operations;
        let Some(task) = task_of(path, before).filter(|task| may_resume(view.by.agent.as_ref(), task, change)) else {
            return Ok(None);
        };
        let evidence = self.lease(operations, path, &task)?.evidence.clone();
        let Some(ask) = resume_request(view.by.agent.as_ref(), &evidence) else { return Ok(None) };
        operations.let_pass(&view.by.fence_alone(), path, (&task, &evidence), passing)?;
        let reserved = self.ask(view, &task, &ask)?;
        let again = resumed(path, before, &evidence, &ask, &reserved)?;
        self.lease(operations, path, &task)?.reserved = Some(reserved);
        Ok(Some(again))
    }

    /// The answer of the server for a task; [`Reservation::NotAsked`] while it has still to be asked.
    fn ask(&mut self, view: &FolderView<'_>, task: &Task, ask: &LeaseRequest) -> Result<Reservation, Error> {
        let request = ClaimRequest::new(task, ask);
        if let Some(answer) = view.answers.answer(&request) {
            return answer.map_err(denied);
        }
        self.open.insert(key(&request), request);
        Ok(Reservation::NotAsked)
    }

    /// Decides whether a step may change a task so, and gives the document as it is then: who begins a task claims it.
    pub(super) fn authorize(
        &mut self,
        view: &FolderView<'_>,
        edit: TaskEdit<'_>,
        blockers: &mut Blockers<'_>,
    ) -> Result<(Document, Option<ClaimDecision>), Error> {
        let TaskEdit { path, before, edited, action } = edit;
        let Some(task) = task_of(path, before) else {
            return match action {
                // Whether it can be changed at all is for the edit to say.
                TaskAction::Change(..) => Ok((refusing(path, edited)?, None)),
                TaskAction::Claim(_) | TaskAction::Expire => {
                    let findings = entity::read(path, before).findings;
                    let source = entity::Refusal::Unreadable { id: path.stem().to_owned(), findings };
                    refusing(path, Err(source))
                }
            };
        };
        match action {
            TaskAction::Claim(ask) => {
                let given = self.give(view, path, &task, &task, ask, blockers)?;
                self.claimed(path, &task, refusing(path, edited)?, given, ask.over)
            }
            TaskAction::Expire => Ok((self.expire(view, path, &task, refusing(path, edited)?)?, None)),
            TaskAction::Change(change, passing) => self.change(view, path, (change, &task), edited, passing, blockers),
        }
    }

    /// A change that is no claim by name; one that begins the task is a claim all the same.
    fn change(
        &mut self,
        view: &FolderView<'_>,
        path: &DocPath,
        (change, task): (Option<&TaskChange>, &Task),
        edited: Result<Document, entity::Refusal>,
        passing: &Passing,
        blockers: &mut Blockers<'_>,
    ) -> Result<(Document, Option<ClaimDecision>), Error> {
        let operations = view.operations;
        let lease = self.lease(operations, path, task)?;
        lease.is_changed = true;
        if change.is_some_and(TaskChange::is_open_to_all) {
            return Ok((refusing(path, edited)?, None));
        }
        let after = match edited {
            Ok(after) => after,
            Err(refusal) => {
                return Err(operations.refused_edit(view.by, path, (task, &lease.evidence), refusal, passing)?);
            }
        };
        let next = task_of(path, &after);
        let status = next.as_ref().map_or(task.status, |next| next.status);
        match (task.status, status, &view.by.agent) {
            (TaskStatus::Pending, TaskStatus::Running, Some(by)) => {
                operations.let_pass(&view.by.fence_alone(), path, (task, &lease.evidence), passing)?;
                let ask = LeaseRequest { by: by.clone(), lease: operations.leases.default_lease(), over: passing.over };
                // Who begins a task may have it assigned to them in one go.
                let assigned = match next {
                    Some(next) => Task { assigned_to: next.assigned_to, gates: next.gates, ..task.clone() },
                    None => task.clone(),
                };
                let given = self.give(view, path, task, &assigned, &ask, blockers)?;
                self.claimed(path, task, after, given, passing.over)
            }
            (from, to, _) if from != to && to != TaskStatus::Running => {
                operations.let_pass(view.by, path, (task, &lease.evidence), passing)?;
                let place = || place(&self.branch, operations, path);
                let Some(lease) = self.tasks.get_mut(path) else { return Ok((after, None)) };
                if let Some(entry) = operations.end_entry(task, &lease.evidence, place)? {
                    lease.put(entry.in_state(end_of(to)));
                }
                Ok((after, None))
            }
            _ => {
                operations.let_pass(view.by, path, (task, &lease.evidence), passing)?;
                if let Some(entry) = lease.evidence.entry().filter(|entry| is_taken_up(entry, task)) {
                    let entry = entry.in_state(EntryState::Held).renewed_at(&operations.leases.boot_time());
                    lease.put(LeaseEntry { fence: task.fence.unwrap_or(entry.fence), ..entry });
                    lease.is_given = true;
                }
                Ok((after, None))
            }
        }
    }

    /// Decides who gets a task: where clones share a server there first, then here. `assigned` is the task with what the same
    /// step says about whom it is for.
    fn give(
        &mut self,
        view: &FolderView<'_>,
        path: &DocPath,
        task: &Task,
        assigned: &Task,
        ask: &LeaseRequest,
        blockers: &mut Blockers<'_>,
    ) -> Result<(LeaseEntry, Option<PreviousHolder>, Reservation), Error> {
        let operations = view.operations;
        let lease = self.lease(operations, path, task)?;
        let facts = LeaseFacts::of(assigned);
        (lease.evidence.here.assigned_to, lease.evidence.here.unusable) = (facts.assigned_to, facts.unusable);
        operations.leases.refuse_unmerged(&task.id, path, &lease.evidence, ask)?;
        // Where no lease can be written down, none is given.
        operations.documents.store.local.make()?;
        let (evidence, known) = (lease.evidence.clone(), lease.reserved.clone());
        let blockers = blockers(assigned)?;
        let (moment, here) = (operations.leases.boot_time(), operations.leases.here(path));
        let decide = |ask: &LeaseRequest| decide(task.id.as_str(), &evidence, &blockers, ask, &moment, &here);
        // What is refused here is not asked for there.
        if let ClaimVerdict::Refused(refusal) = decide(ask) {
            return Err(refused(task.id.as_str(), refusal));
        }
        let reserved = known.map_or_else(|| self.ask(view, task, ask), Ok)?;
        let ask = reserved.ask(ask);
        let place = place(&self.branch, operations, path)?;
        match decide(&ask) {
            ClaimVerdict::Grant(give) => {
                let origin = match (give.previous, &reserved) {
                    (PreviousHolder::Stolen(by), Reservation::Remote(RemoteLease { was: Some(_), .. })) => {
                        PreviousHolder::Expired(by)
                    }
                    (origin, _) => origin,
                };
                let fence = give.fence.max(reserved.fence());
                Ok((
                    operations.leases.granted_entry(&evidence, fence, &ask, EntryState::Held, place),
                    Some(origin),
                    reserved,
                ))
            }
            ClaimVerdict::Keep { .. } => {
                let known = evidence.entry().filter(|entry| entry.by == ask.by && entry.fence == evidence.here.fence);
                let known = known.map(|entry| entry.in_state(EntryState::Held).renewed_at(&moment));
                let entry = known.unwrap_or_else(|| operations.leases.new_entry(&ask.by, &evidence.here, place));
                Ok((entry, None, reserved))
            }
            ClaimVerdict::Wait => {
                self.is_waiting = true;
                Err(StoreError::Busy { path: operations.documents.store.leases.lock_path(), waited: FOLDER_WAIT }
                    .into())
            }
            ClaimVerdict::Lost { lost, reanchor } => {
                self.unmeasured.extend(reanchor.map(|by| (task.id.clone(), path.clone(), evidence.here.clone(), by)));
                Err(claim_lost(*lost))
            }
            ClaimVerdict::Refused(refusal) => Err(refused(task.id.as_str(), refusal)),
        }
    }

    /// The document of a task that was given to an agent. Who has it already keeps it: nothing is written then.
    fn claimed(
        &mut self,
        path: &DocPath,
        task: &Task,
        edited: Document,
        (entry, origin, reserved): (LeaseEntry, Option<PreviousHolder>, Reservation),
        over: Override,
    ) -> Result<(Document, Option<ClaimDecision>), Error> {
        let hold = HolderFields {
            by: entry.by.clone(),
            fence: entry.fence,
            lease: entry.lease,
            since: entry.since,
            is_after_expiry: matches!(origin, Some(PreviousHolder::Expired(_))),
        };
        let is_kept = origin.is_none() && task.status == TaskStatus::Running;
        let after = if is_kept {
            edited
        } else {
            refusing(path, take(&refusing(path, with_override(task, edited, &hold, over))?, &hold))?
        };
        let decided = reserved.decided();
        if let Some(lease) = self.tasks.get_mut(path) {
            lease.put(entry.clone());
            lease.is_given |= !is_kept;
            lease.is_claimed = true;
            lease.reserved = Some(reserved);
        }
        Ok((after, Some(ClaimDecision { entry, origin: origin.unwrap_or(PreviousHolder::None), decided })))
    }

    /// The lease of a task ended: it is pending again.
    fn expire(
        &mut self,
        view: &FolderView<'_>,
        path: &DocPath,
        task: &Task,
        released: Document,
    ) -> Result<Document, Error> {
        let operations = view.operations;
        let lease = self.lease(operations, path, task)?;
        if !lease::lease_state(&lease.evidence, &operations.leases.boot_time()).is_over() {
            return Err(Error::NotHeld { task: task.id.to_string(), by: None });
        }
        let place = || place(&self.branch, operations, path);
        let Some(lease) = self.tasks.get_mut(path) else { return Ok(released) };
        if let Some(entry) = operations.end_entry(task, &lease.evidence, place)? {
            let ended = operations.leases.expired_at(&entry, &lease.evidence);
            lease.put(LeaseEntry { ended, ..entry.in_state(EntryState::Expired) });
        }
        Ok(released)
    }
}

/// Where a claim is written down, with the branch, which is looked up once.
fn place(branch: &OnceCell<Option<String>>, operations: &Operations<'_>, path: &DocPath) -> Result<LeasePlace, Error> {
    if branch.get().is_none() {
        let _ = branch.set(operations.records.head()?.and_then(|head| head.branch));
    }
    Ok(LeasePlace { branch: branch.get().cloned().flatten(), ..operations.leases.here(path) })
}

/// Returns true if a task runs again whose lease ended: its holder took it up.
fn is_taken_up(entry: &LeaseEntry, task: &Task) -> bool {
    entry.state == EntryState::Expired
        && task.status == TaskStatus::Running
        && task.claimed_by.as_ref() == Some(&entry.by)
}

/// Records in a note that a task was taken although a value that restricts it cannot be used.
fn with_override(
    found: &Task,
    edited: Document,
    hold: &HolderFields,
    over: Override,
) -> Result<Document, entity::Refusal> {
    let is_forced = over != Override::None && found.claimed_by.as_ref() != Some(&hold.by);
    match found.gates.unusable().filter(|_| is_forced) {
        Some(finding) => {
            entity::task::note(&edited, &format!("claimed by {} with --force: {}", hold.by, finding.message))
        }
        None => Ok(edited),
    }
}

/// The state in the registry of a task that does not run any more.
const fn end_of(status: TaskStatus) -> EntryState {
    match status {
        TaskStatus::Completed => EntryState::Completed,
        TaskStatus::Failed => EntryState::Failed,
        TaskStatus::Pending | TaskStatus::Running => EntryState::Released,
    }
}

/// The error of a claim that is refused to every agent, or to this one.
fn refused(task: &str, refusal: lease::ClaimRefusal) -> Error {
    let task = task.to_owned();
    match refusal {
        lease::ClaimRefusal::Assigned(to) => Error::Assigned { task, to },
        lease::ClaimRefusal::Unusable(finding) => Error::Unusable { task, finding },
        lease::ClaimRefusal::Blocked(waits) => Error::NotReady { task, waits },
        lease::ClaimRefusal::Status(status) => Error::NotPending { task, status },
    }
}

impl PlannedLease {
    fn new(task: Task, evidence: LeaseEvidence) -> Self {
        let found = evidence.clone();
        Self {
            task,
            found,
            evidence,
            entry: None,
            is_given: false,
            reserved: None,
            is_claimed: false,
            is_changed: false,
        }
    }

    fn put(&mut self, entry: LeaseEntry) {
        self.evidence.record = Some(LeaseRecord::Entry(entry.clone()));
        self.evidence.holder_document = HolderDocument::Here;
        self.evidence.writer = EntryWriter::Gone;
        self.entry = Some(entry);
    }

    /// The parts of the entry that the document repeats, and its state.
    fn terms(&self) -> Option<(u64, EntryState, AgentName, std::time::Duration, bool)> {
        self.entry.as_ref().map(|entry| (entry.fence, entry.state, entry.by.clone(), entry.lease, self.is_given))
    }
}

/// Returns the document as its last holder resumes it: running, with the same fencing token and a new lease.
fn resumed(
    path: &DocPath,
    document: &Document,
    evidence: &LeaseEvidence,
    ask: &LeaseRequest,
    reserved: &Reservation,
) -> Result<Document, Error> {
    let fence = evidence.entry().map_or(0, |entry| entry.fence).max(reserved.fence());
    let hold =
        HolderFields { by: ask.by.clone(), fence, lease: ask.lease, since: environment::now(), is_after_expiry: false };
    refusing(path, retake(document, &hold))
}
