//! What the command line can do the client can, by single calls and in a pipeline; and how both refuse.

use std::time::Duration;

use mycelium::client::{
    AgentFilter, AgentReport, ClaimOptions, CoordinationClient, Error, Fields, Mode, NewTask, NewWorkflow, ReadyFilter,
    TaskChanges, TaskFilter, WorkflowChanges, WorkflowFilter,
};
use mycelium::entity::{AgentStatus, Priority, Task, TaskStatus, WorkflowStatus};
use serde_json::json;

use crate::support::Sandbox;
use crate::{builder, client, is_sound, repository};

/// How a command is had in the library.
enum Had {
    /// By this method, alone and in a pipeline.
    Both(&'static str),
    /// By this method; why not in a pipeline.
    Alone(&'static str, &'static str),
    /// It only reads.
    Read(&'static str),
    /// Not at all, for this reason.
    Not(&'static str),
}
use Had::{Alone, Both, Not, Read};

/// It changes as many documents as a workflow has steps.
const WHOLE: &str = "it is one operation on many documents already";
/// It is about a repository, which a person or a script looks after, and not about what agents do in it.
const UPKEEP: &str = "upkeep of a repository";

const COMMANDS: &[(&str, &str, Had)] = &[
    ("task", "create", Both("create_task")),
    ("task", "get", Read("get_task")),
    ("task", "list", Read("list_tasks")),
    ("task", "ready", Read("list_ready")),
    ("task", "claim", Both("claim_task")),
    ("task", "renew", Alone("renew_task", "it changes no document")),
    ("task", "update", Both("update_task")),
    ("task", "complete", Both("complete_task")),
    ("task", "fail", Both("fail_task")),
    ("task", "release", Both("release_task")),
    ("task", "retry", Both("retry_task")),
    ("task", "reopen", Both("reopen_task")),
    ("task", "approve", Both("approve_task")),
    ("task", "reject", Both("reject_task")),
    ("task", "edit", Not("it starts an editor; `update_task` changes the same")),
    ("task", "tick", Both("tick_item")),
    ("task", "note", Both("add_note")),
    ("task", "wait", Read("wait_task")),
    ("task", "remove", Both("remove_task")),
    ("agent", "set", Both("store_agent_status")),
    ("agent", "beat", Alone("beat", "it changes no document")),
    ("agent", "get", Read("get_agent_status")),
    ("agent", "list", Read("list_agent_states")),
    ("agent", "remove", Both("remove_agent_status")),
    ("agent", "prune", Alone("prune_agents", "it is an operation on all agents already")),
    ("workflow", "create", Both("create_workflow")),
    ("workflow", "get", Read("get_workflow")),
    ("workflow", "list", Read("list_workflows")),
    ("workflow", "update", Both("update_workflow")),
    ("workflow", "complete", Both("complete_workflow")),
    ("workflow", "fail", Both("fail_workflow")),
    ("workflow", "monitor", Read("monitor_workflow")),
    ("workflow", "new", Not("for people: definitions are files")),
    ("workflow", "graph", Not("for people")),
    ("workflow", "run", Alone("run_workflow", WHOLE)),
    ("workflow", "drive", Alone("drive_workflows", WHOLE)),
    ("workflow", "pause", Alone("pause_workflow", WHOLE)),
    ("workflow", "resume", Alone("resume_workflow", WHOLE)),
    ("workflow", "cancel", Alone("cancel_workflow", WHOLE)),
    ("workflow", "retry", Alone("retry_workflow", WHOLE)),
    ("event", "publish", Both("publish_event")),
    ("event", "list", Read("list_events")),
    ("event", "subscribe", Read("subscribe_events")),
    ("", "batch", Alone("pipeline", "it is the pipeline")),
    ("", "status", Read("get_stats")),
    ("", "watch", Not("a client commits what it writes, and follows a server itself")),
    ("", "worker", Not("it runs commands; a program claims with `claim_next` and works itself")),
    ("", "commit", Not(UPKEEP)),
    ("", "pause", Not(UPKEEP)),
    ("", "resume", Not(UPKEEP)),
    ("", "sync", Not(UPKEEP)),
    ("", "bridge", Not(UPKEEP)),
    ("", "archive", Not(UPKEEP)),
    ("", "resolve", Not(UPKEEP)),
    ("", "restore", Not(UPKEEP)),
    ("", "init", Not(UPKEEP)),
    ("", "config", Not(UPKEEP)),
    ("", "doctor", Not(UPKEEP)),
    ("", "check", Not(UPKEEP)),
    ("", "log", Not("for people; `list_events` has the changes")),
    ("", "why", Not("for people")),
    ("", "merge-driver", Not("for git")),
    ("", "textconv", Not("for git")),
    ("", "demo", Not("for people")),
    ("", "completions", Not("for people")),
    ("", "man", Not("for people")),
    ("", "instructions", Not("for people")),
    ("", "explain", Not("for people")),
];

/// The commands of a group, as its help lists them.
fn commands(sandbox: &Sandbox, group: &str) -> Vec<String> {
    let arguments: Vec<&str> = [group, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
    let help = sandbox.mycelium(&arguments).ok();
    let lines = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let names = lines.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_about_the_work_of_agents_has_a_call() {
    let sandbox = repository();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let files = std::fs::read_dir(folder.join("src/api/client")).unwrap();
    let client: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    let (pipeline, docs) = (read("src/api/client/pipeline.rs"), read("docs/library.md"));
    let groups = ["task", "agent", "workflow", "event"];
    for group in groups.into_iter().chain([""]) {
        let mut there = commands(&sandbox, group);
        assert!(!there.is_empty(), "{group}");
        there.retain(|name| !group.is_empty() || !groups.contains(&name.as_str()));
        let mut known: Vec<&str> = COMMANDS.iter().filter(|one| one.0 == group).map(|one| one.1).collect();
        there.sort();
        known.sort_unstable();
        assert_eq!(there, known, "{group}: each has its line in this table");
    }
    let has =
        |name: &str| client.contains(&format!("pub async fn {name}(")) || client.contains(&format!("pub fn {name}("));
    for (group, verb, had) in COMMANDS {
        let (name, is_piped) = match had {
            Both(name) => (*name, true),
            Read(name) => (*name, false),
            Alone(name, why) => {
                assert!(!why.is_empty(), "{group} {verb}: why not in a pipeline");
                (*name, false)
            }
            Not(why) => {
                assert!(!why.is_empty(), "{group} {verb}: why not at all");
                continue;
            }
        };
        assert!(has(name), "{group} {verb}: `{name}`");
        assert_eq!(pipeline.contains(&format!("pub fn {name}(&mut self")), is_piped, "{group} {verb}: `{name}`");
        assert!(docs.contains(&format!("`{name}`")), "{group} {verb}: `{name}` stands in docs/library.md");
    }
}

fn ids(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.id.as_str()).collect()
}

/// The same filters give what the command line gives, in the same order.
#[tokio::test]
async fn lists_are_those_of_the_command_line() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut pipeline = client.pipeline();
    pipeline
        .create_task(NewTask::new("x").id("task-1").assigned_to("ben"))
        .create_task(NewTask::new("y").id("task-2").priority(Priority::High))
        .create_task(NewTask::new("x").id("task-3").depends_on(["task-2"]))
        .create_task(NewTask::new("x").id("task-4"))
        .update_task_status("task-4", TaskStatus::Running, Fields::default())
        .create_task(NewTask::new("x").id("task-5"))
        .update_task_status("task-5", TaskStatus::Running, Fields::default())
        .fail_task("task-5", "no")
        .create_workflow(NewWorkflow::new("w").id("workflow-1").tasks(["task-1", "task-2"]))
        .create_workflow(NewWorkflow::new("w").id("workflow-2"))
        .complete_workflow("workflow-2", ())
        .store_agent_status("ann", AgentReport::busy())
        .store_agent_status("ben", AgentReport::idle());
    for done in pipeline.execute().await.unwrap() {
        done.unwrap();
    }
    let shown = |arguments: &[&str]| {
        let answer = sandbox.mycelium(&[arguments, &["--json"]].concat()).ok();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let items = answer["data"]["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for (filter, arguments) in [
        (TaskFilter::default(), &["task", "list"][..]),
        (TaskStatus::Pending.into(), &["task", "list", "--status", "pending"]),
        (TaskFilter::default().assigned_to("ben"), &["task", "list", "--assigned-to", "ben"]),
        (TaskFilter::default().assigned_to("zoe"), &["task", "list", "--assigned-to", "zoe"]),
        (TaskFilter::default().archived(), &["task", "list", "--archived"]),
    ] {
        assert_eq!(ids(&client.list_tasks(filter.clone()).await.unwrap()), shown(arguments), "{filter:?}");
    }
    assert_eq!(
        ids(&client.list_tasks(TaskFilter::default()).await.unwrap()),
        ["task-4", "task-2", "task-1", "task-3", "task-5"]
    );
    for (filter, arguments) in [
        (ReadyFilter::default(), &["task", "ready"][..]),
        (ReadyFilter::default().kind("y"), &["task", "ready", "--type", "y"]),
        (ReadyFilter::default().for_agent("ann"), &["task", "ready", "--for", "ann"]),
    ] {
        assert_eq!(ids(&client.list_ready(filter.clone()).await.unwrap()), shown(arguments), "{filter:?}");
    }
    assert_eq!(ids(&client.list_ready(ReadyFilter::default().for_agent("ann")).await.unwrap()), ["task-2"]);
    let workflows = client.list_workflows(WorkflowFilter::default()).await.unwrap();
    assert_eq!(workflows.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), shown(&["workflow", "list"]));
    assert_eq!(workflows[0].tasks.len(), 2);
    let running = client.list_workflows(WorkflowFilter::default().status(WorkflowStatus::Running)).await.unwrap();
    assert_eq!(running.len(), 1);
    let busy = client.list_agent_states(AgentFilter::default().status(AgentStatus::Busy)).await.unwrap();
    assert_eq!(busy.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(client.list_agent_states(AgentFilter::default()).await.unwrap().len(), 2);
    for wrong in ["", "a b"] {
        let error = client.list_tasks(TaskFilter::default().assigned_to(wrong)).await.unwrap_err();
        assert!(matches!(error, Error::BadInput(_)), "{error:?}");
        let error = client.list_ready(ReadyFilter::default().for_agent(wrong)).await.unwrap_err();
        assert!(matches!(error, Error::BadInput(_)), "{error:?}");
    }
    is_sound(&sandbox);
}

/// A task through a review, by single calls.
#[tokio::test]
async fn a_task_is_reviewed_noted_ticked_and_removed() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let reviewer = client.acting_as("reviewer").unwrap();
    let task = client.create_task(NewTask::new("x").id("task-1").steps(["Load", "Train"])).await.unwrap();
    assert!(matches!(reviewer.approve_task(&task, None).await, Err(Error::Refused(_))));
    assert!(matches!(reviewer.reject_task(&task, "no").await, Err(Error::Refused(_))));
    let claim = client.claim_task(&task, ClaimOptions::default()).await.unwrap();
    assert_eq!(claim.receipt.fence, Some(claim.fence));
    client.tick_item(&task, 1).await.unwrap();
    client.tick_item(&task, 2).await.unwrap();
    client.untick_item(&task, 2).await.unwrap();
    client.add_note(&task, "loss is flat").await.unwrap();
    let read = client.get_task(&task).await.unwrap();
    assert_eq!(read.steps.iter().map(|step| step.done).collect::<Vec<_>>(), [true, false]);
    assert!(matches!(client.tick_item(&task, 3).await, Err(Error::NotFound(_))));
    assert!(matches!(client.add_note(&task, " ").await, Err(Error::BadInput(_))));
    client.complete_task(&task, ()).await.unwrap();
    assert!(matches!(client.approve_task(&task, None).await, Err(Error::Refused(_))), "one's own work");
    assert!(matches!(client.approve_own_task(&task, None).await, Err(Error::Refused(_))), "an agent's own work");
    assert!(matches!(reviewer.reject_task(&task, "").await, Err(Error::BadInput(_))));
    reviewer.reject_task(&task, "train longer").await.unwrap();
    assert_eq!(client.get_task(&task).await.unwrap().status, TaskStatus::Pending);
    client.claim_task(&task, ClaimOptions::default()).await.unwrap();
    client.fail_task(&task, "oom").await.unwrap();
    client.retry_task(&task).await.unwrap();
    assert!(matches!(client.retry_task(&task).await, Err(Error::Refused(_))));
    client.claim_task(&task, ClaimOptions::default()).await.unwrap();
    client.complete_task(&task, ()).await.unwrap();
    reviewer.approve_task(&task, Some("well done")).await.unwrap();
    let text = sandbox.read(&format!("{}/task-1.md", crate::support::FOLDER));
    for expected in ["approved: reviewer", "well done", "rejected by reviewer: train longer", "loss is flat"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    client.reopen_task(&task).await.unwrap();
    let changes = TaskChanges::default().status(TaskStatus::Running).progress(0.5).fields(json!({ "epoch": 2 }));
    client.update_task(&task, changes).await.unwrap();
    let read = client.get_task(&task).await.unwrap();
    assert_eq!(
        (read.status, read.progress, read.extra.get("epoch")),
        (TaskStatus::Running, Some(0.5), Some(&json!(2)))
    );
    client.update_task(&task, TaskChanges::default().fields(json!({ "epoch": null }))).await.unwrap();
    assert_eq!(client.get_task(&task).await.unwrap().extra.get("epoch"), None);
    assert!(matches!(
        client.update_task(&task, TaskChanges::default().fields(json!(1))).await,
        Err(Error::NoObject(_))
    ));
    client.remove_task(&task).await.unwrap();
    assert!(matches!(client.remove_task(&task).await, Err(Error::NotFound(_))));
    // A person may approve what they did themselves, and it says so.
    let person = builder(&sandbox).build().await.unwrap();
    let own = person.create_task(NewTask::new("x").id("task-2")).await.unwrap();
    person.update_task_status(&own, TaskStatus::Running, Fields::default()).await.unwrap();
    person.complete_task(&own, ()).await.unwrap();
    assert!(matches!(person.approve_task(&own, None).await, Err(Error::Refused(_))));
    person.approve_own_task(&own, None).await.unwrap();
    assert!(sandbox.read(&format!("{}/task-2.md", crate::support::FOLDER)).contains("(self)"));
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_workflow_is_changed_as_a_whole() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let workflow = client.create_workflow(NewWorkflow::new("w").tasks(["task-1"])).await.unwrap();
    let changes = WorkflowChanges::default()
        .tasks(["task-2", "task-3"])
        .no_tasks(["task-1"])
        .description("Why.")
        .metadata(json!({ "dataset": "alice-voice" }))
        .current_task("task-2")
        .progress(0.25)
        .fields(json!({ "budget": 3 }));
    client.update_workflow(&workflow, changes).await.unwrap();
    let read = client.get_workflow(&workflow).await.unwrap();
    assert_eq!(read.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["task-2", "task-3"]);
    assert_eq!((read.description.as_deref(), read.progress), (Some("Why."), Some(0.25)));
    assert_eq!(read.metadata, Some(json!({ "dataset": "alice-voice" })));
    client.update_workflow(&workflow, WorkflowChanges::default().status(WorkflowStatus::Completed)).await.unwrap();
    let again = client.update_workflow(&workflow, WorkflowChanges::default().status(WorkflowStatus::Failed)).await;
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");
    for wrong in [WorkflowChanges::default().tasks(["a b"]), WorkflowChanges::default().current_task("")] {
        assert!(matches!(client.update_workflow(&workflow, wrong).await, Err(Error::BadInput(_))));
    }
    assert!(matches!(client.update_workflow(&workflow, json!(1)).await, Err(Error::NoObject(_))));
    let missing = client.update_workflow("no-such-workflow", Fields::default()).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
}

#[tokio::test]
async fn agents_that_are_gone_are_cleared_away() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    client.store_agent_status("old", AgentReport::idle().ttl(Duration::from_secs(1))).await.unwrap();
    client.store_agent_status("new", AgentReport::idle()).await.unwrap();
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(client.prune_agents(Duration::from_secs(3_600)).await.unwrap(), Vec::new());
    let gone = client.prune_agents(Duration::ZERO).await.unwrap();
    assert_eq!(gone.iter().map(ToString::to_string).collect::<Vec<_>>(), ["old"]);
    is_sound(&sandbox);
}

/// One pipeline that claims, works and publishes; each result at its place, and the events behind the documents.
#[tokio::test]
async fn a_pipeline_claims_and_publishes() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut events = client.subscribe_events("training:*").await.unwrap();
    let mut pipeline = client.pipeline();
    pipeline
        .publish_event("training:events", json!({ "event": "begun" }))
        .create_task(NewTask::new("x").id("task-1").steps(["Load"]))
        .claim_task("task-1", ClaimOptions::default().lease(Duration::from_secs(60)))
        .publish_event("tasks:events", json!({ "event": "no" }))
        .tick_item("task-1", 1)
        .add_note("task-1", "half way")
        .claim_task("task-9", ClaimOptions::default())
        .publish_event("training:events", json!({ "event": "ended" }))
        .release_task("task-1");
    let done = pipeline.execute().await.unwrap();
    assert_eq!(done.len(), 9);
    let claimed = done[2].as_ref().unwrap();
    assert_eq!((claimed.id.as_str(), claimed.fence), ("task-1", Some(1)));
    assert!(matches!(done[3], Err(Error::BadInput(_))), "{:?}", done[3]);
    assert!(matches!(done[6], Err(Error::NotFound(_))), "{:?}", done[6]);
    for place in [0, 7] {
        let published = done[place].as_ref().unwrap().event.clone();
        let event = tokio::time::timeout(Duration::from_secs(30), events.next()).await.expect("an event");
        assert_eq!(event.unwrap().unwrap().id, published.unwrap());
    }
    assert_eq!(client.get_task("task-1").await.unwrap().status, TaskStatus::Pending);
    let nobody = builder(&sandbox).build().await.unwrap();
    let mut pipeline = nobody.pipeline();
    pipeline.claim_task("task-1", ClaimOptions::default());
    let done = pipeline.execute().await.unwrap();
    assert!(matches!(done[0], Err(Error::BadInput(_))), "{done:?}");
    is_sound(&sandbox);
}

/// All or nothing: what fails says why, everything else that it was not done, and no event is published.
#[tokio::test]
async fn a_pipeline_that_fails_publishes_nothing() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    for (place, wrong) in [(2, "task-9"), (3, "training:events")] {
        let mut pipeline = client.pipeline().all_or_nothing();
        pipeline
            .publish_event("training:events", json!(1))
            .create_task(NewTask::new("x").id("task-1"))
            .retry_task(if place == 2 { wrong } else { "task-1" })
            .publish_event(if place == 3 { "tasks:events" } else { "training:events" }, json!(2));
        let done = pipeline.execute().await.unwrap();
        let undone = done.iter().filter(
            |done| matches!(done, Err(Error::Conflict(cause)) if cause.to_string().contains(&(place + 1).to_string())),
        );
        assert_eq!(undone.count(), 3, "{done:?}");
        assert!(matches!(done[place], Err(Error::NotFound(_) | Error::BadInput(_))), "{done:?}");
    }
    assert_eq!(client.list_tasks(TaskFilter::default()).await.unwrap().len(), 0);
    assert_eq!(client.list_events("training:*", None, None).await.unwrap().len(), 0);
}

#[tokio::test]
async fn events_of_before_are_listed() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(client.publish_event("training:events", json!({ "event": "step", "n": n })).await.unwrap());
    }
    let list = |since: Option<usize>, limit| {
        let (client, since) = (client.clone(), since.map(|at| ids[at].clone()));
        async move { client.list_events("training:*", since.as_ref(), limit).await.unwrap() }
    };
    let numbers = |events: Vec<mycelium::event::Event>| {
        events.iter().filter_map(|event| event.body.get("n")?.as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(list(None, None).await), [0, 1, 2, 3, 4]);
    assert_eq!(numbers(list(None, Some(2)).await), [3, 4]);
    assert_eq!(numbers(list(Some(1), Some(2)).await), [2, 3]);
    assert!(matches!(client.list_events("", None, None).await, Err(Error::BadInput(_))));
}

#[tokio::test]
async fn a_closed_client_refuses_all_of_it() {
    let sandbox = repository();
    let client = CoordinationClient::builder().root(sandbox.root()).agent("a").build().await.unwrap();
    assert_eq!(client.mode(), Mode::Markdown);
    client.close().await;
    assert!(matches!(client.list_tasks(TaskFilter::default()).await, Err(Error::Closed)));
    assert!(matches!(client.approve_task("task-1", None).await, Err(Error::Closed)));
    assert!(matches!(client.prune_agents(Duration::ZERO).await, Err(Error::Closed)));
    assert!(matches!(client.subscribe_events("*").await, Err(Error::Closed)));
}
