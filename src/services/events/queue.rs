//! The events of one subscriber that wait to be taken: in order, each once, and no more than a bound.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::seen::HeardOn;
use crate::core::event::{Event, Replaced, Told, replaced};
use crate::core::name::{Channel, ChannelPattern, EventId};
use crate::services::{Error, environment};

/// Most events that wait for one subscriber.
const EVENTS_MAX: usize = 16_384;
/// Most bytes that they have together: twice what the change log keeps.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event for all who want it, with its size in bytes.
#[derive(Debug)]
pub(super) struct SharedEvent {
    event: Told,
    bytes: usize,
    /// A notice of the change log is for all, whatever they want.
    is_for_all: bool,
}

impl SharedEvent {
    /// An event of the change log.
    pub(super) fn logged(event: Told) -> Arc<Self> {
        let is_for_all = event.is_notice();
        Self::new(event, is_for_all)
    }

    /// An event that the server had first.
    pub(super) fn heard(event: Told) -> Arc<Self> {
        Self::new(event, false)
    }

    fn new(event: Told, is_for_all: bool) -> Arc<Self> {
        let bytes = serde_json::to_string(&event.body).map_or(0, |text| text.len()) + size_of::<Told>();
        Arc::new(Self { event, bytes, is_for_all })
    }
}

/// The queue of one subscriber. The reader adds to it, the subscriber takes.
#[derive(Debug)]
pub(super) struct EventQueue {
    patterns: Vec<ChannelPattern>,
    state: Mutex<QueueState>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    /// The messages of the server that came before it began; `None`: it has not begun.
    began: Option<u64>,
    /// What stood behind the event with which it begins.
    history: VecDeque<Event>,
    /// Events that the history has and the reader has not read yet.
    skipped: HashSet<EventId>,
    events: VecDeque<(Arc<SharedEvent>, Channel)>,
    bytes: usize,
    /// The event that was added last.
    last: Option<EventId>,
    /// Something behind the last event did not fit.
    has_gap: bool,
    end: Option<QueueEnd>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum QueueEnd {
    /// The subscriber wants no more.
    Stopped,
    /// The reader could not go on.
    Failed(Option<Arc<Error>>),
}

impl QueueState {
    /// The next event; `None` at the end.
    fn take(&mut self) -> Poll<Option<Result<Event, Error>>> {
        if let Some(event) = self.history.pop_front() {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Some((shared, channel)) = self.events.pop_front() {
            self.bytes -= shared.bytes;
            return Poll::Ready(Some(Ok(shared.event.on(channel))));
        }
        if let Some(last) = self.last.clone().filter(|_| std::mem::take(&mut self.has_gap)) {
            let notice = lost_notice(last);
            return Poll::Ready(notice.channels.first().map(|channel| Ok(notice.on(channel.clone()))));
        }
        match &mut self.end {
            None => Poll::Pending,
            Some(QueueEnd::Stopped) => Poll::Ready(None),
            Some(QueueEnd::Failed(error)) => Poll::Ready(error.take().map(|error| Err(Error::Shared(error)))),
        }
    }

    fn push(&mut self, shared: &Arc<SharedEvent>, channel: Channel) {
        let is_full = self.events.len() >= EVENTS_MAX || self.bytes + shared.bytes > BYTES_MAX;
        if self.has_gap || is_full && !self.events.is_empty() {
            self.has_gap = true;
            return;
        }
        self.bytes += shared.bytes;
        self.last = Some(shared.event.id.clone());
        self.events.push_back((Arc::clone(shared), channel));
    }
}

/// The notice that events behind this one are missing.
pub(super) fn lost_notice(since: EventId) -> Told {
    replaced(&Replaced::Lost(since), environment::now())
}

impl EventQueue {
    /// An empty queue for the events on these channels; for all, if there are none. It takes nothing before it begins.
    pub(super) fn new(patterns: Vec<ChannelPattern>) -> Self {
        Self { patterns, state: Mutex::default(), arrived: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channels that it wants.
    pub(super) fn patterns(&self) -> &[ChannelPattern] {
        &self.patterns
    }

    fn wants(&self, channel: &Channel) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.fits(channel))
    }

    /// The channel on which this subscriber gets an event, if it does.
    fn wanted(&self, event: &Told, is_for_all: bool) -> Option<Channel> {
        let fits = event.channels.iter().find(|channel| self.wants(channel));
        fits.or_else(|| event.channels.first().filter(|_| is_for_all)).cloned()
    }

    /// Begins after this number of messages of the server. `history` goes before everything; `skipped` was in it.
    pub(super) fn begin(&self, heard: u64, history: &[Told], skipped: HashSet<EventId>) {
        let mut state = self.state();
        let wanted = |event: &Told| self.wanted(event, event.is_notice()).map(|channel| event.on(channel));
        state.history = history.iter().filter_map(wanted).collect();
        state.last = state.history.back().map(|event| event.id.clone());
        state.skipped = skipped;
        state.began = Some(heard);
    }

    /// Adds an event if it is wanted here and did not come by one of the messages in `heard`. What does not fit is left out,
    /// and a notice takes its place. Returns whom to wake.
    pub(super) fn add(&self, shared: &Arc<SharedEvent>, heard: &[HeardOn]) -> Option<Waker> {
        let channel = self.wanted(&shared.event, shared.is_for_all)?;
        let mut state = self.state();
        let began = state.began.filter(|_| state.end.is_none())?;
        let had = |one: &HeardOn| one.number >= began && self.wants(&one.channel);
        if state.skipped.remove(&shared.event.id) || heard.iter().any(had) {
            return None;
        }
        state.push(shared, channel);
        self.arrived.notify_all();
        state.waker.take()
    }

