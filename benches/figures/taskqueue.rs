//! The bridge to a `TaskQueue` server: the calls of the server alone, then mirrors of 100, 1,000 and 5,000 tasks by whole commands,
//! a change under a watcher, and local commands beside a server that hangs. `MYCELIUM_TEST_TASKQUEUE` names the command of a real
//! server; without it the stand-in of the tests answers, whose own speed says nothing of the real one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mycelium::taskqueue::{Client, ItemStatus, NewItem, Program, Update};
use serde_json::Value;

use crate::apart::{self, Between};
use crate::bench::{Bench, Tasks, Verdict, disk, each_second, live, ms, quantile, repository, timed, whole};
use crate::stand_in::{self, Faults, Point, When};
use crate::support::{Run, Sandbox};

/// The command of a real server.
pub(crate) const REAL: &str = "MYCELIUM_TEST_TASKQUEUE";
/// Longest wait for a call, and for both sides to be alike.
const PATIENCE: Duration = Duration::from_secs(120);
/// Tasks of a mirror.
const SIZES: [usize; 3] = [100, 1_000, 5_000];
/// What a local command may take beside a server that hangs, as a share of what it takes without one.
const SHARE_MAX: f64 = 1.1;

pub(crate) fn run(bench: &Bench) {
    println!("against {}", real().map_or_else(|| "the stand-in".to_owned(), |words| words.join(" ")));
    calls(bench);
    for size in SIZES {
        mirror(bench, size);
    }
    server_and_bridge(bench);
    live_change(bench);
    hung(bench);
}

/// The command of a real server.
fn real() -> Option<Vec<String>> {
    let command = std::env::var(REAL).ok().filter(|command| !command.is_empty())?;
    Some(command.split_whitespace().map(str::to_owned).collect())
}

/// The words that start a server, and the file that it keeps.
struct Server {
    words: Vec<String>,
    file: PathBuf,
}

impl Server {
    fn new(folder: &Path) -> Self {
        let words = real().unwrap_or_else(|| Self::stand_in(folder, &Faults::default()));
        Self { words, file: folder.join("tasks.json") }
    }

    fn stand_in(folder: &Path, faults: &Faults) -> Vec<String> {
        vec![stand_in::install(folder, "taskqueue-mcp", faults).display().to_string()]
    }

    fn client(&self, folder: &Path) -> Client {
        let environment = vec![("TASK_MANAGER_FILE_PATH".to_owned(), OsString::from(&self.file))];
        let words = self.words.iter().map(OsString::from).collect();
        Client::start(&Program { words, environment, folder: folder.to_owned() }, PATIENCE).unwrap()
    }

    /// A command of ours whose user has enabled this server.
    fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let mut command = sandbox.mycelium_command(arguments);
        command
            .env("MYCELIUM_COORDINATION_TASKQUEUE_COMMAND", serde_json::to_string(&self.words).unwrap())
            .env("MYCELIUM_COORDINATION_TASKQUEUE_MAX_TASKS", "100000")
            .env("TASK_MANAGER_FILE_PATH", &self.file);
        command
    }

    fn run(&self, sandbox: &Sandbox, arguments: &[&str]) -> (String, Duration) {
        let (run, took) = timed(|| Run::of(&mut self.command(sandbox, arguments)));
        (run.ok(), took)
    }
}

/// The calls of the server alone, in a project of 100 tasks.
fn calls(bench: &Bench) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(folder.path());
    let (mut client, start) = timed(|| server.client(folder.path()));
    let project = client.create_project("a bench", PATIENCE).unwrap();
    let item = |number: usize| NewItem {
        title: format!("Task {number}"),
        description: "What is to be done".to_owned(),
        rule_recommendations: String::new(),
    };
    let all: Vec<NewItem> = (0..100).map(item).collect();
    let ids = client.add(&project, &all, PATIENCE).unwrap();
    let count = bench.pick(200, 50, 3);
    let mut each = |call: &mut dyn FnMut(&mut Client, usize)| -> Vec<f64> {
        (0..count).map(|number| ms(timed(|| call(&mut client, number)).1)).collect()
    };
    let created = each(&mut |client, number| drop(client.add(&project, &[item(100 + number)], PATIENCE).unwrap()));
    let updated = each(&mut |client, number| {
        let update = Update { status: Some(ItemStatus::InProgress), ..Update::default() };
        client.update(&project, &ids[number % ids.len()], &update, PATIENCE).unwrap();
    });
    let read = each(&mut |client, _| drop(client.project(&project, PATIENCE).unwrap()));
    bench.show("taskqueue-start", &format!("{:.0} ms", ms(start)));
    for (id, times) in [("taskqueue-create", created), ("taskqueue-update", updated), ("taskqueue-read", read)] {
        let at = |share| quantile(times.iter().copied(), share);
        bench.show(id, &format!("{:.1} ms, {:.1} ms, {:.1} ms", at(0.5), at(0.95), at(0.99)));
    }
}

