//! Commands that run in process groups of their own: started, read, ended with everything that they started. The one owner of
//! signals to process groups.
//!
//! A process that leaves its group (`setsid`) is not reached.
#![allow(clippy::disallowed_methods, reason = "the shell starts programs and waits for them")]

mod keeper;

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

pub use keeper::GroupKeeper;

/// The shell of commands.
const SHELL: &str = "/bin/sh";
/// Waits for the first line of its input, then becomes the shell of the command: nothing of a command runs before the keeper
/// knows its group.
const GATE: &str = r#"IFS= read -r _ || exit 1; exec /bin/sh -c "$1""#;
/// How long the rest of the output is waited for once all of the group has ended: a process that left the group may hold it open.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A process group that this process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessGroup(Pid);

impl ProcessGroup {
    /// The group that a child leads, which was started with `process_group(0)`.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self(Pid::from_child(child))
    }

    /// Asks every process of the group to end.
    pub fn terminate(self) {
        // It may be gone already.
        let _ = kill_process_group(self.0, Signal::TERM);
    }

    /// Ends every process of the group.
    pub fn kill(self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }

    /// Returns true if another process than the first one is left of the group. Where the system has no `/proc` that is unknown, and
    /// false.
    #[must_use]
    pub fn has_others(self) -> bool {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| *pid != self.id()).any(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name may hold anything; behind it are the state, the parent and the group.
            let mut fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
            let (state, group) = (fields.next(), fields.nth(1));
            !matches!(state, None | Some("Z" | "X")) && group.and_then(|group| group.parse().ok()) == Some(self.id())
        })
    }

    fn id(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }
}

/// A command for the shell.
#[derive(Debug, Clone)]
pub struct ShellCommand {
    /// The command.
    pub text: String,
    /// Variables that are set for it.
    pub environment: Vec<(String, OsString)>,
    /// Where it runs.
    pub folder: PathBuf,
    /// Its standard input.
    pub input: Vec<u8>,
}

/// Takes what a command prints, in pieces, on a thread of its own.
pub type OutputSink = Box<dyn FnMut(&[u8]) + Send>;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd {
    /// With this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// A command that runs.
#[derive(Debug)]
pub struct RunningCommand {
    child: Child,
    group: ProcessGroup,
    /// Disconnected when an output has been read to its end.
    outputs: [Receiver<()>; 2],
}

impl RunningCommand {
    /// Starts a command in a process group of its own. `on_end` is called on another thread when its first process has ended;
    /// then [`RunningCommand::finish`] must be called.
    ///
    /// # Errors
    /// If it cannot be started; then nothing of it runs.
    pub fn start(
        command: &ShellCommand,
        keeper: &GroupKeeper,
        [stdout, stderr]: [OutputSink; 2],
        on_end: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let mut shell = Command::new(SHELL);
        shell.args(["-c", GATE, "mycelium", &command.text]).current_dir(&command.folder).process_group(0);
        shell.envs(command.environment.iter().map(|(name, value)| (name, value)));
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let group = ProcessGroup::of(&child);
        let started = || -> io::Result<Self> {
            keeper.add(group)?;
            let missing = || io::Error::other("it has no pipes");
            let stdin = child.stdin.take().ok_or_else(missing)?;
            let out = read_all(child.stdout.take().ok_or_else(missing)?, stdout)?;
            let errors = read_all(child.stderr.take().ok_or_else(missing)?, stderr)?;
            write_all(stdin, command.input.clone())?;
            let pid = group.0;
            thread::Builder::new().name("command-end".to_owned()).spawn(move || {
                // The process stays as a zombie, so that neither its id nor that of its group is given to another.
                while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
                    .is_err_and(|error| error == rustix::io::Errno::INTR)
                {}
                on_end();
            })?;
            Ok(Self { child, group, outputs: [out, errors] })
        };
        started().inspect_err(|_| group.kill())
    }

    /// Its process group.
    #[must_use]
    pub const fn group(&self) -> ProcessGroup {
        self.group
    }

    /// Ends what is left of its group once its first process has ended, and waits for the rest of its output.
    ///
    /// # Errors
    /// If the system does not say how it ended.
    pub fn finish(mut self, keeper: &GroupKeeper) -> io::Result<CommandEnd> {
        self.group.kill();
        keeper.remove(self.group);
        let status = self.child.wait()?;
        let until = Instant::now() + OUTPUT_PATIENCE;
        for output in &self.outputs {
            // Disconnected at its end.
            let _ = output.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
        Ok(end_of(status))
    }
}

fn end_of(status: ExitStatus) -> CommandEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => CommandEnd::Exit(code),
        (None, signal) => CommandEnd::Signal(signal.unwrap_or_default()),
    }
}

