//! Events between clones over a server: each comes once, whoever tells it, and none is lost when the server goes.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mycelium::name::{Channel, ChannelPattern};
use mycelium::services::{Follower, Opening, Project, Subscription};
use serde_json::{Value, json};

use crate::listener::PATIENCE;
use crate::server::{Server, eventually};
use crate::support::stop::StopOnDrop;
use crate::support::{Run, Sandbox};

/// For so long nothing more may come.
const QUIET: Duration = Duration::from_millis(1_500);

fn clone_of(url: &str, prefix: &str) -> (Sandbox, Project) {
    let sandbox = Sandbox::new();
    let project = open(&sandbox, url, prefix);
    (sandbox, project)
}

fn open(sandbox: &Sandbox, url: &str, prefix: &str) -> Project {
    let flags = [("coordination.redis.url", url), ("coordination.redis.prefix", prefix)];
    let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Project::open(Opening { root: Some(sandbox.root().to_owned()), flags, ..Opening::default() }).unwrap()
}

fn follow(project: &Project) -> Follower {
    Follower::start_unless_watched(project).unwrap().expect("a server is wanted")
}

fn cli(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> String {
    Run::of(&mut command(sandbox, url, arguments)).ok()
}

fn command(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> Command {
    let mut command = sandbox.mycelium_command(arguments);
    command.env("REDIS_URL", url);
    command
}

/// A watcher, which ends with this.
struct Watching(Child);

impl Watching {
    fn start(sandbox: &Sandbox, url: &str) -> Self {
        let child = command(sandbox, url, &["watch", "--json"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let watching = Self(child.unwrap());
        let store = Project::open(Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() }).unwrap();
        eventually("a watcher runs", || matches!(store.store().locks.watcher(), Ok(Some(_))));
        watching
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn live(project: &Project) {
    let record = project.bridge().health().pop().expect("a server");
    eventually("it is followed", || {
        record.read().is_some_and(|health| health.state.word() == "live" && health.follower.is_some())
    });
}

fn listen(project: &Project, pattern: &str) -> Subscription {
    project.events().subscribe(vec![ChannelPattern::new(pattern).unwrap()], None).unwrap()
}

/// Events until this many have come, and what comes in a quiet time after.
fn heard(subscription: &mut Subscription, count: usize, quiet: Duration) -> Vec<(Instant, Value)> {
    let mut heard = Vec::new();
    let until = Instant::now() + PATIENCE;
    while heard.len() < count {
        let left = until.saturating_duration_since(Instant::now());
        let Some(event) = subscription.next(left).unwrap() else { panic!("{count} were told: {heard:#?}") };
        heard.push((Instant::now(), event.to_json()));
    }
    while let Some(event) = subscription.next(quiet).unwrap() {
        heard.push((Instant::now(), event.to_json()));
    }
    heard
}

fn publish(project: &Project, n: usize) -> String {
    project
        .events()
        .publish(project.actor(), Channel::new("training:events").unwrap(), json!({ "event": "step", "n": n }))
        .unwrap()
        .to_string()
}

fn numbers(heard: &[(Instant, Value)]) -> Vec<u64> {
    heard.iter().filter_map(|(_, event)| event["n"].as_u64()).collect()
}

#[test]
fn what_is_told_in_one_clone_is_heard_in_another_at_once_and_once() {
    let Some(server) = Server::start("what_is_told_in_one_clone_is_heard_in_another_at_once_and_once") else { return };
    let (url, prefix) = (server.url(), "");
    let ((here, ours), (_there, theirs)) = (clone_of(&url, prefix), clone_of(&url, prefix));
    let mut subscription = listen(&theirs, "training:*");
    let follower = follow(&ours);
    live(&ours);
    let mut times = Vec::new();
    let mut ids = Vec::new();
    for n in 0..20 {
        let began = Instant::now();
        ids.push(publish(&ours, n));
        let event = subscription.next(PATIENCE).unwrap().expect("told");
        times.push(began.elapsed());
        assert_eq!((event.id.as_str(), &event.body["n"]), (ids[n].as_str(), &json!(n)));
    }
    times.sort_unstable();
    println!("measured: from publish in one clone to a subscriber in another {:?} (median of 20)", times[10]);
    drop(follower);
    // A command by itself.
    cli(&here, &url, &["event", "publish", "training:events", r#"{"event": "step", "n": 20}"#]);
    // And one beside a watcher.
    let watching = Watching::start(&here, &url);
    live(&ours);
    cli(&here, &url, &["event", "publish", "training:events", r#"{"event": "step", "n": 21}"#]);
    let rest = heard(&mut subscription, 2, QUIET);
    assert_eq!(numbers(&rest), [20, 21], "{rest:#?}");
    drop(watching);
}

#[test]
fn what_happens_to_tasks_has_one_id_in_all_clones() {
    let Some(server) = Server::start("what_happens_to_tasks_has_one_id_in_all_clones") else { return };
    let url = server.url();
    let ((here, ours), (_there, theirs)) = (clone_of(&url, ""), clone_of(&url, ""));
    let mut subscription = listen(&theirs, "*");
    let mut ends = listen(&theirs, "tasks:completed");
    let (_a, _b) = (follow(&ours), follow(&theirs));
    live(&ours);
    live(&theirs);
    cli(&here, &url, &["task", "create", "--id", "task-1", "--type", "t"]);
    cli(&here, &url, &["task", "claim", "task-1", "--as", "bob"]);
    cli(&here, &url, &["task", "complete", "task-1", "--result", r#"{"loss": 0.1}"#, "--as", "bob"]);
    let end = heard(&mut ends, 1, QUIET);
    assert_eq!(end.len(), 1, "{end:#?}");
    assert_eq!((&end[0].1["task_id"], &end[0].1["agent"]), (&json!("task-1"), &json!("bob")));
    let all = heard(&mut subscription, 3, QUIET);
    let mut by_id = BTreeMap::new();
    for (_, event) in &all {
        *by_id.entry(event["id"].to_string()).or_insert(0) += 1;
    }
    assert!(by_id.values().all(|count| *count == 1), "{all:#?}");
    // The files of both clones tell it under the id under which the server did.
    for project in [&ours, &theirs] {
        let told = project.events().list(&mycelium::services::Filter::default()).unwrap();
        let done: Vec<_> = told.iter().filter(|event| event.event == "completed").collect();
        assert_eq!(done.len(), 1, "{told:#?}");
        assert_eq!(done[0].id.as_str(), end[0].1["id"]);
    }
}

#[test]
fn a_server_that_dies_costs_no_event_and_repeats_none() {
    let Some(mut server) = Server::start("a_server_that_dies_costs_no_event_and_repeats_none") else { return };
    let url = server.url();
    let ((here, ours), (there, theirs)) = (clone_of(&url, ""), clone_of(&url, ""));
    let (_a, _b) = (follow(&ours), follow(&theirs));
    live(&ours);
    let mut subscription = listen(&theirs, "training:*");
    let is_over = AtomicBool::new(false);
    let (told_a, told_b, all) = std::thread::scope(|scope| {
        let end = StopOnDrop(&is_over);
        let tell = |sandbox, first: usize| {
            let (is_over, url) = (&is_over, &url);
            move || {
                let project = open(sandbox, url, "");
                let mut n = first;
                while !is_over.load(Ordering::SeqCst) {
                    publish(&project, n);
                    n += 1;
                    std::thread::sleep(Duration::from_millis(25));
                }
                n - first
            }
        };
        let (a, b) = (scope.spawn(tell(&here, 0)), scope.spawn(tell(&there, 1_000_000)));
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(700));
            server.kill();
            std::thread::sleep(Duration::from_millis(700));
            server.restart();
        }
        std::thread::sleep(Duration::from_millis(700));
        drop(end);
        let (a, b) = (a.join().unwrap(), b.join().unwrap());
        (a, b, heard(&mut subscription, a + b, QUIET))
    });
    let all = numbers(&all);
    let (a, b): (Vec<u64>, Vec<u64>) = all.iter().partition(|n| **n < 1_000_000);
    assert_eq!(b, (1_000_000..1_000_000 + told_b as u64).collect::<Vec<_>>(), "in order, each once");
    assert_eq!(a, (0..told_a as u64).collect::<Vec<_>>(), "in order, each once");
}

#[test]
fn what_is_told_while_the_server_is_away_reaches_it_afterwards_in_order() {
    let Some(mut server) = Server::start("what_is_told_while_the_server_is_away_reaches_it_afterwards_in_order") else {
        return;
    };
    let url = server.url();
    let ((here, ours), (_there, theirs)) = (clone_of(&url, ""), clone_of(&url, ""));
    let mut subscription = listen(&theirs, "training:*");
    server.kill();
    // Commands of which nobody follows the server: the first that reaches it again tells what the others could not.
    for n in 0..3 {
        cli(&here, &url, &["event", "publish", "training:events", &format!(r#"{{"event": "step", "n": {n}}}"#)]);
    }
    server.restart();
    eventually("the server is tried again", || {
        let told = cli(&here, &url, &["bridge", "detect", "--json"]);
        serde_json::from_str::<Value>(&told).unwrap()["data"]["mode"] == "redis"
    });
    cli(&here, &url, &["event", "publish", "training:events", r#"{"event": "step", "n": 3}"#]);
    assert_eq!(numbers(&heard(&mut subscription, 4, QUIET)), [0, 1, 2, 3]);
    // And one that follows it, begun while it is away.
    server.kill();
    let _follower = follow(&ours);
    for n in 4..8 {
        publish(&ours, n);
    }
    server.restart();
    live(&ours);
    assert_eq!(numbers(&heard(&mut subscription, 4, QUIET)), [4, 5, 6, 7]);
}

#[test]
fn what_others_publish_there_is_written_down_and_comes_once() {
    let Some(server) = Server::start("what_others_publish_there_is_written_down_and_comes_once") else { return };
    let url = server.url();
    let prefix = "team:";
    let ((_here, ours), (_there, theirs)) = (clone_of(&url, prefix), clone_of(&url, prefix));
    let (_a, _b) = (follow(&ours), follow(&theirs));
    live(&ours);
    live(&theirs);
    let mut subscriptions = [listen(&ours, "*"), listen(&theirs, "*")];
    // One of them has the lead within moments.
    eventually("one of them leads", || server.cli(&["GET", "team:mycelium:recorder"]) != "(nil)");
    server.cli(&["PUBLISH", "team:training:events", "plain words"]);
    server.cli(&["PUBLISH", "team:training:events", r#"{"event": "odd", "n": 7}"#]);
    server.cli(&["PUBLISH", "training:events", "not ours"]);
    let mut ids = Vec::new();
    for subscription in &mut subscriptions {
        let heard = heard(subscription, 2, QUIET);
        assert_eq!(heard.len(), 2, "{heard:#?}");
        assert_eq!(heard[0].1["value"], "plain words");
        assert_eq!((&heard[1].1["event"], &heard[1].1["n"]), (&json!("odd"), &json!(7)));
        assert!(heard.iter().all(|(_, event)| event["channel"] == "training:events"), "{heard:#?}");
        ids.push(heard.iter().map(|(_, event)| event["id"].to_string()).collect::<Vec<_>>());
    }
    assert_eq!(ids[0], ids[1], "all clones know them by one id");
}

#[test]
fn all_subscriptions_share_one_connection_and_the_last_one_closes_it() {
    let Some(server) = Server::start("all_subscriptions_share_one_connection_and_the_last_one_closes_it") else {
        return;
    };
    let url = server.url();
    let (_here, ours) = clone_of(&url, "");
    let connections = || server.cli(&["CLIENT", "LIST"]).lines().filter(|line| !line.contains(" psub=0")).count();
    let before = connections();
    let mut subscriptions = vec![listen(&ours, "training:*")];
    eventually("it listens", || connections() == before + 1);
    for pattern in ["a:*", "*", "b:c", "training:*"] {
        subscriptions.push(listen(&ours, pattern));
    }
    // The second one has begun before the first one ends.
    eventually("one listens for all", || connections() == before + 1);
    drop(subscriptions);
    eventually("none is left", || connections() == before);
}

#[test]
fn every_subscriber_of_a_clone_hears_each_event_of_another_once_and_in_order() {
    let Some(server) = Server::start("every_subscriber_of_a_clone_hears_each_event_of_another_once_and_in_order")
    else {
        return;
    };
    let url = server.url();
    let ((here, ours), (there, theirs)) = (clone_of(&url, ""), clone_of(&url, ""));
    let (_a, _b) = (follow(&ours), follow(&theirs));
    live(&ours);
    live(&theirs);
    let patterns = ["training:*", "training:events", "*", "tasks:completed", "tasks:*"];
    let mut all: Vec<_> = patterns.iter().map(|pattern| (*pattern, listen(&theirs, pattern))).collect();
    // It comes and goes all the time.
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let end = StopOnDrop(&is_over);
        scope.spawn(|| {
            let project = open(&there, &url, "");
            while !is_over.load(Ordering::SeqCst) {
                let heard = numbers(&heard(&mut listen(&project, "?raining:*"), 0, Duration::from_millis(20)));
                assert!(heard.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{heard:?}");
            }
        });
        for n in 0..30 {
            publish(&ours, n);
        }
        cli(&here, &url, &["task", "create", "--id", "task-1", "--type", "t"]);
        cli(&here, &url, &["task", "claim", "task-1", "--as", "bob"]);
        cli(&here, &url, &["task", "complete", "task-1", "--as", "bob"]);
        for (pattern, subscription) in &mut all {
            let steps = usize::from(pattern.starts_with("training") || *pattern == "*") * 30;
            let wanted = steps + usize::from(pattern.starts_with("tasks") || *pattern == "*");
            let heard = heard(subscription, wanted, QUIET);
            assert_eq!(numbers(&heard), (0..u64::try_from(steps).unwrap()).collect::<Vec<_>>(), "{pattern}");
            let completed = heard.iter().filter(|(_, event)| event["event"] == "completed").count();
            assert_eq!(completed, usize::from(wanted > steps), "{pattern}: {heard:#?}");
            let ids: std::collections::BTreeSet<_> = heard.iter().map(|(_, event)| event["id"].to_string()).collect();
            assert_eq!(ids.len(), heard.len(), "{pattern}: {heard:#?}");
        }
        drop(end);
    });
}

#[test]
fn a_slow_subscriber_hears_everything() {
    let Some(server) = Server::start("a_slow_subscriber_hears_everything") else { return };
    let url = server.url();
    let (_here, ours) = clone_of(&url, "");
    let mut subscription = listen(&ours, "training:*");
    let link = server.link();
    let count = 9_000_usize;
    for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
        let messages: Vec<_> = chunk
            .iter()
            .map(|n| mycelium::redis::Message {
                channel: "training:events".to_owned(),
                payload: json!({
                    "id": format!("20260101T000000Z-{n:016x}"), "at": mycelium::services::now().to_the_millisecond(),
                    "channel": "training:events", "event": "step", "n": n,
                })
                .to_string()
                .into_bytes(),
            })
            .collect();
        link.publish(&messages).unwrap();
    }
    let all = numbers(&heard(&mut subscription, count, QUIET));
    assert_eq!(all, (0..count as u64).collect::<Vec<_>>());
}

#[test]
fn without_a_server_nothing_is_begun() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.mycelium_command(&["event", "subscribe", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let tasks = format!("/proc/{}/task", child.id());
    let names: Vec<String> = std::fs::read_dir(tasks)
        .unwrap()
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !names.iter().any(|name| name.contains("ear") || name.contains("bridge") || name.contains("redis")),
        "{names:?}"
    );
}

#[test]
fn a_stream_that_begins_anew_is_heard() {
    let Some(mut server) = Server::start("a_stream_that_begins_anew_is_heard") else { return };
    let url = server.url();
    let (_here, ours) = clone_of(&url, "");
    // The clock of the server was far ahead.
    server.cli(&["XADD", "mycelium:events", "99999999999999-1", "channel", "a:b", "payload", "{}"]);
    let mut subscription = listen(&ours, "training:*");
    server.kill();
    server.restart();
    let payload = json!({
        "id": "20260101T000000Z-00000000000000aa", "at": mycelium::services::now().to_the_millisecond(),
        "channel": "training:events", "event": "step", "n": 1,
    });
    let message =
        mycelium::redis::Message { channel: "training:events".to_owned(), payload: payload.to_string().into_bytes() };
    server.link().publish(&[message]).unwrap();
    assert_eq!(numbers(&heard(&mut subscription, 1, QUIET)), [1]);
}

#[test]
fn without_a_prefix_other_programs_and_other_databases_are_not_heard() {
    let Some(server) = Server::start("without_a_prefix_other_programs_and_other_databases_are_not_heard") else {
        return;
    };
    let (url, other_url) = (server.url(), server.url().replace("/0", "/1"));
    let ((_here, ours), (_there, theirs)) = (clone_of(&url, ""), clone_of(&other_url, ""));
    let (_a, _b) = (follow(&ours), follow(&theirs));
    live(&ours);
    live(&theirs);
    eventually("it leads", || server.cli(&["GET", "mycelium:recorder"]).len() > 8);
    let mut subscriptions = [listen(&ours, "training:*"), listen(&theirs, "training:*")];
    server.cli(&["PUBLISH", "chat:room", "of another program"]);
    publish(&ours, 1);
    publish(&theirs, 2);
    for (subscription, n) in subscriptions.iter_mut().zip([1, 2]) {
        assert_eq!(numbers(&heard(subscription, 1, QUIET)), [n]);
    }
    let told = ours.events().list(&mycelium::services::Filter::default()).unwrap();
    assert!(told.iter().all(|event| event.channel.as_str() != "chat:room"), "{told:#?}");
}
