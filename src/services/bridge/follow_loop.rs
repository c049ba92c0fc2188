//! The loop of one mirror: connects, brings both sides together, then follows what happens on either. After any failure of
//! the server it reconnects and compares everything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::backend::{Backend, Connector, Session};
use super::health::{BackendHealth, BackendState};
use super::mirror::Mirror;
use super::mirror_folder::MirrorFolder as _;
use super::mirror_index::Item;
use super::pass::PassScope;
use super::project_folder::HeadTracker;
use super::report::{PassOptions, PassReport};
use crate::adapters::store::FollowLock;
use crate::adapters::watch::Watcher;
use crate::core::problem::Problem;
use crate::services::{Error, NewSettings, Project, environment};

/// First and longest pause between two tries. The longest is short enough for a server to be followed again within 5 s.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_millis(1_500);
/// How often heartbeats are passed on, and the leader lease is renewed.
const BEAT: Duration = Duration::from_secs(1);
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
pub(super) enum Signal {
    /// A file may have changed, or HEAD, or the settings.
    Files,
    /// Something happened on the server.
    Server,
    /// It is to end.
    Stop,
}

/// Called with every change of what is known of a backend.
pub(super) type Tell = Box<dyn Fn(&BackendHealth) + Send>;

/// Keeps a folder and one server in step.
#[allow(clippy::struct_excessive_bools, reason = "each says something else")]
pub(super) struct FollowLoop {
    project: Project,
    backend: Box<dyn Backend>,
    signals: Sender<Signal>,
    received: Receiver<Signal>,
    watcher: Watcher,
    tell: Tell,
    health: BackendHealth,
    told_at: Option<Instant>,
    /// It rests while a watcher runs.
    gives_way: bool,
    is_over: bool,
    /// The connection is to end, and another one to begin.
    is_renewed: bool,
    /// What the settings ask for now, if that is something else.
    new_backend: Option<Box<dyn Backend>>,
    /// What came in before could not be committed yet.
    is_uncommitted: bool,
    /// What is to be said of messages that are lost, once the server is live.
    loss: Option<String>,
}

/// What the loop has to do next, besides being woken.
struct Due {
    everything: Instant,
    beat: Instant,
    queue: Option<Instant>,
}

/// What a connection works on.
struct Work<'a> {
    session: &'a mut dyn Session,
    mirror: &'a mut Mirror,
    due: Due,
    /// Documents that changed on the server.
    items: BTreeSet<Item>,
}

impl FollowLoop {
    pub(super) fn new(
        project: Project,
        backend: Box<dyn Backend>,
        signals: Sender<Signal>,
        received: Receiver<Signal>,
        gives_way: bool,
        tell: Tell,
    ) -> Self {
        let ring = signals.clone();
        let watcher = Watcher::new(project.places(), move || {
            let _ = ring.send(Signal::Files);
        })
        .beside(project.store.changes.folder());
        let health = followed_here(&*backend);
        let (told_at, is_over, is_renewed, new_backend, is_uncommitted, loss) = (None, false, false, None, false, None);
        Self {
            project,
            backend,
            signals,
            received,
            watcher,
            tell,
            health,
            told_at,
            gives_way,
            is_over,
            is_renewed,
            new_backend,
            is_uncommitted,
            loss,
        }
    }

    pub(super) fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut lock = None;
        let mut connector = self.backend.connector();
        while !self.is_over {
            lock = self.locked(lock);
            if lock.is_none() {
                self.rest(TURN);
                continue;
            }
            self.note_head();
            match self.connect_and_follow(&mut *connector) {
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
            self.is_renewed = false;
            if let Some(backend) = self.new_backend.take() {
                connector = backend.connector();
                self.health = followed_here(&*backend);
                self.backend = backend;
            }
        }
        if lock.is_some() {
            // No process follows any more: the next command that needs the state asks the server.
            self.health.follower = None;
            self.report(false);
        }
    }

    /// Remembers where HEAD is although the server may be away: a later reset is seen by that.
    fn note_head(&self) {
        let target = self.backend.target();
        if matches!(self.project.bridge().branch().check(target), Ok(Ok(()))) {
            // If it cannot be read, the next pass says so.
            let _ = HeadTracker::open(&target.memory_name).follow(&self.project);
        }
    }

    /// The right to follow this backend: of all in this clone one does, a watcher before others.
    fn locked(&self, lock: Option<FollowLock>) -> Option<FollowLock> {
        if self.is_to_give_way() {
            return None;
        }
        lock.or_else(|| {
            let (locks, name) = (&self.project.store.locks, self.backend.target().backend.lock_name());
            if matches!(locks.is_followed(&name), Ok(true)) {
                return None;
            }
            let lock = locks.lock_follow(&name).ok().flatten()?;
            // Where that cannot be written, what happens before the server is reached is in the files alone.
            let _ = self.backend.begin(&self.project);
            Some(lock)
        })
    }

