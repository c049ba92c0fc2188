//! What a client does at its edges: it is closed while others wait, runs without a runtime, is given values that do not fit.

use std::time::Duration;

use mycelium::client::{
    AgentReport, ClaimOptions, CoordinationClient, Error, Fields, NewTask, NewWorkflow, Problem, TaskChanges,
};
use mycelium::entity::TaskStatus;
use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::{builder, client, is_sound, repository};

/// Longer than anything here takes on a slow machine.
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn closing_ends_every_wait() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x")).await.unwrap().id;
    let task = tokio::spawn({
        let (client, id) = (client.clone(), id.clone());
        async move { client.wait_task(&id).await.map(|_| ()) }
    });
    let (begun, begins) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let workflow = tokio::spawn({
        let (client, id) = (client.clone(), id.clone());
        async move {
            let mut states = client.monitor_workflow([&id]).await?;
            while let Some(state) = states.next().await {
                state?;
                if let Some(begun) = begun.take() {
                    begun.send(()).unwrap();
                }
            }
            Ok(())
        }
    });
    let mut events = client.subscribe_events("*").await.unwrap();
    begins.await.unwrap();
    tokio::time::timeout(LONG, client.close()).await.expect("closed");
    for wait in [task, workflow] {
        let ended = tokio::time::timeout(LONG, wait).await.expect("ends").unwrap();
        assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
    }
    assert!(tokio::time::timeout(LONG, events.next()).await.expect("ends").is_none());
    assert!(matches!(client.wait_task(&id).await, Err(Error::Closed)));
}

/// Drives a future without tokio.
fn alone<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return done;
        }
        std::thread::park();
    }
}

#[test]
fn without_tokio_all_works_that_needs_no_timer_and_the_rest_says_so() {
    let sandbox = repository();
    alone(async {
        let client = client(&sandbox).await;
        let id = client.create_task(NewTask::new("x")).await.unwrap().id;
        client.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
        let waits = [client.wait_task(&id).await.map(|_| ()), client.monitor_workflow([&id]).await.map(|_| ())];
        for waits in waits {
            let error = waits.unwrap_err();
            assert!(matches!(error, Error::NoTimer), "{error:?}");
            assert!(error.hint().unwrap().contains("enable_time"));
        }
        client.complete_task(&id, ()).await.unwrap();
        let hasty = builder(&sandbox).operation_timeout(Duration::from_secs(1)).build().await;
        assert!(matches!(hasty, Err(Error::NoTimer)), "{hasty:?}");
        client.close().await;
    });
    is_sound(&sandbox);
}

#[tokio::test]
async fn what_is_missing_is_said_at_creation() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let first = client.create_task(NewTask::new("x").depends_on(["task-122"])).await.unwrap();
    assert!(first.committed.is_some() && first.operation.is_some());
    let said = |receipt: &mycelium::client::Receipt| {
        receipt.findings.iter().map(|finding| (finding.code.as_str(), finding.message.clone())).collect::<Vec<_>>()
    };
    assert_eq!(said(&first), [("MYC202", "there is no task `task-122` yet".to_owned())]);
    let workflow = client.create_workflow(NewWorkflow::new("x").tasks(["task-9"])).await.unwrap();
    assert_eq!(said(&workflow), [("MYC207", "there is no task `task-9` yet".to_owned())]);
    // A receipt stands for the id.
    let second = client.create_task(NewTask::new("y").depends_on([&first])).await.unwrap();
    assert_eq!(said(&second), []);
    assert_eq!(client.get_task(&second).await.unwrap().depends_on, std::slice::from_ref(&first.id));
    assert_eq!(client.get_workflow(&workflow).await.unwrap().id.as_str(), workflow.to_string());
    let mut pipeline = client.pipeline();
    pipeline.create_task(NewTask::new("z").depends_on(["task-122"]));
    let done = pipeline.execute().await.unwrap().remove(0).unwrap();
    assert_eq!(said(&done).len(), 1);
}

