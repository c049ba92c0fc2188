//! Workflows through the library: made of names, run by a definition, followed, waited for, paused, cancelled and tried again.

use std::time::Duration;

use mycelium::client::{
    ClaimOptions, CoordinationClient, EngineFuture, Error, NewTask, NewWorkflow, Problem as _, TaskFilter,
    WorkflowClient, WorkflowEngine, WorkflowFilter, WorkflowState,
};
use mycelium::entity::{TaskStatus, WorkflowStatus};
use mycelium::name::DocId;
use serde_json::{Value as Json, json};

use crate::support::{FOLDER, Sandbox};
use crate::{client, is_sound, repository};

/// Longer than anything here takes on a slow machine.
const LONG: Duration = Duration::from_secs(30);

/// A step, one that follows after its success, one after its failure, and one that joins the two.
const RELEASE: &str = "\
inputs:
  version: { type: string }
  tries: { type: integer, default: 1 }
steps:
  build: { type: build, payload: { version: \"{{ inputs.version }}\" } }
  publish: { type: publish, needs: build }
  repair: { type: repair, needs: build, when: failure }
  report: { type: report, needs: [publish, repair], when: any }
";

fn with_definition() -> Sandbox {
    let sandbox = repository();
    sandbox.write(".mycelium/workflows/release.yaml", RELEASE);
    sandbox.git(&["add", ".mycelium"]);
    sandbox.git(&["commit", "-q", "-m", "Add a definition"]);
    sandbox
}

/// Claims whatever is ready and ends it, until there is nothing: what fails are the tasks of this type.
async fn work(client: &CoordinationClient, failing: &str) -> usize {
    let mut count = 0;
    while let Some(claim) = client.claim_next(None, ClaimOptions::default()).await.unwrap() {
        if claim.task.kind == failing {
            client.fail_task(&claim.task.id, "no disk").await.unwrap();
        } else {
            client.complete_task(&claim.task.id, json!({ "done": claim.task.kind })).await.unwrap();
        }
        client.drive_workflows().await.unwrap();
        count += 1;
    }
    count
}

#[tokio::test]
async fn a_workflow_is_made_of_ids_and_types_in_one_operation() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let prepared = client.create_task(NewTask::new("prepare-dataset")).await.unwrap();
    let before = sandbox.git(&["rev-list", "--count", "HEAD"]);
    let new = NewWorkflow::new("model-training")
        .tasks(["prepare-dataset", "train-model", "evaluate-model"])
        .metadata(json!({ "dataset": "alice-voice" }));
    let id = client.create_workflow(new.clone()).await.unwrap();
    let after = sandbox.git(&["rev-list", "--count", "HEAD"]);
    assert_eq!(after.trim().parse::<u32>().unwrap(), before.trim().parse::<u32>().unwrap() + 1, "one commit");
    let workflow = client.get_workflow(&id).await.unwrap();
    assert_eq!((workflow.status, workflow.progress, workflow.tasks.len()), (WorkflowStatus::Running, Some(0.0), 3));
    assert_eq!(workflow.tasks[0], prepared.id);
    for (task, kind) in workflow.tasks.iter().zip(["prepare-dataset", "train-model", "evaluate-model"]) {
        let task = client.get_task(task).await.unwrap();
        assert_eq!((task.kind.as_str(), task.status), (kind, TaskStatus::Pending));
        assert_eq!(task.workflow.as_ref(), Some(&id.id));
    }
    // The tasks of the first are not those of the second.
    let second = client.create_workflow(new).await.unwrap();
    let second = client.get_workflow(&second).await.unwrap();
    assert!(second.tasks.iter().all(|task| !workflow.tasks.contains(task)), "{:?}", second.tasks);
    // By the stem of its file, and by an id that no task has yet.
    std::fs::rename(
        sandbox.path(&format!("{FOLDER}/{}.md", prepared.id)),
        sandbox.path(&format!("{FOLDER}/task-first.md")),
    )
    .unwrap();
    let third = client.create_workflow(NewWorkflow::new("x").tasks(["task-first", "task-none"])).await.unwrap();
    assert_eq!(third.findings.len(), 1, "{:?}", third.findings);
    let third = client.get_workflow(&third).await.unwrap();
    assert_eq!(third.tasks.iter().map(DocId::as_str).collect::<Vec<_>>(), [prepared.id.as_str(), "task-none"]);
    let taken = client.create_workflow(NewWorkflow::new("x").id(id.to_string()).tasks(["new-type"])).await;
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let made = client.list_tasks(TaskFilter::default()).await.unwrap();
    assert!(made.iter().all(|task| task.kind != "new-type"), "nothing half-made");
}

#[tokio::test]
async fn a_definition_is_run_driven_and_followed_to_its_end() {
    let sandbox = with_definition();
    let client = client(&sandbox).await;
    let id = client.run_workflow("release", json!({ "version": "1.2" })).await.unwrap();
    let mut states = client.monitor_workflow(&id).await.unwrap();
    let first = tokio::time::timeout(LONG, states.next()).await.expect("at once").unwrap().unwrap();
    assert_eq!((first.status, first.progress, first.tasks.len()), (Some(WorkflowStatus::Running), Some(0.0), 4));
    let worker = {
        let client = client.clone();
        tokio::spawn(async move { work(&client, "build").await })
    };
    let mut last = first;
    while let Some(state) = tokio::time::timeout(LONG, states.next()).await.expect("ends") {
        let state = state.unwrap();
        assert_ne!(state, last, "only news is told");
        assert_eq!(state.blocked, [], "a step that is skipped for a failure is not blocked");
        last = state;
    }
    assert_eq!(worker.await.unwrap(), 3, "build, repair and report");
    assert_eq!((last.status, last.progress), (Some(WorkflowStatus::Completed), Some(1.0)));
    assert!(last.is_over() && last.is_completed() && last.count(TaskStatus::Failed) == 1, "{last:?}");
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_run_is_paused_resumed_cancelled_and_tried_again() {
    let sandbox = with_definition();
    let client = client(&sandbox).await;
    for (inputs, code) in
        [(json!({}), "bad-input"), (json!({ "version": 1 }), "bad-input"), (json!(1), "not-an-object")]
    {
        let error = client.run_workflow("release", inputs).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let missing = client.run_workflow("none", json!({})).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound(_)), "{missing:?}");
    let id = client.run_workflow("release", json!({ "version": "1.2" })).await.unwrap().id;
    assert_eq!(client.pause_workflow(&id).await.unwrap().id, id);
    assert!(client.claim_next(None, ClaimOptions::default()).await.unwrap().is_none(), "a pause keeps it back");
    assert_eq!(client.resume_workflow(&id).await.unwrap().id, id);
    let claim = client.claim_next(None, ClaimOptions::default()).await.unwrap().expect("ready");
    assert_eq!(claim.task.payload, Some(json!({ "version": "1.2" })));
    assert_eq!(client.cancel_workflow(&id).await.unwrap().id, id);
    let lost = client.complete_task(&claim.task.id, ()).await;
    assert!(lost.is_err(), "{lost:?}");
    let ended = client.get_workflow(&id).await.unwrap();
    assert_eq!((ended.status, ended.error), (WorkflowStatus::Failed, Some(json!("cancelled by ai-engineer"))));
    for again in [client.cancel_workflow(&id).await, client.pause_workflow(&id).await] {
        assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    }
    assert_eq!(client.retry_workflow(&id, None).await.unwrap().id, id);
    assert_eq!(client.get_workflow(&id).await.unwrap().status, WorkflowStatus::Running);
    assert_eq!(work(&client, "").await, 3, "build, publish and report");
    assert_eq!(client.get_workflow(&id).await.unwrap().status, WorkflowStatus::Completed);
    client.retry_workflow(&id, Some("publish")).await.unwrap();
    assert_eq!(work(&client, "").await, 2, "publish and what is behind it");
    let nothing = client.retry_workflow(&id, None).await;
    assert!(matches!(nothing, Err(Error::Conflict(_))), "{nothing:?}");
    is_sound(&sandbox);
}

#[tokio::test]
async fn who_waits_for_completion_drives() {
    let sandbox = with_definition();
    let client = client(&sandbox).await;
    let workflows = WorkflowClient::new(client.clone());
    let id = workflows.create_workflow("release", json!({ "version": "1.2" })).await.unwrap();
    let state = workflows.get_workflow_status(&id).await.unwrap();
    assert_eq!(
        (state.status, state.progress, state.step.as_deref()),
        (WorkflowStatus::Running, Some(0.0), Some("build"))
    );
    let waiter = {
        let (workflows, id) = (workflows.clone(), id.clone());
        tokio::spawn(async move { workflows.wait_for_completion(&id).await })
    };
    // Another agent, which only claims and completes.
    let agent = client.acting_as("ben").unwrap();
    let mut done = Vec::new();
    while done.len() < 3 {
        match agent.claim_next(None, ClaimOptions::default()).await.unwrap() {
            Some(claim) => {
                agent.complete_task(&claim.task.id, json!({ "done": claim.task.kind })).await.unwrap();
                done.push(claim.task.kind);
            }
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    assert_eq!(done, ["build", "publish", "report"]);
    let result = tokio::time::timeout(LONG, waiter).await.expect("ends").unwrap().unwrap();
    assert_eq!(result, json!({ "done": "report" }));
    let state = workflows.get_workflow_status(&id).await.unwrap();
    assert_eq!((state.status, state.progress, state.step), (WorkflowStatus::Completed, Some(1.0), None));
    let second = workflows.create_workflow("release", json!({ "version": "1.3" })).await.unwrap();
    workflows.cancel(&second).await.unwrap();
    let failed = workflows.wait_for_completion(&second).await.unwrap_err();
    assert_eq!(failed.code(), "workflow-failed");
    assert!(failed.to_string().contains("cancelled by ai-engineer"), "{failed}");
    is_sound(&sandbox);
}

#[tokio::test]
async fn an_engine_that_is_not_built_in_is_refused_before_anything_is_made() {
    let sandbox = repository();
    sandbox.write(".mycelium/workflows/far.yaml", "engine: temporal\nsteps:\n  a: { type: x }\n");
    let client = client(&sandbox).await;
    let error = WorkflowClient::new(client.clone()).create_workflow("far", ()).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("no-engine", false), "{error}");
    assert_eq!(
        client.list_workflows(WorkflowFilter::default()).await.unwrap().len()
            + client.list_tasks(TaskFilter::default()).await.unwrap().len(),
        0
    );
    let run = sandbox.mycelium_command(&["workflow", "run", "far"]).output().unwrap();
    assert_eq!(run.status.code(), Some(75), "{run:?}");
}

/// An engine of another make fits the trait.
#[tokio::test]
async fn another_engine_takes_the_place_of_the_embedded_one() {
    #[derive(Debug)]
    struct Echo;
    impl WorkflowEngine for Echo {
        fn create(&self, definition: String, _: Json) -> EngineFuture<'_, DocId> {
            Box::pin(async move { Ok(DocId::new(definition).unwrap()) })
        }
        fn status(&self, _: String) -> EngineFuture<'_, WorkflowState> {
            Box::pin(async { Ok(WorkflowState::new(WorkflowStatus::Running)) })
        }
        fn wait(&self, id: String) -> EngineFuture<'_, Json> {
            Box::pin(async move { Ok(json!(id)) })
        }
        fn cancel(&self, _: String) -> EngineFuture<'_, ()> {
            Box::pin(async { Ok(()) })
        }
    }
    let workflows = WorkflowClient::with_engine(Echo);
    let id = workflows.create_workflow("train", ()).await.unwrap();
    assert_eq!(workflows.wait_for_completion(&id).await.unwrap(), json!("train"));
    assert_eq!(workflows.get_workflow_status(&id).await.unwrap().status, WorkflowStatus::Running);
}
