//! Events on the server: what is told here goes out on its channels, behind the state that it is about; what only the server
//! knows is written down here. On the server an event is a hint: the record is in the files.

use std::time::Duration;

use serde_json::Value as Json;

use super::state::State;
use super::wanted::Target;
use crate::bridge::{BridgeError, Link, Message, News};
use crate::event::{Event, Told};
use crate::name::{AgentName, Channel, EventId};
use crate::runner::Error;
use crate::time::Timestamp;

/// The channel, beside those of the reference document, on which an event is told again that came over the server alone,
/// once it is written down and has an id.
pub(super) const WRITTEN_DOWN: &str = "mycelium:events";
/// Largest message that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Where the user may not hear all channels: those of the reference document, and ours.
const KNOWN: [&str; 6] = ["agents:*", "tasks:*", "workflows:*", "snapshot:*", "training:*", "mycelium:*"];

/// What is to be heard on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// What is published, and which keys change.
    Everything,
    /// What is published.
    Channels,
}

/// Connects and listens, to all channels or, where that is not permitted, to those that are known.
pub(super) fn listen(
    target: &Target,
    within: Duration,
    hearing: Hearing,
    on_news: impl Fn(News) + Clone + Send + Sync + 'static,
) -> Result<Link, BridgeError> {
    let connect = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        match hearing {
            Hearing::Everything => Link::listen(&target.settings, within, &patterns, on_news.clone()),
            Hearing::Channels => Link::hear(&target.settings, within, &patterns, on_news.clone()),
        }
    };
    let link = connect(&["*"])?;
    let is_deaf = link.lacks().iter().any(|lack| lack == "PSUBSCRIBE *");
    // A message comes once for every pattern that fits: not both at once.
    if is_deaf { connect(&KNOWN) } else { Ok(link) }
}

impl State {
    /// Tells the server what was told here, but for what came from there.
    pub(super) fn tell(&mut self, link: &Link, told: &[Told]) -> Result<usize, Error> {
        let mut messages = Vec::new();
        for told in told.iter().filter(|told| !self.has_arrived(&told.id)) {
            messages.extend(told.channels.iter().map(|channel| message(told, channel)));
        }
        link.publish(&messages)?;
        if let Some(last) = told.last() {
            self.note_told(&last.id)?;
        }
        Ok(messages.len())
    }

    /// Puts into the stream what it has lost, if the server holds another set of data than before.
    pub(super) fn refill(&mut self, link: &Link, space: &str) -> Result<(), Error> {
        let mut messages = Vec::new();
        for told in self.lost_before(space)? {
            messages.extend(told.channels.iter().map(|channel| message(&told, channel)));
        }
        Ok(link.keep(&messages)?)
    }

    /// A message of somebody who publishes over the server alone: written down, and told again with its id. Of several
    /// watchers one does so.
    pub(super) fn write_down(&mut self, link: &Link, channel: &str, payload: &[u8]) -> Result<Option<EventId>, Error> {
        let Some((channel, value)) = foreign(channel, payload) else { return Ok(None) };
        let agent = value.get("agent").and_then(Json::as_str).and_then(|name| AgentName::new(name).ok());
        let id = match self.workspace.publish_as(agent, channel.clone(), value) {
            Ok(id) => id,
            Err(Error::Publish(why)) => {
                self.garbage.insert(format!("channel {channel}"), why.to_string());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.note_arrived(id.clone());
        self.tell_again(link, &id)?;
        Ok(Some(id))
    }

    fn tell_again(&mut self, link: &Link, id: &EventId) -> Result<(), Error> {
        let told = self.hear()?;
        // What else was told meanwhile goes out with the next pass.
        self.untold.clone_from(&told);
        for told in told.iter().filter(|told| told.id == *id) {
            if let Some(channel) = told.channels.first() {
                let payload = told.on(channel.clone()).to_json().to_string().into_bytes();
                link.publish(&[Message { channel: WRITTEN_DOWN.to_owned(), payload }])?;
            }
        }
        Ok(())
    }
}

fn message(told: &Told, channel: &Channel) -> Message {
    let payload = told.on(channel.clone()).to_json().to_string().into_bytes();
    Message { channel: channel.to_string(), payload }
}

/// A message without an id of ours: its channel and what it says.
fn foreign(channel: &str, payload: &[u8]) -> Option<(Channel, Json)> {
    if payload.len() > MESSAGE_BYTES_MAX || channel == WRITTEN_DOWN || event(payload).is_some() {
        return None;
    }
    let channel = Channel::new(channel).ok()?;
    let text = std::str::from_utf8(payload).ok()?;
    Some((channel, serde_json::from_str(text).unwrap_or_else(|_| Json::from(text))))
}

/// An event in a message, if one of us has told it.
pub(super) fn event(payload: &[u8]) -> Option<Event> {
    let Ok(Json::Object(mut map)) = serde_json::from_slice(payload) else { return None };
    let mut text = |key: &str| match map.shift_remove(key) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let (id, at, channel, event) = (text("id")?, text("at")?, text("channel")?, text("event")?);
    let at: Timestamp = at.parse().ok()?;
    Some(Event { id: EventId::new(id).ok()?, at, channel: Channel::new(channel).ok()?, event, body: map })
}
