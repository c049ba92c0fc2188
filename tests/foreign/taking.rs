//! What others write into a hash becomes files and commits in their name, once.

use crate::scene::{Scene, now, task, until};
use crate::support::FOLDER;

/// How often the server was told to write, by anybody.
fn writes(scene: &Scene) -> u64 {
    let stats = scene.redis(&["INFO", "commandstats"]);
    let calls = |line: &str| -> Option<u64> {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        ["hset", "del", "publish", "rpush", "xadd"].contains(&command).then(|| rest.split(',').next()?.parse().ok())?
    };
    stats.lines().filter_map(calls).sum()
}

#[test]
fn what_an_agent_says_of_itself_is_committed_in_its_name_and_not_echoed() {
    let test = "what_an_agent_says_of_itself_is_committed_in_its_name_and_not_echoed";
    let Some(scene) = Scene::start(test, 2, &[("bridge.scan_seconds", "1")]) else { return };
    let key = "agents:status:bot";
    let at = now();
    let first = [
        "HSET",
        key,
        "status",
        "busy",
        "last_updated",
        &at,
        "active_tasks",
        "[\"task-9\"]",
        "metadata",
        "{\"gpu\":\"RTX\"}",
    ];
    scene.redis(&first);
    let last_updated = format!("last_updated: {at}");
    for clone in [0, 1] {
        scene.file_has(clone, "agent-bot", &["agent: bot", "status: busy", &last_updated, "{\"gpu\":\"RTX\"}"]);
        let commits = scene.commits(clone, "agent-bot");
        assert!(commits.iter().all(|commit| commit.starts_with("bot ")), "{commits:?}");
    }
    scene.compared(0);
    let (revision, written) = (scene.revision(key), writes(&scene));
    scene.compared(1);
    assert_eq!((scene.revision(key), writes(&scene)), (revision, written), "nothing came back");
    // One that is known.
    let counts = [scene.commits(0, "agent-bot").len(), scene.commits(1, "agent-bot").len()];
    scene.redis(&["HSET", key, "status", "error"]);
    for (clone, count) in counts.iter().enumerate() {
        scene.file_has(clone, "agent-bot", &["status: error"]);
        let commits = scene.commits(clone, "agent-bot");
        assert_eq!(commits.len(), count + 1, "{commits:?}");
        assert!(commits[0].starts_with("bot "), "{commits:?}");
    }
    scene.compared(0);
    let (revision, written) = (scene.revision(key), writes(&scene));
    scene.compared(1);
    assert_eq!((scene.revision(key), writes(&scene)), (revision, written), "nothing came back");
    assert_eq!(scene.commits(0, "agent-bot").len(), counts[0] + 1);
    assert_eq!(scene.field(key, "metadata"), "{\"gpu\":\"RTX\"}");
}

