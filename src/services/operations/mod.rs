//! The operations that change documents: create, change, claim, expire, remove. One path for all of them: the steps are planned
//! on what the folder holds ([`plan`]), applied as one operation of the store, and committed ([`run`]). A single call is a batch
//! of one.

mod claim_answers;
mod derived;
mod folder_view;
mod guards;
mod lease_entries;
mod lease_plan;
mod left_behind;
mod outcome;
mod overlay;
mod plan;
mod run;

pub(super) use self::derived::{out_of_the_archive, refusing};
use self::folder_view::FolderView;
pub use self::outcome::{ClaimDecision, Outcome};
pub use self::run::{STEPS_MAX, Together};
use super::{Error, Project};
use crate::core::document::Document;
use crate::core::entity::{NewAgent, NewTask, NewWorkflow, Refusal};
use crate::core::lease::{LeaseRequest, Override};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::Snapshot;

/// A document to be made.
#[derive(Debug, Clone)]
pub enum New {
    /// A task.
    Task(NewTask),
    /// An agent.
    Agent(NewAgent),
    /// A workflow.
    Workflow(NewWorkflow),
}

impl New {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Task(_) => Kind::Task,
            Self::Agent(_) => Kind::Agent,
            Self::Workflow(_) => Kind::Workflow,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> DocId {
        match self {
            Self::Task(new) => new.id.clone(),
            Self::Agent(new) => new.name.clone().into(),
            Self::Workflow(new) => new.id.clone(),
        }
    }
}

/// What the caller claims about their right to change a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passing {
    /// The fence that they believe to have.
    pub fence: Option<u64>,
    /// How hard they ask; anything but politely goes over the head of the holder.
    pub over: Override,
}

/// A pure change of a document; it may be called several times.
pub type Editing = Box<dyn Fn(&Document) -> Result<Document, Refusal> + Send + Sync>;

/// A pure change of a document that may borrow.
pub type EditFn<'a> = Box<dyn Fn(&Document) -> Result<Document, Refusal> + 'a>;

/// Which document a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentRef<'a> {
    /// The one with this id, or the only one whose id begins so.
    Id(&'a str),
    /// The one at this path.
    Path(&'a DocPath),
}

/// One operation on one document. In a batch it finds the documents as the steps before it left them.
pub enum Step<'a> {
    /// Creates a document.
    Create {
        /// What it is to say.
        new: New,
        /// How careful to be about the id.
        taken: Taken,
    },
    /// Changes a document. A task that goes from pending to running is claimed for the acting agent.
    Change {
        /// What sort of document.
        kind: Kind,
        /// Its id or the beginning of it.
        id: String,
        /// What the journal calls it, `update`.
        verb: &'static str,
        /// What the caller claims about their right to change a task.
        passing: Passing,
        /// The change.
        edit: EditFn<'a>,
    },
    /// Changes the document with exactly this id; where there is none, creates it.
    Set {
        /// What it is to say where there is none.
        new: New,
        /// What the journal calls it, `set`.
        verb: &'static str,
        /// The change where there is one.
        edit: EditFn<'a>,
    },
    /// Claims a task for an agent.
    Claim {
        /// Which task.
        task: DocumentRef<'a>,
        /// For whom, for how long and how hard.
        ask: LeaseRequest,
    },
    /// Makes a task pending again whose lease ended.
    Expire {
        /// Its document.
        path: DocPath,
    },
    /// Removes the document of a stale agent, if it is still the one that was judged.
    Prune {
        /// Where it is.
        path: DocPath,
        /// What it said when it was found stale.
        judged: Document,
    },
    /// Removes a document; git keeps what it said.
    Remove {
        /// What sort of document.
        kind: Kind,
        /// Its id or the beginning of it.
        id: String,
    },
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { new, .. } | Self::Set { new, .. } => write!(f, "{} {}", self.verb(), new.id()),
            Self::Change { id, .. } | Self::Remove { id, .. } => write!(f, "{} {id}", self.verb()),
            Self::Claim { task, .. } => write!(f, "{} {task:?}", self.verb()),
            Self::Expire { path } | Self::Prune { path, .. } => write!(f, "{} {path}", self.verb()),
        }
    }
}

impl Step<'_> {
    /// What the journal calls it, `task.update`.
    #[must_use]
    pub fn verb(&self) -> String {
        match self {
            Self::Create { new, .. } => format!("{}.create", new.kind()),
            Self::Change { kind, verb, .. } => format!("{kind}.{verb}"),
            Self::Set { new, verb, .. } => format!("{}.{verb}", new.kind()),
            Self::Claim { .. } => "task.claim".to_owned(),
            Self::Expire { .. } => crate::core::message::TAKE_BACK.to_owned(),
            Self::Prune { .. } => "agent.prune".to_owned(),
            Self::Remove { kind, .. } => format!("{kind}.remove"),
        }
    }
}

impl Project {
    /// Creates a document. `taken` says how careful to be about the id: one that was made up at random needs no look-up.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::Exists`] if the id is taken; others if the template, the folder or git fails.
    pub fn create(&self, new: &New, taken: Taken) -> Result<Outcome, Error> {
        self.run_step(Step::Create { new: new.clone(), taken })
    }

    /// Changes a document by a pure edit, which may be called again if another process changes the document at the same time.
    /// An agent that has lost a task to another one may not change it; a task that an agent begins is claimed.
    ///
    /// Durable on return: the document.
    ///
    /// # Errors
    /// [`Error::Refused`] if the edit refuses; [`Error::Find`] if there is no such document; [`Error::ClaimLost`] if another
    /// agent has the task; others if the folder fails.
    pub fn change(
        &self,
        kind: Kind,
        id: &str,
        verb: &'static str,
        passing: &Passing,
        edit: &dyn Fn(&Document) -> Result<Document, Refusal>,
    ) -> Result<Outcome, Error> {
        self.run_step(Step::Change { kind, id: id.to_owned(), verb, passing: *passing, edit: Box::new(edit) })
    }

    /// Removes a document; git keeps what it said.
    ///
    /// Durable on return: the removal.
    ///
    /// # Errors
    /// [`Error::Find`] if there is no such document; others if the folder fails.
    pub fn remove(&self, kind: Kind, id: &str) -> Result<Outcome, Error> {
        self.run_step(Step::Remove { kind, id: id.to_owned() })
    }

    /// Runs a step alone, over live documents that were read before.
    pub(super) fn run_step_over(&self, live: &Snapshot, step: Step<'_>) -> Result<Outcome, Error> {
        one(self.run(&mut FolderView::of(self, live), &[step], Together::Each)?)
    }

    /// Runs a step alone.
    ///
    /// Durable on return: what it changed.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn run_step(&self, step: Step<'_>) -> Result<Outcome, Error> {
        one(self.run(&mut FolderView::new(self), &[step], Together::Each)?)
    }
}

/// The result of a single step.
fn one(mut results: Vec<Result<Outcome, Error>>) -> Result<Outcome, Error> {
    results.pop().unwrap_or(Err(Error::TooManySteps { count: 0 }))
}

/// How to make sure that an id is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Look at every document: the id was chosen by the caller.
    LookUp,
    /// The file name is enough: the id is random.
    FileName,
}
