//! Of two claims that are equal the one that was pushed first stands, whoever merges and how; who lost is told.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]

use crate::scene::{Scene, data, rest, sync, task};
use crate::support::{FOLDER, Run, Sandbox};

const TASKS: [&str; 4] = ["task-1", "task-2", "task-3", "task-4"];

/// Two clones in which `ann` and `ben` have claimed the same tasks and completed one of them; `ann` has pushed.
fn apart() -> Scene {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    for id in TASKS {
        task(a, id);
    }
    sync(a);
    sync(b);
    for (clone, agent) in [(a, "ann"), (b, "ben")] {
        for id in TASKS {
            clone.mycelium(&["task", "claim", id, "--as", agent]).ok();
        }
        let result = format!("{{\"by\": \"{agent}\", \"lines\": [\"one <!-- two\", \"three\"]}}");
        clone.mycelium(&["task", "complete", "task-1", "--as", agent, "--result", &result]).ok();
    }
    sync(a);
    scene
}

/// Every task is `ann`'s, and what `ben` did stands in the history.
#[track_caller]
fn is_anns(clone: &Sandbox) {
    for id in TASKS {
        let text = clone.read(&format!("{FOLDER}/{id}.md"));
        let rule = "- merge: `ben` gave way to `ann`, pushed first:";
        assert!(text.contains("claimed_by: ann\n") || id == "task-1", "{text}");
        assert!(!text.contains("<<<<<<<") && text.contains(rule) || id == "task-1", "{text}");
    }
    let text = clone.read(&format!("{FOLDER}/task-1.md"));
    let history = text.lines().find(|line| line.starts_with("- merge:")).unwrap_or_default();
    let result = "{\"by\":\"ben\",\"lines\":[\"one \\u003c!-- two\",\"three\"]}";
    assert!(history.contains("pushed first") && history.contains(result), "{text}");
    assert!(text.contains("\"by\": \"ann\""), "{text}");
}

#[test]
fn the_claim_that_was_pushed_first_stands_and_the_loser_is_named() {
    let scene = apart();
    let [a, b] = &scene.clones[..] else { panic!() };
    let run = b.mycelium(&["sync", "--json", "--as", "ben"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    let lost = data(&run.stdout)["lost"].clone();
    let of = |n: usize| (lost[n]["loser"].as_str(), lost[n]["winner"].as_str());
    assert!((1..4).all(|n| of(n - 1) == (Some("ben"), Some("ann"))), "{lost}");
    is_anns(b);
    // Who won loses nothing, and both clones have the same bytes.
    a.mycelium(&["sync", "--as", "ann"]).ok();
    scene.is_one();
    let again = b.mycelium(&["sync", "--as", "ben"]);
    assert_eq!(again.code, Some(0), "it is said once: {again:?}");
}

#[test]
fn plain_git_with_the_driver_and_resolve_come_to_the_same() {
    let scene = apart();
    let [_, b] = &scene.clones[..] else { panic!() };
    let git = |words: &[&str]| Run::of(b.command("git").args(words));
    git(&["fetch", "--quiet", "origin"]).ok();
    let (before, merge) = (b.git(&["rev-parse", "HEAD"]), ["merge", "--quiet", "--no-edit", "origin/main"]);
    let before = before.trim_end();
    // Without the driver git stops, and `resolve` merges.
    assert_eq!(git(&merge).code, Some(1), "git alone cannot decide it");
    b.mycelium(&["resolve"]).ok();
    is_anns(b);
    let resolved = TASKS.map(|id| b.read(&format!("{FOLDER}/{id}.md")));
    git(&["merge", "--abort"]).ok();
    b.mycelium(&["init", "--merge-driver"]).ok();
    git(&merge).ok();
    is_anns(b);
    assert_eq!(TASKS.map(|id| b.read(&format!("{FOLDER}/{id}.md"))), resolved);
    // The other way round, and one commit after the other.
    git(&["reset", "--quiet", "--hard", before]).ok();
    git(&["rebase", "--quiet", "origin/main"]).ok();
    for id in TASKS {
        let text = b.read(&format!("{FOLDER}/{id}.md"));
        let is_kept = id != "task-1" || text.contains("{\"by\":\"ben\"") && text.contains("\"by\": \"ann\"");
        assert!(text.contains("claimed_by: ann\n") && is_kept, "{text}");
    }
    git(&["reset", "--quiet", "--hard", "origin/main"]).ok();
    git(&merge_of(before)).ok();
    is_anns(b);
    assert_eq!(TASKS.map(|id| b.read(&format!("{FOLDER}/{id}.md"))), resolved);
    let _ = rest(b);
}

fn merge_of(revision: &str) -> [&str; 4] {
    ["merge", "--quiet", "--no-edit", revision]
}
