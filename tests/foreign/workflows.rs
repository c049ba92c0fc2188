//! Workflows as other programs see them on the server: the hash of the reference document, queues that hold only what is ready, and
//! what is published when a step is skipped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::scene::{Scene, now, task, until};

/// A step, a fan-out of two behind it, one for a failure, and one that joins.
const DEFINITION: &str = "\
steps:
  prepare: { type: prepare }
  train: { type: train, needs: prepare, for_each: [1, 2] }
  repair: { type: repair, needs: train, when: failure }
  report: { type: report, needs: [train, repair], when: any }
";

/// Everything that is published, as channel and event.
fn heard(scene: &Scene) -> Arc<Mutex<Vec<(String, Value)>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let (into, url) = (Arc::clone(&all), scene.server.url());
    let (begun, begins) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut wire = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut listener = wire.as_pubsub();
        listener.psubscribe(&["tasks:*", "workflows:*"]).unwrap();
        begun.send(()).unwrap();
        while let Ok(message) = listener.get_message() {
            let body: String = message.get_payload().unwrap();
            let event = serde_json::from_str(&body).unwrap_or(Value::Null);
            into.lock().unwrap().push((message.get_channel_name().to_owned(), event));
        }
    });
    begins.recv().unwrap();
    all
}

fn done(scene: &Scene, id: &str) {
    scene.run(0, &["task", "claim", id, "--as", "ann"]).ok();
    scene.run(0, &["task", "complete", id, "--as", "ann", "--result", "{\"ok\": true}"]).ok();
}

#[test]
fn a_workflow_is_a_hash_and_its_steps_are_queued_when_they_are_ready() {
    let test = "a_workflow_is_a_hash_and_its_steps_are_queued_when_they_are_ready";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    scene.clones[0].write(".mycelium/workflows/train.yaml", DEFINITION);
    let heard = heard(&scene);
    scene.run(0, &["workflow", "run", "train", "--id", "wf-1"]).ok();
    let hash = |field: &str| scene.field("workflows:wf-1", field);
    until("it is shown", || hash("status") == "running" && hash("progress") == "0.0");
    let life: i64 = scene.redis(&["TTL", "workflows:wf-1"]).parse().unwrap();
    assert!((3_000..=3_600).contains(&life), "{life}");
    scene.queue_is("normal", &["task-wf-1-prepare"]);
    done(&scene, "task-wf-1-prepare");
    scene.queue_is("normal", &["task-wf-1-train.1", "task-wf-1-train.2"]);
    // Prepare, two items, repair and report.
    until("one of five is done", || hash("progress") == "0.2");
    done(&scene, "task-wf-1-train.1");
    until("an item counts", || hash("progress") == "0.4");
    scene.run(0, &["workflow", "pause", "wf-1"]).ok();
    scene.queue_is("normal", &[]);
    scene.run(0, &["workflow", "resume", "wf-1"]).ok();
    scene.queue_is("normal", &["task-wf-1-train.2"]);
    done(&scene, "task-wf-1-train.2");
    scene.queue_is("normal", &["task-wf-1-report"]);
    done(&scene, "task-wf-1-report");
    until("it ends", || hash("status") == "completed" && hash("progress") == "1.0");
    assert_eq!(serde_json::from_str::<Value>(&hash("result")).unwrap(), serde_json::json!({ "ok": true }));
    let about = |channel: &str, key: &str, id: &str| -> Vec<String> {
        let heard = heard.lock().unwrap();
        let fits = heard.iter().filter(|(on, event)| on == channel && event[key] == id);
        fits.map(|(_, event)| event["event"].as_str().unwrap_or_default().to_owned()).collect()
    };
    until("the end is published", || {
        about("workflows:completed", "workflow_id", "wf-1").contains(&"completed".to_owned())
    });
    assert_eq!(about("tasks:events", "task_id", "task-wf-1-repair").last().map(String::as_str), Some("skipped"));
    assert!(about("tasks:completed", "task_id", "task-wf-1-repair").is_empty(), "what is skipped is not completed");
    let events = about("workflows:events", "workflow_id", "wf-1");
    for word in ["created", "paused", "resumed", "completed"] {
        assert!(events.iter().any(|event| event == word), "{word}: {events:?}");
    }
    scene.run(0, &["workflow", "run", "train", "--id", "wf-2"]).ok();
    scene.run(0, &["workflow", "cancel", "wf-2", "--as", "ann"]).ok();
    until("it is cancelled", || scene.field("workflows:wf-2", "status") == "failed");
    assert_eq!(scene.field("workflows:wf-2", "error"), "cancelled by ann");
    scene.queue_is("normal", &[]);
}

#[test]
fn a_delayed_task_is_queued_when_it_is_due_without_another_change() {
    let test = "a_delayed_task_is_queued_when_it_is_due_without_another_change";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    scene.save(0, "task-now", &task("task-now", "pending", ""));
    scene.queue_is("normal", &["task-now"]);
    let due = mycelium::services::now().later_by(Duration::from_secs(4)).to_string();
    scene.save(0, "task-later", &task("task-later", "pending", &format!("not_before: {due}\n")));
    until("it is shown", || scene.field("tasks:task-later", "status") == "pending");
    assert_eq!(scene.queue("normal"), ["task-now"], "it is not due yet: {} before {due}", now());
    let began = std::time::Instant::now();
    scene.queue_is("normal", &["task-later", "task-now"]);
    assert!(now() >= due, "{} before {due}", now());
    // Long before everything is compared again.
    assert!(began.elapsed() < Duration::from_secs(15), "{} s", began.elapsed().as_secs());
}
