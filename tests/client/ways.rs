//! Who may change a task is decided alike on every way in: a command, a batch of commands, the library, a pipeline of the
//! library. (What a bridge and a sync take in has no caller: see `inward`.)

use std::io::Write;
use std::process::Stdio;

use mycelium::client::{CoordinationClient, Error, Failure, Fields};
use mycelium::entity::TaskStatus;
use serde_json::{Value, json};

use super::server::{Server, eventually};
use super::support::{FOLDER, Sandbox};
use super::{builder, repository};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Command,
    Batch,
    AtomicBatch,
    Library,
    Pipeline,
}

const WAYS: [Way; 5] = [Way::Command, Way::Batch, Way::AtomicBatch, Way::Library, Way::Pipeline];

/// What is done to a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Act {
    Begin,
    Progress,
    Complete,
    Fail,
    Release,
    Tick,
    Note,
}

pub(super) const ACTS: [Act; 7] =
    [Act::Begin, Act::Progress, Act::Complete, Act::Fail, Act::Release, Act::Tick, Act::Note];

impl Act {
    /// As an operation of `mycelium batch`.
    fn operation(self, id: &str, fence: Option<u64>) -> Value {
        let mut operation = match self {
            Self::Begin => json!({ "op": "task.update", "status": "running" }),
            Self::Progress => json!({ "op": "task.update", "progress": 0.5 }),
            Self::Complete => json!({ "op": "task.complete" }),
            Self::Fail => json!({ "op": "task.fail", "error": "broken" }),
            Self::Release => json!({ "op": "task.release" }),
            Self::Tick => json!({ "op": "task.tick", "step": 1 }),
            Self::Note => json!({ "op": "task.note", "text": "seen" }),
        };
        operation["id"] = json!(id);
        if let Some(fence) = fence.filter(|_| self.takes_fence()) {
            operation["fence"] = json!(fence);
        }
        operation
    }

    /// As the words of a command.
    pub(super) fn words(self, id: &str, fence: Option<u64>) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Begin => &["update", id, "--status", "running"],
            Self::Progress => &["update", id, "--progress", "0.5"],
            Self::Complete => &["complete", id],
            Self::Fail => &["fail", id, "--error", "broken"],
            Self::Release => &["release", id],
            Self::Tick => &["tick", id, "1"],
            Self::Note => &["note", id, "seen"],
        };
        let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
        if let Some(fence) = fence.filter(|_| self.takes_fence()) {
            words.extend(["--fence".to_owned(), fence.to_string()]);
        }
        words
    }

    fn takes_fence(self) -> bool {
        !matches!(self, Self::Tick | Self::Note)
    }
}

/// Who acts, with what they say about their right to.
#[derive(Clone)]
pub(super) struct Caller<'a> {
    sandbox: &'a Sandbox,
    agent: &'a str,
    fence: Option<u64>,
    url: Option<String>,
    required: Option<&'a str>,
    pub(super) client: CoordinationClient,
}

impl<'a> Caller<'a> {
    pub(super) async fn new(sandbox: &'a Sandbox, agent: &'a str, fence: Option<u64>, url: Option<String>) -> Self {
        let mut building = builder(sandbox).agent(agent);
        if let Some(url) = &url {
            building = building.setting("coordination.redis.url", url);
        }
        let client = building.build().await.unwrap();
        let client = fence.map_or(client.clone(), |fence| client.fenced(fence));
        Self { sandbox, agent, fence, url, required: None, client }
    }

    /// Does it; the code of the error, `None` if it was done, or `Some("absent")` where the way does not have it.
    async fn act(&self, way: Way, act: Act, id: &str) -> Option<String> {
        match way {
            Way::Command => self.command(act, id),
            Way::Batch | Way::AtomicBatch => self.batch(way, act, id),
            Way::Library => self.library(act, id).await,
            Way::Pipeline => self.pipeline(act, id).await,
        }
    }

