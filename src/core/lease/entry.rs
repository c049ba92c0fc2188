//! One entry of the lease registry: what this clone knows of the last holder of a task.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::name::AgentName;
use crate::core::time::Timestamp;

/// The version of the bytes; entries of other versions are not read.
const VERSION: u64 = 1;

/// The state of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// The lease begins; the document may not say so yet.
    Begun,
    /// The document says so.
    Held,
    /// The holder released the task.
    Released,
    /// The lease expired and the task is pending again; the holder may resume it until another agent gets it.
    Expired,
    /// The task was completed.
    Completed,
    /// The task failed.
    Failed,
}

impl EntryState {
    /// Returns true if an agent holds the task.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Begun | Self::Held)
    }

    /// Returns its word in JSON.
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
pub struct LeasePlace {
    /// The worktree, or the plain folder outside git.
    pub root: PathBuf,
    /// The document's path below it.
    pub document: String,
    /// The branch that was checked out there.
    pub branch: Option<String>,
}

/// A time on the clock that runs since the machine started, also while it sleeps. Setting the wall clock does not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTime {
    /// The id of this start of the machine.
    pub boot: String,
    /// Milliseconds since then.
    pub ms: u64,
    /// How many of them the machine slept.
    pub slept_ms: u64,
}

/// An agent whose lease ended, and whose task another agent has held since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerHolder {
    /// The agent.
    pub by: AgentName,
    /// Its fencing token.
    pub fence: u64,
    /// When its lease expired, by the wall clock; `None` if the task was stolen before.
    pub ended: Option<Timestamp>,
}

/// What the registry says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEntry {
    /// The fencing token: 1 for the first holder of the task, one more for each next one.
    pub fence: u64,
    /// The state.
    pub state: EntryState,
    /// The holder, or the last one.
    pub by: AgentName,
    /// How long the lease lasts unless it is renewed.
    pub lease: Duration,
    /// Since when, by the wall clock; only shown to people.
    pub since: Timestamp,
    /// When the lease was last renewed or measured from.
    pub renewed: BootTime,
    /// Where the task was claimed.
    pub place: LeasePlace,
    /// When the lease expired, by the wall clock, if the task is pending again.
    pub ended: Option<Timestamp>,
    /// The holders before this one whose lease ended, the latest last.
    pub former: Vec<FormerHolder>,
    /// When an operation of another actor last wrote the document, in milliseconds by the wall clock: that save does not renew
    /// the lease.
    pub foreign_save: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u64,
    state: EntryState,
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

impl LeaseEntry {
    /// Returns the entry as one line.
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

    /// Reads an entry; `None` if it is torn or of another version.
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
            renewed: BootTime { boot: written.boot, ms: written.renewed_ms, slept_ms: written.slept_ms },
            place: LeasePlace { root: PathBuf::from(written.root), document: written.document, branch: written.branch },
            ended: written.ended.and_then(|ended| ended.parse().ok()),
            former: written.former.into_iter().filter_map(WrittenFormer::read).collect(),
            foreign_save: written.foreign_save,
        })
    }

    /// Returns the entry renewed at this time.
    #[must_use]
    pub fn renewed_at(&self, now: &BootTime) -> Self {
        Self { renewed: now.clone(), ..self.clone() }
    }

    /// Returns the entry in another state.
    #[must_use]
    pub fn in_state(&self, state: EntryState) -> Self {
        Self { state, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> LeaseEntry {
        LeaseEntry {
            fence: u64::MAX,
            state: EntryState::Begun,
            by: AgentName::new("ai-engineer").expect("valid"),
            lease: Duration::from_millis(1_500),
            since: "2025-10-17T00:00:00Z".parse().expect("a moment"),
            renewed: BootTime { boot: "b".to_owned(), ms: 7, slept_ms: 3 },
            place: LeasePlace {
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
        for state in [
            EntryState::Begun,
            EntryState::Held,
            EntryState::Released,
            EntryState::Expired,
            EntryState::Completed,
            EntryState::Failed,
        ] {
            let entry = entry().in_state(state);
            assert_eq!(LeaseEntry::from_bytes(&entry.to_bytes()), Some(entry));
        }
    }

    #[test]
    fn an_entry_of_an_earlier_version_is_read() {
        let text = String::from_utf8(entry().to_bytes()).expect("text");
        let end = text.find(",\"slept_ms\"").expect("the new keys stand last");
        let old = LeaseEntry::from_bytes(format!("{}}}\n", &text[..end]).as_bytes()).expect("it is read");
        assert_eq!((old.fence, old.renewed.slept_ms, old.ended, old.former), (u64::MAX, 0, None, Vec::new()));
    }

    #[test]
    fn what_is_torn_is_no_entry() {
        let bytes = entry().to_bytes();
        for end in 0..bytes.len() - 1 {
            assert_eq!(LeaseEntry::from_bytes(&bytes[..end]), None, "{end}");
        }
        assert_eq!(LeaseEntry::from_bytes(&vec![0; bytes.len()]), None);
        let newer = String::from_utf8(bytes).expect("text").replace("\"version\":1", "\"version\":2");
        assert_eq!(LeaseEntry::from_bytes(newer.as_bytes()), None);
    }
}
