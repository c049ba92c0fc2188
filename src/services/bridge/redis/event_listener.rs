//! Listens on the server for subscriptions: events of other clones come from there first. The files have all of them as well.
//! A subscription takes both and knows each event by its id, so a server that goes away costs time and no event.

use std::any::Any;
use std::sync::mpsc::{SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::inbox::Inbox;
use super::target::RedisTarget;
use super::voice::{Hearing, WRITTEN_DOWN, event_of, listen};
use crate::adapters::redis::Link;
use crate::core::event::Event;
use crate::core::name::ChannelPattern;
use crate::core::time::Timestamp;
use crate::services::remote_events::{EventSource, RemoteEvents, Wake};
use crate::services::{Error, environment};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long whoever subscribes waits for it: what is told after that comes from the server at once.
const BEGIN: Duration = Duration::from_millis(200);
/// Pauses between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_millis(400);
/// How often it is looked whether anybody still listens.
const LOOK: Duration = Duration::from_millis(250);
/// Events that are fetched at once after a gap.
const GAP_MAX: usize = 1_000;
/// Events that wait for a slow subscriber; those behind them wait on the server.
const WAITING_MAX: usize = 4_096;
/// How often it is asked at most whether the server holds another set of data by now.
const ASK: Duration = Duration::from_secs(1);
/// How much clocks may differ where it is told by the time what is old, in milliseconds.
const CLOCKS_MS: i64 = 60_000;

impl RemoteEvents for RedisTarget {
    fn is_same(&self, other: &dyn RemoteEvents) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref() == Some(self)
    }

    /// Listens in a thread of its own. If the server answers within 200 ms, no event is missed that is published after this
    /// returns.
    fn start(&self, patterns: &[ChannelPattern], wake: Wake) -> Result<EventSource, Error> {
        let (sender, events) = sync_channel(WAITING_MAX);
        let (begun, begins) = channel();
        let listening = Arc::new(());
        let mut listener = ListenerThread {
            target: self.clone(),
            patterns: patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            space: None,
            asked: None,
            sender,
            listening: Arc::downgrade(&listening),
            wake,
            began: environment::now(),
            last: None,
            pending: None,
        };
        let run = move || {
            listener.run(&|| {
                let _ = begun.send(());
            });
        };
        let started = std::thread::Builder::new().name("mycelium-events".to_owned()).spawn(run);
        started.map_err(|source| Error::Folder { path: std::path::PathBuf::from("."), source })?;
        // One that does not answer is listened to when it does.
        let _ = begins.recv_timeout(BEGIN);
        Ok(EventSource { events, listening })
    }
}

struct ListenerThread {
    target: RedisTarget,
    patterns: Vec<String>,
    /// The set of data on the server, and when it was asked for because an event named another.
    space: Option<String>,
    asked: Option<Instant>,
    sender: SyncSender<Event>,
    /// Gone when the events are wanted no more.
    listening: Weak<()>,
    wake: Wake,
    /// When it was subscribed.
    began: Timestamp,
    /// The last entry of the stream of events that was seen.
    last: Option<String>,
    /// An event for which there was no room.
    pending: Option<Event>,
}

impl ListenerThread {
    fn run(&mut self, begun: &dyn Fn()) {
        let mut pause = PAUSE_MIN;
        let mut is_first = true;
        while !self.is_over() {
            let had = self.last.clone();
            // What is wrong with the server is said by whoever mirrors; here the files go on telling everything.
            let _ = self.listen(is_first, begun);
            begun();
            is_first = false;
            pause = if self.last == had { (pause * 2).min(PAUSE_MAX) } else { PAUSE_MIN };
            self.rest(pause);
        }
    }

    fn is_over(&self) -> bool {
        self.listening.strong_count() == 0
    }

    /// Waits, and longer as long as the subscriber takes nothing.
    fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.is_over() && (Instant::now() < until || self.pending.is_some()) {
            if let Some(event) = self.pending.take() {
                self.hand_on(event);
            }
            std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())).max(Duration::from_millis(5)));
        }
    }

    fn listen(&mut self, is_first: bool, begun: &dyn Fn()) -> Result<(), Error> {
        let inbox = Arc::new(Inbox::default());
        let incoming = Arc::clone(&inbox);
        let on_news = move |news| {
            incoming.add(news);
        };
        // No keys are looked at, only channels: whoever listens mirrors nothing.
        let link = listen(&self.target, CONNECT, Hearing::Channels, &self.patterns, on_news)?;
        self.space = link.space().ok().flatten();
        let end = link.stream_end()?;
        match self.last.clone() {
            None if is_first => self.last = Some(end),
            Some(last) if place(&last) <= place(&end) => self.close_gap(&link, last, None)?,
            // Another stream than before, or the first one that was reached: what is older than this subscription is not for
            // it.
            _ => self.close_gap(&link, "0-0".to_owned(), Some(self.began))?,
        }
        begun();
        while !self.is_over() && self.pending.is_none() {
            let arrived = inbox.take_within(LOOK);
            // In a quiet moment what the stream has is taken, too: what was heard is there as well and is known by its id, and
            // what is put there later for a stream that was lost is heard by no listener. So is what was too much.
            if arrived.is_empty() || arrived.dropped > 0 {
                let last = self.last.clone().unwrap_or_else(|| "0-0".to_owned());
                self.close_gap(&link, last, Some(self.began))?;
            }
            for message in arrived.messages {
                if self.take(&link, &message.payload, &message.channel, None) {
                    (self.wake)();
                }
                if self.is_over() || self.pending.is_some() {
                    return Ok(());
                }
            }
            if arrived.lost.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What was told while there was no connection.
    fn close_gap(&mut self, link: &Link, mut last: String, since: Option<Timestamp>) -> Result<(), Error> {
        loop {
            self.last = Some(last.clone());
            let missed = link.stream_after(&last, GAP_MAX)?;
            let Some((end, _)) = missed.last() else { return Ok(()) };
            last.clone_from(end);
            for (_, message) in &missed {
                self.take(link, &message.payload, &message.channel, since);
                if self.pending.is_some() {
                    return Ok(());
                }
            }
            (self.wake)();
        }
    }

    /// Hands on what one of us has told. Of what others publish the watcher that writes it down tells again.
    fn take(&mut self, link: &Link, payload: &[u8], channel: &str, since: Option<Timestamp>) -> bool {
        let Some((mut event, space)) = event_of(payload) else { return false };
        if space.is_some_and(|space| self.is_elsewhere(link, &space)) {
            return false;
        }
        if since.is_some_and(|since| event.at.unix_ms().saturating_add(CLOCKS_MS) < since.unix_ms()) {
            return false;
        }
        if channel != WRITTEN_DOWN
            && let Ok(channel) = crate::core::name::Channel::new(channel)
        {
            event.channel = channel;
        }
        self.hand_on(event)
    }

    /// Another set of data, of a repository in another database, or of before: channels know no databases.
    fn is_elsewhere(&mut self, link: &Link, space: &str) -> bool {
        if self.space.as_deref() != Some(space) && self.asked.is_none_or(|at| at.elapsed() >= ASK) {
            self.asked = Some(Instant::now());
            self.space = link.space().ok().flatten();
        }
        self.space.as_deref().is_some_and(|own| own != space)
    }

    fn hand_on(&mut self, event: Event) -> bool {
        match self.sender.try_send(event) {
            Ok(()) => true,
            Err(TrySendError::Full(event)) => {
                self.pending = Some(event);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// A place in the stream, to compare with others.
fn place(id: &str) -> (u64, u64) {
    let (ms, number) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or(0), number.parse().unwrap_or(0))
}
