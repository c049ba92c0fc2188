//! A connection of a mirror to a `TaskQueue` server: a process of this clone, which is started again when it is lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::limits::{ProgressLog, surplus};
use super::target::{TaskQueueTarget, check_lock};
use crate::adapters::store;
use crate::adapters::taskqueue::{Client, SURPLUS, TaskQueueError, TaskQueueRemote};
use crate::adapters::watch::FileWatch;
use crate::core::reconcile;
use crate::services::Error;
use crate::services::bridge::backend::{Connector, News, Session};
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::mirror_folder::MirrorFolder as _;
use crate::services::bridge::mirror_index::Item;
use crate::services::bridge::pass::PassScope;
use crate::services::bridge::report::{PassOptions, PassReport};
use crate::services::remote_events::Wake;

/// The first pause before a program that failed is started again, and the longest.
const RESTART_MIN: Duration = Duration::from_millis(500);
const RESTART_MAX: Duration = Duration::from_secs(8);
/// Largest file whose contents are compared, in bytes; of a larger one its size and its time.
const FILE_BYTES_MAX: usize = 64 << 20;
/// Under which name it is remembered since when tasks are in progress there.
const PROGRESS: &str = "in-progress";

/// Starts a server again and again, and keeps what outlives a session.
#[derive(Debug)]
pub(super) struct TaskQueueConnector {
    target: TaskQueueTarget,
    /// The server that runs.
    client: Option<Client>,
    /// The mark of the file when all of it was compared last.
    seen: Option<String>,
    failure: Option<StartFailure>,
}

/// Why the program was of no use when it was started last.
#[derive(Debug)]
struct StartFailure {
    error: TaskQueueError,
    pause: Duration,
    until: Instant,
}

impl TaskQueueConnector {
    pub(super) const fn new(target: TaskQueueTarget) -> Self {
        Self { target, client: None, seen: None, failure: None }
    }

    /// Starts a server, unless one runs, and calls it once: only a call shows whether it can use its file.
    fn client(&mut self) -> Result<(), TaskQueueError> {
        if let Some(failure) = self.failure.as_ref().filter(|failure| Instant::now() < failure.until) {
            return Err(failure.error.clone());
        }
        check_lock(&self.target.file)?;
        let until = Instant::now() + self.target.start_max();
        if self.client.is_none() {
            let started = self.target.start(self.target.start_max());
            match started {
                Ok(client) => self.client = Some(client),
                Err(error) => return Err(self.failed(error)),
            }
        }
        let Some(client) = &mut self.client else { return Ok(()) };
        let within = until.saturating_duration_since(Instant::now()).max(RESTART_MIN);
        if let Err(error) = client.projects(within) {
            if client.is_lost() {
                self.client = None;
                return Err(self.failed(error));
            }
            return Err(error);
        }
        self.failure = None;
        Ok(())
    }

    /// Notes that the program was of no use: to start it takes as long as a few hundred calls. One that is missing costs nothing.
    fn failed(&mut self, error: TaskQueueError) -> TaskQueueError {
        if !matches!(error, TaskQueueError::NoProgram { .. }) {
            let pause = self.failure.as_ref().map_or(RESTART_MIN, |failure| (failure.pause * 2).min(RESTART_MAX));
            self.failure = Some(StartFailure { error: error.clone(), pause, until: Instant::now() + pause });
        }
        error
    }
}

/// The mark of a file: another one for other contents. `None` if there is no file.
fn mark_of(file: &Path) -> Option<String> {
    let real = store::real_path(file).ok()?;
    if let Ok(bytes) = store::read_bytes(&real, FILE_BYTES_MAX) {
        return Some(reconcile::digest(&bytes?));
    }
    let found = real.metadata().ok()?;
    Some(format!("{} {:?}", found.len(), found.modified().ok()))
}

impl Connector for TaskQueueConnector {
    fn connect<'a>(&'a mut self, wake: Option<Wake>) -> Result<Box<dyn Session + 'a>, Error> {
        self.client()?;
        let watch = match wake {
            Some(wake) => FileWatch::start(&self.target.file, self.target.poll_every, move || wake()).ok(),
            None => None,
        };
        self.seen = None;
        Ok(Box::new(TaskQueueSession { connector: self, progress: None, _watch: watch }))
    }
}

