//! An open project: the folder, its repository and its configuration, and reading from them. Nothing here writes.

mod health;
mod opening;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::after_write::{AfterWrite, WriteOrigin};
use super::claim_arbiter::{ClaimArbiter, ClaimDenied, ClaimRequest, RemoteClaims, RemoteLease, Reservation};
use super::commits::{Committer, Group, OperationRecords};
use super::conflicts::Conflicts;
use super::document_writer::DocumentWriter;
use super::events::{EventBus, EventHost, OpenHost};
use super::history::History;
use super::index::DocumentReader;
use super::leases::{self, Leases};
use super::maintenance::Maintenance;
use super::monitor::TaskMonitor;
use super::operations::{Actor, Operations, OwnTemplates};
use super::remote_events::RemoteEvents;
use super::sync::BranchSync;
use super::workers::Workers;
use super::workflows::Workflows;
use super::{Backends, Error, Progress, environment};
use crate::adapters::git::{self, Repository, Target};
use crate::adapters::store::{Durability, Record, Store};
use crate::adapters::watch::Places;
use crate::core::config::Config;
use crate::core::name::{AgentName, DocId, Kind, Revision};
use crate::core::time::Timestamp;

pub use self::health::{fix_project, probe_project};
pub use self::opening::Opening;
pub use self::settings::NewSettings;

/// A coordination folder that can be read and written.
pub struct Project {
    pub(super) root: PathBuf,
    pub(super) repository: Option<Repository>,
    pub(super) store: Store,
    /// Where commits go.
    pub(super) target: Target,
    pub(super) config: Config,
    /// The settings that won over every file when it was opened.
    pub(super) flags: Vec<(String, String)>,
    /// Who acts unless a call names another actor.
    pub(super) actor: Actor,
    pub(super) durability: Durability,
    pub(super) progress: Progress,
    /// Those in this process with whom it commits.
    pub(super) group: Arc<Group>,
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, actor, config, .. } = self;
        f.debug_struct("Project")
            .field("root", root)
            .field("actor", actor)
            .field("config", config)
            .finish_non_exhaustive()
    }
}

/// Where a project is, and on which branch and commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The work tree, or the plain folder outside git.
    pub root: PathBuf,
    /// The coordination folder below it.
    pub folder: String,
    /// The branch that commits go to; `None` on a detached HEAD and outside git.
    pub branch: Option<String>,
    /// Its newest commit, if there is one.
    pub revision: Option<Revision>,
    /// Tells whether there is a repository.
    pub in_git: bool,
}

impl Project {
    /// Where this is.
    ///
    /// # Errors
    /// [`Error::Git`] if HEAD cannot be read.
    pub fn context(&self) -> Result<Context, Error> {
        self.context_at(None)
    }

    /// The same after a commit: where that was made, HEAD need not be read.
    ///
    /// # Errors
    /// As [`Project::context`].
    pub fn context_at(&self, committed: Option<&Revision>) -> Result<Context, Error> {
        let last = self.repository.as_ref().zip(committed);
        let last = last.and_then(|(repository, at)| repository.view().last_head(&self.target, at));
        let head = last.map_or_else(|| self.records().head(), |head| Ok(Some(head)))?;
        Ok(Context {
            root: self.root.clone(),
            folder: self.folder().to_owned(),
            branch: head.as_ref().and_then(|head| head.branch.clone()),
            revision: head.and_then(|head| head.revision),
            in_git: self.repository.is_some(),
        })
    }

    /// The settings in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The same project where another actor acts unless a call names one.
    #[must_use]
    pub fn acting(mut self, change: impl FnOnce(Actor) -> Actor) -> Self {
        self.actor = change(self.actor);
        self
    }

    /// What it is doing, to be looked at from another thread.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Who acts, if anybody said so.
    #[must_use]
    pub const fn agent(&self) -> Option<&AgentName> {
        self.actor.agent.as_ref()
    }

