//! Events of other clones that a backend passes on. The files have all of them as well, but later.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::Error;
use crate::core::event::Event;
use crate::core::name::ChannelPattern;

/// Wakes the thread that takes the events. It is called on other threads.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// A backend that passes on the events of other clones.
pub(super) trait RemoteEvents: Any + Debug + Send + Sync {
    /// Returns true if the other one passes on the same events.
    fn is_same(&self, other: &dyn RemoteEvents) -> bool;

    /// Begins to listen to these patterns, or with none to all channels of interest. `wake` is called when there are events to
    /// take. A backend that does not answer yet is no error: it is listened to when it does.
    ///
    /// # Errors
    /// [`Error::Folder`] if the system gives no thread.
    fn start(&self, patterns: &[ChannelPattern], wake: Wake) -> Result<EventSource, Error>;
}

impl PartialEq for dyn RemoteEvents {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

/// The events of a backend that is listened to. Dropped, that ends.
#[derive(Debug)]
pub(super) struct EventSource {
    /// The events, as they come.
    pub(super) events: Receiver<Event>,
    /// As long as this is there, the backend is listened to.
    #[expect(dead_code, reason = "it is held, not read")]
    pub(super) listening: Arc<()>,
}