/// A running server and the file that it keeps.
struct TaskQueueSession<'a> {
    connector: &'a mut TaskQueueConnector,
    progress: Option<ProgressLog>,
    /// Wakes the loop when others write.
    _watch: Option<FileWatch>,
}

impl TaskQueueSession<'_> {
    /// Adds tasks that are beyond the limits.
    fn report_limits(&mut self, mirror: &Mirror, report: &mut PassReport) {
        let target = &self.connector.target;
        let before = report.garbage.len();
        report.garbage.retain(|(_, why)| why != SURPLUS);
        let surplus = before - report.garbage.len();
        if surplus > 0 {
            let max = target.tasks_max;
            let why =
                format!("{surplus} tasks are not shown there: more than `coordination.taskqueue.max_tasks` ({max})");
            report.held.push(("max_tasks".to_owned(), why));
        }
        let (project, memory) = (mirror.project(), &target.mirror.memory_name);
        let local = &project.store.local;
        let progress = self.progress.get_or_insert_with(|| ProgressLog::parse(local.memory(memory, PROGRESS)));
        if let Some(bytes) = progress.update(mirror.folder.documents().snapshot(), project.now())
            && !report.is_dry
        {
            // What cannot be written is measured from the next start on.
            let _ = local.write_memory(memory, PROGRESS, &bytes);
        }
        report.held.extend(progress.overdue(project.now(), target.progress_max));
    }
}

impl Session for TaskQueueSession<'_> {
    fn server_name(&self) -> Option<String> {
        self.connector.client.as_ref().map(|client| client.server().to_owned())
    }

    fn pass(&mut self, mirror: &mut Mirror, which: PassScope, options: PassOptions) -> Result<PassReport, Error> {
        let changed = mirror.folder.refresh(&mirror.bases, options.force)?;
        mirror.memory.pending.extend(changed);
        let target = &self.connector.target;
        let Some(space) = target.space(mirror.project())? else {
            let paused = Some("nothing is committed on this branch yet".to_owned());
            return Ok(PassReport { paused, is_dry: options.dry_run, ..PassReport::default() });
        };
        let surplus = surplus(mirror.folder.documents().snapshot(), target.tasks_max);
        let seen = self.connector.seen.take();
        let file = target.file.clone();
        let mark = || mark_of(&file);
        let is_everything = matches!(which, PassScope::All);
        let Some(client) = &mut self.connector.client else {
            return Err(Error::Unreached { why: "the server has ended".to_owned(), hint: None });
        };
        let mut remote = TaskQueueRemote::new(client, &space, &surplus).marking(&mark);
        let mut report = mirror.pass(&mut remote, which, options)?;
        if report.paused.is_none() {
            let compared = remote.compared(seen.as_ref(), is_everything);
            self.connector.seen = compared;
            self.report_limits(mirror, &mut report);
        }
        Ok(report)
    }

    fn take_news(&mut self, _: &mut Mirror, _: &mut BTreeSet<Item>) -> Result<News, Error> {
        // What this clone has read and written itself is no news.
        let now = mark_of(&self.connector.target.file);
        let is_news = now.is_none() || now != self.connector.seen;
        Ok(News { is_stale: is_news, is_everything: is_news })
    }

    fn beat(&mut self, _: &mut Mirror, is_live: bool) -> Result<bool, Error> {
        // Others wrote while it was compared, or the server keeps what it has elsewhere.
        Ok(is_live && self.connector.seen.is_none())
    }

    fn survives(&self, error: &Error) -> bool {
        matches!(error, Error::TaskQueue(error) if error.is_refusal())
    }

    fn close(&mut self, _: &mut Mirror, done: &Result<(), Error>) {
        let is_lost = self.connector.client.as_ref().is_some_and(Client::is_lost);
        if is_lost || done.is_ok() {
            self.connector.client = None;
        }
    }
}
