//! The client's methods about events. Each subscription has a thread, which sleeps until something is told.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};

use super::{CoordinationClient, Error};
use crate::core::event::Event;
use crate::core::name::{Channel, ChannelPattern, EventId};
use crate::services::{self, Opening, Project, Subscription};

/// Events that wait for a slow reader; what comes after them waits in the feed.
const WAITING_MAX: usize = 1024;
/// How often a thread looks whether its stream is gone.
const LOOK: Duration = Duration::from_millis(500);

/// The subscriptions of a client, by pattern.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Vec<(String, Weak<AtomicBool>)>>);

impl Subscriptions {
    fn add(&self, pattern: String, is_over: &Arc<AtomicBool>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, is_over)| is_over.strong_count() > 0);
        all.push((pattern, Arc::downgrade(is_over)));
    }

    /// Ends those with this pattern, or all; gives how many.
    pub(super) fn end(&self, wanted: Option<&str>) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = 0;
        all.retain(|(pattern, is_over)| {
            let Some(is_over) = is_over.upgrade() else { return false };
            let ends = wanted.is_none_or(|wanted| wanted == pattern);
            if ends {
                is_over.store(true, Ordering::SeqCst);
                ended += 1;
            }
            !ends
        });
        ended
    }
}

/// Events as they are told: a [`Stream`], which ends when it is unsubscribed or its client is closed. Every event comes at
/// least once; one that comes twice has the same id.
#[derive(Debug)]
pub struct Events {
    told: mpsc::Receiver<Result<Event, Error>>,
    /// Tells the thread that nobody listens.
    is_over: Arc<AtomicBool>,
}

impl Events {
    /// The next event; `None` when there will be no more.
    ///
    /// # Errors
    /// [`Error`] if the folder or the feed cannot be read; then the subscription is over.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        self.told.recv().await
    }
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.told.poll_recv(context)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
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
        self.crew.run(self.agent.clone(), move |_, workspace| Ok(workspace.publish(channel, event)?)).await
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
        if self.crew.is_closed() {
            return Err(Error::Closed);
        }
        let wanted = ChannelPattern::new(pattern).map_err(services::Error::from)?;
        let (sender, told) = mpsc::channel(WAITING_MAX);
        let (begun, begins) = oneshot::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let (opening, over) = (self.crew.opening(), Arc::clone(&is_over));
        let listen = move || match open(opening, wanted, since) {
            Ok(subscription) => {
                if begun.send(Ok(())).is_ok() {
                    forward(subscription, &sender, &over);
                }
            }
            // Nobody may be there any more to hear it.
            Err(error) => drop(begun.send(Err(error))),
        };
        std::thread::Builder::new().name("mycelium-events".to_owned()).spawn(listen).map_err(Error::NoThread)?;
        self.crew.subscriptions.add(pattern.to_owned(), &is_over);
        // Dropped before this, the events take the thread with them.
        let events = Events { told, is_over };
        begins.await.map_err(|_| Error::Closed)??;
        Ok(events)
    }
}

fn open(opening: Opening, wanted: ChannelPattern, since: Option<EventId>) -> Result<Subscription, Error> {
    let workspace = Project::open(opening)?;
    let _ = workspace.prepare();
    Ok(workspace.subscribe(vec![wanted], since)?)
}

/// Hands on what is told until nobody listens.
fn forward(mut subscription: Subscription, sender: &mpsc::Sender<Result<Event, Error>>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) && !sender.is_closed() {
        let told = match subscription.next(LOOK) {
            Ok(None) => continue,
            Ok(Some(event)) => Ok(event),
            Err(error) => Err(error.into()),
        };
        let is_last = told.is_err();
        if sender.blocking_send(told).is_err() || is_last {
            return;
        }
    }
}
