//! Events: publishing and listing them, and the subscriptions of this process. All subscriptions of a folder share one watcher,
//! one reader of the change log and one connection to a backend. A thread (see [`hub`]) reads for all and puts each event into
//! the queue of every subscriber whose patterns fit; without a subscription there is no thread.

mod change_detector;
mod change_log;
mod hub;
mod list;
mod publish;
mod queue;
mod reader;
mod seen;
mod subscription;

use std::path::Path;

use super::index::DocumentReader;
use super::operations::Operations;
use super::remote_events::EventBackend;
use super::{Error, Opening};
use crate::core::name::{ChannelPattern, EventId};

pub use self::change_detector::ChangeDetector;
pub(super) use self::change_log::{teller, told};
pub use self::list::Filter;
pub use self::publish::NewEvent;
pub use self::subscription::{StopHandle, Subscription};

/// The events of a project.
#[derive(Debug, Clone)]
pub struct EventBus<'a> {
    pub(super) root: &'a Path,
    pub(super) documents: DocumentReader<'a>,
    pub(super) operations: Operations<'a>,
    /// Passes on the events of other clones.
    pub(super) backend: &'a dyn EventBackend,
    /// How the thread of the subscriptions opens the project for itself.
    pub(super) opening: Opening,
}

impl EventBus<'_> {
    /// Listens to the events on these channels (none: all): those behind the event `since`, or from now on.
    ///
    /// # Errors
    /// [`Error`] if the folder or the change log cannot be read.
    pub fn subscribe(&self, patterns: Vec<ChannelPattern>, since: Option<EventId>) -> Result<Subscription, Error> {
        Subscription::new(self, patterns, since)
    }
}
