//! Work of a task's last holder on another branch that is not merged here: an agent that begins the task without it repeats
//! that work.

use std::collections::BTreeSet;
use std::fmt;

use super::Leases;
use crate::adapters::git::{Repository, Target};
use crate::core::change::{self, ChangeKind};
use crate::core::commit_message::SILENT;
use crate::core::document::Document;
use crate::core::lease::{EntryState, LeaseEvidence, LeaseRequest, Override, lease_state};
use crate::core::name::{AgentName, DocId, DocPath, Revision, visible};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;
use crate::services::Error;

/// Commit times are whole seconds, rounded down.
const SECOND_MS: i64 = 1_000;

/// What the last holder of a task did on a branch that is not merged here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnmergedWork {
    /// The last holder.
    by: AgentName,
    /// It released the task; otherwise its lease expired.
    is_released: bool,
    /// The branch of its worktree.
    branch: String,
    /// Changes of the task's document, other than the holder.
    changes: usize,
    /// Commits of other files since it claimed the task.
    commits: usize,
}

impl fmt::Display for UnmergedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.is_released { "was released" } else { "was held until the lease ended" };
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let of_task = |count: usize| format!("{count} change{} of the task", plural(count));
        let of_code = |count: usize| format!("{count} commit{} of other files", plural(count));
        let lacking = match (self.changes, self.commits) {
            (changes, 0) => of_task(changes),
            (0, commits) => of_code(commits),
            (changes, commits) => format!("{} and {}", of_task(changes), of_code(commits)),
        };
        let is = if self.changes + self.commits == 1 { "is" } else { "are" };
        write!(f, "{verb} by `{}` on branch `{}`: {lacking} {is} not here", self.by, visible(&self.branch))
    }
}

impl Leases<'_> {
    /// Refuses a request without override if the last holder worked on a branch that is not merged here.
    ///
    /// # Errors
    /// [`Error::Unmerged`] if it is refused; others if the repository cannot be read.
    pub(in crate::services) fn refuse_unmerged(
        &self,
        task: &DocId,
        path: &DocPath,
        evidence: &LeaseEvidence,
        ask: &LeaseRequest,
    ) -> Result<(), Error> {
        if ask.over != Override::None {
            return Ok(());
        }
        match self.unmerged_work(path, evidence)? {
            Some(work) => Err(Error::Unmerged { task: task.to_string(), work: work.to_string(), branch: work.branch }),
            None => Ok(()),
        }
    }

    fn unmerged_work(&self, path: &DocPath, evidence: &LeaseEvidence) -> Result<Option<UnmergedWork>, Error> {
        let (Some(repository), Some(entry)) = (self.repository, evidence.entry()) else { return Ok(None) };
        let is_free = match entry.state {
            EntryState::Released | EntryState::Expired => true,
            EntryState::Held => lease_state(evidence, &self.boot_time()).is_over(),
            EntryState::Begun | EntryState::Completed | EntryState::Failed => false,
        };
        let Some(branch) = entry.place.branch.as_ref().filter(|_| is_free) else { return Ok(None) };
        let head = repository.view().head(&Target::Current)?;
        if head.branch.as_ref() == Some(branch) {
            return Ok(None);
        }
        let Some(tip) = repository.view().head(&Target::Branch(branch.clone()))?.revision else { return Ok(None) };
        let here = head.revision.as_ref();
        let since = Timestamp::from_unix_ms(entry.since.unix_ms().saturating_sub(SECOND_MS));
        let commits = repository.log().code_commits_beside(here, &tip, self.folder, since)?;
        // On a branch of their own the documents are the same for all worktrees.
        let is_shared = *self.target != Target::Current;
        let changes = if is_shared { 0 } else { self.unmerged_changes(repository, path, here, &tip)? };
        Ok((commits + changes > 0).then(|| UnmergedWork {
            by: entry.by.clone(),
            is_released: entry.state == EntryState::Released,
            branch: branch.clone(),
            changes,
            commits,
        }))
    }

    /// Counts what the tip has changed in a document since the histories went apart, and the folder does not have.
    fn unmerged_changes(
        &self,
        repository: &Repository,
        path: &DocPath,
        head: Option<&Revision>,
        tip: &Revision,
    ) -> Result<usize, Error> {
        let bases = head.map_or(Ok(Vec::new()), |head| repository.log().merge_bases(head, tip))?;
        let only = BTreeSet::from([path.clone()]);
        let at = |revision: Option<&Revision>| -> Result<Snapshot, Error> {
            let ids = repository.view().contents_of(revision, self.folder, &only)?;
            let read = ids.into_iter().map(|(path, id)| Ok((path, Document::parse(repository.view().read(&id)?))));
            Ok(Snapshot::from_documents(read.collect::<Result<Vec<_>, Error>>()?))
        };
        let there = at(Some(tip))?;
        if there.is_empty() {
            return Ok(0);
        }
        let subjects = |before: &Snapshot| -> BTreeSet<String> {
            change::diff(before, &there).iter().filter_map(|change| subject(&change.what)).collect()
        };
        let lacking = subjects(&self.documents.snapshot_of(std::slice::from_ref(path))?);
        Ok(subjects(&at(bases.first())?).intersection(&lacking).count())
    }
}

/// Returns what a change is about, if it is work on the task: not who holds it, and nothing that was taken away.
fn subject(what: &ChangeKind) -> Option<String> {
    match what {
        ChangeKind::Field { key, .. } if key == "claimed_by" || SILENT.contains(&&**key) => None,
        ChangeKind::Field { key, .. } | ChangeKind::List { key, .. } => Some(format!("key {key}")),
        ChangeKind::Step { text, done, .. } => Some(format!("step {done} {text}")),
        ChangeKind::StepAdded { text, .. } => Some(format!("new step {text}")),
        ChangeKind::Note { text } => Some(format!("note {text}")),
        ChangeKind::Section { name, .. } => Some(format!("section {name}")),
        ChangeKind::Prose { .. } => Some("text".to_owned()),
        _ => None,
    }
}
