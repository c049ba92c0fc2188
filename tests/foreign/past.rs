//! Documents that were removed or archived, and records that are not what they should be.

use crate::scene::{Scene, task, until};

const OLD: &str = "archive/2025-10/task-t1";

#[test]
fn what_is_removed_does_not_come_back_as_an_earlier_one_of_its_name() {
    let test = "what_is_removed_does_not_come_back_as_an_earlier_one_of_its_name";
    let Some(scene) = Scene::quiet(test, 1, &[]) else { return };
    scene.save(0, OLD, &task("t1", "completed", "step: old\n"));
    scene.save(0, "task-t1", &task("t1", "pending", ""));
    scene.save(0, "task-t2", &task("t2", "pending", ""));
    scene.run(0, &["bridge", "push"]).ok();
    assert_eq!(scene.field("tasks:t1", "status"), "pending");
    scene.save(0, "task-t1", &task("t1", "pending", "step: new\n"));
    scene.run(0, &["bridge", "push"]).ok();
    assert_eq!(scene.field("tasks:t1", "step"), "new");
    scene.remove(0, "task-t1");
    scene.run(0, &["bridge", "push"]).ok();
    assert_eq!(scene.redis(&["EXISTS", "tasks:t1"]), "0");
    assert_eq!(scene.field("mycelium:doc:{tasks:t1}", "gone"), "removed");
    assert!(scene.file(0, OLD).contains("step: old"));
}

#[test]
fn a_record_overwrites_nothing_of_the_archive() {
    let Some(scene) = Scene::quiet("a_record_overwrites_nothing_of_the_archive", 1, &[]) else { return };
    let others = [
        ("archive/2025-10/events-a", "- 2025-10-17T00:00:00Z tasks:events told {}\n".to_owned()),
        ("archive/2025-10/task-t2", task("t2", "completed", "")),
        ("archive/2025-11/task-t1", task("other", "completed", "")),
    ];
    for (name, text) in &others {
        scene.save(0, name, text);
    }
    for (name, _) in &others {
        scene.save(0, "task-t1", &task("t1", "pending", ""));
        let _ = scene.run(0, &["bridge", "push"]);
        let path = format!("{name}.md");
        let rev = (scene.revision("tasks:t1").parse::<u64>().unwrap() + 1).to_string();
        let from = scene.field("mycelium:doc:{tasks:t1}", "digest");
        scene.redis(&["DEL", "tasks:t1"]);
        let record = ["HSET", "mycelium:doc:{tasks:t1}", "gone", "archived", "path", &path, "rev", &rev, "from", &from];
        scene.redis(&record);
        let _ = scene.run(0, &["bridge", "pull"]);
        for (name, text) in &others {
            assert_eq!(&scene.file(0, name), text, "{path}");
        }
    }
    scene.save(0, "task-t3", &task("t3", "pending", ""));
    let _ = scene.run(0, &["bridge", "push"]);
    let held = scene.run(0, &["bridge", "pull", "--json"]).stdout;
    assert!(held.contains("is something else"), "{held}");
}

#[test]
fn a_version_at_the_end_of_all_numbers_spoils_nothing() {
    let Some(scene) = Scene::quiet("a_version_at_the_end_of_all_numbers_spoils_nothing", 1, &[]) else { return };
    scene.save(0, "task-t1", &task("t1", "pending", ""));
    scene.run(0, &["bridge", "push"]).ok();
    let record = "mycelium:doc:{tasks:t1}";
    for rev in ["18446744073709551615", "9007199254740993", "x"] {
        scene.redis(&["HSET", record, "rev", rev]);
        let line = format!("step: s{}", rev.len());
        scene.save(0, "task-t1", &task("t1", "pending", &format!("{line}\n")));
        let _ = scene.run(0, &["bridge", "push"]);
        assert!(scene.field(record, "text").contains(&line), "{rev}");
        // Whoever has taken it before is healed as well.
        scene.redis(&["HSET", "tasks:t1", "own", &line]);
        scene.run(0, &["bridge", "pull"]).ok();
        scene.file_has(0, "task-t1", &[&format!("own: \"{line}\"")]);
        let rev: u64 = scene.revision("tasks:t1").parse().unwrap();
        assert!(rev < 1 << 52, "{rev}");
    }
    scene.redis(&["FLUSHALL"]);
    scene.run(0, &["bridge", "push"]).ok();
    assert!(scene.field(record, "text").contains("step: s1"));
}

#[test]
fn a_new_clone_brings_nothing_back_from_the_archive() {
    let Some(scene) = Scene::quiet("a_new_clone_brings_nothing_back_from_the_archive", 2, &[]) else { return };
    let done = task("t1", "completed", "");
    scene.save(0, "task-t1", &done);
    scene.save(0, "task-t2", &task("t2", "pending", ""));
    scene.run(0, &["bridge", "push"]).ok();
    // It knows of the archive by git, before the server is told.
    scene.save(1, OLD, &done);
    scene.run(1, &["bridge", "pull"]).ok();
    assert_eq!((scene.file(1, "task-t1").as_str(), scene.file(1, OLD)), ("", done));
    assert!(!scene.file(1, "task-t2").is_empty());
    scene.run(1, &["bridge", "push"]).ok();
    assert_eq!(scene.field("mycelium:doc:{tasks:t1}", "gone"), "archived");
    // What has nothing in common with it is another, and comes beside it.
    scene.save(0, "task-t3", &task("t3", "pending", ""));
    let _ = scene.run(0, &["bridge", "push"]);
    let old = task("t3", "completed", "step: old\n");
    scene.save(1, "archive/2025-10/task-t3", &old);
    scene.run(1, &["bridge", "pull"]).ok();
    assert_eq!(scene.file(1, "task-t3"), task("t3", "pending", ""));
    assert_eq!(scene.file(1, "archive/2025-10/task-t3"), old);
}

