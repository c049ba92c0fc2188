//! The loop of a bridge: connects, brings both sides together, then follows what happens on either. Whatever goes wrong on
//! the server, it begins anew with a look at everything. It runs in a thread of its own, so nobody ever waits for it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::event_outbox;
use super::health::{BackendHealth, BackendState};
use super::inbox::Inbox;
use super::mirror_folder::MirrorFolder as _;
use super::mirror_index::Item;
use super::pass::PassScope;
use super::project_folder::HeadTracker;
use super::redis_target::RedisTarget;
use super::report::{PassOptions, PassReport};
use super::state::State;
use super::voice::{self, Hearing};
use crate::adapters::redis::{BridgeError, LeadTimes, Link};
use crate::adapters::store::FollowLock;
use crate::adapters::watch::Watcher;
use crate::core::problem::Problem;
use crate::services::{Error, NewSettings, Project, environment};

/// Longest wait for a connection in one try: whoever asks for more waits for a server that answers slowly, not for one that
/// does not.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// First and longest pause between two tries. The longest is short enough for a server to be followed again within 5 s.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_millis(1_500);
/// How often signs of life are passed on, and the lease of whoever writes events down is renewed.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// How often what is known is written for those who ask, though nothing has changed.
const REPORT: Duration = Duration::from_secs(2);
/// How often it is looked whether it is this one's turn to follow.
const TURN: Duration = Duration::from_millis(250);
/// How often it is looked whether git is done, where it is at work for long.
const GIT: Duration = Duration::from_millis(200);
const GIT_HINT: &str = "it goes on when git is done; remove `index.lock` if no git runs";
/// Longest rest after a pass.
const REST_MAX: Duration = Duration::from_millis(5);
/// News that are taken together, at most.
const NEWS_MAX: usize = 10_000;

/// What wakes the loop.
#[derive(Debug, Clone, Copy)]
enum Wake {
    /// A file may have changed, or HEAD, or the settings.
    Files,
    /// Something came over the server: it lies in the inbox.
    Server,
    /// It is to end.
    Stop,
}

/// A bridge that is followed in a thread of its own. Dropped, it ends.
#[derive(Debug)]
pub struct Follower {
    target: RedisTarget,
    wake: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to follow what the settings of a project ask for; with nothing configured it begins nothing. `tell` is called
    /// with every change of what is known.
    ///
    /// # Errors
    /// [`Error`] if the project cannot be opened once more, or there is no thread to be had.
    pub fn start(project: &Project, tell: impl Fn(&BackendHealth) + Send + 'static) -> Result<Option<Self>, Error> {
        Self::begin(project, false, tell)
    }

    /// The same for somebody who is no watcher: it rests while one runs here.
    ///
    /// # Errors
    /// As [`Follower::start`].
    pub fn start_unless_watched(project: &Project) -> Result<Option<Self>, Error> {
        Self::begin(project, true, |_| {})
    }

    fn begin(
        project: &Project,
        gives_way: bool,
        tell: impl Fn(&BackendHealth) + Send + 'static,
    ) -> Result<Option<Self>, Error> {
        let Ok(target) = project.bridge().target() else { return Ok(None) };
        let (opening, followed) = (project.once_more(), (*target).clone());
        let (wake, woken) = channel();
        let ring = wake.clone();
        let run = move || {
            // A project stays with its thread. Where it cannot be opened any more, whoever started this is told by others.
            if let Ok(project) = Project::open(opening) {
                let new = Loop::new(project, *target, ring, woken, Box::new(tell));
                Loop { gives_way, ..new }.run();
            }
        };
        let thread = std::thread::Builder::new().name("mycelium-bridge".to_owned()).spawn(run);
        let thread = thread.map_err(|source| Error::Folder { path: PathBuf::from("."), source })?;
        Ok(Some(Self { target: followed, wake, thread: Some(thread) }))
    }

