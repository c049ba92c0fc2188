//! One line of the ledger: what this clone knows of the last holder of a task. Bytes in, values out; no file and no clock.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::AgentName;
use crate::time::Timestamp;

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
    /// It was given back, or taken back.
    Released,
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
            renewed: Moment { boot: written.boot, ms: written.renewed_ms },
            place: Place { root: PathBuf::from(written.root), document: written.document, branch: written.branch },
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
            renewed: Moment { boot: "b".to_owned(), ms: 7 },
            place: Place {
                root: PathBuf::from("/a b/ü"),
                document: "x/task-1.md".to_owned(),
                branch: Some("feature/\"x\"".to_owned()),
            },
        }
    }

    #[test]
    fn an_entry_survives_its_bytes() {
        for state in [State::Begun, State::Held, State::Released, State::Completed, State::Failed] {
            let entry = entry().in_state(state);
            assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
        }
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
