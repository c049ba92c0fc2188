//! Queues as others use them: what they push becomes tasks, what they pop is theirs for a while, nothing is lost.

use crate::scene::{Scene, task, until};
use crate::support::FOLDER;

/// The tasks of a clone, by their files.
fn tasks(scene: &Scene, clone: usize) -> Vec<String> {
    let names = scene.clones[clone].documents().into_iter();
    names
        .filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()).filter(|name| name.starts_with("task")))
        .collect()
}

/// What is told of as popped by nobody knows whom.
fn popped(scene: &Scene) -> Vec<String> {
    let status = scene.status(0);
    let all = status["more"]["popped"].as_array().unwrap().iter();
    all.map(|one| {
        assert_eq!(one["by"], "redis:unknown");
        one["task"].as_str().unwrap().to_owned()
    })
    .collect()
}

#[test]
fn what_is_pushed_is_a_task_once_whoever_watches() {
    let Some(scene) = Scene::start("what_is_pushed_is_a_task_once_whoever_watches", 2, &[]) else { return };
    let json = r#"{"id":"task-9","type":"train","assigned_to":"bot","payload":{"n":1},"status":"pending","created_at":"2025-10-17T00:00:00Z"}"#;
    scene.redis(&["LPUSH", "tasks:queue:high", json]);
    scene.queue_is("high", &["task-9"]);
    for clone in [0, 1] {
        scene.file_has(clone, "task-9", &["type: train", "priority: high", "assigned_to: bot", "{\"n\":1}"]);
    }
    for name in ["a", "b", "c"] {
        scene.redis(&["LPUSH", "tasks:queue:normal", &format!("{{\"type\":\"{name}\"}}")]);
    }
    // The same words twice are two tasks.
    scene.redis(&["LPUSH", "tasks:queue:low", "{\"type\":\"twin\"}", "{\"type\":\"twin\"}"]);
    let ids = || -> Vec<String> { scene.queue("normal").into_iter().chain(scene.queue("low")).collect() };
    until("ids stand for all of them", || ids().len() == 5 && ids().iter().all(|id| !id.starts_with('{')));
    for clone in [0, 1] {
        until("both have them", || tasks(&scene, clone).len() == 6);
    }
    assert_eq!(tasks(&scene, 0), tasks(&scene, 1));
    assert_eq!(scene.redis(&["HLEN", "mycelium:adopted"]), "0");
    // The id of a task that there is, in whichever queue, is where it belongs.
    scene.redis(&["LPUSH", "tasks:queue:critical", "task-9"]);
    until("it is in its own queue alone", || scene.queue("critical").is_empty());
    scene.queue_is("high", &["task-9"]);
    // A second task of the same id changes nothing.
    scene.redis(&["LPUSH", "tasks:queue:high", r#"{"id":"task-9","type":"other"}"#]);
    scene.queue_is("high", &["task-9"]);
    scene.file_has(0, "task-9", &["type: train"]);
    assert_eq!(tasks(&scene, 0).len(), 6);
}

#[test]
fn what_is_popped_without_a_word_comes_back() {
    let test = "what_is_popped_without_a_word_comes_back";
    let lease = ("claim.lease", "3s");
    let Some(scene) = Scene::start(test, 1, &[lease]) else { return };
    for id in ["task-1", "task-2", "task-3"] {
        scene.save(0, id, &task(id, "pending", ""));
    }
    scene.queue_is("normal", &["task-1", "task-2", "task-3"]);
    assert_eq!(scene.redis(&["RPOP", "tasks:queue:normal"]), "task-1");
    until("it is told who has it", || popped(&scene) == ["task-1"]);
    let told = scene.run(0, &["bridge", "status"]).ok();
    assert!(told.contains("task-1 by redis:unknown, comes back in "), "{told}");
    assert_eq!(scene.queue("normal"), ["task-2", "task-3"]);
    // Nobody else gets it meanwhile.
    let refused = scene.run(0, &["task", "claim", "task-1", "--as", "other", "--require-mode", "redis"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    scene.queue_is("normal", &["task-1", "task-2", "task-3"]);
    until("nothing is told of any more", || popped(&scene).is_empty());
    // Named, it runs, and does not come back.
    assert_eq!(scene.redis(&["RPOP", "tasks:queue:normal"]), "task-1");
    scene.redis(&["HSET", "tasks:task-1", "status", "running", "claimed_by", "worker-7"]);
    scene.file_has(0, "task-1", &["status: running", "claimed_by: worker-7"]);
    until("it is nobody's secret", || popped(&scene).is_empty());
    // One that runs without a name is lent all the same.
    assert_eq!(scene.redis(&["RPOP", "tasks:queue:normal"]), "task-2");
    scene.redis(&["HSET", "tasks:task-2", "status", "running"]);
    scene.file_has(0, "task-2", &["status: running"]);
    until("it is told", || popped(&scene) == ["task-2"]);
    scene.file_has(0, "task-2", &["status: pending"]);
    scene.queue_is("normal", &["task-2", "task-3"]);
    assert!(scene.file(0, "task-1").contains("status: running"));
}

#[test]
fn workers_that_know_nothing_but_redis_do_all_by_priority() {
    let test = "workers_that_know_nothing_but_redis_do_all_by_priority";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    scene.save(0, "task-1", &task("task-1", "pending", "priority: low\n"));
    scene.save(0, "task-2", &task("task-2", "pending", "priority: critical\n"));
    scene.save(0, "task-3", &task("task-3", "pending", "depends_on: [task-1]\npriority: high\n"));
    scene.save(0, "task-4", &task("task-4", "pending", ""));
    scene.queue_is("low", &["task-1"]);
    scene.queue_is("normal", &["task-4"]);
    scene.queue_is("critical", &["task-2"]);
    // Put back by whoever popped it, it is there again at once: the lease, which is long, is not waited for.
    assert_eq!(scene.redis(&["RPOP", "tasks:queue:critical"]), "task-2");
    until("it is out", || popped(&scene) == ["task-2"]);
    scene.redis(&["LPUSH", "tasks:queue:critical", "task-2"]);
    until("it is theirs no longer", || popped(&scene).is_empty());
    scene.queue_is("critical", &["task-2"]);
    let mut done = Vec::new();
    until("all is done", || {
        let pop = |priority: &&str| {
            let id = scene.redis(&["RPOP", &format!("tasks:queue:{priority}")]);
            (id != "(nil)").then_some(id)
        };
        if let Some(id) = ["critical", "high", "normal", "low"].iter().find_map(pop) {
            let key = format!("tasks:{id}");
            scene.redis(&["HSET", &key, "status", "running", "claimed_by", "worker-1"]);
            scene.redis(&["HSET", &key, "status", "completed", "result", "{\"ok\":true}"]);
            done.push(id);
        }
        done.len() == 4
    });
    assert_eq!(done, ["task-2", "task-4", "task-1", "task-3"]);
    for id in &done {
        scene.file_has(0, id, &["status: completed", "claimed_by: worker-1", "{\"ok\":true}"]);
        assert!(scene.commits(0, id)[0].starts_with("worker-1 "));
    }
    assert!(scene.clones[0].path(FOLDER).is_dir());
}
