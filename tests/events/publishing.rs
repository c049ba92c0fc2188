//! Published events: their files, what happens when these are full, torn or strange, and where a listener goes on.

use mycelium::name::Channel;
use mycelium::services::{Filter, Opening, Project};

use crate::listener::{Listener, ids, names};
use crate::support::{FOLDER, Sandbox};

fn open(sandbox: &Sandbox) -> Project {
    let flags = [("commit.auto", "false"), ("markdown.durability", "off")];
    let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Project::open(Opening { root: Some(sandbox.root().to_owned()), flags, ..Opening::default() }).unwrap()
}

#[test]
fn a_full_file_goes_to_the_archive_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let project = open(&sandbox);
    let listener = Listener::start(&sandbox, &["big:*"], None);
    let channel = Channel::new("big:one").unwrap();
    let text = "x".repeat(1_000);
    let mut published = Vec::new();
    for n in 0..160 {
        let event = serde_json::json!({ "event": "big", "n": n, "text": text });
        published.push(project.events().publish(project.actor(), channel.clone(), event).unwrap().to_string());
    }
    project.events().publish(project.actor(), channel, serde_json::json!({ "event": "the-end" })).unwrap();
    let archive = sandbox.path(&format!("{FOLDER}/archive"));
    let months = crate::support::names(&archive);
    let files = crate::support::names(&archive.join(&months[0]));
    assert_eq!(files.len(), 10, "{files:?}");
    let listed = project.events().list(&Filter::default()).unwrap();
    let listed: Vec<String> = listed.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(listed[..160], published);
    assert_eq!(ids(&listener.until("the-end"))[..160], published, "a move to the archive is no event");
}

/// Every event fills a file. In every second millisecond another file lies where it would go.
#[test]
fn what_lies_in_the_archive_already_stays() {
    let sandbox = Sandbox::new();
    let project = open(&sandbox);
    let channel = Channel::new("big:one").unwrap();
    let publish = |n: usize| {
        let event = serde_json::json!({ "event": "big", "n": n, "text": "x".repeat(9_000) });
        project.events().publish(project.actor(), channel.clone(), event).unwrap().to_string()
    };
    let mut ids = vec![publish(0), publish(1)];
    let archive = sandbox.path(&format!("{FOLDER}/archive"));
    let month = archive.join(&crate::support::names(&archive)[0]);
    let first = crate::support::names(&month).remove(0);
    let stem = first.rsplit_once('-').unwrap().0;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() / 2 * 2;
    let there = |ms: u128| month.join(format!("{stem}-{ms}.md"));
    let taken: Vec<u128> = (now..now + 4_000).step_by(2).collect();
    for ms in &taken {
        let line = format!("- op-{ms} 2025-10-17T00:00:00Z old:log saved `{{\"step\":1}}`\n");
        std::fs::write(there(*ms), line).unwrap();
    }
    ids.extend((2..14).map(publish));
    for ms in taken {
        assert!(std::fs::read_to_string(there(ms)).unwrap().starts_with(&format!("- op-{ms} ")), "{ms}");
    }
    let listed = project.events().list(&Filter::default()).unwrap();
    let listed: std::collections::BTreeSet<String> = listed.iter().map(|event| event.id.to_string()).collect();
    let lost: Vec<&String> = ids.iter().filter(|id| !listed.contains(*id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn what_is_no_event_is_named_and_the_rest_is_read() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["event", "publish", "a:b", "1"]).ok();
    let line = sandbox.mycelium(&["event", "list", "--json"]).ok();
    assert!(line.contains("\"value\":1"), "{line}");
    let good = "- op-9 2025-10-17T00:00:00Z old:log saved `{\"step\":1}`\n";
    sandbox.write(&format!("{FOLDER}/events.md"), &format!("# Events\n\n{good}somebody wrote this\n- op-10 2025-10"));
    let checked = sandbox.mycelium(&["check"]).stdout;
    for place in ["events.md:4:1", "events.md:5:1"] {
        assert!(checked.contains(place) && checked.contains("MYC107"), "{checked}");
    }
    let listed = sandbox.mycelium(&["event", "list", "old:*"]).ok();
    assert!(listed.contains("op-9") && !listed.contains("op-10"), "{listed}");
}

#[test]
fn a_listener_goes_on_where_it_was_and_is_told_where_it_cannot() {
    let sandbox = Sandbox::new();
    let publish = |name: &str| sandbox.mycelium(&["event", "publish", "a:b", "--event", name]).ok().trim().to_owned();
    let first = publish("first");
    publish("second");
    let listener = Listener::start(&sandbox, &["a:*", "--since", &first], None);
    assert_eq!(names(&listener.until("second")), ["second"]);
    let lost = Listener::start(&sandbox, &["a:*", "--since", "op-long-ago"], None);
    let told = lost.until("second");
    assert_eq!(names(&told), ["replaced", "first", "second"]);
    assert!(told[0]["reason"].as_str().unwrap().contains("op-long-ago"), "{}", told[0]);
    // The feed is only a copy of what is known: without it everything begins anew, with one notice.
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let both = Listener::start(&sandbox, &[], None);
    // At once: whoever listens may write to it at the same moment.
    std::fs::rename(sandbox.path(".git/mycelium/feed"), sandbox.path(".git/gone")).unwrap();
    publish("third");
    let told = names(&both.until("third"));
    let more: Vec<String> = std::iter::from_fn(|| both.next(std::time::Duration::from_millis(500)))
        .map(|(_, e)| e["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    let told = [told, more].concat();
    assert_eq!(told.iter().filter(|word| *word == "replaced").count(), 1, "{told:?}");
}

#[test]
fn a_writer_that_dies_between_exchange_and_telling_is_told_for() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], None);
    for sabotage in ["die-after-exchange", "die-after-telling"] {
        let mut command = sandbox.mycelium_command(&["task", "note", "task-1", sabotage]);
        let died = command.env(crate::support::SABOTAGE, sabotage).output().unwrap();
        assert!(!died.status.success());
        let (_, told) = listener.next(crate::listener::PATIENCE).unwrap();
        assert_eq!(told["event"], "updated");
        assert!(told["id"].as_str().unwrap().starts_with("op-"), "{sabotage}: {told}");
    }
    sandbox.mycelium(&["event", "publish", "a:b", "--event", "end"]).ok();
    assert_eq!(names(&listener.until("end")), ["end"], "nothing is told twice");
}

