//! Beside a server: what lies there, what goes over the wire, and what commands say of it.

use std::io::Read as _;
use std::process::{Child, Stdio};

use crate::monitor::Monitor;
use crate::names::Names;
use crate::server::{Server, eventually};
use crate::stage::Stage;
use crate::support::{FOLDER, Run, Sandbox};

/// What agents do, without a watcher.
const AGENTS: &[(i32, &str)] = &[
    (0, "bridge detect"),
    (0, "task create --type x --id task-1 --title one --payload {\"a\":1} --step s --description d --assigned-to bob"),
    (0, "task create --type x --id task-2 --depends-on task-1 --workflow workflow-1 --priority high"),
    (0, "agent set bob --status busy --metadata {\"m\":1} --active-task task-1 --ttl 300 --as bob"),
    (0, "agent beat bob"),
    (0, "workflow create --type x --id workflow-1 --title w --task task-1 --metadata {\"m\":1}"),
    (0, "workflow update workflow-1 --progress 0.5 --current-task task-1"),
    (0, "task claim task-1 --as bob"),
    (4, "task claim task-1 --as eve"),
    (0, "task renew task-1 --as bob"),
    (0, "task note task-1 flat --as bob"),
    (0, "task update task-1 --progress 0.5 --set review=required --as bob"),
    (0, "task release task-1 --as bob"),
    (0, "task claim task-1 --as bob"),
    (0, "task fail task-1 --error e --stack-trace t --as bob"),
    (0, "task retry task-1"),
    (0, "task claim task-1 --as bob"),
    (0, "task complete task-1 --result {\"ok\":1} --as bob"),
    (0, "task approve task-1 --as eve"),
    (0, "event publish a:b {\"event\":\"saved\"} --as bob"),
    (0, "bridge push --dry-run"),
    (0, "bridge push"),
    (0, "bridge pull"),
    (0, "bridge status"),
    (0, "status"),
    (0, "workflow complete workflow-1 --result {\"ok\":1}"),
    (0, "archive task-1"),
    (0, "task remove task-2"),
    (0, "agent remove bob"),
    (0, "event subscribe --timeout 1ms"),
];

/// Plays it; `None` where there is no server.
pub(crate) fn play(test: &str) -> Option<Names> {
    let server = Server::start(test)?;
    let monitor = Monitor::start(server.port());
    let mut stage = Stage::new(Sandbox::new());
    stage.set("REDIS_URL", &server.url());
    stage.play(AGENTS);
    claim(&mut stage);
    foreign(&mut stage, &server);
    // The server lost everything.
    server.cli(&["FLUSHALL"]);
    stage.play(&[(0, "bridge push"), (0, "bridge status")]);
    let mut names = stage.end();
    monitor.end(&server, &mut names);
    Some(names)
}

/// A claim that the server decides. It waits a few milliseconds for the server, which a busy machine may not have; after that
/// the server is left alone until a command with more patience has seen it.
fn claim(stage: &mut Stage) {
    stage.ask(&[(0, "task create --type x --id task-6")]);
    let is_decided = (0..100).any(|_| {
        let _ = (stage.run("task release task-6 --as bob"), stage.run("bridge detect"));
        stage.run("task claim task-6 --as bob --require-mode redis").stdout.contains("\"decided\":\"there\"")
    });
    assert!(is_decided, "the server never decided");
}

/// A program that knows only the server, beside a watcher.
fn foreign(stage: &mut Stage, server: &Server) {
    let mut watcher = Watcher::start(stage, server);
    server.cli(&["HSET", "tasks:task-8", "type", "x", "status", "pending", "priority", "low"]);
    server.cli(&["LPUSH", "tasks:queue:normal", "{\"id\":\"task-9\",\"type\":\"x\"}"]);
    let folder = stage.sandbox.path(FOLDER);
    let has = |name: &str, line: &str| {
        std::fs::read_to_string(folder.join(format!("{name}.md"))).is_ok_and(|text| text.contains(line))
    };
    let is_listed = || server.cli(&["LRANGE", "tasks:queue:normal", "0", "-1"]) == "task-9";
    eventually("both are documents", || has("task-8", "type: x") && has("task-9", "type: x") && is_listed());
    server.cli(&["RPOP", "tasks:queue:normal"]);
    eventually("it is reported as taken", || stage.run("bridge status").stdout.contains("redis:unknown"));
    // It is put back. From now on a lease is short.
    server.cli(&["LPUSH", "tasks:queue:normal", "task-9"]);
    eventually("it is reported no more", || !stage.run("bridge status").stdout.contains("redis:unknown"));
    stage.ask(&[(0, "config set claim.lease 100ms")]);
    // The watcher reads the new setting at some moment. Before it does, the lease is long: then the next round tries again.
    eventually("it runs without a name and comes back", || {
        server.cli(&["RPOP", "tasks:queue:normal"]);
        server.cli(&["HSET", "tasks:task-9", "status", "running"]);
        eventually("it runs", || has("task-9", "status: running"));
        let is_back = (0..40).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(25));
            has("task-9", "status: pending")
        });
        if !is_back {
            server.cli(&["HSET", "tasks:task-9", "status", "pending"]);
        }
        is_back
    });
    server.cli(&["PUBLISH", "training:progress", "{\"event\":\"saved\"}"]);
    eventually("it is written down", || stage.run("event list training:*").stdout.contains("saved"));
    stage.ask(&[(0, "event list --limit 100"), (0, "status"), (0, "bridge status"), (0, "bridge detect")]);
    watcher.end(stage);
    stage.play(&[(0, "commit")]);
}

/// A watching process.
struct Watcher(Child);

impl Watcher {
    fn start(stage: &Stage, server: &Server) -> Self {
        let mut command = stage.sandbox.mycelium_command(&["watch", "--json"]);
        command.env("REDIS_URL", server.url()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        eventually("the watcher leads", || server.cli(&["EXISTS", "mycelium:recorder"]) == "1");
        Self(child)
    }

    fn end(&mut self, stage: &mut Stage) {
        let id = self.0.id().to_string();
        let _ = Run::of(stage.sandbox.command("kill").args(["-TERM", &id])).ok();
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.0.wait().unwrap().code().is_some(), "{said}");
        stage.names.lines(&said);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
