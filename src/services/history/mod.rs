//! What happened to the documents, told from the commits: contents are compared, messages are not trusted.

mod put_back;
mod restore;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::restore::{Restorable, RestoreReport, RestoredDocument};
use super::Error;
use super::commits::{operation, trailers};
use super::operations::{Actor, Operations};
use crate::adapters::git::Repository;
use crate::core::change::{self, Change, ChangeKind};
use crate::core::commit_message::{AGENT_TRAILER, HOLDER_TRAILER};
use crate::core::document::Document;
use crate::core::entity::{self, Entity, TaskStatus};
use crate::core::name::{AgentName, ContentId, DocPath, Kind, OperationId, Revision};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;

/// One commit, as far as it concerns the documents that were asked for.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// Which commit.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Who, as git has it.
    pub author: String,
    /// Which agent, where a trailer says so.
    pub agent: Option<AgentName>,
    /// Who held the documents that a person edited by hand, where a trailer says so.
    pub holder: Option<AgentName>,
    /// Which operations, where trailers say so.
    pub operations: Vec<OperationId>,
    /// The first line of its message.
    pub subject: String,
    /// What it changed, as far as the contents are here.
    pub changes: Vec<Change>,
    /// Documents that it changed and whose contents a partial clone has left with a remote that cannot be asked.
    pub missing: Vec<DocPath>,
    /// Whether the history of a shallow clone is cut here. What this commit changed is then not known.
    pub is_boundary: bool,
}

/// How long a remote is asked for contents that a partial clone lacks.
const FETCH_LIMIT: Duration = Duration::from_secs(30);
/// How many commits of a task are looked at to see who completed it.
const COMPLETED_WITHIN: usize = 50;

/// What the commits say of the documents, and what git has put back of them.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    pub(super) operations: Operations<'a>,
    /// Who restores.
    pub(super) actor: &'a Actor,
}

