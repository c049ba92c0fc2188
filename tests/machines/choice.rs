//! A bridge that is enabled, moved and disabled while a watcher runs.

use crate::fleet::{Fleet, SOON, Watcher, is_clean, task, until};
use crate::server::Server;

#[test]
fn a_running_watcher_follows_whoever_enables_a_bridge() {
    let name = "a_running_watcher_follows_whoever_enables_a_bridge";
    let (Some(one), Some(other)) = (Server::start(name), Server::start(name)) else { return };
    let mut fleet = Fleet::unwatched(&[String::new()], &[]);
    fleet.write(0, "task-1.md", &task("task-1", "first"));
    fleet.watchers = vec![Watcher::start(fleet.clone(0), "")];
    until("it is committed", SOON, || is_clean(fleet.clone(0)));
    let has = |server: &Server, id: &str| server.cli(&["EXISTS", &format!("tasks:{id}")]) == "1";

    let said = fleet.run(0, &["bridge", "enable", &one.url()]);
    assert!(said.stderr.contains("the watcher that runs here begins with it now"), "{said:?}");
    until("the first server has it", SOON, || has(&one, "task-1"));
    let said = fleet.run(0, &["bridge", "enable", &one.url()]);
    assert!(said.code == Some(0) && !said.stderr.contains("begins"), "{said:?}");
    fleet.until_state(0, "live");

    fleet.run(0, &["bridge", "enable", &other.url()]).ok();
    until("the other server has it", SOON, || has(&other, "task-1"));
    fleet.write(0, "task-2.md", &task("task-2", "second"));
    until("the other server has what is new", SOON, || has(&other, "task-2"));
    assert!(!has(&one, "task-2"));

    fleet.run(0, &["bridge", "disable"]).ok();
    until("nobody is connected any more", SOON, || other.cli(&["CLIENT", "LIST"]).lines().count() == 1);
    fleet.write(0, "task-3.md", &task("task-3", "third"));
    until("it is committed", SOON, || is_clean(fleet.clone(0)));
    assert!(!has(&other, "task-3") && !has(&one, "task-3"));
}