    pub(super) fn start(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.sandbox.mycelium_command(arguments);
        command.env("MYCELIUM_AGENT", self.agent);
        if let Some(url) = &self.url {
            command.env("REDIS_URL", url);
        }
        if let Some(mode) = self.required {
            command.args(["--require-mode", mode]);
        }
        command
    }

    fn command(&self, act: Act, id: &str) -> Option<String> {
        let words = [vec!["task".to_owned()], act.words(id, self.fence), vec!["--json".to_owned()]].concat();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = self.start(&words).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        code(&text)
    }

    fn batch(&self, way: Way, act: Act, id: &str) -> Option<String> {
        let arguments: &[&str] =
            if way == Way::AtomicBatch { &["batch", "-", "--atomic", "--json"] } else { &["batch", "-", "--json"] };
        let mut child =
            self.start(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{}", act.operation(id, self.fence)).unwrap();
        let output = child.wait_with_output().unwrap();
        let first = String::from_utf8(output.stdout).unwrap();
        let line = first.lines().next().map_or_else(|| String::from_utf8(output.stderr).unwrap(), str::to_owned);
        code(line.as_bytes())
    }

    async fn library(&self, act: Act, id: &str) -> Option<String> {
        let client = &self.client;
        let done = match act {
            Act::Begin => client.update_task_status(id, TaskStatus::Running, Fields::default()).await,
            Act::Progress => client.update_task_status(id, TaskStatus::Running, json!({ "progress": 0.5 })).await,
            Act::Complete => client.complete_task(id, Value::Null).await,
            Act::Fail => client.fail_task(id, Failure::from("broken")).await,
            Act::Release => client.release_task(id).await,
            Act::Tick | Act::Note => return Some("absent".to_owned()),
        };
        done.err().map(|error| said(&error))
    }

    async fn pipeline(&self, act: Act, id: &str) -> Option<String> {
        let mut pipeline = self.client.pipeline();
        match act {
            Act::Begin => pipeline.update_task_status(id, TaskStatus::Running, Fields::default()),
            Act::Progress => pipeline.update_task_status(id, TaskStatus::Running, json!({ "progress": 0.5 })),
            Act::Complete => pipeline.complete_task(id, Value::Null),
            Act::Fail => pipeline.fail_task(id, Failure::from("broken")),
            Act::Release | Act::Tick | Act::Note => return Some("absent".to_owned()),
        };
        match pipeline.execute().await {
            Ok(mut results) => results.pop().unwrap().err().map(|error| said(&error)),
            Err(error) => Some(said(&error)),
        }
    }
}

/// The code of the error in an answer.
pub(super) fn code(answer: &[u8]) -> Option<String> {
    let answer: Value =
        serde_json::from_slice(answer).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(answer)));
    let error = answer.get("error").or_else(|| answer["data"].get("error"))?;
    error.get("code").and_then(Value::as_str).map(str::to_owned)
}

