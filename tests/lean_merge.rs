//! Two branches change different fields of one lean task: plain git merges them clean, a thousand times of a thousand.
#![allow(clippy::disallowed_methods, reason = "files and git are what is tested here")]

use std::path::Path;
use std::process::{Command, Output};

use mycelium::document::Document;
use mycelium::entity::{self, Entity};
use mycelium::event::{self, Published};
use mycelium::name::{Channel, DocPath, EventId, Kind};
use mycelium::template::Shape;
use serde_json::Value as Json;

use pairs::{FIELDS, Seed, base, change};

#[path = "support/pairs.rs"]
mod pairs;

const PAIRS: u64 = 1_000;

struct Pair {
    path: DocPath,
    fields: (&'static str, &'static str),
    base: Document,
    ours: Document,
    theirs: Document,
}

fn pairs(shape: Shape, edit: fn(Document) -> Document) -> Vec<Pair> {
    let mut seed = Seed(20_251_017);
    (0..PAIRS)
        .map(|n| {
            let count = FIELDS.len() as u64;
            let (first, step) = (seed.below(count), 1 + seed.below(count - 1));
            let field = |n: u64| FIELDS[usize::try_from(n % count).expect("small")];
            let fields = (field(first), field(first + step));
            let base = edit(base(&mut seed, n, shape));
            let ours = change(&base, fields.0, &mut seed);
            let theirs = change(&base, fields.1, &mut seed);
            assert!(ours != base && theirs != base, "{fields:?}: {}", base.text());
            Pair { path: DocPath::new(format!("task-{n}.md")).expect("valid"), fields, base, ours, theirs }
        })
        .collect()
}

fn git(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "gc.auto=0", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .expect("git is installed")
}

