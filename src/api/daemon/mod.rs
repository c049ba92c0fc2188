//! The loop of a watching process: wakes up, lets the engine decide, has it carried out, sleeps. It decides nothing itself
//! and knows neither files nor git: those are the [`World`]'s.
#![allow(clippy::disallowed_methods, reason = "the loop reads the clock")]

mod archive;
mod detach;
mod findings;
mod interrupt;
mod leases;
mod mirror;
mod notice;
mod upkeep;
mod watched_project;
mod witness;
mod workflow_driver;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use detach::{Detached, READY, detach};
pub use interrupt::{ForcedEnd, raise_when_interrupted, when_interrupted};
pub use notice::Notice;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::adapters::git::Target;
use crate::adapters::store::{WatcherInfo, write_new_in};
use crate::adapters::watch::{Gap, Locks, Places, Watcher};
use crate::core::engine::{Batch, Effect, Engine, Head, Input, Reason, Report, Retry, ScannedDocument};
use crate::core::name::{DocPath, visible};
use crate::core::problem::{ErrorClass, Problem};
use crate::services::{self, Project, Waiting};
use watched_project::Watched;

/// After a wake-up the bell is not heard for this long: a burst of events is a few wake-ups, not thousands.
const DEAF: Duration = Duration::from_millis(10);
/// The mark, below the git directory that all work trees share, that the choice of the branch was explained.
const GREETED: &str = "mycelium/greeted";

/// What the folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Every document.
    pub files: BTreeMap<DocPath, ScannedDocument>,
    /// Paths whose present state (content or absence) was written by a journalled operation.
    pub own: BTreeSet<DocPath>,
}

/// A commit that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRefusal {
    /// Why.
    pub reason: Reason,
    /// When to try again.
    pub retry: Retry,
}

/// Everything outside: the folder, the repository, and whoever listens. Each call may block for as long as the work takes.
pub trait World {
    /// Called once, when signals end nothing by themselves any more.
    ///
    /// # Errors
    /// If signals cannot be received.
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes in what has changed in the settings; gives what there is to watch if that is something else now. Called before
    /// each scan, when the watches are armed.
    fn renew(&mut self) -> Option<Places> {
        None
    }

    /// Gives it what wakes the loop from another thread: then it looks again.
    fn set_ring(&mut self, ring: Arc<dyn Fn() + Send + Sync>) {
        drop(ring);
    }

    /// Reads the folder.
    ///
    /// # Errors
    /// If it cannot be read at all; a document that cannot is part of the answer.
    fn scan(&mut self) -> Result<Scan, Reason>;

    /// Reads the target branch and whether it takes a commit.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn head(&mut self) -> Result<Head, Reason>;

    /// Commits exactly this, on exactly that base; gives the paths that are committed. A path that holds something else
    /// now is left out.
    ///
    /// # Errors
    /// If nothing was committed.
    fn commit(&mut self, batch: &Batch) -> Result<BTreeSet<DocPath>, CommitRefusal>;

    /// Tells whether there is nothing left to watch: the repository itself was removed.
    fn is_gone(&self) -> bool {
        false
    }

    /// Tells the user.
    fn report(&mut self, report: &Report);

    /// Called once, when the watches are armed and the first look is done: what is saved from now on is noticed.
    fn ready(&mut self);

    /// Called when nothing is due: the moment for what must not delay anything. It may not block.
    fn idle(&mut self);

    /// When there is something to do that no change asks for, such as to take back a task whose lease ends. Asked after each
    /// step, so it must be cheap; `None` causes no wake-up.
    fn due(&mut self) -> Option<Instant> {
        None
    }

    /// Called once that moment has come. What is due next is asked for anew; it must lie later than now, or nothing else is
    /// ever done.
    fn duty(&mut self) {}
}

