//! Many operations as one: written with one wait for the disk, recorded once, committed once.
//!
//! The steps are played on what the folder holds (see `rehearsal`), then applied as one operation of the store. Where
//! somebody else writes in between, they are played again on what is there now.

use super::operation::Fate;
use super::rehearsal::{Base, Played, Turn};
use super::{Error, New, Outcome, Taken, Workspace};
use crate::document::Document;
use crate::entity::Refusal;
use crate::name::{Kind, OperationId};
use crate::store::{ApplyError, StoreError};

/// Most steps of one batch: its documents are held in memory and under one lock.
pub const STEPS_MAX: usize = 10_000;
/// How often a batch is played when others come and go beside it.
const ATTEMPTS_MAX: u32 = 20;

/// A pure change of a document; it may be asked several times.
pub type Editing = Box<dyn Fn(&Document) -> Result<Document, Refusal> + Send + Sync>;

/// One operation of a batch. It sees what the steps before it did.
pub enum Step {
    /// Makes a document.
    Create {
        /// What it is to say.
        new: New,
        /// How careful to be about the id.
        taken: Taken,
    },
    /// Changes a document.
    Change {
        /// What sort of document.
        kind: Kind,
        /// Its id or the beginning of it.
        id: String,
        /// What the journal calls it, `update`.
        verb: &'static str,
        /// The change.
        edit: Editing,
    },
    /// Changes the document with exactly this id; where there is none, makes it.
    Set {
        /// What it is to say where there is none.
        new: New,
        /// What the journal calls it, `set`.
        verb: &'static str,
        /// The change where there is one.
        edit: Editing,
    },
    /// Removes a document; git keeps what it said.
    Remove {
        /// What sort of document.
        kind: Kind,
        /// Its id or the beginning of it.
        id: String,
    },
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { new, .. } | Self::Set { new, .. } => write!(f, "{} {}", self.verb(), new.id()),
            Self::Change { id, .. } | Self::Remove { id, .. } => write!(f, "{} {id}", self.verb()),
        }
    }
}

impl Step {
    /// What the journal calls it, `task.update`.
    #[must_use]
    pub fn verb(&self) -> String {
        match self {
            Self::Create { new, .. } => format!("{}.create", new.kind()),
            Self::Change { kind, verb, .. } => format!("{kind}.{verb}"),
            Self::Set { new, verb, .. } => format!("{}.{verb}", new.kind()),
            Self::Remove { kind, .. } => format!("{kind}.remove"),
        }
    }
}

/// How the steps of a batch belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Each is done or fails alone.
    Each,
    /// All are done, or none.
    All,
}

impl Workspace {
    /// Carries out many operations as one: one operation of the journal, one wait for the disk, one commit. A step finds
    /// the documents as the steps before it left them, so it may name a task that an earlier one makes.
    ///
    /// The answer has one result for each step, in their order. What succeeded is on the disk for good when this returns
    /// (with the default durability), and so is all of it or none: also a crash does not leave a part. With
    /// [`Together::All`] one failed step keeps all others from being done; these say [`Error::Undone`].
    ///
    /// # Errors
    /// [`Error::TooManySteps`] for more than [`STEPS_MAX`]; others if the folder fails. Then no step was done.
    pub fn batch(&self, steps: &[Step], how: Together) -> Result<Vec<Result<Outcome, Error>>, Error> {
        if steps.len() > STEPS_MAX {
            return Err(Error::TooManySteps { count: steps.len() });
        }
        let mut base = Base::read(self)?;
        for _ in 0..ATTEMPTS_MAX {
            let played = base.play(steps);
            if how == Together::All && played.has_failed() {
                return Ok(undone(played));
            }
            if let Some(results) = self.apply_played(steps, how, &mut base, played)? {
                return Ok(results);
            }
        }
        Err(StoreError::Restless { path: self.root.join(self.folder()), attempts: ATTEMPTS_MAX }.into())
    }

    /// Applies what was played; `None` if others changed so much meanwhile that it has to be played anew.
    fn apply_played(
        &self,
        steps: &[Step],
        how: Together,
        base: &mut Base<'_>,
        mut played: Played,
    ) -> Result<Option<Vec<Result<Outcome, Error>>>, Error> {
        let Some(mut seats) = self.seat_all(&played.stakes)? else { return Ok(None) };
        let paths = played.paths();
        let operation = self.operation(&played.verb(steps))?;
        let applied = self.store.apply_unsynced(&operation, &paths, &mut |current| {
            if !played.found(&paths, current) {
                base.update(&paths, current);
                let again = base.play(steps);
                // The ledger was told what came of the first time.
                if !seats.is_empty() || !again.stakes.are_none() {
                    return Err(Turn::Elsewhere);
                }
                if how == Together::All && again.has_failed() {
                    return Err(Turn::Failed(Box::new(again)));
                }
                if !again.is_within(&paths) {
                    return Err(Turn::Elsewhere);
                }
                played = again;
            }
            Ok(played.actions(&paths))
        });
        if applied.is_err() {
            self.withdraw_all(&seats)?;
        }
        let written = match applied {
            Ok(written) => written,
            Err(ApplyError::Refused(Turn::Failed(played))) => return Ok(Some(undone(*played))),
            Err(ApplyError::Refused(Turn::Elsewhere)) => return Ok(None),
            Err(ApplyError::Store(error)) => return Err(error.into()),
        };
        self.confirm_all(&mut seats);
        for (task, path) in played.removed_tasks() {
            self.forget_claim(&task, &path)?;
        }
        let id = written.is_some().then_some(operation.id);
        let fate = match self.fate(id.as_ref(), written.as_ref()) {
            Ok(fate) => fate,
            Err(error) => {
                self.withdraw_all(&seats)?;
                return Err(error);
            }
        };
        self.sync_all(&seats)?;
        played.warn_of_missing(base);
        Ok(Some(outcomes(played, id.as_ref(), fate)))
    }
}

/// The result of each step, with what became of the whole.
fn outcomes(played: Played, id: Option<&OperationId>, fate: Fate) -> Vec<Result<Outcome, Error>> {
    let outcomes = played.into_results().map(|done| {
        let done = done?;
        let operation = id.cloned().filter(|_| done.changed);
        let Fate { committed, waiting, .. } = if operation.is_some() { fate.clone() } else { Fate::default() };
        Ok(Outcome {
            path: done.path,
            document: done.document,
            entity: done.entity,
            findings: done.findings,
            operation,
            committed,
            waiting,
        })
    });
    let mut outcomes: Vec<Result<Outcome, Error>> = outcomes.collect();
    // What the commit found belongs to no step; it is told once.
    if let Some(first) = outcomes.iter_mut().flatten().next() {
        first.findings.extend(fate.findings);
    }
    outcomes
}

/// The results where nothing was done: the failures, and of every other step that it was not done.
fn undone(played: Played) -> Vec<Result<Outcome, Error>> {
    let results: Vec<_> = played.into_results().collect();
    let failed = results.iter().position(Result::is_err).unwrap_or_default() + 1;
    results.into_iter().map(|result| Err(result.err().unwrap_or(Error::Undone { step: failed }))).collect()
}
