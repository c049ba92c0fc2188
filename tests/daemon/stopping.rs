//! Beginning and ending: one watcher for each work tree, the last changes committed, nothing left behind.

use std::process::Command;
use std::time::Duration;

use mycelium::daemon::{Detached, Notice, Span, detach, watch};
use mycelium::name::{AgentName, Kind};
use mycelium::services::{Opening, Project, Waiting};

use crate::process::{Process, is_committed, save, subjects};
use crate::support::Sandbox;

#[test]
fn a_signal_commits_the_last_changes_first() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let sandbox = Sandbox::new();
        let mut process = Process::start(&sandbox);
        save(&sandbox, "task-1", "pending");
        process.signal(signal);
        let (succeeded, took) = process.end();
        assert!(succeeded && took < Duration::from_secs(5), "{signal}: {took:?}");
        assert!(is_committed(&sandbox), "{signal}: {:?}", process.said);
        assert_eq!(subjects(&sandbox).len(), 1);
    }
}

#[test]
fn a_signal_at_rest_ends_it_at_once() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    std::thread::sleep(Duration::from_millis(500));
    process.signal("-TERM");
    assert!(process.end().1 < Duration::from_secs(2));
}

#[test]
fn once_commits_what_is_there_and_ends() {
    let sandbox = Sandbox::new();
    save(&sandbox, "task-1", "pending");
    save(&sandbox, "task-2", "pending");
    let mut process = Process::spawn(&sandbox, "once");
    assert!(process.end().0);
    assert!(is_committed(&sandbox));
    assert_eq!(subjects(&sandbox).len(), 1);
}

#[test]
fn there_is_one_watcher_for_a_work_tree() {
    let sandbox = Sandbox::new();
    let first = Process::start(&sandbox);
    let mut second = Process::spawn(&sandbox, "until-stopped");
    let taken = second.hear("taken");
    assert!(taken["message"].as_str().unwrap().starts_with("this work tree is watched already by process "), "{taken}");
    assert!(!second.end().0);
    // Its death, however sudden, makes room at once.
    drop(first);
    Process::start(&sandbox).stop();
}

#[test]
fn after_a_crash_the_next_one_commits_what_is_there() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    save(&sandbox, "task-1", "pending");
    process.signal("-KILL");
    process.end();
    let mut next = Process::start(&sandbox);
    next.hear("committed");
    next.stop();
    assert!(is_committed(&sandbox));
}

#[test]
fn a_detached_process_is_waited_for_until_it_watches() {
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        detach(command).unwrap()
    };
    let Detached::Watching { pid } = shell("echo ready >&2; exec sleep 30") else { panic!("it is ready") };
    assert!(Command::new("kill").arg(pid.to_string()).status().unwrap().success(), "it goes on after that");
    let Detached::Ended { status, said } = shell("echo one >&2; echo two >&2; exit 4") else { panic!("it failed") };
    assert_eq!((status.code(), said.as_str()), (Some(4), "one\ntwo\n"));
}

#[test]
fn what_is_written_while_the_watcher_leaves_is_committed() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "user.name", "User"]);
    sandbox.git(&["config", "user.email", "user@example.com"]);
    let opening = Opening { root: Some(sandbox.root().to_owned()), agent: AgentName::new("a").ok(), flags: Vec::new() };
    let (watched, writing) = (Project::open(opening.clone()).unwrap(), Project::open(opening).unwrap());
    save(&sandbox, "task-1", "pending");
    let mut answer = None;
    watch(&watched, Span::Once, None, &mut |notice| {
        // By now the watcher looks no more, and still holds its lock.
        if matches!(notice, Notice::Committed { .. }) && answer.is_none() {
            answer = Some(writing.operations().remove(writing.actor(), Kind::Task, "task-1").unwrap().waiting);
        }
    })
    .unwrap();
    assert!(matches!(answer, Some(Some(Waiting::Watcher))), "{answer:?}");
    assert_eq!(subjects(&sandbox).len(), 2, "{:?}", subjects(&sandbox));
    assert!(is_committed(&sandbox));
}

#[test]
fn a_watcher_ends_with_its_repository() {
    let sandbox = Sandbox::new();
    save(&sandbox, "task-1", "pending");
    let mut process = Process::start(&sandbox);
    process.hear("committed");
    std::fs::remove_dir_all(sandbox.path(".claude")).expect("removed");
    std::fs::remove_dir_all(sandbox.path(".git")).expect("removed");
    assert!(process.end().1 < Duration::from_secs(30));
}
