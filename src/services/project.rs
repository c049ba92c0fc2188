//! An open workspace: the folder, its repository and its configuration, and reading from them. Nothing here writes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::after_write::WriteOrigin;
use super::claim_arbiter::RemoteClaims;
use super::commits::{Committer, Group, OperationRecords};
use super::index::DocumentReader;
use super::{Backends, Error, Progress, environment};
use crate::adapters::git::{Repository, Target};
use crate::adapters::store::{Durability, Store};
use crate::core::config::Config;
use crate::core::name::{AgentName, DocId, Kind, Revision};
use crate::core::time::Timestamp;

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
    pub(super) agent: Option<AgentName>,
    pub(super) durability: Durability,
    pub(super) progress: Progress,
    /// Those in this process with whom it commits.
    pub(super) group: Arc<Group>,
    /// Where what it writes comes from.
    pub(super) origin: WriteOrigin,
    /// Whether a claim may be decided in this clone alone.
    pub(super) claims: RemoteClaims,
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, agent, config, .. } = self;
        f.debug_struct("Project")
            .field("root", root)
            .field("agent", agent)
            .field("config", config)
            .finish_non_exhaustive()
    }
}

/// Where a workspace is, and on which branch and commit.
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
        let head = self.records().head()?;
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

    /// The same workspace with this agent acting, unless somebody was named when it was opened.
    #[must_use]
    pub fn or_acting_as(mut self, agent: &AgentName) -> Self {
        self.agent.get_or_insert_with(|| agent.clone());
        self
    }

    /// The same workspace in which no claim is decided in this clone alone: where the server cannot decide, there is none.
    #[must_use]
    pub fn deciding_there(mut self) -> Self {
        self.claims = RemoteClaims::Required;
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
        self.agent.as_ref()
    }

    /// The name of who acts: the agent, else the user as git knows them, else as the system does.
    #[must_use]
    pub fn actor(&self) -> String {
        let agent = self.agent.as_ref().map(ToString::to_string);
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

    /// How safe commits are, in git's words.
    pub(super) const fn git_durability(&self) -> crate::adapters::git::Durability {
        match self.durability {
            Durability::Full => crate::adapters::git::Durability::Full,
            Durability::Batch => crate::adapters::git::Durability::Batch,
            Durability::Off => crate::adapters::git::Durability::Off,
        }
    }

    /// Returns the reader of the documents.
    #[must_use]
    pub fn documents(&self) -> DocumentReader<'_> {
        DocumentReader::new(self.folder(), &self.store, self.repository.as_ref(), &self.target, &self.progress)
    }

    /// Returns what makes the records of operations.
    pub(super) const fn records(&self) -> OperationRecords<'_> {
        OperationRecords::new(self.repository.as_ref(), &self.target, self.agent.as_ref())
    }

    /// Returns what makes commits.
    #[must_use]
    pub fn commits(&self) -> Committer<'_> {
        Committer::new(self.documents(), self.records(), &self.config, self.git_durability(), &self.group)
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
