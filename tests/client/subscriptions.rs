//! Many subscriptions in one process: what they cost, and that each gets every event once and in order.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycelium::client::{CoordinationClient, Events};
use mycelium::name::EventId;
use serde_json::{Value, json};

use crate::server::eventually;
use crate::support::Run;
use crate::{builder, client, repository};

/// Longer than anything here takes on a slow machine.
const LONG: Duration = Duration::from_secs(60);

async fn next(events: &mut Events) -> Value {
    let event = tokio::time::timeout(LONG, events.next()).await.expect("an event");
    event.expect("goes on").unwrap().to_json()
}

async fn publish(client: &CoordinationClient, n: usize) -> EventId {
    client.publish_event("training:events", json!({ "event": "step", "n": n })).await.unwrap()
}

/// What this process has of the system.
#[derive(Debug)]
struct Resources {
    threads: usize,
    descriptors: usize,
    inotify: usize,
}

impl Resources {
    /// Not more than another; threads that had nothing to do may have ended since.
    fn are_at_most(&self, other: &Self) -> bool {
        self.threads <= other.threads && self.descriptors <= other.descriptors && self.inotify == other.inotify
    }
}

fn resources() -> Resources {
    let links: Vec<_> =
        fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).collect();
    let is_inotify = |link: &&std::path::PathBuf| link.to_string_lossy().contains("inotify");
    Resources {
        threads: fs::read_dir("/proc/self/task").unwrap().count(),
        descriptors: links.len(),
        inotify: links.iter().filter(is_inotify).count(),
    }
}

/// Waits until this process has no more than that: what looks at a folder has threads of its own for a moment.
fn no_more_than(most: &Resources) {
    eventually(&format!("not more than {most:?}"), || resources().are_at_most(most));
}

/// How often the threads that read for subscribers have slept, each.
fn switches() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let reading = threads.filter(|path| {
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        name.starts_with("mycelium-events") || name.starts_with("notify")
    });
    let status = reading.map(|path| fs::read_to_string(path.join("status")).unwrap_or_default());
    let counts = |text: String| text.lines().filter(|line| line.contains("voluntary")).collect::<Vec<_>>().join(" ");
    status.map(counts).collect()
}

#[test]
fn a_thousand_subscriptions_take_what_one_takes_and_sleep() {
    let sandbox = repository();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "subscriptions::counted_in_a_process_of_its_own"]);
    Run::of(command.env("MYCELIUM_ROOT", sandbox.root())).ok();
}

#[tokio::test]
#[ignore = "run by `a_thousand_subscriptions_take_what_one_takes_and_sleep`"]
async fn counted_in_a_process_of_its_own() {
    let names = ["a", "b", "c", "d"];
    let mut clients = Vec::new();
    for name in names {
        let client = CoordinationClient::builder().agent(name).build().await.unwrap();
        client.list_agents().await.unwrap();
        clients.push(client);
    }
    let none = resources();
    let mut all = vec![clients[0].subscribe_events("*").await.unwrap()];
    // What begins wakes up a few times.
    publish(&clients[0], 0).await;
    next(&mut all[0]).await;
    std::thread::sleep(Duration::from_millis(500));
    let mut one = resources();
    eventually(&format!("two threads and one watch more than {none:?}"), || {
        one = resources();
        one.threads <= none.threads + 2 && one.inotify == none.inotify + 1
    });
    let patterns = ["*", "training:*", "training:events", "t?aining:*"];
    while all.len() < 1_000 {
        let place = all.len() % clients.len();
        all.push(clients[place].subscribe_events(patterns[place]).await.unwrap());
    }
    no_more_than(&one);
    // On a busy machine it takes a while until all that has begun is done.
    eventually("no thread wakes up for a second", || {
        let before = switches();
        assert!(!before.is_empty());
        std::thread::sleep(Duration::from_secs(1));
        switches() == before
    });
    for (n, client) in clients.iter().enumerate().skip(1) {
        publish(client, n).await;
    }
    for events in &mut all {
        for n in 1..=3 {
            assert_eq!(next(events).await["n"], n);
        }
    }
    no_more_than(&one);
    drop(all);
    eventually("the threads end", || switches().is_empty() && resources().inotify == none.inotify);
}

/// Events until one has this number.
async fn until(events: &mut Events, n: usize) -> Vec<usize> {
    let mut seen = Vec::new();
    while seen.last() != Some(&n) {
        let event = next(events).await;
        seen.extend(event["n"].as_u64().map(|n| usize::try_from(n).unwrap()));
    }
    seen
}

