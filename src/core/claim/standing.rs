//! Who has a task now, by all that is known: the document here, the ledger, and the document in the work tree that the
//! ledger names. Pure.

use std::cmp::Ordering;
use std::time::Duration;

use super::entry::{Entry, Moment, Place, State};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Task, TaskStatus};
use crate::core::name::AgentName;
use crate::core::sabotage::{self, Sabotage};

/// What a document says that matters to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Where the task stands.
    pub status: TaskStatus,
    /// Who has it.
    pub claimed_by: Option<AgentName>,
    /// How many holders it has had; 0 for none.
    pub fence: u64,
    /// For how long its holder has it without a word.
    pub lease: Option<Duration>,
    /// Who is to do it.
    pub assigned_to: Option<AgentName>,
    /// Why it is given to no agent: the first value that restricts it and cannot be used.
    pub unusable: Option<Box<Diagnostic>>,
}

impl Facts {
    /// What a task says.
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

    /// Who has it, by the document alone.
    #[must_use]
    pub fn holder(&self) -> Option<&AgentName> {
        self.claimed_by.as_ref().filter(|_| self.status == TaskStatus::Running)
    }
}

/// What the ledger holds on a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all are entries")]
pub enum Record {
    /// An entry.
    Entry(Entry),
    /// Something that cannot be read: a power cut came between.
    Torn,
}

/// Whether the process that wrote the entry is still about to make the document say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// It is.
    UnderWay,
    /// It is done, or dead.
    Over,
}

/// The document in the work tree that the ledger names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// That is this work tree.
    Here,
    /// Another one, whose document says this.
    There(Facts),
    /// Another one, whose document cannot be seen.
    Unseen,
}

/// All that is known of a task when somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The document here.
    pub here: Facts,
    /// The ledger.
    pub record: Option<Record>,
    /// The document where the ledger says that it is held.
    pub home: Home,
    /// Whether the entry is being written.
    pub writing: Writing,
    /// When the holder of the entry last gave a sign of life: a heartbeat, an operation, or a save of the document or of the
    /// agent's file; in milliseconds since the machine started, as [`Moment::ms`].
    pub heard: Option<u64>,
    /// The history of this branch had what the entry says, and left it again, as by a revert: the file wins.
    pub is_left: bool,
}

impl Sight {
    /// What is known where the ledger says nothing.
    #[must_use]
    pub const fn of_document(here: Facts) -> Self {
        Self { here, record: None, home: Home::Here, writing: Writing::Over, heard: None, is_left: false }
    }

    /// The entry of the ledger, if there is one that can be read.
    #[must_use]
    pub const fn entry(&self) -> Option<&Entry> {
        match &self.record {
            Some(Record::Entry(entry)) => Some(entry),
            _ => None,
        }
    }

    /// How many holders the task has had, by all that is known.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.here.fence.max(self.entry().map_or(0, |entry| entry.fence))
    }
}

/// How much of a lease is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// So much; nothing if it is over.
    Span(Duration),
    /// The machine was started again or slept since: all of it, counted from now.
    Anew(Duration),
}

impl Left {
    /// Tells whether the lease is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        self == Self::Span(Duration::ZERO)
    }

    /// How long it still lasts.
    #[must_use]
    pub const fn span(self) -> Duration {
        match self {
            Self::Span(left) | Self::Anew(left) => left,
        }
    }
}

/// Who has a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody.
    Free,
    /// Nobody by name, and yet it runs: a person works on it.
    Unnamed,
    /// Somebody in this clone.
    Held {
        /// The entry; where the document names another holder of the same fence, with that one.
        entry: Entry,
        /// How long they still have it.
        left: Left,
    },
    /// Somebody, as the document says; this clone's ledger knows nothing of it, so how long is not known.
    Elsewhere(AgentName),
    /// Somebody in this clone who held it, though the ledger cannot be read any more: counted anew.
    Lost(AgentName),
    /// It was finished in another work tree, whose work is not merged here.
    Finished(Entry),
}

