//! Events on the server: what is told here goes out on its channels, behind the state that it is about; what only the server
//! knows is written down here. On the server an event is a hint: the record is in the files.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value as Json;

use super::inbox::Heard;
use super::redis_target::RedisTarget;
use super::state::State;
use crate::adapters::redis::{BridgeError, Link, Message, News};
use crate::core::event::{Event, Told};
use crate::core::name::{AgentName, Channel, DocId, DocPath, EventId, Kind};
use crate::core::time::Timestamp;
use crate::services::{Error, NewEvent};

/// The channel, beside those of the reference document, on which an event is told again that came over the server alone,
/// once it is written down and has an id.
pub(super) const WRITTEN_DOWN: &str = "mycelium:events";
/// The key in an event under which the set of data is told.
const SPACE: &str = "space";
/// Largest message that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Messages that are written down as one operation.
const WRITTEN_AT_ONCE: usize = 500;
/// Events with their ids that wait to be published, at most.
const RETOLD_MAX: usize = 10_000;
/// Keys and channels that are remembered as unusable, at most, for those of messages to be added.
const UNUSABLE_MAX: usize = 1_000;

/// The channels of the reference document, and ours: all that is heard where the user may not hear others, or where no prefix
/// tells whose a message is. A server has one set of channels for all of its databases.
pub(super) const KNOWN: [&str; 6] = ["agents:*", "tasks:*", "workflows:*", "snapshot:*", "training:*", "mycelium:*"];

/// What is to be heard on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// What is published, and which keys change.
    Everything,
    /// What is published.
    Channels,
}

/// Connects and listens to `own` patterns, or to all that is of interest; where that is not permitted, to what is known.
pub(super) fn listen(
    target: &RedisTarget,
    within: Duration,
    hearing: Hearing,
    own: &[String],
    on_news: impl Fn(News) + Clone + Send + Sync + 'static,
) -> Result<Link, BridgeError> {
    let connect = |patterns: &[String]| match hearing {
        Hearing::Everything => Link::listen(&target.settings, within, patterns, on_news.clone()),
        Hearing::Channels => Link::hear(&target.settings, within, patterns, on_news.clone(), false),
    };
    let patterns = patterns(target, own);
    let link = connect(&patterns)?;
    let is_deaf = link.lacks().iter().any(|lack| lack.starts_with("PSUBSCRIBE "));
    let known = least(&target.channels);
    // A message comes once for every pattern that fits: not both at once.
    if is_deaf && patterns != known { connect(&known) } else { Ok(link) }
}

/// What to listen to. Ours are always among it: there what others publish is told again.
fn patterns(target: &RedisTarget, own: &[String]) -> Vec<String> {
    let all = [String::from("*")];
    let wanted: &[String] = match own {
        [] if target.keys.prefix().is_empty() => &target.channels,
        [] => &all,
        own => own,
    };
    least(&[wanted, &[WRITTEN_DOWN.to_owned()]].concat())
}

/// Without those that others include: a message would come once for each.
fn least(patterns: &[String]) -> Vec<String> {
    let includes = |wide: &str, narrow: &str| {
        wide != narrow
            && wide.strip_suffix('*').is_some_and(|stem| !stem.contains(['*', '?']) && narrow.starts_with(stem))
    };
    let mut least: Vec<String> = Vec::new();
    for pattern in patterns {
        if !least.contains(pattern) && !patterns.iter().any(|wide| includes(wide, pattern)) {
            least.push(pattern.clone());
        }
    }
    least
}

/// An event as it is told there: with the set of data it belongs to, so that another repository on that server, in another
/// database, knows that it is not meant.
fn payload(event: &Event, space: Option<&str>) -> Vec<u8> {
    let mut json = event.to_json();
    if let (Some(map), Some(space)) = (json.as_object_mut(), space) {
        map.entry(SPACE).or_insert_with(|| Json::from(space));
    }
    json.to_string().into_bytes()
}