#[test]
fn every_field_of_a_task_can_be_set_and_a_task_driven_to_its_end() {
    let test = "every_field_of_a_task_can_be_set_and_a_task_driven_to_its_end";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    scene.save(0, "task-1", &task("task-1", "pending", ""));
    scene.save(0, "task-2", &task("task-2", "pending", ""));
    scene.queue_is("normal", &["task-1", "task-2"]);
    let fields = [
        ("assigned_to", "bot", "assigned_to: bot"),
        ("priority", "low", "priority: low"),
        ("title", "Train it", "# Train it"),
        ("type", "train-model", "type: train-model"),
        ("workflow", "flow", "workflow: flow"),
        ("payload", "{\"epochs\":3}", "{\"epochs\":3}"),
        ("note", "mind the gap", "note: mind the gap"),
        ("review", "required", "review: required"),
    ];
    for (field, text, line) in fields {
        assert_eq!(scene.redis(&["HSET", "tasks:task-1", field, text]).len(), 1);
        scene.file_has(0, "task-1", &[line]);
        assert_eq!(scene.field("tasks:task-1", field), text);
    }
    scene.redis(&["HSET", "tasks:task-1", "depends_on", "[\"task-2\"]"]);
    until("it depends", || scene.file(0, "task-1").contains("task-2"));
    scene.queue_is("low", &[]);
    scene.redis(&["HSET", "tasks:task-1", "depends_on", "[]"]);
    scene.queue_is("low", &["task-1"]);
    scene.queue_is("normal", &["task-2"]);
    // Claimed, driven, completed.
    scene.redis(&["HSET", "tasks:task-1", "status", "running", "claimed_by", "worker-7"]);
    scene.file_has(0, "task-1", &["status: running", "claimed_by: worker-7", "fence: 1"]);
    until("its number is told", || scene.field("tasks:task-1", "fence") == "1");
    scene.queue_is("low", &[]);
    scene.redis(&["HSET", "tasks:task-1", "progress", "0.5"]);
    scene.file_has(0, "task-1", &["progress: 0.5"]);
    scene.redis(&["HSET", "tasks:task-1", "status", "completed", "result", "{\"loss\":0.042}"]);
    scene.file_has(0, "task-1", &["status: completed", "{\"loss\":0.042}"]);
    let commits = scene.commits(0, "task-1");
    assert!(commits[0].starts_with("worker-7 "), "{commits:?}");
    // And one that fails.
    scene.redis(&["HSET", "tasks:task-2", "status", "running", "claimed_by", "worker-8"]);
    scene.file_has(0, "task-2", &["claimed_by: worker-8"]);
    scene.redis(&["HSET", "tasks:task-2", "status", "failed", "error", "Out of memory"]);
    scene.file_has(0, "task-2", &["status: failed", "Out of memory"]);
    assert!(scene.commits(0, "task-2")[0].starts_with("worker-8 "));
    // A workflow of its own.
    scene.redis(&["HSET", "workflows:nightly", "status", "running", "progress", "0.5"]);
    scene.file_has(0, "workflow-nightly", &["status: running", "progress: 0.5"]);
    scene.redis(&["HSET", "workflows:nightly", "status", "completed", "result", "{\"acc\":0.96}", "progress", "1.0"]);
    scene.file_has(0, "workflow-nightly", &["status: completed", "{\"acc\":0.96}"]);
    scene.run(0, &["check"]).ok();
}

#[test]
fn a_hand_and_another_client_at_the_same_time_both_stand() {
    let test = "a_hand_and_another_client_at_the_same_time_both_stand";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    for id in ["task-1", "task-2"] {
        scene.save(0, id, &task(id, "pending", "priority: normal\n"));
    }
    scene.queue_is("normal", &["task-1", "task-2"]);
    scene.halt(0);
    // Different fields.
    scene.save(0, "task-1", &task("task-1", "pending", "priority: high\n"));
    scene.redis(&["HSET", "tasks:task-1", "assigned_to", "bot", "title", "Taught by two"]);
    // The same field, and another one.
    scene.save(0, "task-2", &task("task-2", "pending", "priority: normal\nowner: hand\n"));
    scene.redis(&["HSET", "tasks:task-2", "owner", "client", "assigned_to", "bot"]);
    scene.go_on(0);
    scene.file_has(0, "task-1", &["priority: high", "assigned_to: bot", "# Taught by two"]);
    until("it is there", || scene.field("tasks:task-1", "priority") == "high");
    assert_eq!(scene.field("tasks:task-1", "assigned_to"), "bot");
    // By the rules of merging neither is lost: a person decides, and it is said.
    until("a conflict is told", || scene.status(0)["more"]["held"].to_string().contains("task-2"));
    let both = scene.file(0, "task-2");
    assert!(both.contains("hand") && both.contains("client"), "{both}");
    let run = scene.run(0, &["check"]);
    assert!(run.stdout.contains("task-2"), "{run:?}");
    let path = scene.clones[0].path(&format!("{FOLDER}/task-2.md"));
    std::fs::write(path, task("task-2", "pending", "priority: normal\nowner: both\nassigned_to: bot\n")).unwrap();
    until("it is agreed", || scene.field("tasks:task-2", "owner") == "both");
    until("nothing is held", || scene.status(0)["more"]["held"].as_array().unwrap().is_empty());
}
