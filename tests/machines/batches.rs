//! Tasks that are claimed by a batch or a pipeline: the server decides, as it does for a single command.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use mycelium::client::{CoordinationClient, Fields};
use mycelium::entity::TaskStatus;
use serde_json::Value;

use crate::fleet::{Fleet, LONG};
use crate::server::Server;
use crate::support::Run;

/// A lease that ends in no test, however busy the machine is.
const LEASE: (&str, &str) = ("claim.lease", "2h");

/// The lines that begin these tasks.
fn begin(tasks: &[String]) -> String {
    tasks.iter().map(|task| update(task, "")).collect::<Vec<_>>().join("\n")
}

fn update(task: &str, more: &str) -> String {
    format!(r#"{{"op":"task.update","id":"{task}","status":"running"{more}}}"#)
}

/// Runs a batch in a clone; what became of each line, and the exit code.
fn batch(fleet: &Fleet, clone: usize, agent: &str, options: &[&str], lines: &str) -> (Vec<Value>, Option<i32>) {
    let mut command = fleet.clone(clone).mycelium_command(&[&["batch", "--json", "--as", agent], options].concat());
    let run = fed(command.env("REDIS_URL", &fleet.urls[clone]), lines);
    let results = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let results = results.filter(|line| line["kind"] == "batch.result").map(|line| line["data"].clone()).collect();
    (results, run.code)
}

fn fed(command: &mut Command, lines: &str) -> Run {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    Run::from_output("batch".to_owned(), &child.wait_with_output().unwrap())
}

/// What became of each line: `ok`, or the code of its error.
fn codes(results: &[Value]) -> Vec<String> {
    let code = |result: &Value| result["error"]["code"].as_str().unwrap_or("ok").to_owned();
    results.iter().map(code).collect()
}

/// Clones that all have these tasks, pending, and no watcher.
fn clones(server: &Server, count: usize, tasks: &[String]) -> Fleet {
    let fleet = Fleet::unwatched(&vec![server.url(); count], &[LEASE]);
    for task in tasks {
        fleet.write(0, &format!("{task}.md"), &crate::fleet::task(task, ""));
    }
    fleet.clone(0).mycelium(&["commit"]).ok();
    fleet.clone(0).mycelium(&["sync"]).ok();
    for clone in 1..count {
        fleet.clone(clone).mycelium(&["sync"]).ok();
    }
    fleet
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("task-{number:02}")).collect()
}

/// Who has a task on the server; empty for no agent.
fn holder(server: &Server, task: &str) -> String {
    server.cli(&["HGET", &format!("mycelium:doc:{{tasks:{task}}}"), "holder"])
}

