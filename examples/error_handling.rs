//! What may go wrong, how to tell what it was, and how long to wait for it.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use mycelium::{AgentReport, CoordinationClient, Error, NewTask, Problem, TimedOut};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // No operation of this client takes longer than 5 seconds.
    let client =
        CoordinationClient::builder().agent("ai-engineer").operation_timeout(Duration::from_secs(5)).build().await?;

    if let Err(error) = client.store_agent_status("ai-engineer", AgentReport::busy()).await {
        println!("coordination failed: {error}");
        // The work itself can go on; say so later.
    }

    let id = client.create_task(NewTask::new("train-model").id("task-7")).await?;
    match client.complete_task(&id, ()).await {
        Err(Error::Refused(why)) => println!("refused: {}", why.hint().unwrap_or_default()),
        other => println!("unexpected: {other:?}"),
    }
    match client.get_task("task-8").await {
        Err(Error::NotFound(why)) => println!("not found: {why}"),
        other => println!("unexpected: {other:?}"),
    }
    match client.create_task(NewTask::new("train-model").id("task-7")).await {
        Err(Error::Conflict(why)) => println!("conflict: {why}"),
        Err(Error::Timeout { outcome: TimedOut::Unknown, .. }) => println!("done or not: read it and see"),
        other => println!("unexpected: {other:?}"),
    }

    // Any call can be given up at any moment: it is then done wholly or not at all.
    match timeout(Duration::from_millis(50), client.wait_task(&id)).await {
        Ok(task) => println!("unexpected: {task:?}"),
        Err(_) => println!("task-7 has not ended in 50 ms"),
    }
    client.close().await;
    Ok(())
}
