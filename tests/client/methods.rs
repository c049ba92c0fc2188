//! Every method, with the reference document's values.

use std::time::Duration;

use mycelium::client::{
    AgentReport, CoordinationClient, Error, Failure, Fields, Mode, NewTask, NewWorkflow, Problem, TimedOut,
};
use mycelium::entity::{AgentStatus, Priority, TaskStatus, WorkflowStatus};
use serde_json::json;

use crate::support::{FOLDER, Sandbox};
use crate::{builder, client, is_sound, repository};

fn is_shared<T: Clone + Send + Sync + 'static>() {}

#[test]
fn a_client_goes_wherever_it_is_needed() {
    is_shared::<CoordinationClient>();
}

#[tokio::test]
async fn agents_come_and_go() {
    let sandbox = repository();
    let client = builder(&sandbox).build().await.unwrap();
    assert_eq!((client.mode(), client.agent()), (Mode::Markdown, None));
    let report = AgentReport::busy()
        .active_tasks(["train-model"])
        .metadata(json!({ "gpu": "RTX 4090", "memory_gb": 24 }))
        .ttl(Duration::from_secs(300));
    let receipt = client.store_agent_status("ai-engineer", report).await.unwrap();
    assert!(receipt.committed.is_some(), "{:?}", receipt.waiting);
    client.store_agent_status("data-engineer", AgentStatus::Idle).await.unwrap();
    let agent = client.get_agent_status("ai-engineer").await.unwrap();
    assert_eq!((agent.status, agent.active_tasks[0].task.as_str()), (AgentStatus::Busy, "train-model"));
    assert_eq!(agent.agent.metadata, Some(json!({ "gpu": "RTX 4090", "memory_gb": 24 })));
    assert_eq!(agent.ttl, Some(Duration::from_secs(300)));
    assert!(agent.last_updated.is_some());
    assert!(!agent.pulse.is_stale());
    let beat = client.beat("ai-engineer").await.unwrap();
    let seen = client.get_agent_status("ai-engineer").await.unwrap().pulse.seen;
    assert_eq!(seen.map(mycelium::time::Timestamp::unix_s), Some(beat.unix_s()));
    // What is left out stays.
    client.store_agent_status("ai-engineer", AgentReport::idle()).await.unwrap();
    let agent = client.get_agent_status("ai-engineer").await.unwrap();
    assert_eq!((agent.status, agent.metadata.is_some()), (AgentStatus::Idle, true));
    let names: Vec<String> = client.list_agents().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ai-engineer", "data-engineer"]);
    client.remove_agent_status("ai-engineer").await.unwrap();
    assert!(matches!(client.get_agent_status("ai-engineer").await, Err(Error::NotFound(_))));
    assert!(matches!(client.remove_agent_status("ai-engineer").await, Err(Error::NotFound(_))));
    // Who says something of itself did it.
    let log = sandbox.git(&["log", "--format=%an", "--", FOLDER]);
    assert_eq!(log, "ai-engineer\nai-engineer\ndata-engineer\nai-engineer");
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_task_lives_from_creation_to_completion() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let first = client.create_task(NewTask::new("prepare-dataset").id("task-122")).await.unwrap().id;
    let new = NewTask::new("train-model")
        .title("Train the model")
        .assigned_to("ai-engineer")
        .depends_on([&first])
        .priority(Priority::High)
        .payload(json!({ "dataset": "alice-voice", "config": "configs/lora.yaml" }))
        .steps(["Load", "Train"]);
    let id = client.create_task(new).await.unwrap().id;
    let task = client.get_task(&id).await.unwrap();
    assert_eq!((task.status, task.kind.as_str(), task.priority), (TaskStatus::Pending, "train-model", Priority::High));
    assert_eq!((task.depends_on, task.steps.len()), (vec![first.clone()], 2));
    let ready = client.ready_tasks().await.unwrap();
    assert_eq!(ready.iter().map(|task| &task.id).collect::<Vec<_>>(), [&first]);
    client.update_task_status(&first, TaskStatus::Running, Fields::default()).await.unwrap();
    client.complete_task(&first, json!({ "rows": 3 })).await.unwrap();
    assert_eq!(client.ready_tasks().await.unwrap()[0].id, id);
    let fields = json!({ "progress": 0.5, "current_epoch": 2 });
    client.update_task_status(&id, TaskStatus::Running, fields).await.unwrap();
    let task = client.get_task(&id).await.unwrap();
    assert_eq!((task.status, task.progress), (TaskStatus::Running, Some(0.5)));
    assert_eq!(task.extra.get("current_epoch"), Some(&json!(2)));
    let tasks = client.get_tasks_for_agent("ai-engineer").await.unwrap();
    assert_eq!(tasks.iter().filter(|task| task.id == id).count(), 1);
    let failure = Failure::new("Out of memory").stack_trace("...");
    client.fail_task(&id, failure).await.unwrap();
    let task = client.get_task(&id).await.unwrap();
    assert_eq!(task.error, Some(json!({ "error": "Out of memory", "stack_trace": "..." })));
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_workflow_is_as_far_as_its_tasks() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut ids = Vec::new();
    for kind in ["prepare-dataset", "train-model", "evaluate-model"] {
        ids.push(client.create_task(NewTask::new(kind)).await.unwrap().id);
    }
    let new = NewWorkflow::new("model-training").tasks(&ids).metadata(json!({ "dataset": "alice-voice" }));
    let id = client.create_workflow(new).await.unwrap().id;
    client.update_task_status(&ids[0], TaskStatus::Running, Fields::default()).await.unwrap();
    client.complete_task(&ids[0], ()).await.unwrap();
    let workflow = client.get_workflow(&id).await.unwrap();
    assert_eq!((workflow.status, workflow.tasks), (WorkflowStatus::Running, ids.clone()));
    assert!(workflow.progress.is_some_and(|share| (share - 1.0 / 3.0).abs() < 1e-9), "{:?}", workflow.progress);
    assert_eq!(workflow.current_task.as_ref(), Some(&ids[1]));
    client.update_workflow(&id, json!({ "progress": 0.75, "current_task": ids[2].as_str() })).await.unwrap();
    let workflow = client.get_workflow(&id).await.unwrap();
    assert_eq!((workflow.progress, workflow.current_task.as_ref()), (Some(0.75), Some(&ids[2])));
    client.fail_workflow(&id, "the disk is full").await.unwrap();
    let workflow = client.get_workflow(&id).await.unwrap();
    assert_eq!((workflow.status, workflow.error), (WorkflowStatus::Failed, Some(json!("the disk is full"))));
    let other = client.create_workflow(NewWorkflow::new("x").id("workflow-7")).await.unwrap().id;
    client.complete_workflow(&other, json!({ "final_accuracy": 0.96 })).await.unwrap();
    assert_eq!(client.get_workflow("workflow-7").await.unwrap().result, Some(json!({ "final_accuracy": 0.96 })));
    is_sound(&sandbox);
}

