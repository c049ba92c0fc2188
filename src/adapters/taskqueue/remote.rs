//! The server as a remote: an item shows a projection of a task, and its marker says of which version.
//!
//! A server neither keeps texts nor compares before it writes, gives ids again, and may lose what it has acknowledged. So items
//! are found by their markers in what was just read, and read again after each round of writes. A person may approve an item,
//! or finalize the project: then it stays as it is, and a task that goes on is shown by a new item.

use std::collections::BTreeSet;
use std::time::Duration;

use super::client::Client;
use super::decode::ItemDecoder;
use super::error::TaskQueueError;
use super::listing::{ItemListing, project_in_use};
use super::send::ItemWriter;
use crate::core::name::{DocId, Kind};
use crate::core::reconcile::{
    AppliedWrite, DocumentKey, DocumentRemote, KnownDocument, RemoteDocument, RemoteHead, RemoteListing, RemoteTraits,
    RemoteWrite,
};
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
#[derive(Debug)]
pub struct TaskQueueRemote<'a> {
    client: &'a mut Client,
    space: &'a TaskQueueSpace,
    /// Tasks that may not be shown because there are too many.
    surplus: &'a BTreeSet<DocId>,
    /// Tasks that this clone has, or had.
    known: BTreeSet<DocId>,
    /// What was read last; `None` before, and once something was written.
    listing: Option<ItemListing>,
}

impl<'a> TaskQueueRemote<'a> {
    /// Returns the server as a clone sees it. New items are made for tasks that are not among `surplus`.
    #[must_use]
    pub fn new(client: &'a mut Client, space: &'a TaskQueueSpace, surplus: &'a BTreeSet<DocId>) -> Self {
        Self { client, space, surplus, known: BTreeSet::new(), listing: None }
    }

    fn read(&mut self) -> Result<&ItemListing, TaskQueueError> {
        let listing = if let Some(listing) = self.listing.take() {
            listing
        } else if let Some((row, generation)) = project_in_use(self.client.projects(self.space.within)?, &self.space.id)
        {
            let project = self.client.project(&row.project_id, self.space.within)?;
            ItemListing::new(project, generation, &self.space.id, &|task| self.known.contains(task))
        } else {
            ItemListing::default()
        };
        Ok(self.listing.insert(listing))
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
        // An id may have been given to something else since.
        self.listing = None;
        let listing = self.read()?.clone();
        self.listing = None;
        ItemWriter::new(self.client, self.space, listing).send(writes)
    }
}
