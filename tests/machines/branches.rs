//! One branch is mirrored: what lies on another does not go out, old work rolls nobody back, and much at once is held.

use std::time::Duration;

use crate::fleet::{Fleet, LONG, SOON, held, is_clean, task, until};
use crate::server::Server;

/// Long enough for a change to arrive, if it did.
const WHILE: Duration = Duration::from_millis(700);

#[test]
fn another_branch_pauses_and_nothing_of_it_goes_out() {
    let Some(server) = Server::start("another_branch_pauses_and_nothing_of_it_goes_out") else { return };
    let fleet = Fleet::new(2, &server.url());
    let here = fleet.clone(0);
    for number in 0..5 {
        fleet.write(0, &format!("task-{number}.md"), &task(&format!("task-{number}"), "on main"));
    }
    fleet.until_one(&server, LONG);
    until("it is committed", LONG, || is_clean(here));
    here.git(&["branch", "empty", "HEAD~1"]);
    here.git(&["checkout", "--quiet", "-b", "other"]);
    fleet.until_state(0, "paused");
    let status = fleet.status(0);
    assert!(status["bridge"]["why"].as_str().unwrap().contains("other"), "{status}");
    fleet.write(0, "task-other.md", &task("task-other", "not for everybody"));
    fleet.write(0, "task-1.md", &task("task-1", "changed on the other branch"));
    std::thread::sleep(WHILE);
    until("it is committed", LONG, || is_clean(here));
    assert!(fleet.text(1, "task-other.md").is_empty() && fleet.text(1, "task-1.md").contains("on main"));
    let run = fleet.run(0, &["bridge", "push"]);
    assert_eq!(run.code, Some(75), "{run:?}");
    // Meanwhile others go on.
    fleet.write(1, "task-2.md", &task("task-2", "changed by another"));
    std::thread::sleep(WHILE);
    // A branch from before everything: files vanish before HEAD moves.
    here.git(&["checkout", "--quiet", "empty"]);
    std::thread::sleep(WHILE);
    assert!(fleet.text(1, "task-3.md").contains("on main"), "what vanished from a work tree was not removed");
    here.git(&["checkout", "--quiet", "main"]);
    fleet.until_state(0, "live");
    fleet.until_one(&server, LONG);
    assert!(fleet.text(0, "task-2.md").contains("changed by another"));
    assert!(fleet.text(1, "task-1.md").contains("on main") && fleet.text(1, "task-other.md").is_empty());
}

#[test]
fn a_bridge_that_pauses_lets_go_of_the_lead_and_writes_nothing_down() {
    let Some(server) = Server::start("a_bridge_that_pauses_lets_go_of_the_lead_and_writes_nothing_down") else {
        return;
    };
    let fleet = Fleet::new(1, &server.url());
    let here = fleet.clone(0);
    let leader = || server.cli(&["GET", "mycelium:recorder"]);
    until("it leads", LONG, || leader() != "(nil)" && !leader().is_empty());
    here.git(&["checkout", "--quiet", "-b", "other"]);
    fleet.until_state(0, "paused");
    until("it leads no more", Duration::from_secs(2), || matches!(leader().as_str(), "(nil)" | ""));
    server.cli(&["PUBLISH", "training:events", "not for this branch"]);
    std::thread::sleep(WHILE);
    let events = || fleet.run(0, &["event", "list", "training:*"]).ok();
    assert!(!events().contains("not for this branch"), "{}", events());
    here.git(&["checkout", "--quiet", "main"]);
    fleet.until_state(0, "live");
    server.cli(&["PUBLISH", "training:events", "for this one"]);
    until("it is written down", LONG, || events().contains("for this one"));
}

#[test]
fn while_git_is_at_work_for_long_nothing_goes_out_or_comes_in() {
    let Some(server) = Server::start("while_git_is_at_work_for_long_nothing_goes_out_or_comes_in") else { return };
    let fleet = Fleet::new(2, &server.url());
    let here = fleet.clone(0);
    fleet.write(0, "task-1.md", &task("task-1", "as it is now"));
    fleet.write(0, "task-2.md", &task("task-2", "as it is now"));
    fleet.until_one(&server, LONG);
    until("it is committed", LONG, || is_clean(here));
    // A checkout that takes its time: the lock first, then the files, HEAD last.
    here.write(".git/index.lock", "");
    fleet.write(0, "task-1.md", &task("task-1", "half a checkout"));
    fleet.until_state(0, "paused");
    assert!(fleet.status(0)["bridge"]["why"].as_str().unwrap().contains("git is at work"));
    fleet.write(1, "task-2.md", &task("task-2", "changed by another"));
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(fleet.text(1, "task-1.md").contains("as it is now"), "half a checkout was sent");
    assert!(fleet.text(0, "task-2.md").contains("as it is now"), "git was written into");
    fleet.write(0, "task-1.md", &task("task-1", "as it is now"));
    std::fs::remove_file(here.path(".git/index.lock")).unwrap();
    fleet.until_state(0, "live");
    fleet.until_one(&server, LONG);
    assert!(fleet.text(0, "task-2.md").contains("changed by another"));
}