impl State {
    /// Tells the server what was told here, but for what came from there.
    pub(super) fn tell(&mut self, link: &Link, told: &[Told]) -> Result<usize, Error> {
        let mut messages = Vec::new();
        let mut new: Vec<&Told> = told.iter().filter(|told| !self.has_arrived(&told.id)).collect();
        new.retain(|told| !self.is_left_to_git(told));
        // What says nothing of it is heard by all.
        let space = if new.is_empty() { None } else { link.space().ok().flatten() };
        for told in new {
            messages.extend(told.channels.iter().map(|channel| message(told, channel, space.as_deref())));
        }
        let sent = self.retell(link).and_then(|()| Ok(link.publish(&messages)?));
        if let Err(error) = sent {
            self.untold = told.to_vec();
            return Err(error);
        }
        if let Some(last) = told.last() {
            self.note_told(&last.id)?;
        }
        Ok(messages.len())
    }

    /// Returns true if an event is about a document whose text leaves this machine only as git stores it.
    fn is_left_to_git(&self, told: &Told) -> bool {
        let Some(repository) = &self.project.repository else { return false };
        Kind::ALL.into_iter().any(|kind| {
            let id = told.body.get(&format!("{}_id", kind.word())).and_then(Json::as_str);
            let path = id.and_then(|id| DocId::new(id).ok()).map(|id| DocPath::for_new(kind, &id));
            let gap =
                path.map(|path| repository.attributes().attribute_gap(&self.project.documents().in_repository(&path)));
            gap.is_some_and(|gap| !matches!(gap, Ok(None)))
        })
    }

    /// Puts into the stream what it has lost, if the server holds another set of data than before.
    pub(super) fn refill(&mut self, link: &Link, space: &str) -> Result<(), Error> {
        let mut messages = Vec::new();
        for told in self.lost_before(space)? {
            messages.extend(told.channels.iter().map(|channel| message(&told, channel, Some(space))));
        }
        Ok(link.keep(&messages)?)
    }

    /// Writes down what other programs published over the server alone while this clone had the lead, and publishes it with
    /// ids. What is dealt with is taken out of `heard`; what cannot be written stays in it. Gives how many messages came when
    /// it is not known whether another clone had the lead.
    ///
    /// # Errors
    /// [`Error`] if the folder fails, or the server when all is written.
    pub(super) fn write_down(&mut self, link: &Link, heard: &mut Vec<Heard>) -> Result<u64, Error> {
        let mut lost = 0;
        let mut sent = if heard.is_empty() { Ok(()) } else { self.still_leads(link).map(|_| ()) };
        while !heard.is_empty() {
            let part = heard.len().min(WRITTEN_AT_ONCE);
            let mut events = Vec::with_capacity(part);
            for message in &heard[..part] {
                match foreign(&message.channel, &message.payload) {
                    Ok(Some(event)) if self.led.had(message.at) => events.push(event),
                    // Else it was heard, and written down, by the clone that had the lead.
                    Ok(Some(_)) => lost += u64::from(!self.led.is_outside(message.at)),
                    Err(why) if self.led.had(message.at) => self.note_unusable(&message.channel, why),
                    Ok(None) | Err(_) => {}
                }
            }
            let ids = self.publish_foreign(events)?;
            drop(heard.drain(..part));
            sent = sent.and_then(|()| self.tell_again(link, &ids)).and_then(|()| self.keep_lead(link));
        }
        sent.map(|()| lost)
    }

    fn publish_foreign(&mut self, events: Vec<NewEvent>) -> Result<Vec<EventId>, Error> {
        let channels: Vec<Channel> = events.iter().map(|event| event.channel.clone()).collect();
        let mut ids = Vec::with_capacity(events.len());
        for (channel, result) in channels.iter().zip(self.project.events().publish_all(&self.project.actor, events)?) {
            match result {
                Ok(id) => {
                    self.note_arrived(id.clone());
                    ids.push(id);
                }
                Err(why) => self.note_unusable(channel.as_str(), why.to_string()),
            }
        }
        Ok(ids)
    }

    fn note_unusable(&mut self, channel: &str, why: String) {
        if self.garbage.len() < UNUSABLE_MAX {
            self.garbage.insert(format!("channel {channel}"), why);
        }
    }

