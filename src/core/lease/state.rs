//! The state of a lease by all that is known: the document here, the registry, and the document in the worktree that the
//! registry names.

use std::cmp::Ordering;
use std::time::Duration;

use super::entry::{BootTime, EntryState, LeaseEntry, LeasePlace};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Task, TaskStatus};
use crate::core::name::AgentName;
use crate::core::sabotage::{self, Sabotage};

/// The fields of a task's document that matter to its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseFacts {
    /// The status of the task.
    pub status: TaskStatus,
    /// The agent that the document names as the holder.
    pub claimed_by: Option<AgentName>,
    /// The fencing token; 0 without a holder so far.
    pub fence: u64,
    /// How long the lease lasts unless it is renewed.
    pub lease: Option<Duration>,
    /// The agent that the task is assigned to.
    pub assigned_to: Option<AgentName>,
    /// The first restricting value that cannot be used: with one, no agent gets the task.
    pub unusable: Option<Box<Diagnostic>>,
}

impl LeaseFacts {
    /// Returns the fields of a task.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        Self {
            status: task.status,
            claimed_by: task.claimed_by.clone(),
            fence: task.fence.unwrap_or(0),
            lease: task.lease,
            assigned_to: task.assigned_to.clone(),
            unusable: task.gates.unusable().map(|finding| Box::new(finding.clone())),
        }
    }

    /// Returns the holder by the document alone.
    #[must_use]
    pub fn holder(&self) -> Option<&AgentName> {
        self.claimed_by.as_ref().filter(|_| self.status == TaskStatus::Running)
    }
}

/// What the registry has on a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all are entries")]
pub enum LeaseRecord {
    /// An entry.
    Entry(LeaseEntry),
    /// Bytes that cannot be read, as after a power cut.
    Torn,
}

/// Whether the process that wrote an entry is still about to write the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryWriter {
    /// It is.
    Active,
    /// It has done so, or has died.
    Gone,
}

/// The document in the worktree that the registry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderDocument {
    /// It is the document of this worktree.
    Here,
    /// It is in another worktree and has these fields.
    There(LeaseFacts),
    /// It is in another worktree and cannot be read.
    Unseen,
}

/// All that is known of the lease of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEvidence {
    /// The document here.
    pub here: LeaseFacts,
    /// The record of the registry.
    pub record: Option<LeaseRecord>,
    /// The document in the worktree where the task is held.
    pub holder_document: HolderDocument,
    /// Whether the operation that wrote the record is still in progress.
    pub writer: EntryWriter,
    /// When the holder was last seen, by a heartbeat, an operation, or a save of the document or of the agent's own file; in
    /// milliseconds since the machine started, as [`BootTime::ms`].
    pub last_seen: Option<u64>,
    /// The history of this branch had what the entry says and left it again, as by a revert: the file wins.
    pub is_reverted: bool,
}

impl LeaseEvidence {
    /// Returns what is known of a task without a record.
    #[must_use]
    pub const fn of_document(here: LeaseFacts) -> Self {
        Self {
            here,
            record: None,
            holder_document: HolderDocument::Here,
            writer: EntryWriter::Gone,
            last_seen: None,
            is_reverted: false,
        }
    }

    /// Returns the entry of the registry, if there is one that can be read.
    #[must_use]
    pub const fn entry(&self) -> Option<&LeaseEntry> {
        match &self.record {
            Some(LeaseRecord::Entry(entry)) => Some(entry),
            _ => None,
        }
    }

    /// Returns the newest fencing token that is known.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.here.fence.max(self.entry().map_or(0, |entry| entry.fence))
    }
}

/// How much of a lease is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLeft {
    /// This much; zero if it has expired.
    Known(Duration),
    /// All of it, counted from now: the machine was restarted or slept since the last renewal.
    Reanchored(Duration),
}

impl TimeLeft {
    /// Returns true if the lease has expired.
    #[must_use]
    pub fn is_over(self) -> bool {
        self == Self::Known(Duration::ZERO)
    }

    /// Returns how long the lease still lasts.
    #[must_use]
    pub const fn span(self) -> Duration {
        match self {
            Self::Known(left) | Self::Reanchored(left) => left,
        }
    }
}

/// Who holds a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// No agent.
    Free,
    /// No agent, and yet the task is running: a person works on it.
    Unnamed,
    /// An agent of this clone.
    Held {
        /// The entry of the registry.
        entry: LeaseEntry,
        /// How much of the lease is left.
        left: TimeLeft,
    },
    /// This agent by the document; the registry of this clone has no lease of it, so when it ends is unknown.
    Elsewhere(AgentName),
    /// This agent by the document; the record of this clone cannot be read, so the lease is measured from now on.
    Lost(AgentName),
    /// No agent: the task was finished in another worktree, whose work is not merged here.
    Finished(LeaseEntry),
}