#[test]
fn what_a_push_leaves_out_is_told() {
    let Some(scene) = Scene::quiet("what_a_push_leaves_out_is_told", 1, &[]) else { return };
    scene.save(0, "task-t1", &task("t1", "pending", ""));
    scene.run(0, &["bridge", "push"]).ok();
    scene.redis(&["HSET", "tasks:t1", "own", "1"]);
    let push = scene.run(0, &["bridge", "push"]);
    assert!(push.stdout.contains("bridge pull") || push.stderr.contains("bridge pull"), "{push:?}");
    scene.run(0, &["bridge", "pull"]).ok();
    scene.file_has(0, "task-t1", &["own: 1"]);
    // What cannot be used stays, and is told of each time; a change of the document itself is shown.
    scene.redis(&["HSET", "tasks:t1", "status", "done"]);
    for way in ["push", "pull", "push"] {
        let said = scene.run(0, &["bridge", way]);
        assert_eq!(scene.field("tasks:t1", "status"), "done", "{said:?}");
        assert!(said.stdout.contains("status") || said.stderr.contains("status"), "{said:?}");
    }
    scene.save(0, "task-t1", &task("t1", "failed", ""));
    let _ = scene.run(0, &["bridge", "push"]);
    assert_eq!(scene.field("tasks:t1", "status"), "failed");
}

#[test]
fn a_watcher_leaves_what_cannot_be_used() {
    let test = "a_watcher_leaves_what_cannot_be_used";
    let Some(scene) = Scene::start(test, 2, &[("bridge.scan_seconds", "1")]) else { return };
    scene.save(0, "task-t1", &task("t1", "pending", ""));
    scene.save(0, "workflow-w", "---\nid: w\nstatus: running\ntype: t\ntasks: [t1]\n---\n");
    scene.queue_is("normal", &["t1"]);
    scene.redis(&["HSET", "agents:status:bot", "status", "idle"]);
    until("all are shown", || {
        let shown = |key: &str, field: &str| !scene.field(key, field).is_empty();
        shown("agents:status:bot", "metadata") && shown("workflows:w", "tasks")
    });
    let odd =
        [("tasks:t1", "status", "done"), ("agents:status:bot", "status", "asleep"), ("workflows:w", "progress", "2.5")];
    for (key, field, text) in odd {
        scene.redis(&["HSET", key, field, text]);
    }
    for _ in 0..2 {
        scene.compared(0);
        for (key, field, text) in odd {
            scene.reports(key, field);
            assert_eq!(scene.field(key, field), text, "it stays");
        }
    }
    scene.save(0, "task-t1", &task("t1", "running", "claimed_by: bot\n"));
    until("a change of the document is shown", || scene.field("tasks:t1", "status") == "running");
}

#[test]
fn what_is_large_arrives_and_what_is_too_large_is_held() {
    let Some(scene) = Scene::quiet("what_is_large_arrives_and_what_is_too_large_is_held", 2, &[]) else { return };
    let json = |times| format!("{}\n## Payload\n\n[{}0]\n", task("t1", "pending", ""), "\"0123456789\",".repeat(times));
    let large = json(39_000);
    scene.save(0, "task-t1", &large);
    scene.save(
        0,
        "task-t2",
        &task("t2", "pending", &((0..300).map(|n| format!("x{n}: 1")).collect::<Vec<_>>().join("\n") + "\n")),
    );
    let push = scene.run(0, &["bridge", "push"]);
    assert!(push.stdout.contains("fields") || push.stderr.contains("fields"), "{push:?}");
    assert_eq!(scene.redis(&["EXISTS", "tasks:t1", "tasks:t2"]), "1");
    scene.run(1, &["bridge", "pull"]).ok();
    assert_eq!(scene.file(1, "task-t1"), large);
    // A record that is too long is replaced.
    scene.redis(&["HSET", "mycelium:doc:{tasks:t1}", "text", &"x".repeat(2_000_000)]);
    scene.redis(&["HSET", "mycelium:doc:{tasks:t1}", "digest", "x"]);
    let _ = scene.run(0, &["bridge", "push"]);
    assert_eq!(scene.field("mycelium:doc:{tasks:t1}", "text").len(), large.len());
}

#[test]
fn a_pull_that_makes_documents_counts_them() {
    let Some(scene) = Scene::quiet("a_pull_that_makes_documents_counts_them", 1, &[]) else { return };
    scene.redis(&["HSET", "tasks:foreign-1", "type", "train", "status", "pending"]);
    let pulled = scene.run(0, &["bridge", "pull"]);
    let (out, told) = (pulled.ok(), "taken: 1 document (");
    assert!(out.contains("task-foreign-1.md  new"), "{out}");
    let again = scene.run(0, &["bridge", "pull"]);
    assert!(again.stderr.contains("nothing to exchange") && !again.stderr.contains(told), "{again:?}");
}
