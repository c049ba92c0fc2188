//! The events of this clone on their way to a server: what was emitted here and not published there yet, and who changed what.

use std::collections::{BTreeMap, HashSet};

use crate::adapters::store::Store;
use crate::core::event::Told;
use crate::core::name::{AgentName, DocPath, EventId, OperationId};
use crate::core::reconcile::ChangeAuthor;
use crate::services::{ChangeDetector, Error, Project};

/// Name under which it is remembered what the server was told last.
const TOLD: &str = "told";
/// Name under which the first event is remembered that the server could not be told.
const UNTOLD: &str = "untold";
/// Name under which it is remembered in which set of data the stream of events has what was told before.
const STREAM: &str = "stream";
/// So many events are put into a new stream, at most.
const TOLD_BEFORE_MAX: usize = 1_000;
/// Ids of events that came from the server and are not told there again.
const ARRIVED_MAX: usize = 20_000;

/// What is told from now on is told to the server as well, as soon as it can be reached.
pub(super) fn begin_telling(project: &Project, server: &str) -> Result<(), Error> {
    if project.store.local.memory(server, TOLD).is_none() {
        let told = ChangeDetector::default().follow(&project.events())?;
        let last = told.last().map_or("", |told| told.id.as_str());
        project.store.local.write_memory(server, TOLD, last.as_bytes())?;
    }
    Ok(())
}

/// The server could not be told of this event, and of all that follow it.
pub(super) fn note_untold(project: &Project, server: &str, first: &EventId) -> Result<(), Error> {
    if project.store.local.memory(server, UNTOLD).is_none() {
        project.store.local.write_memory(server, UNTOLD, first.as_str().as_bytes())?;
    }
    Ok(())
}

/// Events that are emitted here and published on a server.
#[derive(Debug)]
pub(super) struct EventOutbox {
    store: Store,
    /// Which server, as a name in local state.
    server: String,
    detector: ChangeDetector,
    has_heard: bool,
    /// Who changed a document last, and by which operation.
    authors: BTreeMap<DocPath, ChangeAuthor>,
    /// What was emitted here and is not published yet.
    pub(super) untold: Vec<Told>,
    /// What was published before this connection, the newest first.
    told_before: Vec<Told>,
    /// Events that came from the server.
    arrived: HashSet<EventId>,
}

impl EventOutbox {
    /// Begins with what is remembered.
    pub(super) fn open(store: &Store, server: &str) -> Self {
        Self {
            store: store.clone(),
            server: server.to_owned(),
            detector: ChangeDetector::default(),
            has_heard: false,
            authors: BTreeMap::new(),
            untold: Vec::new(),
            told_before: Vec::new(),
            arrived: HashSet::new(),
        }
    }

    /// Reads on in the feed: gives what was told here since, without what came from the server.
    pub(super) fn hear(&mut self, project: &Project) -> Result<Vec<Told>, Error> {
        let mut told = std::mem::take(&mut self.untold);
        let mut new = self.detector.follow(&project.events())?;
        self.note_authors(&new);
        if !self.has_heard {
            self.has_heard = true;
            // Where it was told up to is only a hint: what is told twice has the same id.
            let known = |name| self.store.local.memory(&self.server, name).and_then(|id| String::from_utf8(id).ok());
            let place = |id: &str| new.iter().position(|told| told.id.as_str() == id);
            let behind = |last: String| if last.is_empty() { Some(0) } else { place(&last).map(|at| at + 1) };
            let first = known(UNTOLD).and_then(|first| place(&first)).or_else(|| known(TOLD).and_then(behind));
            let old = new.drain(..first.unwrap_or(new.len()));
            self.told_before = old.rev().take(TOLD_BEFORE_MAX).collect();
        }
        told.extend(new);
        Ok(told)
    }

    /// The server was told everything up to this event.
    pub(super) fn note_told(&self, last: &EventId) -> Result<(), Error> {
        let store = &self.store;
        store.local.write_memory(&self.server, TOLD, last.as_str().as_bytes())?;
        Ok(store.local.remove_memory(&self.server, UNTOLD)?)
    }

    /// What was told before is lost with the data of the server: whoever was away would miss it. Gives it once for each set of
    /// data, the oldest first.
    pub(super) fn lost_before(&mut self, space: &str) -> Result<Vec<Told>, Error> {
        let known = self.store.local.memory(&self.server, STREAM);
        if known.as_deref() == Some(space.as_bytes()) {
            return Ok(Vec::new());
        }
        self.store.local.write_memory(&self.server, STREAM, space.as_bytes())?;
        let mut told = std::mem::take(&mut self.told_before);
        told.reverse();
        Ok(if known.is_some() { told } else { Vec::new() })
    }

    /// Whether the server could not be told something.
    pub(super) fn has_untold(&self) -> bool {
        self.store.local.memory(&self.server, UNTOLD).is_some()
    }

    /// Remembers who changed what, from what was emitted.
    pub(super) fn note_authors(&mut self, told: &[Told]) {
        for told in told {
            let text = |key: &str| told.body.get(key).and_then(serde_json::Value::as_str);
            let Some(path) = text("path").and_then(|path| DocPath::new(path).ok()) else { continue };
            let agent = text("agent").and_then(|agent| AgentName::new(agent).ok());
            let operation = OperationId::new(told.id.as_str()).ok();
            self.authors.insert(path, ChangeAuthor { agent, operation });
        }
    }

    /// Remembers who changed a document, and by which operation.
    pub(super) fn note_author(&mut self, path: &DocPath, by: ChangeAuthor) {
        self.authors.insert(path.clone(), by);
    }

    /// Who changed a document last, as far as that is known.
    pub(super) fn author(&self, path: &DocPath) -> ChangeAuthor {
        self.authors.get(path).cloned().unwrap_or_default()
    }

    /// An event came from the server: it is not told there again.
    pub(super) fn note_arrived(&mut self, id: EventId) {
        if self.arrived.len() > ARRIVED_MAX {
            self.arrived.clear();
        }
        self.arrived.insert(id);
    }

    /// Tells whether an event came from the server.
    pub(super) fn has_arrived(&self, id: &EventId) -> bool {
        self.arrived.contains(id)
    }
}
