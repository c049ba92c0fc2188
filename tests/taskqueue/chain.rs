//! Redis and `TaskQueue` at once: the first that is live makes the mode, without a restart, and what comes from one goes on to the
//! other.

use mycelium::client::{CoordinationClient, Mode};
use mycelium::taskqueue::ItemStatus;

use crate::other::Other;
use crate::place::{Place, eventually};
use crate::redis_server;
use crate::server::Server;

#[test]
fn the_mode_follows_the_first_that_is_live_and_both_have_all_tasks() {
    let Some(mut redis) =
        redis_server::Server::start("the_mode_follows_the_first_that_is_live_and_both_have_all_tasks")
    else {
        return;
    };
    let server = Server::real_or_stand_in("a chain");
    let place = Place::new(&server).variable("REDIS_URL", &redis.url());
    place.create("task-1", &[]);
    let _watching = place.watch();
    eventually("both live", || {
        let bridges = place.data(&["bridge", "status"])["bridges"].clone();
        bridges.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|one| one["state"] == "live"))
    });
    assert_eq!(place.mode(), "redis");
    eventually("there", || server.file().exists() && server.text().contains("[task-1]"));
    // From Redis to TaskQueue.
    redis.cli(&["LPUSH", "tasks:queue:high", r#"{"id": "task-7", "type": "train-model"}"#]);
    eventually("from redis", || server.text().contains("[task-7]"));
    // From TaskQueue to Redis.
    let mut other = Other::new(&server);
    other.status("[task-1]", ItemStatus::Done, Some("{\"n\": 3}"));
    eventually("from taskqueue", || redis.cli(&["HGET", "tasks:task-1", "status"]) == "completed");
    assert!(redis.cli(&["HGET", "tasks:task-1", "result"]).contains('3'));
    // Redis goes, and comes back.
    redis.kill();
    eventually("the next one", || place.mode() == "taskqueue");
    let stats = place.data(&["bridge", "status"]);
    assert_eq!((&stats["mode"], &stats["bridges"][0]["state"]), (&"taskqueue".into(), &"down".into()), "{stats}");
    assert!(stats["bridges"][0]["why"].as_str().is_some_and(|why| !why.is_empty()), "{stats}");
    place.create("task-2", &[]);
    eventually("while redis is away", || server.text().contains("[task-2]"));
    redis.restart();
    eventually("redis again", || place.mode() == "redis");
    eventually("told again", || redis.cli(&["HGET", "tasks:task-2", "status"]) == "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_library_says_what_is_live() {
    let server = Server::stand_in(&crate::stand_in::Faults::default());
    let place = Place::new(&server);
    place.create("task-1", &[]);
    let command = format!("[\"{}\"]", server.program.words[0].to_string_lossy());
    let client = CoordinationClient::builder()
        .root(place.sandbox.root())
        .setting("coordination.taskqueue.command", &command)
        .setting("coordination.taskqueue.file", server.file().display().to_string())
        .build()
        .await
        .expect("a client");
    eventually("live", || client.mode() == Mode::TaskQueue);
    let stats = client.get_stats().await.expect("stats");
    assert_eq!(stats.bridges[0].state, "live", "{stats:?}");
    eventually("there", || server.file().exists() && server.text().contains("[task-1]"));
    client.close().await;
}
