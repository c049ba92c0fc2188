//! Claims through the library: one winner, fences, and what the loser is told.

use std::collections::BTreeSet;
use std::time::Duration;

use mycelium::client::{ClaimOptions, Error, Fields, NewTask, Problem};
use mycelium::entity::{Priority, TaskStatus};
use mycelium::name::AgentName;

use crate::{builder, client, is_sound, repository};

#[tokio::test]
async fn a_claim_has_one_winner_and_the_loser_is_told() {
    let sandbox = repository();
    let ours = client(&sandbox).await;
    let other = ours.acting_as("data-engineer").unwrap();
    let id = ours.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    let claim = ours.claim_task(&id, Duration::from_secs(600)).await.unwrap();
    assert_eq!((claim.by.as_str(), claim.fence, claim.task.status), ("ai-engineer", 1, TaskStatus::Running));
    assert_eq!((claim.lease, claim.until.unix_ms() > claim.since.unix_ms()), (Duration::from_secs(600), true));
    assert!(claim.receipt.committed.is_some());
    assert_eq!(ours.claim_task(&id, ClaimOptions::default()).await.unwrap().fence, 1, "who has it keeps it");
    match other.claim_task(&id, ClaimOptions::default()).await {
        Err(Error::Lost(loss)) => {
            assert_eq!(loss.by.as_ref().map(AgentName::as_str), Some("ai-engineer"));
            assert!(loss.since.is_some() && loss.until.is_some(), "{loss:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(other.complete_task(&id, ()).await, Err(Error::Lost(_))));
    assert!(matches!(other.renew_task(&id).await, Err(Error::Lost(_))));
    assert_eq!(ours.renew_task(&id).await.unwrap().fence, 1);
    let stolen = other.claim_task(&id, ClaimOptions::default().steal()).await.unwrap();
    assert_eq!((stolen.fence, stolen.by.as_str()), (2, "data-engineer"));
    let late = ours.fenced(1).update_task_status(&id, TaskStatus::Running, Fields::default()).await;
    assert!(matches!(late, Err(Error::Lost(_))), "{late:?}");
    other.fenced(2).release_task(&id).await.unwrap();
    assert_eq!(ours.get_task(&id).await.unwrap().status, TaskStatus::Pending);
    assert!(matches!(ours.renew_task(&id).await, Err(Error::Refused(_))));
    is_sound(&sandbox);
}

#[tokio::test]
async fn what_is_not_ready_or_meant_for_another_is_refused() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let first = client.create_task(NewTask::new("x").assigned_to("b")).await.unwrap();
    let second = client.create_task(NewTask::new("x").depends_on([&first])).await.unwrap();
    assert!(matches!(client.claim_task(&first, ClaimOptions::default()).await, Err(Error::Refused(_))));
    assert!(matches!(client.claim_task(&second, ClaimOptions::default()).await, Err(Error::Refused(_))));
    assert!(matches!(client.claim_task("task-none", ClaimOptions::default()).await, Err(Error::NotFound(_))));
    assert!(client.claim_next(None, ClaimOptions::default()).await.unwrap().is_none(), "nothing for this agent");
    assert_eq!(client.claim_task(&first, ClaimOptions::default().force()).await.unwrap().fence, 1);
    let nobody = builder(&sandbox).build().await.unwrap();
    let error = nobody.claim_next(None, ClaimOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::BadInput(_)) && error.hint().unwrap().contains(".agent("), "{error:?}");
    is_sound(&sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_share_out_what_is_ready() {
    const TASKS: usize = 40;
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut pipeline = client.pipeline();
    for number in 0..TASKS {
        let priority = if number == 7 { Priority::Critical } else { Priority::Normal };
        pipeline.create_task(NewTask::new("x").id(format!("task-{number:02}")).priority(priority));
    }
    assert!(pipeline.execute().await.unwrap().iter().all(Result::is_ok));
    assert_eq!(client.ready_tasks().await.unwrap()[0].id.as_str(), "task-07");
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let client = client.acting_as(&format!("worker-{number}")).unwrap();
            tokio::spawn(async move {
                let mut done = Vec::new();
                while let Some(claim) = client.claim_next(Some("x"), ClaimOptions::default()).await.unwrap() {
                    client.fenced(claim.fence).complete_task(&claim.task.id, ()).await.unwrap();
                    done.push(claim.task.id.to_string());
                }
                done
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (TASKS, TASKS), "each task once");
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_pipeline_is_one_operation_and_one_commit() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let before: usize = sandbox.git(&["rev-list", "--count", "HEAD"]).parse().unwrap();
    let mut pipeline = client.pipeline();
    pipeline
        .store_agent_status("ai-engineer", mycelium::entity::AgentStatus::Busy)
        .create_task(NewTask::new("x").id("task-7"))
        .update_task_status("task-7", TaskStatus::Running, serde_json::json!({ "progress": 0.5 }))
        .complete_task("task-8", ())
        .complete_task("task-7", serde_json::json!({ "loss": 0.04 }))
        .store_agent_status("../x", mycelium::entity::AgentStatus::Busy);
    let results = pipeline.execute().await.unwrap();
    let kinds: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(kinds, [true, true, true, false, true, false]);
    assert!(matches!(results[3], Err(Error::NotFound(_))) && matches!(results[5], Err(Error::BadInput(_))));
    let receipts: BTreeSet<_> = results.iter().flatten().map(|receipt| receipt.operation.clone()).collect();
    assert_eq!(receipts.len(), 1);
    assert_eq!(client.get_task("task-7").await.unwrap().status, TaskStatus::Completed);
    let after: usize = sandbox.git(&["rev-list", "--count", "HEAD"]).parse().unwrap();
    assert_eq!(after, before + 1);
    for wrong in ["task-7", "a b"] {
        let mut all = client.pipeline().all_or_nothing();
        all.create_task(NewTask::new("x").id("task-9")).create_task(NewTask::new("x").id(wrong));
        let results = all.execute().await.unwrap();
        assert!(results.iter().all(Result::is_err), "{results:?}");
        assert!(matches!(client.get_task("task-9").await, Err(Error::NotFound(_))));
    }
    assert!(client.pipeline().execute().await.unwrap().is_empty());
    is_sound(&sandbox);
}
