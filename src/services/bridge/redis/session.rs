//! A connection of a mirror to a Redis server: documents, queues, events and heartbeats over one link.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::dataset::Dataset;
use super::inbox::Inbox;
use super::target::RedisTarget;
use super::voice::{self, Hearing};
use crate::adapters::redis::{BridgeError, LeadTimes, Leadership, Link, Message, RedisRemote};
use crate::core::event::Told;
use crate::core::time::Timestamp;
use crate::services::bridge::backend::{Connector, News, Session};
use crate::services::bridge::health::BackendHealth;
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::mirror_index::Item;
use crate::services::bridge::pass::PassScope;
use crate::services::bridge::report::{PassOptions, PassReport};
use crate::services::remote_events::Wake;
use crate::services::{Error, Project, environment};

mod heartbeats;
mod incoming;
mod publish;
mod queues;

/// Longest wait for a connection of a loop in one try. A longer `connection_timeout` is meant for slow servers, not for silent
/// ones.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Connects to a Redis server; keeps what was heard, and when this clone had the lead, over all connections.
#[derive(Debug)]
pub(super) struct RedisConnector {
    target: RedisTarget,
    pub(super) inbox: Arc<Inbox>,
    led: LeadTimes,
}

impl RedisConnector {
    pub(super) fn new(target: RedisTarget) -> Self {
        Self { target, inbox: Arc::default(), led: LeadTimes::default() }
    }

    pub(super) fn address(&self) -> &str {
        &self.target.mirror.address
    }

    /// Begins a session over a connection.
    pub(super) fn session<'a>(&'a mut self, link: HeldLink<'a>) -> Result<RedisSession<'a>, Error> {
        let leadership = Leadership::new(holder(&self.target.mirror.node)?, std::mem::take(&mut self.led));
        Ok(RedisSession {
            connector: self,
            link,
            leadership,
            popped: BTreeMap::new(),
            renewed: None,
            retold: Vec::new(),
            losses: Losses::default(),
        })
    }
}

impl Connector for RedisConnector {
    fn connect<'a>(&'a mut self, wake: Option<Wake>) -> Result<Box<dyn Session + 'a>, Error> {
        let settings = &self.target.settings;
        let Some(wake) = wake else {
            let link = Link::connect(settings, settings.connection_timeout)?;
            return Ok(Box::new(self.session(HeldLink::Own(Box::new(link)))?));
        };
        self.inbox = Arc::new(Inbox::after(&self.inbox));
        let (inbox, ring) = (Arc::clone(&self.inbox), Arc::clone(&wake));
        let on_news = move |news| {
            if inbox.add(news) {
                ring();
            }
        };
        let within = settings.connection_timeout.min(CONNECT_MAX);
        let link = voice::listen(&self.target, within, Hearing::Everything, &[], on_news)?;
        // What came before, and could not be dealt with then.
        wake();
        Ok(Box::new(self.session(HeldLink::Own(Box::new(link)))?))
    }
}

/// A connection of this session alone, or one that is shared with claims.
pub(super) enum HeldLink<'a> {
    Own(Box<Link>),
    Shared(&'a Link),
}

impl Deref for HeldLink<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        match self {
            Self::Own(link) => link,
            Self::Shared(link) => link,
        }
    }
}

/// A connection to a Redis server.
pub(super) struct RedisSession<'a> {
    pub(super) connector: &'a mut RedisConnector,
    pub(super) link: HeldLink<'a>,
    pub(super) leadership: Leadership,
    /// Tasks that a program popped from a queue and has not claimed, and how long they stay reserved for it.
    pub(super) popped: BTreeMap<String, Duration>,
    /// When the time to live of running workflows' hashes was last renewed.
    pub(super) renewed: Option<Timestamp>,
    /// Events with their ids that could not be published yet: the server had no memory left.
    pub(super) retold: Vec<Message>,
    pub(super) losses: Losses,
}

/// What was lost since it was asked for last.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Messages of other programs that may not be written down.
    pub(super) messages: u64,
    /// Why it is not known what was published in between; the last time counts.
    pub(super) gap: Option<&'static str>,
    pub(super) gaps: u64,
}

