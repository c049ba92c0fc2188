//! What is to be done to the documents, as data: rules, the words of history and preconditions can see what a change is, and no
//! file is read for that.

mod document;

use std::fmt;

pub use self::document::{New, TaskChange, WorkflowChange};
use crate::core::document::Document;
use crate::core::entity::Refusal;
use crate::core::entity::agent::AgentUpdate;
use crate::core::lease::{LeaseRequest, Override};
use crate::core::name::{AgentName, DocPath, Kind, OperationId};
use crate::core::reconcile;
use crate::core::time::Timestamp;

/// What the caller claims about their right to change a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passing {
    /// The fence that they believe to have.
    pub fence: Option<u64>,
    /// How hard they ask; anything but politely goes over the head of the holder.
    pub over: Override,
}

/// A pure change of a document that may borrow; it may be called several times.
pub type EditFn<'a> = Box<dyn Fn(&Document) -> Result<Document, Refusal> + Send + Sync + 'a>;

/// Which document a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentRef<'a> {
    /// The one with this id, or the only one whose id begins so.
    Id(&'a str),
    /// The one at this path.
    Path(&'a DocPath),
}

/// How to make sure that an id is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Look at every document: the id was chosen by the caller.
    LookUp,
    /// The file name is enough: the id is random.
    FileName,
}

/// One change of one document. Among several it finds the documents as those before it left them.
pub enum DocumentChange<'a> {
    /// Creates a document.
    Create {
        /// What it is to say.
        new: New,
        /// How careful to be about the id.
        taken: Taken,
    },
    /// Says what an agent does; creates its document if there is none.
    SetAgent {
        /// Which agent.
        name: AgentName,
        /// What it says.
        update: Box<AgentUpdate>,
    },
    /// Changes a task. One that goes from pending to running is claimed for the acting agent.
    Task {
        /// Its id or the beginning of it.
        id: String,
        /// How.
        change: TaskChange,
    },
    /// Changes a workflow.
    Workflow {
        /// Its id or the beginning of it.
        id: String,
        /// How.
        change: WorkflowChange,
    },
    /// Replaces the text of a document by what a function makes of it; of a task as under [`DocumentChange::Task`].
    Replace {
        /// What sort of document.
        kind: Kind,
        /// Its id or the beginning of it.
        id: String,
        /// What the journal calls it, `edit`.
        verb: &'static str,
        /// The change.
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
    /// Removes the document of a stale agent.
    Prune {
        /// Where it is.
        path: DocPath,
    },
    /// Removes a document; git keeps what it said.
    Remove {
        /// What sort of document.
        kind: Kind,
        /// Its id or the beginning of it.
        id: String,
    },
}

impl fmt::Debug for DocumentChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.verb())?;
        match self {
            Self::Create { new, .. } => write!(f, "{}", new.id()),
            Self::SetAgent { name, .. } => write!(f, "{name}"),
            Self::Task { id, .. } | Self::Workflow { id, .. } | Self::Replace { id, .. } | Self::Remove { id, .. } => {
                write!(f, "{id}")
            }
            Self::Claim { task, .. } => write!(f, "{task:?}"),
            Self::Expire { path } | Self::Prune { path } => write!(f, "{path}"),
        }
    }
}

impl DocumentChange<'_> {
    /// What the journal calls it, `task.update`.
    #[must_use]
    pub fn verb(&self) -> String {
        match self {
            Self::Create { new, .. } => format!("{}.create", new.kind()),
            Self::SetAgent { .. } => "agent.set".to_owned(),
            Self::Task { change, .. } => format!("task.{}", change.verb()),
            Self::Workflow { change, .. } => format!("workflow.{}", change.verb()),
            Self::Replace { kind, verb, .. } => format!("{kind}.{verb}"),
            Self::Claim { .. } => "task.claim".to_owned(),
            Self::Expire { .. } => crate::core::commit_message::TAKE_BACK.to_owned(),
            Self::Prune { .. } => "agent.prune".to_owned(),
            Self::Remove { kind, .. } => format!("{kind}.remove"),
        }
    }
}

/// What the document of a change must be, or the change is not made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Expect {
    /// Anything.
    #[default]
    Any,
    /// Not there.
    Absent,
    /// A text with this digest.
    Digest(String),
}

impl Expect {
    /// The text of a document.
    #[must_use]
    pub fn text_of(document: &Document) -> Self {
        Self::Digest(reconcile::digest(document.bytes()))
    }

    /// Returns true if a document is as it is expected.
    #[must_use]
    pub fn is_met(&self, found: Option<&Document>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Digest(digest) => found.is_some_and(|found| reconcile::digest(found.bytes()) == *digest),
        }
    }
}

/// A change, with what must hold for it.
#[derive(Debug)]
pub struct Request<'a> {
    /// What is to be done.
    pub change: DocumentChange<'a>,
    /// What the document must be.
    pub expects: Expect,
    /// What the caller claims about their right to change a task.
    pub passing: Passing,
    /// What the journal calls it, if not by the change's own verb.
    pub verb: Option<&'static str>,
    /// The id of the operation; else a new one. All requests of one call are one operation, which has the first id that is given.
    pub id: Option<OperationId>,
    /// The moment at which it was decided, if that is not the one at which it is carried out: derived texts name it.
    pub decided: Option<Timestamp>,
}

impl Request<'_> {
    /// The same request with a right to change the task.
    #[must_use]
    pub fn with(self, passing: Passing) -> Self {
        Self { passing, ..self }
    }

    /// The same request under a condition.
    #[must_use]
    pub fn expecting(self, expects: Expect) -> Self {
        Self { expects, ..self }
    }

    /// The same request under another verb.
    #[must_use]
    pub fn called(self, verb: &'static str) -> Self {
        Self { verb: Some(verb), ..self }
    }

    /// What the journal calls it, `task.update`.
    #[must_use]
    pub fn verb(&self) -> String {
        self.verb.map_or_else(|| self.change.verb(), str::to_owned)
    }

    /// The same request with an id for the operation.
    #[must_use]
    pub fn with_id(self, id: OperationId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The same request as it was decided at a moment.
    #[must_use]
    pub fn decided_at(self, moment: Timestamp) -> Self {
        Self { decided: Some(moment), ..self }
    }

    /// A change of a task.
    #[must_use]
    pub fn task(id: &str, change: TaskChange) -> Self {
        DocumentChange::Task { id: id.to_owned(), change }.into()
    }

    /// A change of a workflow.
    #[must_use]
    pub fn workflow(id: &str, change: WorkflowChange) -> Self {
        DocumentChange::Workflow { id: id.to_owned(), change }.into()
    }
}

impl<'a> From<DocumentChange<'a>> for Request<'a> {
    fn from(change: DocumentChange<'a>) -> Self {
        Self { change, expects: Expect::Any, passing: Passing::default(), verb: None, id: None, decided: None }
    }
}
