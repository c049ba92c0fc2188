//! One task, many clones: the push decides, and the loser is told who won.
#![allow(clippy::disallowed_methods, reason = "the test starts programs")]

use crate::scene::{Scene, data, fault, meanwhile, rest, script, sync, task};
use crate::support::{FOLDER, Run, Sandbox};

fn claim(clone: &Sandbox, which: &str, agent: &str) -> Run {
    clone.mycelium(&["task", "claim", which, "--push", "--as", agent, "--json"])
}

#[test]
fn of_many_clones_that_claim_at_once_one_gets_the_task() {
    let scene = Scene::new(5);
    task(&scene.clones[0], "task-1");
    scene.settle();
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let start = |(number, clone)| scope.spawn(move || claim(clone, "task-1", &format!("agent-{number}")));
        let all: Vec<_> = scene.clones.iter().enumerate().map(start).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    let winners: Vec<usize> = (0..runs.len()).filter(|number| runs[*number].code == Some(0)).collect();
    assert_eq!(winners.len(), 1, "{runs:?}");
    let winner = format!("agent-{}", winners[0]);
    assert_eq!(data(&runs[winners[0]].stdout)["pushed"], "origin/main");
    for run in runs.iter().filter(|run| run.code != Some(0)) {
        assert_eq!(run.code, Some(4), "{run:?}");
        let fault = fault(run);
        let holder = (fault["code"].as_str(), fault["claim"]["holder"].as_str(), fault["claim"]["fence"].as_u64());
        assert_eq!(holder, (Some("claim-lost"), Some(&*winner), Some(1)), "{run:?}");
    }
    scene.settle();
    scene.is_one();
    for clone in &scene.clones {
        assert!(clone.read(&format!("{FOLDER}/task-1.md")).contains(&format!("claimed_by: {winner}\n")));
    }
}

#[test]
fn the_next_task_goes_to_one_each() {
    let scene = Scene::new(3);
    for number in 0..3 {
        task(&scene.clones[0], &format!("task-{number}"));
    }
    scene.settle();
    let mut got: Vec<String> = std::thread::scope(|scope| {
        let start = |(number, clone): (usize, _)| {
            scope.spawn(move || {
                for _ in 0..10 {
                    let run = claim(clone, "--next", &format!("agent-{number}"));
                    match run.code {
                        Some(0) => return data(&run.stdout)["id"].as_str().expect("an id").to_owned(),
                        _ => assert_eq!(fault(&run)["code"], "claim-lost", "{run:?}"),
                    }
                }
                panic!("it is always too late");
            })
        };
        let all: Vec<_> = scene.clones.iter().enumerate().map(start).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    got.sort();
    assert_eq!(got, ["task-0", "task-1", "task-2"]);
    scene.settle();
    scene.is_one();
}

#[test]
fn a_claim_beside_other_changes_goes_through_and_one_of_a_finished_task_does_not() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    for id in ["task-1", "task-2"] {
        task(a, id);
    }
    scene.settle();
    // It has not been heard of here that somebody else is at it, or has written something else.
    a.mycelium(&["task", "note", "task-1", "from a"]).ok();
    sync(a);
    claim(b, "task-1", "bob").ok();
    sync(a);
    assert!(a.read(&format!("{FOLDER}/task-1.md")).contains("claimed_by: bob"));
    a.mycelium(&["task", "claim", "task-2", "--as", "ann"]).ok();
    a.mycelium(&["task", "complete", "task-2", "--as", "ann"]).ok();
    sync(a);
    let run = claim(b, "task-2", "bob");
    assert_eq!(run.code, Some(4), "{run:?}");
    let stolen = b.mycelium(&["task", "claim", "task-1", "--push", "--steal", "--as", "eve", "--json"]).ok();
    assert_eq!(data(&stolen)["claim"]["fence"], 2);
    scene.settle();
    scene.is_one();
}

#[test]
fn without_the_server_nobody_gets_it() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    sync(a);
    let before = a.read(&format!("{FOLDER}/task-1.md"));
    std::fs::rename(scene.remote(), scene.file("away")).expect("it can be moved");
    let run = claim(a, "task-1", "ann");
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(75), Some("unreachable")), "{run:?}");
    assert_eq!(a.read(&format!("{FOLDER}/task-1.md")), before);
}