/// Why a project cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Somebody does already.
    #[error("this work tree is watched already{}", process(info))]
    Taken {
        /// Who.
        info: WatcherInfo,
    },
    /// There is no history to write.
    #[error("`{}` is not in a git repository", visible(&.0.display().to_string()))]
    OutsideGit(PathBuf),
    /// The project failed.
    #[error(transparent)]
    Project(#[from] services::Error),
    /// The operating system gives no signals or no events.
    #[error("cannot wait for events")]
    Loop(#[from] io::Error),
}

impl Problem for WatchError {
    fn code(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "watched",
            Self::OutsideGit(_) => "outside-git",
            Self::Project(error) => error.code(),
            Self::Loop(_) => "watch",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { info } => info.pid.map(|pid| format!("run `kill {pid}` to stop that one")),
            Self::OutsideGit(_) => Some("run `git init`, then try again".to_owned()),
            Self::Project(error) => error.hint(),
            Self::Loop(_) => None,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Taken { .. } => ErrorClass::Conflict,
            Self::Project(error) => error.class(),
            Self::OutsideGit(_) | Self::Loop(_) => ErrorClass::Problem,
        }
    }
}

fn process(info: &WatcherInfo) -> String {
    info.pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

/// Watches a project and commits what settles; there is one watcher for each work tree. `listener` is told everything
/// of interest as it happens. Settings that change meanwhile are taken in. A watcher that is asked to stop and is held up by
/// others for some seconds ends the process, if `forced_end` says how.
///
/// # Errors
/// [`WatchError`] if it cannot begin. Later trouble is told to the listener and tried again.
pub fn watch(
    project: &Project,
    span: Span,
    forced_end: Option<ForcedEnd>,
    listener: &mut dyn FnMut(&Notice),
) -> Result<(), WatchError> {
    if project.repository().is_none() {
        return Err(WatchError::OutsideGit(project.root().to_owned()));
    }
    let store = project.store();
    let Some(lock) = store.locks.lock_watch(project.now()).map_err(services::Error::from)? else {
        let info = store.locks.watcher().map_err(services::Error::from)?;
        return Err(WatchError::Taken { info: info.unwrap_or(WatcherInfo { pid: None, since: None }) });
    };
    let mut watched = Watched::new(project.another()?, forced_end, listener);
    if span == Span::UntilStopped {
        watched.keep_the_archive();
        watched.keep_the_mirror();
    }
    if span == Span::UntilStopped
        && let Some(greeting) = greeting(project)
    {
        watched.greet(&greeting);
    }
    watched.finish_journal();
    run(&mut watched, project.places(), span)?;
    // A command that saw the lock still held has left its commit to us; whoever comes after this commits by itself.
    drop(lock);
    watched.finish_journal();
    Ok(())
}

/// What the first watcher in a repository has to say about where commits go; given once, and not where a branch was chosen.
#[must_use]
pub fn greeting(project: &Project) -> Option<Notice> {
    let repository = project.repository()?;
    let common = repository.common_dir();
    // A mark that cannot be left is no reason to be silent, nor one not to watch.
    if project.target() == Target::Current
        && let Some(ignored) = project.documents().ignored_folder()
    {
        // What is ignored is not committed: the greeting would promise what does not come.
        return Some(Notice::Ignored(Waiting::Ignored(ignored)));
    }
    let is_first = project.target() == Target::Current && write_new_in(common, GREETED, "").unwrap_or(true);
    is_first.then(|| Notice::FirstTime { folder: project.folder().to_owned() })
}

/// How long to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Until SIGINT, SIGTERM or SIGHUP; the last changes are committed first. A second signal stops without that. See
    /// [`ForcedEnd`] for one that is held up.
    UntilStopped,
    /// Until everything that is there is committed or held back.
    Once,
}

/// Watches and commits.
///
/// # Errors
/// If signals cannot be received or the event loop cannot be made. Everything else is told through [`World::report`] and
/// tried again.
pub fn run(world: &mut impl World, places: Places, span: Span) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        world.begin()?;
        Daemon::new(world, places).run(span, &mut signals).await;
        Ok(())
    })
}

struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

struct Daemon<'a, W> {
    world: &'a mut W,
    engine: Engine,
    watcher: Watcher,
    bell: Arc<Notify>,
    began: Instant,
    /// What was last told about the watches.
    gap: Option<String>,
    is_ready: bool,
    is_stopped: bool,
}

