//! The time of a server and of the bridge apart: a program between them forwards each line, and notes how long each answer took.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{ms, quantile};

/// The first argument of this program where it stands between a bridge and its server; the log and the server's command follow.
pub(crate) const BETWEEN: &str = "taskqueue_between";

/// Forwards lines between the one who started it and a server, until the input ends. There is one request at a time.
pub(crate) fn forward(arguments: &[String]) {
    let [log, program, words @ ..] = arguments else { panic!("no log and no program") };
    let mut log = File::options().append(true).create(true).open(log).unwrap();
    let began = Instant::now();
    let mut server = Command::new(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut is_started = false;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let request: Value = serde_json::from_str(&line).unwrap();
        let sent = Instant::now();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
        if request.get("id").is_none() {
            continue;
        }
        let mut answer = String::new();
        while serde_json::from_str::<Value>(&answer).ok().is_none_or(|answer| answer["id"] != request["id"]) {
            answer.clear();
            if output.read_line(&mut answer).unwrap() == 0 {
                let _ = server.wait();
                return;
            }
        }
        let took = if is_started { sent.elapsed() } else { began.elapsed() };
        let name = request["params"]["name"].as_str().unwrap_or("start");
        is_started = true;
        writeln!(log, "{name} {}", took.as_micros()).unwrap();
        let mut out = std::io::stdout().lock();
        out.write_all(answer.as_bytes()).and_then(|()| out.flush()).unwrap();
    }
    drop(input);
    let _ = server.wait();
}

/// What one command took, apart.
pub(crate) struct Apart {
    /// Until the server had started and had said what it can do.
    pub(crate) start: f64,
    /// Each call of a tool, in milliseconds.
    pub(crate) calls: Vec<f64>,
    /// All else, in milliseconds.
    pub(crate) rest: f64,
}

/// Where a program in between notes what it sees.
pub(crate) struct Between {
    log: PathBuf,
}

impl Between {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { log: folder.join("calls.log") }
    }

    /// The words that start a server behind it.
    pub(crate) fn words(&self, server: &[String]) -> Vec<String> {
        let own = std::env::current_exe().unwrap().display().to_string();
        [own, BETWEEN.to_owned(), self.log.display().to_string()].into_iter().chain(server.iter().cloned()).collect()
    }

    /// Measures what calls the server.
    pub(crate) fn measure(&self, run: impl FnOnce() -> Duration) -> Apart {
        let _ = fs::remove_file(&self.log);
        let took = ms(run());
        let (mut start, mut calls) = (0.0, Vec::new());
        for line in fs::read_to_string(&self.log).unwrap_or_default().lines() {
            let (name, micros) = line.split_once(' ').unwrap();
            let time = micros.parse::<f64>().unwrap() / 1_000.0;
            if name == "start" { start += time } else { calls.push(time) }
        }
        let rest = took - start - calls.iter().sum::<f64>();
        Apart { start, calls, rest }
    }
}

/// Medians of several, in words.
pub(crate) fn words(all: &[Apart]) -> String {
    let median = |values: Vec<f64>| quantile(values, 0.5);
    let count = median(all.iter().map(|one| f64::from(u32::try_from(one.calls.len()).unwrap())).collect());
    let server = median(all.iter().map(|one| one.calls.iter().sum()).collect());
    let call = median(all.iter().flat_map(|one| one.calls.iter().copied()).collect());
    let start = median(all.iter().map(|one| one.start).collect());
    let rest = median(all.iter().map(|one| one.rest).collect());
    format!(
        "{count:.0} calls, {call:.1} ms each, {server:.1} ms in all; bridge {rest:.0} ms; start of the server {start:.0} ms"
    )
}
