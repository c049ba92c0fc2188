//! Upkeep after many commits: loose objects get packed beside the watching process, which sleeps on.

use std::time::Duration;

use crate::process::{Process, save, until};
use crate::support::Sandbox;

/// More loose objects than a watcher leaves lying.
const FILES: usize = 2_600;

fn loose(sandbox: &Sandbox) -> usize {
    let said = sandbox.git(&["count-objects"]);
    said.split(' ').next().and_then(|count| count.parse().ok()).unwrap()
}

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    (0..FILES).for_each(|i| sandbox.write(&format!("code/{}/{i}.txt", i % 20), &i.to_string()));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "code"]);
    assert!(loose(&sandbox) >= FILES);
    sandbox
}

#[test]
fn many_loose_objects_are_packed_when_nothing_is_due() {
    let sandbox = filled();
    let mut process = Process::start(&sandbox);
    std::thread::sleep(Duration::from_millis(500));
    assert!(loose(&sandbox) >= FILES, "nothing was committed yet");
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    until("packed", || loose(&sandbox) < 100);
    save(&sandbox, "task-1", "running");
    process.hear("committed");
    until("asleep", || {
        let before = process.sleeps();
        std::thread::sleep(Duration::from_secs(2));
        process.sleeps() == before
    });
    assert!(process.stop().iter().all(|notice| notice["event"] != "upkeep"));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox.git(&["fsck", "--strict"]);
}

#[test]
fn who_switches_it_off_is_heeded() {
    let sandbox = filled();
    sandbox.git(&["config", "gc.auto", "0"]);
    let mut process = Process::start(&sandbox);
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    std::thread::sleep(Duration::from_secs(2));
    assert!(loose(&sandbox) >= FILES);
    process.stop();
}