/// Subscribes, takes some, leaves, and goes on behind the last one, until the end.
async fn come_and_go(client: CoordinationClient, first: EventId, last: usize, take: usize) -> Vec<usize> {
    let (mut since, mut seen) = (first, Vec::new());
    while seen.last() != Some(&last) {
        let mut events = client.subscribe_events_since("training:*", &since).await.unwrap();
        for _ in 0..take {
            let event = next(&mut events).await;
            seen.push(usize::try_from(event["n"].as_u64().unwrap()).unwrap());
            since = EventId::new(event["id"].as_str().unwrap()).unwrap();
            if seen.last() == Some(&last) {
                break;
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_gets_every_event_once_and_in_order_while_others_come_and_go() {
    const LAST: usize = 300;
    let sandbox = repository();
    let quick = || builder(&sandbox).agent("a").setting("commit.auto", "false").setting("markdown.durability", "off");
    let (writer, reader) = (quick().build().await.unwrap(), quick().build().await.unwrap());
    let first = publish(&writer, 0).await;
    let mut stays = Vec::new();
    for pattern in ["*", "training:*", "training:events"] {
        for client in [&writer, &reader] {
            stays.push(client.subscribe_events(pattern).await.unwrap());
        }
    }
    let is_over = std::sync::Arc::new(AtomicBool::new(false));
    let comers: Vec<_> =
        [1, 7, 40].map(|take| tokio::spawn(come_and_go(reader.clone(), first.clone(), LAST, take))).into();
    let passers = tokio::spawn({
        let (client, is_over) = (reader.clone(), is_over.clone());
        async move {
            let mut runs = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                let mut events = client.subscribe_events("training:*").await.unwrap();
                let mut run = Vec::new();
                while run.len() < 3 && !is_over.load(Ordering::SeqCst) {
                    if let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), events.next()).await {
                        run.push(event.unwrap().to_json()["n"].as_u64().unwrap());
                    }
                }
                runs.push(run);
            }
            runs
        }
    });
    for n in 1..=LAST {
        publish(&writer, n).await;
    }
    let all: Vec<usize> = (1..=LAST).collect();
    for events in &mut stays {
        assert_eq!(until(events, LAST).await, all);
    }
    for comer in comers {
        assert_eq!(comer.await.unwrap(), all);
    }
    is_over.store(true, Ordering::SeqCst);
    for run in passers.await.unwrap() {
        assert!(run.windows(2).all(|pair| pair[1] == pair[0] + 1), "{run:?}");
    }
}

#[tokio::test]
async fn a_slow_subscriber_holds_up_no_other_and_hears_that_something_is_missing() {
    const LAST: usize = 300;
    let sandbox = repository();
    let quick = builder(&sandbox).agent("a").setting("commit.auto", "false").setting("markdown.durability", "off");
    let client = quick.build().await.unwrap();
    let mut slow = client.subscribe_events("training:*").await.unwrap();
    let mut quick = client.subscribe_events("training:*").await.unwrap();
    let filler = "x".repeat(16_000);
    for n in 1..=LAST {
        let event = json!({ "event": "step", "n": n, "filler": filler });
        client.publish_event("training:events", event).await.unwrap();
        assert_eq!(next(&mut quick).await["n"], n);
    }
    let mut seen = Vec::new();
    let notice = loop {
        let event = next(&mut slow).await;
        if event["event"] == "replaced" {
            break event;
        }
        seen.push(event);
    };
    assert!(seen.len() > 200 && seen.len() < LAST, "{} events of 16 KB fit into 4 MiB", seen.len());
    assert!(seen.iter().enumerate().all(|(at, event)| event["n"] == at + 1));
    assert_eq!((&notice["channel"], &notice["since"]), (&json!("snapshot:replaced"), &seen[seen.len() - 1]["id"]));
    // What is missing is still in the change log, and what comes next comes as ever.
    let since = EventId::new(notice["since"].as_str().unwrap()).unwrap();
    let mut rest = client.subscribe_events_since("training:*", &since).await.unwrap();
    for n in seen.len() + 1..=LAST {
        assert_eq!(next(&mut rest).await["n"], n);
    }
    publish(&client, LAST + 1).await;
    for events in [&mut slow, &mut quick, &mut rest] {
        assert_eq!(next(events).await["n"], LAST + 1);
    }
}

#[tokio::test]
async fn subscriptions_of_two_folders_have_nothing_in_common() {
    let (here, there) = (repository(), repository());
    let (ours, theirs) = (client(&here).await, client(&there).await);
    let (mut one, mut other) = (ours.subscribe_events("*").await.unwrap(), theirs.subscribe_events("*").await.unwrap());
    publish(&ours, 1).await;
    publish(&theirs, 2).await;
    assert_eq!((next(&mut one).await["n"].clone(), next(&mut other).await["n"].clone()), (json!(1), json!(2)));
}

/// What cannot be read ends every subscription with the reason; the next one begins as if nothing had been.
#[tokio::test]
async fn a_folder_that_cannot_be_read_ends_all_with_the_reason() {
    let sandbox = repository();
    let client = client(&sandbox).await;
    let mut all = Vec::new();
    for pattern in ["*", "training:*", "*"] {
        all.push(client.subscribe_events(pattern).await.unwrap());
    }
    let folder = sandbox.path(crate::support::FOLDER);
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let _ = fs::remove_dir_all(&folder);
    fs::write(&folder, "no folder").unwrap();
    let mut texts = BTreeSet::new();
    for events in &mut all {
        let ended = tokio::time::timeout(LONG, events.next()).await.expect("ends").expect("an error").unwrap_err();
        texts.insert(ended.to_string());
        assert!(events.next().await.is_none());
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    fs::remove_file(&folder).unwrap();
    let mut again = client.subscribe_events("*").await.unwrap();
    publish(&client, 1).await;
    assert_eq!(next(&mut again).await["n"], 1);
}
