//! What was read of many documents is kept in the run state and never believed for longer than it is true: whatever
//! happens to it or behind it, a snapshot is what the files say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use mycelium::document::Document;
use mycelium::name::DocPath;
use mycelium::sabotage::{Sabotage, plant};
use mycelium::services::{Project, Scope, Taken};
use mycelium::snapshot::Snapshot;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{new_task, open, repository};

/// So many that keeping what was read pays.
const TASKS: usize = 600;
/// Until a file that does not change may be believed.
const SETTLED: Duration = Duration::from_millis(40);

struct Scene {
    dir: TempDir,
    project: Project,
}

fn text(number: usize, status: &str) -> String {
    format!(
        "---\nid: task-{number:04}\nstatus: {status}\ntype: x\n---\n\n# Task {number}\n\n## Payload\n\n{{\"a\": 0.1}}\n"
    )
}

impl Scene {
    fn new() -> Self {
        let dir = repository();
        let project = open(&dir, "ai-engineer");
        // From the first write on there is a run state.
        project.operations().create(project.actor(), &new_task(&project, "task-first"), Taken::LookUp).expect("made");
        let scene = Self { dir, project };
        for number in 0..TASKS {
            fs::write(scene.file(number), text(number, "pending")).expect("written");
        }
        scene
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join(".claude/coordination")
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder().join(format!("task-{number:04}.md"))
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join(".git/mycelium/read-live")
    }

    fn snapshot(&self) -> Snapshot {
        self.project.documents().snapshot(Scope::Live).expect("read")
    }

    /// What the files say, read by nobody but this test.
    fn truth(&self) -> Snapshot {
        let mut documents = BTreeMap::new();
        for entry in fs::read_dir(self.folder()).expect("listed") {
            let entry = entry.expect("listed");
            if let Some(path) = entry.file_name().to_str().and_then(|name| DocPath::new(name).ok()) {
                documents.insert(path, Document::parse(fs::read(entry.path()).expect("read")));
            }
        }
        Snapshot::from_documents(documents)
    }

    /// Whether a snapshot is what the files say.
    fn is_true(&self) -> bool {
        self.snapshot().entries().eq(self.truth().entries())
    }

    /// Lets everything settle and be kept.
    fn settle(&self) {
        let _ = fs::remove_file(self.kept());
        sleep(SETTLED);
        assert!(self.is_true());
        assert!(self.kept().exists(), "it was worth keeping");
    }
}

/// Writes other bytes of the same length and puts the time of the last change back.
fn change_unseen(path: &Path) {
    let Ok(old) = fs::read(path) else { return };
    let at = fs::metadata(path).and_then(|meta| meta.modified()).expect("has a time");
    let mut file = File::options().write(true).open(path).expect("opened");
    file.write_all(&String::from_utf8_lossy(&old).replace("pending", "PENDING").into_bytes()).expect("written");
    file.set_modified(at).expect("set");
}

/// What happens between two looks.
#[derive(Debug, Clone)]
enum Event {
    Edit(usize, String),
    ChangeUnseen(usize),
    Exchange(usize, usize),
    Remove(usize),
    Make(usize),
    LoseCache,
    TornCache(usize),
    FlipBit(usize, u8),
    OldCache,
    Settle,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let task = 0..TASKS;
    let one = prop_oneof![
        (task.clone(), "[a-z]{0,3}").prop_map(|(task, status)| Event::Edit(task, status)),
        task.clone().prop_map(Event::ChangeUnseen),
        (task.clone(), task.clone()).prop_map(|(a, b)| Event::Exchange(a, b)),
        task.clone().prop_map(Event::Remove),
        (TASKS..TASKS + 50).prop_map(Event::Make),
        Just(Event::LoseCache),
        any::<usize>().prop_map(Event::TornCache),
        (any::<usize>(), 0..8_u8).prop_map(|(at, bit)| Event::FlipBit(at, bit)),
        Just(Event::OldCache),
        Just(Event::Settle),
    ];
    prop::collection::vec(one, 1..12)
}

