//! The network between: slow, stalled, deaf in one direction, cut. Both sides go on, and merge as branches do.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, LONG, SOON, task, until};
use crate::proxy::{Proxy, Way};
use crate::server::Server;

#[test]
fn two_sides_of_a_partition_merge_as_branches_do() {
    let Some(server) = Server::start("two_sides_of_a_partition_merge_as_branches_do") else { return };
    let proxy = Proxy::before(server.port());
    let settings = [("coordination.redis.operation_timeout_seconds", "1")];
    let fleet = Fleet::with(&[proxy.url(), server.url()], &settings);
    for id in ["task-a", "task-b", "task-gone"] {
        fleet.run(1, &["task", "create", "--type", "x", "--id", id, "--step", "one", "--step", "two"]).ok();
    }
    fleet.until_one(&server, LONG);
    for (round, way) in [Way::Cut, Way::Stalled, Way::Deaf].into_iter().enumerate() {
        proxy.set(way);
        std::thread::sleep(Duration::from_millis(300));
        let (here, there) = (format!("left {round}"), format!("right {round}"));
        fleet.run(0, &["task", "note", "task-a", &here]).ok();
        fleet.run(1, &["task", "note", "task-a", &there]).ok();
        fleet.run(0, &["task", "update", "task-b", "--set", &format!("here={round}")]).ok();
        fleet.run(1, &["task", "update", "task-b", "--set", &format!("there={round}")]).ok();
        fleet.write(0, &format!("task-new-{round}.md"), &task(&format!("task-new-{round}"), "made on one side"));
        until("the other side is reached by nothing", LONG, || {
            !fleet.text(0, "task-a.md").contains(&there) && !fleet.text(1, "task-a.md").contains(&here)
        });
        until("it is known", LONG, || fleet.status(0)["bridge"]["state"] == "down");
        proxy.set(Way::Open);
        let healed = Instant::now();
        fleet.until_one(&server, SOON);
        println!("after {way:?}: the same {} ms after it healed", healed.elapsed().as_millis());
        let text = fleet.text(1, "task-a.md");
        assert!(text.contains(&here) && text.contains(&there), "{text}");
        let text = fleet.text(0, "task-b.md");
        assert!(text.contains(&format!("here: {round}")) && text.contains(&format!("there: {round}")), "{text}");
    }
    fleet.settles_in_git();
    fleet.until_one(&server, LONG);
}

#[test]
fn a_slow_network_only_takes_longer() {
    let Some(server) = Server::start("a_slow_network_only_takes_longer") else { return };
    let proxy = Proxy::before(server.port());
    let fleet = Fleet::new(2, &proxy.url());
    proxy.delay(Duration::from_millis(40));
    fleet.write(0, "task-slow.md", &task("task-slow", "it arrives"));
    let began = Instant::now();
    until("it arrives", LONG, || fleet.text(1, "task-slow.md").contains("it arrives"));
    println!("with 40 ms each way: {} ms", began.elapsed().as_millis());
    fleet.until_one(&server, LONG);
    assert_eq!(fleet.status(0)["bridge"]["state"], "live");
}