/// Lets the gate open, then writes the input of a command, which may read none of it.
fn write_all(mut stdin: ChildStdin, input: Vec<u8>) -> io::Result<()> {
    thread::Builder::new().name("command-input".to_owned()).spawn(move || {
        let _ = stdin.write_all(b"\n").and_then(|()| stdin.write_all(&input));
    })?;
    Ok(())
}

/// Reads an output to its end.
fn read_all(mut output: impl Read + Send + 'static, mut sink: OutputSink) -> io::Result<Receiver<()>> {
    let (open, ended) = channel();
    thread::Builder::new().name("command-output".to_owned()).spawn(move || {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => sink(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(open);
    })?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn run(text: &str, input: &str) -> (CommandEnd, String) {
        let keeper = GroupKeeper::start(Stdio::null()).expect("a keeper");
        let command = ShellCommand {
            text: text.to_owned(),
            environment: vec![("WORD".to_owned(), "a b".into())],
            folder: std::env::temp_dir(),
            input: input.into(),
        };
        let printed = Arc::new(Mutex::new(Vec::new()));
        let sink = || -> OutputSink {
            let printed = Arc::clone(&printed);
            Box::new(move |bytes: &[u8]| printed.lock().expect("whole").extend(bytes))
        };
        let (ended, end) = channel::<()>();
        let running = RunningCommand::start(&command, &keeper, [sink(), sink()], move || drop(ended)).expect("started");
        let _ = end.recv();
        let end = running.finish(&keeper).expect("an end");
        let text = String::from_utf8(printed.lock().expect("whole").clone()).expect("text");
        (end, text)
    }

    fn is_alive(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[test]
    fn a_command_gets_its_input_and_environment_and_gives_its_output() {
        assert_eq!(run("cat; echo \"$WORD\" >&2", "one\ntwo\n"), (CommandEnd::Exit(0), "one\ntwo\na b\n".to_owned()));
        assert_eq!(run("exit 3", &"x".repeat(1 << 20)).0, CommandEnd::Exit(3));
        assert_eq!(run("kill -9 $$", "").0, CommandEnd::Signal(9));
        assert_eq!(run("/nothing/here 2>/dev/null", "").0, CommandEnd::Exit(127));
    }

    #[test]
    fn what_a_command_leaves_in_its_group_is_ended() {
        let (end, pid) = run("trap '' TERM; (trap '' TERM; sleep 60) & echo $!", "");
        assert_eq!(end, CommandEnd::Exit(0));
        for _ in 0..200 {
            if !is_alive(&pid) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{pid} is alive");
    }

    #[test]
    fn a_keeper_that_loses_its_worker_ends_the_groups_it_knows() {
        for round in 0..2 {
            let keeper = GroupKeeper::start(Stdio::null()).expect("a keeper");
            let mut ended = Command::new(SHELL).args(["-c", "exit 0"]).process_group(0).spawn().expect("started");
            let start = || Command::new("sleep").arg("60").process_group(0).spawn().expect("started");
            let (mut first, mut second, mut other) = (start(), start(), start());
            for child in [&ended, &first, &other, &second] {
                keeper.add(ProcessGroup::of(child)).expect("known");
            }
            for child in [&ended, &other] {
                keeper.remove(ProcessGroup::of(child));
            }
            drop(keeper);
            assert_eq!(first.wait().expect("an end").signal(), Some(9), "{round}");
            assert_eq!(second.wait().expect("an end").signal(), Some(9));
            assert!(other.try_wait().expect("seen").is_none());
            other.kill().expect("killed");
            other.wait().expect("an end");
            ended.wait().expect("an end");
        }
    }
}
