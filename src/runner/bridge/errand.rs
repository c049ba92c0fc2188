//! What a command tells the server by itself where no watcher stands behind it: the documents of one operation, their queues
//! and their events. Only where a server is known to be up or nothing is known; a dead one costs a few milliseconds, once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::line::Line;
use super::report::{PassOptions, PassReport};
use super::sight::Item;
use super::state::State;
use super::wanted::{Target, Wanted};
use crate::bridge::Link;
use crate::name::{DocId, Kind};
use crate::runner::{Error, Workspace, teller};
use crate::store::{Record, Unsynced};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_millis(5);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_millis(50);

impl Workspace {
    /// Tells the server what an operation has changed. What goes wrong is left to whoever looks at everything next.
    pub(in crate::runner) fn run_errand(&self, written: &Unsynced) {
        let Wanted::Redis(target) = self.wanted_bridge() else { return };
        if super::follower::is_followed(&self.store) {
            return;
        }
        let line = Line::of(&target);
        let done = line.with(self, &target, CONNECT, ANSWER, |link| self.errand(&target, link, written.record()));
        // The line has noted what is wrong with the server; the operation stands in any case.
        drop(done);
    }

    fn errand(&self, target: &Target, link: &Link, record: &Record) -> Result<(), Error> {
        let mut state = State::open(self.another()?, target);
        if self.is_followed_branch(target)?.is_err() {
            return Ok(());
        }
        let items: BTreeSet<Item> = record.changes.iter().filter_map(|change| item(&change.path)).collect();
        let has_tasks = items.iter().any(|(kind, _)| *kind == Kind::Task);
        let branch = self.head()?.and_then(|head| head.branch);
        let told = teller::told(record, 0, branch);
        let told: Vec<_> = told.into_iter().flat_map(|line| line.told).collect();
        state.note_deeds(&told);
        state.look()?;
        let mut report = PassReport::default();
        state.settle(link, items, PassOptions::default(), &mut report)?;
        // Whoever keeps the queues sees it by itself.
        if has_tasks && state.lead(link)? {
            state.queues(link, &mut report)?;
            state.let_go(link);
        }
        state.tell(link, &told)?;
        Ok(())
    }
}

fn item(path: &crate::name::DocPath) -> Option<Item> {
    let kind = path.kind()?;
    let stem = path.stem();
    let id = if kind == Kind::Agent { stem.strip_prefix(kind.prefix()).unwrap_or(stem) } else { stem };
    DocId::new(id).ok().map(|id| (kind, id))
}
