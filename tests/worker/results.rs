//! What a command is given, and what its end means for the task.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{Worker, create, get, is_alive, pids, sandbox, until, work};

#[test]
fn a_command_gets_payload_and_environment_and_gives_a_result() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &["--payload", r#"{"epochs": 3}"#]);
    let exec = r#"read -r payload; test "$PWD" = "$MYCELIUM_ROOT" || exit 9
        test -z "$(cat)" || exit 8
        echo "{\"payload\": $payload, \"task\": \"$MYCELIUM_TASK\", \"fence\": $MYCELIUM_FENCE, \"by\": \"$MYCELIUM_AGENT\",
            }" | tr -d '\n'; echo; echo no json; echo "{\"key\": \"$MYCELIUM_IDEMPOTENCY_KEY\", \"attempt\": $MYCELIUM_ATTEMPT, \"payload\": $payload}"
        echo done"#;
    work(&sandbox, exec).ok();
    let task = get(&sandbox, "task-a");
    assert_eq!(task["status"], "completed");
    assert_eq!(task["result"], json!({"key": "task-a/1", "attempt": 1, "payload": {"epochs": 3}}));
    assert_eq!((&task["fence"], &task["attempt"]), (&json!(1), &json!(1)));
    let history = sandbox.git(&["log", "--format=%s %an"]);
    assert!(history.contains("ann"), "{history}");
}

#[test]
fn a_result_is_the_file_or_the_end_of_the_output() {
    let sandbox = sandbox();
    create(&sandbox, "task-file", "file", &[]);
    create(&sandbox, "task-tail", "tail", &[]);
    create(&sandbox, "task-none", "none", &[]);
    create(&sandbox, "task-bad", "bad", &[]);
    create(&sandbox, "task-link", "link", &[]);
    let exec = r#"case $MYCELIUM_TASK in
        *file) echo '{"not": "this"}'; echo '[1, {"a": 2}]' > "$MYCELIUM_RESULT" ;;
        *tail) echo one; printf two ;;
        *bad) echo '{' > "$MYCELIUM_RESULT" ;;
        *link) ln -s /etc/passwd "$MYCELIUM_RESULT" ;;
    esac"#;
    work(&sandbox, exec).ok();
    assert_eq!(get(&sandbox, "task-file")["result"], json!([1, {"a": 2}]));
    assert_eq!(get(&sandbox, "task-tail")["result"], json!({"stdout": "one\ntwo"}));
    assert_eq!(get(&sandbox, "task-none")["result"], json!({"stdout": ""}));
    let error = get(&sandbox, "task-bad")["error"].to_string();
    assert!(
        error.contains("$MYCELIUM_RESULT is not JSON") && error.contains(".git/mycelium/logs/task-bad-1.log"),
        "{error}"
    );
    let error = get(&sandbox, "task-link")["error"].to_string();
    assert!(error.contains("it is no regular file"), "{error}");
    assert_eq!(crate::support::names(&sandbox.path(".git/mycelium/results")), Vec::<String>::new());
}

#[test]
fn a_failure_has_the_last_lines_of_standard_error() {
    let sandbox = sandbox();
    for (id, kind) in [("task-a", "a"), ("task-b", "b"), ("task-c", "c"), ("task-d", "d")] {
        create(&sandbox, id, kind, &[]);
    }
    let exec = r#"case $MYCELIUM_TASK in
        *-a) i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo "line $i" >&2; done; exit 3 ;;
        *-b) kill -9 $$ ;;
        *-c) /no/such/program ;;
        *-d) exec ./README.md ;;
    esac"#;
    work(&sandbox, exec).ok();
    let lines: Vec<String> = (11..=30).map(|line| format!("line {line}")).collect();
    assert_eq!(get(&sandbox, "task-a")["error"], json!({"error": "exit 3", "stack_trace": lines.join("\n")}));
    assert_eq!(get(&sandbox, "task-b")["error"], json!("killed by signal 9"));
    let missing = &get(&sandbox, "task-c")["error"];
    assert_eq!(missing["error"], json!("exit 127: a program was not found"));
    assert!(missing["stack_trace"].as_str().unwrap().contains("/no/such/program"), "{missing}");
    assert_eq!(get(&sandbox, "task-d")["error"]["error"], json!("exit 126: a program may not be executed"));
}

