//! What a pass was asked for and what it came to. Plain values and their wording.

use std::fmt;
use std::time::Duration;

use super::mirror_index::Item;
use crate::core::entity::Priority;
use crate::core::event::Told;
use crate::core::merge::Conflict;
use crate::core::name::DocPath;
use crate::core::reconcile::{FileAction, Gone, MassDeletion, ReconcilePlan};

/// Which way documents go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// What is here goes there.
    Push,
    /// What is there comes here.
    Pull,
    /// Both: what differs is brought together.
    #[default]
    Both,
}

/// How a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PassOptions {
    /// Which way.
    pub direction: Direction,
    /// Nothing is changed; it is only told what would be.
    pub dry_run: bool,
    /// Also if very much vanishes at once, and although HEAD was moved back.
    pub force: bool,
    /// Also if very much vanishes at once: the user was asked when it was removed.
    pub removes_many: bool,
}

/// So many removals at once, here or on the server, that a person is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRemoval {
    /// How many, and of how many.
    pub mass: MassDeletion,
    /// The documents would be removed from this folder; else from the server.
    pub is_here: bool,
}

impl HeldRemoval {
    /// What to do if the removals are meant: the other direction would not carry them out.
    pub(super) fn hint(self) -> String {
        let direction = if self.is_here { "pull" } else { "push" };
        format!("run `mycelium bridge {direction} --force` if that is meant")
    }
}

impl fmt::Display for HeldRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.is_here { "here" } else { "on the server" };
        write!(f, "{} of {} documents would vanish {place}", self.mass.lost, self.mass.of)
    }
}

/// What a pass came to.
#[derive(Debug, Clone, Default)]
pub struct PassReport {
    /// What went to the server, and as what: `new`, `changed`, `removed`, `archived`.
    pub sent: Vec<(DocPath, String)>,
    /// What came from there.
    pub came: Vec<(DocPath, String)>,
    /// How many of those that went were removed there.
    pub removed: usize,
    /// What waits for a person, and why.
    pub held: Vec<(String, String)>,
    /// Keys on the server that hold nothing that can be taken, and why.
    pub garbage: Vec<(String, String)>,
    /// What a person must decide, in files that have both versions now.
    pub conflicts: Vec<(DocPath, Conflict)>,
    /// How many tasks each queue holds.
    pub queues: Vec<(Priority, usize)>,
    /// So much would vanish at once that nothing of it was done.
    pub mass: Option<HeldRemoval>,
    /// Nothing was exchanged, because another branch is checked out or git is in the middle of something; which.
    pub paused: Option<String>,
    /// Nothing was changed.
    pub is_dry: bool,
    /// How long it took.
    pub took: Duration,
    /// What was told in this clone since the last pass.
    pub(super) told: Vec<Told>,
}

impl PassReport {
    /// One more document.
    pub(super) fn note(&mut self, item: &Item, step: &ReconcilePlan) {
        if let Some(send) = &step.send {
            let what = match send.gone() {
                Some(Gone::Removed) => "removed",
                Some(Gone::Archived) => "archived",
                None if send.seen.number == 0 => "new",
                None => "changed",
            };
            self.removed += usize::from(send.gone().is_some());
            self.sent.push((send.path.clone(), what.to_owned()));
        }
        let base = step.base.as_ref().map(|base| base.path.clone());
        let path = || base.clone().unwrap_or_else(|| DocPath::for_new(item.0, &item.1));
        match &step.file {
            FileAction::Keep => {}
            FileAction::Create(_) => self.came.push((path(), "new".to_owned())),
            FileAction::Write { path, .. } => self.came.push((path.clone(), "changed".to_owned())),
            FileAction::Remove { .. } => self.came.push((path(), "removed".to_owned())),
            FileAction::Archive { to, .. } => self.came.push((to.clone(), "archived".to_owned())),
        }
    }
}
