//! Events on the server: what is told here goes out on its channels, behind the state that it is about; what only the server
//! knows is written down here. On the server an event is a hint: the record is in the files.

use std::time::Duration;

use serde_json::Value as Json;

use super::target::RedisTarget;
use crate::adapters::redis::{BridgeError, Link, Message, News};
use crate::core::event::{Event, Told};
use crate::core::name::{AgentName, Channel, EventId};
use crate::core::time::Timestamp;
use crate::services::NewEvent;

/// The channel, beside those of the reference document, on which an event is told again that came over the server alone,
/// once it is written down and has an id.
pub(super) const WRITTEN_DOWN: &str = "mycelium:events";
/// The key in an event under which the set of data is told.
const SPACE: &str = "space";
/// Largest message that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

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
pub(super) fn payload(event: &Event, space: Option<&str>) -> Vec<u8> {
    let mut json = event.to_json();
    if let (Some(map), Some(space)) = (json.as_object_mut(), space) {
        map.entry(SPACE).or_insert_with(|| Json::from(space));
    }
    json.to_string().into_bytes()
}

pub(super) fn message(told: &Told, channel: &Channel, space: Option<&str>) -> Message {
    Message { channel: channel.to_string(), payload: payload(&told.on(channel.clone()), space) }
}

/// A message without an id of ours as an event; `None` if it is one of ours.
///
/// # Errors
/// Why it cannot be written down.
pub(super) fn foreign(channel: &str, payload: &[u8]) -> Result<Option<NewEvent>, String> {
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
