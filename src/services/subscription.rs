//! Listens: reads the feed as it grows, and looks at the folder after each sign of life, for edits that nobody has told.
//! It needs no other process; what a crash or a power cut left untold it finds, and tells everybody.

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::bridge::{Ear, Wanted};
use super::intake::unless_read_only;
use super::{Error, Observer, Project, environment};
use crate::adapters::watch::Watcher;
use crate::core::event::{Arrivals, Event, Replaced, SNAPSHOT, Told, replaced};
use crate::core::name::{Channel, ChannelPattern, EventId};

/// A writer tells what it has done right after it has done it: so long it is waited before the folder is compared.
const LOOK_DELAY: Duration = Duration::from_millis(3);
/// How often to look where file events do not come.
const POLL: Duration = Duration::from_millis(100);
/// Events that wait for whoever subscribes, before more are taken from the server.
const HEARD_MAX: usize = 1_024;
/// Ids that are remembered, so that nothing is told twice.
const IDS_MAX: usize = 20_000;

/// A listener to events. It is at least as late as a file event, and at most as late as a look at the folder takes.
#[derive(Debug)]
pub struct Subscription {
    workspace: Project,
    patterns: Vec<ChannelPattern>,
    observer: Observer,
    watcher: Watcher,
    bell: Receiver<()>,
    /// What other clones tell comes from the server first.
    ear: Option<Ear>,
    queue: VecDeque<Event>,
    ids: HashSet<EventId>,
    order: VecDeque<EventId>,
    /// When to look at the folder next.
    look_at: Option<Instant>,
    /// When looking again is worth it: looks never take more than a third of the time.
    rested_at: Instant,
    /// Why file events do not come.
    gap: Option<String>,
}

impl Subscription {
    pub(super) fn new(
        workspace: &Project,
        patterns: Vec<ChannelPattern>,
        since: Option<EventId>,
    ) -> Result<Self, Error> {
        let workspace = workspace.another()?;
        unless_read_only(workspace.store.make_feed().map_err(Error::from))?;
        let (ring, bell) = sync_channel(1);
        // A bell that rings already rings.
        let ring = move || {
            let _ = ring.try_send(());
        };
        let ear = match workspace.wanted_bridge() {
            Wanted::Redis(target) => {
                let own = patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
                Some(Ear::start(*target, own, ring.clone())?)
            }
            _ => None,
        };
        let watcher = Watcher::new(workspace.places(), ring).beside(workspace.store.feed_folder());
        let mut subscription = Self {
            workspace,
            patterns,
            observer: Observer::default(),
            watcher,
            bell,
            ear,
            queue: VecDeque::new(),
            ids: HashSet::new(),
            order: VecDeque::new(),
            look_at: None,
            rested_at: Instant::now(),
            gap: None,
        };
        // Whatever comes after this rings.
        subscription.arm();
        let told = subscription.observer.catch_up(&subscription.workspace)?;
        subscription.look_at = Some(Instant::now());
        subscription.begin(&told, since)?;
        Ok(subscription)
    }

