//! A program that uses the library beside a watcher: a task from creation to completion, and who did what by history.

use std::process::{Child, Stdio};

use mycelium::client::{ClaimOptions, NewTask};
use mycelium::entity::TaskStatus;
use serde_json::{Value, json};

use crate::server::eventually;
use crate::support::{FOLDER, Sandbox};
use crate::{builder, is_sound, repository};

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(sandbox: &Sandbox) -> Value {
    serde_json::from_str::<Value>(&sandbox.mycelium(&["status", "--json"]).ok()).unwrap()["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_taken_from_creation_to_completion_beside_a_watcher() {
    let sandbox = repository();
    let mut command = sandbox.mycelium_command(&["watch"]);
    let watching = Watching(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually("it watches", || !status(&sandbox)["watcher"].is_null());

    let planner = builder(&sandbox).agent("planner").build().await.unwrap();
    let worker = planner.acting_as("ai-engineer").unwrap();
    let task = planner.create_task(NewTask::new("train-model").description("Train it.").steps(["Load"])).await.unwrap();
    let path = format!("{FOLDER}/{task}.md");
    let is_committed = || sandbox.git(&["status", "--porcelain"]).is_empty();
    eventually("the task is committed", is_committed);
    // A person adds to it in their editor.
    sandbox.write(&path, &sandbox.read(&path).replace("Train it.", "Train it, and say how."));
    eventually("the edit is committed", is_committed);

    let claim = worker.claim_next(None, ClaimOptions::default()).await.unwrap().expect("it is ready");
    assert_eq!(claim.task.description.as_deref(), Some("Train it, and say how."));
    let held = worker.fenced(claim.fence);
    held.update_task_status(&task, TaskStatus::Running, json!({ "progress": 0.5 })).await.unwrap();
    held.complete_task(&task, json!({ "loss": 0.04 })).await.unwrap();
    assert_eq!(planner.wait_task(&task).await.unwrap().result, Some(json!({ "loss": 0.04 })));
    eventually("the end is committed", is_committed);
    planner.close().await;
    drop(watching);

    let log = sandbox.git(&["log", "--reverse", "--format=%an: %s", "--", FOLDER]);
    let lines: Vec<&str> = log.lines().collect();
    let of = |what: &str| {
        let line = lines.iter().find(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("nobody did `{what}`: {log}")).split(": ").next().unwrap().to_owned()
    };
    assert_eq!((lines[0].split(": ").next(), of("completed").as_str()), (Some("planner"), "ai-engineer"), "{log}");
    let authors: Vec<&str> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(authors[1], "Robin", "{log}");
    assert!(authors[2..].iter().all(|author| *author == "ai-engineer"), "{log}");
    is_sound(&sandbox);
}