fn must(folder: &Path, arguments: &[&str]) {
    let output = git(folder, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn save(folder: &Path, branch: &[&str], pairs: &[Pair], side: fn(&Pair) -> &Document) {
    must(folder, branch);
    for pair in pairs {
        std::fs::write(folder.join(pair.path.as_str()), side(pair).bytes()).expect("written");
    }
    must(folder, &["add", "-A"]);
    must(folder, &["commit", "-q", "-m", "side"]);
}

fn repository(pairs: &[Pair]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    must(folder.path(), &["init", "-q", "."]);
    save(folder.path(), &["checkout", "-q", "-b", "base"], pairs, |pair| &pair.base);
    save(folder.path(), &["checkout", "-q", "-b", "ours", "base"], pairs, |pair| &pair.ours);
    save(folder.path(), &["checkout", "-q", "-b", "theirs", "base"], pairs, |pair| &pair.theirs);
    folder
}

/// Merges both branches; gives the files in conflict.
fn merge(folder: &Path, options: &[&str]) -> Vec<String> {
    must(folder, &["checkout", "-q", "-B", "merged", "ours"]);
    let merged = git(folder, &[&["merge", "-q", "--no-edit"], options, &["theirs"]].concat());
    let unmerged = git(folder, &["diff", "--name-only", "--diff-filter=U"]);
    let conflicts: Vec<String> = String::from_utf8_lossy(&unmerged.stdout).lines().map(str::to_owned).collect();
    assert_eq!(merged.status.success(), conflicts.is_empty(), "{}", String::from_utf8_lossy(&merged.stderr));
    conflicts
}

fn task_json(path: &DocPath, document: &Document) -> Json {
    let reading = entity::read(path, document);
    assert_eq!(reading.findings, [], "{}", document.text());
    let task = reading.entity.as_ref().and_then(Entity::as_task).expect("a task");
    assert_eq!(reading.kind, Some(Kind::Task));
    task.to_json()
}

/// What the merge must say: each side's value where that side changed it.
fn expected(pair: &Pair) -> Json {
    let json = |document| task_json(&pair.path, document);
    let (base, ours, mut merged) = (json(&pair.base), json(&pair.ours), json(&pair.theirs));
    let keys = base.as_object().into_iter().chain(ours.as_object()).flat_map(serde_json::Map::keys);
    for key in keys.filter(|key| ours.get(*key) != base.get(*key)) {
        let map = merged.as_object_mut().expect("a map");
        match ours.get(key) {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
    merged
}

#[test]
fn a_thousand_pairs_of_changes_merge_clean_with_plain_git() {
    let pairs = pairs(Shape::Lean, |document| document);
    let folder = repository(&pairs);
    // Git's own default, and the other ways of comparing that a forge may use.
    for options in [&[][..], &["-X", "diff-algorithm=myers"], &["-X", "diff-algorithm=patience"]] {
        let conflicts = merge(folder.path(), options);
        let named: Vec<_> = pairs
            .iter()
            .filter(|pair| conflicts.iter().any(|c| c == pair.path.as_str()))
            .map(|pair| pair.fields)
            .collect();
        assert_eq!(named, [], "{options:?}");
        for pair in &pairs {
            let bytes = std::fs::read(folder.path().join(pair.path.as_str())).expect("there");
            let merged = task_json(&pair.path, &Document::parse(bytes));
            assert_eq!(merged, expected(pair), "{options:?} {:?}", pair.fields);
        }
    }
}

#[test]
fn merge_file_agrees() {
    let pairs = pairs(Shape::Lean, |document| document);
    let folder = tempfile::tempdir().expect("a folder");
    for pair in pairs.iter().step_by(10) {
        for (name, document) in [("ours", &pair.ours), ("base", &pair.base), ("theirs", &pair.theirs)] {
            std::fs::write(folder.path().join(name), document.bytes()).expect("written");
        }
        let output = git(folder.path(), &["merge-file", "-p", "ours", "base", "theirs"]);
        assert!(output.status.success(), "{:?}: {}", pair.fields, String::from_utf8_lossy(&output.stdout));
        assert_eq!(task_json(&pair.path, &Document::parse(output.stdout)), expected(pair), "{:?}", pair.fields);
    }
}

/// The same pairs without the lines between the slots: if these merged clean as well, the test above would show nothing.
#[test]
fn without_the_lines_between_the_slots_they_conflict() {
    let pairs = pairs(Shape::Lean, |document| {
        let lines =
            document.text().split_inclusive('\n').filter(|line| !line.starts_with("# ") || line.contains("rain"));
        Document::parse(lines.collect::<String>().into_bytes())
    });
    let folder = repository(&pairs);
    let conflicts = merge(folder.path(), &[]).len();
    assert!(conflicts > 20, "only {conflicts} conflicts");
}

/// Two branches that publish: the one that owns the file goes on in it, the other has one of its own. A thousand pairs, one
/// folder each, merge clean with plain git, and every event is there once.
#[test]
fn a_thousand_pairs_of_branches_that_publish_merge_clean_with_plain_git() {
    let mut seed = Seed(20_251_018);
    let folder = tempfile::tempdir().expect("a folder");
    must(folder.path(), &["init", "-q", "."]);
    let mut counts = vec![0; usize::try_from(PAIRS).expect("small")];
    let mut publish = |pair: u64, name: &str, seed: &mut Seed| {
        let file = folder.path().join(format!("{pair}/events-{name}.md"));
        std::fs::create_dir_all(file.parent().expect("one")).expect("made");
        for _ in 0..=seed.below(3) {
            let at: mycelium::time::Timestamp = "2025-10-17T00:00:00Z".parse().expect("a time");
            let id = EventId::new(format!("op-{}", seed.next())).expect("an id");
            let channel = Channel::new("a:b").expect("a channel");
            let event = Published::new(id, at, channel, serde_json::json!({ "n": seed.below(9) }), None).expect("fits");
            let path = DocPath::new(format!("events-{name}.md")).expect("a path");
            let old = std::fs::read(&file).ok();
            let (new, _) = event::after_publishing(&path, old.as_deref(), &event, at);
            std::fs::write(&file, new).expect("written");
            counts[usize::try_from(pair).expect("small")] += 1;
        }
    };
    for (branch, from) in [("base", None), ("ours", Some("base")), ("theirs", Some("base"))] {
        let start = ["checkout", "-q", "-b", branch];
        must(folder.path(), &[&start[..], from.as_slice()].concat());
        for pair in 0..PAIRS {
            let owns = branch == "base" || branch == "ours" && pair % 2 == 0;
            publish(pair, if owns { "first" } else { branch }, &mut seed);
        }
        must(folder.path(), &["add", "-A"]);
        must(folder.path(), &["commit", "-q", "-m", branch]);
    }
    assert_eq!(merge(folder.path(), &[]), Vec::<String>::new());
    for (pair, count) in counts.into_iter().enumerate() {
        let files = std::fs::read_dir(folder.path().join(pair.to_string())).expect("there");
        let found = files.map(|file| {
            let file = file.expect("an entry").path();
            let path = DocPath::new(file.file_name().expect("a name").to_string_lossy()).expect("a path");
            let (events, findings) = event::read_log(&path, &std::fs::read(&file).expect("read"));
            assert_eq!(findings, []);
            events.len()
        });
        assert_eq!(found.sum::<usize>(), count, "{pair}");
    }
}
