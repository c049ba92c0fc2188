//! Documents that are git's alone: those that it keeps out of the worktree (`git sparse-checkout`, `--skip-worktree`), which exist and are read from the last commit, and those that only it can store. Neither is ever changed here.

use super::{DocumentReader, held_back};
use crate::adapters::git::{IgnoredDocument, Target, ViewGap};
use crate::adapters::store::{FileRead, Shelf};
use crate::core::document::Document;
use crate::core::name::{ContentId, DocPath};
use crate::core::problem::{ErrorClass, Problem};
use crate::services::Error;
use crate::services::error::ServiceError;

/// Says why a document is not changed here.
#[derive(Debug, thiserror::Error)]
pub enum GitsAlone {
    /// Only git can store it, so a change could not be committed.
    #[error("`{path}` is left to git: {gap}")]
    LeftToGit {
        /// Its path in the repository.
        path: String,
        /// Why only git can store it.
        gap: ViewGap,
    },
    /// Git keeps it out of the worktree.
    #[error("`{path}` is not in this worktree: git keeps it out")]
    KeptOut {
        /// Which.
        path: DocPath,
        /// The command that brings it in.
        command: String,
    },
}

impl Problem for GitsAlone {
    fn code(&self) -> &'static str {
        match self {
            Self::LeftToGit { .. } => "left-to-git",
            Self::KeptOut { .. } => "kept-out",
        }
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Conflict
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::LeftToGit { path, gap } => gap.way_back(path),
            Self::KeptOut { command, .. } => format!("run `{command}`, then try again"),
        })
    }
}

impl From<GitsAlone> for Error {
    fn from(error: GitsAlone) -> Self {
        Self::GitsAlone(ServiceError::new(error))
    }
}

impl DocumentReader<'_> {
    /// Returns how a new document of the folder would be ignored by git; `None` if it would be committed.
    #[must_use]
    pub fn ignored_folder(&self) -> Option<IgnoredDocument> {
        let repository = self.repository?;
        let path = format!("{}/task-x.md", self.folder);
        let is_ignored = repository.ignore_rules().is_ignored(&path).unwrap_or(false);
        is_ignored.then(|| repository.ignore_rules().ignored_document(self.folder, &path).ok()).flatten()
    }

    /// The documents that are kept out of the worktree and are wanted, with their contents in the last commit, by path. It costs
    /// a look at the head of the index where none is.
    pub(in crate::services) fn kept_out(
        &self,
        wanted: &dyn Fn(&DocPath) -> bool,
    ) -> Result<Vec<(DocPath, ContentId)>, Error> {
        let Some(repository) = self.repository.filter(|_| *self.target == Target::Current) else {
            return Ok(Vec::new());
        };
        if !repository.index().may_keep_out() {
            return Ok(Vec::new());
        }
        let head = repository.view().head(&Target::Current)?.revision;
        let mut found = Vec::new();
        for (path, id) in repository.view().contents(head.as_ref(), self.folder)? {
            let is_out = wanted(&path) && repository.index().is_kept_out(&self.in_repository(&path))?;
            // What lies there all the same is read from there, whether that can be done or not.
            if is_out && matches!(self.store.folder.stamp(&path), Ok(None)) {
                found.push((path, id));
            }
        }
        Ok(found)
    }

    /// The same with their texts.
    pub(in crate::services) fn kept_out_documents(
        &self,
        wanted: &dyn Fn(&DocPath) -> bool,
    ) -> Result<Vec<(DocPath, Document)>, Error> {
        let Some(repository) = self.repository else { return Ok(Vec::new()) };
        let mut documents = Vec::new();
        for (path, id) in self.kept_out(wanted)? {
            let in_repository = self.in_repository(&path);
            let document = match repository.attributes().attribute_gap(&in_repository)? {
                Some(gap) => Document::unavailable(held_back::left_to_git(&path, &in_repository, &gap)),
                None => Document::parse(repository.view().read(&id)?),
            };
            documents.push((path, document));
        }
        Ok(documents)
    }

    /// The names of the documents of a part of the folder, those included that are kept out of the worktree.
    pub(in crate::services) fn document_names(&self, from: Shelf) -> Result<Vec<DocPath>, Error> {
        let mut paths = self.store.folder.names(from)?;
        let out = self.kept_out(&|path| path.is_archived() == (from == Shelf::Archive))?;
        if !out.is_empty() {
            paths.extend(out.into_iter().map(|(path, _)| path));
            paths.sort_unstable();
            paths.dedup();
        }
        Ok(paths)
    }

    /// Refuses a document that is kept out of the worktree: it cannot be changed here.
    pub(in crate::services) fn refuse_kept_out(&self, path: &DocPath) -> Result<(), Error> {
        match self.gone(path) {
            error @ Error::GitsAlone(_) => Err(error),
            _ => Ok(()),
        }
    }

    /// Refuses documents that only git can store: a change of them would never be committed here.
    pub(in crate::services) fn refuse_left_to_git<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p DocPath>,
    ) -> Result<(), Error> {
        match self.first_left_to_git(paths)? {
            Some((path, gap)) => Err(GitsAlone::LeftToGit { path, gap }.into()),
            None => Ok(()),
        }
    }

    /// The first of these documents that only git can store, by its path in the repository, and why.
    pub(in crate::services) fn first_left_to_git<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p DocPath>,
    ) -> Result<Option<(String, ViewGap)>, Error> {
        let Some(repository) = self.repository else { return Ok(None) };
        for path in paths {
            let in_repository = self.in_repository(path);
            if let Some(gap) = repository.attributes().attribute_gap(&in_repository)? {
                return Ok(Some((in_repository, gap)));
            }
        }
        Ok(None)
    }

    /// The error for a document that is not where it was found: it is kept out of the worktree, or gone.
    pub(in crate::services) fn gone(&self, path: &DocPath) -> Error {
        let is_out = self.kept_out(&|other| other == path).is_ok_and(|out| !out.is_empty());
        match self.repository.filter(|_| is_out) {
            Some(repository) => {
                let command = repository.ignore_rules().bring_in_command(&self.in_repository(path));
                GitsAlone::KeptOut { path: path.clone(), command }.into()
            }
            None => Error::Gone { path: path.clone() },
        }
    }

    /// The document that a file of the folder holds; one that says why it cannot be read is a document too.
    pub(crate) fn document_of(&self, path: &DocPath, read: FileRead) -> Option<Document> {
        held_back::document_of(self.folder, path, read)
    }

    /// Replaces a document that its repository declares encrypted, or of another encoding, by one that says so: its text leaves
    /// this machine as git stores it, and in no other way.
    pub(in crate::services) fn keep_from_servers(&self, path: &DocPath, document: &mut Document) -> Result<(), Error> {
        let Some(repository) = self.repository else { return Ok(()) };
        let in_repository = self.in_repository(path);
        if let Some(gap) = repository.attributes().attribute_gap(&in_repository)? {
            *document = Document::unavailable(held_back::left_to_git(path, &in_repository, &gap));
        }
        Ok(())
    }
}
