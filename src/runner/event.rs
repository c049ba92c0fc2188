//! Publishing an event, and listing what was told: the published ones from their files, the others from the feed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Error, Observer, Subscription, Workspace, environment};
use crate::event::{self, Event, Published, Replaced};
use crate::name::{AgentName, Channel, ChannelPattern, DocPath, EventId};
use crate::store::{self, Action, Operation, Shelf};
use crate::time::Timestamp;

/// Largest record of the branches that this work tree has published on, in bytes.
const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Branches that are remembered; beyond that one that comes again gets another file.
const BRANCHES_MAX: usize = 200;
/// How often publishing looks for a free place in the archive.
const ATTEMPTS_MAX: usize = 40;
/// Longest wait for others who publish here.
const TURN: Duration = Duration::from_secs(2);

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those on a channel that fits one of these; all, if there are none.
    pub patterns: Vec<ChannelPattern>,
    /// Only those behind this one.
    pub since: Option<EventId>,
    /// Only the newest so many.
    pub limit: Option<usize>,
}

impl Workspace {
    /// Publishes an event on a channel: an object with its name in `event`, or any other value, which becomes `value`. It
    /// is on the disk for good when this returns (with the default durability), and subscribers have been told.
    ///
    /// # Errors
    /// [`Error::Publish`] if the event does not fit into a line; others if the folder fails.
    pub fn publish(&self, channel: Channel, value: serde_json::Value) -> Result<EventId, Error> {
        self.publish_as(self.agent.clone(), channel, value)
    }

    /// The same in the name of somebody else.
    pub(super) fn publish_as(
        &self,
        agent: Option<AgentName>,
        channel: Channel,
        value: serde_json::Value,
    ) -> Result<EventId, Error> {
        let operation = Operation { agent, ..self.operation("event.publish")? };
        let id = EventId::from(&operation.id);
        let event = Published::new(id.clone(), operation.at, channel, value, operation.agent.as_ref())?;
        let path = self.own_log()?;
        let mut place = None;
        let turn = self.store.publish_turn(TURN)?;
        let mut at = operation.at;
        for _ in 0..ATTEMPTS_MAX {
            let paths: Vec<DocPath> = std::iter::once(path.clone()).chain(place.clone()).collect();
            let (mut wanted, mut is_taken) = (None, false);
            let written = self.store.apply_unsynced(&operation, &paths, &mut |current| -> Result<_, Error> {
                let old = current.first().and_then(Option::as_deref);
                let (new, archive) = event::after_publishing(&path, old, &event, at);
                wanted.clone_from(&archive);
                is_taken = place.is_some() && current.get(1).is_some_and(Option::is_some);
                Ok(match (archive, old) {
                    (Some(archive), Some(old)) if Some(&archive) == place.as_ref() && !is_taken => {
                        vec![Action::Write(new), Action::Write(old.to_vec())]
                    }
                    // The file is full, and where it goes was not known before: once more, with both.
                    (Some(_), _) => vec![Action::Keep; paths.len()],
                    (None, _) => {
                        let mut actions = vec![Action::Keep; paths.len()];
                        actions[0] = Action::Write(new);
                        actions
                    }
                })
            })?;
            if written.is_some() {
                drop(turn);
                // What goes wrong with the commit is no fault of the event: it is written, and committed later.
                self.fate(Some(&operation.id), written.as_ref())?;
                return Ok(id);
            }
            if is_taken {
                // Another file went there in the same millisecond, and stays.
                at = Timestamp::from_unix_ms(at.unix_ms().saturating_add(1));
                wanted = None;
            }
            place = wanted;
        }
        Err(Error::Gone { path })
    }

    /// The file to which this work tree publishes on this branch. Its name is random, so that no two branches, and no two
    /// clones, ever change one file.
    fn own_log(&self) -> Result<DocPath, Error> {
        let branch = self.head()?.and_then(|head| head.branch).unwrap_or_default();
        let path = self.store.feed_folder().with_file_name("publishing.json");
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
        self.store.make_feed()?;
        store::replace_text(&path, &text).map_err(|source| Error::Folder { path: path.clone(), source })?;
        Ok(DocPath::new(format!("events-{name}.md"))?)
    }

    /// The published events of all files, those of the archive too, and what the feed keeps of the others; oldest first.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be read.
    pub fn events(&self, filter: &Filter) -> Result<Vec<Event>, Error> {
        let mut observer = Observer::default();
        let mut told = observer.catch_up(self)?;
        for path in self.logs()? {
            if let Some(file) = self.store.read(&path)? {
                told.extend(event::read_log(&path, &file.bytes).0.into_iter().map(Published::told));
            }
        }
        told.sort_by_key(|told| told.at);
        let mut seen = std::collections::HashSet::new();
        told.retain(|told| seen.insert(told.id.clone()));
        let mut lost = None;
        if let Some(since) = &filter.since {
            match told.iter().position(|told| told.id == *since) {
                Some(at) => drop(told.drain(..=at)),
                None => lost = Some(event::replaced(&Replaced::Lost(since.clone()), environment::now())),
            }
        }
        let wanted = |told: &event::Told| match (filter.patterns.is_empty(), told.channels.first()) {
            (true, Some(channel)) => Some(told.on(channel.clone())),
            _ => told.wanted(&filter.patterns),
        };
        let lost = lost.and_then(|lost| Some(lost.on(lost.channels.first()?.clone())));
        let mut events: Vec<Event> = lost.into_iter().chain(told.iter().filter_map(wanted)).collect();
        if let Some(limit) = filter.limit {
            events.drain(..events.len().saturating_sub(limit));
        }
        Ok(events)
    }

    /// Every file of published events.
    pub(super) fn logs(&self) -> Result<Vec<DocPath>, Error> {
        let mut paths = self.store.names(Shelf::Live)?;
        paths.extend(self.store.names(Shelf::Archive)?);
        paths.retain(DocPath::is_events);
        Ok(paths)
    }

    /// Listens to the events on these channels (none: all): those behind the event `since`, or from now on.
    ///
    /// # Errors
    /// [`Error`] if the folder or the feed cannot be read.
    pub fn subscribe(&self, patterns: Vec<ChannelPattern>, since: Option<EventId>) -> Result<Subscription, Error> {
        Subscription::new(self, patterns, since)
    }
}