#[test]
fn a_batch_does_not_get_what_the_server_has_given_to_another_clone() {
    let Some(server) = Server::start("a_batch_does_not_get_what_the_server_has_given_to_another_clone") else { return };
    let tasks = names(6);
    let fleet = clones(&server, 2, &tasks);
    for task in &tasks[..3] {
        fleet.run(0, &["task", "claim", task, "--as", "ann", "--require-mode", "redis"]).ok();
    }
    let must = ["--require-mode", "redis"];
    let (results, code) = batch(&fleet, 1, "ben", &must, &begin(&tasks[..4]));
    assert_eq!(codes(&results), ["claim-lost", "claim-lost", "claim-lost", "ok"], "{results:?}");
    assert_eq!((code, &results[0]["error"]["claim"]["holder"]), (Some(1), &Value::from("ann")));
    assert!(fleet.text(1, "task-00.md").contains("status: pending"));
    // The same as a single command says, also where the line insists as far as a single command may.
    let single = ["task", "update", "task-00", "--status", "running", "--as", "ben", "--force", "--json"];
    let single = fleet.run(1, &[&single[..], &must].concat());
    let (results, _) = batch(&fleet, 1, "ben", &must, &update("task-00", r#","force":true"#));
    let error: Value = serde_json::from_str(&single.stderr).unwrap();
    assert_eq!(codes(&results), [error["error"]["code"].as_str().unwrap()], "{results:?}");
    // All or nothing: what was reserved on the way is free again, in either order.
    for lines in [["task-04", "task-00"], ["task-00", "task-05"]] {
        let lines = lines.map(ToOwned::to_owned);
        let (results, code) = batch(&fleet, 1, "ben", &[&must[..], &["--atomic"]].concat(), &begin(&lines));
        assert!(code == Some(4) && codes(&results).contains(&"claim-lost".to_owned()), "{results:?}");
    }
    assert_eq!([holder(&server, "task-04"), holder(&server, "task-05")], ["", ""]);
    let (results, code) = batch(&fleet, 0, "ann", &["--atomic", "--require-mode", "redis"], &begin(&tasks[4..]));
    assert_eq!((codes(&results), code), (vec!["ok".to_owned(); 2], Some(0)), "{results:?}");
    assert_eq!([holder(&server, "task-04"), holder(&server, "task-05")], ["ann", "ann"]);
}

#[test]
fn a_batch_sees_its_own_claims_and_gives_back_what_it_did_not_need() {
    let Some(server) = Server::start("a_batch_sees_its_own_claims_and_gives_back_what_it_did_not_need") else { return };
    let fleet = clones(&server, 2, &names(3));
    let create = r#"{"op":"task.create","id":"task-new","type":"x"}"#;
    let lines = [
        create.to_owned(),
        update("task-new", ""),
        update("task-new", ""),
        r#"{"op":"task.complete","id":"task-new"}"#.to_owned(),
        update("task-00", ""),
        r#"{"op":"task.release","id":"task-00"}"#.to_owned(),
        update("task-01", ""),
        r#"{"op":"task.release","id":"task-01"}"#.to_owned(),
        update("task-01", ""),
        update("task-02", ""),
        r#"{"op":"task.remove","id":"task-02"}"#.to_owned(),
    ];
    let (results, code) = batch(&fleet, 0, "ann", &["--require-mode", "redis"], &lines.join("\n"));
    assert_eq!((codes(&results), code), (vec!["ok".to_owned(); lines.len()], Some(0)), "{results:?}");
    assert_eq!([holder(&server, "task-00"), holder(&server, "task-01")], ["", "ann"]);
    assert!(fleet.text(0, "task-new.md").contains("status: completed"));
    // Another clone that makes and begins the same task makes it alone: the server has given it away.
    let both = [create.to_owned(), update("task-new", "")].join("\n");
    let (results, _) = batch(&fleet, 1, "ben", &["--require-mode", "redis"], &both);
    assert_eq!(codes(&results), ["ok", "claim-lost"], "{results:?}");
    let (results, _) = batch(&fleet, 1, "ben", &["--require-mode", "redis"], &begin(&names(2)));
    assert_eq!(codes(&results), ["ok", "claim-lost"], "what was given back is free: {results:?}");
}

#[test]
fn a_batch_keeps_the_fence_and_the_holder_as_single_commands_do() {
    let Some(server) = Server::start("a_batch_keeps_the_fence_and_the_holder_as_single_commands_do") else { return };
    let fleet = clones(&server, 1, &names(2));
    let (results, _) = batch(&fleet, 0, "ann", &[], &begin(&names(2)));
    assert_eq!(codes(&results), ["ok", "ok"], "{results:?}");
    for (agent, line, code) in [
        ("ann", r#"{"op":"task.complete","id":"task-00","fence":7}"#, "claim-lost"),
        ("ann", r#"{"op":"task.update","id":"task-00","progress":0.5,"fence":0}"#, "claim-lost"),
        ("ben", r#"{"op":"task.update","id":"task-00","progress":0.5}"#, "claim-lost"),
        ("ben", r#"{"op":"task.release","id":"task-00","fence":1}"#, "claim-lost"),
        ("ben", r#"{"op":"task.update","id":"task-00","progress":0.25,"force":true}"#, "ok"),
        ("ann", r#"{"op":"task.release","id":"task-00","fence":1}"#, "ok"),
        ("ann", r#"{"op":"task.update","id":"task-00","status":"running","fence":9}"#, "claim-lost"),
        ("ann", r#"{"op":"task.fail","id":"task-01","error":"no","fence":1}"#, "ok"),
    ] {
        let (results, _) = batch(&fleet, 0, agent, &[], line);
        assert_eq!(codes(&results), [code], "{agent}: {line}: {results:?}");
    }
    let single = ["task", "update", "task-00", "--status", "running", "--fence", "9", "--as", "ann"];
    assert_eq!(fleet.run(0, &single).code, Some(4));
}

#[test]
fn a_batch_that_must_be_decided_by_the_server_is_refused_where_that_cannot_decide() {
    let test = "a_batch_that_must_be_decided_by_the_server_is_refused_where_that_cannot_decide";
    let Some(mut server) = Server::start(test) else { return };
    let tasks = names(8);
    let fleet = clones(&server, 1, &tasks);
    let must = ["--require-mode", "redis"];
    let (results, _) = batch(&fleet, 0, "ann", &must, &begin(&tasks[..1]));
    assert_eq!(codes(&results), ["ok"]);
    // The data are lost: until those who have tasks have had their time to say so, no task is given.
    server.cli(&["FLUSHALL"]);
    let (results, _) = batch(&fleet, 0, "ann", &must, &begin(&tasks[1..3]));
    assert_eq!(codes(&results), ["undecided", "undecided"], "{results:?}");
    let (results, code) = batch(&fleet, 0, "ann", &[&must[..], &["--atomic"]].concat(), &begin(&tasks[1..3]));
    assert_eq!((codes(&results).contains(&"undecided".to_owned()), code), (true, Some(75)), "{results:?}");
    assert!(fleet.text(0, "task-01.md").contains("status: pending"));
    // Without that word the clone decides alone.
    let (results, _) = batch(&fleet, 0, "ann", &[], &begin(&tasks[1..2]));
    assert_eq!(codes(&results), ["ok"]);
    for (state, is_killed) in [("hangs", false), ("is dead", true)] {
        if is_killed {
            server.kill();
        } else {
            server.stop();
        }
        let began = Instant::now();
        let (_, code) = batch(&fleet, 0, "ann", &must, &begin(&tasks[3..4]));
        assert_eq!(code, Some(75), "it {state}");
        let (results, _) = batch(&fleet, 0, "ann", &[], &begin(&tasks[if is_killed { 4..5 } else { 5..6 }]));
        assert_eq!(codes(&results), ["ok"], "it {state}");
        assert!(began.elapsed() < LONG, "it {state}");
        if !is_killed {
            server.go_on();
        }
    }
}

/// One of those who want every task: tries until each was decided.
fn contend(fleet: &Fleet, clone: usize, way: usize, tasks: &[String]) {
    let agent = format!("agent-{clone}");
    let (began, mut refused) = (Instant::now(), 0);
    let is_open =
        |codes: &[String]| codes.iter().any(|code| !matches!(code.as_str(), "ok" | "claim-lost" | "not-done"));
    loop {
        assert!(began.elapsed() < LONG * 8, "clone {clone} does not come to an end");
        let must = ["--require-mode", "redis"];
        let open = match way {
            0 => is_open(&codes(&batch(fleet, clone, &agent, &must, &begin(tasks)).0)),
            // Each task in a batch of its own that also makes a note.
            1 => tasks.iter().any(|task| {
                let note =
                    format!("{}\n{{\"op\":\"task.note\",\"id\":\"{task}\",\"text\":\"mine\"}}", update(task, ""));
                let is_mine = fleet.text(clone, &format!("{task}.md")).contains("status: running");
                !is_mine && {
                    let (results, code) = batch(fleet, clone, &agent, &["--atomic", "--require-mode", "redis"], &note);
                    code != Some(0) && (results.is_empty() || is_open(&codes(&results)))
                }
            }),
            2 => pipeline(fleet, clone, &agent, tasks),
            3 => tasks.iter().any(|task| {
                let update = ["task", "update", task, "--status", "running", "--as", &agent];
                fleet.run(clone, &[&update[..], &must].concat()).code == Some(75)
            }),
            _ => {
                let next = ["task", "claim", "--next", "--as", &agent, "--require-mode", "redis"];
                let run = fleet.run(clone, &next);
                refused = if run.code == Some(0) { 0 } else { refused + 1 };
                // Where all that is ready here is held in other clones, it ends with 75.
                refused < 3
            }
        };
        if !open {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same by the library; whether something was not decided.
fn pipeline(fleet: &Fleet, clone: usize, agent: &str, tasks: &[String]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = CoordinationClient::builder().root(fleet.clone(clone).root()).agent(agent);
        let client = client.setting("coordination.redis.url", &fleet.urls[clone]).setting(LEASE.0, LEASE.1);
        let Ok(client) = client.require_mode(mycelium::client::Mode::Redis).build().await else { return true };
        let mut pipeline = client.pipeline();
        for task in tasks {
            pipeline.update_task_status(task, TaskStatus::Running, Fields::default());
        }
        let results = pipeline.execute().await;
        client.close().await;
        let Ok(results) = results else { return true };
        results.iter().any(|result| !matches!(result, Ok(_) | Err(mycelium::client::Error::Lost(_))))
    })
}

#[test]
fn eight_clones_that_race_by_batch_pipeline_and_command_get_each_task_once() {
    let test = "eight_clones_that_race_by_batch_pipeline_and_command_get_each_task_once";
    let Some(server) = Server::start(test) else { return };
    let tasks = names(crate::support::sized("MYCELIUM_TASKS", 10, 100));
    let fleet = Arc::new(clones(&server, 8, &tasks));
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|clone| {
            let (fleet, start, mut tasks) = (Arc::clone(&fleet), Arc::clone(&start), tasks.clone());
            std::thread::spawn(move || {
                // Each begins elsewhere, and half of them go the other way.
                let turn = (clone * 2) % tasks.len();
                tasks.rotate_left(turn);
                if clone % 2 == 1 {
                    tasks.reverse();
                }
                start.wait();
                contend(&fleet, clone, clone % 5, &tasks);
            })
        })
        .collect();
    let failed = threads.into_iter().map(std::thread::JoinHandle::join).filter(Result::is_err).count();
    assert_eq!(failed, 0, "one of them did not come to an end");
    let mut winners: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for task in &tasks {
        let has = |clone: &usize| {
            let document = fleet.text(*clone, &format!("{task}.md"));
            document.contains("status: running") && document.contains(&format!("claimed_by: agent-{clone}"))
        };
        winners.insert(task, (0..8).filter(has).collect());
    }
    let wrong: Vec<_> = winners.iter().filter(|(_, clones)| clones.len() != 1).collect();
    assert!(wrong.is_empty(), "not exactly one has it: {wrong:?}");
    for (task, clones) in &winners {
        assert_eq!(holder(&server, task), format!("agent-{}", clones[0]), "{task}");
    }
}
