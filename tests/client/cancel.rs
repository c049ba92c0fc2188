//! Futures that are dropped at every await: what they were to do is in the files wholly or not at all.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mycelium::client::{AgentReport, ClaimOptions, CoordinationClient, Error, Failure, Fields, NewTask, NewWorkflow};
use mycelium::entity::{AgentStatus, TaskStatus, WorkflowStatus};
use serde_json::json;

use crate::support::Sandbox;
use crate::{client, is_sound, repository};

/// Pauses between polls in microseconds, and most polls with each: the first are over before a thread begins, the second while
/// it works, and the last take longer than any call.
const PAUSES: [(u64, usize); 3] = [(0, 4), (100, 10), (3_000, 4_000)];

/// A call under way.
type Call = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// A method's call, and what the files say of it afterwards: all of it, or nothing.
struct Case {
    name: &'static str,
    prepare: &'static [Before],
    call: fn(CoordinationClient) -> Call,
    is_done: fn(Seen) -> Option<bool>,
}

/// What must be there first.
#[derive(Clone, Copy)]
enum Before {
    Task,
    Running,
    Agent,
    Workflow,
}

/// What is in the files.
struct Seen {
    task: Option<mycelium::entity::Task>,
    agent: Option<mycelium::client::AgentState>,
    workflow: Option<mycelium::entity::Workflow>,
}

