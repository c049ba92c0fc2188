//! What is held in memory is never a second truth.

use std::fs;

use mycelium::client::{Error, Fields, NewTask};
use mycelium::entity::TaskStatus;
use serde_json::json;

use crate::support::{FOLDER, Sandbox};
use crate::{client, is_sound, repository};

fn path(sandbox: &Sandbox, id: &str) -> std::path::PathBuf {
    sandbox.path(&format!("{FOLDER}/{id}.md"))
}

#[tokio::test]
async fn a_write_is_seen_at_once_whoever_made_it() {
    let sandbox = repository();
    let (ours, other) = (client(&sandbox).await, client(&sandbox).await);
    let id = ours.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    ours.update_task_status(&id, TaskStatus::Running, Fields::default()).await.unwrap();
    for round in 1..=200_u32 {
        let epoch = json!({ "epoch": round });
        match round % 4 {
            0 => drop(ours.update_task_status(&id, TaskStatus::Running, epoch).await.unwrap()),
            1 => drop(other.update_task_status(&id, TaskStatus::Running, epoch).await.unwrap()),
            // By hand: the same length, in place, and by rename.
            2 => {
                let text = fs::read_to_string(path(&sandbox, "task-7")).unwrap();
                fs::write(
                    path(&sandbox, "task-7"),
                    text.replace(&format!("epoch: {}", round - 1), &format!("epoch: {round}")),
                )
                .unwrap();
            }
            _ => {
                let text = fs::read_to_string(path(&sandbox, "task-7")).unwrap();
                let aside = sandbox.path("aside");
                fs::write(&aside, text.replace(&format!("epoch: {}", round - 1), &format!("epoch: {round}"))).unwrap();
                fs::rename(&aside, path(&sandbox, "task-7")).unwrap();
            }
        }
        assert_eq!(ours.get_task(&id).await.unwrap().extra["epoch"], json!(round));
        assert_eq!(other.get_task(&id).await.unwrap().extra["epoch"], json!(round));
        assert_eq!(ours.get_tasks_for_agent("nobody").await.unwrap(), Vec::new());
    }
}

#[tokio::test]
async fn what_is_removed_renamed_broken_or_stated_twice_is_seen() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x").id("task-7")).await.unwrap().id;
    // Long enough for the file's stamp to be believed.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    client.get_task(&id).await.unwrap();
    client.get_task(&id).await.unwrap();
    let text = fs::read_to_string(path(&sandbox, "task-7")).unwrap();
    fs::rename(path(&sandbox, "task-7"), path(&sandbox, "task-elsewhere")).unwrap();
    assert_eq!(client.get_task(&id).await.unwrap().id, id);
    fs::rename(path(&sandbox, "task-elsewhere"), path(&sandbox, "task-7")).unwrap();
    fs::write(path(&sandbox, "task-7"), text.replace("status: pending", "status: odd")).unwrap();
    let broken = client.get_task(&id).await;
    assert!(matches!(broken, Err(Error::Failed(_))), "{broken:?}");
    fs::write(path(&sandbox, "task-7"), &text).unwrap();
    assert_eq!(client.get_task(&id).await.unwrap().status, TaskStatus::Pending);
    assert_eq!(client.get_task("task-").await.unwrap().id, id, "the beginning is enough");
    fs::write(path(&sandbox, "task-copy"), &text).unwrap();
    let double = client.get_task("task-").await;
    assert!(matches!(double, Err(Error::Conflict(_))), "{double:?}");
    fs::remove_file(path(&sandbox, "task-copy")).unwrap();
    fs::remove_file(path(&sandbox, "task-7")).unwrap();
    assert!(matches!(client.get_task(&id).await, Err(Error::NotFound(_))));
    let month = sandbox.path(&format!("{FOLDER}/archive/2025-10"));
    fs::create_dir_all(&month).unwrap();
    fs::write(month.join("task-7.md"), &text).unwrap();
    assert_eq!(client.get_task(&id).await.unwrap().id, id, "archived ones are found");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_among_writers_see_every_write_that_was_acknowledged() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let id = client.create_task(NewTask::new("x").id("task-7")).await.unwrap().id;
    client.update_task_status(&id, TaskStatus::Running, json!({ "epoch": 0 })).await.unwrap();
    let (written, seen) = tokio::sync::watch::channel(0_u64);
    let reader = {
        let (client, id) = (client.clone(), id.clone());
        tokio::spawn(async move {
            let mut reads = 0_u64;
            loop {
                let acknowledged = *seen.borrow();
                if acknowledged == u64::MAX {
                    return reads;
                }
                let epoch = client.get_task(&id).await.unwrap().extra["epoch"].as_u64().unwrap();
                assert!(epoch >= acknowledged, "read {epoch} after {acknowledged} was acknowledged");
                reads += 1;
                tokio::task::yield_now().await;
            }
        })
    };
    for epoch in 1..=60_u64 {
        client.update_task_status(&id, TaskStatus::Running, json!({ "epoch": epoch })).await.unwrap();
        written.send(epoch).unwrap();
    }
    written.send(u64::MAX).unwrap();
    assert!(reader.await.unwrap() > 60);
    is_sound(&sandbox);
}