impl<'a, W: World> Daemon<'a, W> {
    fn new(world: &'a mut W, places: Places) -> Self {
        let bell = Arc::new(Notify::new());
        let ring = bell.clone();
        let watcher = Watcher::new(places, move || ring.notify_one());
        let ring = bell.clone();
        world.set_ring(Arc::new(move || ring.notify_one()));
        let (engine, began) = (Engine::new(), Instant::now());
        Self { world, engine, watcher, bell, began, gap: None, is_ready: false, is_stopped: false }
    }

    async fn run(mut self, span: Span, signals: &mut Signals) {
        self.step(Input::Tick);
        if span == Span::Once {
            self.step(Input::Stop);
        }
        let mut listens_at = self.began;
        while !self.is_stopped {
            let tick = self.engine.wake_at().map(|at| self.began + Duration::from_millis(at));
            let due = self.world.due();
            let cause = tokio::select! {
                biased;
                () = signals.next() => Cause::Input(Input::Stop),
                () = moment(tick) => Cause::Input(Input::Tick),
                () = moment(due) => Cause::Duty,
                () = heard(&self.bell, listens_at) => {
                    listens_at = Instant::now() + DEAF;
                    Cause::Input(Input::Woken)
                }
            };
            match cause {
                Cause::Input(input) => self.step(input),
                Cause::Duty => self.world.duty(),
            }
            if self.world.is_gone() {
                return;
            }
        }
    }

    /// One input, and everything that follows from it.
    fn step(&mut self, input: Input) {
        self.engine.step(self.now_ms(), input);
        while let Some(effect) = self.engine.poll() {
            if let Some(answer) = self.carry_out(effect) {
                self.engine.step(self.now_ms(), answer);
            }
        }
        self.watcher.heed(if self.engine.is_hindered() { Locks::Awaited } else { Locks::Ignored });
        if !self.is_ready {
            self.is_ready = true;
            self.world.ready();
        }
        if !self.is_stopped && self.engine.wake_at().is_none() {
            self.world.idle();
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Scan => {
                self.arm();
                if let Some(places) = self.world.renew() {
                    self.watcher.turn_to(places);
                    self.arm();
                }
                Some(match self.world.scan() {
                    Ok(Scan { files, own }) => Input::Scanned { files, own },
                    Err(reason) => Input::ScanFailed(reason),
                })
            }
            Effect::ReadHead => Some(self.world.head().map_or_else(Input::HeadFailed, Input::Head)),
            Effect::Commit(batch) => Some(match self.world.commit(&batch) {
                Ok(paths) => Input::Committed(paths),
                Err(CommitRefusal { reason, retry }) => Input::CommitRefused { reason, retry },
            }),
            Effect::Report(report) => {
                self.world.report(&report);
                None
            }
            Effect::Stopped => {
                self.is_stopped = true;
                None
            }
        }
    }

    /// Arms the watches before a scan, and tells the engine when that begins or ceases to work.
    fn arm(&mut self) {
        let gap = self.watcher.arm().err();
        let words = gap.as_ref().map(ToString::to_string);
        if words != self.gap {
            self.gap = words;
            let news = gap.as_ref().map_or(Input::Restored, |gap| Input::Degraded(reason(gap)));
            self.engine.step(self.now_ms(), news);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Why the loop woke up.
enum Cause {
    /// Something for the engine.
    Input(Input),
    /// Something is due that no change asks for.
    Duty,
}

/// Waits for a moment; for ever, and without a timer, if there is none.
async fn moment(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for the bell, but not before a moment. Without a ring there is no timer and no wake-up.
async fn heard(bell: &Notify, from: Instant) {
    if from > Instant::now() {
        sleep_until(from.into()).await;
    }
    bell.notified().await;
}

fn reason(gap: &Gap) -> Reason {
    let cause = std::error::Error::source(gap).map(|cause| format!(": {cause}")).unwrap_or_default();
    Reason { what: format!("{gap}{cause}"), hint: gap.hint() }
}
