//! A subscriber in a process of its own, which can be killed, and what it has heard.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Sandbox;

/// How long a test waits for an event that has to come; a machine that is busy with other tests is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A subscriber that runs.
pub(crate) struct Listener {
    child: Child,
    lines: Receiver<(Instant, Value)>,
}

impl Listener {
    /// Starts one, and waits until it listens.
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str], sabotage: Option<&str>) -> Self {
        let mut command = sandbox.mycelium_command(&[]);
        command.args(["event", "subscribe", "--json"]).args(arguments);
        if let Some(sabotage) = sabotage {
            command.env(crate::support::SABOTAGE, sabotage);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (told, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let Ok(mut value) = serde_json::from_str::<Value>(&line) else { continue };
                if told.send((Instant::now(), value["data"].take())).is_err() {
                    break;
                }
            }
        });
        // The first line says that nothing is missed from now on.
        lines.recv_timeout(PATIENCE).expect("it listens");
        Self { child, lines }
    }

    /// The next event; `None` if none comes for so long.
    pub(crate) fn next(&self, wait: Duration) -> Option<(Instant, Value)> {
        self.lines.recv_timeout(wait).ok()
    }

    /// The events up to one of this name, that one included.
    #[track_caller]
    pub(crate) fn until(&self, event: &str) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let Some((_, value)) = self.next(PATIENCE) else { panic!("no `{event}` after {heard:#?}") };
            let is_last = value["event"] == event;
            heard.push(value);
            if is_last {
                return heard;
            }
        }
    }

    /// Stops it for a while.
    pub(crate) fn halt(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// Kills it as `kill -9` does, and gives what it has said before.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut heard = Vec::new();
        while let Some((_, value)) = self.next(PATIENCE) {
            heard.push(value);
        }
        heard
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names of events, in order.
pub(crate) fn names(heard: &[Value]) -> Vec<String> {
    heard.iter().map(|event| event["event"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The ids of events.
pub(crate) fn ids(heard: &[Value]) -> Vec<String> {
    heard.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The ids, each once.
pub(crate) fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}