/// `null` is no value; what is too large or too deep is refused with its size, and no template is blamed for it.
#[tokio::test]
async fn values_that_do_not_fit_are_refused_as_what_they_are() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let none = client.create_task(NewTask::new("x").payload(Value::Null)).await.unwrap();
    assert_eq!(client.get_task(&none).await.unwrap().payload, None);
    client.store_agent_status("a", AgentReport::busy().metadata(Value::Null)).await.unwrap();
    client.create_workflow(NewWorkflow::new("x").metadata(Value::Null)).await.unwrap();
    let edge = "x".repeat(512 * 1024 - 2);
    let task = client.create_task(NewTask::new("x").payload(edge.clone())).await.unwrap();
    assert_eq!(client.get_task(&task).await.unwrap().payload, Some(json!(edge)));
    client.update_task_status(&none, TaskStatus::Running, Fields::default()).await.unwrap();
    let deep = (0..200).fold(Value::Null, |inner, _| json!([inner]));
    let crowd = json!(vec![1; 250_000]);
    let before = sandbox.documents();
    for huge in [json!("x".repeat(2_000_000)), crowd] {
        let error = client.create_task(NewTask::new("x").payload(huge)).await.unwrap_err();
        assert!(matches!(error, Error::BadInput(_)) && !error.to_string().contains("template"), "{error}");
    }
    for big in [json!({ "x": "x".repeat(600_000) }), deep] {
        let refused = [
            client.create_task(NewTask::new("x").payload(big.clone())).await.map(|_| ()),
            client.create_workflow(NewWorkflow::new("x").metadata(big.clone())).await.map(|_| ()),
            client.store_agent_status("b", AgentReport::busy().metadata(big.clone())).await.map(|_| ()),
            client.store_agent_status("a", AgentReport::busy().metadata(big.clone())).await.map(|_| ()),
            client.complete_task(&none, big.clone()).await.map(|_| ()),
            client.fail_task(&none, big.clone()).await.map(|_| ()),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::BadInput(_)), "{error:?}");
            let said = format!("{error} {:?}", error.hint());
            assert!(!said.contains("template") && error.hint().is_some(), "{said}");
        }
    }
    // A result that is plain text is no JSON: only the file's own limit holds.
    let endless = client.complete_task(&none, "x".repeat(2_000_000)).await.unwrap_err();
    assert!(matches!(endless, Error::BadInput(_)) && endless.hint().is_some(), "{endless:?}");
    let steps = client.create_task(NewTask::new("x").steps(vec!["step"; 200_000])).await.unwrap_err();
    assert!(matches!(steps, Error::BadInput(_)) && !steps.to_string().contains("template"), "{steps}");
    let nobody = client.create_task(NewTask::new("x").assigned_to("none")).await.unwrap_err();
    assert!(matches!(nobody, Error::BadInput(_)) && nobody.to_string().contains("`assigned_to`"), "{nobody}");
    assert_eq!(sandbox.documents(), before);
    is_sound(&sandbox);
}