#[tokio::test]
async fn refusals_say_what_they_are_and_change_nothing() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x").id("task-7")).await.unwrap().id;
    let before = sandbox.read(&format!("{FOLDER}/task-7.md"));
    let taken = client.create_task(NewTask::new("x").id("task-7")).await;
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let early = client.complete_task(&id, ()).await.unwrap_err();
    assert!(matches!(early, Error::Refused(_)) && early.hint().is_some(), "{early:?}");
    let wrong = client.update_task_status(&id, TaskStatus::Running, json!({ "progress": 7 })).await;
    assert!(matches!(wrong, Err(Error::BadInput(_))), "{wrong:?}");
    let wrong = client.update_task_status(&id, TaskStatus::Running, json!({ "status": "done" })).await;
    assert!(matches!(wrong, Err(Error::BadInput(_))), "{wrong:?}");
    let wrong = client.update_task_status(&id, TaskStatus::Running, json!([1])).await;
    assert!(matches!(wrong, Err(Error::NoObject(_))), "{wrong:?}");
    let wrong = client.store_agent_status("../x", AgentStatus::Busy).await;
    assert!(matches!(wrong, Err(Error::BadInput(_))), "{wrong:?}");
    let missing = client.fail_task("task-8", "x").await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    assert_eq!(sandbox.read(&format!("{FOLDER}/task-7.md")), before);
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_mode_that_cannot_be_reached_is_told_and_does_no_harm() {
    let sandbox = repository();
    let client = builder(&sandbox).mode(Mode::Redis).build().await.unwrap();
    client.create_task(NewTask::new("x").priority(Priority::Critical)).await.unwrap();
    let stats = client.get_stats().await.unwrap();
    assert_eq!((stats.mode, stats.agent_count), (Mode::Markdown, 0));
    assert_eq!((stats.task_queue_size.critical, stats.task_queue_size.total()), (1, 1));
    assert_eq!(stats.unreached.map(|unreached| unreached.wanted), Some(Mode::Redis));
    assert!(stats.operations > 0 && stats.avg_latency > 0.0, "{} {}", stats.operations, stats.avg_latency);
    let required = builder(&sandbox).require_mode(Mode::Redis).build().await;
    assert!(matches!(required, Err(Error::Mode { wanted: Mode::Redis, .. })), "{required:?}");
    assert_eq!(builder(&sandbox).build().await.unwrap().get_stats().await.unwrap().unreached, None);
}

