//! The tests of this folder fail when a part of the feed is broken on purpose.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::listener::{Listener, PATIENCE, ids};
use crate::server::eventually;
use crate::support::{FOLDER, Run, SABOTAGE, Sandbox};

/// A note on the one task, written by a process with a part that may be broken.
fn note(sandbox: &Sandbox, text: &str, sabotage: Option<&str>) -> Command {
    let mut command = sandbox.mycelium_command(&["task", "note", "task-1", text, "--json"]);
    if let Some(sabotage) = sabotage {
        command.env(SABOTAGE, sabotage);
    }
    command
}

/// The operation that an answer names.
fn operation(run: Run) -> String {
    let answer: Value = serde_json::from_str(&run.ok()).unwrap();
    answer["data"]["operation"].as_str().unwrap().to_owned()
}

/// What a listener hears that slept while operations were done, and the ids of these.
fn heard_after(work: impl FnOnce(&Sandbox) -> Vec<String>) -> (Vec<String>, Vec<String>) {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], None);
    listener.halt();
    let done = work(&sandbox);
    sandbox.mycelium(&["event", "publish", "a:b", "{\"event\": \"the-end\"}"]).ok();
    listener.go_on();
    let mut heard = ids(&listener.until("the-end"));
    heard.pop();
    (heard, done)
}

/// Each is committed at once: the journal, from which others tell what was not told, no longer has it.
#[test]
fn operations_that_are_not_told_are_missed() {
    let notes = |sabotage: Option<&'static str>| {
        move |sandbox: &Sandbox| {
            ["one", "two"].map(|text| operation(Run::of(&mut note(sandbox, text, sabotage)))).into()
        }
    };
    let (heard, done) = heard_after(notes(None));
    assert_eq!(heard, done);
    let (heard, done) = heard_after(notes(Some("tell-nothing")));
    assert!(done.iter().all(|id| !heard.contains(id)), "{heard:?} {done:?}");
}

/// The first tells what it did behind the second, which found what the first had left.
#[test]
fn operations_that_are_told_in_another_order_are_noticed() {
    let (heard, done) = heard_after(|sandbox| {
        let mut late = note(sandbox, "first", Some("tell-unlocked"));
        let late = late.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("it is in the file", || sandbox.read(&format!("{FOLDER}/task-1.md")).contains("first"));
        let second = operation(Run::of(&mut note(sandbox, "second", None)));
        let first = Run::from_output("the first".to_owned(), &late.wait_with_output().unwrap());
        vec![operation(first), second]
    });
    assert!(done.iter().all(|id| heard.contains(id)), "{heard:?} {done:?}");
    assert!(heard.len() > done.len(), "nothing is made up: {heard:?} {done:?}");
}

#[test]
fn edits_that_are_not_added_are_missed() {
    for sabotage in [None, Some("add-nothing")] {
        let sandbox = Sandbox::new();
        sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
        let listener = Listener::start(&sandbox, &[], sabotage);
        let path = format!("{FOLDER}/task-1.md");
        sandbox.write(&path, &sandbox.read(&path).replace("status: pending", "status: running"));
        if sabotage.is_none() {
            assert!(listener.next(PATIENCE).is_some(), "an edit by hand is heard");
            continue;
        }
        sandbox.mycelium(&["event", "publish", "a:b", "{\"event\": \"the-end\"}"]).ok();
        assert_eq!(listener.until("the-end").len(), 1, "an edit by hand is told by nobody");
    }
}