/// What a person wrote into a task reaches the agent that does it, and is changed without touching anything else.
#[tokio::test]
async fn a_description_is_written_and_read_wherever_a_task_is() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let text = "Fix the redirect.\n\n## Context\n\n- see `src/login.rs`";
    let task = client.create_task(NewTask::new("x").id("task-7").description(text)).await.unwrap();
    assert_eq!(client.get_task(&task).await.unwrap().description.as_deref(), Some(text));
    let path = format!("{}/task-7.md", crate::support::FOLDER);
    sandbox.write(&path, &(sandbox.read(&path) + "\n## Hints\n\nBy hand.\n"));
    let read = client.claim_task(&task, ClaimOptions::default()).await.unwrap().task;
    assert_eq!(read.description, Some(format!("{text}\n\n## Hints\n\nBy hand.")));
    let changes = TaskChanges::default().payload(json!({ "a": 1 })).kind("y").steps(["one", "one"]).title("Redirect");
    client.update_task(&task, changes.description("Short.")).await.unwrap();
    let task = client.get_task(&task).await.unwrap();
    assert_eq!((task.description.as_deref(), task.kind.as_str()), (Some("Short."), "y"));
    assert_eq!((task.payload, task.steps.len(), task.title.as_deref()), (Some(json!({ "a": 1 })), 1, Some("Redirect")));
    let mut pipeline = client.pipeline();
    pipeline.create_task(NewTask::new("x").id("task-8").description("Piped."));
    pipeline.update_task("task-7", TaskChanges::default().description("").payload(Value::Null));
    pipeline.update_task("task-7", TaskChanges::default().description("## Notes\n\nno"));
    let done = pipeline.execute().await.unwrap();
    assert!(matches!(done[2], Err(Error::BadInput(_))), "{done:?}");
    assert_eq!(client.get_task("task-8").await.unwrap().description.as_deref(), Some("Piped."));
    let task = client.get_task("task-7").await.unwrap();
    assert_eq!((task.description, task.payload), (None, None));
    let workflow = client.create_workflow(NewWorkflow::new("x").description("Why.")).await.unwrap();
    assert_eq!(client.get_workflow(&workflow).await.unwrap().description.as_deref(), Some("Why."));
    sandbox.mycelium(&["commit"]).ok();
    is_sound(&sandbox);
}

/// What a program gets with `serde` is what the command shows.
#[tokio::test]
async fn entities_serialize_as_the_format_says() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let new = NewTask::new("x").id("task-7").payload(json!({ "a": [1] })).steps(["one"]).description("Do it.");
    client.create_task(new).await.unwrap();
    let task = client.claim_task("task-7", ClaimOptions::default()).await.unwrap().task;
    client.create_workflow(NewWorkflow::new("x").id("workflow-7").metadata(json!({ "b": 2 }))).await.unwrap();
    client.store_agent_status("ai-engineer", AgentReport::busy().active_tasks(["task-7"])).await.unwrap();
    let agent = client.get_agent_status("ai-engineer").await.unwrap().agent;
    let shown = |kind: &str, id: &str| {
        let answer = sandbox.mycelium(&[kind, "get", id, "--json"]).ok();
        serde_json::from_str::<Value>(&answer).unwrap()["data"][kind].clone()
    };
    let own = serde_json::to_value(&task).unwrap();
    assert_eq!((&own["status"], &own["payload"]), (&json!("running"), &json!({ "a": [1] })));
    assert_eq!(own, shown("task", "task-7"));
    assert_eq!(serde_json::to_value(&agent).unwrap(), shown("agent", "ai-engineer"));
    let workflow = serde_json::to_value(client.get_workflow("workflow-7").await.unwrap()).unwrap();
    assert_eq!(workflow["metadata"], shown("workflow", "workflow-7")["metadata"]);
    assert_eq!(serde_json::to_value(TaskStatus::Running).unwrap(), json!("running"));
    let renewed = serde_json::to_value(client.renew_task("task-7").await.unwrap()).unwrap();
    assert_eq!((&renewed["holder"], &renewed["fence"]), (&own["claimed_by"], &own["fence"]));
    assert_eq!((&renewed["task"], &renewed["lease"]), (&json!("task-7"), &json!("30m")));
    let event = client.list_events("*", None, None).await.unwrap().remove(0);
    assert_eq!(serde_json::to_value(&event).unwrap(), event.to_json());
}

/// What is made one after the other is given out in that order, however many a second.
#[tokio::test]
async fn the_queue_gives_out_first_what_was_made_first() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut made = Vec::new();
    let mut pipeline = client.pipeline();
    for _ in 0..20 {
        pipeline.create_task(NewTask::new("x"));
    }
    made.extend(pipeline.execute().await.unwrap().into_iter().map(|done| done.unwrap().id));
    for _ in 0..3 {
        made.push(client.create_task(NewTask::new("x")).await.unwrap().id);
    }
    made.push(sandbox.mycelium(&["task", "create", "--type", "x"]).ok().trim().parse().unwrap());
    let ready: Vec<_> = client.ready_tasks().await.unwrap().into_iter().map(|task| task.id).collect();
    assert_eq!(ready, made);
    assert_eq!(client.claim_next(None, ClaimOptions::default()).await.unwrap().unwrap().task.id, made[0]);
    assert_eq!(client.claim_next(None, ClaimOptions::default()).await.unwrap().unwrap().task.id, made[1]);
    let listed = sandbox.mycelium(&["task", "list", "--status", "pending", "--format", "{{id}}"]).ok();
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        made[2..22].iter().map(mycelium::name::DocId::as_str).collect::<Vec<_>>()
    );
}