#[tokio::test]
async fn a_closed_client_takes_nothing_more() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x")).await.unwrap().id;
    client.get_task(&id).await.unwrap();
    client.close().await;
    client.clone().close().await;
    assert!(matches!(client.get_task(&id).await, Err(Error::Closed)));
    assert!(matches!(client.create_task(NewTask::new("x")).await, Err(Error::Closed)));
}

#[tokio::test]
async fn several_agents_act_through_one_client() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x")).await.unwrap().id;
    let other = client.acting_as("data-engineer").unwrap();
    other.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
    assert_eq!(sandbox.git(&["log", "-2", "--format=%an"]), "data-engineer\nai-engineer");
    assert!(matches!(client.acting_as(""), Err(Error::BadInput(_))));
}

/// Nothing may take longer than it may, and what is known is told.
#[tokio::test]
async fn a_timed_out_operation_is_done_wholly_or_not_at_all() {
    let sandbox = repository();
    let patient = client(&sandbox).await;
    patient.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    let hasty = builder(&sandbox).operation_timeout(Duration::from_millis(300)).build().await.unwrap();
    assert_eq!(hasty.get_task("task-7").await.unwrap().status, TaskStatus::Pending);
    // Somebody holds the folder.
    let lock = std::fs::OpenOptions::new().append(true).open(sandbox.path(".git/mycelium/folder.lock")).unwrap();
    lock.lock().unwrap();
    let fields = json!({ "progress": 0.5, "current_epoch": 2 });
    let begun = hasty.update_task_status("task-7", TaskStatus::Running, fields).await;
    assert!(matches!(begun, Err(Error::Timeout { outcome: TimedOut::Unknown, .. })), "{begun:?}");
    // More than there are threads: the last do not even begin.
    let crowd: Vec<_> = (0..40)
        .map(|_| {
            let hasty = hasty.clone();
            tokio::spawn(async move { hasty.create_task(NewTask::new("y")).await })
        })
        .collect();
    let mut not_done = 0;
    for one in crowd {
        match one.await.unwrap() {
            Err(Error::Timeout { outcome: TimedOut::NotDone, .. }) => not_done += 1,
            Err(Error::Timeout { outcome: TimedOut::Unknown, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(not_done >= 20, "{not_done}");
    drop(lock);
    hasty.close().await;
    let task = patient.get_task("task-7").await.unwrap();
    let seen = (task.status, task.progress, task.extra.get("current_epoch").cloned());
    let whole = (TaskStatus::Running, Some(0.5), Some(json!(2)));
    assert_eq!(seen, whole, "a thread ends what it has begun");
    let made = sandbox.documents().len() - 1;
    assert!(made <= 40 - not_done, "what is told not to be done is not: {made} made, {not_done} not done");
    is_sound(&sandbox);
}

/// No worker threads of the runtime are needed, and a crowd needs no more than a few of our own.
#[test]
fn it_works_in_either_flavour_of_runtime() {
    let sandbox = repository();
    let work = |sandbox: &Sandbox| {
        let root = sandbox.root().to_owned();
        async move {
            let client = CoordinationClient::builder().root(root).agent("a").build().await.unwrap();
            let crowd: Vec<_> = (0..8)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { client.create_task(NewTask::new("x")).await.unwrap() })
                })
                .collect();
            for one in crowd {
                let id = one.await.unwrap();
                assert_eq!(client.get_task(&id).await.unwrap().status, TaskStatus::Pending);
            }
        }
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(&sandbox));
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work(&sandbox));
    assert_eq!(sandbox.documents().len(), 16);
    is_sound(&sandbox);
}
