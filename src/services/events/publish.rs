//! Publishing events: lines of a file of this worktree, written as an operation.

use std::collections::BTreeMap;
use std::time::Duration;

use super::EventBus;
use crate::adapters::store::{self, Action, Operation};
use crate::core::event::{self, PublishError, Published};
use crate::core::name::{AgentName, Channel, DocPath, EventId};
use crate::services::intake::unless_read_only;
use crate::services::{Actor, Error, environment};

/// Largest record of the branches that this work tree has published on, in bytes.
const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Branches that are remembered; beyond that one that comes again gets another file.
const BRANCHES_MAX: usize = 200;
/// How often publishing looks for a free place in the archive.
const ATTEMPTS_MAX: usize = 40;
/// Longest wait for others who publish here.
const TURN: Duration = Duration::from_secs(2);

/// An event that is to be published, and in whose name.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Who publishes it, if an agent does.
    pub agent: Option<AgentName>,
    /// Where.
    pub channel: Channel,
    /// What it says.
    pub value: serde_json::Value,
}

impl NewEvent {
    /// Checks that it can be published.
    ///
    /// # Errors
    /// [`PublishError`] if it does not fit into a line, or its channel is one of documents.
    pub fn check(&self) -> Result<(), PublishError> {
        let id = EventId::new("check")?;
        Published::new(id, environment::now(), self.channel.clone(), self.value.clone(), self.agent.as_ref())
            .map(|_| ())
    }
}

impl EventBus<'_> {
    /// Publishes an event on a channel: an object with its name in `event`, or any other value, which becomes `value`. It
    /// is on the disk for good when this returns (with the default durability), and subscribers have been told.
    ///
    /// # Errors
    /// [`Error::Publish`] if the event does not fit into a line; others if the folder fails.
    pub fn publish(&self, by: &Actor, channel: Channel, value: serde_json::Value) -> Result<EventId, Error> {
        let done = self.publish_all(by, vec![NewEvent { agent: by.agent.clone(), channel, value }])?;
        match done.into_iter().next() {
            Some(published) => Ok(published?),
            None => Err(Error::Gone { path: self.own_log()? }),
        }
    }

    /// Publishes many events as one operation, in their order; a result for each. The operation is in the name of the agent if
    /// all events are of the same one.
    ///
    /// # Errors
    /// [`Error`] if the folder fails; then none is published.
    pub fn publish_all(&self, by: &Actor, events: Vec<NewEvent>) -> Result<Vec<Result<EventId, PublishError>>, Error> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let agent =
            events[0].agent.clone().filter(|agent| events.iter().all(|event| event.agent.as_ref() == Some(agent)));
        let operation = Operation { agent, ..self.operations.records.operation("event.publish")? };
        let mut published = Vec::with_capacity(events.len());
        let mut results = Vec::with_capacity(events.len());
        for (number, event) in events.into_iter().enumerate() {
            let id = if number == 0 { operation.id.clone() } else { environment::new_operation()? };
            let new =
                Published::new(EventId::from(&id), operation.at, event.channel, event.value, event.agent.as_ref());
            results.push(new.map(|event| {
                published.push(event);
                EventId::from(&id)
            }));
        }
        if !published.is_empty() {
            self.append(by, &operation, &published)?;
        }
        Ok(results)
    }

    /// Adds events to this work tree's file of them; what is full goes to the archive.
    fn append(&self, by: &Actor, operation: &Operation, events: &[Published]) -> Result<(), Error> {
        let path = self.own_log()?;
        self.documents.refuse_left_to_git([&path])?;
        let mut places: Vec<DocPath> = Vec::new();
        let turn = unless_read_only(self.documents.store.locks.publish_turn(TURN).map_err(Error::from))?;
        let mut at = operation.at;
        for _ in 0..ATTEMPTS_MAX {
            let paths: Vec<DocPath> = std::iter::once(path.clone()).chain(places.iter().cloned()).collect();
            let (mut wanted, mut is_taken) = (Vec::new(), false);
            let written = self.operations.writer.write(operation, &paths, &mut |current| -> Result<_, Error> {
                let old = current.first().and_then(Option::as_deref);
                let after = event::after_publishing_all(&path, old, events, at);
                wanted = after.full.iter().map(|(place, _)| place.clone()).collect();
                is_taken = current.iter().skip(1).any(Option::is_some);
                // Where the files are full, and where they go was not known before: once more, with all of them.
                if wanted != places || is_taken {
                    return Ok(vec![Action::Keep; paths.len()]);
                }
                let full = after.full.into_iter().map(|(_, bytes)| Action::Write(bytes));
                Ok(std::iter::once(Action::Write(after.log)).chain(full).collect())
            })?;
            if let Some(written) = written {
                drop(turn);
                // What goes wrong with the commit is no fault of the event: it is written, and committed later.
                self.operations.commit_written(by, &[written])?;
                return Ok(());
            }
            if is_taken {
                // Another file went there in the same millisecond, and stays.
                at = at.later_by(Duration::from_millis(1));
                wanted = Vec::new();
            }
            places = wanted;
        }
        Err(Error::Gone { path })
    }

    /// The file to which this work tree publishes on this branch. Its name is random, so that no two branches, and no two
    /// clones, ever change one file.
    fn own_log(&self) -> Result<DocPath, Error> {
        let branch = self.operations.records.head()?.and_then(|head| head.branch).unwrap_or_default();
        // Where this process may not write local state, its files are remembered in the outbox.
        let path = match self.documents.store.changes.make() {
            Err(error) if error.is_state_read_only() => {
                self.documents.store.outbox.make().map(|()| self.documents.store.outbox.folder())?
            }
            made => made.map(|()| self.documents.store.changes.folder().with_file_name(""))?,
        };
        let path = path.join("publishing.json");
        let fault = |source| Error::Folder { path: path.clone(), source };
        let text = store::read_text(&path, RECORD_BYTES_MAX).map_err(fault)?.unwrap_or_default();
        let mut known: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
        let file = |name: &String| DocPath::new(format!("events-{name}.md")).ok();
        if let Some(path) = known.get(&branch).and_then(file) {
            return Ok(path);
        }
        if known.len() >= BRANCHES_MAX {
            known.clear();
        }
        let name = environment::new_log()?;
        known.insert(branch, name.clone());
        let text = serde_json::to_string(&known).unwrap_or_default();
        store::replace_state_text(&path, &text).map_err(|source| Error::Folder { path: path.clone(), source })?;
        Ok(DocPath::new(format!("events-{name}.md"))?)
    }
}