fn happen(scene: &Scene, event: &Event, old: &[u8]) {
    let change_cache = |change: &dyn Fn(&mut Vec<u8>)| {
        if let Ok(mut bytes) = fs::read(scene.kept()) {
            change(&mut bytes);
            fs::write(scene.kept(), bytes).expect("written");
        }
    };
    match event {
        Event::Edit(task, status) => fs::write(scene.file(*task), text(*task, status)).expect("written"),
        Event::ChangeUnseen(task) => change_unseen(&scene.file(*task)),
        Event::Exchange(a, b) => {
            let aside = scene.dir.path().join("aside");
            if a != b && fs::rename(scene.file(*a), &aside).is_ok() {
                let _ = fs::rename(scene.file(*b), scene.file(*a));
                fs::rename(&aside, scene.file(*b)).expect("moved");
            }
        }
        Event::Remove(task) => drop(fs::remove_file(scene.file(*task))),
        Event::Make(task) => fs::write(scene.file(*task), text(*task, "running")).expect("written"),
        Event::LoseCache => drop(fs::remove_file(scene.kept())),
        Event::TornCache(at) => change_cache(&|bytes| bytes.truncate(at % (bytes.len() + 1))),
        Event::FlipBit(at, bit) => change_cache(&|bytes| {
            let at = at % bytes.len().max(1);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
        }),
        Event::OldCache => fs::write(scene.kept(), old).expect("written"),
        Event::Settle => sleep(SETTLED),
    }
}

#[test]
fn a_snapshot_is_what_the_files_say_whatever_happens() {
    let scene = Scene::new();
    scene.settle();
    let old = fs::read(scene.kept()).expect("kept");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let run = runner.run(&events(), |events| {
        for event in events {
            happen(&scene, &event, &old);
            prop_assert!(scene.is_true(), "after {event:?}");
        }
        Ok(())
    });
    run.expect("always true");
}

#[test]
fn what_changed_behind_the_cache_is_seen() {
    let scene = Scene::new();
    scene.settle();
    change_unseen(&scene.file(7));
    let seen = |scene: &Scene| scene.snapshot().get(&DocPath::new("task-0007.md").expect("valid")).cloned();
    let before = seen(&scene).expect("there");
    assert!(before.document.text().contains("PENDING") && before.entity.is_none());
    scene.settle();
    change_unseen(&scene.file(8));
    let planted = plant(Sabotage::named("believe-old-cache").expect("known"));
    assert!(!scene.is_true(), "a cache that is believed for ever would be noticed, so it is used");
    drop(planted);
    assert!(scene.is_true());
}

#[test]
fn a_torn_cache_is_not_believed() {
    let scene = Scene::new();
    scene.settle();
    let mut bytes = fs::read(scene.kept()).expect("kept");
    // The title of a task in the middle.
    let at = bytes.windows(8).position(|part| part == b"Task 300").expect("there");
    bytes[at + 5] = b'9';
    fs::write(scene.kept(), &bytes).expect("written");
    let planted = plant(Sabotage::named("believe-torn-cache").expect("known"));
    assert!(!scene.is_true(), "a torn cache that is believed would be noticed");
    drop(planted);
    assert!(scene.is_true());
}

#[test]
fn looking_leaves_no_trace_where_nothing_was_written() {
    let dir = repository();
    let folder = dir.path().join(".claude/coordination");
    fs::create_dir_all(&folder).expect("made");
    for number in 0..TASKS {
        fs::write(folder.join(format!("task-{number:04}.md")), text(number, "pending")).expect("written");
    }
    sleep(SETTLED);
    assert_eq!(open(&dir, "ai-engineer").documents().snapshot(Scope::All).expect("read").len(), TASKS);
    assert!(!dir.path().join(".git/mycelium").exists());
}
