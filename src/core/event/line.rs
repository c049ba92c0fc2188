//! One published event as a line of `events-<x>.md`, and back:
//!
//! ```text
//! - op-4k2j9w 2025-10-17T00:00:00.000Z training:progress checkpoint_saved `{"step":1000}`
//! ```
//!
//! The JSON stands in a code span on one line: whatever shows the file shows it as it is. Every character that could end the
//! line or the span, or change what a terminal shows, is written as `\uNNNN`.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::CHANNELS;
use super::feed::Told;
use crate::core::name::{AgentName, Channel, EventId, NameError, is_unsafe_to_show};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::time::Timestamp;

/// Largest JSON of one published event, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;
/// Deepest JSON that is read back.
const DEPTH_MAX: usize = 100;
/// Keys that are not the publisher's to set.
const OURS: [&str; 3] = ["id", "at", "channel"];
/// What an event is called that says nothing.
const UNNAMED: &str = "published";

/// A published event.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Its id: that of the operation that wrote it.
    pub id: EventId,
    /// When it was published.
    pub at: Timestamp,
    /// On which channel.
    pub channel: Channel,
    /// What it is called: letters, digits, `-`, `_` and `.`.
    pub event: String,
    /// Everything else.
    pub body: Map<String, Json>,
}

/// Why an event cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The event's name is none.
    #[error("the event's name does not fit: {0}")]
    Name(#[from] NameError),
    /// The channel is one on which only changes of documents are reported.
    #[error("the channel `{0}` is reserved: it reports changes of documents, and nothing else")]
    Lifecycle(Channel),
    /// `event` is not a text.
    #[error("`event` is not a text")]
    NotAText,
    /// A key that is set by us.
    #[error("an event may not have a key `{0}`: it is set when the event is published")]
    Reserved(&'static str),
    /// Too much.
    #[error("the event has {bytes} bytes of JSON; at most {max} are allowed")]
    TooBig {
        /// How many.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Nested too deep.
    #[error("the event is nested deeper than {0} levels")]
    TooDeep(usize),
}

impl Problem for PublishError {
    fn code(&self) -> &'static str {
        "bad-event"
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name(_) => "use letters, digits, `-`, `_` and `.` in the event's name".to_owned(),
            Self::Lifecycle(_) => {
                "publish on a channel of your own, such as `training:events`; a change of a document is reported by itself"
                    .to_owned()
            }
            Self::NotAText => "write the event's name as a text, `\"event\": \"saved\"`".to_owned(),
            Self::Reserved(key) => format!("give the key `{key}` another name"),
            Self::TooBig { .. } => "put bulky data into a file, and its path into the event".to_owned(),
            Self::TooDeep(_) => "put the data into a file, and its path into the event".to_owned(),
        })
    }
}

impl Published {
    /// An event from what somebody wants to tell: an object with its name in `event`; anything else becomes `value`. The
    /// agent that acts is named unless the event names one.
    ///
    /// # Errors
    /// [`PublishError`] if it cannot be written as a line.
    pub fn new(
        id: EventId,
        at: Timestamp,
        channel: Channel,
        value: Json,
        agent: Option<&AgentName>,
    ) -> Result<Self, PublishError> {
        if is_lifecycle(&channel) {
            return Err(PublishError::Lifecycle(channel));
        }
        let mut body = match value {
            Json::Object(map) => map,
            Json::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        if let Some(key) = OURS.into_iter().find(|key| body.contains_key(*key)) {
            return Err(PublishError::Reserved(key));
        }
        let event = match body.shift_remove("event") {
            None | Some(Json::Null) => UNNAMED.to_owned(),
            Some(Json::String(text)) => word(&text)?,
            Some(_) => return Err(PublishError::NotAText),
        };
        if let Some(agent) = agent {
            body.entry("agent").or_insert_with(|| Json::from(agent.as_str()));
        }
        if body.values().any(|value| depth(value) >= DEPTH_MAX) {
            return Err(PublishError::TooDeep(DEPTH_MAX));
        }
        let bytes = span(&body).len();
        if bytes > EVENT_BYTES_MAX {
            return Err(PublishError::TooBig { bytes, max: EVENT_BYTES_MAX });
        }
        Ok(Self { id, at, channel, event, body })
    }

    /// The line, without its end.
    #[must_use]
    pub fn text(&self) -> String {
        let at = self.at.to_the_millisecond();
        format!("- {} {at} {} {} `{}`", self.id, self.channel, self.event, span(&self.body))
    }

    /// Reads a line without its end.
    ///
    /// # Errors
    /// Which part of the line does not fit.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let rest = line.strip_prefix("- ").ok_or("it does not begin with `- `")?;
        let mut parts = rest.splitn(5, ' ');
        let mut part = || parts.next().unwrap_or_default();
        let id = EventId::new(part()).map_err(|_| "its id is none")?;
        let at = part().parse::<Timestamp>().map_err(|_| "its time is none")?;
        let channel = Channel::new(part()).map_err(|_| "its channel is none")?;
        if is_lifecycle(&channel) {
            return Err("its channel is reserved: it reports changes of documents, and nothing else");
        }
        let event = word(part()).map_err(|_| "its name is none")?;
        let span = part();
        let json = span.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        let json = json.ok_or("its JSON does not stand between backticks at the end of the line")?;
        match serde_json::from_str(json) {
            Ok(Json::Object(body)) => Ok(Self { id, at, channel, event, body }),
            _ => Err("what stands between the backticks is no JSON object"),
        }
    }

