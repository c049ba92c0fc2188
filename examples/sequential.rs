//! Task A, then B, then C: whoever does what is ready does it in the right order.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use mycelium::{CoordinationClient, Error, Fields, NewTask, TaskStatus};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = CoordinationClient::builder().agent("worker").build().await?;
    let a = client.create_task(NewTask::new("A")).await?;
    let b = client.create_task(NewTask::new("B").depends_on([&a])).await?;
    client.create_task(NewTask::new("C").depends_on([&b])).await?;

    while let Some(task) = client.ready_tasks().await?.into_iter().next() {
        client.update_task_status(&task.id, TaskStatus::Running, Fields::default()).await?;
        println!("doing {}", task.kind);
        client.complete_task(&task.id, ()).await?;
    }
    client.close().await;
    Ok(())
}