fn said(error: &Error) -> String {
    match error {
        Error::Lost { .. } => "claim-lost".to_owned(),
        Error::Busy { .. } => "undecided".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Tries each act on each way on a task of its own; `prepare` brings the task into its state.
async fn each(
    caller: &Caller<'_>,
    acts: &[Act],
    prepare: impl Fn(&str),
    expected: impl Fn(Act) -> Option<&'static str>,
) {
    let mut faults = Vec::new();
    for way in WAYS {
        for act in acts {
            let id = format!("task-{}-{}", format!("{way:?}").to_lowercase(), format!("{act:?}").to_lowercase());
            prepare(&id);
            let path = format!("{FOLDER}/{id}.md");
            let before = caller.sandbox.read(&path);
            let got = caller.act(way, *act, &id).await;
            if got.as_deref() == Some("absent") {
                continue;
            }
            let expected = expected(*act);
            if got.as_deref() != expected {
                faults.push(format!("{way:?} {act:?}: {got:?} instead of {expected:?}"));
            }
            let after = caller.sandbox.read(&path);
            // Beside a server the claim of the other clone may come in.
            let is_kept = if caller.url.is_some() { !after.contains("claimed_by: ben") } else { after == before };
            if expected.is_some() && !is_kept {
                faults.push(format!("{way:?} {act:?}: was refused and changed the document"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

pub(super) fn run(sandbox: &Sandbox, arguments: &[&str]) {
    sandbox.mycelium(arguments).ok();
}

pub(super) fn create(sandbox: &Sandbox, id: &str) {
    run(sandbox, &["task", "create", "--id", id, "--type", "x", "--step", "Read", "--quiet"]);
}

#[tokio::test]
async fn a_task_of_another_holder_is_refused_on_every_way() {
    let sandbox = repository();
    let ben = Caller::new(&sandbox, "ben", None, None).await;
    let prepare = |id: &str| {
        create(&sandbox, id);
        run(&sandbox, &["task", "claim", id, "--as", "ann", "--quiet"]);
    };
    // A note is never refused.
    each(&ben, &ACTS, prepare, |act| (act != Act::Note).then_some("claim-lost")).await;
    ben.client.close().await;
}

#[tokio::test]
async fn a_lost_fence_is_refused_on_every_way() {
    let sandbox = repository();
    let ann = Caller::new(&sandbox, "ann", Some(1), None).await;
    let prepare = |id: &str| {
        create(&sandbox, id);
        run(&sandbox, &["task", "claim", id, "--as", "ann", "--quiet"]);
        run(&sandbox, &["task", "release", id, "--as", "ann", "--quiet"]);
        run(&sandbox, &["task", "claim", id, "--as", "ann", "--quiet"]);
    };
    let acts = ACTS.into_iter().filter(|act| act.takes_fence()).collect::<Vec<_>>();
    each(&ann, &acts, prepare, |_| Some("claim-lost")).await;
    ann.client.close().await;
}

#[tokio::test]
async fn a_task_that_the_server_gave_away_is_begun_on_no_way() {
    let Some(server) = Server::start("a_task_that_the_server_gave_away_is_begun_on_no_way") else { return };
    let (sandbox, other) = (repository(), repository());
    let ann = Caller::new(&other, "ann", None, Some(server.url())).await;
    let ben = Caller::new(&sandbox, "ben", None, Some(server.url())).await;
    let prepare = |id: &str| {
        create(&sandbox, id);
        let there = other.path(&format!("{FOLDER}/{id}.md"));
        eventually("the task is in the other clone", || there.is_file());
        let claimed = ann.start(&["task", "claim", id, "--require-mode", "redis", "--json"]).output().unwrap();
        assert!(claimed.status.success(), "{}", String::from_utf8_lossy(&claimed.stderr));
    };
    each(&ben, &[Act::Begin], prepare, |_| Some("claim-lost")).await;
    for caller in [ann, ben] {
        caller.client.close().await;
    }
}

#[tokio::test]
async fn where_the_server_must_decide_and_cannot_nothing_is_begun_on_any_way() {
    let Some(mut server) = Server::start("where_the_server_must_decide_and_cannot_nothing_is_begun_on_any_way") else {
        return;
    };
    let sandbox = repository();
    let url = server.url();
    let building = builder(&sandbox).agent("ben").setting("coordination.redis.url", &url);
    let client = building.require_mode(mycelium::client::Mode::Redis).build().await.unwrap();
    let ben = Caller { sandbox: &sandbox, agent: "ben", fence: None, url: Some(url), required: Some("redis"), client };
    for way in WAYS {
        create(&sandbox, &format!("task-{}-begin", format!("{way:?}").to_lowercase()));
    }
    server.kill();
    let mut faults = Vec::new();
    for way in WAYS {
        let id = format!("task-{}-begin", format!("{way:?}").to_lowercase());
        let got = ben.act(way, Act::Begin, &id).await;
        let is_refused = got.as_deref().is_some_and(|code| matches!(code, "undecided" | "mode-unreached"));
        let is_pending = sandbox.read(&format!("{FOLDER}/{id}.md")).contains("status: pending");
        if !is_refused || !is_pending {
            faults.push(format!("{way:?}: {got:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    ben.client.close().await;
}
