//! Moving the documents from the branches of the code to a dedicated branch: there first, then off the code branch in one commit.

use std::collections::BTreeSet;

use super::branch::{Adoption, AskRemote};
use super::{Committed, Committer, LOCK_WAIT, Waiting};
use crate::adapters::git::{Author, CommitError, CommitPlan, Repository, Target};
use crate::core::config::REPOSITORY_CONFIG;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::engine::{Force, Held};
use crate::core::name::{DocPath, Revision};
use crate::core::problem::Problem;
use crate::services::error::ServiceError;
use crate::services::{Error, environment};

/// What a change of `commit.branch` came to.
#[derive(Debug, Default)]
pub struct BranchMigration {
    /// The dedicated branch; `None` if documents go to the branch that is checked out.
    pub branch: Option<String>,
    /// What was committed to it.
    pub done: Committed,
    /// What could not be committed to it, and why.
    pub held: Vec<Held>,
    /// What happened to the branch itself, in words.
    pub findings: Vec<Diagnostic>,
    /// The branch that is checked out, and the documents that it still tracks.
    pub tracked: (Option<String>, BTreeSet<DocPath>),
    /// The commit that stopped tracking them.
    pub untracked: Option<Revision>,
    /// Tells whether the commit that is checked out holds the configuration as it is in the worktree.
    pub is_config_committed: bool,
}

/// Why documents were not taken off the code branch: they are not safe elsewhere yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the documents stay on this branch: {why}")]
pub struct MigrationError {
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem for MigrationError {
    fn code(&self) -> &'static str {
        "not-moved"
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<MigrationError> for Error {
    fn from(error: MigrationError) -> Self {
        Self::Service(ServiceError::new(error))
    }
}

impl Committer<'_> {
    /// Brings the documents to the dedicated branch that the configuration names. If `untrack` is set, they are then removed
    /// from the branch that is checked out, in one commit that touches no file of the worktree and nothing that is staged.
    ///
    /// # Errors
    /// [`Error`] if a branch or the folder cannot be used, or one of the documents is not on the dedicated branch.
    pub fn migrate_branch(&self, untrack: bool) -> Result<BranchMigration, Error> {
        let (Some(repository), Target::Branch(name)) = (&self.repository, self.target) else {
            return Ok(BranchMigration::default());
        };
        let mut report = BranchMigration { branch: Some(name.clone()), ..BranchMigration::default() };
        self.find_branch(repository, name, &mut report)?;
        let all = self.commit_all(Force::No)?;
        (report.done, report.held) = (all.done, all.held);
        let head = repository.view().head(&Target::Current)?;
        report.tracked =
            (head.branch, repository.view().contents(head.revision.as_ref(), self.folder())?.into_keys().collect());
        if untrack && !report.tracked.1.is_empty() {
            report.untracked = Some(self.untrack(repository, &report)?);
            report.tracked.1.clear();
        }
        report.is_config_committed = repository.index().is_as_committed(REPOSITORY_CONFIG)?;
        Ok(report)
    }

    /// Looks for the branch on the remote at once. A person has just named it: if the remote cannot be asked, it is made here.
    fn find_branch(&self, repository: &Repository, name: &str, report: &mut BranchMigration) -> Result<(), Error> {
        if repository.view().head(self.target)?.revision.is_some() {
            return Ok(());
        }
        let Some(_lock) = self.store.locks.lock_commits(LOCK_WAIT)? else { return Ok(()) };
        match self.branch().adopt_branch(repository, name, AskRemote::Now)? {
            Adoption::Adopted { finding, .. } => report.findings.push(finding),
            Adoption::Nowhere => {}
            Adoption::Unknown(why) => {
                self.branch().allow_making(name)?;
                let message = format!("{why}; it is made here, and the next sync merges the two if there are two");
                report.findings.push(Diagnostic::warning(Code::BranchUnknown, message));
            }
        }
        Ok(())
    }

    /// Removes the documents from the branch that is checked out, if all of them are on the dedicated one or were removed there.
    fn untrack(&self, repository: &Repository, report: &BranchMigration) -> Result<Revision, Error> {
        if let Some(waiting) = report.done.waiting.clone() {
            return Err(MigrationError { why: waiting.to_string(), hint: waiting.hint() }.into());
        }
        let base = self.branch().folder_base(repository)?;
        let there = repository.view().contents(base.as_ref(), self.folder())?;
        let missing: Vec<&DocPath> = report.tracked.1.iter().filter(|path| !there.contains_key(*path)).collect();
        let removed = match &base {
            Some(base) if !missing.is_empty() => repository.log().removed_from(base, self.folder())?,
            _ => BTreeSet::new(),
        };
        if let Some(path) = missing.into_iter().find(|path| !removed.contains(*path)) {
            let why = format!("`{}` is not on the dedicated branch", self.documents.in_repository(path));
            let hint = "run `mycelium commit` to see what holds it back, and try again then";
            return Err(MigrationError { why, hint: Some(hint.to_owned()) }.into());
        }
        let Some(_lock) = self.store.locks.lock_commits(LOCK_WAIT)? else {
            let waiting = Waiting::Committer;
            return Err(MigrationError { why: waiting.to_string(), hint: waiting.hint() }.into());
        };
        repository.ignore_rules().exclude(self.folder())?;
        if let Some(busy) = repository.view().busy()? {
            return Err(CommitError::Busy(Box::new(busy)).into());
        }
        let head = repository.view().head(&Target::Current)?.revision;
        let changes: Vec<(DocPath, Option<Vec<u8>>)> =
            report.tracked.1.iter().map(|path| (path.clone(), None)).collect();
        let message = format!(
            "Stop tracking {} here\n\nThe documents are on the branch {} from now on; the files stay where they are.\n",
            if changes.len() == 1 { "1 document".to_owned() } else { format!("{} documents", changes.len()) },
            report.branch.as_deref().unwrap_or_default(),
        );
        let plan = CommitPlan { author: Author::User, at: environment::now(), message, changes };
        let made =
            repository.committer().commit(&Target::Current, self.folder(), head.as_ref(), &[plan], self.durability)?;
        made.into_iter()
            .next_back()
            .ok_or_else(|| MigrationError { why: "nothing was committed".to_owned(), hint: None }.into())
    }

    /// Documents that the commit which is checked out still tracks, although they belong on a dedicated branch.
    ///
    /// # Errors
    /// [`Error::Git`] if it cannot be read.
    pub fn still_tracked(&self) -> Result<usize, Error> {
        let (Some(repository), Target::Branch(_)) = (&self.repository, self.target) else { return Ok(0) };
        let head = repository.view().head(&Target::Current)?.revision;
        Ok(repository.view().contents(head.as_ref(), self.folder())?.len())
    }
}
