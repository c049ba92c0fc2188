//! Task A, then three at once, then C when all three are done.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use mycelium::{CoordinationClient, DocId, Error, Fields, NewTask, TaskStatus};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = CoordinationClient::builder().agent("planner").build().await?;
    let a = client.create_task(NewTask::new("A")).await?.id;
    let mut middle = Vec::new();
    for kind in ["B1", "B2", "B3"] {
        middle.push(client.create_task(NewTask::new(kind).depends_on([&a])).await?.id);
    }
    let c = client.create_task(NewTask::new("C").depends_on(&middle)).await?.id;

    println!("A is {}", work(&client, &a).await?);
    // What these write at the same time shares its waits for the disk and its commits.
    let workers = middle.iter().map(|id| {
        let (client, id) = (client.clone(), id.clone());
        tokio::spawn(async move { work(&client, &id).await })
    });
    let workers: Vec<_> = workers.collect();
    let ready: Vec<String> = client.ready_tasks().await?.into_iter().map(|task| task.kind).collect();
    assert!(!ready.contains(&"C".to_owned()) || workers.iter().all(tokio::task::JoinHandle::is_finished));
    for (kind, worker) in ["B1", "B2", "B3"].iter().zip(workers) {
        println!("{kind} is {}", worker.await.expect("a worker does not panic")?);
    }
    let ready: Vec<String> = client.ready_tasks().await?.into_iter().map(|task| task.kind).collect();
    println!("ready now: {}", ready.join(", "));
    println!("C is {}", work(&client, &c).await?);
    client.close().await;
    Ok(())
}

async fn work(client: &CoordinationClient, id: &DocId) -> Result<TaskStatus, Error> {
    client.update_task_status(id, TaskStatus::Running, Fields::default()).await?;
    client.complete_task(id, ()).await?;
    Ok(client.get_task(id).await?.status)
}