/// Who has a task, by all that is known.
#[must_use]
pub fn standing(sight: &Sight, now: &Moment) -> Standing {
    let here = &sight.here;
    let entry = match &sight.record {
        None => return by_document(here),
        Some(_) if sight.is_left => return by_document(here),
        Some(Record::Torn) => {
            return here.holder().map_or_else(|| by_document(here), |by| Standing::Lost(by.clone()));
        }
        Some(Record::Entry(entry)) => entry,
    };
    let Some(state) = settled(sight, entry) else {
        // Whoever died here had got it from the holder that the document still names: that one had lost it.
        let had_lost_it = entry.state == State::Begun && entry.fence > here.fence && here.holder().is_some();
        return if had_lost_it { Standing::Free } else { by_document(here) };
    };
    // The document may have gone on without this clone: another one gave it to somebody, and it was pulled.
    if entry.fence < here.fence {
        return by_document(here);
    }
    // What the document here says of a holder was so once.
    let is_outdated = entry.fence > here.fence || here.holder().is_some();
    match state {
        State::Begun | State::Held => {
            // A merge or a person gave it to another one, of whose lease this clone knows nothing.
            if let Some(by) = here.holder().filter(|by| entry.fence == here.fence && **by != entry.by) {
                return Standing::Elsewhere(by.clone());
            }
            Standing::Held { left: left(entry, sight.heard, now), entry: entry.in_state(State::Held) }
        }
        State::Completed | State::Failed if is_outdated => Standing::Finished(entry.in_state(state)),
        State::Released | State::Expired if here.holder().is_some() => Standing::Free,
        _ => by_document(here),
    }
}

fn by_document(here: &Facts) -> Standing {
    match (here.status, &here.claimed_by) {
        (TaskStatus::Running, Some(by)) => Standing::Elsewhere(by.clone()),
        (TaskStatus::Running, None) => Standing::Unnamed,
        _ => Standing::Free,
    }
}

/// What an entry comes to when the document is looked at where it was written; `None` if it is void: its writer died before
/// the document said so, or the document has gone on without the ledger.
fn settled(sight: &Sight, entry: &Entry) -> Option<State> {
    let home = match &sight.home {
        Home::Here => &sight.here,
        Home::There(facts) => facts,
        Home::Unseen => return Some(entry.state),
    };
    if sight.writing == Writing::UnderWay {
        return Some(entry.state);
    }
    match home.fence.cmp(&entry.fence) {
        // Another branch may be checked out there by now; a claim that was never in the document is void.
        Ordering::Less => (entry.state != State::Begun).then_some(entry.state),
        Ordering::Equal => match home.status {
            TaskStatus::Running => home.holder().map(|_| State::Held),
            TaskStatus::Completed => Some(State::Completed),
            TaskStatus::Failed => Some(State::Failed),
            // A claim that was taken up again, and did not come so far, is over still.
            TaskStatus::Pending if matches!(entry.state, State::Expired | State::Begun) => Some(State::Expired),
            TaskStatus::Pending => Some(State::Released),
        },
        Ordering::Greater => None,
    }
}

/// How long the machine must have slept for the leases to begin again, in milliseconds: the two clocks that say so are not read
/// in the same instant.
const SLEEP_MIN_MS: u64 = 10_000;

/// How much is left of a lease. What was noted before another start of the machine says nothing about now, and an agent says
/// nothing while the machine sleeps.
fn left(entry: &Entry, heard: Option<u64>, now: &Moment) -> Left {
    let lease = entry.lease;
    let has_slept = now.slept_ms.saturating_sub(entry.renewed.slept_ms) >= SLEEP_MIN_MS;
    if (entry.renewed.boot != now.boot || has_slept) && !sabotage::on(Sabotage::AnyBoot) {
        return Left::Anew(lease);
    }
    if sabotage::on(Sabotage::NoLease) {
        return Left::Span(Duration::ZERO);
    }
    Left::Span(lease.saturating_sub(silence(entry, heard, now)))
}

/// How long a holder has said nothing.
fn silence(entry: &Entry, heard: Option<u64>, now: &Moment) -> Duration {
    Duration::from_millis(now.ms.saturating_sub(entry.renewed.ms.max(heard.unwrap_or(0))))
}

/// Returns how long ago the lease of an entry ended; `None` if that is not known, or if it did not end.
#[must_use]
pub fn over_for(entry: &Entry, heard: Option<u64>, now: &Moment) -> Option<Duration> {
    let is_known = entry.renewed.boot == now.boot;
    silence(entry, heard, now).checked_sub(entry.lease).filter(|_| is_known)
}

/// Returns the entry of an agent whose lease ended and whose task is pending again, if no other agent has had it since: the
/// agent may take it up again with the same fence.
#[must_use]
pub fn late_holder<'a>(sight: &'a Sight, by: &AgentName) -> Option<&'a Entry> {
    let is_pending = sight.here.status == TaskStatus::Pending && sight.writing == Writing::Over && !sight.is_left;
    let entry = sight.entry().filter(|entry| is_pending && entry.by == *by && entry.fence == sight.here.fence)?;
    (settled(sight, entry) == Some(State::Expired)).then_some(entry)
}

impl Standing {
    /// Tells whether somebody has it whose lease is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Held { left, .. } if left.is_over())
    }

    /// Where it is held, if this clone knows.
    #[must_use]
    pub const fn place(&self) -> Option<&Place> {
        match self {
            Self::Held { entry, .. } | Self::Finished(entry) => Some(&entry.place),
            _ => None,
        }
    }
}
