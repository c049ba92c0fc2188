//! The lists from which others pop: what we put in, what they take and put in.

use std::time::Duration;

use mycelium::redis::{ClaimAnswer, ClaimAsk, Link, QueueReport, QueueRound};

use crate::server::{Server, eventually};
use crate::single::SingleClaims as _;

const QUEUE: &str = "tasks:queue:high";

fn round(link: &Link, queue: &str, lease_ms: u64, ready: &[&str]) -> QueueReport {
    let ready = ready.iter().map(|id| (*id).to_owned()).collect();
    let lease = Duration::from_millis(lease_ms);
    link.queue(&QueueRound { queue: queue.to_owned(), lease, tasks: "tasks:".to_owned(), ready }).expect("an answer")
}

fn task(server: &Server, ids: &[&str]) {
    for id in ids {
        server.cli(&["HSET", &format!("tasks:{id}"), "status", "pending"]);
    }
}

fn ids(report: &QueueReport) -> Vec<&str> {
    report.popped.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn the_first_ready_task_is_popped_first_and_comes_back_unclaimed() {
    let Some(server) = Server::start("the_first_ready_task_is_popped_first_and_comes_back_unclaimed") else { return };
    let link = server.link();
    task(&server, &["a", "b", "c"]);
    let first = round(&link, QUEUE, 60, &["a", "b", "c"]);
    assert_eq!(first, QueueReport { changed: true, ..QueueReport::default() });
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "c\nb\na");
    assert_eq!(round(&link, QUEUE, 60, &["a", "b", "c"]), QueueReport::default(), "nothing to do");
    assert_eq!(server.cli(&["RPOP", QUEUE]), "a");
    let popped = round(&link, QUEUE, 60, &["a", "b", "c"]);
    assert_eq!((ids(&popped), popped.changed, popped.expired.len()), (vec!["a"], false, 0));
    assert!(popped.next.is_some_and(|next| next <= Duration::from_millis(60)));
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "c\nb");
    let ask = |id: &str| ClaimAsk {
        hash: format!("tasks:{id}"),
        agent: "coder".to_owned(),
        node: "n".to_owned(),
        fence: 0,
        lease: Duration::from_secs(60),
        takes_popped: false,
    };
    assert!(matches!(link.claim(&ask("a")), Ok(ClaimAnswer::Popped { .. })), "it belongs to who popped it");
    assert!(matches!(link.claim(&ClaimAsk { takes_popped: true, ..ask("a") }), Ok(ClaimAnswer::Won { .. })));
    assert_eq!(link.unclaim("tasks:a", "coder", 1), Ok(true));
    let mut expired = QueueReport::default();
    eventually("it comes back", || {
        expired = round(&link, QUEUE, 60, &["a", "b", "c"]);
        !expired.expired.is_empty()
    });
    assert_eq!((expired.expired.as_slice(), expired.changed), (["a".to_owned()].as_slice(), true));
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "c\nb\na");
    assert_eq!(server.cli(&["EXISTS", "mycelium:popped"]), "0");
    assert!(matches!(link.claim(&ask("a")), Ok(ClaimAnswer::Won { .. })));
    // No longer ready: out of the list, and not taken for popped.
    let fewer = round(&link, QUEUE, 60, &["c"]);
    assert_eq!((ids(&fewer).len(), fewer.changed), (0, true));
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "c");
}

