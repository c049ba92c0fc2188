//! A worker as a process, and what is seen of it from outside.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Run, Sandbox};

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(40);

/// A worker that runs beside the test.
pub(crate) struct Worker {
    child: Child,
    events: Receiver<Value>,
    /// All it said so far.
    pub(crate) said: Vec<Value>,
}

impl Worker {
    /// Starts `mycelium worker --json` with these arguments.
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.mycelium_command(&["worker", "--json"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str::<Value>(&line).unwrap()["data"].clone());
            }
        });
        Self { child, events, said: Vec::new() }
    }

    /// Waits until it says this, and gives what it said.
    #[track_caller]
    pub(crate) fn hear(&mut self, event: &str) -> Value {
        let until = Instant::now() + LONG;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(said) => {
                    self.said.push(said.clone());
                    if said["event"] == event {
                        return said;
                    }
                }
                Err(error) => panic!("{error}: it did not say `{event}` but {:?}", self.said),
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end; gives its exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while let Ok(said) = self.events.recv_timeout(Duration::from_millis(500)) {
                    self.said.push(said);
                }
                return status.code();
            }
            assert!(began.elapsed() < LONG, "it does not end; it said {:?}", self.said);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The most memory it has used, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sandbox where back-off and grace are short.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for (key, value) in [("worker.backoff", "10ms"), ("worker.grace", "500ms")] {
        sandbox.mycelium(&["config", "set", "--user", key, value]).ok();
    }
    sandbox
}

/// Makes a pending task of a type.
pub(crate) fn create(sandbox: &Sandbox, id: &str, kind: &str, more: &[&str]) {
    let arguments = [&["task", "create", "--id", id, "--type", kind, "-q"], more].concat();
    sandbox.mycelium(&arguments).ok();
}

/// Runs a worker until nothing is ready.
pub(crate) fn work(sandbox: &Sandbox, exec: &str) -> Run {
    sandbox.mycelium(&["worker", "--agent", "ann", "--once", "-q", "--exec", exec])
}

/// A task as JSON.
pub(crate) fn get(sandbox: &Sandbox, id: &str) -> Value {
    let text = sandbox.mycelium(&["task", "get", id, "--json"]).ok();
    serde_json::from_str::<Value>(&text).unwrap()["data"]["task"].clone()
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs; a zombie does not.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The process ids in a file, one a line.
pub(crate) fn pids(sandbox: &Sandbox, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.path(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
