//! The loop of a worker: wakes when documents change, a command ends, a lease is to be renewed or a time has come; drives
//! workflows, looks after its tasks, claims more. Nothing is polled where files can be watched.

mod job_end;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::command_outcome::CommandOutcome;
use super::command_run::{CommandRun, RunEvent, RunOrder};
use super::job::{Job, JobState, cannot_start, end_of_timeout, idempotency_key, log_name, loss, worked};
use super::{WorkEnd, WorkedTask, WorkerError, WorkerNotice, WorkerOptions, WorkerReport, Workers, environment};
use crate::adapters::process::{GroupKeeper, ShellCommand};
use crate::adapters::store::{TASK_LOGS_BYTES_MAX, TaskLogName, WorkerSession};
use crate::adapters::watch::Watcher;
use crate::core::entity::{Entity, Task, TaskStatus};
use crate::core::follow::FollowScope;
use crate::core::lease::{LeaseRequest, Override};
use crate::core::name::DocId;
use crate::core::problem::{ErrorClass, Problem as _};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;
use crate::services::{Actor, Claimed, Error, Scope};

/// How often documents are compared where file events do not come.
const POLL: Duration = Duration::from_secs(1);
/// After a file event nothing is read for this long: a burst of writes is read a few times.
const SETTLE: Duration = Duration::from_millis(2);
/// Between two tries of what failed.
const RETRY: Duration = Duration::from_secs(1);
/// Between two heartbeats of a worker that has nothing to do.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How often it is checked whether other workers are alive, while they have tasks.
const WORKERS_CHECK: Duration = Duration::from_secs(2);
/// How long a document may be missing, as during a checkout, before its task counts as gone.
const MISSING_MAX: Duration = Duration::from_secs(5);
/// After so many commands old logs are removed.
const PRUNE_AFTER: usize = 100;
/// How long a command may take to end before it is killed, if the settings say nothing that can be used.
const GRACE: Duration = Duration::from_secs(10);
/// The first wait behind a temporary failure, if the settings say nothing that can be used.
const BACKOFF: Duration = Duration::from_secs(1);

/// What wakes a worker.
#[derive(Debug)]
pub(super) enum LoopEvent {
    /// Documents may have changed.
    Changed,
    /// It is asked to stop.
    Stop,
    /// The thread of a command says something.
    Run(u64, RunEvent),
}

/// How far the end of a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Working,
    /// It takes no more tasks.
    Draining,
    /// Its commands are asked to end.
    Stopping,
    /// Its commands are killed.
    Killing,
}

/// What follows from reading everything once.
#[derive(Debug, Default)]
struct NextWake {
    /// When to read again if nothing else happens.
    wake: Option<Instant>,
    /// Nothing is ready, and nothing will be tried again.
    is_idle: bool,
}

impl NextWake {
    fn wake_by(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    fn wake_at(&mut self, at: Timestamp) {
        let ms = at.unix_ms().saturating_sub(environment::now().unix_ms());
        // To the millisecond, and never before.
        let left = Duration::from_millis(u64::try_from(ms).unwrap_or(0) + 1);
        if let Some(at) = Instant::now().checked_add(left) {
            self.wake_by(at);
        }
    }
}

pub(super) struct WorkerLoop<'a> {
    pub(super) workers: &'a Workers<'a>,
    options: &'a WorkerOptions,
    command: String,
    session: WorkerSession,
    keeper: Arc<GroupKeeper>,
    events: Sender<LoopEvent>,
    pub(super) listener: &'a mut dyn FnMut(&WorkerNotice),
    jobs: BTreeMap<u64, Job>,
    /// Tasks whose end could not be written: a later worker gives them back.
    unwritten: Vec<DocId>,
    last_job: u64,
    stage: Stage,
    heartbeat_at: Instant,
    report: WorkerReport,
    fault: Option<Error>,
}

impl<'a> WorkerLoop<'a> {
    pub(super) fn new(
        workers: &'a Workers<'a>,
        options: &'a WorkerOptions,
        command: String,
        session: WorkerSession,
        events: Sender<LoopEvent>,
        listener: &'a mut dyn FnMut(&WorkerNotice),
    ) -> Result<Self, Error> {
        let keeper = Arc::new(GroupKeeper::start(session.share()?).map_err(WorkerError::System)?);
        let (jobs, unwritten, report) = (BTreeMap::new(), Vec::new(), WorkerReport::default());
        let (last_job, stage, heartbeat_at, fault) = (0, Stage::Working, Instant::now(), None);
        Ok(Self {
            workers,
            options,
            command,
            session,
            keeper,
            events,
            listener,
            jobs,
            unwritten,
            last_job,
            stage,
            heartbeat_at,
            report,
            fault,
        })
    }

