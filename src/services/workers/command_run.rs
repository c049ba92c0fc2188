//! Runs the command of one attempt on a thread of its own: its output, its timeout, its waits, its end.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::command_outcome::{CommandFacts, CommandOutcome, gave_up, next_wait};
use super::output_digest::{JsonLine, JsonLineFinder, OutputTail};
use crate::adapters::process::{CommandEnd, GroupKeeper, OutputSink, ProcessGroup, RunningCommand, ShellCommand};
use crate::adapters::store::{ResultFile, TaskLog};
use crate::core::document::JSON_BYTES_MAX;

/// Bytes of the end of standard output that are the result where there is no other.
const STDOUT_BYTES_MAX: usize = 16 << 10;
/// Bytes of the end of standard error of which the last lines are kept.
const STDERR_BYTES_MAX: usize = 64 << 10;
/// Lines of standard error that are kept of a failure.
const STDERR_LINES_MAX: usize = 20;
/// Characters of each of them.
const STDERR_COLUMNS_MAX: usize = 1_000;

/// How often it is checked whether anything of a group is left that was asked to end.
const GROUP_CHECK: Duration = Duration::from_millis(20);

/// An order to the thread of a command.
#[derive(Debug)]
pub(super) enum RunOrder {
    /// The first process of the command has ended.
    Ended,
    /// The command is to end: it is asked to, and killed if it does not.
    Terminate,
    /// The command is killed.
    Kill,
}

/// What the thread of a command says.
#[derive(Debug)]
pub(super) enum RunEvent {
    /// The command is being ended, since the time of its task is over.
    TimedOut,
    /// It failed for a while and is run again after this time.
    Waiting(Duration),
    /// It has ended with everything that it started.
    Ended {
        /// What follows from that, or why it could not be run.
        outcome: io::Result<CommandOutcome>,
        /// Why its log is not complete.
        log_fault: Option<io::Error>,
    },
}

/// A command that is to be run for one attempt of a task.
pub(super) struct CommandRun {
    pub(super) command: ShellCommand,
    pub(super) keeper: Arc<GroupKeeper>,
    pub(super) log: TaskLog,
    /// Where the log is, for messages.
    pub(super) log_name: String,
    pub(super) result_file: ResultFile,
    /// The timeout of the task, and when it is over.
    pub(super) timeout: Option<(Duration, Instant)>,
    /// How long a command has between the request to end and its death.
    pub(super) grace: Duration,
    /// The first wait behind a temporary failure.
    pub(super) backoff: Duration,
    pub(super) orders: (Sender<RunOrder>, Receiver<RunOrder>),
    pub(super) say: Box<dyn Fn(RunEvent) + Send>,
}

/// A log that several threads write to.
#[derive(Debug)]
struct SharedLog {
    log: Option<TaskLog>,
    fault: Option<io::Error>,
}

impl SharedLog {
    fn append(&mut self, bytes: &[u8]) {
        // What comes from a process that left the group, after the end, is not kept.
        let written = self.log.as_mut().filter(|_| self.fault.is_none()).map_or(Ok(()), |log| log.append(bytes));
        self.fault = self.fault.take().or(written.err());
    }
}

/// What one run of the command leaves.
struct Collected {
    log: Arc<Mutex<SharedLog>>,
    stdout: Arc<Mutex<(OutputTail, JsonLineFinder)>>,
    stderr: Arc<Mutex<OutputTail>>,
}

/// The course of one run.
#[derive(Debug, Default)]
struct RunCourse {
    /// When the group is killed.
    kill_at: Option<Instant>,
    is_timed_out: bool,
    /// It was ordered to end.
    is_ended: bool,
}

impl CommandRun {
    /// Runs it to its end.
    pub(super) fn run(self) {
        let Self { command, keeper, log, log_name, result_file, timeout, grace, backoff, orders, say } = self;
        let log = Arc::new(Mutex::new(SharedLog { log: Some(log), fault: None }));
        let runner = Runner { command, keeper, log, log_name, result_file, timeout, grace, orders, say };
        let outcome = runner.run_until_decided(backoff);
        let (log, fault) = {
            let mut shared = lock(&runner.log);
            (shared.log.take(), shared.fault.take())
        };
        let finished = log.map_or(Ok(0), TaskLog::finish);
        (runner.say)(RunEvent::Ended { outcome, log_fault: fault.or(finished.err()) });
    }
}

struct Runner {
    command: ShellCommand,
    keeper: Arc<GroupKeeper>,
    log: Arc<Mutex<SharedLog>>,
    log_name: String,
    result_file: ResultFile,
    timeout: Option<(Duration, Instant)>,
    grace: Duration,
    orders: (Sender<RunOrder>, Receiver<RunOrder>),
    say: Box<dyn Fn(RunEvent) + Send>,
}

