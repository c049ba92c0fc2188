//! Events through the library: from whoever writes to whoever listens, without a gap.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream as _;
use mycelium::client::{Error, Events, Failure, Fields, NewTask};
use mycelium::entity::TaskStatus;
use serde_json::{Value, json};

use crate::{client, is_sound, repository};

/// The next event, which comes long before this is over.
async fn next(events: &mut Events) -> Value {
    let told = tokio::time::timeout(Duration::from_secs(30), events.next()).await.expect("told");
    told.expect("goes on").unwrap().to_json()
}

#[tokio::test]
async fn what_happens_to_tasks_is_told_whoever_does_it() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut ends = client.subscribe_events("tasks:completed").await.unwrap();
    let mut all = client.subscribe_events("*").await.unwrap();
    for (id, verb) in [("task-7", "complete"), ("task-8", "fail")] {
        client.create_task(NewTask::new("x").id(id)).await.unwrap();
        client.update_task_status(id, TaskStatus::Running, Fields::default()).await.unwrap();
        if verb == "complete" {
            sandbox.mycelium(&["--as", "ai-engineer", "task", "complete", id, "--result", "{\"loss\": 0.04}"]).ok();
        } else {
            client.fail_task(id, Failure::new("oom")).await.unwrap();
        }
    }
    let (done, failed) = (next(&mut ends).await, next(&mut ends).await);
    assert_eq!((&done["task_id"], &done["agent"]), (&json!("task-7"), &json!("ai-engineer")));
    assert_eq!((&failed["task_id"], &failed["result"]["success"]), (&json!("task-8"), &json!(false)));
    let mut seen = Vec::new();
    while seen.last() != Some(&json!("failed")) {
        seen.push(next(&mut all).await["event"].clone());
    }
    assert!(seen.len() >= 6, "{seen:?}");
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_subscriber_that_comes_back_misses_nothing() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut first = client.subscribe_events("training:*").await.unwrap();
    let id = client.publish_event("training:events", json!({ "event": "begun", "step": 0 })).await.unwrap();
    assert_eq!(next(&mut first).await["id"], id.as_str());
    drop(first);
    for step in 1..=5 {
        client.publish_event("training:events", json!({ "event": "checkpoint_saved", "step": step })).await.unwrap();
    }
    let mut again = client.subscribe_events_since("training:*", &id).await.unwrap();
    for step in 1..=5 {
        assert_eq!(next(&mut again).await["step"], step);
    }
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_subscription_ends_when_it_is_told_to_or_its_client_closes() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut one = client.subscribe_events("a:*").await.unwrap();
    let other = client.subscribe_events("b:*").await.unwrap();
    {
        let mut stream = pin!(&mut one);
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(stream.as_mut().poll_next(&mut context), Poll::Pending), "nothing was told");
    }
    assert_eq!((client.unsubscribe_events("a:*"), client.unsubscribe_events("a:*")), (1, 0));
    let ended = tokio::time::timeout(Duration::from_secs(30), one.next()).await.expect("ends");
    assert!(ended.is_none());
    client.close().await;
    let mut other = other;
    assert!(tokio::time::timeout(Duration::from_secs(30), other.next()).await.expect("ends").is_none());
    assert!(matches!(client.subscribe_events("*").await, Err(Error::Closed)));
    let fresh = crate::client(&sandbox).await;
    assert!(matches!(fresh.publish_event("no channel", json!(1)).await, Err(Error::BadInput(_))));
    assert!(matches!(fresh.subscribe_events("").await, Err(Error::BadInput(_))));
}
