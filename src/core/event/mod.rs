//! From changes to events: what is told of a document that changed, on which channels, and how published events are
//! written. Pure; who tells whom is the business of `runner`.
//!
//! Three texts meet here: the lines of `events-<x>.md` (see `line`), the lines of the feed (see `feed`), and the JSON that a
//! subscriber gets (see [`Event::to_json`]).

mod arrival;
mod brief;
mod feed;
mod fold;
mod lifecycle;
mod line;
mod log;
mod put_back;

use serde_json::{Map, Value as Json};

use crate::core::name::{Channel, ChannelPattern, EventId};
use crate::core::time::Timestamp;

pub use arrival::Arrivals;
pub use brief::{Brief, Seen, digest};
pub use feed::{Branch, Line, Told};
pub use fold::{Fold, Known};
pub use lifecycle::{Deed, Replaced, Side, edited, replaced, told};
pub use line::{EVENT_BYTES_MAX, PublishError, Published};
pub use log::{LOG_BYTES_MAX, LOG_DEFAULT, LogAfter, after_publishing, after_publishing_all, missing, read_log};
pub use put_back::put_back;

/// The channel of notices that everything may be different now.
pub const SNAPSHOT: &str = "snapshot:replaced";

/// The channels on which documents are told of.
pub const CHANNELS: [&str; 8] = [
    "agents:events",
    "tasks:events",
    "tasks:completed",
    "tasks:failed",
    "workflows:events",
    "workflows:completed",
    "workflows:failed",
    SNAPSHOT,
];

/// One event, as a subscriber gets it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its id: the same event has the same id, however often it is told.
    pub id: EventId,
    /// When it happened: an operation's moment; of an edit by hand, when it was seen.
    pub at: Timestamp,
    /// The channel by which it was found.
    pub channel: Channel,
    /// What happened: `created`, `completed`, or whatever its publisher says.
    pub event: String,
    /// Everything else.
    pub body: Map<String, Json>,
}

impl Event {
    /// Returns true if it is a notice that everything may be different, or something missing.
    #[must_use]
    pub fn is_notice(&self) -> bool {
        self.event == "replaced" && self.channel.as_str() == SNAPSHOT
    }

    /// The event as JSON: `id`, `at`, `channel`, `event`, then the rest.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut map = Map::new();
        map.insert("id".to_owned(), Json::from(self.id.as_str()));
        map.insert("at".to_owned(), Json::from(self.at.to_the_millisecond()));
        map.insert("channel".to_owned(), Json::from(self.channel.as_str()));
        map.insert("event".to_owned(), Json::from(self.event.as_str()));
        for (key, value) in &self.body {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Json::Object(map)
    }
}

/// As [`Event::to_json`].
impl serde::Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(to)
    }
}

impl Told {
    /// The event for somebody who wants these channels, if it is on one of them; once, whatever number of them it is on.
    #[must_use]
    pub fn wanted(&self, patterns: &[ChannelPattern]) -> Option<Event> {
        let fits = |channel: &&Channel| patterns.iter().any(|pattern| pattern.fits(channel));
        self.channels.iter().find(fits).map(|channel| self.on(channel.clone()))
    }

    /// The same, or a notice that something may be missing: it is for all, since on any channel something may be.
    #[must_use]
    pub fn wanted_or_notice(&self, patterns: &[ChannelPattern]) -> Option<Event> {
        let notice = || self.channels.first().filter(|_| self.is_notice()).map(|channel| self.on(channel.clone()));
        self.wanted(patterns).or_else(notice)
    }

    /// Returns true if it is the notice with which a feed begins.
    #[must_use]
    pub fn begins_feed(&self) -> bool {
        self.is_notice() && self.body.get("reason").and_then(Json::as_str) == Some(lifecycle::BEGINS)
    }

    /// Returns true if it is a notice that everything may be different, or something missing.
    #[must_use]
    pub fn is_notice(&self) -> bool {
        self.event == "replaced" && self.channels.first().is_some_and(|channel| channel.as_str() == SNAPSHOT)
    }

    /// The event as it is told on a channel.
    #[must_use]
    pub fn on(&self, channel: Channel) -> Event {
        Event { id: self.id.clone(), at: self.at, channel, event: self.event.clone(), body: self.body.clone() }
    }
}
