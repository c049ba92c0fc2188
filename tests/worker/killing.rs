//! Workers that are killed with -9: their commands do not outlive them, and the next worker begins again what they left.

use serde_json::json;

use crate::process::{Worker, create, get, is_alive, pids, sandbox, until};

#[test]
fn the_command_of_a_killed_worker_is_ended_and_its_task_begun_again() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    create(&sandbox, "task-held", "other", &[]);
    // A task that a person claimed in the agent's name stays theirs.
    sandbox.mycelium(&["task", "claim", "task-held", "--as", "ann", "-q"]).ok();
    let exec = r#"trap '' TERM HUP; echo $$ >> pids; sh -c 'trap "" TERM HUP; echo $$ >> pids; while :; do sleep 1; done' &
        if [ -e go ]; then exit 0; fi; while :; do sleep 1; done"#;
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 2);
    worker.signal("-KILL");
    worker.end();
    for pid in pids(&sandbox, "pids") {
        until("it is gone", || !is_alive(&pid));
    }
    assert_eq!(get(&sandbox, "task-a")["status"], "running");
    sandbox.write("go", "");
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--once", "--exec", exec]);
    let recovered = worker.hear("recovered");
    assert_eq!((&recovered["task"], &recovered["fence"]), (&json!("task-a"), &json!(1)));
    assert_eq!(worker.end(), Some(0));
    let task = get(&sandbox, "task-a");
    assert_eq!((&task["status"], &task["fence"]), (&json!("completed"), &json!(2)));
    assert_eq!(get(&sandbox, "task-held")["status"], "running");
    assert_eq!(crate::support::names(&sandbox.path(".git/mycelium/workers/ann")), Vec::<String>::new());
}

#[test]
fn a_living_worker_takes_over_what_another_of_its_agent_left() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let exec = "echo $$ >> pids; [ -e go ] || sleep 60";
    let mut first = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    let mut second = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    sandbox.write("go", "");
    first.signal("-KILL");
    first.end();
    // A change wakes it; without one its next heartbeat does.
    create(&sandbox, "task-b", "t", &[]);
    let mut ended = vec![second.hear("ended")["task"].to_string(), second.hear("ended")["task"].to_string()];
    ended.sort();
    assert_eq!(ended, ["\"task-a\"", "\"task-b\""]);
    assert!(second.said.iter().any(|said| said["event"] == "recovered"));
    second.signal("-TERM");
    assert_eq!(second.end(), Some(0));
}

#[test]
fn a_worker_of_another_agent_takes_over_what_was_left() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let exec = "echo $$ >> pids; [ -e go ] || sleep 60";
    let mut first = Worker::start(&sandbox, &["--agent", "ann", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    let mut second = Worker::start(&sandbox, &["--agent", "ben", "--exec", exec]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    sandbox.write("go", "");
    // Nothing changes in the folder: it has to see by itself that the other one is dead.
    first.signal("-KILL");
    first.end();
    let ended = second.hear("ended");
    assert_eq!((&ended["task"], &ended["agent"], &ended["fence"]), (&json!("task-a"), &json!("ben"), &json!(2)));
    second.signal("-TERM");
    assert_eq!(second.end(), Some(0));
}
