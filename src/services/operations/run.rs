//! Runs the steps of an operation: plans them, writes the leases, applies the documents as one operation of the store, commits.
//! Where another process writes in between, the steps are planned again on what is there now.

use std::time::{Duration, Instant};

use super::folder_view::FolderView;
use super::outcome::CommitOutcome;
use super::plan::Plan;
use super::{Actor, Operations, Outcome};
use crate::adapters::git::Repository;
use crate::adapters::store::{ApplyError, Operation, StoreError};
use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::operation::{DocumentChange, Request};
use crate::core::snapshot::FindError;
use crate::services::Error;
use crate::services::intake::unless_read_only;

/// Most steps of one batch: its documents are held in memory and under one lock.
pub const STEPS_MAX: usize = 10_000;
/// How often the steps are planned while other processes write the same documents.
const ATTEMPTS_MAX: u32 = 50;
/// How long to wait for a claim of the same agent that is under way.
const CLAIM_WAIT: Duration = Duration::from_millis(5);

/// How the steps of a batch belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Each is done or fails alone.
    Each,
    /// All are done, or none.
    All,
}

/// Why a plan cannot be applied.
#[derive(Debug)]
enum PlanConflict {
    /// A step fails now, and then none is to be done.
    Failed(Box<Plan>),
    /// Other documents or leases are touched now.
    Elsewhere,
}