impl Runner {
    /// Runs the command again while it says that its failure is temporary.
    fn run_until_decided(&self, backoff: Duration) -> io::Result<CommandOutcome> {
        let mut waits = 0;
        loop {
            self.result_file.clear()?;
            let (facts, course) = self.run_once()?;
            let error = match facts.judge() {
                CommandOutcome::Temporary(error) if !course.is_ended => error,
                decided => return Ok(decided),
            };
            let left = self.timeout.map(|(_, at)| at.saturating_duration_since(Instant::now()));
            let Some(wait) = next_wait(backoff, waits, left) else {
                return Ok(CommandOutcome::Failed(gave_up(error, waits)));
            };
            (self.say)(RunEvent::Waiting(wait));
            lock(&self.log).append(format!("[mycelium: exit 75, next run in {} ms]\n", wait.as_millis()).as_bytes());
            waits += 1;
            if self.is_ordered_to_end_within(wait) {
                return Ok(CommandOutcome::Temporary(error));
            }
        }
    }

    fn run_once(&self) -> io::Result<(CommandFacts, RunCourse)> {
        let collected = Collected {
            log: Arc::clone(&self.log),
            stdout: Arc::new(Mutex::new((OutputTail::new(STDOUT_BYTES_MAX), JsonLineFinder::new(JSON_BYTES_MAX)))),
            stderr: Arc::new(Mutex::new(OutputTail::new(STDERR_BYTES_MAX))),
        };
        let ended = self.orders.0.clone();
        let on_end = move || drop(ended.send(RunOrder::Ended));
        let running = RunningCommand::start(&self.command, &self.keeper, collected.sinks(), on_end)?;
        let course = self.wait(running.group());
        let end = running.finish(&self.keeper)?;
        Ok((self.facts(&collected, end, &course), course))
    }

    /// Waits for the end of the command, and sees to it.
    fn wait(&self, group: ProcessGroup) -> RunCourse {
        let mut course = RunCourse::default();
        loop {
            let timeout = self.timeout.map(|(_, at)| at).filter(|_| course.kill_at.is_none());
            let order = match course.kill_at.or(timeout) {
                Some(until) => self.orders.1.recv_timeout(until.saturating_duration_since(Instant::now())),
                None => self.orders.1.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(RunOrder::Ended) => {
                    self.wait_for_group(group, &mut course);
                    return course;
                }
                Ok(RunOrder::Terminate) => {
                    course.is_ended = true;
                    self.terminate(group, &mut course);
                }
                Err(RecvTimeoutError::Timeout) if course.kill_at.is_none() => {
                    course.is_timed_out = true;
                    (self.say)(RunEvent::TimedOut);
                    self.terminate(group, &mut course);
                }
                Ok(RunOrder::Kill) | Err(_) => {
                    course.is_ended |= matches!(order, Ok(RunOrder::Kill));
                    group.kill();
                    // A process that is in the kernel's hands dies later.
                    course.kill_at = Some(Instant::now() + self.grace.max(Duration::from_secs(1)));
                }
            }
        }
    }

    /// The first process of a command that is being ended is often a shell, which ends at once: what it started has the whole
    /// grace. A command that ended by itself leaves nothing that is waited for.
    fn wait_for_group(&self, group: ProcessGroup, course: &mut RunCourse) {
        let Some(until) = course.kill_at else { return };
        while group.has_others() && Instant::now() < until {
            match self.orders.1.recv_timeout(GROUP_CHECK) {
                Ok(RunOrder::Kill) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(RunOrder::Terminate) => course.is_ended = true,
                Ok(RunOrder::Ended) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn terminate(&self, group: ProcessGroup, course: &mut RunCourse) {
        group.terminate();
        course.kill_at = course.kill_at.or_else(|| Instant::now().checked_add(self.grace));
    }

    /// Waits between two runs; true if the command is not to be run again.
    fn is_ordered_to_end_within(&self, wait: Duration) -> bool {
        let order = self.orders.1.recv_timeout(wait);
        !matches!(order, Err(RecvTimeoutError::Timeout))
    }

    fn facts(&self, collected: &Collected, end: CommandEnd, course: &RunCourse) -> CommandFacts {
        let mut stdout = lock(&collected.stdout);
        let finder = std::mem::replace(&mut stdout.1, JsonLineFinder::new(0));
        let result_file = self.result_file.read(JSON_BYTES_MAX).map_err(|error| error.to_string());
        CommandFacts {
            end,
            timeout: self.timeout.map(|(timeout, _)| timeout).filter(|_| course.is_timed_out),
            result_file,
            json_line: if end == CommandEnd::Exit(0) { finder.finish() } else { JsonLine::None },
            stdout: stdout.0.text(),
            stderr: lock(&collected.stderr).last_lines(STDERR_LINES_MAX, STDERR_COLUMNS_MAX),
            log: self.log_name.clone(),
        }
    }
}

impl Collected {
    fn sinks(&self) -> [OutputSink; 2] {
        let (log, stdout) = (Arc::clone(&self.log), Arc::clone(&self.stdout));
        let out = move |bytes: &[u8]| {
            lock(&log).append(bytes);
            let mut digest = lock(&stdout);
            digest.0.push(bytes);
            digest.1.push(bytes);
        };
        let (log, stderr) = (Arc::clone(&self.log), Arc::clone(&self.stderr));
        let errors = move |bytes: &[u8]| {
            lock(&log).append(bytes);
            lock(&stderr).push(bytes);
        };
        [Box::new(out), Box::new(errors)]
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