    /// Whether this is what a project asks for now.
    #[must_use]
    pub fn is_for(&self, project: &Project) -> bool {
        project.bridge().target().is_ok_and(|target| *target == self.target)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.wake.send(Wake::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[allow(clippy::struct_excessive_bools, reason = "each says something else")]
pub(super) struct Loop {
    pub(super) project: Project,
    pub(super) target: RedisTarget,
    wake: Sender<Wake>,
    woken: Receiver<Wake>,
    watcher: Watcher,
    pub(super) tell: Box<dyn Fn(&BackendHealth) + Send>,
    pub(super) health: BackendHealth,
    told_at: Option<Instant>,
    /// It rests while a watcher runs.
    gives_way: bool,
    is_over: bool,
    /// The settings ask for another server now.
    is_renewed: bool,
    /// What came in before could not be committed yet.
    is_uncommitted: bool,
    /// What the server said without being asked.
    pub(super) inbox: Arc<Inbox>,
    /// When this clone had the lead, over all connections.
    led: LeadTimes,
    /// What is to be said of messages that are lost.
    pub(super) loss: Option<String>,
}

/// What the loop has to do next, besides being woken.
pub(super) struct Due {
    pub(super) everything: Instant,
    beat: Instant,
    queue: Option<Instant>,
}

impl Loop {
    fn new(
        project: Project,
        target: RedisTarget,
        wake: Sender<Wake>,
        woken: Receiver<Wake>,
        tell: Box<dyn Fn(&BackendHealth) + Send>,
    ) -> Self {
        let ring = wake.clone();
        let watcher = Watcher::new(project.places(), move || {
            let _ = ring.send(Wake::Files);
        })
        .beside(project.store.changes.folder());
        let mut health = BackendHealth::of(&target);
        health.follower = Some(std::process::id());
        let (told_at, gives_way, is_over, is_renewed, is_uncommitted) = (None, false, false, false, false);
        Self {
            project,
            target,
            wake,
            woken,
            watcher,
            tell,
            health,
            told_at,
            gives_way,
            is_over,
            is_renewed,
            is_uncommitted,
            inbox: Arc::default(),
            led: LeadTimes::default(),
            loss: None,
        }
    }

    fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut lock = None;
        while !self.is_over {
            lock = self.locked(lock);
            if lock.is_none() {
                self.rest(TURN);
                continue;
            }
            self.note_head();
            match self.connect_and_follow() {
                Ok(()) => pause = PAUSE_MIN,
                Err(error) => {
                    let was_live = self.is_live();
                    let is_news = self.health.why.as_ref() != Some(&error.to_string());
                    let now = self.project.now();
                    self.health = match &error {
                        // It answers, and is for others.
                        Error::Unreached { why, hint } => self.health.clone().paused(why.clone(), hint.clone(), now),
                        _ => self.health.clone().failed(error.to_string(), error.hint(), now),
                    };
                    self.report(is_news || was_live);
                    pause = if was_live { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
                    self.rest(jittered(pause));
                }
            }
        }
        if lock.is_some() {
            // Nobody follows any more: whoever asks next finds out how the server is.
            self.health.follower = None;
            self.report(false);
        }
    }

    /// Remembers where HEAD is although the server may be away: else nobody would know that it was there.
    fn note_head(&self) {
        if matches!(self.project.bridge().branch().check(&self.target), Ok(Ok(()))) {
            // If it cannot be read, the next pass says so.
            let _ = HeadTracker::open(&self.target.memory_name()).follow(&self.project);
        }
    }

    /// The right to follow: of all in this clone one does, a watcher before others.
    fn locked(&self, lock: Option<FollowLock>) -> Option<FollowLock> {
        if self.is_to_give_way() {
            return None;
        }
        lock.or_else(|| {
            if matches!(self.project.store.locks.is_followed(), Ok(true)) {
                return None;
            }
            let lock = self.project.store.locks.lock_follow().ok().flatten()?;
            // Where that cannot be written, what is told before the server is reached is in the files alone.
            let _ = event_outbox::begin_telling(&self.project, &self.target);
            Some(lock)
        })
    }

    fn is_to_give_way(&self) -> bool {
        self.gives_way && matches!(self.project.store.locks.watcher(), Ok(Some(_)))
    }

    /// Waits, unless it is to end; what happens meanwhile is seen by the look at everything that follows.
    fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.woken.recv_timeout(left) {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.is_over = true;
                    return;
                }
                Ok(Wake::Files | Wake::Server) => {}
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
    }

    fn connect_and_follow(&mut self) -> Result<(), Error> {
        let within = self.target.settings.connection_timeout.min(CONNECT_MAX);
        self.inbox = Arc::new(Inbox::after(&self.inbox));
        let (wake, inbox) = (self.wake.clone(), Arc::clone(&self.inbox));
        let on_news = move |news| {
            if inbox.add(news) {
                let _ = wake.send(Wake::Server);
            }
        };
        let link = voice::listen(&self.target, within, Hearing::Everything, &[], on_news)?;
        let another = self.project.another()?;
        let mut state = State::open(another, &self.target, std::mem::take(&mut self.led))?;
        if let Err(error) = state.project().bridge().enter(&self.target, &link) {
            self.led = state.leadership.into_times();
            return Err(error);
        }
        state.folder.is_uncommitted = self.is_uncommitted;
        // What came before, and could not be dealt with then.
        let _ = self.wake.send(Wake::Server);
        let done = self.follow(&mut state, &link);
        self.note_gap(&state, &done);
        if done.is_ok() {
            state.leadership.resign(&link);
            state.folder.commit_last();
        } else {
            state.folder.commit_leftover();
        }
        self.is_uncommitted = state.folder.is_uncommitted;
        self.led = state.leadership.into_times();
        done
    }

    /// Brings both sides together again and again, until it is to end or the settings are others.
    fn follow(&mut self, state: &mut State, link: &Link) -> Result<(), Error> {
        let mut due = Due { everything: Instant::now(), beat: Instant::now(), queue: None };
        let mut items = BTreeSet::new();
        loop {
            if self.is_over || self.is_renewed {
                self.is_renewed = false;
                return Ok(());
            }
            // What changes while it is looked rings again.
            let _ = self.watcher.arm();
            self.settings();
            let began = Instant::now();
            match self.work(state, link, &mut due, &mut items) {
                // It still says what happens there: that is not to be missed.
                Err(Error::Bridge(error @ BridgeError::Full { .. })) => self.note_full(&error, &mut due),
                done => done?,
            }
            // Under load more is done at once, and those who write have the processor, too.
            std::thread::sleep(began.elapsed().min(REST_MAX));
            while !self.is_over && !self.is_renewed && !self.wait(state, link, &mut due, &mut items)? {}
        }
    }

    /// Takes in settings that have changed: with others it begins anew.
    fn settings(&mut self) {
        if let Ok(NewSettings::Changed { project, .. }) = self.project.renewed() {
            self.project = *project;
            self.watcher.turn_to(self.project.places());
            match self.project.bridge().target() {
                Ok(target) if *target == self.target => {}
                Ok(target) => {
                    self.target = *target;
                    self.is_renewed = true;
                }
                _ => self.is_over = true,
            }
        }
    }

    fn work(&mut self, state: &mut State, link: &Link, due: &mut Due, items: &mut BTreeSet<Item>) -> Result<(), Error> {
        if let Err(why) = self.project.bridge().branch().check(&self.target)? {
            items.clear();
            self.pause(why, state, link, due);
            return Ok(());
        }
        if !self.is_live() {
            state.folder.is_git_still_at_work();
            if let Some(why) = state.folder.pause()? {
                self.pause(why, state, link, due);
                return Ok(());
            }
            // Before the first pass: what the server alone knows is somebody's from then on.
            state.leadership.lead(link)?;
        }
        let now = Instant::now();
        let was_paused = !self.is_live();
        let is_everything = due.everything <= now || was_paused;
        let which = if is_everything { PassScope::All } else { PassScope::Of(std::mem::take(items)) };
        items.clear();
        let mut report = state.pass(link, which, PassOptions::default())?;
        if let Some(why) = report.paused {
            self.pause(why, state, link, due);
            return Ok(());
        }
        if is_everything {
            due.everything = Instant::now() + self.target.scan_every;
            let space = state.project().bridge().enter(&self.target, link)?;
            state.refill(link, &space)?;
            state.finish_adopted(link)?;
        }
        // Two that keep one queue would undo each other, and one would not see what the other saw taken.
        let next = if state.leadership.still_leads(link)? { state.queues(link, &mut report)? } else { None };
        due.queue = next.and_then(|left| Instant::now().checked_add(left.max(Duration::from_millis(1))));
        state.tell(link, &report.told)?;
        self.note(&report, state, link, is_everything);
        Ok(())
    }

    fn pause(&mut self, why: String, state: &mut State, link: &Link, due: &mut Due) {
        // Another clone is to write down what happens meanwhile.
        state.leadership.resign(link);
        due.everything = Instant::now() + if state.folder.is_git_at_work { GIT } else { self.target.scan_every };
        let is_news = self.health.state != BackendState::Paused;
        let hint = if state.folder.is_git_at_work { GIT_HINT } else { self.target.pause_hint() };
        self.health = self.health.clone().paused(why, Some(hint.to_owned()), self.project.now());
        self.report(is_news);
    }

    pub(super) fn is_live(&self) -> bool {
        self.health.state == BackendState::Live
    }

    fn note(&mut self, report: &PassReport, state: &State, link: &Link, is_everything: bool) {
        let was_live = self.is_live();
        let now = self.project.now();
        let mut health = self.health.clone().live(Some(link.server().name.clone()), now);
        if is_everything {
            health.note_pass(report, now);
        } else {
            health.sent += report.sent.len() as u64;
            health.came += report.came.len() as u64;
        }
        health.behind = state.memory.waiting() as u64;
        health.note_held(report, state.memory.mass);
        health.popped = state.popped_until();
        let is_other = health.popped.len() != self.health.popped.len();
        let is_news = !was_live || health.garbage != self.health.garbage || health.held != self.health.held;
        let is_due = is_everything || self.told_at.is_none_or(|at| at.elapsed() >= REPORT);
        self.health = health;
        if is_news || is_due || is_other {
            self.report(is_news);
        }
        self.report_loss();
    }

    /// Waits for something to do; says whether it is a look at documents.
    fn wait(
        &mut self,
        state: &mut State,
        link: &Link,
        due: &mut Due,
        items: &mut BTreeSet<Item>,
    ) -> Result<bool, Error> {
        let now = Instant::now();
        if due.beat <= now {
            due.beat = now + BEAT;
            self.beat(state, link, due)?;
        }
        self.note_inherited(state);
        let next = [Some(due.everything), Some(due.beat), due.queue].into_iter().flatten().min();
        let left = next.map_or(BEAT, |next| next.saturating_duration_since(Instant::now()));
        let first = match self.woken.recv_timeout(left) {
            Ok(wake) => wake,
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                return Ok(due.everything <= now || due.queue.is_some_and(|at| at <= now));
            }
            Err(RecvTimeoutError::Disconnected) => Wake::Stop,
        };
        let mut is_stale = self.hear(first, state, link, due, items)?;
        for _ in 0..NEWS_MAX {
            let Ok(wake) = self.woken.try_recv() else { break };
            is_stale |= self.hear(wake, state, link, due, items)?;
        }
        Ok(is_stale)
    }

    fn hear(
        &mut self,
        wake: Wake,
        state: &mut State,
        link: &Link,
        due: &mut Due,
        items: &mut BTreeSet<Item>,
    ) -> Result<bool, Error> {
        match wake {
            Wake::Stop => self.is_over = true,
            Wake::Files => return Ok(true),
            Wake::Server => return self.take_in(state, link, due, items),
        }
        Ok(false)
    }

    fn beat(&mut self, state: &mut State, link: &Link, due: &mut Due) -> Result<(), Error> {
        if self.is_to_give_way() {
            self.is_renewed = true;
            return Ok(());
        }
        state.folder.commit_leftover();
        if self.is_live() {
            state.pass_on_beats(link)?;
        }
        if (self.is_live() || state.leadership.is_leader()) && state.leadership.lead(link)? {
            due.everything = Instant::now();
        }
        if self.told_at.is_none_or(|at| at.elapsed() >= REPORT) {
            self.health.checked = self.project.now();
            self.report(false);
        }
        Ok(())
    }

    /// Writes what is known for those who ask, and tells it whoever started this if it is something else now.
    pub(super) fn report(&mut self, is_news: bool) {
        self.told_at = Some(Instant::now());
        // Whoever asks and finds nothing looks by itself.
        let _ = self.project.bridge().health_of(&self.target).write(&self.health);
        if is_news {
            (self.tell)(&self.health);
        }
    }
}

/// Somewhat more or less, so that many clones do not come back at the same moment.
fn jittered(pause: Duration) -> Duration {
    let random = environment::random().unwrap_or_default() % 512;
    pause.mul_f64(0.75 + f64::from(u32::try_from(random).unwrap_or(0)) / 1024.0)
}
