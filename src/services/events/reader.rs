//! Reads for all subscribers of a folder: the change log as it grows, the folder after each file event, for hand edits that
//! nobody has recorded, and the server. It needs no other process; what a crash or a power cut left unrecorded it finds.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::EventHost;
use super::change_detector::ChangeDetector;
use super::hub::Joining;
use super::queue::{EventQueue, SharedEvent, lost_notice};
use super::seen::{HeardOn, SeenEvents};
use crate::adapters::watch::Watcher;
use crate::core::event::{Arrivals, Event, Told};
use crate::core::name::{ChannelPattern, EventId};
use crate::services::intake::unless_read_only;
use crate::services::remote_events::{EventSource, RemoteEvents, Wake};
use crate::services::{Error, environment};

/// A writer records what it has done right after it has done it: so long it is waited before the folder is compared.
const COMPARE_DELAY: Duration = Duration::from_millis(3);
/// How often to compare where file events do not come.
const POLL: Duration = Duration::from_millis(100);
/// Comparisons that catching up may take when others write at the same time.
const CATCH_UP_MAX: usize = 10;

/// What one thread reads with.
pub(super) struct EventReader {
    host: Box<dyn EventHost>,
    detector: ChangeDetector,
    watcher: Watcher,
    /// A file event has come.
    is_changed: Arc<AtomicBool>,
    remote: Option<RemoteListener>,
    seen: SeenEvents,
    /// The event of the change log that was read last.
    last: Option<EventId>,
    /// When to compare the folder next.
    compare_at: Option<Instant>,
    /// When comparing again is worth it: it never takes more than a third of the time.
    rested_at: Instant,
    /// Why file events do not come.
    gap: Option<String>,
}

/// The one listener on the backend.
struct RemoteListener {
    remote: Arc<dyn RemoteEvents>,
    wake: Wake,
    patterns: Vec<ChannelPattern>,
    source: Option<EventSource>,
}

impl RemoteListener {
    /// Makes sure that these patterns are listened to. The second source hears everything, so there is never a third one.
    fn listen_to(&mut self, wanted: &[ChannelPattern]) -> Result<(), Error> {
        let all = [ChannelPattern::new("*").expect("a star is a pattern")];
        if self.source.is_some() && (self.patterns == all || self.patterns == wanted) {
            return Ok(());
        }
        let patterns = if self.source.is_some() { all.as_slice() } else { wanted };
        let before = self.source.replace(self.remote.start(patterns, Arc::clone(&self.wake))?);
        self.patterns = patterns.to_vec();
        drop(before);
        Ok(())
    }

    /// Takes what came since the last time.
    fn take(&self) -> Vec<Event> {
        self.source.iter().flat_map(|source| source.events.try_iter()).collect()
    }
}

impl EventReader {
    /// Begins to watch a folder; `wake` is called on other threads whenever there may be something to read.
    pub(super) fn open(
        host: Box<dyn EventHost>,
        remote: Option<Arc<dyn RemoteEvents>>,
        wake: Wake,
    ) -> Result<Self, Error> {
        let log = &host.events().documents.store.changes;
        unless_read_only(log.make().map_err(Error::from))?;
        let is_changed = Arc::new(AtomicBool::new(false));
        let (flag, notify) = (Arc::clone(&is_changed), Arc::clone(&wake));
        let watcher = Watcher::new(host.places(), move || {
            flag.store(true, Ordering::SeqCst);
            notify();
        });
        let watcher = watcher.beside(log.folder());
        let remote = remote.map(|remote| RemoteListener { remote, wake, patterns: Vec::new(), source: None });
        Ok(Self {
            host,
            detector: ChangeDetector::default(),
            watcher,
            is_changed,
            remote,
            seen: SeenEvents::default(),
            last: None,
            compare_at: None,
            rested_at: Instant::now(),
            gap: None,
        })
    }

    /// Reads what there is to read, hands it to those who have begun, and lets new ones begin. Gives how long to wait before
    /// the next time; `None`: until it rings.
    pub(super) fn step(
        &mut self,
        members: &[Arc<EventQueue>],
        joining: Vec<Joining>,
    ) -> Result<Option<Duration>, Error> {
        if self.is_changed.swap(false, Ordering::SeqCst) {
            self.compare_within(COMPARE_DELAY);
        }
        if joining.is_empty() {
            self.read_on(members)?;
        } else {
            self.admit(members, joining)?;
        }
        while self.compare_at.is_some_and(|at| at <= Instant::now()) {
            self.compare(members)?;
            self.read_on(members)?;
        }
        Ok(self.compare_at.map(|at| at.saturating_duration_since(Instant::now())))
    }