impl RedisSession<'_> {
    /// The name of this clone's part in what the server holds; see [`Dataset::enter`].
    fn enter_dataset(&self, project: &Project) -> Result<String, Error> {
        let lease = project.leases().default_lease();
        Dataset { store: &project.store, target: &self.connector.target, lease }.enter(&self.link)
    }

    /// Decides and carries out until nothing is left to do about these.
    pub(super) fn settle(
        &mut self,
        mirror: &mut Mirror,
        items: BTreeSet<Item>,
        options: PassOptions,
    ) -> Result<PassReport, Error> {
        mirror.settle(&mut self.remote(), items, options)
    }

    fn remote(&mut self) -> RedisRemote<'_> {
        RedisRemote::new(&self.link, &self.connector.target.mirror.node, &mut self.leadership)
    }

    fn note_inherited(&mut self) {
        if self.leadership.take_inherited() {
            self.losses.gaps += 1;
            self.losses.gap = Some(
                "the clone that wrote down what is published went away; what was published in the last seconds is not known",
            );
        }
    }
}

impl Session for RedisSession<'_> {
    fn server_name(&self) -> Option<String> {
        Some(self.link.server().name.clone())
    }

    fn enter(&mut self, mirror: &mut Mirror) -> Result<(), Error> {
        self.enter_dataset(mirror.project()).map(drop)
    }

    fn lead(&mut self, is_dry: bool) -> Result<(), Error> {
        if is_dry {
            self.leadership = Leadership::assumed();
        } else {
            // One clone creates the documents that only the server has.
            self.leadership.lead(&self.link)?;
        }
        Ok(())
    }

    fn pass(&mut self, mirror: &mut Mirror, which: PassScope, options: PassOptions) -> Result<PassReport, Error> {
        mirror.pass(&mut self.remote(), which, options)
    }

    fn after_pass(
        &mut self,
        mirror: &mut Mirror,
        report: &mut PassReport,
        is_everything: bool,
    ) -> Result<Option<Duration>, Error> {
        if is_everything {
            let dataset = self.enter_dataset(mirror.project())?;
            self.refill(mirror, &dataset)?;
            self.finish_adopted(mirror)?;
        }
        // Two that keep one queue would undo each other, and one would not see what the other saw taken.
        if self.leadership.still_leads(&self.link)? { self.queues(mirror, report) } else { Ok(None) }
    }

    fn publish(&mut self, mirror: &mut Mirror, events: &[Told]) -> Result<(), Error> {
        self.tell(mirror, events).map(drop)
    }

    fn take_news(&mut self, mirror: &mut Mirror, items: &mut BTreeSet<Item>) -> Result<News, Error> {
        self.take_in(mirror, items)
    }

    fn beat(&mut self, mirror: &mut Mirror, is_live: bool) -> Result<bool, Error> {
        if is_live {
            self.pass_on_beats(mirror)?;
        }
        Ok((is_live || self.leadership.is_leader()) && self.leadership.lead(&self.link)?)
    }

    fn pause(&mut self) {
        // Another clone records events until this one goes on.
        self.leadership.resign(&self.link);
    }

    fn survives(&self, error: &Error) -> bool {
        // It has no memory left, and still says what happens there: that is not to be missed.
        matches!(error, Error::Bridge(BridgeError::Full { .. }))
    }

    fn note(&self, mirror: &Mirror, health: &mut BackendHealth) {
        health.popped = self.popped_until(mirror.project().now());
    }

    fn take_losses(&mut self, health: &mut BackendHealth) -> Option<String> {
        self.note_inherited();
        let Losses { messages, gap, gaps } = std::mem::take(&mut self.losses);
        health.gaps += gaps;
        health.lost += messages;
        let lost = health.lost;
        let words =
            || format!("{messages} messages that other programs published may not be written down ({lost} so far)");
        (messages > 0).then(words).or_else(|| gap.map(str::to_owned))
    }

    fn close(&mut self, mirror: &mut Mirror, done: &Result<(), Error>) {
        let is_lost = matches!(done, Err(Error::Bridge(error)) if error.is_lost());
        if is_lost && self.leadership.is_leader() {
            // It was this clone's to write down what was published until the next connection.
            self.losses.gaps += 1;
            self.losses.gap =
                Some("the connection was lost; what other programs published while there was none is not known");
        }
        if done.is_ok() {
            // What was heard until now was published while this clone had the lead. What cannot be written down is lost.
            let mut heard = self.connector.inbox.take().messages;
            let _ = self.write_down(mirror, &mut heard);
            self.leadership.resign(&self.link);
        }
        self.connector.led = std::mem::take(&mut self.leadership).into_times();
    }
}

/// Names this process in this clone: a copy of the clone has the same name, and must not lead as well.
fn holder(node: &str) -> Result<String, Error> {
    static WORD: OnceLock<String> = OnceLock::new();
    if let Some(word) = WORD.get() {
        return Ok(format!("{node} {word}"));
    }
    let new = environment::new_node()?;
    Ok(format!("{node} {}", WORD.get_or_init(|| new)))
}