/// Whole commands over so many tasks: the first mirror, one without a change, one change, one after local state was lost.
fn mirror(bench: &Bench, size: usize) {
    let tasks = bench.pick(size, size / 5, 4);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(tasks));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(folder.path());
    let push = || {
        let (answer, took) = server.run(&sandbox, &["bridge", "push", "--json"]);
        let data = serde_json::from_str::<Value>(&answer).unwrap()["data"].clone();
        (data["sent_count"].as_u64().unwrap(), took)
    };
    let (sent, first) = push();
    assert_eq!(usize::try_from(sent), Ok(tasks), "each task was sent");
    let before = std::fs::read(&server.file).unwrap();
    let (sent, quiet) = push();
    assert!(sent == 0 && std::fs::read(&server.file).unwrap() == before, "nothing is written without a change");
    let _ = server.run(&sandbox, &["task", "update", &live(0), "--status", "running"]);
    let (sent, one) = push();
    assert_eq!(sent, 1, "one task was sent");
    let lost = sandbox.path(".git/mycelium/bridge");
    std::fs::remove_dir_all(&lost).unwrap();
    let (_, again) = push();
    let rate = each_second(tasks, first);
    let words = format!(
        "{:.2} s ({} tasks per s), {:.2} s, {:.2} s, {:.2} s",
        first.as_secs_f64(),
        whole(rate),
        quiet.as_secs_f64(),
        one.as_secs_f64(),
        again.as_secs_f64(),
    );
    bench.show(&format!("taskqueue-mirror-{size}"), &words);
}

/// What commands that exchange something once cost the server, and what they cost besides: a folder of 100 tasks.
fn server_and_bridge(bench: &Bench) {
    let disk = disk();
    let tasks = bench.pick(100, 100, 4);
    let sandbox = repository(disk.path(), Tasks::flat(tasks));
    let folder = tempfile::tempdir().unwrap();
    let (between, mut server) = (Between::new(folder.path()), Server::new(folder.path()));
    let mut other = server.client(folder.path());
    server.words = between.words(&server.words);
    let exchange = |word: &str| between.measure(|| server.run(&sandbox, &["bridge", word, "--json"]).1);
    let first = exchange("push");
    let count = bench.pick(20, 8, 1);
    let (mut created, mut updated, mut polled, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let title = format!("New {number}");
        let _ = server.run(&sandbox, &["task", "create", "--type", "build", "--title", &title]);
        created.push(exchange("push"));
        let description = format!("Changed {number} times");
        let _ = server.run(&sandbox, &["task", "update", &live(1), "--description", &description]);
        updated.push(exchange("push"));
        polled.push(exchange("push"));
        let project = other.projects(PATIENCE).unwrap().remove(0).project_id;
        let items = other.project(&project, PATIENCE).unwrap().tasks;
        let item = items.iter().find(|item| item.title.contains(&title)).unwrap();
        let begun = Update { status: Some(ItemStatus::InProgress), ..Update::default() };
        other.update(&project, &item.id, &begun, PATIENCE).unwrap();
        back.push(exchange("pull"));
    }
    let rows = [
        ("taskqueue-apart-first", vec![first]),
        ("taskqueue-apart-create", created),
        ("taskqueue-apart-update", updated),
        ("taskqueue-apart-poll", polled),
        ("taskqueue-apart-back", back),
    ];
    for (id, all) in rows {
        assert!(all.iter().all(|one| !one.calls.is_empty()), "{id}: the server was called");
        bench.show(id, &apart::words(&all));
    }
}

/// A watcher in a process of its own.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From a change of a file until it is in the server's file, and back.
fn live_change(bench: &Bench) {
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(bench.pick(100, 100, 4)));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(folder.path());
    let _ = server.run(&sandbox, &["bridge", "push"]);
    let mut watch = server.command(&sandbox, &["watch"]);
    let _watching = Watching(watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let state = || server.run(&sandbox, &["bridge", "status", "--json"]).0;
    until(|| state().contains("\"follower\":") && !state().contains("\"follower\":null"));
    let count = bench.pick(20, 10, 1);
    let text = || std::fs::read_to_string(&server.file).unwrap_or_default();
    let mut there = Vec::new();
    for number in 0..count {
        let title = format!("Changed {number} times");
        let began = Instant::now();
        let _ = server.run(&sandbox, &["task", "update", &live(1), "--title", &title]);
        until(|| text().contains(&title));
        there.push(ms(began.elapsed()));
    }
    let at = |share| quantile(there.iter().copied(), share);
    bench.show("taskqueue-live", &format!("{:.0} ms, {:.0} ms", at(0.5), at(0.95)));
}

/// A local command without a server, and beside a watcher whose server hangs.
fn hung(bench: &Bench) {
    let count = bench.pick(300, 60, 2);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(bench.pick(100, 100, 4)));
    let folder = tempfile::tempdir().unwrap();
    let hang = Faults { hangs: Some(Point { call: 1, when: When::Before }), ..Faults::default() };
    let server = Server { words: Server::stand_in(folder.path(), &hang), file: folder.path().join("tasks.json") };
    let mut watch = server.command(&sandbox, &["watch"]);
    let _watching = Watching(watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let (mut without, mut beside) = (Vec::new(), Vec::new());
    for number in 0..count {
        let progress = format!("0.{:02}", number % 100);
        let update = |mode: &str| {
            let arguments = ["task", "update", &live(2), "--progress", &progress];
            let mut command = server.command(&sandbox, &arguments);
            ms(timed(|| Run::of(command.env("MYCELIUM_COORDINATION_MODE", mode)).ok()).1)
        };
        // In turns, so that both meet the same moments of the machine.
        if number % 2 == 0 {
            without.push(update("markdown"));
            beside.push(update("auto"));
        } else {
            beside.push(update("auto"));
            without.push(update("markdown"));
        }
    }
    let at = |times: &[f64], share| quantile(times.iter().copied(), share);
    let share = |quantile| at(&beside, quantile) / at(&without, quantile);
    let words = format!("{:.2} × at the median, {:.2} × at p99", share(0.5), share(0.99));
    bench.tell("taskqueue-hung", &words, "1.1 × at p99", Verdict::of(share(0.99) <= SHARE_MAX));
}

fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "both sides are not alike");
        std::thread::sleep(Duration::from_millis(2));
    }
}
