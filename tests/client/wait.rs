//! Waiting for tasks: no polling, no gap, whoever writes.

use std::time::{Duration, Instant};

use mycelium::client::{Error, Failure, Fields, NewTask, NewWorkflow, WorkflowProgress};
use mycelium::entity::TaskStatus;
use serde_json::json;

use crate::support::FOLDER;
use crate::{client, is_sound, repository};

/// Longer than anything here takes on a slow machine.
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_wait_ends_when_another_process_completes_the_task() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    for (verb, status) in [("complete", TaskStatus::Completed), ("fail", TaskStatus::Failed)] {
        let id = client.create_task(NewTask::new("x")).await.unwrap().id;
        client.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
        let waiter = {
            let (client, id) = (client.clone(), id.clone());
            tokio::spawn(async move { (client.wait_task(&id).await, Instant::now()) })
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let more: &[&str] = if verb == "fail" { &["--error", "oom"] } else { &["--result", "{\"loss\": 0.04}"] };
        sandbox.mycelium(&[&["--as", "ai-engineer", "task", verb, id.as_str()], more].concat()).ok();
        let ended = Instant::now();
        let (task, woken) = tokio::time::timeout(LONG, waiter).await.expect("woken").unwrap();
        let task = task.unwrap();
        assert_eq!(task.status, status);
        assert!(task.result == Some(json!({ "loss": 0.04 })) || task.error == Some(json!("oom")), "{task:?}");
        println!(
            "measured: woken {} ms after the other process ended",
            woken.saturating_duration_since(ended).as_millis()
        );
    }
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_wait_ends_at_once_for_what_has_ended_and_fails_for_what_is_not_there() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x").id("task-7")).await.unwrap().id;
    client.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
    client.complete_task(&id, ()).await.unwrap();
    assert_eq!(client.wait_task("task-7").await.unwrap().status, TaskStatus::Completed);
    assert!(matches!(client.wait_task("task-8").await, Err(Error::NotFound(_))));
    // Removed while somebody waits for it.
    let other = client.create_task(NewTask::new("x").id("task-9")).await.unwrap().id;
    let waiter = {
        let (client, id) = (client.clone(), other.clone());
        tokio::spawn(async move { client.wait_task(&id).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    std::fs::remove_file(sandbox.path(&format!("{FOLDER}/task-9.md"))).unwrap();
    let gone = tokio::time::timeout(LONG, waiter).await.expect("woken").unwrap();
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

/// A completion at any moment after the call is noticed: there is no gap between looking and listening.
#[tokio::test(flavor = "multi_thread")]
async fn no_completion_slips_through() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    for round in 0..30_u64 {
        let id = client.create_task(NewTask::new("x")).await.unwrap().id;
        client.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
        let fresh = crate::client(&sandbox).await;
        let waiter = {
            let (fresh, id) = (fresh.clone(), id.clone());
            tokio::spawn(async move { fresh.wait_task(&id).await })
        };
        tokio::time::sleep(Duration::from_micros(round * 300)).await;
        client.complete_task(&id, ()).await.unwrap();
        let task = tokio::time::timeout(LONG, waiter).await.expect("woken").unwrap().unwrap();
        assert_eq!(task.status, TaskStatus::Completed);
    }
}

#[tokio::test]
async fn a_monitor_tells_each_step_and_ends() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut ids = Vec::new();
    for kind in ["prepare-dataset", "train-model", "evaluate-model"] {
        let new = NewTask::new(kind).depends_on(ids.last());
        ids.push(client.create_task(new).await.unwrap().id);
    }
    let workflow = client.create_workflow(NewWorkflow::new("model-training").tasks(&ids)).await.unwrap().id;
    let worker = {
        let (client, ids) = (client.clone(), ids.clone());
        tokio::spawn(async move {
            for id in &ids[..2] {
                tokio::time::sleep(Duration::from_millis(60)).await;
                client.update_task_status(id, TaskStatus::Running, Fields::default()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(60)).await;
                if *id == ids[0] {
                    client.complete_task(id, ()).await.unwrap();
                } else {
                    client.fail_task(id, "oom").await.unwrap();
                }
            }
        })
    };
    let mut told: Vec<WorkflowProgress> = Vec::new();
    let mut states = client.monitor_workflow(&workflow).await.unwrap();
    while let Some(state) = tokio::time::timeout(LONG, states.next()).await.expect("ends") {
        told.push(state.unwrap());
    }
    assert!(states.next().await.is_none(), "it stays over");
    let end = told.last().unwrap().clone();
    worker.await.unwrap();
    assert_eq!(end.blocked, [ids[2].clone()], "what waits for a failed task never starts");
    assert!(!end.is_completed() && end.is_over());
    assert!((end.share() - 1.0 / 3.0).abs() < 1e-9);
    assert!(told.len() >= 3, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "only news is told");
    let listed = client.monitor_workflow([&ids[0], &ids[1]]).await.unwrap().last().await.unwrap();
    assert_eq!(listed.count(TaskStatus::Failed), 1);
    assert_eq!(client.monitor_workflow(["task-nowhere"]).await.unwrap().last().await.unwrap().missing.len(), 1);
}

/// `task wait` sleeps: it uses next to no processor time, and ends when another process writes.
#[tokio::test]
async fn the_command_sleeps_until_a_task_has_ended() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    for id in ["task-7", "task-8"] {
        client.create_task(NewTask::new("x").id(id)).await.unwrap();
        client.update_task_status(id, TaskStatus::Running, Fields::default()).await.unwrap();
    }
    let mut all = sandbox.mycelium_command(&["task", "wait", "task-7", "task-8", "--timeout", "60s"]);
    let mut any = sandbox.mycelium_command(&["task", "wait", "task-7", "task-8", "--any", "--json"]);
    let [mut all, any] = [&mut all, &mut any].map(|command| {
        let piped = std::process::Stdio::piped;
        command.stdout(piped()).stderr(piped()).spawn().unwrap()
    });
    tokio::time::sleep(Duration::from_millis(800)).await;
    let busy = processor_ticks(all.id());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (before, busy) = (busy, processor_ticks(all.id()));
    assert!(busy <= before + 1, "it sleeps: {before} ticks, then {busy}");
    client.complete_task("task-7", json!({ "loss": 0.04 })).await.unwrap();
    let any = any.wait_with_output().unwrap();
    assert_eq!(any.status.code(), Some(0));
    let told: serde_json::Value = serde_json::from_slice(&any.stdout).unwrap();
    let statuses: Vec<_> = told["data"]["tasks"].as_array().unwrap().iter().map(|one| &one["task"]["status"]).collect();
    assert_eq!(statuses, ["completed", "running"]);
    assert!(all.try_wait().unwrap().is_none(), "the other waits for both");
    client.fail_task("task-8", Failure::new("oom").stack_trace("at 3")).await.unwrap();
    let all = all.wait_with_output().unwrap();
    assert_eq!(all.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&all.stdout), "task-7 ✓ completed\ntask-8 ✗ failed: oom\n");
}

/// The processor time of a process, in ticks of 10 ms.
fn processor_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