    /// Works to the end.
    pub(super) fn run(mut self, heard: &Receiver<LoopEvent>) -> Result<WorkerReport, Error> {
        let ring = self.events.clone();
        let mut watcher = Watcher::new(self.workers.places.clone(), move || drop(ring.send(LoopEvent::Changed)));
        (self.listener)(&WorkerNotice::Ready);
        loop {
            // Armed before anything is read: what changes after that wakes this loop.
            let is_unwatched = watcher.arm().is_err();
            let mut next = self.inspect().unwrap_or_else(|error| self.meet(error));
            if self.jobs.is_empty() && self.stage > Stage::Working {
                break;
            }
            if self.options.once && next.is_idle && self.jobs.is_empty() {
                break;
            }
            if is_unwatched {
                next.wake_by(Instant::now() + POLL);
            }
            self.hear(heard, next.wake);
        }
        if self.unwritten.is_empty() {
            self.session.end()?;
        }
        self.report.is_stopped = self.stage > Stage::Working && self.fault.is_none();
        self.fault.map_or(Ok(self.report), Err)
    }

    /// Notes what cannot be read or written. Only a worker that works once, and where waiting cannot help, gives up.
    fn meet(&mut self, error: Error) -> NextWake {
        let is_lasting = matches!(error.class(), ErrorClass::Usage | ErrorClass::Unsafe) || is_of_system(&error);
        if is_lasting || self.options.once && error.class() != ErrorClass::Busy {
            self.fail(error);
        } else {
            (self.listener)(&WorkerNotice::Trouble(error));
        }
        NextWake { wake: Some(Instant::now() + RETRY), is_idle: false }
    }

    /// Ends with this error, once its commands have ended.
    pub(super) fn fail(&mut self, error: Error) {
        if self.fault.is_none() {
            self.fault = Some(error);
            self.end_jobs(self.stage.max(Stage::Stopping));
        }
    }

    /// Waits for something to happen, until a moment, and takes it in.
    fn hear(&mut self, heard: &Receiver<LoopEvent>, until: Option<Instant>) {
        let first = match until {
            Some(until) => heard.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
            None => heard.recv().ok(),
        };
        if matches!(first, Some(LoopEvent::Changed)) {
            std::thread::sleep(SETTLE);
        }
        let mut next = first;
        while let Some(event) = next {
            match event {
                LoopEvent::Changed => {}
                LoopEvent::Stop => self.stop(),
                LoopEvent::Run(id, event) => self.take(id, event),
            }
            next = heard.try_recv().ok();
        }
    }

    fn stop(&mut self) {
        let next = match self.stage {
            Stage::Working if self.options.drain => Stage::Draining,
            Stage::Working => Stage::Stopping,
            Stage::Draining | Stage::Stopping | Stage::Killing => Stage::Killing,
        };
        (self.listener)(&WorkerNotice::Stopping);
        self.end_jobs(next);
    }

    fn end_jobs(&mut self, stage: Stage) {
        self.stage = stage;
        let order = |stage| if stage == Stage::Killing { RunOrder::Kill } else { RunOrder::Terminate };
        for job in self.jobs.values_mut().filter(|_| stage >= Stage::Stopping) {
            if job.state == JobState::Running {
                job.state = JobState::Released;
            }
            let _ = job.orders.send(order(stage));
        }
    }

    /// Reads everything, and does what there is to do.
    fn inspect(&mut self) -> Result<NextWake, Error> {
        let mut next = NextWake::default();
        self.renew(&mut next)?;
        if self.stage == Stage::Working {
            self.work(&mut next)?;
        } else if !self.jobs.is_empty() {
            let live = self.workers.documents.snapshot(Scope::Named)?;
            self.check_jobs(&live, &mut next);
        }
        Ok(next)
    }

    fn work(&mut self, next: &mut NextWake) -> Result<(), Error> {
        // What is in the way of that is an error of the next write.
        let _ = self.workers.commits.branch().follow_branch(FollowScope::Everything);
        for task in self.workers.give_back_all_leftovers()? {
            (self.listener)(&WorkerNotice::Recovered(task));
        }
        match self.workers.workflows.drive() {
            Ok(driven) => driven.next.into_iter().for_each(|at| next.wake_at(at)),
            // What is ready is done all the same.
            Err(error) => {
                next.wake_by(Instant::now() + RETRY);
                (self.listener)(&WorkerNotice::Trouble(error));
            }
        }
        let live = self.workers.documents.snapshot(Scope::Named)?;
        self.check_jobs(&live, next);
        // Where a command is being ended, its task may be ready again: it must not run twice at once.
        while self.jobs.len() < self.options.concurrency.max(1) && self.jobs.values().all(Job::is_running) {
            let Some(claimed) = self.claim()? else {
                return self.rest(next);
            };
            self.start(&claimed)?;
        }
        Ok(())
    }