    /// The next event; `None` if there was none for so long.
    ///
    /// # Errors
    /// [`Error`] if the folder or the feed cannot be read; it may be asked again.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Event>, Error> {
        let until = Instant::now().checked_add(wait);
        loop {
            self.read_on()?;
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            let now = Instant::now();
            if self.look_at.is_some_and(|at| at <= now) {
                self.look()?;
                continue;
            }
            let end = [until, self.look_at].into_iter().flatten().min();
            let left = end.map_or(Duration::from_secs(3600), |end| end.saturating_duration_since(now));
            if left.is_zero() && until.is_some_and(|until| until <= now) {
                return Ok(None);
            }
            match self.bell.recv_timeout(left) {
                Ok(()) => self.look_soon(LOOK_DELAY),
                Err(RecvTimeoutError::Timeout) => {}
                // The watcher is gone only with this subscription.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(left.min(POLL)),
            }
        }
    }

    /// Why events may come late: file events do not come, so the folder is looked at from time to time.
    #[must_use]
    pub fn gap(&self) -> Option<&str> {
        self.gap.as_deref()
    }

    /// What was told before it began: what stands behind `since` is delivered.
    fn begin(&mut self, told: &[Told], since: Option<EventId>) -> Result<(), Error> {
        let Some(since) = since else {
            for told in told {
                self.remember(&told.id);
            }
            return Ok(());
        };
        let unordered = self.observer.unordered().clone();
        let published = if unordered.contains(&since) { self.workspace.published()? } else { Vec::new() };
        let is_told = told.iter().any(|told| told.id == since);
        let skipped = if is_told { 0 } else { told.iter().take_while(|told| told.is_notice()).count() };
        let kept = told.iter().skip(skipped).cloned().collect();
        let rest = Arrivals { told: kept, unordered, published }.behind(&since, environment::now());
        let later: HashSet<&EventId> = rest.iter().map(|told| &told.id).collect();
        for told in told.iter().filter(|told| !later.contains(&told.id)) {
            self.remember(&told.id);
        }
        self.deliver(rest);
        Ok(())
    }

    fn lose(&mut self, since: EventId) {
        let notice = replaced(&Replaced::Lost(since), environment::now());
        if let Ok(channel) = Channel::new(SNAPSHOT) {
            self.queue.push_back(notice.on(channel));
        }
    }

    fn read_on(&mut self) -> Result<(), Error> {
        let read = self.observer.read(&self.workspace.store)?;
        if read.has_gap {
            self.look_soon(Duration::ZERO);
            let last = self.order.back().cloned();
            let tells = |last: &EventId| read.told.iter().any(|told| told.id == *last || told.event == "replaced");
            let is_kept = last.as_ref().is_none_or(tells);
            // A feed that was removed is begun anew with a notice of its own.
            if let Some(last) = last.filter(|_| !is_kept && self.observer.fold().is_whole()) {
                self.lose(last);
            }
        }
        self.deliver(read.told);
        self.hear();
        Ok(())
    }

    fn hear(&mut self) {
        if self.queue.len() >= HEARD_MAX {
            return;
        }
        let events: Vec<Event> = self.ear.iter().flat_map(Ear::events).collect();
        for event in events {
            let is_wanted = self.patterns.is_empty() || self.patterns.iter().any(|one| one.fits(&event.channel));
            if is_wanted && !self.ids.contains(&event.id) {
                self.remember(&event.id);
                self.queue.push_back(event);
            }
        }
    }

    fn deliver(&mut self, told: Vec<Told>) {
        for told in told {
            if self.ids.contains(&told.id) {
                continue;
            }
            self.remember(&told.id);
            let first = || told.channels.first().map(|channel| told.on(channel.clone()));
            let wanted = if self.patterns.is_empty() { first() } else { told.wanted_or_notice(&self.patterns) };
            self.queue.extend(wanted);
        }
    }

    fn remember(&mut self, id: &EventId) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id.clone());
        }
        while self.order.len() > IDS_MAX {
            if let Some(old) = self.order.pop_front() {
                self.ids.remove(&old);
            }
        }
    }

    fn look(&mut self) -> Result<(), Error> {
        self.look_at = None;
        self.arm();
        let began = Instant::now();
        let looked = self.observer.look(&self.workspace);
        let end = Instant::now();
        self.rested_at = end + (end - began) * 2;
        let looked = looked?;
        self.deliver(looked.told);
        let again = looked.again_ms.map(Duration::from_millis);
        let again = again.into_iter().chain(self.gap.as_ref().map(|_| POLL)).min();
        if let Some(again) = again {
            self.look_soon(again);
        }
        Ok(())
    }

    fn look_soon(&mut self, delay: Duration) {
        let at = (Instant::now() + delay).max(self.rested_at);
        self.look_at = Some(self.look_at.map_or(at, |other| other.min(at)));
    }

    fn arm(&mut self) {
        self.gap = self.watcher.arm().err().map(|gap| gap.to_string());
        if self.gap.is_some() {
            self.look_soon(POLL);
        }
    }
}
