//! Claims: a task is given to exactly one agent, among all processes and work trees of the clone, for as long as they say
//! now and then that they are at it.

use std::time::Duration;

use super::bridge::Decided;
use super::ledger::task_of;
use super::operation::telling;
use super::turn::{Deed, Entered, Turn, Turned};
use super::{Class, Error, Outcome, Passing, Scope, Workspace};
use crate::claim::{Ask, Entry, Facts, Origin, Standing, State, Taking, standing};
use crate::document::Document;
use crate::entity::{Refusal, Task};
use crate::name::{AgentName, DocId, DocPath, Kind};
use crate::snapshot::{Blocker, Snapshot, Wait, sort_by_urgency};
use crate::store::StoreError;
use crate::time::Timestamp;

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

/// A task that somebody has.
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
    pub origin: Origin,
    /// What became of the document.
    pub outcome: Outcome,
    /// Where that was decided.
    pub decided: Decided,
    /// The document as the claim found it, under the lock of the folder.
    pub(super) found: Option<Document>,
}

/// A lease that begins anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
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

impl Workspace {
    /// Gives a task to an agent: it is theirs and nobody else's when this returns, and stays so through a power cut.
    /// Whoever has it already keeps it, and their lease begins anew.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if somebody else has it; [`Error::Assigned`], [`Error::NotReady`] and [`Error::NotPending`] if
    /// nobody is to have it now, or not this agent; [`Error::NothingReady`] if there is no next one; others if the folder
    /// fails.
    pub fn claim(&self, which: Which<'_>, ask: &Ask) -> Result<Claimed, Error> {
        let verb = "task.claim";
        match which {
            Which::Task(id) => {
                let (_, paths) = self.find_with_telling(Kind::Task, id)?;
                let deed = Deed::Claim(ask);
                let turn = Turn { workspace: self, paths: &paths, verb, deed, edit: &|document| Ok(document.clone()) };
                let turned = turn.run()?;
                self.claimed(turned)
            }
            Which::Next { kind } => {
                for _ in 0..ATTEMPTS_MAX {
                    if let Some(claimed) = self.claim_next(kind, ask)? {
                        return Ok(claimed);
                    }
                }
                Err(StoreError::Restless { path: self.root.join(self.folder()), attempts: ATTEMPTS_MAX }.into())
            }
        }
    }

    /// One try; `None` if others took everything that was ready when it began.
    fn claim_next(&self, kind: Option<&str>, ask: &Ask) -> Result<Option<Claimed>, Error> {
        let live = self.snapshot(Scope::Named)?;
        let free = self.free_tasks(&live, kind, ask)?;
        if free.is_empty() {
            return Err(Error::NothingReady { kind: kind.map(str::to_owned) });
        }
        // The list is not of this moment: the first that is still free is theirs.
        let Some((path, document, entered)) = self.first_free(&live, &free, ask)? else { return Ok(None) };
        let mut paths = vec![path];
        let entity = live.get(&paths[0]).and_then(|entry| entry.entity.as_ref());
        paths.extend(entity.map(|entity| telling(&live, entity)).unwrap_or_default());
        let (verb, deed) = ("task.claim", Deed::Claim(ask));
        let turn = Turn { workspace: self, paths: &paths, verb, deed, edit: &|document| Ok(document.clone()) };
        let Some(turned) = turn.carry_out(&document, entered)? else { return Ok(None) };
        self.claimed(turned).map(Some)
    }

