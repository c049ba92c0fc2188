//! A worker that is asked to stop, or loses a task: commands end, tasks are given back, nothing is written that is not its own.

use serde_json::json;

use crate::process::{Worker, create, get, is_alive, pids, sandbox, until};

#[test]
fn a_request_to_stop_gives_tasks_back() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    create(&sandbox, "task-b", "t", &[]);
    let exec = r"trap 'echo asked >> asked; exit 0' TERM; echo $$ >> pids; while :; do sleep 0.05; done";
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    assert_eq!(get(&sandbox, "task-a")["status"], "running");
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    assert_eq!(worker.said.last().unwrap()["outcome"], "released");
    assert_eq!(sandbox.read("asked"), "asked\n");
    for id in ["task-a", "task-b"] {
        assert_eq!(get(&sandbox, id)["status"], "pending", "{id}");
    }
    assert!(!is_alive(&pids(&sandbox, "pids")[0]));
    // Nothing is left of its session.
    assert_eq!(crate::support::names(&sandbox.path(".git/mycelium/workers/ann")), Vec::<String>::new());
}

/// The shell of a command ends at once with the request; what it started has the grace all the same.
#[test]
fn what_a_shell_has_started_may_clean_up() {
    let sandbox = sandbox();
    sandbox.mycelium(&["config", "set", "--user", "worker.grace", "30s"]).ok();
    create(&sandbox, "task-a", "t", &[]);
    let script =
        "trap 'sleep 0.3; echo clean >> cleaned; exit 0' TERM\necho $$ >> pids\nwhile :; do sleep 0.05; done\n";
    sandbox.write("work.sh", script);
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", "sh work.sh; true"]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    assert_eq!(sandbox.read("cleaned"), "clean\n");
    assert!(!is_alive(&pids(&sandbox, "pids")[0]));
    assert_eq!(get(&sandbox, "task-a")["status"], "pending");
}

#[test]
fn a_second_request_kills_at_once() {
    let sandbox = sandbox();
    sandbox.mycelium(&["config", "set", "--user", "worker.grace", "1h"]).ok();
    create(&sandbox, "task-a", "t", &[]);
    let exec = r"trap '' TERM; echo $$ >> pids; while :; do sleep 0.05; done";
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    worker.signal("-INT");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(is_alive(&pids(&sandbox, "pids")[0]));
    worker.signal("-INT");
    assert_eq!(worker.end(), Some(0));
    assert!(!is_alive(&pids(&sandbox, "pids")[0]));
    assert_eq!(get(&sandbox, "task-a")["status"], "pending");
}

#[test]
fn a_drain_lets_commands_end_and_takes_no_more() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    create(&sandbox, "task-b", "t", &[]);
    let exec = r#"echo $$ >> pids; while [ ! -e go ]; do sleep 0.02; done; echo '{"ok": true}'"#;
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--drain", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    worker.signal("-TERM");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(is_alive(&pids(&sandbox, "pids")[0]));
    sandbox.write("go", "");
    assert_eq!(worker.end(), Some(0));
    let states: Vec<_> = ["task-a", "task-b"].iter().map(|id| get(&sandbox, id)["status"].clone()).collect();
    assert_eq!(states, ["completed", "pending"]);
    // A drain that takes too long is ended by another request.
    std::fs::remove_file(sandbox.path("go")).unwrap();
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--drain", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 2);
    worker.signal("-TERM");
    std::thread::sleep(std::time::Duration::from_millis(100));
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    assert_eq!(get(&sandbox, "task-b")["status"], "pending");
}

#[test]
fn an_interrupted_once_says_so() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--once", "--exec", "echo $$ >> pids; sleep 60"]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    worker.signal("-INT");
    assert_eq!(worker.end(), Some(130));
    assert_eq!(get(&sandbox, "task-a")["status"], "pending");
}

#[test]
fn a_lost_lease_ends_the_command_and_writes_nothing() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let exec = r#"trap 'echo asked >> asked; echo "{\"mine\": true}"; exit 0' TERM; echo $$ >> pids
        while :; do sleep 0.05; done"#;
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    sandbox.mycelium(&["task", "claim", "task-a", "--as", "ben", "--steal", "-q"]).ok();
    let end = worker.hear("ended");
    assert_eq!((&end["outcome"], &end["fence"]), (&json!("lost"), &json!(1)));
    assert!(end["why"].as_str().unwrap().contains("ben"), "{end}");
    assert_eq!(sandbox.read("asked"), "asked\n");
    let task = get(&sandbox, "task-a");
    assert_eq!((&task["status"], &task["claimed_by"], &task["fence"]), (&json!("running"), &json!("ben"), &json!(2)));
    assert_eq!(task["result"], json!(null));
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    assert_eq!(get(&sandbox, "task-a")["claimed_by"], "ben");
}

#[test]
fn an_end_by_another_ends_the_command() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", "echo $$ >> pids; sleep 60"]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    sandbox.mycelium(&["task", "fail", "task-a", "--error", "not needed", "-q"]).ok();
    assert_eq!(worker.hear("ended")["why"], "it is failed already");
    assert!(!is_alive(&pids(&sandbox, "pids")[0]));
    assert_eq!(get(&sandbox, "task-a")["error"], "not needed");
}

#[test]
fn a_lease_is_renewed_while_a_command_runs() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let arguments = ["--agent", "ann", "--lease", "900ms", "--exec", "echo $$ >> pids; sleep 3"];
    let mut worker = Worker::start(&sandbox, &arguments);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let other = sandbox.mycelium(&["task", "claim", "--next", "--as", "ben", "-q"]);
        assert_eq!(other.code, Some(3), "{}", other.stderr);
    }
    assert_eq!(worker.hear("ended")["outcome"], "completed");
    assert_eq!(get(&sandbox, "task-a")["fence"], json!(1));
}

#[test]
fn no_command_is_an_error_and_the_repositorys_is_never_run() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    sandbox.write(".mycelium/config.json", r#"{"worker": {"command": "touch evil"}}"#);
    let run = sandbox.mycelium(&["worker", "--agent", "ann", "--once"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("no command is given") && run.stderr.contains("--exec"), "{}", run.stderr);
    assert!(!sandbox.path("evil").exists());
    sandbox.mycelium(&["config", "set", "--user", "worker.command", "touch mine"]).ok();
    sandbox.mycelium(&["worker", "--agent", "ann", "--once", "-q"]).ok();
    assert!(sandbox.path("mine").exists() && !sandbox.path("evil").exists());
    assert_eq!(get(&sandbox, "task-a")["status"], "completed");
}