/// Returns who holds a task by all that is known.
#[must_use]
pub fn lease_state(evidence: &LeaseEvidence, now: &BootTime) -> LeaseState {
    let here = &evidence.here;
    let entry = match &evidence.record {
        None => return by_document(here),
        Some(_) if evidence.is_reverted => return by_document(here),
        Some(LeaseRecord::Torn) => {
            return here.holder().map_or_else(|| by_document(here), |by| LeaseState::Lost(by.clone()));
        }
        Some(LeaseRecord::Entry(entry)) => entry,
    };
    let Some(state) = settled(evidence, entry) else {
        // The process that died had taken the task from the holder that the document still names.
        let had_lost_it = entry.state == EntryState::Begun && entry.fence > here.fence && here.holder().is_some();
        return if had_lost_it { LeaseState::Free } else { by_document(here) };
    };
    // Another clone gave the task to an agent, and its document was pulled.
    if entry.fence < here.fence {
        return by_document(here);
    }
    // The holder in the document here is of an earlier claim.
    let is_outdated = entry.fence > here.fence || here.holder().is_some();
    match state {
        EntryState::Begun | EntryState::Held => {
            // A merge or a person gave it to another agent, whose lease this clone does not know.
            if let Some(by) = here.holder().filter(|by| entry.fence == here.fence && **by != entry.by) {
                return LeaseState::Elsewhere(by.clone());
            }
            LeaseState::Held { left: left(entry, evidence.last_seen, now), entry: entry.in_state(EntryState::Held) }
        }
        EntryState::Completed | EntryState::Failed if is_outdated => LeaseState::Finished(entry.in_state(state)),
        EntryState::Released | EntryState::Expired if here.holder().is_some() => LeaseState::Free,
        _ => by_document(here),
    }
}

fn by_document(here: &LeaseFacts) -> LeaseState {
    match (here.status, &here.claimed_by) {
        (TaskStatus::Running, Some(by)) => LeaseState::Elsewhere(by.clone()),
        (TaskStatus::Running, None) => LeaseState::Unnamed,
        _ => LeaseState::Free,
    }
}

/// Returns the state of an entry by the document of its worktree; `None` if the entry is void: its writer died before it wrote
/// the document, or the document has changed without the registry.
fn settled(evidence: &LeaseEvidence, entry: &LeaseEntry) -> Option<EntryState> {
    let holder_document = match &evidence.holder_document {
        HolderDocument::Here => &evidence.here,
        HolderDocument::There(facts) => facts,
        HolderDocument::Unseen => return Some(entry.state),
    };
    if evidence.writer == EntryWriter::Active {
        return Some(entry.state);
    }
    match holder_document.fence.cmp(&entry.fence) {
        // Another branch may be checked out there; a claim that was never in the document is void.
        Ordering::Less => (entry.state != EntryState::Begun).then_some(entry.state),
        Ordering::Equal => match holder_document.status {
            TaskStatus::Running => holder_document.holder().map(|_| EntryState::Held),
            TaskStatus::Completed => Some(EntryState::Completed),
            TaskStatus::Failed => Some(EntryState::Failed),
            // A lease that its last holder was about to resume has still expired.
            TaskStatus::Pending if matches!(entry.state, EntryState::Expired | EntryState::Begun) => {
                Some(EntryState::Expired)
            }
            TaskStatus::Pending => Some(EntryState::Released),
        },
        Ordering::Greater => None,
    }
}

/// How long the machine must have slept for leases to begin again, in milliseconds. The two clocks that show it are not read at
/// the same instant.
const SLEEP_MIN_MS: u64 = 10_000;

/// Returns how much of a lease is left. After a restart of the machine the age of a lease is unknown, and while the machine
/// sleeps no agent can renew one.
fn left(entry: &LeaseEntry, last_seen: Option<u64>, now: &BootTime) -> TimeLeft {
    let lease = entry.lease;
    let has_slept = now.slept_ms.saturating_sub(entry.renewed.slept_ms) >= SLEEP_MIN_MS;
    if (entry.renewed.boot != now.boot || has_slept) && !sabotage::on(Sabotage::AnyBoot) {
        return TimeLeft::Reanchored(lease);
    }
    if sabotage::on(Sabotage::NoLease) {
        return TimeLeft::Known(Duration::ZERO);
    }
    TimeLeft::Known(lease.saturating_sub(silence(entry, last_seen, now)))
}

/// Returns how long a holder was not seen.
fn silence(entry: &LeaseEntry, last_seen: Option<u64>, now: &BootTime) -> Duration {
    Duration::from_millis(now.ms.saturating_sub(entry.renewed.ms.max(last_seen.unwrap_or(0))))
}

/// Returns how long ago the lease of an entry expired; `None` if it has not, or if that is unknown.
#[must_use]
pub fn expired_for(entry: &LeaseEntry, last_seen: Option<u64>, now: &BootTime) -> Option<Duration> {
    let is_known = entry.renewed.boot == now.boot;
    silence(entry, last_seen, now).checked_sub(entry.lease).filter(|_| is_known)
}

/// Returns the entry of an agent whose lease expired and whose task is pending again, if no other agent has held it since: the
/// agent may resume it with the same fencing token.
#[must_use]
pub fn expired_holder<'a>(evidence: &'a LeaseEvidence, by: &AgentName) -> Option<&'a LeaseEntry> {
    let is_pending =
        evidence.here.status == TaskStatus::Pending && evidence.writer == EntryWriter::Gone && !evidence.is_reverted;
    let entry = evidence.entry().filter(|entry| is_pending && entry.by == *by && entry.fence == evidence.here.fence)?;
    (settled(evidence, entry) == Some(EntryState::Expired)).then_some(entry)
}

impl LeaseState {
    /// Returns true if an agent holds the task whose lease has expired.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Held { left, .. } if left.is_over())
    }

    /// Returns where the task is held, if this clone knows.
    #[must_use]
    pub const fn place(&self) -> Option<&LeasePlace> {
        match self {
            Self::Held { entry, .. } | Self::Finished(entry) => Some(&entry.place),
            _ => None,
        }
    }
}