impl Operations<'_> {
    /// Carries out many operations as one: one operation of the journal, one wait for the disk, one commit. A step finds
    /// the documents as the steps before it left them, so it may name a task that an earlier one creates.
    ///
    /// The answer has one result for each step, in their order. What succeeded is durable when this returns (with the default
    /// durability), and so is all of it or none: also a crash does not leave a part. With [`Together::All`] one failed step
    /// keeps all others from being done; these say [`Error::Undone`].
    ///
    /// # Errors
    /// [`Error::TooManySteps`] for more than [`STEPS_MAX`]; others if the folder fails. Then no step was done.
    pub fn batch(
        &self,
        by: &Actor,
        steps: &[Request<'_>],
        how: Together,
    ) -> Result<Vec<Result<Outcome, Error>>, Error> {
        if steps.len() > STEPS_MAX {
            return Err(Error::TooManySteps { count: steps.len(), max: STEPS_MAX });
        }
        self.run(&mut FolderView::new(self, by), steps, how)
    }

    /// The one path of every step.
    pub(super) fn run(
        &self,
        view: &mut FolderView<'_>,
        steps: &[Request<'_>],
        how: Together,
    ) -> Result<Vec<Result<Outcome, Error>>, Error> {
        let began = Instant::now();
        let done = self.try_run(view, steps, how);
        view.release_unneeded();
        let is_changed = |outcome: &Outcome| outcome.operation.is_some();
        if done.as_ref().is_ok_and(|results| results.iter().flatten().any(is_changed)) {
            self.documents.store.local.note_latency(began.elapsed());
        }
        done
    }

    fn try_run(
        &self,
        view: &mut FolderView<'_>,
        steps: &[Request<'_>],
        how: Together,
    ) -> Result<Vec<Result<Outcome, Error>>, Error> {
        // Where the steps found their documents first.
        let mut found = Vec::new();
        for attempt in 1..=ATTEMPTS_MAX {
            let plan = decide_claims(view, steps)?;
            if found.is_empty() {
                found = plan.found();
            }
            if plan.leases.is_waiting() && attempt < ATTEMPTS_MAX {
                std::thread::sleep(CLAIM_WAIT);
                continue;
            }
            self.measure_leases(&plan.leases)?;
            if how == Together::All && plan.has_failed() {
                return Ok(undone(plan));
            }
            if plan.is_empty() {
                let results = results(plan, None, &CommitOutcome::default());
                return Ok(self.with_vanished(&found, results));
            }
            if let Some(results) = self.apply(view, steps, how, plan)? {
                return Ok(self.with_vanished(&found, results));
            }
        }
        Err(StoreError::Restless { path: self.leases.root.join(self.documents.folder()), attempts: ATTEMPTS_MAX }
            .into())
    }

    /// The results, where what a step found first and then no longer is gone, instead of unknown.
    fn with_vanished(
        &self,
        found: &[Option<DocPath>],
        results: Vec<Result<Outcome, Error>>,
    ) -> Vec<Result<Outcome, Error>> {
        let vanished = |(index, result): (usize, _)| match (result, found.get(index)) {
            (Err(Error::Find(FindError::NotFound { .. })), Some(Some(path))) => Err(self.documents.gone(path)),
            (result, _) => result,
        };
        results.into_iter().enumerate().map(vanished).collect()
    }

    /// Applies a plan; `None` if other processes changed so much that the steps have to be planned again.
    fn apply(
        &self,
        view: &mut FolderView<'_>,
        steps: &[Request<'_>],
        how: Together,
        mut plan: Plan,
    ) -> Result<Option<Vec<Result<Outcome, Error>>>, Error> {
        let paths = plan.paths();
        // One look at the configuration of git for all that follows.
        let _pinned = self.documents.repository.map(Repository::pin).transpose()?;
        self.documents.refuse_left_to_git(&paths)?;
        self.note_holders_heard(view.by, &plan.leases)?;
        let Some(mut seats) = self.begin_leases(&plan.leases)? else { return Ok(None) };
        let agent = actor(steps, view.by.agent.as_ref());
        let made = self.records.operation(&plan.verb(steps))?;
        let given = steps.iter().find_map(|request| request.id.clone());
        let operation = Operation { id: given.unwrap_or(made.id), agent: agent.cloned(), ..made };
        let applied = self.writer.write(&operation, &paths, &mut |current| {
            if !plan.is_of(&paths, current) {
                view.update(&paths, current);
                let again = Plan::again(view, steps, &plan);
                // The registry has the entries of the first plan.
                if !again.leases.agrees(&plan.leases) || !again.is_within(&paths) {
                    return Err(PlanConflict::Elsewhere);
                }
                if how == Together::All && again.has_failed() {
                    return Err(PlanConflict::Failed(Box::new(again)));
                }
                plan = again;
            }
            Ok(plan.actions(&paths))
        });
        if applied.is_err() {
            self.withdraw_leases(&seats)?;
        }
        let written = match applied {
            Ok(written) => written,
            Err(ApplyError::Refused(PlanConflict::Failed(plan))) => return Ok(Some(undone(*plan))),
            Err(ApplyError::Refused(PlanConflict::Elsewhere)) => return Ok(None),
            Err(ApplyError::Store(error)) => return Err(error.into()),
        };
        for seat in &mut seats {
            // An entry that cannot be brought up to date now is judged by its document.
            let _ = self.leases.commit(seat);
        }
        let removed = plan.removed_tasks();
        for (task, path) in &removed {
            unless_read_only(self.leases.remove(task, path))?;
        }
        for agent in plan.removed_agents() {
            unless_read_only(self.documents.store.local.remove_heartbeat(&agent).map_err(Error::from))?;
        }
        let done = match self.commit_written(view.by, written.as_slice()) {
            Ok(done) => done,
            Err(error) => {
                self.withdraw_leases(&seats)?;
                return Err(error);
            }
        };
        view.answers.need(plan.leases.needed(&removed));
        self.sync_leases(&seats)?;
        plan.warn(view)?;
        let id = written.is_some().then_some(operation.id);
        self.finish(view.by, plan, (id, done)).map(Some)
    }

    /// The results of a plan that was applied.
    fn finish(
        &self,
        by: &Actor,
        plan: Plan,
        (id, committed): (Option<OperationId>, CommitOutcome),
    ) -> Result<Vec<Result<Outcome, Error>>, Error> {
        let with_entry = plan.leases.paths_with_entry();
        let results = results(plan, id.as_ref(), &committed);
        let is_free = |outcome: &&Outcome| outcome.operation.is_some() && !with_entry.contains(&outcome.path);
        for outcome in results.iter().flatten().filter(is_free) {
            unless_read_only(self.leases.record_foreign_save(by.agent.as_ref(), &outcome.path, &outcome.document))?;
        }
        Ok(results)
    }
}

/// Plans the steps, and asks the arbiter for the tasks that they claim until it has said something of each. What it says
/// may change what the steps after a claim come to.
fn decide_claims(view: &mut FolderView<'_>, steps: &[Request<'_>]) -> Result<Plan, Error> {
    loop {
        let plan = Plan::new(view, steps);
        let open = plan.leases.open();
        if open.is_empty() {
            return Ok(plan);
        }
        view.ask(&open);
    }
}

/// In whose name an operation is recorded: a claim in that of the agent that gets the task, an expired lease in none.
fn actor<'a>(steps: &'a [Request<'_>], acting: Option<&'a AgentName>) -> Option<&'a AgentName> {
    match steps {
        [Request { change: DocumentChange::Claim { ask, .. }, .. }] => Some(&ask.by),
        [Request { change: DocumentChange::Expire { .. }, .. }] => None,
        _ => acting,
    }
}

/// The result of each step, with what became of the whole.
fn results(plan: Plan, id: Option<&OperationId>, committed: &CommitOutcome) -> Vec<Result<Outcome, Error>> {
    let outcomes = plan.into_results().map(|done| {
        let done = done?;
        let operation = id.cloned().filter(|_| done.changed);
        let whole = if operation.is_some() { committed.clone() } else { CommitOutcome::default() };
        Ok(Outcome { operation, committed: whole.committed, waiting: whole.waiting, ..done.outcome })
    });
    let mut outcomes: Vec<Result<Outcome, Error>> = outcomes.collect();
    // What the commit found belongs to no step; it is said once.
    if let Some(first) = outcomes.iter_mut().flatten().next() {
        first.findings.extend(committed.findings.iter().cloned());
    }
    outcomes
}

/// The results where nothing was done: the failures, and of every other step that it was not done.
fn undone(plan: Plan) -> Vec<Result<Outcome, Error>> {
    let results: Vec<_> = plan.into_results().collect();
    let failed = results.iter().position(Result::is_err).unwrap_or_default() + 1;
    results.into_iter().map(|result| Err(result.err().unwrap_or(Error::Undone { step: failed }))).collect()
}