#[test]
fn a_popped_task_that_goes_on_is_forgotten_and_queues_do_not_mix() {
    let Some(server) = Server::start("a_popped_task_that_goes_on_is_forgotten_and_queues_do_not_mix") else { return };
    let link = server.link();
    task(&server, &["a", "b"]);
    round(&link, QUEUE, 60_000, &["a"]);
    round(&link, "tasks:queue:low", 60_000, &["b"]);
    server.cli(&["RPOP", QUEUE]);
    server.cli(&["RPOP", "tasks:queue:low"]);
    assert_eq!(ids(&round(&link, QUEUE, 60_000, &["a"])), ["a"]);
    assert_eq!(ids(&round(&link, "tasks:queue:low", 60_000, &["b"])), ["b"]);
    assert_eq!(ids(&round(&link, QUEUE, 60_000, &["a"])), ["a"], "the other queue did not forget it");
    let known_elsewhere = round(&link, QUEUE, 60_000, &[]);
    assert_eq!((ids(&known_elsewhere).len(), server.cli(&["HLEN", "mycelium:popped"]).as_str()), (0, "2"));
    server.cli(&["HSET", "tasks:a", "status", "running"]);
    assert_eq!(ids(&round(&link, QUEUE, 60_000, &[])), ["a"], "it is still nobody's");
    server.cli(&["HSET", "tasks:a", "claimed_by", "coder"]);
    let running = round(&link, QUEUE, 60_000, &[]);
    assert_eq!((ids(&running).len(), running.expired.len()), (0, 0));
    assert_eq!(server.cli(&["HKEYS", "mycelium:popped"]), "b");
}

#[test]
fn what_others_put_in_stays_until_it_is_dropped() {
    let Some(server) = Server::start("what_others_put_in_stays_until_it_is_dropped") else { return };
    let link = server.link();
    task(&server, &["a", "b"]);
    round(&link, QUEUE, 60_000, &["a"]);
    server.cli(&["LPUSH", QUEUE, "x"]);
    server.cli(&["LPUSH", QUEUE, "y"]);
    server.cli(&["LPUSH", QUEUE, "b"]); // one of ours, put in by another
    let found = round(&link, QUEUE, 60_000, &["a", "b"]);
    assert_eq!(found.foreign, ["y", "x"]);
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "y\nx\nb\na");
    link.queue_drop(QUEUE, &["x".to_owned(), "nothing".to_owned()]).expect("done");
    assert_eq!(round(&link, QUEUE, 60_000, &["a", "b"]).foreign, ["y"]);
    // Taken in as a task of ours: it is queued like any other once its hash says so.
    link.queue_drop(QUEUE, &["y".to_owned()]).expect("done");
    let taken = round(&link, QUEUE, 60_000, &["a", "b", "y"]);
    assert_eq!((ids(&taken).len(), taken.foreign.len()), (0, 0));
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "b\na", "no hash yet");
    task(&server, &["y"]);
    round(&link, QUEUE, 60_000, &["a", "b", "y"]);
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "y\nb\na");
    server.cli(&["HSET", "tasks:z", "status", "running"]);
    round(&link, QUEUE, 60_000, &["a", "z", "b", "y"]);
    assert_eq!(server.cli(&["LRANGE", QUEUE, "0", "-1"]), "y\nb\na", "others run it already");
}

#[test]
fn a_queue_is_made_anew_after_all_was_lost() {
    let Some(server) = Server::start("a_queue_is_made_anew_after_all_was_lost") else { return };
    let link = server.link();
    let many: Vec<String> = (0..2_500).map(|at| format!("t{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let load = "for i = 0, 2499 do redis.call('HSET', 'tasks:t' .. i, 'status', 'pending') end";
    server.cli(&["EVAL", load, "0"]);
    round(&link, QUEUE, 60_000, &many);
    assert_eq!(server.cli(&["LLEN", QUEUE]), "2500");
    server.cli(&["FLUSHALL"]);
    server.cli(&["EVAL", load, "0"]);
    let again = round(&link, QUEUE, 60_000, &many);
    assert_eq!((ids(&again).len(), again.changed), (0, true));
    assert_eq!(server.cli(&["LINDEX", QUEUE, "-1"]), "t0");
    // Somebody deletes the list: as if all had been popped.
    server.cli(&["DEL", QUEUE]);
    assert_eq!(round(&link, QUEUE, 60_000, &many).popped.len(), 2_500);
    server.cli(&["SET", "tasks:queue:low", "x"]);
    let broken = link.queue(&QueueRound {
        queue: "tasks:queue:low".to_owned(),
        lease: Duration::from_secs(1),
        tasks: "tasks:".to_owned(),
        ready: Vec::new(),
    });
    let broken = broken.expect("an answer");
    assert_eq!(broken.garbage.as_deref(), Some("it holds a string, not a list"));
    assert_eq!(server.cli(&["GET", "tasks:queue:low"]), "x", "it is left alone");
}