#[test]
fn what_a_dead_writer_left_is_on_the_branch_of_the_operation_that_finishes_it() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let mut command = sandbox.mycelium_command(&["task", "note", "task-1", "one"]);
    assert!(!command.env(crate::support::SABOTAGE, "die-after-exchange").output().unwrap().status.success());
    sandbox.mycelium(&["task", "note", "task-1", "two"]).ok();
    let branch = sandbox.git(&["symbolic-ref", "--short", "HEAD"]);
    let feed = sandbox.path(".git/mycelium/feed");
    let newest = crate::support::names(&feed).into_iter().rfind(|name| name.ends_with(".jsonl")).unwrap();
    let text = std::fs::read_to_string(feed.join(&newest)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let bases: Vec<_> = lines.filter(|line| line["e"].is_array()).map(|line| line["r"]["n"].clone()).collect();
    assert_eq!(bases, [branch.trim(), branch.trim(), branch.trim()], "{text}");
}

#[test]
fn a_torn_line_is_cut_off_and_found_again() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], None);
    sandbox.mycelium(&["task", "note", "task-1", "one"]).ok();
    let (_, last) = listener.next(crate::listener::PATIENCE).unwrap();
    listener.kill();
    sandbox.mycelium(&["task", "note", "task-1", "two"]).ok();
    // As after a power cut: the end of the feed never reached the disk.
    let feed = sandbox.path(".git/mycelium/feed");
    let newest = crate::support::names(&feed).into_iter().rfind(|name| name.ends_with(".jsonl")).unwrap();
    let mut text = std::fs::read(feed.join(&newest)).unwrap();
    text.truncate(text.len() - 30);
    std::fs::write(feed.join(&newest), text).unwrap();
    let listener = Listener::start(&sandbox, &["--since", last["id"].as_str().unwrap()], None);
    sandbox.mycelium(&["event", "publish", "a:b", "--event", "end"]).ok();
    assert_eq!(names(&listener.until("end")), ["updated", "end"]);
}
