//! Who holds which task, as far as status, queue and `why` need to know: by the claims, else by what the documents say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::time::Duration;

use super::{Error, Holding, Project};
use crate::core::entity::TaskStatus;
use crate::core::lease::EntryState;
use crate::core::name::{AgentName, DocId, visible};
use crate::core::snapshot::{Queue, Snapshot};
use crate::core::time::Timestamp;

/// Who holds a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who.
    pub by: AgentName,
    /// What they have done with it.
    pub state: EntryState,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// For how long a holder that says nothing keeps it.
    pub lease: Option<Duration>,
    /// How much of that is left, where that is known.
    pub left: Option<Duration>,
    /// The lease is over: the next one who asks gets the task.
    pub is_over: bool,
    /// Where, if it is another worktree: its path from this one, if that is short.
    pub elsewhere: Option<String>,
    /// The branch that was checked out there.
    pub branch: Option<String>,
}

impl Hold {
    /// Tells whether nobody here can have the task: another work tree's claim is not over, or was finished there.
    #[must_use]
    pub fn keeps_off(&self) -> bool {
        self.elsewhere.is_some() && !self.is_over
    }

    /// Returns true if an agent works on the task in another worktree.
    #[must_use]
    pub fn runs_elsewhere(&self) -> bool {
        self.keeps_off() && self.state.is_held()
    }

    /// Returns the other worktree with its branch: `../wa on wa`.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let place = self.elsewhere.as_ref()?;
        Some(self.branch.as_ref().map_or_else(|| place.clone(), |branch| format!("{place} on {}", visible(branch))))
    }

    fn of(holding: Holding, here: &Path) -> Self {
        let Holding { by, state, since, lease, left, is_over, work_tree, branch, is_here, .. } = holding;
        let elsewhere = work_tree.filter(|_| !is_here).map(|root| visible(&path_from(here, &root)));
        let branch = branch.filter(|_| elsewhere.is_some());
        Self { by, state, since, lease, left, is_over, elsewhere, branch }
    }
}

impl Project {
    /// Who holds the tasks of a snapshot: those that are running here, and those that are held, or were finished, in another
    /// work tree.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn holds(&self, snapshot: &Snapshot) -> Result<BTreeMap<DocId, Hold>, Error> {
        let claims = self.claims(snapshot)?.into_iter();
        let mut holds: BTreeMap<DocId, Hold> =
            claims.map(|(id, holding)| (id, Hold::of(holding, &self.root))).collect();
        // Somebody may work on a task without having claimed it.
        for task in snapshot.tasks().filter(|task| task.status == TaskStatus::Running) {
            if let Some(by) = task.holder() {
                holds.entry(task.id.clone()).or_insert_with(|| Hold {
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
        Ok(holds)
    }

    /// Returns how every task of a snapshot stands: one that runs in another worktree runs.
    #[must_use]
    pub fn queue<'a>(&self, snapshot: &'a Snapshot, holds: &BTreeMap<DocId, Hold>) -> Queue<'a> {
        let held: BTreeSet<DocId> =
            holds.iter().filter(|(_, hold)| hold.runs_elsewhere()).map(|(id, _)| id.clone()).collect();
        snapshot.queue_beside(held)
    }
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
