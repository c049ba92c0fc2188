//! What git does to the documents: which moves of HEAD are told one by one, and that those who publish never conflict.

use std::time::Duration;

use crate::listener::{Listener, ids, names, set};
use crate::support::{FOLDER, Sandbox};

fn publish(sandbox: &Sandbox, text: &str) -> String {
    sandbox.mycelium(&["event", "publish", "a:b", text]).ok().trim().to_owned()
}

#[test]
fn a_checkout_is_one_notice_and_a_merge_is_told() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.mycelium(&["task", "create", "--id", "task-2", "--type", "t"]).ok();
    sandbox.mycelium(&["task", "create", "--id", "task-3", "--type", "t"]).ok();
    let said = publish(&sandbox, "1");
    let listener = Listener::start(&sandbox, &[], None);
    sandbox.git(&["checkout", "-q", "main"]);
    let told = listener.until("replaced");
    assert_eq!(names(&told), ["replaced"]);
    assert_eq!((&told[0]["channel"], &told[0]["from"]), (&"snapshot:replaced".into(), &"side".into()));
    // A fast-forward is told document by document, and what was published there comes with its own id, unless it is known.
    sandbox.git(&["merge", "-q", "side"]);
    // What git did is found by a comparison, which on a busy machine may come after what is published.
    let mut told = listener.until("created");
    told.extend(listener.until("created"));
    publish(&sandbox, "{\"event\": \"end\"}");
    told.extend(listener.until("end"));
    let mut words = names(&told);
    words.sort();
    assert!(
        matches!(&words.iter().map(String::as_str).collect::<Vec<_>>()[..], ["created", "created", "end"]),
        "{told:#?}"
    );
    assert!(!ids(&told).contains(&said), "it was told before");
    // A merge that is none of a fast-forward.
    sandbox.git(&["checkout", "-q", "side"]);
    listener.until("replaced");
    sandbox.mycelium(&["task", "update", "task-2", "--status", "running"]).ok();
    listener.until("started");
    sandbox.git(&["checkout", "-q", "main"]);
    listener.until("replaced");
    sandbox.mycelium(&["task", "update", "task-3", "--status", "running"]).ok();
    listener.until("started");
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    let told = listener.until("started");
    assert_eq!(told.last().unwrap()["task_id"], "task-2");
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(names(&listener.until("replaced")), ["replaced"]);
}

#[test]
fn a_switch_that_nobody_saw_is_no_edit() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], None);
    let last = publish(&sandbox, "{\"event\": \"first\"}");
    listener.until("first");
    listener.kill();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.mycelium(&["task", "update", "task-1", "--status", "running"]).ok();
    sandbox.git(&["checkout", "-q", "main"]);
    publish(&sandbox, "{\"event\": \"end\"}");
    let listener = Listener::start(&sandbox, &["--since", &last], None);
    let told = names(
        &[listener.until("end"), listener.next(Duration::from_millis(300)).into_iter().map(|(_, e)| e).collect()]
            .concat(),
    );
    assert!(!told.contains(&"released".to_owned()), "{told:?}");
    assert_eq!(told.iter().filter(|word| *word == "replaced").count(), 1, "{told:?}");
}

#[test]
fn branches_that_publish_merge_clean_and_each_event_is_told() {
    let sandbox = Sandbox::new();
    let before = publish(&sandbox, "0");
    let mut all = vec![before];
    for branch in ["one", "two"] {
        sandbox.git(&["checkout", "-q", "-b", branch, "main"]);
        for n in 0..3 {
            all.push(publish(&sandbox, &format!("{{\"n\": {n}}}")));
        }
    }
    sandbox.git(&["checkout", "-q", "main"]);
    all.push(publish(&sandbox, "1"));
    sandbox.git(&["merge", "-q", "--no-edit", "one"]);
    sandbox.git(&["merge", "-q", "--no-edit", "two"]);
    assert_eq!(sandbox.documents().iter().filter(|name| name.starts_with("events-")).count(), 3);
    let listed = sandbox.mycelium(&["event", "list", "a:*", "--limit", "99", "--json"]).ok();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let listed: Vec<String> = ids(listed["data"]["items"].as_array().unwrap());
    assert_eq!((listed.len(), set(&listed)), (8, set(&all)));
    // Another clone that pulls hears them all.
    let place = sandbox.path(&format!("{FOLDER}/x"));
    assert!(!place.exists());
}

#[test]
fn who_loses_a_task_in_a_merge_is_told() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["init", "--merge-driver"]).ok();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let path = format!("{FOLDER}/task-1.md");
    // Two clones that knew nothing of each other: each gave the task to its own agent.
    for (branch, agent) in [("one", "ann"), ("two", "ben")] {
        sandbox.git(&["checkout", "-q", "-b", branch, "main"]);
        let claim = format!("status: running\nclaimed_by: {agent}\nfence: 1\nlease: 5m");
        sandbox.write(&path, &sandbox.read(&path).replace("status: pending", &claim));
        sandbox.git(&["commit", "-q", "-a", "-m", branch]);
    }
    let listener = Listener::start(&sandbox, &["agents:events"], None);
    sandbox.git(&["merge", "-q", "--no-edit", "one"]);
    let told = listener.until("overruled");
    let told = told.last().unwrap();
    let has = sandbox.mycelium(&["task", "get", "task-1", "--json"]).ok();
    let has: serde_json::Value = serde_json::from_str(&has).unwrap();
    let winner = has["data"]["task"]["claimed_by"].as_str().unwrap_or_else(|| panic!("{has}")).to_owned();
    let loser = if winner == "ann" { "ben" } else { "ann" };
    let lost = serde_json::json!([{ "agent": loser, "to": winner }]);
    let says = told["lost"][0]["says"].as_str().unwrap();
    assert_eq!(
        (&told["task_id"], &told["lost"][0]["agent"], &told["lost"][0]["to"]),
        (&"task-1".into(), &lost[0]["agent"], &lost[0]["to"])
    );
    assert!(says.starts_with(&format!("merge: `{loser}` gave way to `{winner}`, drawn: kept")), "{says}");
}