#[test]
fn results_that_are_too_big_fail_and_name_the_limit_and_the_log() {
    let sandbox = sandbox();
    create(&sandbox, "task-line", "line", &[]);
    create(&sandbox, "task-file", "file", &[]);
    create(&sandbox, "task-deep", "deep", &[]);
    let exec = r#"long() { head -c 600000 /dev/zero | tr '\0' x; }
        case $MYCELIUM_TASK in
        *line) printf '{"a": "'; long; echo '"}' ;;
        *file) { printf '"'; long; echo '"'; } > "$MYCELIUM_RESULT" ;;
        *deep) i=0; while [ $i -lt 110 ]; do i=$((i+1)); printf '{"a":'; done; printf 1; i=0; while [ $i -lt 110 ]; do i=$((i+1)); printf '}'; done ;;
    esac"#;
    work(&sandbox, exec).ok();
    for (id, limit) in [("task-line", "524288 bytes"), ("task-file", "524288 bytes"), ("task-deep", "cannot be stored")]
    {
        let task = get(&sandbox, id);
        let error = task["error"].to_string();
        assert_eq!(task["status"], "failed", "{id}");
        assert!(error.contains(limit) && error.contains(&format!(".git/mycelium/logs/{id}-1.log")), "{id}: {error}");
    }
}

#[test]
fn a_temporary_failure_is_run_again_under_the_same_fence() {
    let sandbox = sandbox();
    create(&sandbox, "task-soon", "soon", &[]);
    create(&sandbox, "task-never", "never", &[]);
    let exec = r#"echo $MYCELIUM_TASK $MYCELIUM_FENCE >> runs
        case $MYCELIUM_TASK in
        *never) echo no network >&2; exit 75 ;;
        *soon) echo stale > "$MYCELIUM_RESULT"; [ $(grep -c soon runs) -ge 3 ] || exit 75; rm "$MYCELIUM_RESULT"; echo '{"ok": true}' ;;
    esac"#;
    let said = work(&sandbox, exec).ok();
    assert_eq!(get(&sandbox, "task-soon")["result"], json!({"ok": true}));
    let error = json!({"error": "exit 75 (temporary) after 10 retries", "stack_trace": "no network"});
    assert_eq!(get(&sandbox, "task-never")["error"], error);
    let runs = sandbox.read("runs");
    assert_eq!(runs.lines().filter(|line| *line == "task-soon 1").count(), 3, "{runs}");
    assert_eq!(runs.lines().filter(|line| *line == "task-never 1").count(), 11, "{runs}");
    assert_eq!(said.matches("is run again in").count(), 12, "{said}");
}

#[test]
fn a_temporary_failure_ends_with_the_timeout() {
    let sandbox = sandbox();
    sandbox.mycelium(&["config", "set", "--user", "worker.backoff", "400ms"]).ok();
    create(&sandbox, "task-a", "t", &[]);
    sandbox.mycelium(&["task", "update", "task-a", "--set", "timeout=1s", "-q"]).ok();
    let began = Instant::now();
    work(&sandbox, "echo run >> runs; exit 75").ok();
    assert_eq!(get(&sandbox, "task-a")["error"], json!("exit 75 (temporary) after 1 retries"));
    assert_eq!(sandbox.read("runs").lines().count(), 2);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_timeout_ends_the_whole_group_though_it_ignores_the_request() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    sandbox.mycelium(&["task", "update", "task-a", "--set", "timeout=1s", "-q"]).ok();
    let exec = r#"trap 'echo asked >> asked' TERM; echo $$ >> pids
        sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &
        while :; do sleep 0.1; done"#;
    let began = Instant::now();
    work(&sandbox, exec).ok();
    let took = began.elapsed();
    let error = get(&sandbox, "task-a")["error"].to_string();
    assert!(error.contains("timed out after 1s"), "{error}");
    // Asked after one second, killed half a second later.
    assert_eq!(sandbox.read("asked"), "asked\n");
    assert!(took >= Duration::from_millis(1_400), "{took:?}");
    assert_eq!(pids(&sandbox, "pids").len(), 2);
    for pid in pids(&sandbox, "pids") {
        until("it is gone", || !is_alive(&pid));
    }
}