    fn is_to_give_way(&self) -> bool {
        self.gives_way && matches!(self.project.store.locks.watcher(), Ok(Some(_)))
    }

    /// Waits, unless it is to end. Changes during the wait are found by the comparison of everything after it.
    fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.received.recv_timeout(left) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.is_over = true;
                    return;
                }
                Ok(Signal::Files | Signal::Server) => {}
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
    }

    fn connect_and_follow(&mut self, connector: &mut dyn Connector) -> Result<(), Error> {
        let signals = self.signals.clone();
        let wake = Arc::new(move || {
            let _ = signals.send(Signal::Server);
        });
        let mut session = connector.connect(Some(wake))?;
        let mut mirror = Mirror::open(self.project.another()?, self.backend.target());
        mirror.folder.is_uncommitted = self.is_uncommitted;
        let done = session.enter(&mut mirror).and_then(|()| {
            let due = Due { everything: Instant::now(), beat: Instant::now(), queue: None };
            let (session, mirror) = (&mut *session, &mut mirror);
            self.follow(&mut Work { session, mirror, due, items: BTreeSet::new() })
        });
        session.close(&mut mirror, &done);
        self.loss = session.take_losses(&mut self.health).or(self.loss.take());
        if done.is_ok() {
            mirror.folder.commit_last();
        } else {
            mirror.folder.commit_leftover();
        }
        self.is_uncommitted = mirror.folder.is_uncommitted;
        done
    }

    /// Brings both sides together again and again, until it is to end or the settings are others.
    fn follow(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        loop {
            if self.is_over || self.is_renewed {
                return Ok(());
            }
            // What changes while it is looked rings again.
            let _ = self.watcher.arm();
            self.settings();
            let began = Instant::now();
            match self.work(work) {
                Err(error) if work.session.survives(&error) => self.note_refused(&error, work),
                done => done?,
            }
            // Under load more is done at once, and those who write have the processor, too.
            std::thread::sleep(began.elapsed().min(REST_MAX));
            while !self.is_over && !self.is_renewed && !self.wait(work)? {}
        }
    }

    /// Reads changed settings; a changed server is connected to from the start.
    fn settings(&mut self) {
        if let Ok(NewSettings::Changed { project, .. }) = self.project.renewed() {
            self.project = *project;
            self.watcher.turn_to(self.project.places());
            match self.project.bridge().usable_one(self.backend.target().backend) {
                Some(backend) if backend.is_same(&*self.backend) => {}
                Some(backend) => {
                    self.new_backend = Some(backend);
                    self.is_renewed = true;
                }
                None => self.is_over = true,
            }
        }
    }

    fn work(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        if let Err(why) = self.project.bridge().branch().check(self.backend.target())? {
            work.items.clear();
            self.pause(why, work);
            return Ok(());
        }
        if !self.is_live() {
            work.mirror.folder.is_git_still_at_work();
            if let Some(why) = work.mirror.folder.pause()? {
                self.pause(why, work);
                return Ok(());
            }
            // Before the first pass: one clone creates the documents that only the server has.
            work.session.lead(false)?;
        }
        let is_everything = work.due.everything <= Instant::now() || !self.is_live();
        let items = std::mem::take(&mut work.items);
        let which = if is_everything { PassScope::All } else { PassScope::Of(items) };
        let mut report = work.session.pass(work.mirror, which, PassOptions::default())?;
        if let Some(why) = report.paused {
            self.pause(why, work);
            return Ok(());
        }
        if is_everything {
            work.due.everything = Instant::now() + self.backend.target().scan_every;
        }
        let next = work.session.after_pass(work.mirror, &mut report, is_everything)?;
        work.due.queue = next.and_then(|left| Instant::now().checked_add(left.max(Duration::from_millis(1))));
        work.session.publish(work.mirror, &report.told)?;
        self.note(&report, work, is_everything);
        Ok(())
    }

    fn pause(&mut self, why: String, work: &mut Work<'_>) {
        work.session.pause();
        let is_git_at_work = work.mirror.folder.is_git_at_work;
        let target = self.backend.target();
        work.due.everything = Instant::now() + if is_git_at_work { GIT } else { target.scan_every };
        let is_news = self.health.state != BackendState::Paused;
        let hint = if is_git_at_work { GIT_HINT } else { target.pause_hint() };
        self.health = self.health.clone().paused(why, Some(hint.to_owned()), self.project.now());
        self.report(is_news);
    }

    fn is_live(&self) -> bool {
        self.health.state == BackendState::Live
    }

    fn note(&mut self, report: &PassReport, work: &Work<'_>, is_everything: bool) {
        let was_live = self.is_live();
        let now = self.project.now();
        let mut health = self.health.clone().live(work.session.server_name(), now);
        if is_everything {
            health.note_pass(report, now);
        } else {
            health.sent += report.sent.len() as u64;
            health.came += report.came.len() as u64;
        }
        health.behind = work.mirror.memory.waiting() as u64;
        health.note_held(report, work.mirror.memory.mass);
        work.session.note(work.mirror, &mut health);
        let is_other = health.popped.len() != self.health.popped.len();
        let is_news = !was_live || health.garbage != self.health.garbage || health.held != self.health.held;
        let is_due = is_everything || self.told_at.is_none_or(|at| at.elapsed() >= REPORT);
        self.health = health;
        if is_news || is_due || is_other {
            self.report(is_news);
        }
        self.report_loss();
    }

    /// Waits for something to do; returns true if it is a look at documents.
    fn wait(&mut self, work: &mut Work<'_>) -> Result<bool, Error> {
        let now = Instant::now();
        if work.due.beat <= now {
            work.due.beat = now + BEAT;
            self.beat(work)?;
        }
        self.note_losses(work);
        let Due { everything, beat, queue } = work.due;
        let next = [Some(everything), Some(beat), queue].into_iter().flatten().min();
        let left = next.map_or(BEAT, |next| next.saturating_duration_since(Instant::now()));
        let first = match self.received.recv_timeout(left) {
            Ok(signal) => signal,
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                let Due { everything, queue, .. } = work.due;
                return Ok(everything <= now || queue.is_some_and(|at| at <= now));
            }
            Err(RecvTimeoutError::Disconnected) => Signal::Stop,
        };
        let mut is_stale = self.hear(first, work)?;
        for _ in 0..NEWS_MAX {
            let Ok(signal) = self.received.try_recv() else { break };
            is_stale |= self.hear(signal, work)?;
        }
        Ok(is_stale)
    }

    fn hear(&mut self, signal: Signal, work: &mut Work<'_>) -> Result<bool, Error> {
        match signal {
            Signal::Stop => self.is_over = true,
            Signal::Files => return Ok(true),
            Signal::Server => {
                let news = work.session.take_news(work.mirror, &mut work.items);
                self.note_losses(work);
                let news = news?;
                if news.is_everything {
                    work.due.everything = Instant::now();
                }
                return Ok(news.is_stale);
            }
        }
        Ok(false)
    }

    fn beat(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        if self.is_to_give_way() {
            self.is_renewed = true;
            return Ok(());
        }
        work.mirror.folder.commit_leftover();
        if work.session.beat(work.mirror, self.is_live())? {
            work.due.everything = Instant::now();
        }
        if self.told_at.is_none_or(|at| at.elapsed() >= REPORT) {
            self.health.checked = self.project.now();
            self.report(false);
        }
        Ok(())
    }

    /// The server refused, and is tried again over the same connection.
    fn note_refused(&mut self, error: &Error, work: &mut Work<'_>) {
        let is_news = self.health.why.as_ref() != Some(&error.to_string());
        self.health = self.health.clone().failed(error.to_string(), error.hint(), self.project.now());
        self.report(is_news);
        work.due.everything = Instant::now() + BEAT;
    }

    fn note_losses(&mut self, work: &mut Work<'_>) {
        if let Some(loss) = work.session.take_losses(&mut self.health) {
            self.loss = Some(loss);
            self.report_loss();
        }
    }

    /// Reports losses to the program that started this, once the server is live.
    fn report_loss(&mut self) {
        if self.is_live()
            && let Some(why) = self.loss.take()
        {
            self.report(false);
            let mut health = self.health.clone();
            health.why = Some(why);
            (self.tell)(&health);
        }
    }

    /// Writes the health to local state; with `is_news` it is also passed to the caller of the follower.
    fn report(&mut self, is_news: bool) {
        self.told_at = Some(Instant::now());
        // Whoever asks and finds nothing looks by itself.
        let _ = self.project.bridge().health_of(self.backend.target()).write(&self.health);
        if is_news {
            (self.tell)(&self.health);
        }
    }
}

/// What is known of a server that this process begins to follow.
fn followed_here(backend: &dyn Backend) -> BackendHealth {
    BackendHealth { follower: Some(std::process::id()), ..BackendHealth::of(backend.target()) }
}

/// Somewhat more or less, so that many clones do not come back at the same moment.
fn jittered(pause: Duration) -> Duration {
    let random = environment::random().unwrap_or_default() % 512;
    pause.mul_f64(0.75 + f64::from(u32::try_from(random).unwrap_or(0)) / 1024.0)
}
