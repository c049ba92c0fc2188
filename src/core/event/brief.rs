//! What is remembered of a document that was told: enough to say what has happened when it is another the next time.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::merge;
use crate::core::name::{DocPath, Kind};
use crate::core::snapshot::Entry;

/// Bytes of a digest: 80 bits, so that no two states of a document meet by chance.
const DIGEST_BYTES: usize = 10;

/// What a document said, as far as events depend on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Brief {
    /// Its kind in one letter: `a`, `t`, `w`.
    #[serde(rename = "k")]
    kind: String,
    /// Its id.
    #[serde(rename = "i")]
    pub id: String,
    /// Its status.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Who holds it.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Who is to do it.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<String>,
    /// The count of its holders.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// How far it is.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Who approved it.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// How many of its holders lost it in a merge.
    #[serde(rename = "l", default, skip_serializing_if = "is_none")]
    pub losses: usize,
    /// It was skipped.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// It cannot be read; the rest is what it said before.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl Brief {
    /// What a document says; `None` for event logs and foreign files.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let kind = entry.kind?;
        let id = entry.id.as_ref()?.to_string();
        let mut brief = Self { kind: letter(kind).to_owned(), id, ..Self::default() };
        let Some(entity) = entry.entity.as_ref().filter(|_| entry.document.is_readable()) else {
            brief.unreadable = true;
            return Some(brief);
        };
        brief.status = Some(entity.status_word().to_owned());
        match entity {
            Entity::Task(task) => {
                brief.holder = task.claimed_by.as_ref().map(ToString::to_string);
                brief.assigned = task.assigned_to.as_ref().map(ToString::to_string);
                brief.fence = task.fence;
                brief.progress = task.progress;
                brief.approved.clone_from(&task.approved);
                brief.skipped = task.skip_reason().is_some();
                brief.losses = merge::losses(&entry.document).len();
            }
            Entity::Workflow(workflow) => brief.progress = workflow.progress,
            Entity::Agent(_) => {}
        }
        Some(brief)
    }

    /// The same document, which cannot be read now: what it said before is kept, to be compared when it has healed.
    #[must_use]
    pub fn broken(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if self.unreadable => Self { unreadable: true, ..before.clone() },
            _ => self,
        }
    }

    /// Returns the agent that holds it: the one whose document it is, or the one that works on the task.
    #[must_use]
    pub fn current_holder(&self) -> Option<&str> {
        match self.kind()? {
            Kind::Agent => Some(&self.id),
            Kind::Task => {
                let is_running = self.status.as_deref() == Some("running");
                self.holder.as_deref().or(self.assigned.as_deref().filter(|_| is_running))
            }
            Kind::Workflow => None,
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| letter(*kind) == self.kind)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "so it is called")]
const fn is_none(count: &usize) -> bool {
    *count == 0
}

const fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "a",
        Kind::Task => "t",
        Kind::Workflow => "w",
    }
}

/// A state of a document that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The digest of its bytes.
    #[serde(rename = "d")]
    pub digest: String,
    /// Its length in bytes.
    #[serde(rename = "l")]
    pub bytes: usize,
    /// What it said.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Brief>,
    /// The stamp of its file, if it was so old then that it need not be read again while it has this stamp.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<u64>,
}

impl Seen {
    /// A document with these bytes.
    #[must_use]
    pub fn of(path: &DocPath, bytes: &[u8]) -> Self {
        Self::read(&Entry::read(path.clone(), Document::parse(bytes)))
    }

    /// A document that was read.
    #[must_use]
    pub fn read(entry: &Entry) -> Self {
        let bytes = entry.document.bytes();
        Self { digest: digest(&[bytes]), bytes: bytes.len(), brief: Brief::of(entry), stamp: None }
    }
}

/// A number that tells texts apart, in 20 hexadecimal digits. The parts are told apart from their concatenation.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(DIGEST_BYTES).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_who_works_on_it_or_whose_document_it_is() {
        let holder = |path: &str, keys: &str| {
            let text = format!("---\ntype: t\n{keys}\n---\n");
            let brief = Seen::of(&DocPath::new(path).expect("valid"), text.as_bytes()).brief.expect("a document");
            brief.current_holder().map(str::to_owned)
        };
        for (path, keys, expected) in [
            ("task-1.md", "status: running\nclaimed_by: ann\nassigned_to: ben", Some("ann")),
            ("task-1.md", "status: running\nassigned_to: ben", Some("ben")),
            ("task-1.md", "status: pending\nassigned_to: ben", None),
            ("task-1.md", "status: completed\nclaimed_by: ann", Some("ann")),
            ("agent-ann.md", "agent: ann\nstatus: idle", Some("ann")),
            ("workflow-1.md", "status: running", None),
        ] {
            assert_eq!(holder(path, keys).as_deref(), expected, "{path}: {keys}");
        }
    }
}
