//! The library beside a server: what `mode()` tells, where claims are decided, and that the server follows what is written.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::Duration;

use mycelium::client::{ClaimOptions, CoordinationClient, Decided, Error, Fields, Mode, NewTask, TaskChanges};
use mycelium::entity::TaskStatus;
use mycelium::lease::LossReason;
use serde_json::Value;

use crate::server::{Server, eventually};
use crate::support::{Run, Sandbox};
use crate::{builder, is_sound, repository};

/// Rounds after which a step that was never on the server is at fault, and not the machine.
const ROUNDS_MAX: usize = 20;
/// What a command notes of the server, in local state.
const HEALTH: &str = ".git/mycelium/bridge/health.json";

async fn connected(sandbox: &Sandbox, url: &str, agent: &str) -> CoordinationClient {
    builder(sandbox).agent(agent).setting("coordination.redis.url", url).build().await.unwrap()
}

fn cli(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> Run {
    Run::of(sandbox.mycelium_command(arguments).env("REDIS_URL", url))
}

/// `data` of an answer.
fn data(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> Value {
    let answer = cli(sandbox, url, &[arguments, &["--json"]].concat()).ok();
    serde_json::from_str::<Value>(&answer).unwrap()["data"].clone()
}

/// The first question to a new client is answered rightly: by one that follows the server, and by one beside it.
#[tokio::test]
async fn a_new_client_knows_at_once_that_the_server_is_live() {
    let Some(mut server) = Server::start("a_new_client_knows_at_once_that_the_server_is_live") else { return };
    let sandbox = repository();
    for name in ["ai-engineer", "data-engineer"] {
        let client = connected(&sandbox, &server.url(), name).await;
        assert_eq!(client.mode(), Mode::Redis);
        client.close().await;
    }
    // Also when it was down a moment ago.
    server.kill();
    let client = connected(&sandbox, &server.url(), "ai-engineer").await;
    assert_eq!(client.mode(), Mode::Markdown);
    client.close().await;
    server.restart();
    assert_eq!(connected(&sandbox, &server.url(), "ai-engineer").await.mode(), Mode::Redis);
}

/// Waits until a client follows the server, as it says.
fn live(client: &CoordinationClient) {
    eventually("it is live", || client.mode() == Mode::Redis);
}

fn field(server: &Server, key: &str, field: &str) -> String {
    server.cli(&["HGET", key, field])
}

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_mode_is_true_when_the_server_comes_and_goes() {
    let Some(mut server) = Server::start("the_mode_is_true_when_the_server_comes_and_goes") else { return };
    let sandbox = repository();
    let client = connected(&sandbox, &server.url(), "ai-engineer").await;
    live(&client);
    client.create_task(NewTask::new("x").id("task-1")).await.unwrap();
    eventually("the task is there", || field(&server, "tasks:task-1", "status") == "pending");
    server.kill();
    eventually("it is seen to be gone", || client.mode() == Mode::Markdown);
    let stats = client.get_stats().await.unwrap();
    assert_eq!(stats.mode, Mode::Markdown);
    assert!(stats.unreached.is_some_and(|unreached| !unreached.why.is_empty()));
    client.update_task_status("task-1", TaskStatus::Running, Fields::default()).await.unwrap();
    server.restart();
    eventually("it is seen to be back", || client.mode() == Mode::Redis);
    eventually("it knows what happened", || field(&server, "tasks:task-1", "status") == "running");
    client.close().await;
    eventually("nobody is connected", || server.cli(&["CLIENT", "LIST"]).lines().count() <= 1);
    is_sound(&sandbox);
}

#[tokio::test]
async fn what_comes_in_is_committed_in_the_name_of_who_did_it() {
    let Some(server) = Server::start("what_comes_in_is_committed_in_the_name_of_who_did_it") else { return };
    let (here, there) = (repository(), repository());
    let ours = connected(&here, &server.url(), "ai-engineer").await;
    let theirs = connected(&there, &server.url(), "data-engineer").await;
    live(&ours);
    live(&theirs);
    ours.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    let path = ".claude/coordination/task-7.md";
    eventually("it came", || there.git(&["log", "--format=%an %s", "--", path]).contains("task-7"));
    let log = there.git(&["log", "--format=%an|%B", "--", path]);
    assert!(log.contains("ai-engineer"), "{log}");
    // What another program sets is taken as well.
    server.cli(&["HSET", "tasks:task-7", "title", "From elsewhere"]);
    for clone in [&here, &there] {
        eventually("it is in the file", || clone.read(path).contains("From elsewhere"));
    }
    // Whoever has written it commits it before it ends, though git may hold its lock for a moment.
    ours.close().await;
    theirs.close().await;
    is_sound(&here);
    is_sound(&there);
}

#[tokio::test]
async fn what_git_keeps_from_being_committed_is_committed_before_the_end() {
    let Some(server) = Server::start("what_git_keeps_from_being_committed_is_committed_before_the_end") else { return };
    let sandbox = repository();
    let client = connected(&sandbox, &server.url(), "ai-engineer").await;
    live(&client);
    client.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    eventually("it is there", || field(&server, "tasks:task-7", "status") == "pending");
    // Somebody moves the branch at this moment; whoever writes does so all the same.
    let lock = sandbox.path(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    server.cli(&["HSET", "tasks:task-7", "title", "From elsewhere"]);
    let path = ".claude/coordination/task-7.md";
    eventually("it is in the file", || sandbox.read(path).contains("From elsewhere"));
    // For longer than a commit waits for others (3 s).
    std::thread::sleep(Duration::from_millis(3_500));
    assert!(!sandbox.git(&["status", "--porcelain"]).is_empty());
    std::fs::remove_file(lock).unwrap();
    client.close().await;
    is_sound(&sandbox);
}

#[tokio::test]
async fn a_claim_is_decided_on_the_server_for_all_clones() {
    let Some(mut server) = Server::start("a_claim_is_decided_on_the_server_for_all_clones") else { return };
    let (here, there) = (repository(), repository());
    let ours = connected(&here, &server.url(), "ai-engineer").await;
    let theirs = connected(&there, &server.url(), "data-engineer").await;
    live(&ours);
    live(&theirs);
    ours.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    eventually("it came", || there.documents().iter().any(|name| name.contains("task-7")));
    let claim = ours.claim_task("task-7", Duration::from_secs(600)).await.unwrap();
    // On a busy machine the deadline of 50 ms may pass: then it says so.
    println!("decided: {:?}", claim.decided);
    assert_ne!(claim.decided, Decided::Here);
    eventually("the server knows it", || field(&server, "mycelium:doc:{tasks:task-7}", "holder") == "ai-engineer");
    let refused = theirs.claim_task("task-7", ClaimOptions::default()).await;
    assert!(
        matches!(&refused, Err(Error::Lost(loss)) if loss.by.as_ref().is_some_and(|by| by.as_str() == "ai-engineer")),
        "{refused:?}"
    );
    let until = || field(&server, "mycelium:doc:{tasks:task-7}", "until").parse::<u64>().unwrap_or(0);
    let before = until();
    std::thread::sleep(Duration::from_millis(20));
    eventually("the lease is longer there", || {
        futures(ours.renew_task("task-7")).unwrap();
        until() > before
    });
    // Given back, it can be had at once by anybody, in any clone.
    ours.release_task("task-7").await.unwrap();
    eventually("nobody has it there", || field(&server, "mycelium:doc:{tasks:task-7}", "holder").is_empty());
    eventually("the other clone may have it", || futures(theirs.claim_task("task-7", ClaimOptions::default())).is_ok());
    assert_eq!(theirs.get_task("task-7").await.unwrap().claimed_by.unwrap().as_str(), "data-engineer");
    theirs.complete_task("task-7", ()).await.unwrap();
    eventually("it is done there", || field(&server, "tasks:task-7", "status") == "completed");

    // Without the server it is decided here, and said so; who insists on the server is refused.
    let strict = builder(&here).agent("ai-engineer").setting("coordination.redis.url", server.url());
    let strict = strict.require_mode(Mode::Redis).build().await.unwrap();
    ours.create_task(NewTask::new("x").id("task-8")).await.unwrap();
    server.kill();
    eventually("it is seen to be gone", || ours.mode() == Mode::Markdown);
    let refused = strict.claim_task("task-8", ClaimOptions::default()).await;
    assert!(matches!(&refused, Err(Error::Busy(_))), "{refused:?}");
    assert_eq!(ours.get_task("task-8").await.unwrap().status, TaskStatus::Pending);
    let alone = ours.claim_task("task-8", ClaimOptions::default()).await.unwrap();
    assert!(matches!(&alone.decided, Decided::HereAlone(why) if !why.is_empty()), "{:?}", alone.decided);
    ours.create_task(NewTask::new("x").id("task-9")).await.unwrap();
    let mut pipeline = ours.pipeline();
    pipeline
        .update_task_status("task-9", TaskStatus::Running, Fields::default())
        .update_task("task-9", TaskChanges::default().title("T"));
    let done: Vec<_> = pipeline.execute().await.unwrap().into_iter().map(|done| done.unwrap().decided).collect();
    assert!(matches!(&done[..], [Some(Decided::HereAlone(why)), None] if !why.is_empty()), "{done:?}");
    let none = builder(&here).agent("a").setting("coordination.redis.url", server.url());
    assert!(matches!(
        none.setting("coordination.redis.retry_attempts", "1").require_mode(Mode::Redis).build().await,
        Err(Error::Mode { .. })
    ));
    for client in [ours, theirs, strict] {
        client.close().await;
    }
}

/// Waits for a future from within a test that waits.
fn futures<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
        scope.spawn(run).join().unwrap()
    })
}