    /// Ends it: with an error, or because the subscriber wants no more. What is in it can still be taken. Returns false if it
    /// had ended.
    pub(super) fn end(&self, error: Option<Arc<Error>>) -> bool {
        let mut state = self.state();
        if state.end.is_some() {
            return false;
        }
        state.end = Some(error.map_or(QueueEnd::Stopped, |error| QueueEnd::Failed(Some(error))));
        self.arrived.notify_all();
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// The next event, or the end; else `waker` is called when there is one.
    pub(super) fn poll_next(&self, waker: &Waker) -> Poll<Option<Result<Event, Error>>> {
        let mut state = self.state();
        let next = state.take();
        if next.is_pending() {
            state.waker = Some(waker.clone());
        }
        next
    }

    /// The next event, or the end; pending if there was none for so long.
    pub(super) fn next(&self, wait: Duration) -> Poll<Option<Result<Event, Error>>> {
        let until = Instant::now().checked_add(wait);
        let mut state = self.state();
        loop {
            let next = state.take();
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if next.is_ready() || left.is_zero() {
                return next;
            }
            state = self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Timestamp;

    fn queue(pattern: &str) -> EventQueue {
        let queue = EventQueue::new(vec![ChannelPattern::new(pattern).expect("a pattern")]);
        queue.begin(0, &[], HashSet::new());
        queue
    }

    fn event(id: &str, channels: &[&str]) -> Told {
        Told {
            id: EventId::new(id).expect("an id"),
            at: Timestamp::from_unix_ms(0),
            channels: channels.iter().map(|channel| Channel::new(*channel).expect("a channel")).collect(),
            event: "step".to_owned(),
            body: serde_json::Map::new(),
        }
    }

    fn heard(channel: &str, number: u64) -> HeardOn {
        HeardOn { channel: Channel::new(channel).expect("a channel"), number }
    }

    /// What is in it, as `id@channel`.
    fn taken(queue: &EventQueue) -> Vec<String> {
        let mut taken = Vec::new();
        while let Poll::Ready(Some(Ok(event))) = queue.next(Duration::ZERO) {
            taken.push(format!("{}@{}", event.id, event.channel));
        }
        taken
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_a_notice_takes_its_place() {
        let queue = queue("a:*");
        for number in 0..EVENTS_MAX + 5 {
            queue.add(&SharedEvent::logged(event(&format!("e{number}"), &["a:b"])), &[]);
        }
        let all = taken(&queue);
        assert_eq!(all.len(), EVENTS_MAX + 1);
        assert!(all[EVENTS_MAX].ends_with("@snapshot:replaced"), "{}", all[EVENTS_MAX]);
        queue.add(&SharedEvent::logged(event("late", &["a:b"])), &[]);
        assert_eq!(taken(&queue), ["late@a:b"]);
    }

    #[test]
    fn an_event_comes_once_on_the_first_of_its_channels_that_fits() {
        let narrow = queue("c:*");
        let wide = queue("*");
        let two = SharedEvent::logged(event("e1", &["a:b", "c:d"]));
        for (queue, messages, expected) in [
            (&narrow, vec![], vec!["e1@c:d"]),
            (&wide, vec![], vec!["e1@a:b"]),
            // The server had it on a channel that this one does not want.
            (&narrow, vec![heard("a:b", 0)], vec!["e1@c:d"]),
            (&wide, vec![heard("a:b", 0)], vec![]),
        ] {
            queue.add(&two, &messages);
            assert_eq!(taken(queue), expected, "{messages:?}");
        }
        // What was heard before it began, it did not get.
        let late = EventQueue::new(Vec::new());
        late.begin(7, &[], HashSet::new());
        late.add(&two, &[heard("a:b", 6)]);
        assert_eq!(taken(&late), ["e1@a:b"]);
        late.add(&two, &[heard("a:b", 7)]);
        assert_eq!(taken(&late), Vec::<String>::new());
    }

    #[test]
    fn its_history_goes_first_and_is_not_repeated() {
        let queue = EventQueue::new(Vec::new());
        let early = SharedEvent::logged(event("e0", &["a:b"]));
        queue.add(&early, &[]);
        queue.begin(0, &[event("e1", &["a:b"])], ["e1"].map(|id| EventId::new(id).expect("an id")).into());
        for id in ["e1", "e2"] {
            queue.add(&SharedEvent::logged(event(id, &["a:b"])), &[]);
        }
        assert_eq!(taken(&queue), ["e1@a:b", "e2@a:b"]);
    }

    #[test]
    fn what_waits_can_be_taken_after_the_end_and_notices_are_for_all() {
        let queue = queue("a:*");
        let notice = lost_notice(EventId::new("e0").expect("an id"));
        queue.add(&SharedEvent::heard(notice.clone()), &[]);
        queue.add(&SharedEvent::logged(notice), &[]);
        assert!(queue.end(None) && !queue.end(None));
        queue.add(&SharedEvent::logged(event("e1", &["a:b"])), &[]);
        assert_eq!(taken(&queue).len(), 1);
        assert!(matches!(queue.next(Duration::ZERO), Poll::Ready(None)));
    }
}
