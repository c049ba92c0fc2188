//! `--since` follows the order in which events came here, not that of their times: whatever brings them, they come behind.

use serde_json::Value;

use crate::listener::{Listener, names};
use crate::support::{FOLDER, Sandbox};

/// Two clones of one remote. Both have published and know it of each other; then ben has published three events more, and ann one
/// after that, which is her cursor.
struct Pair {
    _server: tempfile::TempDir,
    ann: Sandbox,
    ben: Sandbox,
    last: String,
}

fn publish(sandbox: &Sandbox, name: &str) -> String {
    let run = sandbox.mycelium(&["event", "publish", "train:steps", "--event", name, "-q"]);
    run.ok().trim().to_owned()
}

impl Pair {
    fn new(knows: bool) -> Self {
        let server = tempfile::tempdir().unwrap();
        let remote = server.path().join("remote.git");
        let ann = Sandbox::below(&server.path().join("ann"));
        ann.make_repository();
        ann.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
        ann.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
        ann.git(&["push", "--quiet", "-u", "origin", "main"]);
        let ben = Sandbox::below(&server.path().join("ben"));
        ben.git(&["clone", "--quiet", remote.to_str().unwrap(), "."]);
        if knows {
            // Her feed has begun, and knows ben's file.
            publish(&ben, "known");
            ben.git(&["push", "--quiet", "origin", "main"]);
            ann.git(&["pull", "--quiet", "--no-rebase", "origin", "main"]);
            ann.mycelium(&["event", "list"]).ok();
        }
        for name in ["b1", "b2", "b3"] {
            publish(&ben, name);
        }
        ben.git(&["push", "--quiet", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/side"]);
        let last = publish(&ann, "mine");
        Self { _server: server, ann, ben, last }
    }
}

/// The names of what stands behind an event, without notices.
fn behind(sandbox: &Sandbox, since: &str, more: &[&str]) -> Vec<String> {
    let names = listed(sandbox, since, more).0;
    names.into_iter().filter(|name| name != "replaced").collect()
}

/// The names of what stands behind an event, and where to go on.
fn listed(sandbox: &Sandbox, since: &str, more: &[&str]) -> (Vec<String>, Option<String>) {
    let run = sandbox.mycelium(&[&["event", "list", "train:*", "--json", "--since", since], more].concat());
    let answer: Value = serde_json::from_str(&run.ok()).unwrap();
    let items = answer["data"]["items"].as_array().unwrap();
    (names(items), answer["data"]["next"].as_str().map(ToOwned::to_owned))
}

#[test]
fn what_git_or_a_sync_brings_comes_behind_the_cursor() {
    let ways: [(&str, &[&[&str]]); 6] = [
        ("merge", &[&["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main"]]),
        ("rebase", &[&["pull", "--quiet", "--rebase", "origin", "main"]]),
        ("fetch and merge", &[&["fetch", "--quiet"], &["merge", "--quiet", "--no-edit", "origin/side"]]),
        ("switch", &[&["fetch", "--quiet"], &["switch", "--quiet", "-c", "side", "origin/side"]]),
        ("reset", &[&["fetch", "--quiet"], &["reset", "--quiet", "--hard", "origin/side"]]),
        ("sync", &[]),
    ];
    for (way, commands) in ways {
        for knows in [false, true] {
            let pair = Pair::new(knows);
            for command in commands {
                pair.ann.git(command);
            }
            if commands.is_empty() {
                pair.ann.mycelium(&["sync"]).ok();
            }
            assert_eq!(behind(&pair.ann, &pair.last, &[]), ["b1", "b2", "b3"], "{way}, {knows}");
            // A subscriber that comes back hears the same, live or not.
            let listener = Listener::start(&pair.ann, &["train:*", "--since", &pair.last], None);
            let heard: Vec<String> =
                names(&listener.until("b3")).into_iter().filter(|name| name != "replaced").collect();
            assert_eq!(heard, ["b1", "b2", "b3"], "{way}, {knows}");
            // Nothing comes twice behind the last of them.
            let (_, next) = listed(&pair.ann, &pair.last, &["--limit", "3"]);
            assert_eq!(next, None, "{way}, {knows}");
        }
    }
}

#[test]
fn a_listener_that_is_there_hears_what_a_pull_brings() {
    let pair = Pair::new(true);
    let listener = Listener::start(&pair.ann, &["train:*"], None);
    pair.ann.git(&["pull", "--quiet", "--rebase", "origin", "main"]);
    let heard = names(&listener.until("b3"));
    // That HEAD has moved may concern every channel.
    assert_eq!(heard, ["replaced", "b1", "b2", "b3"]);
}

#[test]
fn pages_follow_each_other_without_a_gap_or_a_loop() {
    let pair = Pair::new(true);
    pair.ann.git(&["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main"]);
    let (mut since, mut all) = (pair.last.clone(), Vec::new());
    for _ in 0..10 {
        let (names, next) = listed(&pair.ann, &since, &["--limit", "1"]);
        all.extend(names);
        let Some(next) = next else { break };
        since = next;
    }
    assert_eq!(all, ["b1", "b2", "b3"]);
    let project = mycelium::services::Project::open(mycelium::services::Opening {
        root: Some(pair.ann.root().to_owned()),
        agent: None,
        flags: Vec::new(),
    });
    let filter = mycelium::services::Filter {
        patterns: vec![mycelium::name::ChannelPattern::new("train:*").unwrap()],
        since: Some(mycelium::name::EventId::new(pair.last.as_str()).unwrap()),
        limit: Some(2),
    };
    let events = project.unwrap().events().list(&filter).unwrap();
    assert_eq!(
        events.iter().map(|event| event.event.as_str()).collect::<Vec<_>>(),
        ["b1", "b2"],
        "the first, not the newest"
    );
}

#[test]
fn what_has_gone_to_the_archive_on_the_way_is_not_left_out() {
    let pair = Pair::new(true);
    // Ben's file is full: it goes to the archive, and only the newest event is in the file that ann knows.
    let file = pair.ben.documents().into_iter().find(|name| name.starts_with("events-")).unwrap();
    let stem = file.trim_end_matches(".md").to_owned();
    pair.ben.git(&["mv", &format!("{FOLDER}/{file}"), &format!("{FOLDER}/{stem}-full.md")]);
    std::fs::create_dir_all(pair.ben.path(&format!("{FOLDER}/archive/2026-01"))).unwrap();
    let full = format!("{FOLDER}/archive/2026-01/{stem}-1760659200000.md");
    pair.ben.git(&["mv", &format!("{FOLDER}/{stem}-full.md"), &full]);
    pair.ben.git(&["commit", "--quiet", "-m", "Archive"]);
    publish(&pair.ben, "b4");
    pair.ben.git(&["push", "--quiet", "origin", "main"]);
    pair.ann.git(&["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main"]);
    assert_eq!(behind(&pair.ann, &pair.last, &[]), ["b1", "b2", "b3", "b4"]);
}

#[test]
fn without_the_feed_a_notice_says_that_the_order_is_not_known() {
    let pair = Pair::new(true);
    pair.ann.git(&["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main"]);
    assert_eq!(listed(&pair.ann, &pair.last, &[]).0, ["b1", "b2", "b3"]);
    std::fs::remove_dir_all(pair.ann.path(".git/mycelium/feed")).unwrap();
    // They came after her cursor, and their times are older: nobody can tell any more.
    assert_eq!(listed(&pair.ann, &pair.last, &[]).0, ["replaced"]);
    let (names, _) = listed(&pair.ann, "op-unknown", &[]);
    assert_eq!(names[0], "replaced");
    for name in ["b1", "b2", "b3", "mine"] {
        assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
    }
    // Without a cursor nothing can be missing.
    let all = pair.ann.mycelium(&["event", "list", "train:*", "--json"]).ok();
    assert!(!all.contains("\"replaced\""), "{all}");
    // What comes from now on is in order again.
    let next = publish(&pair.ann, "next");
    publish(&pair.ann, "after");
    assert_eq!(listed(&pair.ann, &next, &[]).0, ["after"]);
}
