//! Many clones at random operations, with syncs now and then and processes that are killed: nothing acknowledged is lost, and in the end all hold the same.
#![allow(clippy::disallowed_methods, reason = "the test starts and kills programs")]
#![allow(clippy::unwrap_used, reason = "a run that cannot be made has failed")]

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::scene::{Scene, documents, kill};
use crate::support::{Run, Sandbox, number, sized};

/// Tasks that everybody works on.
const SHARED: usize = 6;
/// One of so many processes is killed.
const KILLED_ONE_OF: u64 = 14;

/// What must be found in the end: a document, and a text in it.
type Acknowledged = (String, String);

/// A small generator of numbers: the same seed, the same run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// One clone at work.
struct Worker<'a> {
    clone: &'a Sandbox,
    name: String,
    dice: Dice,
    acknowledged: Vec<Acknowledged>,
    made: usize,
}

impl Worker<'_> {
    /// Runs the program, or kills it in the middle; tells whether it acknowledged.
    fn run(&mut self, arguments: &[&str]) -> bool {
        let arguments = [arguments, &["--as", self.name.as_str()]].concat();
        let mut command = self.clone.mycelium_command(&arguments);
        if self.dice.below(KILLED_ONE_OF) > 0 {
            let run = Run::of(&mut command);
            let is_expected =
                matches!(run.code, Some(0 | 4)) || run.stderr.contains("unreadable") || run.code == Some(1);
            assert!(is_expected || run.code == Some(75), "{run:?}");
            return run.code == Some(0);
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(self.dice.below(120)));
        kill(child.id());
        child.wait().unwrap().code() == Some(0)
    }

    fn step(&mut self, index: usize) {
        let text = format!("{} says {index}", self.name);
        let any = self.any();
        match self.dice.below(100) {
            0..30 => {
                let id = format!("task-{}-{}", self.name, self.made);
                self.made += 1;
                if self.run(&[
                    "task", "create", "--type", "x", "--id", &id, "--title", &text, "--step", "s1", "--step", "s2",
                ]) {
                    self.acknowledged.push((id, text));
                }
            }
            30..65 => {
                if self.run(&["task", "note", &any, &text]) {
                    self.acknowledged.push((any, text));
                }
            }
            65..78 => {
                if self.run(&["task", "tick", &any, "1"]) {
                    self.acknowledged.push((any, "- [x] s1".to_owned()));
                }
            }
            78..86 => drop(self.run(&["task", "update", &any, "--priority", ["low", "high"][index % 2]])),
            86..90 => drop(self.run(&["task", "claim", &any])),
            _ => drop(self.run(&["sync"])),
        }
    }

    /// A task that everybody works on, or any that is here.
    fn any(&mut self) -> String {
        let shared = format!("task-shared-{}", self.dice.below(SHARED as u64));
        if self.dice.below(3) == 0 {
            return shared;
        }
        let names: Vec<String> = self.clone.documents().into_iter().filter(|name| name.ends_with(".md")).collect();
        let chosen = usize::try_from(self.dice.below(names.len().max(1) as u64)).unwrap();
        names.get(chosen).map_or(shared, |name| name.trim_end_matches(".md").to_owned())
    }
}

fn run_crowd(scene: &Scene, what: &str) {
    let operations = sized("MYCELIUM_SYNC_OPERATIONS", 48, 1_000);
    let seed = number("MYCELIUM_SYNC_SEED", 1) as u64;
    let first = &scene.clones[0];
    for number in 0..SHARED {
        let id = format!("task-shared-{number}");
        first.mycelium(&["task", "create", "--type", "x", "--id", &id, "--step", "s1"]).ok();
    }
    scene.settle();
    let began = Instant::now();
    let acknowledged: Vec<Acknowledged> = std::thread::scope(|scope| {
        let work = |(number, clone)| {
            scope.spawn(move || {
                let dice = Dice(seed.wrapping_mul(1_000_003) + number as u64);
                let mut worker = Worker { clone, name: format!("w{number}"), dice, acknowledged: Vec::new(), made: 0 };
                (0..operations).for_each(|index| worker.step(index));
                worker.acknowledged
            })
        };
        let workers: Vec<_> = scene.clones.iter().enumerate().map(work).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let worked = began.elapsed();
    scene.settle();
    scene.is_one();
    let all = documents(first);
    for (id, text) in &acknowledged {
        let found = all.iter().find(|(name, _)| *name == format!("{id}.md"));
        let (_, found) = found.unwrap_or_else(|| panic!("`{id}` is lost"));
        assert!(found.contains(text), "`{text}` is lost from `{id}`:\n{found}");
    }
    let marked = all.iter().filter(|(_, text)| text.contains("<<<<<<<")).count();
    let _ = writeln!(
        std::io::stderr(),
        "{what}: {} clones, {operations} operations each, seed {seed}: {} acknowledged, {} documents, {marked} to be decided, \
         {} s and {} s to come to rest",
        scene.clones.len(),
        acknowledged.len(),
        all.len(),
        worked.as_secs(),
        began.elapsed().saturating_sub(worked).as_secs(),
    );
    assert!(acknowledged.len() * 3 > operations * scene.clones.len(), "only {} were acknowledged", acknowledged.len());
}

#[test]
fn eight_clones_come_to_the_same_and_lose_nothing() {
    run_crowd(&Scene::new(8), "on the current branch");
}

#[test]
fn eight_clones_with_a_branch_of_its_own_come_to_the_same_and_lose_nothing() {
    run_crowd(&Scene::apart(8), "on a branch of its own");
}
