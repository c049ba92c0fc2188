//! What others write arrives although the server tells nothing, or was away.

use std::time::{Duration, Instant};

use crate::scene::{Scene, task, until};
use crate::server::Server;

#[test]
fn without_tracking_all_arrives_with_the_next_look() {
    let test = "without_tracking_all_arrives_with_the_next_look";
    let Some(server) = Server::start(test) else { return };
    let rules = ["ACL", "SETUSER", "mycelium", "on", ">secret", "~*", "&*", "+@all", "-client|tracking"];
    assert_eq!(server.cli(&rules), "OK");
    let url = server.url().replace("redis://", "redis://mycelium:secret@");
    let mut scene = Scene::on(server, 1, &[("bridge.scan_seconds", "2")]);
    scene.turn_to(url);
    scene.save(0, "task-1", &task("task-1", "pending", ""));
    scene.watch();
    scene.queue_is("normal", &["task-1"]);
    for (field, text, line) in [("assigned_to", "bot", "assigned_to: bot"), ("priority", "high", "priority: high")] {
        let began = Instant::now();
        scene.redis(&["HSET", "tasks:task-1", field, text]);
        scene.file_has(0, "task-1", &[line]);
        // Twice as long as the settings say, for a busy machine.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
    scene.redis(&["HSET", "agents:status:bot", "status", "idle"]);
    scene.file_has(0, "agent-bot", &["status: idle"]);
    scene.redis(&["LPUSH", "tasks:queue:low", r#"{"id":"task-2","type":"t"}"#]);
    scene.queue_is("low", &["task-2"]);
    scene.redis(&["RPOP", "tasks:queue:low"]);
    until("it is told", || scene.status(0)["more"]["popped"][0]["task"] == "task-2");
}

#[test]
fn a_server_that_comes_back_empty_is_followed_again() {
    let Some(mut scene) = Scene::start("a_server_that_comes_back_empty_is_followed_again", 1, &[]) else { return };
    scene.save(0, "task-1", &task("task-1", "pending", ""));
    scene.queue_is("normal", &["task-1"]);
    for (round, word) in ["high", "low"].into_iter().enumerate() {
        scene.server.restart();
        scene.queue_is(if round == 0 { "normal" } else { "high" }, &["task-1"]);
        scene.is_live(0);
        let began = Instant::now();
        scene.redis(&["HSET", "tasks:task-1", "priority", word]);
        scene.file_has(0, "task-1", &[&format!("priority: {word}")]);
        // Sooner than by the next look at everything, which is 30 s away: the server tells again.
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        scene.queue_is(word, &["task-1"]);
        scene.redis(&["PUBLISH", "training:progress", &format!("{{\"event\":\"{word}\"}}")]);
        let listed = || scene.run(0, &["event", "list", "training:*", "--json"]).ok();
        until("it is written down", || {
            let text = listed();
            if !text.contains(&format!("\"{word}\"")) && scene.redis(&["EXISTS", "mycelium:recorder"]) == "1" {
                // Before somebody writes down, it goes to nobody: pub/sub keeps nothing.
                scene.redis(&["PUBLISH", "training:progress", &format!("{{\"event\":\"{word}\"}}")]);
            }
            text.contains(&format!("\"{word}\""))
        });
    }
}
