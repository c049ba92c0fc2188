//! The client's methods about events.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use serde_json::Value as Json;

use super::{CoordinationClient, Error, actor};
use crate::core::event::Event;
use crate::core::name::{Channel, ChannelPattern, EventId};
use crate::services::{self, Filter, Project, StopHandle, Subscription};

/// The subscriptions of a client, by pattern.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Vec<(String, StopHandle)>>);

impl Subscriptions {
    fn add(&self, pattern: String, handle: StopHandle) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, handle)| !handle.is_over());
        all.push((pattern, handle));
    }

    /// Ends those with this pattern, or all; gives how many.
    pub(super) fn end(&self, wanted: Option<&str>) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(pattern, _): &mut (String, StopHandle)| wanted.is_none_or(|wanted| wanted == pattern);
        all.extract_if(.., fits).filter(|(_, handle)| handle.stop()).count()
    }
}

/// Events in their order, each once: a [`Stream`], which ends when it is unsubscribed or its client is closed. All streams of
/// a folder in one process share one watcher and one reader, so thousands cost no thread and a slow one holds up no other. If
/// more than 16,384 events (or 4 MiB) wait in one, a notice on `snapshot:replaced` takes the place of what does not fit; its
/// `since` is the last event before the gap.
#[derive(Debug)]
pub struct Events(Subscription);

impl Events {
    /// The next event; `None` when there will be no more.
    ///
    /// # Errors
    /// [`Error`] if the folder or the change log cannot be read; then the subscription is over.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context).map_err(Error::from)
    }
}

impl CoordinationClient {
    /// Publishes an event on a channel: an object with its name in `event`, or any other value. Gives its id.
    ///
    /// Durable on return: the event, in a file of the folder.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a channel whose name is none, or an event that does not fit into a line.
    pub async fn publish_event(&self, channel: &str, event: impl Into<Json>) -> Result<EventId, Error> {
        let (channel, event) = (Channel::new(channel).map_err(services::Error::from)?, event.into());
        let by = actor(self);
        self.crew.run(move |_, project| Ok(project.events().publish(&by, channel, event)?)).await
    }

    /// The events of before on the channels that fit a pattern, oldest first: published ones, and of the others those that the
    /// change log keeps. With `since` those behind that event, in the order in which they came; with `limit` at most so many,
    /// the newest, or the first behind `since`.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a pattern that is none; others if the folder cannot be read.
    pub async fn list_events(
        &self,
        pattern: &str,
        since: Option<&EventId>,
        limit: Option<usize>,
    ) -> Result<Vec<Event>, Error> {
        let pattern = ChannelPattern::new(pattern).map_err(services::Error::from)?;
        let filter = Filter { patterns: vec![pattern], since: since.cloned(), limit };
        self.crew.run(move |_, project| Ok(project.events().list(&filter)?)).await
    }

    /// Listens to the channels that fit a pattern (`tasks:completed`, `tasks:*`, `*`): what is told after this returns comes,
    /// whoever tells it. Failures of tasks come on `tasks:completed`, too, with `result.success` false.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a pattern that is none; others if the feed cannot be read.
    pub async fn subscribe_events(&self, pattern: &str) -> Result<Events, Error> {
        self.subscribe(pattern, None).await
    }

    /// The same from the event behind this one on: nothing is missed by who comes back.
    ///
    /// # Errors
    /// As [`CoordinationClient::subscribe_events`].
    pub async fn subscribe_events_since(&self, pattern: &str, since: &EventId) -> Result<Events, Error> {
        self.subscribe(pattern, Some(since.clone())).await
    }

    /// Ends the subscriptions that this client and its clones have made with exactly this pattern; gives how many.
    #[must_use = "0 means that there was none"]
    pub fn unsubscribe_events(&self, pattern: &str) -> usize {
        self.crew.subscriptions.end(Some(pattern))
    }

    async fn subscribe(&self, pattern: &str, since: Option<EventId>) -> Result<Events, Error> {
        let wanted = ChannelPattern::new(pattern).map_err(services::Error::from)?;
        let pattern = pattern.to_owned();
        let subscribe = move |crew: &super::Crew, project: &Project| {
            let subscription = project.events().subscribe(vec![wanted], since)?;
            crew.subscriptions.add(pattern, subscription.stop_handle());
            Ok(Events(subscription))
        };
        self.crew.run(subscribe).await
    }
}
