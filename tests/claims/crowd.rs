//! Many processes and many tasks: each is claimed exactly once, and files, ledger, history and what was told agree.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use crate::child::said;
use crate::scene::{Scene, tell};
use crate::support::{number, sized};

/// Processes in all, unless `MYCELIUM_CLAIM_PROCESSES` says otherwise.
const PROCESSES: usize = 32;
/// Tasks in a normal run; the full size is 1,000 (`MYCELIUM_CLAIM_TASKS`).
const TASKS: usize = 64;

/// What one process told.
struct Told {
    agent: String,
    tree: usize,
    /// The tasks that it got, with the fence.
    claimed: Vec<(String, String)>,
    board: Option<String>,
}

/// Lets the processes work until nothing is left; the fault, if there is one.
fn trial(scene: &Scene, tasks: usize, processes: usize, sabotage: Option<&str>) -> Result<Vec<Told>, String> {
    let trees = scene.trees.len();
    let agent = |n: usize| format!("worker-{n:02}");
    let mut children: Vec<_> =
        (0..processes).map(|n| (n, scene.child("work", &agent(n), n % trees, sabotage))).collect();
    for (_, child) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut told = Vec::new();
    // All are waited for, also where one fails.
    let ended: Vec<_> = children.into_iter().map(|(n, child)| (n, child.wait_with_output().unwrap())).collect();
    for (n, output) in ended {
        let said = said(&output.stdout);
        if said.last().is_none_or(|last| last != "done") {
            return Err(format!("{} did not end well: {}", agent(n), String::from_utf8_lossy(&output.stdout)));
        }
        let words: Vec<Vec<&str>> = said.iter().map(|line| line.split(' ').collect()).collect();
        let claimed = words.iter().filter(|words| words[0] == "claimed");
        let claimed = claimed.map(|words| (words[1].to_owned(), words[2].to_owned())).collect();
        let board = words.iter().rfind(|words| words[0] == "board").map(|words| words[1].to_owned());
        told.push(Told { agent: agent(n), tree: n % trees, claimed, board });
    }
    agree(scene, tasks, &told).map(|()| told)
}

/// Whether all that is left says the same.
fn agree(scene: &Scene, tasks: usize, told: &[Told]) -> Result<(), String> {
    let mut holders: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for one in told {
        for (id, fence) in &one.claimed {
            holders.entry(id).or_default().push(one);
            same("fence", id, fence, "1")?;
        }
    }
    for n in 0..tasks {
        let id = format!("task-{n:04}");
        let by = holders.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let [holder] = by else {
            return Err(format!(
                "{id} has {} winners: {:?}",
                by.len(),
                by.iter().map(|one| &one.agent).collect::<Vec<_>>()
            ));
        };
        let keys = scene.keys(holder.tree, &id);
        for (key, value) in [("status", "completed"), ("fence", "1"), ("attempt", "1")] {
            same(key, &id, keys.get(key).map_or("", String::as_str), value)?;
        }
        for key in ["claimed_by", "worker"] {
            same(key, &id, keys.get(key).map_or("", String::as_str), &holder.agent)?;
        }
        let entry = scene.entry(&id).ok_or_else(|| format!("the ledger knows nothing of {id}"))?;
        same("state", &id, entry["state"].as_str().unwrap(), "completed")?;
        same("by", &id, entry["by"].as_str().unwrap(), &holder.agent)?;
        same("root", &id, entry["root"].as_str().unwrap(), scene.trees[holder.tree].to_str().unwrap())?;
        for (tree, _) in scene.trees.iter().enumerate().filter(|(tree, _)| *tree != holder.tree) {
            same("status elsewhere", &id, &scene.keys(tree, &id)["status"], "pending")?;
        }
    }
    for tree in 0..scene.trees.len() {
        let here: BTreeMap<String, usize> = told
            .iter()
            .filter(|one| one.tree == tree)
            .flat_map(|one| &one.claimed)
            .map(|(id, _)| (id.clone(), 1))
            .collect();
        for verb in ["task.claim", "task.complete"] {
            if scene.operations(tree, verb) != here {
                return Err(format!("the history of tree {tree} tells other operations `{verb}`"));
            }
        }
        let status = scene.git(tree, &["status", "--porcelain"]);
        same("status", "the work tree", &status, "")?;
        let board = scene.keys(tree, &format!("task-board-{tree}"));
        for one in told.iter().filter(|one| one.tree == tree) {
            same(
                &one.agent,
                "the board",
                board.get(&one.agent).map_or("", String::as_str),
                one.board.as_deref().unwrap_or(""),
            )?;
        }
    }
    scene.git(0, &["fsck", "--strict"]);
    Ok(())
}

fn same(what: &str, of: &str, found: &str, expected: &str) -> Result<(), String> {
    if found.trim_matches('"') == expected {
        Ok(())
    } else {
        Err(format!("{what} of {of} is `{found}`, not `{expected}`"))
    }
}

fn size() -> (usize, usize) {
    (sized("MYCELIUM_CLAIM_TASKS", TASKS, 1_000), number("MYCELIUM_CLAIM_PROCESSES", PROCESSES))
}

#[test]
fn every_task_is_claimed_exactly_once_in_one_work_tree() {
    let (tasks, processes) = size();
    let scene = Scene::new(tasks, 1);
    let began = Instant::now();
    let told = trial(&scene, tasks, processes, None).unwrap();
    tell(&format!(
        "{processes} processes, 1 work tree: {tasks} tasks claimed, written and completed in {:?}",
        began.elapsed()
    ));
    assert!(told.iter().filter(|one| !one.claimed.is_empty()).count() > 1, "only one process got something");
}

#[test]
fn every_task_is_claimed_exactly_once_in_eight_work_trees() {
    let (tasks, processes) = size();
    let scene = Scene::new(tasks, 8);
    let began = Instant::now();
    let told = trial(&scene, tasks, processes, None).unwrap();
    tell(&format!(
        "{processes} processes, 8 work trees: {tasks} tasks claimed, written and completed in {:?}",
        began.elapsed()
    ));
    assert!(told.iter().filter(|one| !one.claimed.is_empty()).count() > 1, "only one process got something");
    // A forge merges with plain git.
    for tree in 1..8 {
        scene.git(
            0,
            &[
                "-c",
                "user.name=R",
                "-c",
                "user.email=r@example.org",
                "merge",
                "--quiet",
                "--no-edit",
                &format!("branch-{tree}"),
            ],
        );
    }
    for n in 0..tasks {
        assert_eq!(scene.keys(0, &format!("task-{n:04}"))["status"], "completed");
    }
}

#[cfg(debug_assertions)]
#[test]
fn without_the_ledger_work_trees_claim_the_same_tasks() {
    let scene = Scene::new(8, 4);
    let fault = trial(&scene, 8, 8, Some("no-ledger")).map(drop).unwrap_err();
    assert!(fault.contains("winners"), "{fault}");
}
