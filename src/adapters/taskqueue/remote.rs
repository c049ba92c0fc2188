//! The server as a remote: an item shows a projection of a task, and its marker says of which version.
//!
//! A server neither keeps texts nor compares before it writes, gives ids again, and may lose what it has acknowledged. So items
//! are found by their markers in what was just read, and read again after each round of writes. A person may approve an item,
//! or finalize the project: then it stays as it is, and a task that goes on is shown by a new item.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::calls::ServerCalls;
use super::decode::ItemDecoder;
use super::error::TaskQueueError;
use super::listing::{ItemListing, project_in_use, projects_beside};
use super::send::ItemWriter;
use crate::core::name::{DocId, Kind};
use crate::core::reconcile::{
    AppliedWrite, DocumentKey, DocumentRemote, KnownDocument, RemoteDocument, RemoteHead, RemoteListing, RemoteTraits,
    RemoteWrite,
};
use crate::core::sabotage::{self, Sabotage};
use crate::core::time::Timestamp;

/// How often everything is compared, for a change that no event of the file has announced.
const POLL_EVERY: Duration = Duration::from_secs(60);

/// What is mirrored, and how long a call may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskQueueSpace {
    /// The coordination folder, the same word in all its clones.
    pub id: String,
    /// What the project is called on the server.
    pub title: String,
    /// How long a call may take.
    pub within: Duration,
}

/// A server, by a process of this clone, for one pass.
pub struct TaskQueueRemote<'a> {
    server: &'a mut dyn ServerCalls,
    space: &'a TaskQueueSpace,
    /// Tasks that may not be shown because there are too many.
    surplus: &'a BTreeSet<DocId>,
    /// Tasks that this clone has, or had.
    known: BTreeSet<DocId>,
    /// What was read last; `None` before, and once something was written.
    listing: Option<ItemListing>,
    /// Returns a mark of the file that the server keeps.
    mark: &'a dyn Fn() -> Option<String>,
    reads: ReadTrace,
}

/// What was read in a pass: shows whether others have written between two reads.
#[derive(Debug, Default)]
struct ReadTrace {
    /// The mark before the first read, and what that gave.
    first: Option<(Option<String>, ItemListing)>,
    /// The mark before the last read.
    last: Option<String>,
    /// Tasks that were written.
    written: BTreeSet<DocId>,
    /// Others have changed something between two reads.
    is_crossed: bool,
}

impl<'a> TaskQueueRemote<'a> {
    /// Returns the server as a clone sees it. New items are made for tasks that are not among `surplus`.
    #[must_use]
    pub fn new(server: &'a mut dyn ServerCalls, space: &'a TaskQueueSpace, surplus: &'a BTreeSet<DocId>) -> Self {
        Self {
            server,
            space,
            surplus,
            known: BTreeSet::new(),
            listing: None,
            mark: &|| None,
            reads: ReadTrace::default(),
        }
    }

    /// Takes what gives the mark of the file that the server keeps: another one for other contents.
    #[must_use]
    pub fn marking(self, mark: &'a dyn Fn() -> Option<String>) -> Self {
        Self { mark, ..self }
    }

    /// The mark of the file as it was when all of it was compared: `seen` is that of the pass before, `is_everything` says whether
    /// this one compared all tasks. `None` if others may have changed what was not compared.
    #[must_use]
    pub fn compared(&self, seen: Option<&String>, is_everything: bool) -> Option<String> {
        let Some((first, _)) = &self.reads.first else { return seen.cloned() };
        let is_known = is_everything || first.as_ref() == seen;
        self.reads.last.clone().filter(|_| is_known && !self.reads.is_crossed)
    }

    fn read(&mut self) -> Result<&ItemListing, TaskQueueError> {
        let listing = if let Some(listing) = self.listing.take() { listing } else { self.read_again()? };
        Ok(self.listing.insert(listing))
    }

    fn read_again(&mut self) -> Result<ItemListing, TaskQueueError> {
        // Before it is read: what changes afterwards gives another one.
        let mark = (self.mark)();
        let rows = self.server.projects(self.space.within)?;
        let mut listing = match project_in_use(&rows, &self.space.id) {
            Some((row, generation)) => {
                let project = self.server.project(&row.project_id, self.space.within)?;
                ItemListing::new(project, generation, &self.space.id, &|task| self.known.contains(task))
            }
            None => ItemListing::default(),
        };
        listing.unusable.extend(projects_beside(&rows, &self.space.id));
        let reads = &mut self.reads;
        match &reads.first {
            Some((_, first)) => reads.is_crossed |= !first.is_same_without(&listing, &reads.written),
            None => reads.first = Some((mark.clone(), listing.clone())),
        }
        reads.last = mark;
        Ok(listing)
    }
}

impl fmt::Debug for TaskQueueRemote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskQueueRemote").field("space", self.space).field("reads", &self.reads).finish_non_exhaustive()
    }
}

impl DocumentRemote for TaskQueueRemote<'_> {
    type Error = TaskQueueError;

    fn traits(&self) -> RemoteTraits {
        RemoteTraits {
            kinds: &[Kind::Task],
            stores_text: false,
            compares_and_swaps: false,
            poll_every: Some(POLL_EVERY),
        }
    }

    fn place(&self, (_, id): &DocumentKey) -> String {
        format!("TaskQueue {id}")
    }

    fn list(&mut self, known: BTreeSet<DocumentKey>) -> Result<RemoteListing, TaskQueueError> {
        self.known.extend(known.iter().map(|(_, id)| id.clone()));
        self.listing = None;
        let listing = self.read()?;
        let shown = listing.tasks().map(|task| (Kind::Task, task.clone()));
        let all: BTreeSet<DocumentKey> = known.into_iter().chain(shown).collect();
        let head = |key| RemoteHead {
            key,
            number: 0,
            digest: String::new(),
            is_gone: false,
            is_shown: true,
            is_touched: false,
        };
        Ok(RemoteListing { heads: all.into_iter().map(head).collect(), unusable: listing.unusable.clone() })
    }

    fn fetch(&mut self, asked: &[KnownDocument<'_>], now: Timestamp) -> Result<Vec<RemoteDocument>, TaskQueueError> {
        let known = asked.iter().filter(|known| known.local.is_some() || known.base.is_some());
        self.known.extend(known.map(|known| known.key.1.clone()));
        let surplus = self.surplus;
        let decoder = ItemDecoder { listing: self.read()?, now };
        Ok(asked.iter().map(|known| decoder.decode(known, surplus.contains(&known.key.1))).collect())
    }

    fn apply(&mut self, writes: &[RemoteWrite], _: Timestamp) -> Result<Vec<AppliedWrite>, TaskQueueError> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        self.reads.written.extend(writes.iter().map(|write| write.key.1.clone()));
        // An id may have been given to something else since.
        if !sabotage::on(Sabotage::WriteUnread) {
            self.listing = None;
        }
        let listing = self.read()?.clone();
        self.listing = None;
        ItemWriter::new(self.server, self.space, listing).send(writes)
    }
}
