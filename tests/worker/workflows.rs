//! Workers and workflows: workers alone bring a workflow to its end, and each step runs once for each attempt.

use std::collections::BTreeMap;

use serde_json::json;

use crate::process::{Worker, create, get, sandbox, work};
use crate::support::{Sandbox, sized};

const DEFINITION: &str = r#"
name: train
inputs:
  folds: { type: list, default: [1, 2, 3, 4, 5] }
steps:
  prepare: { type: prepare, payload: { path: data.csv } }
  train:   { type: train, needs: prepare, for_each: "{{ inputs.folds }}",
             payload: { fold: "{{ item }}", from: "{{ steps.prepare.result.path }}" } }
  report:  { type: report, needs: train, payload: { folds: "{{ steps.train.result }}" } }
"#;

/// Notes each run in a file, then gives back the payload.
const EXEC: &str = r#"read -r payload; echo "$MYCELIUM_IDEMPOTENCY_KEY $MYCELIUM_FENCE" >> runs; echo "{\"path\": \"x\", \"payload\": $payload}""#;

fn runs(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in sandbox.read("runs").lines() {
        *counts.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn workflow(sandbox: &Sandbox, id: &str) -> serde_json::Value {
    let text = sandbox.mycelium(&["workflow", "get", id, "--json"]).ok();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["data"]["workflow"].clone()
}

#[test]
fn one_worker_alone_finishes_a_workflow() {
    let sandbox = sandbox();
    sandbox.write(".mycelium/workflows/train.yaml", DEFINITION);
    sandbox.mycelium(&["workflow", "run", "train", "--id", "wf-1", "-q"]).ok();
    work(&sandbox, EXEC).ok();
    assert_eq!(workflow(&sandbox, "wf-1")["status"], "completed");
    let keys: Vec<String> = runs(&sandbox).into_keys().collect();
    let folds = (1..=5).map(|fold| format!("wf-1/train.{fold}/1"));
    let expected: Vec<String> =
        ["wf-1/prepare/1", "wf-1/report/1"].map(str::to_owned).into_iter().chain(folds).collect();
    assert_eq!(keys, expected);
    assert_eq!(get(&sandbox, "task-wf-1-train.3")["payload"], json!({"fold": 3, "from": "x"}));
}

#[test]
fn two_workers_run_each_step_once() {
    for round in 0..sized("MYCELIUM_WORKER_ROUNDS", 2, 20) {
        let sandbox = sandbox();
        sandbox.write(".mycelium/workflows/train.yaml", DEFINITION);
        for id in ["wf-1", "wf-2"] {
            sandbox.mycelium(&["workflow", "run", "train", "--id", id, "-q"]).ok();
        }
        // Of one agent and of two: neither shares a task.
        let second = if round % 2 == 0 { "ann" } else { "ben" };
        let start = |agent: &str| Worker::start(&sandbox, &["--agent", agent, "--concurrency", "2", "--exec", EXEC]);
        let mut workers = [start("ann"), start(second)];
        crate::process::until("both end", || {
            ["wf-1", "wf-2"].iter().all(|id| workflow(&sandbox, id)["status"] == "completed")
        });
        for worker in &mut workers {
            worker.signal("-TERM");
            assert_eq!(worker.end(), Some(0));
        }
        let runs = runs(&sandbox);
        assert_eq!(runs.len(), 14, "{runs:?}");
        assert!(runs.values().all(|count| *count == 1), "{runs:?}");
        sandbox.mycelium(&["check"]).ok();
    }
}

#[test]
fn a_failed_step_is_tried_again_before_a_worker_is_done() {
    let sandbox = sandbox();
    let definition =
        "steps:\n  a: { type: x, retry: { max_attempts: 3, backoff: 300ms } }\n  b: { type: y, needs: a }\n";
    sandbox.write(".mycelium/workflows/w.yaml", definition);
    sandbox.mycelium(&["workflow", "run", "w", "--id", "wf-1", "-q"]).ok();
    create(&sandbox, "task-later", "t", &["--assigned-to", "ben"]);
    let exec = r#"echo "$MYCELIUM_IDEMPOTENCY_KEY $MYCELIUM_FENCE" >> runs; case $MYCELIUM_IDEMPOTENCY_KEY in */a/[12]) exit 1 ;; esac"#;
    work(&sandbox, exec).ok();
    assert_eq!(sandbox.read("runs"), "wf-1/a/1 1\nwf-1/a/2 2\nwf-1/a/3 3\nwf-1/b/1 1\n");
    assert_eq!(workflow(&sandbox, "wf-1")["status"], "completed");
    assert_eq!(crate::support::names(&sandbox.path(".git/mycelium/logs")).len(), 4);
}

/// The time of a step is over while its command still ends: the next attempt waits for that, also with several drivers.
#[test]
fn no_attempt_runs_beside_the_one_before() {
    let sandbox = sandbox();
    sandbox.mycelium(&["config", "set", "--user", "worker.grace", "2s"]).ok();
    let definition = "steps:\n  a: { type: x, timeout: 1s, retry: { max_attempts: 2, backoff: 10ms } }\n";
    sandbox.write(".mycelium/workflows/w.yaml", definition);
    sandbox.mycelium(&["workflow", "run", "w", "--id", "wf-1", "-q"]).ok();
    let exec = r#"case $MYCELIUM_IDEMPOTENCY_KEY in */1) trap '' TERM; echo $$ > first; while :; do sleep 0.05; done ;; esac
        if kill -0 "$(cat first)"; then echo both > both; fi"#;
    let start = |agent: &str| Worker::start(&sandbox, &["--agent", agent, "--exec", exec]);
    let mut workers = [start("ann"), start("ben")];
    crate::process::until("it ends", || workflow(&sandbox, "wf-1")["status"] != "running");
    let task = get(&sandbox, "task-wf-1-a");
    assert_eq!((&task["status"], &task["attempt"]), (&json!("completed"), &json!(2)), "{task:#}");
    assert!(!sandbox.path("both").exists(), "two attempts ran at once");
    for worker in &mut workers {
        worker.signal("-TERM");
        assert_eq!(worker.end(), Some(0));
    }
    // Who worked on it says itself that its time was over.
    let ends: Vec<&str> =
        workers.iter().flat_map(|worker| &worker.said).filter_map(|said| said["outcome"].as_str()).collect();
    assert!(!ends.contains(&"lost"), "{ends:?}");
}
