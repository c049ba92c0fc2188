//! Who holds which task, as status, queue and `why` show it: by the leases, else by the documents.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::time::Duration;

use super::{Lease, Leases};
use crate::core::entity::TaskStatus;
use crate::core::lease::EntryState;
use crate::core::name::{AgentName, DocId, visible};
use crate::core::snapshot::{Queue, Snapshot};
use crate::core::time::Timestamp;
use crate::services::Error;

/// Who holds a task, or has finished it in another worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHolder {
    /// The agent.
    pub by: AgentName,
    /// The state of its lease.
    pub state: EntryState,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// How long the lease lasts unless it is renewed.
    pub lease: Option<Duration>,
    /// How much of that is left, if that is known.
    pub left: Option<Duration>,
    /// The lease has expired: the next request gets the task.
    pub is_over: bool,
    /// The other worktree, if it is held there: its path from this one, if that is short.
    pub elsewhere: Option<String>,
    /// The branch that was checked out there.
    pub branch: Option<String>,
}

impl TaskHolder {
    /// Returns true if no agent here can get the task: it is held in another worktree, or was finished there.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.elsewhere.is_some() && !self.is_over
    }

    /// Returns true if an agent works on the task in another worktree.
    #[must_use]
    pub fn runs_elsewhere(&self) -> bool {
        self.is_unavailable() && self.state.is_held()
    }

    /// Returns the other worktree with its branch: `../wa on wa`.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let place = self.elsewhere.as_ref()?;
        Some(self.branch.as_ref().map_or_else(|| place.clone(), |branch| format!("{place} on {}", visible(branch))))
    }

    fn new(lease: Lease, here: &Path) -> Self {
        let Lease { by, state, since, lease, left, is_over, work_tree, branch, is_here, .. } = lease;
        let elsewhere = work_tree.filter(|_| !is_here).map(|root| visible(&path_from(here, &root)));
        let branch = branch.filter(|_| elsewhere.is_some());
        Self { by, state, since, lease, left, is_over, elsewhere, branch }
    }
}

impl Leases<'_> {
    /// Lists who holds the tasks of a snapshot: those that are running here, and those that are held or were finished in
    /// another worktree.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be read.
    pub fn holders(&self, snapshot: &Snapshot) -> Result<BTreeMap<DocId, TaskHolder>, Error> {
        let leases = self.list(snapshot)?.into_iter();
        let mut holders: BTreeMap<DocId, TaskHolder> =
            leases.map(|(id, lease)| (id, TaskHolder::new(lease, self.root))).collect();
        // A person may work on a task without a claim.
        for task in snapshot.tasks().filter(|task| task.status == TaskStatus::Running) {
            if let Some(by) = task.holder() {
                holders.entry(task.id.clone()).or_insert_with(|| TaskHolder {
                    by: by.clone(),
                    state: EntryState::Held,
                    since: None,
                    lease: task.lease,
                    left: None,
                    is_over: false,
                    elsewhere: None,
                    branch: None,
                });
            }
        }
        Ok(holders)
    }
}

/// Returns the queue of a snapshot; a task that is running in another worktree counts as running.
#[must_use]
pub fn queue<'a>(snapshot: &'a Snapshot, holders: &BTreeMap<DocId, TaskHolder>) -> Queue<'a> {
    let running = holders.iter().filter(|(_, holder)| holder.runs_elsewhere()).map(|(id, _)| id.clone()).collect();
    snapshot.queue_beside(running)
}

/// Most `..` of a path that is shown from another one.
const UPS_MAX: usize = 3;

/// Returns the path to one folder from another: `../wa`; the whole path where that is not shorter.
fn path_from(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let ups = from.len() - common;
    let whole: std::path::PathBuf = to.iter().collect();
    // Folders that share nothing but the root are no neighbours.
    if common < 2 || ups > UPS_MAX {
        return whole.display().to_string();
    }
    let parts = std::iter::repeat_n(Component::ParentDir, ups).chain(to[common..].iter().copied());
    parts.collect::<std::path::PathBuf>().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_is_named_from_here() {
        for (from, to, shown) in [
            ("/srv/voice", "/srv/wa", "../wa"),
            ("/srv/voice/trees/wb", "/srv/voice", "../.."),
            ("/srv/voice", "/srv/voice/trees/wb", "trees/wb"),
            ("/srv/voice", "/opt/wa", "/opt/wa"),
            ("/srv/a/b/c/d", "/srv/wa", "/srv/wa"),
        ] {
            assert_eq!(path_from(Path::new(from), Path::new(to)), shown);
        }
    }
}
