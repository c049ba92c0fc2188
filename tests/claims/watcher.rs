//! A watching process takes back what nobody is at any more, promptly, and nothing else.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scene::{Scene, ask, tell};
use mycelium::services::Which;

const TASK: &str = "task-0000";
const LONG: Duration = Duration::from_secs(60);

struct Watcher {
    child: Child,
    said: Receiver<Value>,
}

impl Watcher {
    fn start(scene: &Scene) -> Self {
        let mut child =
            scene.command(0, &["watch", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (tell, said) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    let _ = tell.send(value);
                }
            }
        });
        let watcher = Self { child, said };
        watcher.hear("ready", LONG).expect("it watches");
        watcher
    }

    /// Waits for something to be said.
    fn hear(&self, event: &str, within: Duration) -> Option<Value> {
        let end = Instant::now() + within;
        while let Ok(value) = self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            let data = if value["data"].is_object() { &value["data"] } else { &value };
            if data["event"] == event {
                return Some(data.clone());
            }
        }
        None
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_lease_that_is_over_is_taken_back_promptly() {
    let scene = Scene::new(1, 1);
    let watcher = Watcher::start(&scene);
    let project = scene.project(0, "a");
    project.operations().claim(project.actor(), Which::Task(TASK), &ask("a", 1_000)).unwrap();
    let mut renewed = Instant::now();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(400));
        // Before the lease begins again: a busy machine only makes the time longer.
        renewed = Instant::now();
        project.operations().renew(&project.actor().clone().with_fence(Some(1)), TASK).unwrap();
    }
    let taken = watcher.hear("taken-back", LONG).expect("it is taken back");
    let took = renewed.elapsed();
    assert_eq!((taken["task"].as_str(), taken["agent"].as_str()), (Some(TASK), Some("a")));
    assert!(took > Duration::from_millis(900), "taken back {took:?} after the last word of a lease of 1 s");
    tell(&format!("a lease of 1 s was taken back {took:?} after it began"));
    let subject = format!("{TASK}: running → pending, no longer held by a (lease over)");
    while watcher.hear("committed", LONG).expect("it is committed")["subject"] != subject.as_str() {}
    let keys = scene.keys(0, TASK);
    assert_eq!((keys["status"].as_str(), keys["fence"].as_str()), ("pending", "1"));
    assert!(!keys.contains_key("claimed_by") && !keys.contains_key("lease"), "{keys:?}");
    assert_eq!(scene.operations(0, "task.take-back").get(TASK), Some(&1));
    assert_eq!(scene.entry(TASK).unwrap()["state"], "expired");
    assert_eq!(
        scene
            .project(0, "b")
            .operations()
            .claim(scene.project(0, "b").actor(), Which::Task(TASK), &ask("b", 60_000))
            .unwrap()
            .fence,
        2
    );
}

#[test]
fn what_was_over_before_it_watched_is_taken_back_too() {
    let scene = Scene::new(2, 1);
    scene.project(0, "a").operations().claim(scene.project(0, "a").actor(), Which::Task(TASK), &ask("a", 1)).unwrap();
    scene
        .project(0, "b")
        .operations()
        .claim(scene.project(0, "b").actor(), Which::Task("task-0001"), &ask("b", 3_600_000))
        .unwrap();
    let watcher = Watcher::start(&scene);
    let taken = watcher.hear("taken-back", LONG).expect("it is taken back");
    assert_eq!(taken["task"], TASK);
    assert!(watcher.hear("taken-back", Duration::from_secs(2)).is_none(), "`b` is at it");
    assert_eq!(scene.keys(0, "task-0001")["claimed_by"], "b");
}