/// The channels that report changes of documents are not anybody's to publish on.
#[tokio::test]
async fn what_comes_on_the_channels_of_documents_is_true() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut ends = client.subscribe_events("tasks:*").await.unwrap();
    for channel in ["tasks:completed", "tasks:failed", "tasks:events", "agents:events", "workflows:completed"] {
        let refused = client.publish_event(channel, json!({ "event": "completed", "task_id": "task-7" })).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::BadInput(_)) && error.to_string().contains("reserved"), "{error}");
    }
    // Nor by a line that somebody writes, or that a pull brings.
    let line = "- op-1 2025-10-17T00:00:00.000Z tasks:completed completed `{\"task_id\":\"task-7\"}`\n";
    sandbox.write(&format!("{}/events-x.md", crate::support::FOLDER), line);
    let task = client.create_task(NewTask::new("x")).await.unwrap();
    let event = tokio::time::timeout(LONG, ends.next()).await.expect("told").unwrap().unwrap().to_json();
    assert_eq!((&event["event"], &event["task_id"]), (&json!("created"), &json!(task.to_string())));
    let told = sandbox.mycelium(&["check"]);
    assert!(format!("{told:?}").contains("MYC107"), "{told:?}");
}

/// The sample of the reference document's "Task Management", line by line. There is no `task-122`, and nobody acts by name.
#[tokio::test]
async fn the_reference_documents_task_management_runs_as_written() {
    let sandbox = repository();
    let client = CoordinationClient::builder().root(sandbox.root()).build().await.unwrap();
    let new = NewTask::new("train-model")
        .assigned_to("ai-engineer")
        .depends_on(["task-122"])
        .payload(json!({ "dataset": "alice-voice", "config": "configs/lora.yaml" }));
    let task_id = client.create_task(new.clone()).await.unwrap();
    assert_eq!(task_id.findings.len(), 1, "that task-122 is missing is said");
    let task = client.get_task(&task_id).await.unwrap();
    assert_eq!(task.status, TaskStatus::Pending);
    let fields = json!({ "progress": 0.5, "current_epoch": 2 });
    client.update_task_status(&task_id, TaskStatus::Running, fields.clone()).await.unwrap();
    let result = json!({
        "checkpoint_path": "checkpoints/model.pth", "final_loss": 0.042, "validation_accuracy": 0.96
    });
    client.complete_task(&task_id, result.clone()).await.unwrap();
    assert_eq!(client.get_task(&task_id).await.unwrap().result, Some(result));
    // A task ends once: the sample's other end is that of another task.
    let error = json!({ "error": "Out of memory", "stack_trace": "..." });
    assert!(matches!(client.fail_task(&task_id, error.clone()).await, Err(Error::Refused(_))));
    let task_id = client.create_task(new).await.unwrap();
    client.update_task_status(&task_id, TaskStatus::Running, fields).await.unwrap();
    client.fail_task(&task_id, error.clone()).await.unwrap();
    assert_eq!(client.get_task(&task_id).await.unwrap().error, Some(error));
    is_free_of_errors(&sandbox);
}

/// `check` finds the missing dependency, and nothing else.
fn is_free_of_errors(sandbox: &Sandbox) {
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    let told = sandbox.mycelium(&["check"]);
    let said = format!("{told:?}");
    assert!(said.contains("MYC202") && said.matches("MYC").count() == said.matches("MYC202").count(), "{said}");
}
