//! A server, clones of one project, and a watcher in each.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::Server;
use crate::support::{FOLDER, Run, Sandbox};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A server and those who follow it.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) clones: Vec<Sandbox>,
    watchers: Vec<Child>,
    url: String,
    top: tempfile::TempDir,
}

impl Scene {
    /// So many clones, each with a watcher that follows; `None` if there is no server on this machine.
    pub(crate) fn start(test: &str, count: usize, settings: &[(&str, &str)]) -> Option<Self> {
        let mut scene = Self::quiet(test, count, settings)?;
        scene.watch();
        Some(scene)
    }

    /// The same without watchers.
    pub(crate) fn quiet(test: &str, count: usize, settings: &[(&str, &str)]) -> Option<Self> {
        Some(Self::on(Server::start(test)?, count, settings))
    }

    /// Clones that follow this server.
    pub(crate) fn on(server: Server, count: usize, settings: &[(&str, &str)]) -> Self {
        let top = tempfile::tempdir().unwrap();
        let mut clones = Vec::new();
        for number in 0..count {
            let clone = Sandbox::below(&top.path().join(format!("clone-{number}")));
            clone.make_repository();
            for (key, value) in settings {
                clone.mycelium(&["config", "set", key, value]).ok();
            }
            clones.push(clone);
        }
        Self { url: server.url(), server, clones, watchers: Vec::new(), top }
    }

    /// They use this address from now on.
    pub(crate) fn turn_to(&mut self, url: String) {
        self.url = url;
    }

