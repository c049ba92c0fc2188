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

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::index::DocumentReader;
use super::operations::Operations;
use super::remote_events::RemoteEvents;
use crate::adapters::watch::Places;
use crate::core::name::{ChannelPattern, EventId};

pub use self::change_detector::ChangeDetector;
pub(super) use self::change_log::{teller, told};
pub use self::list::Filter;
pub use self::publish::NewEvent;
pub use self::subscription::{StopHandle, Subscription};

/// The events of a project.
#[derive(Debug, Clone, Copy)]
pub struct EventBus<'a> {
    pub(super) root: &'a Path,
    pub(super) documents: DocumentReader<'a>,
    pub(super) operations: Operations<'a>,
    /// The project that the events belong to.
    pub(super) host: &'a dyn EventHost,
}

/// The project that events belong to, as far as subscriptions need it.
pub(super) trait EventHost: fmt::Debug {
    /// Returns the backend that passes on the events of other clones; `None` if there is none.
    fn remote_events(&self) -> Option<Arc<dyn RemoteEvents>>;

    /// Returns what opens the project again, in another thread.
    fn reopen(&self) -> OpenHost;

    /// Returns the events of the project.
    fn events(&self) -> EventBus<'_>;

    /// Returns what to watch.
    fn places(&self) -> Places;
}

/// Opens a project in the thread that reads for its subscriptions.
pub(super) type OpenHost = Box<dyn FnOnce() -> Result<Box<dyn EventHost>, Error> + Send>;

impl EventBus<'_> {
    /// Listens to the events on these channels (none: all): those behind the event `since`, or from now on.
    ///
    /// # Errors
    /// [`Error`] if the folder or the change log cannot be read.
    pub fn subscribe(&self, patterns: Vec<ChannelPattern>, since: Option<EventId>) -> Result<Subscription, Error> {
        Subscription::new(self, patterns, since)
    }
}
