//! The lines of steps in a workflow's document: two branches on which different steps go on merge clean with plain git.

use mycelium::document::Document;
use mycelium::entity::{self, Entity, Task, step_lines};
use mycelium::merge;
use mycelium::name::DocPath;
use mycelium::time::Timestamp;

use crate::pairs::Seed;
use crate::support::{FOLDER, Run, Sandbox};

const STEPS: [&str; 6] = ["prepare", "train", "evaluate", "publish", "recover", "report"];

fn workflow() -> Document {
    let steps = step_lines::new_section(STEPS);
    let text = format!(
        "---\nid: w\nstatus: running\ntype: t\nengine: embedded\n---\n\n# W\n\n## Notes\n\n## Steps\n\n{steps}"
    );
    Document::parse(text.into_bytes())
}

/// A step in one of its states, as its task says.
fn task(seed: &mut Seed, step: &str) -> Task {
    let keys = [
        "status: running\nclaimed_by: ann\nattempt: 1",
        "status: completed\nclaimed_by: ben\nattempt: 1\nresult: done",
        "status: failed\nclaimed_by: ann\nattempt: 2\nerror: no memory",
        "status: completed\nskipped: nothing before it failed",
        "status: pending\nattempt: 2\nnot_before: 2025-10-17T12:00:00Z",
    ][usize::try_from(seed.below(5)).unwrap()];
    let text = format!("---\nid: task-{step}\n{keys}\ntype: t\nstep: {step}\n---\n\n# T\n");
    let path = DocPath::new(format!("task-{step}.md")).unwrap();
    let entity = entity::read(&path, &Document::parse(text.into_bytes())).entity;
    entity.as_ref().and_then(Entity::as_task).unwrap().clone()
}

fn with(document: &Document, task: &Task, minute: u64) -> Document {
    let at: Timestamp = format!("2025-10-17T10:{minute:02}:00Z").parse().unwrap();
    step_lines::with_step(document, task, at).unwrap_or_else(|| document.clone())
}

struct Pair {
    base: Document,
    ours: Document,
    theirs: Document,
    both: Document,
}

/// Each step goes on on one side or on none.
fn pair(seed: &mut Seed) -> Pair {
    let mut base = workflow();
    for step in STEPS {
        if seed.chance() {
            base = with(&base, &task(seed, step), 1);
        }
    }
    let mut pair = Pair { ours: base.clone(), theirs: base.clone(), both: base.clone(), base };
    for step in STEPS {
        let (task, minute) = (task(seed, step), 2 + seed.below(50));
        let side = match seed.below(3) {
            0 => &mut pair.ours,
            1 => &mut pair.theirs,
            _ => continue,
        };
        *side = with(side, &task, minute);
        pair.both = with(&pair.both, &task, minute);
    }
    pair
}

#[test]
fn different_steps_on_two_branches_merge_clean_with_plain_git() {
    let mut seed = Seed(71);
    let pairs: Vec<Pair> = (0..1_000).map(|_| pair(&mut seed)).collect();
    let name = |n: usize| format!("{FOLDER}/workflow-{n}.md");
    let sandbox = Sandbox::new();
    let side = |branch: &str, from: &str, of: &dyn Fn(&Pair) -> &Document| {
        sandbox.git(&["checkout", "-q", "-b", branch, from]);
        for (n, pair) in pairs.iter().enumerate() {
            sandbox.write(&name(n), of(pair).text());
        }
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-q", "--allow-empty", "-m", branch]);
    };
    side("base", "main", &|pair| &pair.base);
    side("ours", "base", &|pair| &pair.ours);
    side("theirs", "base", &|pair| &pair.theirs);
    sandbox.git(&["checkout", "-q", "ours"]);
    let merged = Run::of(sandbox.command("git").args(["merge", "--quiet", "--no-edit", "theirs"]));
    assert_eq!(merged.code, Some(0), "{}", merged.stderr);
    let differing = pairs.iter().filter(|pair| pair.ours != pair.base && pair.theirs != pair.base).count();
    assert!(differing > 700, "only {differing} pairs have work on both sides");
    let path = DocPath::new("workflow-w.md").unwrap();
    for (n, pair) in pairs.iter().enumerate() {
        assert_eq!(sandbox.read(&name(n)), pair.both.text(), "pair {n}");
        let Pair { base, ours, theirs, both } = pair;
        let pure = merge::document(&path, Some(base), ours, theirs, &merge::MergeSides::GIT);
        assert_eq!((pure.document.text(), pure.conflicts.len()), (both.text(), 0), "pair {n}");
    }
}

/// The same step on both sides: plain git cannot know, we take the later state, whoever is ours.
#[test]
fn the_same_step_on_two_branches_is_the_later_one() {
    let path = DocPath::new("workflow-w.md").unwrap();
    let base = workflow();
    let mut seed = Seed(5);
    for n in 0..200 {
        let [mine, other] = [3, 4].map(|minute| with(&base, &task(&mut seed, "train"), minute));
        let merge = |a: &Document, b: &Document| merge::document(&path, Some(&base), a, b, &merge::MergeSides::GIT);
        let (one, two) = (merge(&mine, &other), merge(&other, &mine));
        assert!(one.conflicts.is_empty(), "{n}: {:?}", one.conflicts);
        assert_eq!(one.document.text(), two.document.text(), "{n}");
        assert!([mine.text(), other.text()].contains(&one.document.text()), "{n}");
    }
}
