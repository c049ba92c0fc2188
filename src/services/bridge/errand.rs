//! What a command tells the server by itself where no watcher stands behind it: the documents of one operation, their queues
//! and their events. Only where a server is known to be up or nothing is known; a dead one costs a few milliseconds, once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::health;
use super::line::{Line, Waits};
use super::report::{PassOptions, PassReport};
use super::sight::{Item, item_of};
use super::state::{self, State};
use super::wanted::{Target, Wanted};
use crate::adapters::redis::{Link, RedisRemote};
use crate::adapters::store::{Record, RecordedChange};
use crate::core::document::Document;
use crate::core::event::Told;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::Entry;
use crate::services::after_write::{AfterWrite, BackendId, WriteOrigin};
use crate::services::ledger::task_of;
use crate::services::{Error, Project, teller};

/// Longest wait for a connection, to a server of which nothing is known and to one that was live.
const CONNECT: Duration = Duration::from_millis(5);
const CONNECT_LIVE: Duration = Duration::from_millis(50);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_millis(50);

/// The name of this backend.
pub(super) const REDIS: BackendId = BackendId("redis");

impl AfterWrite for Project {
    /// What goes wrong is left to whoever looks at everything next.
    fn after_write(&self, record: &Record, origin: WriteOrigin) {
        if origin == WriteOrigin::Backend(REDIS) {
            return;
        }
        let Wanted::Redis(target) = self.wanted_bridge() else { return };
        // Whoever follows sees it by itself.
        if matches!(self.store.is_followed(), Ok(true)) {
            return;
        }
        let told: Vec<Told> =
            teller::told(record, 0, record.operation.branch.clone()).into_iter().flat_map(|line| line.told).collect();
        let is_live = self.bridge_health(&target).is_some_and(|health| health.state == health::State::Live);
        let connect = if is_live { CONNECT_LIVE } else { CONNECT };
        let line = Line::of(&target);
        let done = line.with(self, &target, Waits { connect, answer: ANSWER, insists: false }, |link| {
            self.errand(&target, link, record, &told)
        });
        // The line has noted what is wrong with the server; the operation stands in any case.
        if let (Err(_), Some(first)) = (done, told.first()) {
            let _ = state::note_untold(self, &target, &first.id);
        }
    }
}

impl Project {
    fn errand(&self, target: &Target, link: &Link, record: &Record, told: &[Told]) -> Result<(), Error> {
        let mut state = State::open(self.another()?, target);
        if self.is_followed_branch(target)?.is_err() {
            return Ok(());
        }
        match super::claims::enter(self, target, link) {
            // The server is for those who mirror another branch.
            Err(Error::Unreached { .. }) => return Ok(()),
            entered => drop(entered?),
        }
        let mut items: BTreeSet<Item> = record.changes.iter().filter_map(item).collect();
        state.note_deeds(told);
        let moves: Vec<DocId> = record.changes.iter().filter_map(moved).collect();
        let has_workflow = items.iter().any(|(kind, _)| *kind == Kind::Workflow);
        if moves.is_empty() && !has_workflow {
            let paths = record.changes.iter().map(|change| &change.path).filter(|path| !path.is_archived());
            let paths: Vec<DocPath> = paths.cloned().collect();
            state.look_at(&items, &paths)?;
        } else {
            state.look()?;
            // What a workflow shows follows from its tasks.
            let workflows = state.sight.snapshot().workflows();
            let shows = workflows.filter(|workflow| workflow.tasks.iter().any(|task| moves.contains(task)));
            items.extend(shows.map(|workflow| (Kind::Workflow, workflow.id.clone())).collect::<Vec<_>>());
        }
        let mut report = PassReport::default();
        let written = items.clone();
        // Whoever removes much here has been asked.
        state.settle(
            &mut RedisRemote::new(link, &target.node),
            items,
            PassOptions { force: true, ..PassOptions::default() },
            &mut report,
        )?;
        if let Some(agent) = &record.operation.agent {
            self.renew_held(target, link, agent, &written)?;
        }
        // Whoever keeps the queues sees it by itself.
        if !moves.is_empty() && state.lead(link)? {
            state.queues(link, &mut report)?;
            state.let_go(link);
        }
        // What the server could not be told before comes first.
        let mut all = if state.has_untold() { state.hear()? } else { Vec::new() };
        all.extend(told.iter().filter(|told| all.iter().all(|other| other.id != told.id)).cloned().collect::<Vec<_>>());
        state.tell(link, &all)?;
        Ok(())
    }
}

/// The task of a change after which other tasks may be ready.
fn moved(change: &RecordedChange) -> Option<DocId> {
    let (_, id) = item(change).filter(|(kind, _)| *kind == Kind::Task)?;
    let read = |bytes: &Option<Vec<u8>>| {
        let task = task_of(&change.path, &Document::parse(bytes.clone()?))?;
        Some((task.status, task.priority, task.depends_on, task.claimed_by, task.fence))
    };
    let (before, after) = (read(&change.before), read(&change.after));
    (before.is_none() || before != after).then_some(id)
}

/// What a change is about, by what the document says.
fn item(change: &RecordedChange) -> Option<Item> {
    let bytes = change.after.as_ref().or(change.before.as_ref())?;
    item_of(&Entry::read(change.path.clone(), Document::parse(bytes.clone())))
}