#[test]
fn a_clone_that_goes_back_rolls_nobody_back() {
    let Some(server) = Server::start("a_clone_that_goes_back_rolls_nobody_back") else { return };
    let fleet = Fleet::new(2, &server.url());
    let here = fleet.clone(0);
    for round in 0..5 {
        fleet.run(0, &["commit"]).code.unwrap();
        fleet.write(0, "task-1.md", &task("task-1", &format!("round {round}")));
        until("it is committed", LONG, || is_clean(here));
        let text = format!("round {round}");
        until("it arrives", LONG, || fleet.text(1, "task-1.md").contains(&text));
    }
    until("it is committed there", LONG, || is_clean(fleet.clone(1)));
    let tip = here.git(&["rev-parse", "HEAD"]);
    here.git(&["reset", "--quiet", "--hard", "HEAD~3"]);
    std::thread::sleep(WHILE);
    assert!(fleet.text(1, "task-1.md").contains("round 4"), "{}", fleet.text(1, "task-1.md"));
    // It is held, until somebody says what is meant.
    let is_told = || fleet.status(0)["more"]["held"].to_string().contains("HEAD was moved back");
    until("status says so", LONG, is_told);
    here.git(&["reset", "--quiet", "--hard", &tip]);
    fleet.until_one(&server, LONG);
    assert!(fleet.text(0, "task-1.md").contains("round 4"));
}

#[test]
fn what_a_command_has_sent_is_not_taken_back_by_a_reset() {
    let name = "what_a_command_has_sent_is_not_taken_back_by_a_reset";
    let Some(server) = Server::start(name) else { return };
    let fleet = Fleet::unwatched(&[server.url(), server.url()], &[]);
    fleet.run(0, &["task", "create", "--id", "task-1", "--type", "train"]).ok();
    let there = || held(&server).get("task-1.md").cloned().unwrap_or_default();
    // A command that does not reach the server within milliseconds leaves it to the next one.
    until("a command sends it", LONG, || {
        fleet.run(0, &["task", "note", "task-1", "sent at once"]).ok();
        there().contains("sent at once")
    });
    let here = fleet.clone(0);
    let tip = here.git(&["rev-parse", "HEAD"]);
    here.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let run = fleet.run(0, &["bridge", "push", "--json"]);
    assert!(run.stdout.contains("HEAD was moved back"), "{run:?}");
    assert!(there().contains("sent at once"), "{}", there());
    here.git(&["reset", "--quiet", "--hard", &tip]);
    fleet.run(0, &["bridge", "push"]).ok();
    assert!(there().contains("sent at once"), "{}", there());
}

#[test]
fn many_that_vanish_at_once_are_held_until_somebody_insists() {
    let Some(server) = Server::start("many_that_vanish_at_once_are_held_until_somebody_insists") else { return };
    let fleet = Fleet::new(2, &server.url());
    for number in 0..40 {
        fleet.write(0, &format!("task-{number}.md"), &task(&format!("task-{number}"), "one of many"));
    }
    fleet.until_one(&server, LONG);
    let gone = || (0..30).filter(|number| fleet.text(1, &format!("task-{number}.md")).is_empty()).count();
    (0..30).for_each(|number| fleet.remove(0, &format!("task-{number}.md")));
    std::thread::sleep(WHILE);
    assert_eq!(gone(), 0, "none of them is removed elsewhere");
    until("status says so", SOON, || fleet.status(0)["more"]["held"].to_string().contains("30 of 40"));
    let run = fleet.run(0, &["bridge", "push"]);
    assert!(run.code == Some(1) && run.stderr.contains("would vanish"), "{run:?}");
    fleet.run(0, &["bridge", "push", "--force"]).ok();
    // Others hold as well what takes so much from them.
    std::thread::sleep(WHILE);
    let run = fleet.run(1, &["bridge", "pull", "--force"]);
    assert!(matches!(run.code, Some(0 | 1)), "{run:?}");
    until("they are removed elsewhere", LONG, || gone() == 30);
    fleet.until_one(&server, LONG);
}

#[test]
fn many_that_a_command_removes_are_removed_on_the_server_at_once() {
    let name = "many_that_a_command_removes_are_removed_on_the_server_at_once";
    let Some(server) = Server::start(name) else { return };
    let fleet = Fleet::unwatched(&[server.url()], &[]);
    let batch = |lines: String| {
        std::fs::write(fleet.clone(0).path("plan.jsonl"), lines).unwrap();
        fleet.run(0, &["batch", "plan.jsonl"]).ok();
    };
    let line =
        |op: &str, number: u32, more: &str| format!("{{\"op\": \"task.{op}\", \"id\": \"task-{number}\"{more}}}\n");
    let mut left = Vec::new();
    // A command that does not reach the server within milliseconds leaves it to a pass, which asks first: so it is tried again.
    for round in 0..8 {
        let mine = round * 100..round * 100 + 30;
        batch(mine.clone().map(|number| line("create", number, ", \"type\": \"train\"")).collect());
        fleet.run(0, &["bridge", "push"]).ok();
        batch(mine.clone().map(|number| line("remove", number, "")).collect());
        let there = held(&server);
        left.push(mine.filter(|number| there.contains_key(&format!("task-{number}.md"))).count());
        if left.last() == Some(&0) {
            return;
        }
        fleet.run(0, &["bridge", "push", "--force"]).ok();
    }
    panic!("so many of 30 were left on the server, each time: {left:?}");
}
