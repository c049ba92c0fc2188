//! A watching process of its own, with an environment of its own, and what it says.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use mycelium::daemon::{Span, WatchError, watch};
use mycelium::services::{Opening, Project};
use serde_json::Value;

use crate::support::{FOLDER, Sandbox};

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Process {
    child: Child,
    notices: Receiver<Value>,
    /// Everything it said so far.
    pub(crate) said: Vec<Value>,
}

impl Process {
    /// Starts one and waits until it watches.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        let mut process = Self::spawn(sandbox, "until-stopped");
        process.hear("ready");
        process
    }

    /// Starts one.
    pub(crate) fn spawn(sandbox: &Sandbox, span: &str) -> Self {
        Self::run(sandbox.command(std::env::current_exe().unwrap()), span)
    }

    /// Starts one under a limit that a line of shell sets for it alone.
    pub(crate) fn under(sandbox: &Sandbox, limit: &str) -> Self {
        let mut command = sandbox.command("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", &format!("{limit} && exec \"$@\""), "sh"]);
        command.arg(std::env::current_exe().unwrap());
        Self::run(command, "until-stopped")
    }

    fn run(mut command: Command, span: &str) -> Self {
        command.args(["--exact", "--ignored", "--nocapture", "process::inside"]).env("SPAN", span);
        command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, notices) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for notice in lines.filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok()) {
                let _ = tell.send(notice);
            }
        });
        Self { child, notices, said: Vec::new() }
    }

    /// Waits until it says this; gives what it said.
    #[track_caller]
    pub(crate) fn hear(&mut self, event: &str) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.notices.recv_timeout(left) {
                Ok(notice) => {
                    self.said.push(notice.clone());
                    if notice["event"] == event {
                        return notice;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("it did not say `{event}` but {:?}", self.said)
                }
            }
        }
    }

    /// Whether it says this within some time.
    pub(crate) fn says(&mut self, event: &str, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while let Ok(notice) = self.notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let is_it = notice["event"] == event;
            self.said.push(notice);
            if is_it {
                return true;
            }
        }
        false
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end; tells whether it succeeded, and how long it took.
    pub(crate) fn end(&mut self) -> (bool, Duration) {
        let began = Instant::now();
        while began.elapsed() < LONG {
            if let Some(status) = self.child.try_wait().unwrap() {
                while let Ok(notice) = self.notices.recv_timeout(Duration::from_secs(1)) {
                    self.said.push(notice);
                }
                return (status.success(), began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end; it said {:?}", self.said);
    }

    /// Asks it to stop, which must work.
    pub(crate) fn stop(mut self) -> Vec<Value> {
        self.signal("-TERM");
        assert!(self.end().0, "it failed; it said {:?}", self.said);
        std::mem::take(&mut self.said)
    }

    /// How often its threads have gone to sleep so far: each wake-up ends with that.
    pub(crate) fn sleeps(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let status = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap());
        let count = |text: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.unwrap().trim().parse().unwrap()
        };
        status.map(|text| count(&text)).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A task as a person would write it.
pub(crate) fn task(id: &str, status: &str) -> String {
    format!("---\nid: {id}\nstatus: {status}\ntype: train\ncreated: 2025-10-17T00:00:00Z\n---\n\n# {id}\n")
}

/// Saves a task.
pub(crate) fn save(sandbox: &Sandbox, id: &str, status: &str) {
    sandbox.write(&format!("{FOLDER}/{id}.md"), &task(id, status));
}

/// The subjects of all commits of the folder, latest first.
pub(crate) fn subjects(sandbox: &Sandbox) -> Vec<String> {
    sandbox.git(&["log", "--format=%s", "--", FOLDER]).lines().map(str::to_owned).collect()
}

/// Whether the folder is as the branch has it.
pub(crate) fn is_committed(sandbox: &Sandbox) -> bool {
    sandbox.git(&["--no-optional-locks", "status", "--porcelain", "--untracked-files=all", "--", FOLDER]).is_empty()
}

#[test]
#[ignore = "run by `a_save_is_committed_once_and_then_all_sleep`"]
fn inside() {
    let project = Project::open(Opening::default()).expect("a project");
    let span = if std::env::var("SPAN").unwrap() == "once" { Span::Once } else { Span::UntilStopped };
    #[allow(clippy::print_stdout, reason = "the test outside reads it")]
    let result = watch(&project, span, None, &mut |notice| println!("{}", notice.to_json(project.folder())));
    match result {
        Ok(()) => {}
        Err(error @ WatchError::Taken { .. }) => {
            #[allow(clippy::print_stdout, reason = "the test outside reads it")]
            {
                println!("{}", serde_json::json!({ "event": "taken", "message": error.to_string() }));
            }
            std::process::exit(4);
        }
        Err(error) => panic!("{error}"),
    }
}
