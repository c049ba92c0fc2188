//! What can be wrong with a server, one after the other: `bridge status` says it, nothing is lost, and it goes on by itself.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{Fleet, LONG, SOON, held, is_clean, task, until};
use crate::server::Server;

/// A change here arrives there.
#[track_caller]
fn flows(fleet: &Fleet, what: &str) {
    let began = Instant::now();
    let text = fleet.text(0, "task-flow.md");
    let text = if text.is_empty() { task("task-flow", what) } else { format!("{text}\n{what}\n") };
    fleet.write(0, "task-flow.md", &text);
    until(what, SOON, || fleet.text(1, "task-flow.md").contains(what));
    println!("{what}: {} ms", began.elapsed().as_millis());
}

#[track_caller]
fn down(fleet: &Fleet, word: &str) -> Value {
    let mut last = Value::Null;
    until(word, LONG, || {
        last = fleet.status(0)["bridge"].clone();
        last["state"] == "down" && last["why"].to_string().contains(word)
    });
    let run = fleet.run(0, &["bridge", "status"]);
    assert!(run.stdout.contains("down") && run.stdout.contains(word), "{run:?}");
    last
}

#[test]
fn a_server_that_loses_all_or_dies_is_filled_again_without_a_restart() {
    let Some(mut server) = Server::start("a_server_that_loses_all_or_dies_is_filled_again_without_a_restart") else {
        return;
    };
    let fleet = Fleet::new(2, &server.url());
    flows(&fleet, "at first");
    server.cli(&["FLUSHALL"]);
    fleet.until_one(&server, SOON);
    flows(&fleet, "after FLUSHALL");
    server.cli(&["DEL", "tasks:task-flow"]);
    until("an evicted hash comes back", SOON, || server.cli(&["EXISTS", "tasks:task-flow"]) == "1");
    server.cli(&["DEL", "mycelium:doc:{tasks:task-flow}"]);
    fleet.until_one(&server, SOON);
    server.restart();
    fleet.until_one(&server, SOON);
    flows(&fleet, "after a restart without data");
    server.kill();
    down(&fleet, "refused");
    fleet.run(0, &["task", "create", "--type", "x", "--id", "task-meanwhile"]).ok();
    server.restart();
    fleet.until_one(&server, SOON);
    flows(&fleet, "after it was away");
    server.stop();
    fleet.write(1, "task-stopped.md", &task("task-stopped", "written while it stood still"));
    std::thread::sleep(Duration::from_millis(2_500));
    server.go_on();
    fleet.until_one(&server, SOON);
    assert!(fleet.text(0, "task-stopped.md").contains("stood still"));
}

#[test]
fn many_writes_survive_a_kill_in_their_middle() {
    let Some(mut server) = Server::start("many_writes_survive_a_kill_in_their_middle") else { return };
    let fleet = Fleet::new(2, &server.url());
    for round in 0..3 {
        let lines = (0..100).map(|number| format!(r#"{{"op":"task.create","id":"task-{round}-{number}","type":"x"}}"#));
        fleet.clone(0).write("lines", &lines.collect::<Vec<_>>().join("\n"));
        fleet.run(0, &["batch", "lines"]).ok();
        until("some are there", LONG, || !held(&server).is_empty());
        server.kill();
        std::thread::sleep(Duration::from_millis(200));
        server.restart();
    }
    std::fs::remove_file(fleet.clone(0).path("lines")).unwrap();
    fleet.until_one(&server, SOON);
    assert_eq!(fleet.documents(1).len(), 300);
}

#[test]
fn a_server_that_refuses_is_told_of_and_used_again_when_it_does_not() {
    let Some(server) = Server::start("a_server_that_refuses_is_told_of_and_used_again_when_it_does_not") else {
        return;
    };
    let fleet = Fleet::new(2, &server.url());
    flows(&fleet, "at first");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"]);
    fleet.write(0, "task-full.md", &task("task-full", "no room"));
    down(&fleet, "memory");
    assert!(fleet.run(0, &["bridge", "status"]).stderr.contains("hint:"));
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    fleet.until_one(&server, SOON);
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    fleet.write(0, "task-replica.md", &task("task-replica", "cannot be written"));
    down(&fleet, "replica");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    fleet.until_one(&server, SOON);
    server.cli(&["ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all", "-evalsha", "-eval"]);
    fleet.write(0, "task-refused.md", &task("task-refused", "not permitted"));
    let said = down(&fleet, "permi");
    println!("{said}");
    server.cli(&["ACL", "SETUSER", "default", "+@all"]);
    fleet.until_one(&server, SOON);
}

#[test]
fn a_wrong_password_is_told_of_and_files_go_on() {
    let Some(server) = Server::with("a_wrong_password_is_told_of_and_files_go_on", &["--requirepass", "right"]) else {
        return;
    };
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", server.port());
    let mut fleet = Fleet::unwatched(&[url("wrong"), url("right")], &[]);
    let watchers = fleet.scene.clones.iter().zip(&fleet.urls);
    fleet.watchers = watchers.map(|(clone, url)| crate::fleet::Watcher::start(clone, url)).collect();
    fleet.until_state(1, "live");
    let said = down(&fleet, "password");
    assert!(!said.to_string().contains("wrong@"), "{said}");
    assert!(fleet.run(0, &["bridge", "status"]).stderr.contains("hint:"));
    fleet.run(0, &["task", "create", "--type", "x", "--id", "task-1"]).ok();
    assert!(fleet.text(0, "task-1.md").contains("pending"));
}

#[test]
fn a_watcher_ends_at_once_though_its_server_hangs() {
    let Some(mut server) = Server::start("a_watcher_ends_at_once_though_its_server_hangs") else { return };
    let mut fleet = Fleet::new(1, &server.url());
    server.stop();
    // It is in the middle of a question then.
    fleet.write(0, "task-1.md", &task("task-1", "of no interest to a server that hangs"));
    until("it is committed", LONG, || is_clean(fleet.clone(0)));
    let began = Instant::now();
    fleet.watchers.remove(0).stop();
    assert!(began.elapsed() < Duration::from_millis(1_500), "it took {:?}", began.elapsed());
    server.go_on();
}
