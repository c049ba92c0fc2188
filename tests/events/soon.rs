//! How soon an event is heard, and that edits by hand are.

use std::time::{Duration, Instant};

use mycelium::name::Channel;
use mycelium::services::{Opening, Project};

use crate::listener::{Listener, PATIENCE, names};
use crate::support::{FOLDER, Sandbox};

const TRIES: u32 = 30;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn a_write_and_an_edit_by_hand_are_heard_at_once() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], None);
    let opening = Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() };
    let project = Project::open(opening).unwrap();
    let mut writes = Vec::new();
    for n in 0..TRIES {
        let began = Instant::now();
        project.events().publish(project.actor(), Channel::new("a:b").unwrap(), serde_json::json!({ "n": n })).unwrap();
        let (heard, event) = listener.next(PATIENCE).unwrap();
        assert_eq!(event["n"], n);
        writes.push(heard.duration_since(began));
    }
    let path = format!("{FOLDER}/task-1.md");
    let mut edits = Vec::new();
    for n in 0..TRIES {
        let text = sandbox.read(&path);
        let began = Instant::now();
        sandbox.write(&path, &format!("{text}\nline {n}\n"));
        let (heard, event) = listener.next(PATIENCE).unwrap();
        assert_eq!(event["event"], "updated", "{event}");
        edits.push(heard.duration_since(began));
    }
    let (write, edit) = (median(writes), median(edits));
    println!("measured: from a write to a subscriber {write:?}, from an edit by hand {edit:?} (medians of {TRIES})");
    assert!(write < Duration::from_millis(400) && edit < Duration::from_secs(1), "{write:?} {edit:?}");
}

#[test]
fn every_step_is_told_also_those_that_follow_at_once() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let path = format!("{FOLDER}/task-1.md");
    let all = Listener::start(&sandbox, &[], None);
    let ends = Listener::start(&sandbox, &["tasks:completed"], None);
    sandbox.mycelium(&["task", "update", "task-1", "--status", "running", "--as", "bob"]).ok();
    sandbox.mycelium(&["task", "fail", "task-1", "--error", "no memory", "--as", "bob"]).ok();
    sandbox.mycelium(&["task", "retry", "task-1"]).ok();
    // By hand, and an operation that is built on it before anybody looks.
    sandbox.write(&path, &sandbox.read(&path).replace("status: pending", "status: running"));
    sandbox.mycelium(&["task", "complete", "task-1", "--result", "{\"loss\": 0.1}", "--as", "bob"]).ok();
    sandbox.write(&path, "torn");
    std::thread::sleep(Duration::from_millis(10));
    sandbox.write(&path, "---\nid: task-1\nstatus: completed\ntype: t\n---\nwhole again\n");
    std::fs::remove_file(sandbox.path(&path)).unwrap();
    let all = all.until("removed");
    let told = names(&all);
    let first: Vec<&str> = told.iter().take(5).map(String::as_str).collect();
    assert!(matches!(first[0], "started" | "claimed"), "{told:?}");
    assert_eq!(first[1..], ["failed", "retried", "started", "completed"], "{told:?}");
    assert!(!told.contains(&"unreadable".to_owned()), "{told:?}");
    let heard = [ends.until("failed"), ends.until("completed")].concat();
    let channels: Vec<&str> = heard.iter().filter_map(|event| event["channel"].as_str()).collect();
    assert_eq!(channels, ["tasks:completed", "tasks:completed"]);
    assert_eq!(heard[0]["result"]["success"], false);
    assert_eq!([&heard[0]["agent"], &heard[0]["actor"], &heard[0]["holder"]], ["bob", "bob", "bob"]);
    // A save does not say who made it.
    assert_eq!((&all[3]["event"], &all[3]["actor"]), (&"started".into(), &serde_json::Value::Null), "{}", all[3]);
    assert!(heard[0]["error"].to_string().contains("no memory"), "{}", heard[0]);
    assert_eq!(heard[1]["result"], serde_json::json!({ "loss": 0.1, "success": true }));
}

#[test]
fn what_cannot_be_read_for_a_while_is_told() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], None);
    let path = format!("{FOLDER}/task-1.md");
    let good = sandbox.read(&path);
    sandbox.write(&path, "---\nid: task-1\n");
    let told = listener.until("unreadable");
    assert_eq!(told[0]["task_id"], "task-1");
    // The next save is no less of a save: its beginning is not told.
    sandbox.write(&path, "");
    std::thread::sleep(Duration::from_millis(20));
    sandbox.write(&path, &good.replace("status: pending", "status: running"));
    assert_eq!(names(&listener.until("started")), ["started"]);
}
