//! Events of a folder that is watched: what is edited by hand while nobody listens is told step by step.

use serde_json::Value;

use crate::process::{Process, save};
use crate::support::Sandbox;

#[test]
fn every_step_by_hand_is_told_to_who_comes_later() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    for status in ["pending", "running", "completed"] {
        save(&sandbox, "task-1", status);
        process.hear("committed");
    }
    process.stop();
    let list = sandbox.mycelium(&["event", "list", "--json"]).ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    let events = list["data"]["items"].as_array().unwrap().iter();
    let its = events.filter(|event| event["task_id"] == "task-1");
    // What ends a task is told on two channels.
    let mut told: Vec<&str> = its.map(|event| event["event"].as_str().unwrap()).collect();
    told.dedup();
    assert_eq!(told, ["created", "started", "completed"], "{list:#}");
}
