//! What everybody sees on the server: the keys of the reference document, with their types, fields and lives.

use std::time::{Duration, Instant};

use crate::scene::{Scene, now, task, until};

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn fields(scene: &Scene, key: &str) -> Vec<(String, String)> {
    let text = scene.redis(&["HGETALL", key]);
    let parts: Vec<&str> = text.lines().collect();
    parts.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

#[track_caller]
fn shows(scene: &Scene, key: &str, wanted: &[(&str, &str)]) {
    let all = fields(scene, key);
    let all: Vec<(&str, &str)> = all.iter().map(|(field, text)| (field.as_str(), text.as_str())).collect();
    assert_eq!(all, wanted, "{key}");
}

/// One document of each sort, told at this moment.
fn write_all(scene: &Scene, at: &str) {
    let agent = format!("---\nagent: coder\nstatus: busy\nlast_updated: {at}\nactive_tasks: [task-1]\n---\n");
    scene.save(0, "agent-coder", &(agent + "\n# coder\n\n## Metadata\n\n```json\n{\"gpu\": \"x\"}\n```\n"));
    let old = "---\nagent: ghost\nstatus: idle\nlast_updated: 2025-10-17T00:00:00Z\n---\n\n# ghost\n";
    scene.save(0, "agent-ghost", old);
    scene.save(0, "task-1", &task("task-1", "pending", "priority: high\nassigned_to: coder\nworkflow: flow\n"));
    scene.save(0, "task-2", &task("task-2", "pending", "depends_on: [task-1]\n"));
    scene.save(0, "task-3", &task("task-3", "running", "claimed_by: coder\nfence: 2\nprogress: 0.5\n"));
    scene.save(0, "task-4", &task("task-4", "pending", ""));
    let flow = "---\nid: flow\nstatus: running\ntype: training\ntasks: [task-1]\nprogress: 0.25\n\
        created: 2025-10-17T00:00:00Z\n---\n\n# flow\n";
    scene.save(0, "workflow-flow", flow);
}

#[test]
fn every_key_of_the_reference_is_there_and_comes_back() {
    let Some(mut scene) = Scene::quiet("every_key_of_the_reference_is_there_and_comes_back", 1, &[]) else { return };
    let at = now();
    write_all(&scene, &at);
    scene.watch();
    scene.queue_is("high", &["task-1"]);
    scene.queue_is("normal", &["task-4"]);
    let agents =
        [("status", "busy"), ("last_updated", &at), ("active_tasks", "[\"task-1\"]"), ("metadata", "{\"gpu\":\"x\"}")];
    let check = || {
        shows(&scene, "agents:status:coder", &agents);
        let created = ("created_at", "2025-10-17T00:00:00Z");
        let tasks = [
            ("id", "task-1"),
            ("type", "train"),
            ("status", "pending"),
            ("assigned_to", "coder"),
            ("priority", "high"),
            ("depends_on", "[]"),
            created,
            ("workflow", "flow"),
            ("title", "task-1"),
        ];
        shows(&scene, "tasks:task-1", &tasks);
        assert_eq!(scene.field("tasks:task-2", "depends_on"), "[\"task-1\"]");
        assert_eq!(
            (scene.field("tasks:task-3", "claimed_by"), scene.field("tasks:task-3", "progress")),
            ("coder".to_owned(), "0.5".to_owned())
        );
        let flows = [
            ("id", "flow"),
            ("type", "training"),
            ("status", "running"),
            ("progress", "0.25"),
            ("tasks", "[\"task-1\"]"),
        ];
        let all = fields(&scene, "workflows:flow");
        let first: Vec<(&str, &str)> =
            all.iter().map(|(field, text)| (field.as_str(), text.as_str())).take(5).collect();
        assert_eq!(first, flows);
        let life = number(&scene.redis(&["TTL", "agents:status:coder"]));
        assert!((200..=300).contains(&life), "{life}");
        let life = number(&scene.redis(&["TTL", "workflows:flow"]));
        assert!((3_500..=3_600).contains(&life), "{life}");
        assert_eq!(scene.redis(&["TTL", "tasks:task-1"]), "-1");
        assert_eq!(scene.redis(&["TYPE", "tasks:queue:high"]), "list");
        assert_eq!(scene.redis(&["TYPE", "tasks:task-1"]), "hash");
        assert_eq!(scene.redis(&["LLEN", "tasks:queue:high"]), "1");
    };
    check();
    assert_eq!(scene.redis(&["EXISTS", "agents:status:ghost"]), "0", "it is dead");
    // Whatever goes there stays here, and is shown again.
    let before: Vec<String> = scene.clones[0].documents();
    for key in ["agents:status:coder", "tasks:task-1", "workflows:flow"] {
        assert_eq!(scene.redis(&["DEL", key]), "1");
        until(&format!("{key} is there again"), || scene.redis(&["EXISTS", key]) == "1");
    }
    scene.redis(&["PEXPIRE", "tasks:task-3", "1"]);
    until("it comes back", || scene.redis(&["PTTL", "tasks:task-3"]) == "-1");
    check();
    assert_eq!(scene.clones[0].documents(), before);
}

#[test]
fn an_agent_is_shown_while_it_gives_signs_of_life() {
    let Some(scene) = Scene::start("an_agent_is_shown_while_it_gives_signs_of_life", 1, &[]) else { return };
    let key = "agents:status:coder";
    scene.run(0, &["agent", "set", "coder", "--status", "idle", "--ttl", "3s"]).ok();
    until("it is shown", || scene.redis(&["EXISTS", key]) == "1");
    assert_eq!(scene.field(key, "ttl"), "3");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        scene.run(0, &["agent", "beat", "coder"]).ok();
        assert_eq!(scene.redis(&["EXISTS", key]), "1", "after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(number(&scene.redis(&["PTTL", key])) > 0);
    until("it disappears", || scene.redis(&["EXISTS", key]) == "0");
    assert_ne!(scene.file(0, "agent-coder"), "");
    // It may come back with the same words.
    scene.redis(&["HSET", key, "status", "idle"]);
    until("it counts as alive again", || number(&scene.redis(&["PTTL", key])) > 0);
    assert_eq!(scene.field(key, "active_tasks"), "[]");
}
