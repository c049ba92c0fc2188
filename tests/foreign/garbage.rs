//! Garbage of every sort is reported and left alone; nothing read from Redis can write outside the folder.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::scene::{Scene, task, until};

/// Everything below a folder but git's own files, the user's state and the documents: name, kind, size, time.
fn listing(top: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().display().to_string();
            if [".git", "home", "coordination"].iter().any(|apart| path.file_name().unwrap() == *apart) {
                continue;
            }
            let about = std::fs::symlink_metadata(&path).unwrap();
            if about.is_dir() {
                folders.push(path);
                all.insert(name, "folder".to_owned());
            } else {
                all.insert(name, format!("{:o} {} {}", about.mode(), about.len(), about.mtime_nsec()));
            }
        }
    }
    all
}

#[test]
fn garbage_is_reported_and_left_alone() {
    let test = "garbage_is_reported_and_left_alone";
    let Some(mut scene) = Scene::start(test, 1, &[("bridge.scan_seconds", "1")]) else { return };
    for id in ["task-1", "task-2", "task-3"] {
        scene.save(0, id, &task(id, "pending", ""));
    }
    scene.queue_is("normal", &["task-1", "task-2", "task-3"]);
    let before = (listing(scene.top()), scene.clones[0].documents(), scene.file(0, "task-1"));
    let reported = |key: &str, what: &str| scene.reports(key, what);
    // Words, numbers and texts that are none.
    scene.redis(&["HSET", "tasks:task-1", "status", "finished"]);
    reported("tasks:task-1", "status");
    scene.redis(&["HSET", "tasks:task-1", "status", "pending", "title", "a\u{1b}[2Jb\u{0}"]);
    reported("tasks:task-1", "title");
    assert_eq!(scene.field("tasks:task-1", "title"), "a\u{1b}[2Jb\u{0}", "it is left alone");
    scene.redis(&["HSET", "tasks:task-1", "title", "task-1", "payload", &format!("\"{}\"", "x".repeat(600_000))]);
    reported("tasks:task-1", "payload");
    scene.redis(&["HDEL", "tasks:task-1", "payload"]);
    scene.redis_bytes(&[b"HSET", b"tasks:task-2", b"note", b"\xff\xfe"]);
    reported("tasks:task-2", "UTF-8");
    scene.redis(&["HDEL", "tasks:task-2", "note"]);
    scene.redis(&["HSET", "tasks:task-3", "id", "../../other"]);
    reported("tasks:task-3", "id");
    scene.redis(&["HSET", "tasks:task-3", "id", "task-3"]);
    until("all is well again", || scene.unusable(0).is_empty());
    // Ids that look like paths, and hashes that are too large.
    for key in ["tasks:../../x", "tasks:a/b", "tasks:", "tasks:..", "agents:status:../../../x", "workflows:/etc/x"] {
        scene.redis(&["HSET", key, "status", "pending", "type", "t", "id", "x"]);
        reported(key, "");
        assert_eq!(scene.redis(&["DEL", key]), "1", "it is left alone");
    }
    scene.redis(&["HSET", "tasks:path", "type", "t", "depends_on", "[\"../../x\"]", "workflow", "/etc/passwd"]);
    reported("tasks:path", "");
    scene.redis(&["HSET", "tasks:nameless", "status", "pending"]);
    reported("tasks:nameless", "type");
    let many: Vec<String> = (0..600).map(|n| format!("f{n}")).collect();
    let mut wide = vec!["HSET", "tasks:wide"];
    wide.extend(many.iter().flat_map(|field| [field.as_str(), "1"]));
    scene.redis(&wide);
    reported("tasks:wide", "600 fields");
    scene.redis(&["HSET", "tasks:fat", "type", &"x".repeat(2_000_000)]);
    reported("tasks:fat", "bytes");
    // Keys of other types, one of a task that there is among them.
    scene.redis(&["DEL", "tasks:task-2"]);
    scene.redis(&["LPUSH", "tasks:list", "x"]);
    reported("tasks:list", "list");
    scene.redis(&["SET", "agents:status:text", "x"]);
    reported("agents:status:text", "string");
    assert_eq!(
        (scene.redis(&["TYPE", "tasks:list"]), scene.redis(&["GET", "agents:status:text"])),
        ("list".to_owned(), "x".to_owned())
    );
    scene.redis(&[
        "DEL",
        "tasks:path",
        "tasks:nameless",
        "tasks:wide",
        "tasks:fat",
        "tasks:list",
        "agents:status:text",
    ]);
    until("all is well again", || scene.unusable(0).is_empty());
    assert_eq!(listing(scene.top()), before.0);
    let names: Vec<String> = scene.clones[0].documents().into_iter().filter(|name| name != "task-path.md").collect();
    assert_eq!(names, before.1);
    assert_eq!(scene.file(0, "task-1"), before.2);
    assert!(scene.runs(0));
}

