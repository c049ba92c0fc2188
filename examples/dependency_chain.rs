//! A chain of tasks for three agents, each of whom begins when the one before is done; and somebody who watches all of it.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use mycelium::{CoordinationClient, DocId, Error, Fields, NewTask, TaskStatus};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = CoordinationClient::builder().agent("planner").build().await?;
    let prepare = client.create_task(NewTask::new("prepare-dataset").assigned_to("data-engineer")).await?.id;
    let train = NewTask::new("train-model").assigned_to("ai-engineer").depends_on([&prepare]);
    let train = client.create_task(train).await?.id;
    let evaluate = NewTask::new("evaluate-model").assigned_to("performance-engineer").depends_on([&train]);
    let evaluate = client.create_task(evaluate).await?.id;

    let agents = [
        ("data-engineer", &prepare, None),
        ("ai-engineer", &train, Some(&prepare)),
        ("performance-engineer", &evaluate, Some(&train)),
    ];
    for (agent, task, before) in agents {
        let (client, task, before) = (client.acting_as(agent)?, task.clone(), before.cloned());
        tokio::spawn(async move { take_turn(&client, &task, before.as_ref()).await });
    }

    let mut states = client.monitor_workflow([&prepare, &train, &evaluate]).await?;
    let mut is_done = false;
    while let Some(state) = states.next().await {
        let state = state?;
        println!("{} of 3 completed", state.count(TaskStatus::Completed));
        is_done = state.is_completed();
    }
    println!("{}", if is_done { "the chain is done" } else { "the chain is broken" });
    client.close().await;
    Ok(())
}

/// Waits for the task before, then does this one.
async fn take_turn(client: &CoordinationClient, task: &DocId, before: Option<&DocId>) -> Result<(), Error> {
    if let Some(before) = before {
        client.wait_task(before).await?;
    }
    client.update_task_status(task, TaskStatus::Running, Fields::default()).await?;
    client.complete_task(task, json!({ "success": true })).await?;
    Ok(())
}