    /// The event as it is told.
    #[must_use]
    pub fn told(self) -> Told {
        Told { id: self.id, at: self.at, channels: vec![self.channel], event: self.event, body: self.body }
    }
}

/// Returns true for a channel on which only changes of documents are reported: nothing can be published there, so that a
/// subscriber may trust what comes.
fn is_lifecycle(channel: &Channel) -> bool {
    CHANNELS.contains(&channel.as_str())
}

/// The name of an event follows the rules of ids.
fn word(text: &str) -> Result<String, NameError> {
    EventId::new(text).map(|name| name.to_string())
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// JSON in which every character may stand in a code span. What has to be escaped can only stand in texts, where JSON
/// allows it.
fn span(body: &Map<String, Json>) -> String {
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '`' || is_unsafe_to_show(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn published(value: Json) -> Result<Published, PublishError> {
        let channel = Channel::new("a:b").expect("a channel");
        let id = EventId::new("op-1").expect("an id");
        Published::new(id, Timestamp::from_unix_ms(1_760_659_200_123), channel, value, None)
    }

    /// Neither by a call nor by a line that somebody wrote or a pull brought.
    #[test]
    fn nothing_can_be_published_on_a_channel_that_reports_changes_of_documents() {
        for name in CHANNELS {
            let channel = Channel::new(name).expect("a channel");
            let id = EventId::new("op-1").expect("an id");
            let at = Timestamp::from_unix_ms(1_760_659_200_123);
            let new = Published::new(id, at, channel.clone(), serde_json::json!({"task_id": "task-1"}), None);
            assert_eq!(new, Err(PublishError::Lifecycle(channel)));
            let line = format!("- op-1 2025-10-17T00:00:00.123Z {name} completed `{{}}`");
            assert!(Published::parse(&line).expect_err("reserved").contains("reserved"), "{line}");
            let near = line.replace(name, &format!("{name}s"));
            assert!(Published::parse(&near).is_ok(), "{near}");
        }
    }

    #[test]
    fn a_line_is_as_the_format_says() {
        let line = published(serde_json::json!({"event": "saved", "step": 1, "text": "a`b\n\u{202e}\u{1f600}"}));
        let expected =
            "- op-1 2025-10-17T00:00:00.123Z a:b saved `{\"step\":1,\"text\":\"a\\u0060b\\n\\u202e\u{1f600}\"}`";
        assert_eq!(line.expect("an event").text(), expected);
    }

    #[test]
    fn what_cannot_be_published_is_refused() {
        use serde_json::json;
        for (value, error) in [
            (json!({"id": 1}), "an event may not have a key `id`: it is set when the event is published"),
            (json!({"event": 1}), "`event` is not a text"),
            (json!({"event": "a b"}), "the event's name does not fit: the event id `a b` has a space at character 2"),
            (json!("x".repeat(EVENT_BYTES_MAX)), "the event has 16396 bytes of JSON; at most 16384 are allowed"),
        ] {
            assert_eq!(published(value).expect_err("refused").to_string(), error);
        }
        assert_eq!(published(Json::Null).expect("an event").event, "published");
    }

    #[test]
    fn what_is_no_line_says_why() {
        let good = published(Json::Null).expect("an event").text();
        assert!(Published::parse(&good).is_ok());
        for end in 0..good.len() {
            assert!(Published::parse(&good[..end]).is_err(), "{}", &good[..end]);
        }
    }

    fn value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_event_survives_its_line(value in value()) {
            if let Ok(event) = published(value) {
                let line = event.text();
                prop_assert!(!line.chars().any(is_unsafe_to_show), "{line:?}");
                prop_assert_eq!(line.matches('`').count(), 2);
                prop_assert_eq!(Published::parse(&line), Ok(event));
            }
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<String>()) {
            let _ = Published::parse(&line);
        }
    }
}
