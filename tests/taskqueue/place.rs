//! A repository whose tasks go to a server, with the real program.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::Server;
use crate::support::{FOLDER, Run, Sandbox};

/// Longest that [`eventually`] waits: a server takes a while to start on a busy machine.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// A clone with what its user's environment says of the server.
pub(crate) struct Place {
    pub(crate) sandbox: Sandbox,
    environment: Vec<(String, String)>,
}

/// A watcher that runs.
pub(crate) struct Watching(Child);

impl Watching {
    /// Asks it to end. Returns whether it ended well, and how long that took.
    pub(crate) fn stop(mut self) -> (bool, Duration) {
        let began = Instant::now();
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let ended = self.0.wait().expect("its end");
        (ended.success(), began.elapsed())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl Place {
    /// A repository with one commit, whose user named the server.
    pub(crate) fn new(server: &Server) -> Self {
        Self::with(server, Sandbox::new())
    }

    pub(crate) fn with(server: &Server, sandbox: Sandbox) -> Self {
        let place = Self::unnamed(server, sandbox);
        let words: Vec<String> = server.program.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let command = serde_json::to_string(&words).expect("JSON");
        place.variable("MYCELIUM_COORDINATION_TASKQUEUE_COMMAND", &command)
    }

    /// One whose user named its file alone.
    pub(crate) fn unnamed(server: &Server, sandbox: Sandbox) -> Self {
        let file = server.file().display().to_string();
        Self { sandbox, environment: Vec::new() }.variable("TASK_MANAGER_FILE_PATH", &file)
    }

    /// Another clone of the same repository, by the same user.
    pub(crate) fn clone_of(other: &Self, name: &str) -> Self {
        let path = other.sandbox.root().with_file_name(name);
        let (from, to) = (other.sandbox.root().display().to_string(), path.display().to_string());
        other.sandbox.git(&["clone", "--quiet", &from, &to]);
        Self { sandbox: Sandbox::at(&other.sandbox, path), environment: other.environment.clone() }
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(old, _)| old != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.mycelium_command(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A line for a shell.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = self.sandbox.command("sh");
        command.args(["-c", line]).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn try_run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).ok()
    }

    /// `data` of an answer.
    pub(crate) fn data(&self, arguments: &[&str]) -> Value {
        let answer = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str::<Value>(&answer).expect("JSON")["data"].clone()
    }

    /// Makes a task.
    pub(crate) fn create(&self, id: &str, more: &[&str]) {
        let _ = self.run(&[&["task", "create", "--type", "build", "--id", id][..], more].concat());
    }

    /// Completes a task.
    pub(crate) fn complete(&self, id: &str, result: &str) {
        let _ = self.run(&["task", "claim", id, "--as", "ann"]);
        let _ = self.run(&["task", "complete", id, "--result", result, "--as", "ann"]);
    }

    pub(crate) fn task(&self, id: &str) -> String {
        self.sandbox.read(&format!("{FOLDER}/{id}.md"))
    }

    /// Starts a watcher.
    pub(crate) fn watch(&self) -> Watching {
        let log = std::fs::File::create(self.log()).expect("a log");
        let child = self.command(&["watch"]).stdout(Stdio::null()).stderr(log).spawn().expect("a watcher");
        let watching = Watching(child);
        eventually("a watcher", || self.try_run(&["status"]).stdout.contains("watcher"));
        watching
    }

    /// Where the watcher writes what it says.
    pub(crate) fn log(&self) -> PathBuf {
        self.sandbox.root().with_extension("log")
    }

    /// The state of `TaskQueue`, by its word, and why.
    pub(crate) fn state(&self) -> (String, String) {
        let data = self.data(&["bridge", "status", "--backend", "taskqueue"]);
        let text = |name: &str| data["bridge"][name].as_str().unwrap_or_default().to_owned();
        (text("state"), text("why"))
    }

    pub(crate) fn mode(&self) -> String {
        self.data(&["status"])["mode"].as_str().unwrap_or_default().to_owned()
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < EVENTUALLY, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
