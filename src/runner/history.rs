//! What happened to the documents, told from the commits: contents are compared, messages are not trusted.

use std::collections::BTreeSet;

use super::{Error, Workspace};
use crate::change::{self, Change};
use crate::document::Document;
use crate::entity::{self, Entity};
use crate::git::{Commit, Repository};
use crate::name::{AgentName, ContentId, DocPath, OperationId, Revision};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

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
    /// Which operations, where trailers say so.
    pub operations: Vec<OperationId>,
    /// The first line of its message.
    pub subject: String,
    /// What it changed.
    pub changes: Vec<Change>,
}

impl Workspace {
    /// The newest commits that changed this document, or any, newest first. A document is followed into the archive and out
    /// of it: it keeps its file name there.
    ///
    /// # Errors
    /// [`Error::OutsideGit`] without a repository; [`Error::Git`] if the history cannot be read.
    pub fn history(&self, path: Option<&DocPath>, limit: usize) -> Result<Vec<HistoryEntry>, Error> {
        let Some(repository) = &self.repository else { return Err(Error::OutsideGit(self.root.clone())) };
        let paths = path.map_or(Ok(Vec::new()), |path| self.places_of(path))?;
        let commits = repository.history(&self.target(), self.folder(), &paths, limit)?;
        let mut entries = Vec::with_capacity(commits.len());
        for commit in commits {
            let side = |id: &dyn Fn(&Side) -> Option<ContentId>| -> Result<Snapshot, Error> {
                let mut documents = Vec::new();
                for one in &commit.changes {
                    let Some(id) = id(one) else { continue };
                    documents.push((one.0.clone(), Document::parse(repository.read(&id)?)));
                }
                Ok(Snapshot::from_documents(documents))
            };
            let before = side(&|one| one.1.clone())?;
            let after = side(&|one| one.2.clone())?;
            entries.push(HistoryEntry {
                changes: change::diff(&before, &after),
                agent: trailers(&commit.message, "Mycelium-Agent").find_map(|text| AgentName::new(text).ok()),
                operations: trailers(&commit.message, "Mycelium-Operation").filter_map(operation).collect(),
                revision: commit.revision,
                at: commit.at,
                author: commit.author,
                subject: commit.subject,
            });
        }
        Ok(entries)
    }
}

impl Workspace {
    /// Wherever a document may have lain: outside the archive, in each month that the archive has, and in its own.
    fn places_of(&self, path: &DocPath) -> Result<Vec<DocPath>, Error> {
        let mut months: BTreeSet<String> = self.store.months()?.into_iter().collect();
        let here = self.store.read(path)?.and_then(|file| entity::read(path, &Document::parse(file.bytes)).entity);
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

/// How far back to look for an operation that another process has just committed.
const RECENT: usize = 256;
/// How many commits are looked at without the git program: most often it is among the first few.
const NEWEST: usize = 64;
impl Workspace {
    /// The commit in which another process put an operation of ours while we waited for our turn.
    pub(super) fn committed_by_another(&self, wanted: &OperationId) -> Option<Revision> {
        let repository = self.repository.as_ref()?;
        let holds =
            |message: &str| trailers(message, "Mycelium-Operation").filter_map(operation).any(|id| id == *wanted);
        if let Ok(Some(found)) = repository.newest_where(&self.target(), NEWEST, &holds) {
            return Some(found);
        }
        let commits = repository.history(&self.target(), self.folder(), &[], RECENT).ok()?;
        commits.into_iter().find(|commit| holds(&commit.message)).map(|commit| commit.revision)
    }

    /// The operations that the newest commits name: a process may have died after it committed them.
    pub(super) fn recently_committed(&self, repository: &Repository) -> Result<BTreeSet<OperationId>, Error> {
        let commits = repository.history(&self.target(), self.folder(), &[], RECENT)?;
        let ids = |commit: &Commit| -> Vec<OperationId> {
            trailers(&commit.message, "Mycelium-Operation").filter_map(operation).collect()
        };
        Ok(commits.iter().flat_map(ids).collect())
    }
}

type Side = (DocPath, Option<ContentId>, Option<ContentId>);

/// The values of a trailer, wherever in the message it stands: a squash leaves them in the middle.
fn trailers<'a>(message: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    message.lines().filter_map(move |line| line.trim().strip_prefix(key)?.strip_prefix(':').map(str::trim))
}

/// A trailer's operation id: its first word.
fn operation(text: &str) -> Option<OperationId> {
    OperationId::new(text.split_whitespace().next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_found_anywhere() {
        let message = "squashed\n\n  Mycelium-Agent: a\ntext\nMycelium-Agent: b\nMycelium-Agents: c\n";
        assert_eq!(trailers(message, "Mycelium-Agent").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(operation("op-1 task.create").map(|id| id.to_string()), Some("op-1".into()));
    }
}
