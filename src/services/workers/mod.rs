//! Workers: a process that claims tasks for an agent and runs a command of the user for each. What a command's end means is decided
//! purely (`command_outcome`, `output_digest`); this carries it out.
//!
//! The claim is durable before a command starts, its end is written after the command and everything that it started have ended.

mod command_outcome;
mod command_run;
mod job;
mod leftovers;
mod output_digest;
mod worker_error;
mod worker_loop;
mod worker_notice;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

pub use self::worker_error::WorkerError;
use self::worker_loop::{LoopEvent, WorkerLoop};
pub use self::worker_notice::{WorkEnd, WorkedTask, WorkerNotice};
use super::commits::Committer;
use super::index::DocumentReader;
use super::leases::Leases;
use super::operations::{Actor, Operations};
use super::workflows::Workflows;
use super::{Error, environment};
use crate::adapters::store::{Store, TASK_LOGS_BYTES_MAX, TaskLogName, TaskLogReader};
use crate::adapters::watch::Places;
use crate::core::config::{Config, Origin};
use crate::core::entity::Entity;
use crate::core::name::{AgentName, DocId, Kind};
use crate::core::time::parse_span;

/// The setting with the command to run.
const COMMAND: &str = "worker.command";

/// Runs commands for tasks, and shows what they printed.
pub struct Workers<'a> {
    pub(super) root: &'a Path,
    pub(super) store: &'a Store,
    pub(super) config: &'a Config,
    pub(super) documents: DocumentReader<'a>,
    pub(super) commits: Committer<'a>,
    pub(super) leases: Leases<'a>,
    pub(super) operations: Operations<'a>,
    pub(super) workflows: Workflows<'a>,
    pub(super) actor: &'a Actor,
    /// What changes where documents change.
    pub(super) places: Places,
}

impl std::fmt::Debug for Workers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("root", &self.root).finish_non_exhaustive()
    }
}

/// What a worker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOptions {
    /// For which agent.
    pub agent: AgentName,
    /// The command, for the shell; else that of the user's configuration.
    pub command: Option<String>,
    /// Only tasks of these types; of all, if there are none.
    pub kinds: Vec<String>,
    /// How many commands run at once, at least 1.
    pub concurrency: usize,
    /// How long a lease lasts; else as the settings say.
    pub lease: Option<Duration>,
    /// Until nothing is ready, not until it is stopped.
    pub once: bool,
    /// A request to stop lets running commands end.
    pub drain: bool,
}

/// Asks a worker to stop, from any thread.
#[derive(Debug, Clone)]
pub struct WorkerControl(Sender<LoopEvent>);

/// What a worker listens to.
#[derive(Debug)]
pub struct WorkerInbox {
    events: Sender<LoopEvent>,
    heard: Receiver<LoopEvent>,
}

impl WorkerControl {
    /// Makes one, with what the worker listens to.
    #[must_use]
    pub fn new() -> (Self, WorkerInbox) {
        let (events, heard) = channel();
        (Self(events.clone()), WorkerInbox { events, heard })
    }

    /// Asks the worker to stop: it takes no more tasks, ends its commands (or lets them end, where it is to drain) and gives their
    /// tasks back. Asked once more, it kills them.
    pub fn stop(&self) {
        // It may have ended already.
        let _ = self.0.send(LoopEvent::Stop);
    }
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerReport {
    /// How many commands it ran to their end.
    pub ended: usize,
    /// It was asked to stop.
    pub is_stopped: bool,
}

/// The log of a command, of one attempt.
#[derive(Debug)]
pub struct WorkerLog {
    /// The task.
    pub task: DocId,
    /// The attempt, from 1.
    pub attempt: u64,
    /// The file.
    pub path: PathBuf,
    /// Reads it.
    pub reader: TaskLogReader,
}

impl Workers<'_> {
    /// Works until it is stopped, or, with [`WorkerOptions::once`], until nothing is ready and it runs nothing. `listener` hears
    /// what it does.
    ///
    /// # Errors
    /// [`WorkerError`] if there is no command, or none can be started; others if the folder cannot be used. Then its commands have
    /// been ended and their tasks given back.
    pub fn run(
        &self,
        options: &WorkerOptions,
        inbox: &WorkerInbox,
        listener: &mut dyn FnMut(&WorkerNotice),
    ) -> Result<WorkerReport, Error> {
        let command = self.command(options)?;
        self.store.local.task_logs().prune(TASK_LOGS_BYTES_MAX)?;
        let session = self.store.local.begin_worker_session(&options.agent)?;
        WorkerLoop::new(self, options, command, session, inbox.events.clone(), listener)?.run(&inbox.heard)
    }

    /// The command of the command line, else of the user's own configuration; that of the repository is never read.
    fn command(&self, options: &WorkerOptions) -> Result<String, Error> {
        let is_own = |origin: Origin| matches!(origin, Origin::User | Origin::Environment | Origin::Flag);
        let own =
            || self.config.get(COMMAND).filter(|setting| is_own(setting.origin))?.value.as_str().map(str::to_owned);
        let command = options.command.clone().or_else(own).filter(|command| !command.trim().is_empty());
        command.ok_or_else(|| WorkerError::NoCommand.into())
    }

    fn span(&self, key: &str, default: Duration) -> Duration {
        self.config.text(key).and_then(|text| parse_span(text).ok()).unwrap_or(default)
    }

    /// Opens the log of a task: of one attempt, else of the last one that has a log.
    ///
    /// # Errors
    /// [`WorkerError::NoLog`] if there is none; others if the task is not found or the log cannot be read.
    pub fn log(&self, id: &str, attempt: Option<u64>) -> Result<WorkerLog, Error> {
        let found = self.documents.find(Some(Kind::Task), id)?;
        let named = found.entity.as_ref().map(Entity::id);
        let task = named.map_or_else(|| DocId::new(found.path.stem()), Ok)?;
        let none = || Error::from(WorkerError::NoLog { task: task.clone(), attempt });
        let last = match attempt {
            Some(attempt) => Some(attempt),
            None => self.store.local.task_logs().attempts(&task)?.last().copied(),
        };
        let name = TaskLogName { task: task.clone(), attempt: last.ok_or_else(none)? };
        let reader = self.store.local.task_logs().read(&name)?.ok_or_else(none)?;
        let path = self.store.local.task_logs().path(&name);
        Ok(WorkerLog { task: name.task, attempt: name.attempt, path, reader })
    }
}