#[test]
fn queues_and_own_keys_that_hold_something_else_stop_nobody() {
    let test = "queues_and_own_keys_that_hold_something_else_stop_nobody";
    let Some(mut scene) = Scene::start(test, 1, &[("bridge.scan_seconds", "1")]) else { return };
    scene.save(0, "task-1", &task("task-1", "pending", ""));
    scene.queue_is("normal", &["task-1"]);
    let reported = |key: &str, what: &str| scene.reports(key, what);
    scene.redis(&["SET", "tasks:queue:normal", "x"]);
    reported("tasks:queue:normal", "string");
    assert_eq!(scene.redis(&["GET", "tasks:queue:normal"]), "x", "it is left alone");
    // Everything else goes on, and the queue as soon as it may.
    scene.redis(&["HSET", "tasks:task-1", "priority", "high"]);
    scene.queue_is("high", &["task-1"]);
    scene.redis(&["HSET", "tasks:task-1", "priority", "normal"]);
    scene.file_has(0, "task-1", &["priority: normal"]);
    scene.redis(&["DEL", "tasks:queue:normal"]);
    scene.queue_is("normal", &["task-1"]);
    // Entries that are nothing stay, are told of, and are in nobody's way.
    for entry in ["{", "../../x", "{\"type\":\"t\",\"id\":\"../../x\"}", "task-404", "a b"] {
        scene.redis(&["LPUSH", "tasks:queue:low", entry]);
        reported("tasks:queue:low", "");
        assert_eq!(scene.queue("low"), [entry], "it is left alone");
        scene.redis(&["DEL", "tasks:queue:low"]);
        until("all is well again", || scene.unusable(0).is_empty());
    }
    scene.redis_bytes(&[b"LPUSH", b"tasks:queue:low", b"\xff\xfe"]);
    reported("tasks:queue:low", "UTF-8");
    scene.redis(&["DEL", "tasks:queue:low"]);
    // Our own keys are put right.
    for name in ["recorder", "popped", "adopted", "events", "space", "queue:{tasks:queue:normal}", "doc:{tasks:task-1}"]
    {
        let key = format!("mycelium:{name}");
        scene.redis(&["DEL", &key]);
        scene.redis(&["SADD", &key, "x"]);
        let line = format!("step: {name:?}");
        scene.save(0, "task-1", &task("task-1", "pending", &format!("{line}\n")));
        until(&format!("it goes on without {key}"), || scene.field("tasks:task-1", "step") == name);
        scene.redis(&["LPUSH", "tasks:queue:normal", &format!("{{\"id\":\"task-{}\",\"type\":\"t\"}}", name.len())]);
        until("it takes in", || scene.queue("normal").iter().any(|id| *id == format!("task-{}", name.len())));
    }
    until("it is live", || scene.status(0)["bridge"]["state"] == "live");
    assert!(scene.runs(0));
}

#[test]
fn ten_thousand_keys_of_junk_keep_nobody_from_work() {
    let Some(mut scene) = Scene::start("ten_thousand_keys_of_junk_keep_nobody_from_work", 1, &[]) else { return };
    scene.save(0, "task-0", &task("task-0", "completed", ""));
    let before = listing(scene.top());
    let mut wire = redis::Client::open(scene.server.url()).unwrap().get_connection().unwrap();
    let mut pipeline = redis::pipe();
    for n in 0..10_000 {
        let key = match n % 4 {
            0 => format!("tasks:junk-{n}"),
            1 => format!("tasks:../junk/{n}"),
            2 => format!("agents:status:{n} \u{7}"),
            _ => format!("workflows:junk-{n}"),
        };
        pipeline.cmd("HSET").arg(key).arg("junk").arg(n).ignore();
    }
    pipeline.exec(&mut wire).unwrap();
    scene.redis(&["HSET", "agents:status:bot", "status", "idle"]);
    scene.file_has(0, "agent-bot", &["status: idle"]);
    scene.redis(&["LPUSH", "tasks:queue:normal", r#"{"id":"task-1","type":"t"}"#]);
    scene.queue_is("normal", &["task-1"]);
    assert_eq!(scene.redis(&["EXISTS", "tasks:junk-0", "tasks:../junk/1", "workflows:junk-3"]), "3");
    let names = scene.clones[0].documents();
    let ours = ["agent-bot.md", "task-0.md", "task-1.md"];
    let odd: Vec<&String> =
        names.iter().filter(|name| name.ends_with(".md") && !ours.contains(&name.as_str())).collect();
    assert!(odd.is_empty(), "{odd:?}");
    until("it is reported", || scene.unusable(0).lines().count() == 20);
    assert_eq!(listing(scene.top()), before);
    assert!(scene.runs(0));
}
