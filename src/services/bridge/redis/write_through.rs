//! What a command sends to the server by itself if no watcher does: the documents of one operation, their queues and their
//! events. Only if the server is known to be live, or nothing is known; a dead one costs a few milliseconds, once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::claims;
use super::connection_cache::{ConnectionLimits, SharedConnection};
use super::session::{HeldLink, RedisConnector};
use super::target::RedisTarget;
use crate::adapters::redis::Link;
use crate::adapters::store::{Record, RecordedChange};
use crate::core::document::Document;
use crate::core::event::Told;
use crate::core::lease::{LeaseRequest, Override};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::Entry;
use crate::services::bridge::backend::Session as _;
use crate::services::bridge::event_outbox;
use crate::services::bridge::health::BackendState;
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::mirror_folder::MirrorFolder as _;
use crate::services::bridge::mirror_index::{Item, item_of};
use crate::services::bridge::pass::workflows_showing;
use crate::services::bridge::report::PassOptions;
use crate::services::claim_arbiter::ClaimRequest;
use crate::services::leases::task_of;
use crate::services::{Error, Project, events};

/// Longest wait for a connection, to a server of which nothing is known and to one that was live.
const CONNECT: Duration = Duration::from_millis(5);
const CONNECT_LIVE: Duration = Duration::from_millis(50);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_millis(50);

/// Sends what an operation has changed. What fails is left to the next pass.
pub(super) fn run(project: &Project, target: &RedisTarget, operation: &Record) {
    let record = project.bridge().health_of(&target.mirror);
    // A follower sees it by itself.
    if record.is_followed() {
        return;
    }
    let events: Vec<Told> =
        events::told(operation, 0, operation.operation.branch.clone()).into_iter().flat_map(|line| line.told).collect();
    let is_live = record.read().is_some_and(|health| health.state == BackendState::Live);
    let connect = if is_live { CONNECT_LIVE } else { CONNECT };
    let limits = ConnectionLimits { connect, answer: ANSWER, insists: false };
    let done =
        SharedConnection::of(target).with(&record, limits, |link| send(project, target, link, operation, &events));
    // The health of the server is recorded already; the operation stays in any case.
    if let (Err(_), Some(first)) = (done, events.first()) {
        let _ = event_outbox::note_untold(project, &target.mirror.memory_name, &first.id);
    }
}

fn send(
    project: &Project,
    target: &RedisTarget,
    link: &Link,
    operation: &Record,
    events: &[Told],
) -> Result<(), Error> {
    if project.bridge().branch().check(&target.mirror)?.is_err() {
        return Ok(());
    }
    let mut mirror = Mirror::open(project.another()?, &target.mirror);
    let mut connector = RedisConnector::new(target.clone());
    let mut session = connector.session(HeldLink::Shared(link))?;
    match session.enter(&mut mirror) {
        // The server is for those who mirror another branch.
        Err(Error::Unreached { .. }) => return Ok(()),
        entered => entered?,
    }
    let mut items: BTreeSet<Item> = operation.changes.iter().filter_map(item).collect();
    mirror.outbox().note_authors(events);
    let moves: Vec<DocId> = operation.changes.iter().filter_map(moved).collect();
    let has_workflow = items.iter().any(|(kind, _)| *kind == Kind::Workflow);
    if moves.is_empty() && !has_workflow {
        let paths = operation.changes.iter().map(|change| &change.path).filter(|path| !path.is_archived());
        let paths: Vec<DocPath> = paths.cloned().collect();
        mirror.folder.read_only(&items, &paths)?;
    } else {
        mirror.read_changes()?;
        // What a workflow shows follows from its tasks.
        items.extend(workflows_showing(mirror.folder.documents().snapshot(), |task| moves.contains(task)));
    }
    mirror.folder.follow_head()?;
    let written = items.clone();
    // The user has been asked already about many removals.
    let mut report =
        session.settle(&mut mirror, items, PassOptions { removes_many: true, ..PassOptions::default() })?;
    if let Some(agent) = &operation.operation.agent {
        // Each operation of a holder renews its leases, whatever it is about. The documents of this one renewed theirs.
        let held = project.leases().held_by(agent)?.into_iter();
        let others = held.filter(|(task, _)| !written.contains(&(Kind::Task, task.id.clone())));
        let ask = |lease| LeaseRequest { by: agent.clone(), lease, over: Override::None };
        let requests: Vec<_> = others.map(|(task, lease)| ClaimRequest::new(&task, &ask(lease))).collect();
        claims::renew_each(target, link, &requests)?;
    }
    // If another clone keeps the queues, it sees the change by itself.
    if (!moves.is_empty() || has_workflow) && session.leadership.lead(link)? {
        let done = session.queues(&mut mirror, &mut report);
        // Also after a failure: else no clone leads until the lease is over.
        session.leadership.resign(link);
        done?;
    }
    // Events that could not be sent before come first.
    let mut all = if mirror.outbox().has_untold() { mirror.folder.hear()? } else { Vec::new() };
    all.extend(events.iter().filter(|new| all.iter().all(|old| old.id != new.id)).cloned().collect::<Vec<_>>());
    session.tell(&mut mirror, &all)?;
    Ok(())
}

/// The task of a change after which other tasks may be ready.
fn moved(change: &RecordedChange) -> Option<DocId> {
    let (_, id) = item(change).filter(|(kind, _)| *kind == Kind::Task)?;
    let read = |bytes: &Option<Vec<u8>>| {
        let task = task_of(&change.path, &Document::parse(bytes.clone()?))?;
        let step = (task.execution.fill, task.workflow, task.gates);
        Some((task.status, task.priority, task.depends_on, task.claimed_by, task.fence, step))
    };
    let (before, after) = (read(&change.before), read(&change.after));
    (before.is_none() || before != after).then_some(id)
}

/// What a change is about, by what the document says.
fn item(change: &RecordedChange) -> Option<Item> {
    let bytes = change.after.as_ref().or(change.before.as_ref())?;
    item_of(&Entry::read(change.path.clone(), Document::parse(bytes.clone())))
}
