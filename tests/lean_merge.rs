//! Two branches change different fields of one lean task: plain git merges them clean, a thousand times of a thousand.
#![allow(clippy::disallowed_methods, reason = "files and git are what is tested here")]

use std::path::Path;
use std::process::{Command, Output};

use mycelium::document::{Document, Mark, Value};
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::entity::{self, Entity, NewTask, Priority, TaskStatus};
use mycelium::name::{AgentName, DocId, DocPath, Kind};
use mycelium::template::Shape;
use serde_json::{Value as Json, json};

const PAIRS: u64 = 1_000;

/// Everything about a task that is changed on its own. A claim (status, holder, fence, lease) is one change.
const FIELDS: [&str; 14] = [
    "status",
    "assigned_to",
    "priority",
    "depends_on",
    "progress",
    "review",
    "approved",
    "workflow",
    "title",
    "payload",
    "steps",
    "result",
    "error",
    "notes",
];

/// A small generator of numbers (splitmix64): the same seed gives the same thousand pairs on every machine.
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    fn id(&mut self, prefix: &str) -> DocId {
        DocId::new(format!("{prefix}-{}", self.below(1_000_000))).expect("valid")
    }

    fn json(&mut self) -> Json {
        match self.below(3) {
            0 => json!({ "epochs": self.below(100), "config": "configs/lora.yaml" }),
            1 => json!([self.below(100)]),
            _ => json!({ "a": { "b": [self.below(100), "x"] }, "c": null }),
        }
    }
}

struct Pair {
    path: DocPath,
    fields: (&'static str, &'static str),
    base: Document,
    ours: Document,
    theirs: Document,
}

fn base(seed: &mut Seed, n: u64, shape: Shape) -> Document {
    let new = NewTask {
        id: DocId::new(format!("task-{n}")).expect("valid"),
        kind: "train-model".to_owned(),
        title: seed.chance().then(|| "Train the model".to_owned()),
        assigned_to: seed.chance().then(|| AgentName::new("lead").expect("valid")),
        depends_on: (0..seed.below(3)).map(|_| seed.id("task")).collect(),
        priority: if seed.chance() { Priority::High } else { Priority::Normal },
        workflow: seed.chance().then(|| seed.id("wf")),
        payload: seed.chance().then(|| seed.json()),
        steps: (0..seed.below(4)).map(|n| format!("Step {n}")).collect(),
        created: "2025-10-17T00:00:00Z".parse().expect("a time"),
    };
    let mut document = new.render(shape, None).expect("renders");
    for field in ["progress", "review", "approved", "notes", "result", "error"] {
        if seed.below(3) == 0 {
            document = change(&document, field, seed);
        }
    }
    if seed.chance() { task::start(&document).expect("pending") } else { document }
}

/// Another value for a field.
fn change(document: &Document, field: &str, seed: &mut Seed) -> Document {
    let update = |update: TaskUpdate| task::update(document, &update).expect("allowed");
    let set =
        |key: &str, value: Value| update(TaskUpdate { set: vec![(key.to_owned(), value)], ..TaskUpdate::default() });
    match field {
        "status" => change_status(document, seed),
        "assigned_to" => update(TaskUpdate {
            assigned_to: AgentName::new(format!("agent-{}", seed.below(1_000_000))).ok(),
            ..TaskUpdate::default()
        }),
        "priority" => {
            let low = document.field("priority").is_some_and(|field| field.value.as_text() == Some("low"));
            let priority = if low { Priority::Critical } else { Priority::Low };
            update(TaskUpdate { priority: Some(priority), ..TaskUpdate::default() })
        }
        "depends_on" => update(TaskUpdate { depends_on_add: vec![seed.id("dep")], ..TaskUpdate::default() }),
        "progress" => set("progress", Value::plain(format!("0.{}", 1 + seed.below(1_000_000)))),
        "review" => {
            let required = document.field("review").is_some_and(|field| field.value.as_text() == Some("required"));
            set("review", Value::text(if required { "none" } else { "required" }))
        }
        "approved" => set("approved", Value::text(format!("reviewer-{}", seed.below(1_000_000)))),
        "workflow" => set("workflow", Value::text(seed.id("wf").as_str())),
        "title" => update(TaskUpdate { title: Some(format!("Title {}", seed.next())), ..TaskUpdate::default() }),
        "payload" => task::set_payload(document, &json!({ "new": seed.next() })).expect("allowed"),
        "steps" if !document.steps().is_empty() && seed.chance() => task::tick(document, 1, Mark::Flip).expect("there"),
        "steps" => document.bullet_add("Progress", &format!("[ ] More {}", seed.next())).expect("allowed"),
        "result" => document.set_section_json("Result", &json!({ "loss": seed.next() })).expect("allowed"),
        "error" => document.set_section_text("Error", &format!("out of memory at {}", seed.next())).expect("allowed"),
        "notes" => task::note(document, &format!("note {}", seed.next())).expect("allowed"),
        other => panic!("no such field: {other}"),
    }
}

fn change_status(document: &Document, seed: &mut Seed) -> Document {
    let running = document.field("status").is_some_and(|field| field.value.as_text() == Some("running"));
    if running {
        return if seed.chance() { task::release(document) } else { task::complete(document, None) }.expect("legal");
    }
    let mut claim = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    if seed.chance() {
        let holder = format!("agent-{}", seed.below(1_000));
        claim.set = vec![
            ("claimed_by".to_owned(), Value::text(holder)),
            ("fence".to_owned(), Value::plain("1")),
            ("lease".to_owned(), Value::text("5m")),
        ];
    }
    task::update(document, &claim).expect("legal")
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
