//! Task A; if it succeeds B, else C: whoever listens to ends of tasks decides.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use mycelium::{CoordinationClient, Error, Failure, Fields, NewTask, TaskStatus};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let succeeds = std::env::args().nth(1).is_none_or(|word| word != "fail");
    let client = CoordinationClient::builder().agent("planner").build().await?;
    let a = client.create_task(NewTask::new("A")).await?.id;

    // Failures come here, too.
    let mut ends = client.subscribe_events("tasks:completed").await?;
    let worker = client.acting_as("worker")?;
    let id = a.clone();
    tokio::spawn(async move { work(&worker, id.as_str(), succeeds).await });

    while let Some(event) = ends.next().await {
        let event = event?.to_json();
        if event["task_id"] != a.as_str() {
            continue;
        }
        let next = if event["result"]["success"] == true { "B" } else { "C" };
        client.create_task(NewTask::new(next)).await?;
        println!("A is over, {next} follows");
        break;
    }
    client.close().await;
    Ok(())
}

async fn work(client: &CoordinationClient, id: &str, succeeds: bool) -> Result<(), Error> {
    client.update_task_status(id, TaskStatus::Running, Fields::default()).await?;
    if succeeds {
        client.complete_task(id, json!({ "success": true })).await?;
    } else {
        client.fail_task(id, Failure::new("Out of memory").stack_trace("...")).await?;
    }
    Ok(())
}