    /// Starts a watcher in each clone, and waits until all of them follow.
    pub(crate) fn watch(&mut self) {
        for clone in 0..self.clones.len() {
            let mut command = self.command(clone, &["watch", "--json"]);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let out = BufReader::new(child.stdout.take().unwrap());
            std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(drop));
            self.watchers.push(child);
        }
        for clone in 0..self.clones.len() {
            self.is_live(clone);
        }
        let url = self.server.url();
        until("somebody writes down", || ask(&url, &["EXISTS", "mycelium:recorder"]) == "1");
    }

    /// Waits until a clone follows the server.
    #[track_caller]
    pub(crate) fn is_live(&self, clone: usize) {
        until("it follows", || {
            let status = self.status(clone);
            status["bridge"]["state"] == "live" && status["bridge"]["follower"].is_number()
        });
    }

    /// Our program in a clone.
    pub(crate) fn command(&self, clone: usize, arguments: &[&str]) -> Command {
        let mut command = self.clones[clone].mycelium_command(arguments);
        command.env("REDIS_URL", &self.url);
        command
    }

    /// Runs it.
    pub(crate) fn run(&self, clone: usize, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(clone, arguments))
    }

    /// The data of `bridge status`.
    pub(crate) fn status(&self, clone: usize) -> Value {
        let text = self.run(clone, &["bridge", "status", "--json"]).ok();
        serde_json::from_str::<Value>(&text).unwrap()["data"].clone()
    }

    /// What `bridge status` says cannot be used, in one text.
    pub(crate) fn unusable(&self, clone: usize) -> String {
        let status = self.status(clone);
        let lines: Vec<String> = status["more"]["garbage"].as_array().unwrap().iter().map(Value::to_string).collect();
        lines.join(
            "
",
        )
    }

    /// Waits until a clone reports a key, with such a word.
    #[track_caller]
    pub(crate) fn reports(&self, key: &str, word: &str) {
        let began = Instant::now();
        while !self.unusable(0).lines().any(|line| line.contains(key) && line.contains(word)) {
            assert!(began.elapsed() < LONG, "{key} is not reported with `{word}`: {}", self.status(0));
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// A command of somebody else.
    pub(crate) fn redis(&self, args: &[&str]) -> String {
        self.server.cli(args)
    }

    /// The same with any bytes.
    pub(crate) fn redis_bytes(&self, args: &[&[u8]]) {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut wire = client.get_connection().unwrap();
        let mut command = redis::Cmd::new();
        for arg in args {
            command.arg(*arg);
        }
        command.query::<redis::Value>(&mut wire).unwrap();
    }

    /// A field of a hash; empty where it is not there.
    pub(crate) fn field(&self, key: &str, field: &str) -> String {
        let text = self.redis(&["HGET", key, field]);
        if text == "(nil)" { String::new() } else { text }
    }

    /// The entries of a queue, the first to be popped first.
    pub(crate) fn queue(&self, priority: &str) -> Vec<String> {
        let text = self.redis(&["LRANGE", &format!("tasks:queue:{priority}"), "0", "-1"]);
        let mut ids: Vec<String> = text.lines().map(str::to_owned).collect();
        ids.reverse();
        ids
    }

    /// Waits until a queue is so.
    #[track_caller]
    pub(crate) fn queue_is(&self, priority: &str, ids: &[&str]) {
        let began = Instant::now();
        while self.queue(priority) != ids {
            let seen = self.queue(priority);
            assert!(began.elapsed() < LONG, "{priority} is {seen:?}, not {ids:?}: {}", self.status(0));
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// A file of a clone; empty where it is not there.
    pub(crate) fn file(&self, clone: usize, name: &str) -> String {
        std::fs::read_to_string(self.clones[clone].path(&format!("{FOLDER}/{name}.md"))).unwrap_or_default()
    }

    /// Writes a file of a clone as an editor would.
    pub(crate) fn save(&self, clone: usize, name: &str, text: &str) {
        self.clones[clone].write(&format!("{FOLDER}/{name}.md"), text);
    }

    /// Removes a file of a clone.
    pub(crate) fn remove(&self, clone: usize, name: &str) {
        std::fs::remove_file(self.clones[clone].path(&format!("{FOLDER}/{name}.md"))).unwrap();
    }

    /// Waits until a file has all of these lines.
    #[track_caller]
    pub(crate) fn file_has(&self, clone: usize, name: &str, lines: &[&str]) {
        // JSON may be spread over lines.
        let dense = |text: &str| text.split_whitespace().collect::<String>();
        let has = |text: &str, line: &str| {
            text.lines().any(|one| one == line) || line.starts_with('{') && dense(text).contains(&dense(line))
        };
        let lacks = |text: &str| lines.iter().find(|line| !has(text, line)).copied();
        let began = Instant::now();
        while let Some(line) = lacks(&self.file(clone, name)) {
            let text = self.file(clone, name);
            assert!(began.elapsed() < LONG, "{name} never had `{line}`:\n{text}\n{}", self.status(clone));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the folder is committed; gives `author subject` of all commits of a file, the newest first.
    #[track_caller]
    pub(crate) fn commits(&self, clone: usize, name: &str) -> Vec<String> {
        let sandbox = &self.clones[clone];
        until("it is committed", || {
            let dirty = ["--no-optional-locks", "status", "--porcelain", "--untracked-files=all", "--", FOLDER];
            sandbox.git(&dirty).is_empty()
        });
        let path = format!("{FOLDER}/{name}.md");
        sandbox.git(&["log", "--format=%an %s", "--", &path]).lines().map(str::to_owned).collect()
    }

    /// The version of a document on the server.
    pub(crate) fn revision(&self, key: &str) -> String {
        self.field(&format!("mycelium:doc:{{{key}}}"), "rev")
    }

    /// Waits until a clone has compared everything once more.
    pub(crate) fn compared(&self, clone: usize) {
        // The one that is under way may have begun before.
        for _ in 0..2 {
            let last = self.status(clone)["bridge"]["last_pass"].clone();
            until("it compares everything", || self.status(clone)["bridge"]["last_pass"] != last);
        }
    }

    /// Stops a watcher for a while.
    pub(crate) fn halt(&self, clone: usize) {
        signal(&self.watchers[clone], "-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self, clone: usize) {
        signal(&self.watchers[clone], "-CONT");
    }

    /// A watcher still runs.
    pub(crate) fn runs(&mut self, clone: usize) -> bool {
        self.watchers[clone].try_wait().unwrap().is_none()
    }

    /// The folder that holds everything of all clones.
    pub(crate) fn top(&self) -> &Path {
        self.top.path()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for watcher in &mut self.watchers {
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

fn ask(url: &str, args: &[&str]) -> String {
    let Ok(mut wire) = redis::Client::open(url).and_then(|client| client.get_connection()) else {
        return String::new();
    };
    let mut command = redis::cmd(args[0]);
    command.arg(&args[1..]);
    command.query(&mut wire).map(|value| crate::server::rendered(&value)).unwrap_or_default()
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// A task as a person would write it, with more keys.
pub(crate) fn task(id: &str, status: &str, more: &str) -> String {
    format!("---\nid: {id}\nstatus: {status}\ntype: train\ncreated: 2025-10-17T00:00:00Z\n{more}---\n\n# {id}\n")
}

/// This moment.
pub(crate) fn now() -> String {
    mycelium::services::now().to_string()
}
