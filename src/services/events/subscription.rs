//! What a subscriber has: the events of its channels, to be waited for with or without a runtime.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use super::EventBus;
use super::hub::EventHub;
use super::queue::EventQueue;
use crate::core::event::Event;
use crate::core::name::{ChannelPattern, EventId};
use crate::services::Error;

/// The events on some channels, from its beginning on: each once, in order. All subscriptions of a folder in one process share
/// what reads for them; a slow one holds up no other. If more than 16,384 events (or 4 MiB) wait for one, the rest is left out,
/// and a notice on `snapshot:replaced` takes its place, whose `since` is the last event before the gap.
///
/// It ends when it is dropped or stopped; the last one ends the threads that read.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<EventHub>,
    queue: Arc<EventQueue>,
    gap: Option<String>,
}

impl Subscription {
    pub(super) fn new(
        events: &EventBus<'_>,
        patterns: Vec<ChannelPattern>,
        since: Option<EventId>,
    ) -> Result<Self, Error> {
        let queue = Arc::new(EventQueue::new(patterns));
        let (hub, begun) = EventHub::join(events, &queue, since)?;
        // Dropped, it leaves the hub.
        let mut subscription = Self { hub, queue, gap: None };
        // A hub that ends has answered before.
        subscription.gap = begun.recv().unwrap_or(Ok(None))?;
        Ok(subscription)
    }

    /// The next event; `None` if there was none for so long, or it was stopped.
    ///
    /// # Errors
    /// [`Error`] if the folder or the change log cannot be read; then it is over.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Event>, Error> {
        match self.queue.next(wait) {
            Poll::Ready(next) => next.transpose(),
            Poll::Pending => Ok(None),
        }
    }

    /// The next event for a task of a runtime, as a stream gives it: `None` once it is over.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        self.queue.poll_next(context.waker())
    }

    /// Why events may come late: file events do not come, so the folder is read from time to time.
    #[must_use]
    pub fn gap(&self) -> Option<&str> {
        self.gap.as_deref()
    }

    /// What stops it from elsewhere.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle { hub: Arc::downgrade(&self.hub), queue: Arc::downgrade(&self.queue) }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.queue);
    }
}

/// Stops a subscription from elsewhere. It does not keep it alive.
#[derive(Debug, Clone)]
pub struct StopHandle {
    hub: Weak<EventHub>,
    queue: Weak<EventQueue>,
}

impl StopHandle {
    /// Stops it: what waits in it can still be taken, then it is over. Returns false if it was over.
    #[must_use = "false means that it was over"]
    pub fn stop(&self) -> bool {
        let (Some(hub), Some(queue)) = (self.hub.upgrade(), self.queue.upgrade()) else { return false };
        hub.leave(&queue)
    }

    /// Returns true if it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.queue.strong_count() == 0
    }
}