#[test]
fn two_that_claimed_apart_are_one_owner_after_a_sync_in_either_order() {
    for order in [[0, 1], [1, 0]] {
        let scene = Scene::new(2);
        task(&scene.clones[0], "task-1");
        scene.settle();
        for (clone, agent) in scene.clones.iter().zip(["ann", "bob"]) {
            clone.mycelium(&["task", "claim", "task-1", "--as", agent]).ok();
        }
        let [first, second] = order.map(|number| &scene.clones[number]);
        rest(first);
        let merging = data(&second.mycelium(&["sync", "--json"]).ok());
        let decided = &merging["decisions"][0];
        let (winner, loser) = (decided["winner"].as_str().expect("one"), decided["loser"].as_str().expect("another"));
        let names = ["ann", "bob"];
        assert_eq!((winner, loser), (names[order[0]], names[order[1]]), "who pushed first has it: {merging}");
        // Whoever did not merge is told as well.
        let told = data(&first.mycelium(&["sync", "--json"]).ok());
        assert_eq!(
            (&told["losses"][0]["winner"], &told["losses"][0]["loser"]),
            (&winner.into(), &loser.into()),
            "{told}"
        );
        scene.settle();
        scene.is_one();
        for clone in &scene.clones {
            let text = clone.read(&format!("{FOLDER}/task-1.md"));
            assert!(text.contains(&format!("claimed_by: {winner}\n")), "{text}");
            assert!(text.contains(&format!("- merge: `{loser}` gave way to `{winner}`")), "{text}");
        }
        let history = scene.clones[0].git(&["log", "--format=%an"]);
        assert!(history.contains("ann") && history.contains("bob"), "{history}");
    }
}

#[test]
fn who_pushed_first_has_it_whatever_was_claimed_and_given_back_before() {
    for (steals, wins) in [(false, false), (true, false), (true, true)] {
        let scene = Scene::new(2);
        let [ann, ben] = &scene.clones[..] else { panic!() };
        task(ann, "task-1");
        scene.settle();
        if wins {
            // Who has it is known before, and only something else comes in between.
            claim(ann, "task-1", "ann").ok();
            sync(ben);
            ann.mycelium(&["task", "note", "task-1", "still at it", "--as", "ann"]).ok();
        } else {
            ben.mycelium(&["task", "claim", "task-1", "--as", "ben"]).ok();
            ben.mycelium(&["task", "release", "task-1", "--as", "ben"]).ok();
            ann.mycelium(&["task", "claim", "task-1", "--as", "ann"]).ok();
        }
        let _ = ann.mycelium(&["sync", "--no-push"]);
        let url = ann.git(&["remote", "get-url", "origin"]);
        let push = format!("git -C '{}' push --quiet '{url}' main >&2", ann.root().display());
        let mut arguments = vec!["task", "claim", "task-1", "--push", "--as", "ben", "--json"];
        arguments.extend(steals.then_some("--steal"));
        let run = meanwhile(&scene, ben, "git-receive-pack", &push, &arguments);
        if wins {
            assert_eq!(run.code, Some(0), "{run:?}");
        } else {
            assert_eq!((run.code, fault(&run)["claim"]["holder"].as_str()), (Some(4), Some("ann")), "{run:?}");
        }
        scene.settle();
        scene.is_one();
        let winner = if wins { "ben" } else { "ann" };
        let text = ann.read(&format!("{FOLDER}/task-1.md"));
        assert!(text.contains(&format!("claimed_by: {winner}\n")), "{text}");
    }
}

#[test]
fn what_was_written_just_before_a_lost_claim_stays() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    sync(a);
    scene.protect("no");
    // Once the commit of what is here is made, and before the claim.
    let (path, once) = (a.path(&format!("{FOLDER}/task-1.md")), scene.file("once"));
    let hook = format!("mkdir '{}' && printf '\\n- a note\\n' >> '{}'", once.display(), path.display());
    script(&a.path(".git/hooks/post-commit"), &hook);
    a.mycelium(&["config", "set", "commit.hooks", "true", "--user"]).ok();
    a.write(&format!("{FOLDER}/task-1.md"), &format!("{}\nmore\n", a.read(&format!("{FOLDER}/task-1.md"))));
    let run = claim(a, "task-1", "ann");
    assert_eq!(run.code, Some(4), "{run:?}");
    let text = a.read(&format!("{FOLDER}/task-1.md"));
    assert!(once.exists() && text.contains("more") && text.contains("- a note") && text.contains("pending"), "{text}");
}