    /// Gives the first of these tasks that nobody has by now; each is looked at as it is at this moment.
    fn first_free(
        &self,
        live: &Snapshot,
        tasks: &[&Task],
        ask: &Ask,
    ) -> Result<Option<(DocPath, Document, Entered)>, Error> {
        for task in tasks {
            let Some(path) = live.paths_of(Kind::Task, task.id.as_str()).first().cloned() else { continue };
            let Some(file) = self.store.read(&path)? else { continue };
            let document = Document::parse(file.bytes);
            let Some(now) = task_of(&path, &document).filter(|now| now.id == task.id) else { continue };
            match self.seat(&path, &now, &live.blockers(&now), ask) {
                Ok(entered @ Entered::Given(..)) => return Ok(Some((path, document, entered))),
                // Somebody was faster.
                Ok(_) => {}
                Err(error) if error.class() == Class::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The tasks that an agent may have, the most urgent first: those that are ready, and those whose lease is over.
    fn free_tasks<'a>(&self, live: &'a Snapshot, kind: Option<&str>, ask: &Ask) -> Result<Vec<&'a Task>, Error> {
        let holdings = self.claims(live)?;
        // Of a task that runs and names an agent, the ledger may know that nobody has it any more.
        let is_free = |task: &Task| holdings.get(&task.id).is_none_or(|holding| holding.is_over);
        let mut free = live.ready_tasks();
        free.extend(live.tasks().filter(|task| Facts::of(task).holder().is_some()));
        free.retain(|task| is_free(task) && kind.is_none_or(|kind| task.kind == kind));
        let is_meant = |task: &Task| task.assigned_to.as_ref().is_none_or(|to| *to == ask.by);
        free.retain(|task| ask.taking != Taking::Polite || is_meant(task));
        sort_by_urgency(&mut free);
        Ok(free)
    }

    fn claimed(&self, turned: Turned) -> Result<Claimed, Error> {
        let Turned { outcome, claimed, found } = turned;
        // Only what cannot be read as a task comes without, such as a document in which a merge left two versions.
        let (entry, origin, decided) = claimed.ok_or_else(|| {
            let (id, findings) = (outcome.path.stem().to_owned(), outcome.findings.clone());
            Error::Refused { path: outcome.path.clone(), source: Box::new(Refusal::Unreadable { id, findings }) }
        })?;
        let until = self.after(entry.lease);
        let Entry { by, fence, lease, since, .. } = entry;
        Ok(Claimed { by, fence, lease, since, until, origin, outcome, decided, found })
    }

    /// The holder of a task says that they are at it: their lease begins anew. No document changes.
    ///
    /// # Errors
    /// [`Error::NoAgent`] without an acting agent; [`Error::ClaimLost`] if somebody else has the task, or if the fence is
    /// not theirs; [`Error::NotHeld`] if nobody has it; others if the folder fails.
    pub fn renew(&self, id: &str, fence: Option<u64>) -> Result<Renewed, Error> {
        let by = self.agent.as_ref().ok_or(Error::NoAgent)?;
        let path = self.find(Some(Kind::Task), id)?.path;
        let lock = self.lock_claims()?;
        let file = self.store.read(&path)?.ok_or_else(|| Error::Gone { path: path.clone() })?;
        let task = task_of(&path, &Document::parse(file.bytes)).ok_or_else(|| Error::Gone { path: path.clone() })?;
        let (sight, now) = (self.sight(&task.id, &path, Facts::of(&task))?, self.moment());
        self.let_pass(&path, &task, &sight, &Passing { fence, ..Passing::default() })?;
        let entry = match standing(&sight, &now) {
            Standing::Held { entry, .. } if entry.by == *by => entry.in_state(State::Held).renewed_at(&now),
            Standing::Elsewhere(holder) | Standing::Lost(holder) if holder == *by => {
                self.new_entry(by, &sight.here, self.place(&path)?)
            }
            _ => return Err(Error::NotHeld { task: task.id.to_string(), by: Some(by.clone()) }),
        };
        let written = self.note(&lock, &task.id, &entry)?;
        drop(lock);
        self.renew_there(&Task { fence: Some(entry.fence), ..task.clone() }, &entry.by, entry.lease)?;
        written.close()?;
        self.sync_claim(&written)?;
        let until = self.after(entry.lease);
        Ok(Renewed { task: task.id, path, by: entry.by, fence: entry.fence, lease: entry.lease, until })
    }

    /// So long after now, by the clock on the wall.
    fn after(&self, span: Duration) -> Timestamp {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(self.now().unix_ms().saturating_add(ms))
    }

    /// What a task waits for. Dependencies are looked for at their places first.
    pub(super) fn blockers_of(&self, task: &Task) -> Result<Vec<Blocker>, Error> {
        if task.depends_on.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<DocPath> = task.depends_on.iter().map(|id| DocPath::for_new(Kind::Task, id)).collect();
        let blockers = self.snapshot_of(&places)?.blockers(task);
        if blockers.iter().all(|blocker| blocker.why != Wait::Missing) {
            return Ok(blockers);
        }
        Ok(self.snapshot(Scope::Named)?.blockers(task))
    }
}