#[tokio::test]
async fn who_took_a_task_from_a_queue_keeps_it_for_a_while() {
    let Some(server) = Server::start("who_took_a_task_from_a_queue_keeps_it_for_a_while") else { return };
    let sandbox = repository();
    let client = connected(&sandbox, &server.url(), "ai-engineer").await;
    live(&client);
    client.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    eventually("it is in the queue", || server.cli(&["RPOP", "tasks:queue:normal"]) == "task-7");
    eventually("it is known to be taken", || server.cli(&["HEXISTS", "mycelium:popped", "task-7"]) == "1");
    eventually("it is refused", || match futures(client.claim_task("task-7", ClaimOptions::default())) {
        Err(Error::Lost(loss)) => {
            assert_eq!(loss.why, LossReason::Popped);
            assert!(loss.to_string().contains("took it from the queue (redis:unknown), until "), "{loss}");
            true
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(client.claim_task("task-7", ClaimOptions::default().steal()).await.unwrap().by.as_str(), "ai-engineer");
    client.close().await;
}

#[tokio::test]
async fn a_client_gives_way_to_a_watcher_and_comes_back() {
    let Some(server) = Server::start("a_client_gives_way_to_a_watcher_and_comes_back") else { return };
    let sandbox = repository();
    let client = connected(&sandbox, &server.url(), "ai-engineer").await;
    live(&client);
    let follower = || data(&sandbox, &server.url(), &["bridge", "status"])["bridge"]["follower"].as_u64();
    eventually("the client follows", || follower() == Some(u64::from(std::process::id())));
    let mut command = sandbox.mycelium_command(&["watch", "--json"]);
    command.env("REDIS_URL", server.url()).stdout(Stdio::null()).stderr(Stdio::null());
    let watching = Watching(command.spawn().unwrap());
    eventually("the watcher follows", || follower() == Some(u64::from(watching.0.id())));
    client.create_task(NewTask::new("x").id("task-7")).await.unwrap();
    eventually("the task is there", || field(&server, "tasks:task-7", "status") == "pending");
    assert_eq!(client.mode(), Mode::Redis);
    drop(watching);
    eventually("the client follows again", || follower() == Some(u64::from(std::process::id())));
    client.close().await;
}

/// Every step is seen to be on the server in some round. On a busy machine the deadline of a command may pass, which it notes
/// for whoever looks at everything next; a step that is missed without such a note fails.
#[test]
fn what_a_command_changes_is_on_the_server_when_it_ends() {
    let mut shown = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let Some(server) = Server::start("what_a_command_changes_is_on_the_server_when_it_ends") else { return };
        let (count, arrived) = steps_that_arrive(&server);
        shown.extend(arrived);
        if shown.len() == count {
            return;
        }
    }
    panic!("only these steps were ever on the server: {shown:?}");
}

/// Carries out one command of each kind that changes documents; how many steps and looks these were, and which of them found
/// everything on the server at once.
fn steps_that_arrive(server: &Server) -> (usize, BTreeSet<usize>) {
    let sandbox = repository();
    let mut steps = Steps { server, sandbox: &sandbox, count: 0, missed: false, arrived: BTreeSet::new() };
    let all = ["LRANGE", "tasks:queue:normal", "0", "-1"];
    // It is known to be up.
    steps.run(&["bridge", "detect"]);
    steps.step(&["agent", "set", "ai-engineer", "--status", "busy"]);
    steps.step(&["task", "create", "--id", "task-1", "--type", "t"]);
    steps.step(&["task", "create", "--id", "task-2", "--type", "t", "--depends-on", "task-1"]);
    steps.step(&["workflow", "create", "--id", "wf-1", "--type", "x", "--task", "task-1", "--task", "task-2"]);
    steps.step(&["task", "claim", "task-1", "--as", "bob"]);
    steps.step(&["task", "update", "task-1", "--progress", "0.5", "--as", "bob"]);
    steps.step(&["task", "complete", "task-1", "--as", "bob"]);
    steps.shows(&all, |queue| queue == "task-2");
    steps.step(&["task", "claim", "task-2", "--as", "bob"]);
    steps.shows(&all, str::is_empty);
    steps.step(&["task", "release", "task-2", "--as", "bob"]);
    steps.step(&["event", "publish", "training:events", r#"{"event": "saved"}"#]);
    let newest = ["XREVRANGE", "mycelium:events", "+", "-", "COUNT", "1"];
    steps.shows(&newest, |event| event.matches("saved").count() == 1);
    let lines = [
        serde_json::json!({ "op": "task.create", "id": "task-8", "type": "t" }),
        serde_json::json!({ "op": "task.create", "id": "task-9", "type": "t", "depends_on": ["task-8"] }),
    ];
    sandbox.write("steps", &lines.map(|line| format!("{line}\n")).concat());
    steps.step(&["batch", "steps"]);
    std::fs::remove_file(sandbox.path("steps")).unwrap();
    steps.shows(&all, |queue| queue.matches("task-8").count() == 1);
    steps.step(&["task", "remove", "task-2"]);
    steps.step(&["archive", "task-1"]);
    steps.shows(&["EXISTS", "tasks:task-1"], |count| count == "0");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    (steps.count, steps.arrived)
}

/// Commands beside a server that nobody follows.
struct Steps<'a> {
    server: &'a Server,
    sandbox: &'a Sandbox,
    count: usize,
    /// A deadline has passed before.
    missed: bool,
    arrived: BTreeSet<usize>,
}

impl Steps<'_> {
    fn run(&self, arguments: &[&str]) -> String {
        cli(self.sandbox, &self.server.url(), arguments).ok()
    }

    /// Returns true if the documents are the same here and there.
    fn is_equal(&self) -> bool {
        let told = data(self.sandbox, &self.server.url(), &["bridge", "push", "--dry-run"]);
        ["sent_count", "came_count", "held_count"].iter().all(|count| told[count] == 0)
    }

    /// Runs a command, and looks whether the server has everything of it.
    fn step(&mut self, arguments: &[&str]) {
        self.run(arguments);
        self.count += 1;
        // Read before anything else asks the server.
        let health: Value = serde_json::from_str(&self.sandbox.read(HEALTH)).unwrap();
        let is_noted = health["state"] == "down";
        if self.is_equal() && !is_noted {
            self.arrived.insert(self.count);
            return;
        }
        assert!(is_noted, "{arguments:?} was missed in silence: {health}");
        println!("missed: {arguments:?}: {}", health["why"]);
        self.missed = true;
        self.run(&["bridge", "push"]);
        assert!(self.is_equal(), "{arguments:?}");
    }

    /// Asks the server for more than documents. Where a deadline has passed, the lead over the queues may be that of the command
    /// that gave up, for some seconds.
    fn shows(&mut self, question: &[&str], is_right: impl Fn(&str) -> bool) {
        self.count += 1;
        let answer = self.server.cli(question);
        if is_right(&answer) {
            self.arrived.insert(self.count);
            return;
        }
        assert!(self.missed, "{question:?}: {answer}");
        eventually("the server has it", || {
            self.run(&["bridge", "push"]);
            is_right(&self.server.cli(question))
        });
    }
}

#[test]
fn a_claim_that_the_server_could_not_decide_says_so() {
    let Some(mut server) = Server::start("a_claim_that_the_server_could_not_decide_says_so") else { return };
    let sandbox = repository();
    let url = server.url();
    for id in 1..=5 {
        cli(&sandbox, &url, &["task", "create", "--id", &format!("task-{id}"), "--type", "t"]).ok();
    }
    server.kill();
    let claimed = cli(&sandbox, &url, &["task", "claim", "task-1", "--as", "a"]);
    assert!(claimed.stderr.contains("decided in this clone alone: "), "{claimed:?}");
    let claim = data(&sandbox, &url, &["task", "claim", "task-1", "--as", "a"])["claim"].clone();
    assert_eq!(claim["decided"], "here_alone");
    assert!(claim["decided_why"].as_str().is_some_and(|why| !why.is_empty()), "{claim}");
    // Whichever way a task is run.
    for (id, arguments) in
        [(2, ["task", "update", "task-2", "--status", "running"].as_slice()), (4, &["batch", "lines"])]
    {
        let lines_for = |id| format!("{{\"op\": \"task.update\", \"id\": \"task-{id}\", \"status\": \"running\"}}\n");
        sandbox.write("lines", &lines_for(id));
        let run = cli(&sandbox, &url, &[arguments, &["--as", "a"]].concat());
        assert!(run.stderr.contains("decided in this clone alone: "), "{run:?}");
        sandbox.write("lines", &lines_for(id + 1));
        let next = format!("task-{}", id + 1);
        let arguments: Vec<&str> = arguments.iter().map(|word| if *word == "task-2" { &next } else { *word }).collect();
        let answer = cli(&sandbox, &url, &[&arguments[..], &["--as", "a", "--json"]].concat()).ok();
        let answer: Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
        assert_eq!(answer["data"]["decided"], "here_alone", "{answer}");
        assert!(answer["data"]["decided_why"].as_str().is_some_and(|why| !why.is_empty()), "{answer}");
    }
    let refused = cli(&sandbox, &url, &["task", "claim", "task-1", "--as", "a", "--require-mode", "redis"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
}
