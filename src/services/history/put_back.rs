//! What git put back before it was committed: reading it. A commit keeps it.

use std::collections::BTreeSet;

use super::History;
use crate::core::diagnostic::Diagnostic;
use crate::core::name::OperationId;
use crate::services::Error;
use crate::services::commits::{KeptOperation, put_back_findings};
use crate::services::operations::Operations;

impl History<'_> {
    /// Every operation that is kept and that its documents still lack, the oldest first.
    ///
    /// # Errors
    /// [`Error`] if what is kept, or the folder, cannot be read.
    pub fn put_back_operations(&self) -> Result<Vec<KeptOperation>, Error> {
        let Operations { documents, commits, .. } = self.operations;
        let Some(repository) = documents.repository else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for kept in repository.kept_commits().kept_put_back(documents.folder())? {
            found.extend(commits.read_kept(repository, kept)?);
        }
        found.sort_by(KeptOperation::order);
        Ok(found.into_iter().filter(|one| !one.changes.is_empty()).collect())
    }

    /// A finding for each document that lacks an operation which git put back here before it was committed. Only reads: what
    /// git has put back since the last commit is kept by the next one, and by `restore`.
    ///
    /// # Errors
    /// [`Error`] if what is kept, the journal or the folder cannot be read.
    pub fn put_back_findings(&self) -> Result<Vec<Diagnostic>, Error> {
        let kept = self.put_back_operations()?;
        let ids: BTreeSet<&OperationId> = kept.iter().map(|one| &one.id).collect();
        let not_yet_kept = self.operations.commits.not_yet_kept()?;
        let of_kept = kept
            .iter()
            .filter(|one| one.elsewhere.is_none())
            .flat_map(|one| one.changes.keys().map(move |path| (path, &one.id, one.verb.as_str(), one.agent.as_ref())));
        let of_others = not_yet_kept.iter().filter(|(_, one)| !ids.contains(&one.id));
        let of_others = of_others.map(|(path, one)| (path, &one.id, one.verb.as_str(), one.agent.as_ref()));
        Ok(put_back_findings(of_kept.chain(of_others)))
    }
}
