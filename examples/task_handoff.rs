//! One agent makes a task for another; the other finds it, does it and hands the result back.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use mycelium::{CoordinationClient, Error, Fields, NewTask, Task, TaskStatus};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let planner = CoordinationClient::builder().agent("planner").build().await?;
    let id = planner
        .create_task(
            NewTask::new("prepare-dataset").assigned_to("data-engineer").payload(json!({ "dataset": "alice-voice" })),
        )
        .await?;

    // This would be another process, or another machine's clone; here it shares the first one's client.
    let engineer = planner.acting_as("data-engineer")?;
    let worker = tokio::spawn(async move { work(&engineer).await });

    // Sleeps until the task's file changes: nobody polls.
    let done = planner.wait_task(&id).await?;
    println!("{} is {}: {}", done.kind, done.status, done.result.unwrap_or_default());
    worker.await.expect("the worker does not panic")?;
    planner.close().await;
    Ok(())
}

/// Does what is assigned to the data engineer and has not been begun.
async fn work(client: &CoordinationClient) -> Result<(), Error> {
    for task in client.get_tasks_for_agent("data-engineer").await? {
        if task.status == TaskStatus::Pending {
            client.update_task_status(&task.id, TaskStatus::Running, Fields::default()).await?;
            let result = prepare_dataset(&task);
            client.complete_task(&task.id, result).await?;
        }
    }
    Ok(())
}

fn prepare_dataset(task: &Task) -> Value {
    let dataset = task.payload.as_ref().map_or(Value::Null, |payload| payload["dataset"].clone());
    json!({ "dataset": dataset, "rows": 1200 })
}