    fn claim(&self) -> Result<Option<Claimed>, Error> {
        let by = self.options.agent.clone();
        let lease = self.options.lease.unwrap_or_else(|| self.workers.leases.default_lease());
        let kinds: Vec<&str> = self.options.kinds.iter().map(String::as_str).collect();
        let actor = Actor { claims: self.workers.actor.claims, ..Actor::agent(&by) };
        let announce = |task: &DocId| Ok(self.session.record(self.own_tasks().chain([task]))?);
        let ask = LeaseRequest { by, lease, over: Override::None };
        self.workers.operations.claim_new(&actor, &kinds, &ask, &announce)
    }

    fn own_tasks(&self) -> impl Iterator<Item = &DocId> {
        self.jobs.values().map(|job| &job.task.id).chain(&self.unwritten)
    }

    /// Notes when something may become ready by itself, where nothing is.
    fn rest(&self, next: &mut NextWake) -> Result<(), Error> {
        let live = self.workers.documents.snapshot(Scope::Named)?;
        let now = environment::now();
        let is_asked_for = |task: &&Task| self.options.kinds.is_empty() || self.options.kinds.contains(&task.kind);
        next.is_idle = true;
        for task in live.tasks().filter(is_asked_for) {
            let moment = task.gates.not_before.usable().filter(|at| task.status == TaskStatus::Pending && **at > now);
            if let Some(moment) = moment {
                next.wake_at(*moment);
                // A failed attempt is part of what is to be done; a task that is planned for later is not.
                next.is_idle &= task.execution.retry.is_none() || task.attempt.unwrap_or(0) < 2;
            }
        }
        let own: BTreeSet<&DocId> = self.own_tasks().collect();
        if self.workers.store.local.worked_tasks()?.iter().any(|task| !own.contains(task)) {
            // No event says that a worker has died.
            next.wake_by(Instant::now() + WORKERS_CHECK);
        }
        let leases = self.workers.leases.list(&live)?;
        let others = leases.values().filter(|lease| lease.by != self.options.agent && !lease.is_over);
        if let Some(left) = others.filter_map(|lease| lease.left).min() {
            next.wake_by(Instant::now() + left + SETTLE);
        }
        Ok(())
    }

    /// Starts the command of a task.
    fn start(&mut self, claimed: &Claimed) -> Result<(), Error> {
        let agent = &self.options.agent;
        let Some((task, worked)) = claimed
            .outcome
            .entity
            .as_ref()
            .and_then(Entity::as_task)
            .and_then(|task| Some((task, worked(task, agent)?)))
        else {
            return Ok(());
        };
        let (orders, to_run) = channel();
        let id = self.last_job + 1;
        let begun = self.prepare(id, task, &worked, (orders.clone(), to_run)).and_then(|run| {
            let thread = std::thread::Builder::new().name("command".to_owned());
            thread.spawn(move || run.run()).map(drop).map_err(|source| cannot_start(&worked, source))
        });
        if let Err(error) = begun {
            self.workers.release(agent, worked.id.as_str(), Some(worked.fence))?;
            return Err(error);
        }
        self.last_job = id;
        let renew_every = (claimed.lease / 3).clamp(Duration::from_millis(50), HEARTBEAT);
        let now = Instant::now();
        (self.listener)(&WorkerNotice::Started(worked.clone()));
        let log_name = log_name(self.workers, &worked);
        let (state, renew_at, missing_since) = (JobState::Running, now + renew_every, None);
        let job = Job { task: worked, log_name, orders, state, began: now, renew_every, renew_at, missing_since };
        self.jobs.insert(id, job);
        Ok(())
    }

    fn prepare(
        &self,
        id: u64,
        task: &Task,
        worked: &WorkedTask,
        orders: (Sender<RunOrder>, Receiver<RunOrder>),
    ) -> Result<CommandRun, Error> {
        let logs = self.workers.store.local.task_logs();
        let mut log = logs.open(&TaskLogName { task: worked.id.clone(), attempt: worked.attempt })?;
        if !log.is_empty() {
            let line = format!("[mycelium: the same attempt again, fence {}]\n", worked.fence);
            log.append(line.as_bytes()).map_err(WorkerError::System)?;
        }
        let result_file = logs.new_result_file(&worked.id, worked.fence)?;
        let environment = [
            ("MYCELIUM_ROOT", self.workers.root.as_os_str().to_owned()),
            ("MYCELIUM_AGENT", worked.by.as_str().into()),
            ("MYCELIUM_TASK", worked.id.as_str().into()),
            ("MYCELIUM_FENCE", worked.fence.to_string().into()),
            ("MYCELIUM_ATTEMPT", worked.attempt.to_string().into()),
            ("MYCELIUM_IDEMPOTENCY_KEY", idempotency_key(task, worked.attempt).into()),
            ("MYCELIUM_RESULT", result_file.path().as_os_str().to_owned()),
        ];
        let payload = task.payload.clone().unwrap_or_default();
        let events = self.events.clone();
        Ok(CommandRun {
            command: ShellCommand {
                text: self.command.clone(),
                environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                folder: self.workers.root.to_owned(),
                input: format!("{payload}\n").into_bytes(),
            },
            keeper: Arc::clone(&self.keeper),
            log,
            log_name: log_name(self.workers, worked),
            result_file,
            timeout: task.execution.timeout.and_then(|timeout| Some((timeout, end_of_timeout(task, timeout)?))),
            grace: self.workers.span("worker.grace", GRACE),
            backoff: self.workers.span("worker.backoff", BACKOFF),
            orders,
            say: Box::new(move |event| drop(events.send(LoopEvent::Run(id, event)))),
        })
    }