/// `Some(true)`: all of it; `Some(false)`: nothing; `None`: half.
fn either(all: bool, nothing: bool) -> Option<bool> {
    match (all, nothing) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

fn status(seen: &Seen) -> Option<TaskStatus> {
    seen.task.as_ref().map(|task| task.status)
}

fn claimed(seen: Seen) -> Option<bool> {
    let task = seen.task?;
    let (running, held) = (task.status == TaskStatus::Running, task.claimed_by.is_some() && task.fence.is_some());
    either(running && held, !running && !held)
}

const CASES: &[Case] = &[
    Case {
        name: "create_task",
        prepare: &[],
        call: |client| {
            Box::pin(async move {
                let new = NewTask::new("x").id("task-7").payload(json!({ "epochs": 3 })).assigned_to("b");
                client.create_task(new).await.map(drop)
            })
        },
        is_done: |seen| match seen.task {
            None => Some(false),
            Some(task) => (task.payload.is_some() && task.assigned_to.is_some()).then_some(true),
        },
    },
    Case {
        name: "update_task_status",
        prepare: &[Before::Task],
        call: |client| {
            Box::pin(async move {
                let fields = json!({ "progress": 0.5, "current_epoch": 2 });
                client.update_task_status("task-7", TaskStatus::Running, fields).await.map(drop)
            })
        },
        is_done: |seen| {
            let task = seen.task?;
            let (running, fields) = (task.status == TaskStatus::Running, task.extra.contains_key("current_epoch"));
            either(running && fields && task.progress == Some(0.5), !running && !fields && task.progress.is_none())
        },
    },
    Case {
        name: "complete_task",
        prepare: &[Before::Running],
        call: |client| Box::pin(async move { client.complete_task("task-7", json!({ "loss": 0.04 })).await.map(drop) }),
        is_done: |seen| {
            let (now, result) = (status(&seen)?, seen.task?.result.is_some());
            either(now == TaskStatus::Completed && result, now == TaskStatus::Running && !result)
        },
    },
    Case {
        name: "fail_task",
        prepare: &[Before::Running],
        call: |client| {
            Box::pin(async move { client.fail_task("task-7", Failure::new("oom").stack_trace("...")).await.map(drop) })
        },
        is_done: |seen| {
            let (now, error) = (status(&seen)?, seen.task?.error.is_some());
            either(now == TaskStatus::Failed && error, now == TaskStatus::Running && !error)
        },
    },
    Case {
        name: "claim_task",
        prepare: &[Before::Task],
        call: |client| Box::pin(async move { client.claim_task("task-7", ClaimOptions::default()).await.map(drop) }),
        is_done: claimed,
    },
    Case {
        name: "claim_next",
        prepare: &[Before::Task],
        call: |client| Box::pin(async move { client.claim_next(None, ClaimOptions::default()).await.map(drop) }),
        is_done: claimed,
    },
    Case {
        name: "release_task",
        prepare: &[Before::Running],
        call: |client| Box::pin(async move { client.release_task("task-7").await.map(drop) }),
        is_done: |seen| {
            let now = status(&seen)?;
            either(now == TaskStatus::Pending, now == TaskStatus::Running)
        },
    },
    Case {
        name: "pipeline",
        prepare: &[Before::Task, Before::Agent],
        call: |client| {
            Box::pin(async move {
                let mut pipeline = client.pipeline();
                pipeline.store_agent_status("b", AgentReport::busy());
                pipeline.update_task_status("task-7", TaskStatus::Running, Fields::default());
                pipeline.complete_task("task-7", json!({ "loss": 0.04 }));
                pipeline.execute().await.map(drop)
            })
        },
        is_done: |seen| {
            let (now, agent) = (status(&seen)?, seen.agent?.status);
            let all = now == TaskStatus::Completed && agent == AgentStatus::Busy;
            either(all, now == TaskStatus::Pending && agent == AgentStatus::Idle)
        },
    },
    Case {
        name: "store_agent_status, the first time",
        prepare: &[],
        call: |client| {
            Box::pin(async move {
                let report = AgentReport::busy().metadata(json!({ "gpu": 1 }));
                client.store_agent_status("b", report).await.map(drop)
            })
        },
        is_done: |seen| match seen.agent {
            None => Some(false),
            Some(agent) => (agent.status == AgentStatus::Busy && agent.metadata.is_some()).then_some(true),
        },
    },
    Case {
        name: "store_agent_status",
        prepare: &[Before::Agent],
        call: |client| {
            Box::pin(async move {
                let report = AgentReport::busy().metadata(json!({ "gpu": 1 })).active_tasks(["x"]);
                client.store_agent_status("b", report).await.map(drop)
            })
        },
        is_done: |seen| {
            let agent = seen.agent?;
            let (busy, tasks) = (agent.status == AgentStatus::Busy, agent.active_tasks.len());
            let metadata = agent.metadata == Some(json!({ "gpu": 1 }));
            either(busy && metadata && tasks == 1, !busy && !metadata && tasks == 0)
        },
    },
    Case {
        name: "remove_agent_status",
        prepare: &[Before::Agent],
        call: |client| Box::pin(async move { client.remove_agent_status("b").await.map(drop) }),
        is_done: |seen| Some(seen.agent.is_none()),
    },
    Case {
        name: "create_workflow",
        prepare: &[],
        call: |client| {
            Box::pin(async move {
                let new = NewWorkflow::new("x").id("workflow-7").metadata(json!({ "a": 1 }));
                client.create_workflow(new).await.map(drop)
            })
        },
        is_done: |seen| match seen.workflow {
            None => Some(false),
            Some(workflow) => workflow.metadata.is_some().then_some(true),
        },
    },
    Case {
        name: "update_workflow",
        prepare: &[Before::Workflow],
        call: |client| {
            Box::pin(async move {
                let fields = json!({ "progress": 0.75, "stage": "b" });
                client.update_workflow("workflow-7", fields).await.map(drop)
            })
        },
        is_done: |seen| {
            let workflow = seen.workflow?;
            let (progress, stage) = (workflow.progress == Some(0.75), workflow.extra.contains_key("stage"));
            either(progress && stage, !progress && !stage)
        },
    },
    Case {
        name: "complete_workflow",
        prepare: &[Before::Workflow],
        call: |client| {
            Box::pin(async move { client.complete_workflow("workflow-7", json!({ "a": 1 })).await.map(drop) })
        },
        is_done: |seen| {
            let workflow = seen.workflow?;
            let (done, result) = (workflow.status == WorkflowStatus::Completed, workflow.result.is_some());
            either(done && result, !done && !result)
        },
    },
    Case {
        name: "fail_workflow",
        prepare: &[Before::Workflow],
        call: |client| Box::pin(async move { client.fail_workflow("workflow-7", "no disk").await.map(drop) }),
        is_done: |seen| {
            let workflow = seen.workflow?;
            let (failed, error) = (workflow.status == WorkflowStatus::Failed, workflow.error.is_some());
            either(failed && error, !failed && !error)
        },
    },
];

async fn prepare(client: &CoordinationClient, before: Before) {
    match before {
        Before::Task => drop(client.create_task(NewTask::new("x").id("task-7")).await.unwrap()),
        Before::Running => {
            client.create_task(NewTask::new("x").id("task-7")).await.unwrap();
            client.update_task_status("task-7", TaskStatus::Running, Fields::default()).await.unwrap();
        }
        Before::Agent => {
            let report = AgentReport::idle().metadata(json!({ "gpu": 0 }));
            client.store_agent_status("b", report).await.unwrap();
        }
        Before::Workflow => drop(client.create_workflow(NewWorkflow::new("x").id("workflow-7")).await.unwrap()),
    }
}

async fn seen(client: &CoordinationClient) -> Seen {
    Seen {
        task: client.get_task("task-7").await.ok(),
        agent: client.get_agent_status("b").await.ok(),
        workflow: client.get_workflow("workflow-7").await.ok(),
    }
}

/// Polls a future so often, then drops it; gives what it gave, if it did.
fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize, pause: Duration) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for poll in 0..polls {
        if poll > 0 && !pause.is_zero() {
            std::thread::sleep(pause);
        }
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
    }
    None
}

