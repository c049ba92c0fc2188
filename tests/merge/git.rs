//! What the real git makes of random pairs of branches: with our driver, and as a forge merges that runs no driver.

use std::collections::{BTreeMap, BTreeSet};

use mycelium::document::Document;
use mycelium::entity;
use mycelium::merge;
use mycelium::name::DocPath;

use crate::branch::{Fork, fork};
use crate::pairs::Seed;
use crate::support::{FOLDER, Run, Sandbox, sized};

fn name(n: usize) -> String {
    format!("{FOLDER}/task-{n}.md")
}

/// One repository in which each fork is a document, and both branches of all forks.
fn repository(forks: &[Fork]) -> Sandbox {
    let sandbox = Sandbox::new();
    let side = |branch: &str, from: &str, of: &dyn Fn(&Fork) -> Document| {
        sandbox.git(&["checkout", "-q", "-b", branch, from]);
        for (n, fork) in forks.iter().enumerate() {
            sandbox.write(&name(n), of(fork).text());
        }
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-q", "-m", branch]);
    };
    side("base", "main", &|fork| fork.base.clone());
    side("ours", "base", &|fork| fork.ours.document.clone());
    side("theirs", "base", &|fork| fork.theirs.document.clone());
    sandbox.git(&["checkout", "-q", "ours"]);
    sandbox
}

fn conflicts(sandbox: &Sandbox) -> BTreeSet<String> {
    let names = sandbox.git(&["diff", "--name-only", "--diff-filter=U"]);
    names.lines().map(str::to_owned).collect()
}

#[test]
fn random_pairs_of_branches_merge_with_the_driver() {
    let mut seed = Seed(23);
    let forks: Vec<Fork> = (0..sized("MYCELIUM_MERGE_PAIRS", 600, 10_000) as u64).map(|n| fork(&mut seed, n)).collect();
    let sandbox = repository(&forks);
    sandbox.mycelium(&["init", "--merge-driver"]).ok();
    let run = Run::of(sandbox.command("git").args(["merge", "--quiet", "--no-edit", "theirs"]));
    let unmerged = conflicts(&sandbox);
    assert_eq!(run.code, Some(i32::from(!unmerged.is_empty())), "{}", run.stderr);
    for (n, fork) in forks.iter().enumerate() {
        let path = DocPath::new(format!("task-{n}.md")).unwrap();
        let text = sandbox.read(&name(n));
        let document = Document::parse(text.as_bytes());
        let pure = merge::document(
            &path,
            Some(&fork.base),
            &fork.ours.document,
            &fork.theirs.document,
            &merge::MergeSides::GIT,
        );
        let same = fork.ours.touched.iter().any(|field| fork.theirs.touched.contains(field));
        if unmerged.contains(&name(n)) {
            assert!(same, "{:?} {:?}\n{text}", fork.ours.touched, fork.theirs.touched);
            assert!(!pure.conflicts.is_empty(), "{text}");
            let (_, ours, theirs) = merge::sides(&text).expect("both sides stand in it");
            for side in [ours, theirs] {
                assert!(Document::parse(side.into_bytes()).is_readable(), "{text}");
            }
        } else {
            let reading = entity::read(&path, &document);
            assert!(document.is_readable() && reading.entity.is_some(), "{text}");
        }
    }
    let (left, all) = (unmerged.len(), forks.len());
    println!("measured: {left} of {all} pairs need a person");
    assert!(left * 20 <= all, "{left} of {all} pairs need a person");
    // Whoever looks sees each of them.
    let listed = sandbox.mycelium(&["check"]);
    assert_eq!(listed.code, Some(i32::from(left > 0)), "{}", listed.stderr);
    let told = listed.stdout + &listed.stderr;
    for path in &unmerged {
        assert!(told.contains(path.rsplit('/').next().unwrap()), "{path}");
    }
    sandbox.git(&["fsck", "--full"]);
}

/// What plain git, as a forge runs it, makes of two branches that do the same kind of thing to one lean task: told, and
/// bounded where a line between the two is to be had.
#[test]
fn plain_git_on_what_has_one_place() {
    let mut seed = Seed(31);
    let mut forks = Vec::new();
    let kinds = ["boxes", "key and note", "step and note", "two notes", "two new keys", "two new steps"];
    for n in 0..sized("MYCELIUM_MERGE_PLAIN", 60, 1_000) as u64 {
        for kind in kinds {
            forks.push((kind, crate::branch::of_a_kind(&mut seed, n, kind)));
        }
    }
    let only: Vec<Fork> = forks.iter().map(|(_, fork)| fork.clone()).collect();
    let sandbox = repository(&only);
    let run = Run::of(sandbox.command("git").args(["merge", "--quiet", "--no-edit", "theirs"]));
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
    let unmerged = conflicts(&sandbox);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (n, (kind, _)) in forks.iter().enumerate() {
        let count = counts.entry(kind).or_default();
        count.0 += usize::from(unmerged.contains(&name(n)));
        count.1 += 1;
    }
    println!("measured: conflicts of plain git: {counts:?}");
    for kind in ["key and note", "step and note"] {
        assert_eq!(counts[kind].0, 0, "{counts:?}");
    }
    // Boxes of lines that are no neighbours merge clean.
    assert!(counts["boxes"].0 * 2 < counts["boxes"].1, "{counts:?}");
    // With the driver nothing is left of them.
    sandbox.git(&["merge", "--abort"]);
    sandbox.mycelium(&["init", "--merge-driver"]).ok();
    sandbox.git(&["merge", "--quiet", "--no-edit", "theirs"]);
}