    /// Renews the leases that are due, and the heartbeat of the agent.
    fn renew(&mut self, next: &mut NextWake) -> Result<(), Error> {
        let now = Instant::now();
        if self.heartbeat_at <= now {
            self.workers.leases.heartbeat(&self.options.agent)?;
            self.heartbeat_at = now + HEARTBEAT;
        }
        let mut trouble = Vec::new();
        for job in self.jobs.values_mut().filter(|job| !matches!(job.state, JobState::Lost(_))) {
            if job.renew_at <= now {
                let actor = Actor { claims: self.workers.actor.claims, ..Actor::agent(&job.task.by) };
                let renewed =
                    self.workers.operations.renew(&actor.with_fence(Some(job.task.fence)), job.task.id.as_str());
                job.renew_at = now + job.renew_every;
                match renewed {
                    Ok(_) => {}
                    Err(error) if error.class() == ErrorClass::Conflict => job.lose(error.to_string()),
                    // `check_jobs` decides how long it may be missing.
                    Err(error) if error.class() == ErrorClass::NotFound => {}
                    Err(error) => trouble.push(error),
                }
            }
            next.wake_by(job.renew_at);
        }
        next.wake_by(self.heartbeat_at);
        for error in trouble {
            (self.listener)(&WorkerNotice::Trouble(error));
        }
        Ok(())
    }

    /// Ends the commands of tasks that are not this worker's any more.
    fn check_jobs(&mut self, live: &Snapshot, next: &mut NextWake) {
        for job in self.jobs.values_mut().filter(|job| job.state == JobState::Running) {
            let Some(task) = live.named_task(&job.task.id).and_then(|entry| entry.task()) else {
                let since = *job.missing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= MISSING_MAX {
                    job.lose("its document is gone, or cannot be read".to_owned());
                } else {
                    next.wake_by(since + MISSING_MAX);
                }
                continue;
            };
            job.missing_since = None;
            if let Some(why) = loss(task, &job.task) {
                job.lose(why);
            }
        }
    }

    /// Takes in what the thread of a command says.
    fn take(&mut self, id: u64, event: RunEvent) {
        match event {
            RunEvent::TimedOut => {
                if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.state == JobState::Running) {
                    job.state = JobState::TimedOut;
                }
            }
            RunEvent::Waiting(wait) => {
                if let Some(job) = self.jobs.get(&id) {
                    (self.listener)(&WorkerNotice::Temporary(job.task.clone(), wait));
                }
            }
            RunEvent::Ended { outcome, log_fault } => {
                let Some(job) = self.jobs.remove(&id) else { return };
                self.finish(job, outcome, log_fault);
            }
        }
    }

    fn finish(&mut self, job: Job, outcome: io::Result<CommandOutcome>, log_fault: Option<io::Error>) {
        if let Some(source) = log_fault {
            let error = WorkerError::LogIncomplete { path: job.log_name.clone(), source };
            (self.listener)(&WorkerNotice::Trouble(error.into()));
        }
        let end = self.end(&job, outcome);
        if matches!(end, WorkEnd::Unwritten(_)) {
            self.unwritten.push(job.task.id.clone());
        }
        self.report.ended += 1;
        // A name too many is of a task that has no holder.
        let _ = self.session.record(self.own_tasks());
        (self.listener)(&WorkerNotice::Ended { task: job.task, end, took: job.began.elapsed() });
        if self.report.ended.is_multiple_of(PRUNE_AFTER) {
            // What is not removed now is removed later.
            let _ = self.workers.store.local.task_logs().prune(TASK_LOGS_BYTES_MAX);
        }
    }
}

/// Returns true if the system does not do what every command needs.
fn is_of_system(error: &Error) -> bool {
    matches!(error.code(), "command-not-started" | "worker")
}
