//! What people and programs see of a server: whether it is live, what it costs, who is trusted, and never a password.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mycelium::client::{CoordinationClient, Error, Mode};
use serde_json::Value;

use crate::server::{Server, eventually};
use crate::support::{Run, Sandbox};

const SECRET: &str = "geheim4711";
/// Nothing answers there.
const DEAD: &str = "redis://127.0.0.1:1";
/// Patience that a test can wait for.
const SHORT: [(&str, &str); 2] = [
    ("MYCELIUM_COORDINATION_REDIS_CONNECTION_TIMEOUT_SECONDS", "1"),
    ("MYCELIUM_COORDINATION_REDIS_RETRY_ATTEMPTS", "1"),
];

fn run(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> Run {
    Run::of(sandbox.mycelium_command(arguments).env("REDIS_URL", url).envs(SHORT))
}

/// `data` of an answer.
fn data(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> Value {
    let answer = run(sandbox, url, &[arguments, &["--json"]].concat()).ok();
    serde_json::from_str::<Value>(&answer).expect("JSON")["data"].clone()
}

fn state(sandbox: &Sandbox, url: &str) -> (String, String) {
    let data = data(sandbox, url, &["status"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&data["mode"]), text(&data["bridge"]["state"]))
}

fn words(mode: &str, state: &str) -> (String, String) {
    (mode.to_owned(), state.to_owned())
}

#[test]
fn a_live_server_is_told_and_a_dead_one_too() {
    let Some(mut server) = Server::start("a_live_server_is_told_and_a_dead_one_too") else { return };
    let sandbox = Sandbox::new();
    let url = server.url();
    let found = data(&sandbox, &url, &["bridge", "detect"]);
    assert_eq!(state(&sandbox, &url), words("redis", "live"));
    assert_eq!((&found["mode"], &found["found"][0]["live"]), (&"redis".into(), &true.into()));
    assert!(found["server"]["name"].as_str().is_some_and(|name| name.contains('.')), "{found}");
    let _ = run(&sandbox, &url, &["task", "list", "--require-mode", "redis"]).ok();
    let doctor = data(&sandbox, &url, &["doctor"]);
    let checks = doctor["checks"].as_array().expect("checks").iter();
    let bridge: BTreeMap<_, _> =
        checks.filter(|check| check["group"] == "bridge").map(|check| (check["name"].to_string(), check)).collect();
    assert_eq!(bridge["\"server\""]["verdict"], "ok", "{bridge:?}");
    assert_eq!(bridge["\"rights\""]["verdict"], "ok", "{bridge:?}");
    assert_eq!(bridge["\"eviction\""]["verdict"], "ok", "{bridge:?}");

    // A server that once took longer than a brief look counts as seen for a minute, but not if it refuses.
    let mut health: Value = serde_json::from_str(&sandbox.read(".git/mycelium/bridge/health.json")).expect("JSON");
    health["answer_ms"] = 500.into();
    sandbox.write(".git/mycelium/bridge/health.json", &health.to_string());
    server.kill();
    // What was seen counts for a moment.
    eventually("it is down", || state(&sandbox, &url) == words("markdown", "down"));
    let refused = run(&sandbox, &url, &["task", "create", "--type", "x", "--require-mode", "redis"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(refused.stderr.contains("cannot be reached") && refused.stderr.contains("hint: "), "{refused:?}");
    assert_eq!(sandbox.documents(), Vec::<String>::new());

    server.restart();
    // It was dead a moment ago, so commands leave it alone; who asks with patience tells all others.
    assert_eq!(data(&sandbox, &url, &["bridge", "detect"])["mode"], "redis");
    assert_eq!(state(&sandbox, &url), words("redis", "live"));
}

#[test]
fn a_server_that_hangs_is_paid_for_once() {
    let Some(mut server) = Server::start("a_server_that_hangs_is_paid_for_once") else { return };
    let sandbox = Sandbox::new();
    let url = server.url();
    server.stop();
    assert_eq!(state(&sandbox, &url), words("markdown", "down"));
    let began = Instant::now();
    let health = sandbox.read(".git/mycelium/bridge/health.json");
    assert_eq!(state(&sandbox, &url), words("markdown", "down"));
    // Within the first second nobody asks again, and nobody writes that they did not.
    if began.elapsed() < Duration::from_millis(500) {
        assert_eq!(sandbox.read(".git/mycelium/bridge/health.json"), health);
    }
    let began = Instant::now();
    let refused = run(&sandbox, &url, &["status", "--require-mode", "redis"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(began.elapsed() > Duration::from_millis(900), "it was waited for as long as the settings say");
    assert!(refused.stderr.contains("did not answer"), "{refused:?}");
    server.go_on();
    let _ = run(&sandbox, &url, &["status", "--require-mode", "redis"]).ok();
}

#[test]
fn another_branch_pauses() {
    let Some(server) = Server::start("another_branch_pauses") else { return };
    let sandbox = Sandbox::new();
    assert_eq!(data(&sandbox, &server.url(), &["bridge", "detect"])["mode"], "redis");
    assert_eq!(state(&sandbox, &server.url()), words("redis", "live"));
    sandbox.git(&["switch", "--quiet", "--create", "other"]);
    assert_eq!(state(&sandbox, &server.url()), words("markdown", "paused"));
    let said = run(&sandbox, &server.url(), &["bridge", "status"]).ok();
    assert!(said.contains("`main` is mirrored, and other is checked out"), "{said}");
    let _ = run(&sandbox, &server.url(), &["bridge", "enable"]).ok();
    assert_eq!(state(&sandbox, &server.url()), words("redis", "live"));
}

#[test]
fn without_a_branch_nothing_is_mirrored_until_one_is_named() {
    let Some(server) = Server::start("without_a_branch_nothing_is_mirrored_until_one_is_named") else { return };
    let sandbox = Sandbox::new();
    sandbox.git(&["commit", "--quiet", "--allow-empty", "--message", "first"]);
    sandbox.git(&["checkout", "--quiet", "--detach"]);
    // On a busy machine the server may be too slow for a brief look, and is asked again after a second.
    eventually("it is paused", || state(&sandbox, &server.url()) == words("markdown", "paused"));
    let _ = run(&sandbox, &server.url(), &["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let refused = run(&sandbox, &server.url(), &["bridge", "push"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(refused.stderr.contains("no branch was checked out"), "{refused:?}");
    assert!(refused.stderr.contains("mycelium bridge enable --branch B"), "{refused:?}");
    assert!(!server.cli(&["KEYS", "*"]).contains("task-1"));
    sandbox.git(&["checkout", "--quiet", "main"]);
    let _ = run(&sandbox, &server.url(), &["bridge", "enable", "--branch", "main"]).ok();
    let _ = run(&sandbox, &server.url(), &["task", "create", "--type", "x", "--id", "task-2"]).ok();
    let _ = run(&sandbox, &server.url(), &["bridge", "push"]).ok();
    assert!(server.cli(&["KEYS", "*"]).contains("task-2"));
}

#[test]
fn a_server_has_one_branch() {
    let Some(server) = Server::start("a_server_has_one_branch") else { return };
    let (first, second) = (Sandbox::new(), Sandbox::new());
    let _ = run(&first, &server.url(), &["bridge", "push"]).ok();
    let status = run(&first, &server.url(), &["bridge", "status"]).ok();
    assert!(status.contains("compared") && !status.contains("never"), "{status}");
    assert_eq!(server.cli(&["HGET", "mycelium:space", "branch"]).trim_matches('"'), "main");
    second.git(&["switch", "--quiet", "--create", "feature"]);
    let _ = run(&second, &server.url(), &["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let refused = run(&second, &server.url(), &["bridge", "push"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(refused.stderr.contains("the server has `main`; this clone mirrors `feature`"), "{refused:?}");
    assert!(refused.stderr.contains("bridge.branch"), "{refused:?}");
    assert!(!server.cli(&["KEYS", "*"]).contains("task-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_knows_what_is_live() {
    let Some(mut server) = Server::start("a_client_knows_what_is_live") else { return };
    let sandbox = Sandbox::new();
    let builder = |url: &str| {
        let builder = CoordinationClient::builder().root(sandbox.root()).mode(Mode::Redis);
        let builder = builder.setting("coordination.redis.retry_attempts", "1");
        builder.setting("coordination.redis.url", url)
    };
    let client = builder(&server.url()).require_mode(Mode::Redis).build().await.expect("built");
    assert_eq!(client.mode(), Mode::Redis);
    let stats = client.get_stats().await.expect("figures");
    assert_eq!((stats.mode, stats.unreached, stats.overview.mode), (Mode::Redis, None, "redis"));
    assert_eq!(stats.bridges.first().map(|bridge| bridge.state), Some("live"));
    server.kill();
    // What was seen counts for a moment.
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    let stats = client.get_stats().await.expect("figures");
    assert_eq!((stats.mode, client.mode()), (Mode::Markdown, Mode::Markdown));
    assert!(stats.unreached.is_some_and(|unreached| unreached.wanted == Mode::Redis && !unreached.why.is_empty()));
    let refused = builder(DEAD).require_mode(Mode::Redis).build().await;
    assert!(matches!(refused, Err(Error::Mode { wanted: Mode::Redis, .. })), "{refused:?}");
    let on_files = builder(DEAD).build().await.expect("the files are there");
    assert_eq!(on_files.mode(), Mode::Markdown);
    let secret = CoordinationClient::builder().setting("coordination.redis.password", SECRET);
    let secret = secret.setting("coordination.redis.url", format!("redis://:{SECRET}@h"));
    assert!(!format!("{secret:?}").contains(SECRET));
}

/// Every file below a folder that holds the text.
fn holding(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            holding(&path, text, found);
        } else if std::fs::File::open(&path).is_ok_and(|mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).is_ok() && bytes.windows(text.len()).any(|part| part == text.as_bytes())
        }) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn a_password_is_never_shown_and_never_kept() {
    let Some(mut server) = Server::with("a_password_is_never_shown_and_never_kept", &["--requirepass", SECRET]) else {
        return;
    };
    let sandbox = Sandbox::new();
    let plain = format!("redis://127.0.0.1:{}", server.port());
    let inside = format!("redis://:{SECRET}@127.0.0.1:{}", server.port());
    let wrong = format!("redis://:{SECRET}-wrong@127.0.0.1:{}", server.port());
    let broken = format!("redis://me:{SECRET}@127.0.0.1:port");
    let lines: &[&[&str]] = &[
        &["bridge", "detect"],
        &["status"],
        &["status", "--verbose"],
        &["bridge", "status"],
        &["bridge", "detect"],
        &["bridge", "enable"],
        &["bridge", "push"],
        &["bridge", "pull", "--dry-run"],
        &["bridge", "disable"],
        &["bridge", "enable", &inside],
        &["doctor"],
        &["config", "list", "--show-origin"],
        &["config", "get", "coordination.redis.url"],
        &["config", "get", "coordination.redis.password"],
        &["config", "set", "coordination.redis.url", &inside],
        &["config", "set", "coordination.redis.password", SECRET],
        &["task", "create", "--type", "x", "--require-mode", "redis"],
    ];
    let mut live = 0;
    for _ in 0..2 {
        for (url, password) in [(&plain, SECRET), (&inside, ""), (&wrong, ""), (&broken, ""), (&plain, "other")] {
            for line in lines {
                for json in [&[][..], &["--json"]] {
                    let arguments = [*line, json].concat();
                    let mut command = sandbox.mycelium_command(&arguments);
                    let run = Run::of(command.env("REDIS_URL", url).env("REDIS_PASSWORD", password).envs(SHORT));
                    let said = format!("{}{}", run.stdout, run.stderr);
                    assert!(!said.contains(SECRET), "{arguments:?}: {said}");
                    live += usize::from(said.contains("\"state\":\"live\""));
                }
            }
        }
        server.kill();
    }
    assert!(live >= 3, "only {live} looks found the server");
    let mut found = Vec::new();
    holding(sandbox.root().parent().expect("its home"), SECRET, &mut found);
    assert_eq!(found, Vec::<String>::new());
}

/// Counts who comes.
fn door() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for guest in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(guest);
        }
    });
    (format!("redis://127.0.0.1:{port}"), count)
}

fn everything(sandbox: &Sandbox) {
    for line in [
        &["status"][..],
        &["doctor"],
        &["task", "create", "--type", "x"],
        &["task", "list"],
        &["bridge", "status"],
        &["bridge", "detect"],
        &["bridge", "push"],
        &["bridge", "pull", "--force"],
        &["status", "--require-mode", "redis"],
        &["config", "list"],
        &["watch", "--once"],
    ] {
        let _ = Run::of(sandbox.mycelium_command(line).env("REDIS_PASSWORD", SECRET).envs(SHORT));
    }
}

#[test]
fn nobody_calls_a_server_that_only_the_repository_names() {
    let (url, count) = door();
    let sandbox = Sandbox::new();
    let set = ["config", "set", "coordination.redis.url", &url];
    let _ = sandbox.mycelium(&set).ok();
    everything(&sandbox);
    assert_eq!(count.load(Ordering::SeqCst), 0);
    // An unpacked git directory may bring an agreement along that its owner gave, or made up.
    let generous = Sandbox::new();
    let _ = generous.mycelium(&set).ok();
    let _ = Run::of(generous.mycelium_command(&["bridge", "enable"]).envs(SHORT)).ok();
    let before = count.load(Ordering::SeqCst);
    assert!(before > 0, "with an agreement it is called");
    let agreement = generous.read(".git/mycelium/bridge/enabled.json");
    sandbox.write(".git/mycelium/bridge/enabled.json", &agreement);
    everything(&sandbox);
    sandbox.write(".git/mycelium/bridge/enabled.json", &agreement.replace("\"is_given\":false", "\"is_given\":true"));
    sandbox.write(".mycelium/config.json", "{}\n");
    everything(&sandbox);
    assert_eq!(count.load(Ordering::SeqCst), before);
    // An agreement is for one address.
    let (other, elsewhere) = door();
    let _ = generous.mycelium(&["config", "set", "coordination.redis.url", &other]).ok();
    everything(&generous);
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
}

#[test]
fn a_dead_server_costs_a_command_next_to_nothing() {
    let sandbox = Sandbox::new();
    let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let _ = run(&sandbox, DEAD, &["status"]).ok();
    let median = |url: &str| {
        let mut times: Vec<Duration> = (0..15)
            .map(|_| {
                let began = Instant::now();
                let _ = run(&sandbox, url, &["status"]).ok();
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[7]
    };
    let (none, dead) = (median(""), median(DEAD));
    println!("status: {none:?} without a server, {dead:?} with a dead one");
    assert!(dead < none + Duration::from_millis(25) + none / 2, "{dead:?} instead of {none:?}");
}
