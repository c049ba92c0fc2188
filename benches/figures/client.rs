//! Reads and writes through the library, in one process.

use std::time::{Duration, Instant};

use mycelium::client::{CoordinationClient, Fields, NewTask};
use mycelium::entity::TaskStatus;
use serde_json::json;

use crate::bench::{Bench, Tasks, Verdict, disk, each_second, live, median, ms, repository, whole};

/// Fewest reads in a second.
const READS_MIN: f64 = 50_000.0;
/// Writers at once.
const WRITERS: usize = 16;

pub(crate) fn run(bench: &Bench) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let tasks = Tasks::flat(bench.pick(1_000, 200, WRITERS));
    let disk = disk();
    let sandbox = repository(disk.path(), tasks);
    runtime.block_on(async {
        let client = CoordinationClient::builder().root(sandbox.root()).agent("a").build().await.unwrap();
        reads(bench, &client, tasks.live).await;
        writes(bench, &client).await;
        wakes(bench, &client).await;
        client.close().await;
    });
}

/// Tasks by id, one after the other: each answer is from memory, after a look at the file.
async fn reads(bench: &Bench, client: &CoordinationClient, tasks: usize) {
    let count = bench.pick(200_000, 20_000, 50);
    for number in 0..tasks {
        client.get_task(live(number)).await.unwrap();
    }
    // A file that was made just now is read again.
    tokio::time::sleep(Duration::from_millis(50)).await;
    for number in 0..tasks {
        client.get_task(live(number)).await.unwrap();
    }
    let ids: Vec<String> = (0..tasks).map(live).collect();
    let began = Instant::now();
    for number in 0..count {
        let task = client.get_task(&ids[number % tasks]).await.unwrap();
        assert_eq!(task.status, TaskStatus::Pending);
    }
    let rate = each_second(count, began.elapsed());
    bench.tell("client-reads", &format!("{} per s", whole(rate)), "50,000 per s", Verdict::of(rate >= READS_MIN));
}

/// Callers at once, whose commits the library makes together.
async fn writes(bench: &Bench, client: &CoordinationClient) {
    let count = bench.pick(40, 10, 2);
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let client = client.clone();
        tokio::spawn(async move {
            for epoch in 0..count {
                let fields = json!({ "epoch": epoch });
                let receipt = client.update_task_status(live(writer), TaskStatus::Pending, fields).await.unwrap();
                assert!(receipt.committed.is_some(), "{:?}", receipt.waiting);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let rate = each_second(WRITERS * count, began.elapsed());
    bench.show("client-writes", &format!("{} per s ({WRITERS} callers, each change committed)", whole(rate)));
}

/// From the call that completes a task until whoever waits for it knows: the write is seen before the disk has it.
async fn wakes(bench: &Bench, client: &CoordinationClient) {
    let (mut took, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..bench.pick(30, 10, 1) {
        let id = client.create_task(NewTask::new("x")).await.unwrap();
        client.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
        let (other, its) = (client.clone(), id.clone());
        let waiter = tokio::spawn(async move {
            other.wait_task(&its).await.unwrap();
            Instant::now()
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        let began = Instant::now();
        client.complete_task(&id, ()).await.unwrap();
        answers.push(ms(began.elapsed()));
        took.push(ms(waiter.await.unwrap().saturating_duration_since(began)));
    }
    let (took, answered) = (median(took), median(answers));
    bench.show("client-wakes", &format!("{took:.1} ms after the call, which is answered after {answered:.1} ms"));
}