    /// Reads everything that there is, so that what comes next is new, and lets them begin.
    fn admit(&mut self, members: &[Arc<EventQueue>], joining: Vec<Joining>) -> Result<(), Error> {
        if let Some(remote) = &mut self.remote {
            // What came over a source that is replaced goes first.
            let heard = remote.take();
            for one in &joining {
                remote.listen_to(one.queue.patterns())?;
            }
            self.hand_on_heard(members, heard);
        }
        self.catch_up(members)?;
        for one in joining {
            let begun = one.since.as_ref().map_or_else(|| Ok((Vec::new(), HashSet::new())), |since| self.behind(since));
            match begun {
                Ok((history, skipped)) => {
                    one.queue.begin(self.seen.heard(), &history, skipped);
                    one.answer(Ok(self.gap.clone()));
                }
                Err(error) => one.answer(Err(error)),
            }
        }
        Ok(())
    }

    fn catch_up(&mut self, members: &[Arc<EventQueue>]) -> Result<(), Error> {
        self.arm();
        self.read_on(members)?;
        for _ in 0..CATCH_UP_MAX {
            let again = self.compare(members)?;
            self.read_on(members)?;
            if again != Some(Duration::ZERO) {
                break;
            }
        }
        Ok(())
    }

    /// What stands behind an event, and which of all events were not read here yet: the next reading brings those again.
    fn behind(&self, since: &EventId) -> Result<(Vec<Told>, HashSet<EventId>), Error> {
        let mut detector = ChangeDetector::default();
        let logged = detector.catch_up(&self.host.events())?;
        let unordered = detector.unordered().clone();
        let published = if unordered.contains(since) { self.host.events().published()? } else { Vec::new() };
        let is_logged = logged.iter().any(|event| event.id == *since);
        let notices = if is_logged { 0 } else { logged.iter().take_while(|event| event.is_notice()).count() };
        let is_new = |id: &&EventId| !self.detector.fold().has_told(id);
        let skipped = logged.iter().map(|event| &event.id).filter(is_new).cloned().collect();
        let all = Arrivals { told: logged.into_iter().skip(notices).collect(), unordered, published };
        Ok((all.behind(since, environment::now()), skipped))
    }

    fn read_on(&mut self, members: &[Arc<EventQueue>]) -> Result<(), Error> {
        let read = self.detector.read(self.host.events().documents.store)?;
        if read.has_gap {
            self.compare_within(Duration::ZERO);
            let is_there =
                |last: &EventId| read.told.iter().any(|event| event.id == *last || event.event == "replaced");
            // A change log that was removed begins with a notice of its own.
            if let Some(last) = self.last.take().filter(|last| !is_there(last) && self.detector.fold().is_whole()) {
                hand_on(members, &SharedEvent::logged(lost_notice(last)), &[]);
            }
        }
        self.hand_on_logged(members, read.told);
        let heard = self.remote.as_ref().map(RemoteListener::take).unwrap_or_default();
        self.hand_on_heard(members, heard);
        Ok(())
    }

    fn hand_on_logged(&mut self, members: &[Arc<EventQueue>], events: Vec<Told>) {
        for event in events {
            self.last = Some(event.id.clone());
            if let Some(heard) = self.seen.note_logged(&event.id) {
                hand_on(members, &SharedEvent::logged(event), &heard);
            }
        }
    }

    fn hand_on_heard(&mut self, members: &[Arc<EventQueue>], events: Vec<Event>) {
        for Event { id, at, channel, event, body } in events {
            if let Some(heard) = self.seen.note_heard(&id, &channel) {
                let event = Told { id, at, channels: vec![channel], event, body };
                hand_on(members, &SharedEvent::heard(event), &heard);
            }
        }
    }

    /// Compares the folder with the change log, and records what is missing there. Gives how soon to do so again.
    fn compare(&mut self, members: &[Arc<EventQueue>]) -> Result<Option<Duration>, Error> {
        self.compare_at = None;
        self.arm();
        let began = Instant::now();
        let found = self.detector.look(&self.host.events());
        let end = Instant::now();
        self.rested_at = end + (end - began) * 2;
        let found = found?;
        self.hand_on_logged(members, found.told);
        let again = found.again_ms.map(Duration::from_millis);
        if let Some(again) = again {
            self.compare_within(again);
        }
        Ok(again)
    }

    fn compare_within(&mut self, delay: Duration) {
        let at = (Instant::now() + delay).max(self.rested_at);
        self.compare_at = Some(self.compare_at.map_or(at, |other| other.min(at)));
    }

    fn arm(&mut self) {
        self.gap = self.watcher.arm().err().map(|gap| gap.to_string());
        if self.gap.is_some() {
            self.compare_within(POLL);
        }
    }
}

/// Puts an event into the queue of everyone who wants it and did not get it by one of the messages in `heard`.
fn hand_on(members: &[Arc<EventQueue>], event: &Arc<SharedEvent>, heard: &[HeardOn]) {
    let wakers: Vec<_> = members.iter().filter_map(|queue| queue.add(event, heard)).collect();
    // Without a lock: what is woken may drop its subscription.
    for waker in wakers {
        waker.wake();
    }
}
