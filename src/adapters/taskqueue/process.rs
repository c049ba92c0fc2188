//! The process of a server: lines to its input, lines from its output, its errors drained, its end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::adapters::process::ProcessGroup;

/// The longest line that is read from a server: beyond it the server is ended.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How much of the end of its standard error is kept.
const STDERR_BYTES_MAX: usize = 2_000;

/// How many lines wait to be looked at; then the server waits.
const LINES_WAITING: usize = 64;

/// How long a server may take to end by itself once its input is closed, and again after a request to end. A server that is
/// killed while it writes leaves half a file and its lock.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// How long the end of its standard error is waited for once it has ended: a program that it started may hold it open.
const STDERR_PATIENCE: Duration = Duration::from_millis(500);

/// A server's program with its arguments and what it finds in its environment besides ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program, and its arguments.
    pub words: Vec<OsString>,
    /// Variables that are set for it.
    pub environment: Vec<(String, OsString)>,
    /// Where it runs.
    pub folder: PathBuf,
}

impl Program {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.first().map_or_else(String::new, |word| word.to_string_lossy().into_owned())
    }
}

/// A running server. Dropping it closes its input, waits for its end, and ends it if it does not.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    /// To the thread that writes: a server that reads nothing stops that thread alone.
    input: Option<Sender<Vec<u8>>>,
    output: Receiver<Line>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    /// Disconnected once its standard error has been read to the end.
    stderr_open: Receiver<()>,
    patience: Duration,
}

/// What came from a server.
#[derive(Debug)]
pub(super) enum Line {
    Text(Vec<u8>),
    /// A line that is longer than [`ANSWER_BYTES_MAX`].
    TooLong,
}

/// Why no line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLine {
    TimedOut,
    Ended,
}

impl ServerProcess {
    /// Starts a server in a process group of its own.
    pub(super) fn start(program: &Program) -> Result<Self, std::io::Error> {
        let Some((name, arguments)) = program.words.split_first() else {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "no program is named"));
        };
        let mut command = Command::new(name);
        command.args(arguments).envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&program.folder).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let missing = || std::io::Error::other("it has no pipes");
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let mut errors = child.stderr.take().ok_or_else(missing)?;
        let (input, to_write) = channel::<Vec<u8>>();
        let (lines, output) = sync_channel(LINES_WAITING);
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&stderr);
        let (until_read, stderr_open) = channel();
        // Each ends with the process, or when this value is dropped.
        thread::Builder::new().name("taskqueue-input".to_owned()).spawn(move || {
            while let Ok(bytes) = to_write.recv() {
                if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        })?;
        thread::Builder::new().name("taskqueue-output".to_owned()).spawn(move || read_lines(stdout, &lines))?;
        thread::Builder::new().name("taskqueue-errors".to_owned()).spawn(move || {
            keep_end(&mut errors, &kept);
            drop(until_read);
        })?;
        Ok(Self { child, input: Some(input), output, stderr, stderr_open, patience: END_PATIENCE })
    }

    /// Hands a line to the server. Returns at once.
    pub(super) fn send(&self, mut line: Vec<u8>) -> Result<(), NoLine> {
        line.push(b'\n');
        self.input.as_ref().ok_or(NoLine::Ended)?.send(line).map_err(|_| NoLine::Ended)
    }

    /// Waits for the next line until a moment.
    pub(super) fn receive(&self, until: Instant) -> Result<Line, NoLine> {
        let left = until.saturating_duration_since(Instant::now());
        self.output.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => NoLine::TimedOut,
            RecvTimeoutError::Disconnected => NoLine::Ended,
        })
    }

    /// The end of what a server that has ended wrote on its standard error, in one line.
    pub(super) fn stderr_end(&self) -> String {
        // Its other pipes are closed before all of this one has been read.
        let _ = self.stderr_open.recv_timeout(STDERR_PATIENCE);
        let bytes: Vec<u8> = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// It hangs: it is given less time to end.
    pub(super) const fn give_up(&mut self) {
        self.patience = Duration::from_millis(300);
    }

    /// Waits until it has ended, no longer than its patience.
    fn has_ended(&mut self) -> bool {
        let end = Instant::now() + self.patience;
        loop {
            // What it still says must not hold it up.
            while self.output.try_recv().is_ok() {}
            match self.child.try_wait() {
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.input = None;
        let group = ProcessGroup::of(&self.child);
        if !self.has_ended() {
            group.terminate();
            if !self.has_ended() {
                group.kill();
                // It cannot refuse; `npx` leaves the server itself behind, which this reached as well.
                let _ = self.child.wait();
            }
        }
    }
}

/// Sends each line on; ends with the output, or when no more is wanted.
fn read_lines(stdout: impl Read, lines: &SyncSender<Line>) {
    let mut stdout = BufReader::with_capacity(64 << 10, stdout);
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX) + 1;
        let read = stdout.by_ref().take(limit).read_until(b'\n', &mut line);
        let line = match read {
            Ok(0) | Err(_) => return,
            Ok(_) if line.len() > ANSWER_BYTES_MAX => Line::TooLong,
            Ok(_) => Line::Text(line),
        };
        let is_last = matches!(line, Line::TooLong);
        if lines.send(line).is_err() || is_last {
            return;
        }
    }
}

/// Reads everything and keeps its end.
fn keep_end(errors: &mut impl Read, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 8 << 10];
    while let Ok(read @ 1..) = errors.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&buffer[..read]);
        let surplus = kept.len().saturating_sub(STDERR_BYTES_MAX);
        kept.drain(..surplus);
    }
}