impl History<'_> {
    /// The newest commits that changed this document, or any, newest first; with an agent, those in which it acted, and edits by
    /// hand of what it held. A document is followed into the archive and out of it: it keeps its file name there.
    ///
    /// # Errors
    /// [`Error::OutsideGit`] without a repository; [`Error::Git`] if the history cannot be read.
    pub fn list(
        &self,
        path: Option<&DocPath>,
        agent: Option<&AgentName>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, Error> {
        let repository = self.repository()?;
        let paths = path.map_or(Ok(Vec::new()), |path| self.places_of(path))?;
        let pattern = agent.map(names_agent);
        let commits = repository.log().history_with(
            self.operations.documents.target,
            self.operations.documents.folder(),
            &paths,
            limit,
            pattern.as_deref(),
        )?;
        let boundary = repository.remotes().shallow_boundary()?;
        let told = commits.iter().filter(|commit| !boundary.contains(&commit.revision));
        let ids = told.flat_map(|commit| &commit.changes).flat_map(|one| [&one.1, &one.2]).flatten().cloned().collect();
        let missing = repository.remotes().fetch_missing(&ids, FETCH_LIMIT)?;
        let mut entries = Vec::with_capacity(commits.len());
        for commit in commits {
            let is_boundary = boundary.contains(&commit.revision);
            let is_missing = |one: &&Side| [&one.1, &one.2].into_iter().flatten().any(|id| missing.contains(id));
            let (lacking, known): (Vec<&Side>, Vec<&Side>) =
                if is_boundary { (Vec::new(), Vec::new()) } else { commit.changes.iter().partition(is_missing) };
            let side = |id: &dyn Fn(&Side) -> Option<ContentId>| -> Result<Snapshot, Error> {
                let mut documents = Vec::new();
                for one in &known {
                    let Some(id) = id(one) else { continue };
                    documents.push((one.0.clone(), Document::parse(repository.view().read(&id)?)));
                }
                Ok(Snapshot::from_documents(documents))
            };
            let before = side(&|one| one.1.clone())?;
            let after = side(&|one| one.2.clone())?;
            entries.push(HistoryEntry {
                changes: change::diff(&before, &after),
                missing: lacking.into_iter().map(|one| one.0.clone()).collect(),
                is_boundary,
                agent: trailers(&commit.message, AGENT_TRAILER).find_map(|text| AgentName::new(text).ok()),
                holder: trailers(&commit.message, HOLDER_TRAILER).find_map(|text| AgentName::new(text).ok()),
                operations: trailers(&commit.message, "Mycelium-Operation").filter_map(operation).collect(),
                revision: commit.revision,
                at: commit.at,
                author: commit.author,
                subject: commit.subject,
            });
        }
        Ok(entries)
    }

    /// The name of who completed a task: the agent, else the author, of the commit that made it completed, or the git user
    /// where that is not committed yet. `None` where history does not say, as where one commit holds many operations.
    ///
    /// # Errors
    /// [`Error::Find`] if there is no such task; others if the history cannot be read.
    pub fn completed_by(&self, id: &str) -> Result<Option<String>, Error> {
        let found = self.operations.documents.find(Some(Kind::Task), id)?;
        let Some(Entity::Task(task)) = found.entity.filter(|_| self.operations.documents.repository.is_some()) else {
            return Ok(None);
        };
        if task.status != TaskStatus::Completed {
            return Ok(None);
        }
        let is_step = |change: &&Change| matches!(change.what, ChangeKind::Status { .. } | ChangeKind::Created { .. });
        for entry in self.list(Some(&found.path), None, COMPLETED_WITHIN)? {
            let Some(change) = entry.changes.iter().find(is_step) else { continue };
            let status = match &change.what {
                ChangeKind::Status { to: status, .. } | ChangeKind::Created { status, .. } => status.as_deref(),
                _ => None,
            };
            if status != Some(TaskStatus::Completed.word()) {
                break;
            }
            let is_clear = entry.operations.len() < 2;
            return Ok(is_clear.then(|| entry.agent.map_or(entry.author, |agent| agent.to_string())));
        }
        // It is not committed: done here, by the holder or by the person who works here.
        let holder = task.claimed_by.map(|by| by.to_string());
        Ok(holder.or_else(|| self.operations.documents.repository?.setup().user_name().ok()))
    }

    fn repository(&self) -> Result<&Repository, Error> {
        self.operations.documents.repository.ok_or_else(|| Error::OutsideGit(self.operations.leases.root.to_owned()))
    }

    /// Wherever a document may have lain: outside the archive, in each month that the archive has, and in its own.
    fn places_of(&self, path: &DocPath) -> Result<Vec<DocPath>, Error> {
        let folder = &self.operations.documents.store.folder;
        let mut months: BTreeSet<String> = folder.months()?.into_iter().collect();
        let here = folder.read(path)?.and_then(|file| entity::read(path, &Document::parse(file.bytes)).entity);
        let created = match here {
            Some(Entity::Task(task)) => task.created,
            Some(Entity::Workflow(workflow)) => workflow.created,
            Some(Entity::Agent(_)) | None => None,
        };
        months.extend(created.map(Timestamp::month));
        let name = path.file_name();
        let archived = months.iter().map(|month| format!("archive/{month}/{name}"));
        let places = [path.as_str().to_owned(), name.to_owned()].into_iter().chain(archived);
        let places: BTreeSet<DocPath> = places.filter_map(|place| DocPath::new(place).ok()).collect();
        Ok(places.into_iter().collect())
    }
}

/// Returns a pattern for the line of a message that names an agent as actor or holder.
fn names_agent(agent: &AgentName) -> String {
    let literal = |c: char| if c.is_alphanumeric() || c == '_' { c.to_string() } else { format!("[{c}]") };
    let name: String = agent.as_str().chars().map(literal).collect();
    format!("^[[:space:]]*({AGENT_TRAILER}|{HOLDER_TRAILER}):[[:space:]]*{name}[[:space:]]*$")
}

type Side = (DocPath, Option<ContentId>, Option<ContentId>);