    fn tell_again(&mut self, link: &Link, ids: &[EventId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: HashSet<&EventId> = ids.iter().collect();
        let told = self.hear()?;
        // What else was told meanwhile goes out with the next pass.
        self.untold.clone_from(&told);
        let space = link.space().ok().flatten();
        for told in told.iter().filter(|told| ids.contains(&told.id)) {
            if let Some(channel) = told.channels.first() {
                let payload = payload(&told.on(channel.clone()), space.as_deref());
                self.retold.push(Message { channel: WRITTEN_DOWN.to_owned(), payload });
            }
        }
        match self.retell(link) {
            // It is written down; others hear of it when there is room again.
            Err(Error::Bridge(BridgeError::Full { .. })) => {
                let too_many = self.retold.len().saturating_sub(RETOLD_MAX);
                drop(self.retold.drain(..too_many));
                Ok(())
            }
            done => done,
        }
    }

    fn retell(&mut self, link: &Link) -> Result<(), Error> {
        if !self.retold.is_empty() {
            link.publish(&self.retold)?;
            self.retold.clear();
        }
        Ok(())
    }
}

fn message(told: &Told, channel: &Channel, space: Option<&str>) -> Message {
    Message { channel: channel.to_string(), payload: payload(&told.on(channel.clone()), space) }
}

/// A message without an id of ours as an event; `None` if it is one of ours.
///
/// # Errors
/// Why it cannot be written down.
fn foreign(channel: &str, payload: &[u8]) -> Result<Option<NewEvent>, String> {
    if channel == WRITTEN_DOWN {
        return Ok(None);
    }
    if payload.len() > MESSAGE_BYTES_MAX {
        return Err(format!("a message of {} bytes; at most {MESSAGE_BYTES_MAX} are allowed", payload.len()));
    }
    if event(payload).is_some() {
        return Ok(None);
    }
    let channel = Channel::new(channel).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(payload).map_err(|_| "a message that is no UTF-8".to_owned())?;
    let value = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
    let agent = value.get("agent").and_then(Json::as_str).and_then(|name| AgentName::new(name).ok());
    Ok(Some(NewEvent { agent, channel, value }))
}

/// An event in a message, if one of us has told it.
pub(super) fn event(payload: &[u8]) -> Option<Event> {
    event_of(payload).map(|(event, _)| event)
}

/// The same, and the set of data that it belongs to, if that is told.
pub(super) fn event_of(payload: &[u8]) -> Option<(Event, Option<String>)> {
    let Ok(Json::Object(mut map)) = serde_json::from_slice(payload) else { return None };
    let mut text = |key: &str| match map.shift_remove(key) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let (id, at, channel, event) = (text("id")?, text("at")?, text("channel")?, text("event")?);
    let at: Timestamp = at.parse().ok()?;
    // Else it is a word of whoever published it.
    let is_ours = map.get(SPACE).and_then(Json::as_str).is_some_and(is_space);
    let space =
        if is_ours { map.shift_remove(SPACE).and_then(|space| space.as_str().map(str::to_owned)) } else { None };
    let event = Event { id: EventId::new(id).ok()?, at, channel: Channel::new(channel).ok()?, event, body: map };
    Some((event, space))
}

/// The name of a set of data looks so.
fn is_space(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_another_includes_is_left_out() {
        let least = |patterns: &[&str]| least(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>()).join(" ");
        assert_eq!(least(&["a:*", "a:b", "a:*", "b"]), "a:* b");
        assert_eq!(least(&["*", "a:*", "mycelium:events"]), "*");
        assert_eq!(least(&["?:*", "a:*"]), "?:* a:*");
    }

    #[test]
    fn a_set_of_data_is_told_beside_the_event_and_is_no_part_of_it() {
        let told = |space: &str| {
            format!(
                r#"{{"id":"20260101T000000Z-00000000000000aa","at":"2026-01-01T00:00:00Z","channel":"a:b","event":"e","space":"{space}"}}"#
            )
        };
        let (event, space) = event_of(told("0123456789abcdef").as_bytes()).expect("an event");
        assert_eq!((event.body.len(), space.as_deref()), (0, Some("0123456789abcdef")));
        assert_eq!(event_of(&payload(&event, space.as_deref())), Some((event, space)));
        let (event, space) = event_of(told("a room").as_bytes()).expect("an event");
        assert_eq!((event.body.len(), space), (1, None));
    }
}