    /// Who acts unless a call names another actor.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Returns the leases of tasks.
    #[must_use]
    pub fn leases(&self) -> Leases<'_> {
        Leases {
            store: &self.store,
            documents: self.documents(),
            repository: self.repository.as_ref(),
            root: &self.root,
            folder: self.folder(),
            target: &self.target,
            durability: self.durability,
            default_lease: leases::default_lease(&self.config),
            arbiter: self,
        }
    }

    /// The operations that change documents.
    #[must_use]
    pub fn operations(&self) -> Operations<'_> {
        Operations {
            documents: self.documents(),
            leases: self.leases(),
            writer: self.writer(),
            records: self.records(),
            commits: self.commits(),
            templates: OwnTemplates { root: &self.root, config: &self.config },
            arbiter: self,
            after: self,
        }
    }

    /// Returns what runs workflows and moves them on.
    #[must_use]
    pub fn workflows(&self) -> Workflows<'_> {
        let (documents, operations) = (self.documents(), self.operations());
        Workflows { root: &self.root, documents, operations, actor: &self.actor }
    }

    /// Returns what runs commands for tasks.
    #[must_use]
    pub fn workers(&self) -> Workers<'_> {
        Workers {
            root: &self.root,
            store: &self.store,
            config: &self.config,
            documents: self.documents(),
            commits: self.commits(),
            leases: self.leases(),
            operations: self.operations(),
            workflows: self.workflows(),
            actor: &self.actor,
            places: self.document_places(),
        }
    }

    /// Returns the documents in conflict.
    #[must_use]
    pub fn conflicts(&self) -> Conflicts<'_> {
        Conflicts { operations: self.operations(), actor: &self.actor }
    }

    /// Returns what the commits say of the documents.
    #[must_use]
    pub fn history(&self) -> History<'_> {
        History { operations: self.operations(), actor: &self.actor }
    }

    /// Returns the events of the documents, and those that are published.
    #[must_use]
    pub fn events(&self) -> EventBus<'_> {
        EventBus { root: &self.root, documents: self.documents(), operations: self.operations(), host: self }
    }

    /// Returns what exchanges the branch of the documents with a remote.
    #[must_use]
    pub fn sync(&self) -> BranchSync<'_> {
        let (operations, bridge) = (self.operations(), self.bridge());
        BranchSync { operations, bridge, config: &self.config, actor: &self.actor, root: &self.root }
    }

    /// Returns what looks after the project.
    #[must_use]
    pub fn maintenance(&self) -> Maintenance<'_> {
        let (documents, commits, bridge) = (self.documents(), self.commits(), self.bridge());
        Maintenance { root: &self.root, config: &self.config, documents, commits, history: self.history(), bridge }
    }

    /// Returns what tells how the tasks are.
    #[must_use]
    pub fn monitor(&self) -> TaskMonitor<'_> {
        let (documents, leases, agent) = (self.documents(), self.leases(), self.agent());
        TaskMonitor { documents, leases, commits: self.commits(), bridge: self.bridge(), agent }
    }

    /// The name of who acts: the agent, else the user as git knows them, else as the system does.
    #[must_use]
    pub fn actor_name(&self) -> String {
        let agent = self.actor.agent.as_ref().map(ToString::to_string);
        let by_git = || self.repository.as_ref().and_then(|repository| repository.setup().user_name().ok());
        agent.or_else(by_git).or_else(|| environment::variable("USER")).unwrap_or_else(|| "somebody".to_owned())
    }

    /// The work tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder and its run state, for the watching process.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The repository, if there is one.
    #[must_use]
    pub const fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }

    /// The coordination folder, below the work tree.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.config.text("markdown.folder").unwrap_or(".claude/coordination")
    }

    /// The moment by the system's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        environment::now()
    }

    /// The moment for a document that is made now: to the microsecond, and never the same twice.
    #[must_use]
    pub fn moment_of_creation(&self) -> Timestamp {
        environment::moment_of_creation()
    }

    /// A new random id.
    ///
    /// # Errors
    /// [`Error::Randomness`] if the system gives no random bytes.
    pub fn new_id(&self, kind: Kind) -> Result<DocId, Error> {
        environment::new_id(kind)
    }

    /// Returns the reader of the documents.
    #[must_use]
    pub fn documents(&self) -> DocumentReader<'_> {
        DocumentReader::new(self.folder(), &self.store, self.repository.as_ref(), &self.target, &self.progress)
    }

    /// Returns what makes the records of operations.
    pub(super) const fn records(&self) -> OperationRecords<'_> {
        OperationRecords::new(self.repository.as_ref(), &self.target, self.actor.agent.as_ref())
    }

    /// Returns what writes documents.
    pub(super) const fn writer(&self) -> DocumentWriter<'_> {
        DocumentWriter { log: &self.store.log }
    }

    /// Returns what makes commits.
    #[must_use]
    pub fn commits(&self) -> Committer<'_> {
        let durability = match self.durability {
            Durability::Full => git::CommitDurability::Full,
            Durability::Batch => git::CommitDurability::Batch,
            Durability::Off => git::CommitDurability::Off,
        };
        Committer::new(self.documents(), self.records(), &self.config, durability, &self.group)
    }

    /// Returns the backends that mirror the documents.
    #[must_use]
    pub fn bridge(&self) -> Backends<'_> {
        Backends::new(self)
    }

    /// Where commits go.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target.clone()
    }
}

// Its backends arbitrate claims, hear of what was written and pass on events, for services that know no backend.

impl ClaimArbiter for Project {
    fn is_asked(&self) -> bool {
        self.bridge().arbiter().is_some()
    }

    fn reserve(&self, requests: &[ClaimRequest], mode: RemoteClaims) -> Vec<Result<Reservation, ClaimDenied>> {
        match self.bridge().arbiter() {
            Some(arbiter) => arbiter.reserve(requests, mode),
            None => requests.iter().map(|_| Ok(Reservation::NotAsked)).collect(),
        }
    }

    fn release(&self, unused: &[RemoteLease], mode: RemoteClaims) {
        if let Some(arbiter) = self.bridge().arbiter() {
            arbiter.release(unused, mode);
        }
    }

    fn renew(&self, request: &ClaimRequest, mode: RemoteClaims) -> Result<(), ClaimDenied> {
        self.bridge().arbiter().map_or(Ok(()), |arbiter| arbiter.renew(request, mode))
    }
}

impl AfterWrite for Project {
    fn after_write(&self, written: &Record, origin: WriteOrigin) {
        self.bridge().after_write(written, origin);
    }
}

impl EventHost for Project {
    fn remote_events(&self) -> Option<Arc<dyn RemoteEvents>> {
        self.bridge().remote_events()
    }

    fn reopen(&self) -> OpenHost {
        let opening = self.once_more();
        Box::new(move || Ok(Box::new(Self::open(opening)?)))
    }

    fn events(&self) -> EventBus<'_> {
        self.events()
    }

    fn places(&self) -> Places {
        self.places()
    }
}
