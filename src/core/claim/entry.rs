//! One line of the ledger: what this clone knows of the last holder of a task. Bytes in, values out; no file and no clock.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::name::AgentName;
use crate::core::time::Timestamp;

/// The version of the bytes; an entry of another one is not read.
const VERSION: u64 = 1;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is given; the document may not say so yet.
    Begun,
    /// The document says so.
    Held,
    /// It was given back.
    Released,
    /// Its lease ended and it was taken back: the holder may still take it up again until another one has had it.
    Expired,
    /// The task was completed.
    Completed,
    /// The task was given up.
    Failed,
}

impl State {
    /// Tells whether somebody has the task.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Begun | Self::Held)
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Held => "held",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Where a task was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The work tree, or the plain folder outside git.
    pub root: PathBuf,
    /// The document's path below it.
    pub document: String,
    /// The branch that was checked out.
    pub branch: Option<String>,
}

/// A moment on the clock that counts since the machine started and does not stop while it sleeps. The clock on the wall
/// plays no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Which start of the machine.
    pub boot: String,
    /// Milliseconds since then.
    pub ms: u64,
    /// How many of them the machine slept.
    pub slept_ms: u64,
}

/// An agent whose lease ended, and whose task another one has had since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerHolder {
    /// Who.
    pub by: AgentName,
    /// Which holder that was.
    pub fence: u64,
    /// When the lease ended, by the clock on the wall; `None` if it was taken from them before.
    pub ended: Option<Timestamp>,
}

/// What the ledger says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which holder this is, counted from 1 over the life of the task.
    pub fence: u64,
    /// What became of it.
    pub state: State,
    /// Who has it, or had it last.
    pub by: AgentName,
    /// For how long they have it without a word.
    pub lease: Duration,
    /// Since when, by the clock on the wall: for people only.
    pub since: Timestamp,
    /// When they last said something, or somebody began to count anew.
    pub renewed: Moment,
    /// Where.
    pub place: Place,
    /// When the lease ended, by the clock on the wall, of a task that was taken back.
    pub ended: Option<Timestamp>,
    /// Who had it before and lost it, the latest last.
    pub former: Vec<FormerHolder>,
    /// When an operation of somebody else last wrote the document, in milliseconds by the clock on the wall: that is no sign
    /// that the holder lives.
    pub foreign_save: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u64,
    state: State,
    fence: u64,
    by: String,
    lease_ms: u64,
    since: String,
    boot: String,
    renewed_ms: u64,
    root: String,
    document: String,
    branch: Option<String>,
    #[serde(default)]
    slept_ms: u64,
    #[serde(default)]
    ended: Option<String>,
    #[serde(default)]
    former: Vec<WrittenFormer>,
    #[serde(default)]
    foreign_save: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct WrittenFormer {
    by: String,
    fence: u64,
    ended: Option<String>,
}

impl WrittenFormer {
    fn of(former: &FormerHolder) -> Self {
        let ended = former.ended.as_ref().map(ToString::to_string);
        Self { by: former.by.to_string(), fence: former.fence, ended }
    }

    fn read(self) -> Option<FormerHolder> {
        let ended = self.ended.and_then(|ended| ended.parse().ok());
        Some(FormerHolder { by: AgentName::new(self.by).ok()?, fence: self.fence, ended })
    }
}

impl Entry {
    /// The bytes of the entry, one line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            version: VERSION,
            state: self.state,
            fence: self.fence,
            by: self.by.to_string(),
            lease_ms: u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX),
            since: self.since.to_string(),
            boot: self.renewed.boot.clone(),
            renewed_ms: self.renewed.ms,
            root: self.place.root.to_string_lossy().into_owned(),
            document: self.place.document.clone(),
            branch: self.place.branch.clone(),
            slept_ms: self.renewed.slept_ms,
            ended: self.ended.as_ref().map(ToString::to_string),
            former: self.former.iter().map(WrittenFormer::of).collect(),
            foreign_save: self.foreign_save,
        };
        let mut bytes = serde_json::to_vec(&written).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads an entry; `None` if it is torn, or not one of this version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        if written.version != VERSION {
            return None;
        }
        Some(Self {
            fence: written.fence,
            state: written.state,
            by: AgentName::new(written.by).ok()?,
            lease: Duration::from_millis(written.lease_ms),
            since: written.since.parse().ok()?,
            renewed: Moment { boot: written.boot, ms: written.renewed_ms, slept_ms: written.slept_ms },
            place: Place { root: PathBuf::from(written.root), document: written.document, branch: written.branch },
            ended: written.ended.and_then(|ended| ended.parse().ok()),
            former: written.former.into_iter().filter_map(WrittenFormer::read).collect(),
            foreign_save: written.foreign_save,
        })
    }

    /// The same entry, counted from this moment on.
    #[must_use]
    pub fn renewed_at(&self, now: &Moment) -> Self {
        Self { renewed: now.clone(), ..self.clone() }
    }

    /// The same entry in another state.
    #[must_use]
    pub fn in_state(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            fence: u64::MAX,
            state: State::Begun,
            by: AgentName::new("ai-engineer").expect("valid"),
            lease: Duration::from_millis(1_500),
            since: "2025-10-17T00:00:00Z".parse().expect("a moment"),
            renewed: Moment { boot: "b".to_owned(), ms: 7, slept_ms: 3 },
            place: Place {
                root: PathBuf::from("/a b/ü"),
                document: "x/task-1.md".to_owned(),
                branch: Some("feature/\"x\"".to_owned()),
            },
            ended: Some("2025-10-17T00:05:00Z".parse().expect("a moment")),
            former: vec![FormerHolder { by: AgentName::new("ben").expect("valid"), fence: 4, ended: None }],
            foreign_save: Some(-5),
        }
    }

    #[test]
    fn an_entry_survives_its_bytes() {
        for state in [State::Begun, State::Held, State::Released, State::Expired, State::Completed, State::Failed] {
            let entry = entry().in_state(state);
            assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
        }
    }

    #[test]
    fn an_entry_of_an_earlier_version_is_read() {
        let text = String::from_utf8(entry().to_bytes()).expect("text");
        let end = text.find(",\"slept_ms\"").expect("the new keys stand last");
        let old = Entry::from_bytes(format!("{}}}\n", &text[..end]).as_bytes()).expect("it is read");
        assert_eq!((old.fence, old.renewed.slept_ms, old.ended, old.former), (u64::MAX, 0, None, Vec::new()));
    }

    #[test]
    fn what_is_torn_is_no_entry() {
        let bytes = entry().to_bytes();
        for end in 0..bytes.len() - 1 {
            assert_eq!(Entry::from_bytes(&bytes[..end]), None, "{end}");
        }
        assert_eq!(Entry::from_bytes(&vec![0; bytes.len()]), None);
        let newer = String::from_utf8(bytes).expect("text").replace("\"version\":1", "\"version\":2");
        assert_eq!(Entry::from_bytes(newer.as_bytes()), None);
    }
}
