//! Events: how soon a subscriber in another process is told, and what it costs to publish one or to give a sign of life.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mycelium::entity::task::{self, TaskUpdate};
use mycelium::name::Channel;
use mycelium::name::{AgentName, Kind};
use mycelium::services::{Opening, Passing, Project};
use serde_json::{Value, json};

use crate::bench::{Bench, Tasks, Verdict, disk, each_second, live, median, ms, repository, timed, whole};
use crate::support::{FOLDER, Sandbox};

/// Longest until a subscriber knows of a write, and of a save by hand, in milliseconds.
const WRITE_MAX: f64 = 20.0;
const HAND_MAX: f64 = 50.0;
/// Fewest signs of life in a second.
const BEATS_MIN: f64 = 5_000.0;
/// Longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(bench: &Bench) {
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(bench.pick(100, 100, 10)));
    let agent = Some(AgentName::new("ai-engineer").unwrap());
    let project = Project::open(Opening { root: Some(sandbox.root().to_owned()), agent, ..Opening::default() });
    let project = project.unwrap();
    told(bench, &sandbox, &project);
    let count = bench.pick(200, 50, 3);
    let channel = Channel::new("bench:ticks").unwrap();
    let publish = || {
        (0..count).for_each(|number| {
            drop(project.events().publish(project.actor(), channel.clone(), json!({ "n": number })).unwrap());
        });
    };
    let rate = each_second(count, timed(publish).1);
    bench.show("event-publish", &format!("{} per s (one caller, each durable and committed)", whole(rate)));
    let count = bench.pick(20_000, 5_000, 10);
    let name = AgentName::new("ai-engineer").unwrap();
    let rate = each_second(count, timed(|| (0..count).for_each(|_| _ = project.leases().heartbeat(&name).unwrap())).1);
    bench.tell("beats", &format!("{} per s", whole(rate)), "5,000 per s", Verdict::of(rate >= BEATS_MIN));
}

/// From the beginning of a write, and from a save by hand, until the line of another process is there.
fn told(bench: &Bench, sandbox: &Sandbox, project: &Project) {
    let listener = Listener::start(sandbox);
    let (mut writes, mut saves) = (Vec::new(), Vec::new());
    for number in 0..bench.pick(50, 20, 1) {
        let id = live(number % 10);
        let next = TaskUpdate {
            progress: Some(f64::from(u32::try_from(number % 90).unwrap()) / 100.0 + 0.01),
            ..TaskUpdate::default()
        };
        let edit = |document: &_| task::update(document, &next);
        let began = Instant::now();
        project.operations().change(project.actor(), Kind::Task, &id, "update", &Passing::default(), &edit).unwrap();
        writes.push(ms(listener.told(&id).saturating_duration_since(began)));
        sleep(Duration::from_millis(120));
        let path = format!("{FOLDER}/{id}.md");
        let text = sandbox.read(&path);
        let draft = sandbox.path("draft.md");
        std::fs::write(&draft, text + "\nA line by hand.\n").unwrap();
        let began = Instant::now();
        std::fs::rename(&draft, sandbox.path(&path)).unwrap();
        saves.push(ms(listener.told(&id).saturating_duration_since(began)));
        sleep(Duration::from_millis(120));
    }
    let (write, save) = (median(writes), median(saves));
    bench.tell("event-write", &format!("{write:.1} ms"), "20 ms", Verdict::of(write <= WRITE_MAX));
    bench.tell("event-hand", &format!("{save:.1} ms"), "50 ms", Verdict::of(save <= HAND_MAX));
}

/// A subscriber in a process of its own; it ends with this.
struct Listener {
    child: Child,
    lines: Receiver<(Instant, Value)>,
}

impl Listener {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.mycelium_command(&["event", "subscribe", "tasks:*", "--json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let at = Instant::now();
                let Ok(mut value) = serde_json::from_str::<Value>(&line) else { continue };
                if tell.send((at, value["data"].take())).is_err() {
                    break;
                }
            }
        });
        // The first line says that nothing is missed from now on.
        lines.recv_timeout(PATIENCE).expect("it listens");
        Self { child, lines }
    }

    /// When the next event of a task was told.
    fn told(&self, id: &str) -> Instant {
        loop {
            let (at, event) = self.lines.recv_timeout(PATIENCE).expect("an event");
            if event["task_id"] == id {
                return at;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