#[test]
fn what_a_command_leaves_in_the_background_is_ended() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let exec = r#"for i in 1 2 3; do sh -c 'trap "" TERM HUP; echo $$ >> pids; while :; do sleep 1; done' & done
        while [ $(cat pids 2>/dev/null | wc -l) -lt 3 ]; do sleep 0.01; done; echo '{"done": 1}'"#;
    work(&sandbox, exec).ok();
    assert_eq!(get(&sandbox, "task-a")["result"], json!({"done": 1}));
    assert_eq!(pids(&sandbox, "pids").len(), 3);
    for pid in pids(&sandbox, "pids") {
        until("it is gone", || !is_alive(&pid));
    }
}

#[test]
fn commands_that_end_at_once_and_read_nothing_are_no_trouble() {
    let sandbox = sandbox();
    let payload = format!(r#"{{"text": "{}"}}"#, "x".repeat(100_000));
    create(&sandbox, "task-a", "t", &["--payload", &payload]);
    create(&sandbox, "task-b", "t", &[]);
    work(&sandbox, "true").ok();
    for id in ["task-a", "task-b"] {
        assert_eq!(get(&sandbox, id)["status"], "completed", "{id}");
    }
    create(&sandbox, "task-c", "t", &[]);
    work(&sandbox, "exit 1").ok();
    assert_eq!(get(&sandbox, "task-c")["error"], json!("exit 1"));
}

#[test]
fn only_asked_types_are_taken_the_most_urgent_first() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "one", &["--priority", "low"]);
    create(&sandbox, "task-b", "two", &["--priority", "high"]);
    create(&sandbox, "task-c", "three", &[]);
    create(&sandbox, "task-d", "two", &["--assigned-to", "ben"]);
    let arguments = ["worker", "--as", "ann", "--once", "-q", "--type", "one", "--type", "two", "--exec"];
    sandbox.mycelium(&[&arguments[..], &["echo $MYCELIUM_TASK >> order"]].concat()).ok();
    assert_eq!(sandbox.read("order"), "task-b\ntask-a\n");
    assert_eq!(get(&sandbox, "task-c")["status"], "pending");
    assert_eq!(get(&sandbox, "task-d")["status"], "pending");
}

#[test]
fn a_worker_waits_for_new_tasks_and_for_their_moment() {
    let sandbox = sandbox();
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--exec", "date +%s > $MYCELIUM_TASK.at"]);
    std::thread::sleep(Duration::from_millis(300));
    create(&sandbox, "task-a", "t", &[]);
    assert_eq!(worker.hear("ended")["outcome"], "completed");
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3;
    let text = mycelium::Timestamp::from_unix_ms(i64::try_from(moment).unwrap() * 1_000).to_string();
    create(&sandbox, "task-b", "later", &["--assigned-to", "ben"]);
    let set = ["task", "update", "task-b", "--set", &format!("not_before={text}"), "--assigned-to", "ann", "-q"];
    sandbox.mycelium(&set).ok();
    assert_eq!(worker.hear("started")["task"], "task-b");
    worker.hear("ended");
    let at: u64 = sandbox.read("task-b.at").trim().parse().unwrap();
    // Never before; and woken by the moment, not by its next heartbeat a minute later, however busy the machine is.
    assert!((moment..=moment + 25).contains(&at), "{moment} {at}");
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
}
