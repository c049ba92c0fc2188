//! Who holds which task, as far as status, queue and `why` need to know: by the claims, else by what the documents say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Error, Holding, Workspace};
use crate::claim::State;
use crate::entity::TaskStatus;
use crate::name::{AgentName, DocId, visible};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// Who holds a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who.
    pub by: AgentName,
    /// What they have done with it.
    pub state: State,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// For how long a holder that says nothing keeps it.
    pub lease: Option<Duration>,
    /// How much of that is left, where that is known.
    pub left: Option<Duration>,
    /// The lease is over: the next one who asks gets the task.
    pub is_over: bool,
    /// Where, if it is another work tree, with its branch.
    pub elsewhere: Option<String>,
}

impl Hold {
    /// Tells whether nobody here can have the task: another work tree's claim is not over, or was finished there.
    #[must_use]
    pub fn keeps_off(&self) -> bool {
        self.elsewhere.is_some() && !self.is_over
    }

    fn of(holding: Holding) -> Self {
        let place = holding.work_tree.filter(|_| !holding.is_here).map(|root| {
            let branch = holding.branch.map_or_else(String::new, |branch| format!(" on {branch}"));
            visible(&format!("{}{branch}", root.display()))
        });
        let Holding { by, state, since, lease, left, is_over, .. } = holding;
        Self { by, state, since, lease, left, is_over, elsewhere: place }
    }
}

impl Workspace {
    /// Who holds the tasks of a snapshot: those that are running here, and those that are held, or were finished, in another
    /// work tree.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn holds(&self, snapshot: &Snapshot) -> Result<BTreeMap<DocId, Hold>, Error> {
        let claims = self.claims(snapshot)?.into_iter();
        let mut holds: BTreeMap<DocId, Hold> = claims.map(|(id, holding)| (id, Hold::of(holding))).collect();
        // Somebody may work on a task without having claimed it.
        for task in snapshot.tasks().filter(|task| task.status == TaskStatus::Running) {
            if let Some(by) = task.holder() {
                holds.entry(task.id.clone()).or_insert_with(|| Hold {
                    by: by.clone(),
                    state: State::Held,
                    since: None,
                    lease: task.lease,
                    left: None,
                    is_over: false,
                    elsewhere: None,
                });
            }
        }
        Ok(holds)
    }
}