/// Puts the documents back to what they were before, for the next round.
fn reset(sandbox: &Sandbox, start: &str) {
    sandbox.git(&["reset", "--quiet", "--hard", start]);
    // Who has a task is not told by the branch alone.
    let _ = std::fs::remove_dir_all(sandbox.path(".git/mycelium/claims"));
}

/// Drops a call after 0, 1, 2, ... polls until it is done in time; gives how often it was done although it was dropped, and
/// how often it was not.
async fn trial(case: &Case, sandbox: &Sandbox, start: &str, (pause, most): (u64, usize)) -> (usize, usize) {
    let (mut done, mut not_done, pause) = (0, 0, Duration::from_micros(pause));
    for polls in 0..most {
        let caller = client(sandbox).await;
        // So that the call itself is what the thread is doing, not opening the project.
        let _ = caller.get_stats().await.unwrap();
        let gave = poll_and_drop((case.call)(caller.clone()), polls, pause);
        caller.close().await;
        let seen = seen(&client(sandbox).await).await;
        let is_done = (case.is_done)(seen).unwrap_or_else(|| panic!("{}: half done after {polls} polls", case.name));
        match gave {
            Some(Ok(())) => {
                assert!(is_done, "{}: answered after {polls} polls, and not done", case.name);
                return (done, not_done);
            }
            Some(Err(error)) => panic!("{}: {error}", case.name),
            None if polls == 0 => assert!(!is_done, "{}: done without a poll", case.name),
            None => {}
        }
        if is_done {
            done += 1;
        } else {
            not_done += 1;
        }
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{}: all or nothing is committed, too", case.name);
        if is_done {
            reset(sandbox, start);
        }
    }
    (done, not_done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_dropped_at_any_await_is_done_wholly_or_not_at_all() {
    let (mut done, mut not_done) = (0, 0);
    for case in CASES {
        let sandbox = repository();
        let first = client(&sandbox).await;
        for before in case.prepare {
            prepare(&first, *before).await;
        }
        let start = sandbox.git(&["rev-parse", "HEAD"]);
        for pause in PAUSES {
            let counted = trial(case, &sandbox, &start, pause).await;
            done += counted.0;
            not_done += counted.1;
            reset(&sandbox, &start);
        }
        is_sound(&sandbox);
    }
    println!("measured: {done} dropped calls were done, {not_done} were not");
    assert!(done > CASES.len() && not_done >= CASES.len() * PAUSES.len(), "both happen");
}

/// Reading changes nothing, so it only must not hang or break what comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_dropped_does_no_harm() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    prepare(&client, Before::Running).await;
    prepare(&client, Before::Workflow).await;
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    for polls in 0..6 {
        let pause = Duration::from_micros(100);
        poll_and_drop(client.get_task("task-"), polls, pause);
        poll_and_drop(client.get_agent_status("b"), polls, pause);
        poll_and_drop(client.list_agents(), polls, pause);
        poll_and_drop(client.get_tasks_for_agent("b"), polls, pause);
        poll_and_drop(client.ready_tasks(), polls, pause);
        poll_and_drop(client.get_workflow("workflow-7"), polls, pause);
        poll_and_drop(client.get_stats(), polls, pause);
        poll_and_drop(client.wait_task("task-7"), polls, pause);
        poll_and_drop(client.beat("b"), polls, pause);
        poll_and_drop(client.publish_event("a:b", json!({ "event": "x" })), polls, pause);
        poll_and_drop(client.subscribe_events("*"), polls, pause);
        poll_and_drop(client.renew_task("task-7"), polls, pause);
        poll_and_drop(client.monitor_workflow(["task-7"]), polls, pause);
        let followed = async { client.monitor_workflow(["task-7"]).await.unwrap().last().await };
        poll_and_drop(followed, polls, pause);
    }
    client.complete_task("task-7", ()).await.unwrap();
    assert_eq!(client.wait_task("task-7").await.unwrap().status, TaskStatus::Completed);
    assert_ne!(sandbox.git(&["rev-parse", "HEAD"]), before);
    is_sound(&sandbox);
}
