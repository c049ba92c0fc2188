//! One line of the feed as text and back: what was told of which document, and what it was before and is now.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::brief::Seen;
use crate::core::name::{Channel, DocPath, EventId};
use crate::core::time::Timestamp;

/// One event as the feed has it: told once, on all its channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The channels it is on; the most special first.
    pub channels: Vec<Channel>,
    /// What happened.
    pub event: String,
    /// Everything else.
    pub body: Map<String, Json>,
}

/// The branch whose documents were told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Branch {
    /// Its name; `None` if HEAD is detached.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its newest commit.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// One line of the feed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// The document that it is about.
    pub path: Option<DocPath>,
    /// What the document was before; `None`: it was not there.
    pub was: Option<Seen>,
    /// What it is now; `None`: it is gone.
    pub now: Option<Seen>,
    /// The event that told of the document last, where that is not on a line before.
    pub last: Option<EventId>,
    /// What is told.
    pub told: Vec<Told>,
    /// Where HEAD was when an operation was asked for.
    pub base: Option<Branch>,
    /// Where HEAD is, if that was looked at.
    pub branch: Option<Branch>,
    /// From here on every document is known.
    pub whole: bool,
}

#[derive(Serialize, Deserialize)]
struct RawTold {
    id: String,
    at: i64,
    ch: Vec<String>,
    ev: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    bd: Map<String, Json>,
}

#[derive(Serialize, Deserialize)]
struct Raw {
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    was: Option<Seen>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    now: Option<Seen>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<RawTold>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    base: Option<Branch>,
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    branch: Option<Branch>,
    #[serde(rename = "all", default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
}

impl Line {
    /// The line as text, with its line end.
    #[must_use]
    pub fn text(&self) -> String {
        let told = self.told.iter().map(|told| RawTold {
            id: told.id.to_string(),
            at: told.at.unix_ms(),
            ch: told.channels.iter().map(ToString::to_string).collect(),
            ev: told.event.clone(),
            bd: told.body.clone(),
        });
        let raw = Raw {
            path: self.path.as_ref().map(ToString::to_string),
            was: self.was.clone(),
            now: self.now.clone(),
            last: self.last.as_ref().map(ToString::to_string),
            told: told.collect(),
            base: self.base.clone(),
            branch: self.branch.clone(),
            whole: self.whole,
        };
        // Keys are texts and numbers are finite, so there is always a text.
        serde_json::to_string(&raw).map(|text| text + "\n").unwrap_or_default()
    }

    /// Reads a line; `None` if it is none: a power cut may leave anything.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let raw: Raw = serde_json::from_str(text).ok()?;
        let told = raw.told.into_iter().map(|raw| {
            let channels = raw.ch.into_iter().map(Channel::new).collect::<Result<Vec<_>, _>>().ok()?;
            Some(Told {
                id: EventId::new(raw.id).ok()?,
                at: Timestamp::from_unix_ms(raw.at),
                channels,
                event: raw.ev,
                body: raw.bd,
            })
        });
        Some(Self {
            path: raw.path.map(DocPath::new).transpose().ok()?,
            was: raw.was,
            now: raw.now,
            last: raw.last.map(EventId::new).transpose().ok()?,
            told: told.collect::<Option<Vec<_>>>()?,
            base: raw.base,
            branch: raw.branch,
            whole: raw.whole,
        })
    }
}
