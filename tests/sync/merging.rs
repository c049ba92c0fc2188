//! What comes and what goes: fast-forwards, merges, races, and a branch of its own.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]

use crate::scene::{Scene, documents, fault, sync, task};
use crate::support::FOLDER;

#[test]
fn what_one_clone_has_made_comes_to_the_other() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    let went = sync(a);
    assert_eq!(
        (went["commits"].as_u64(), went["went_count"].as_u64(), went["came_count"].as_u64()),
        (Some(1), Some(1), Some(0))
    );
    let came = sync(b);
    assert_eq!((came["commits"].as_u64(), came["came_count"].as_u64()), (Some(0), Some(1)));
    assert_eq!(came["came"][0]["by"][0], "Robin");
    assert_eq!(came["merged"].as_array().map(Vec::len), Some(0), "a fast-forward is no merge");
    assert_eq!(a.git(&["rev-parse", "HEAD"]), b.git(&["rev-parse", "HEAD"]));
    let nothing = b.mycelium(&["sync"]);
    assert!(nothing.stderr.contains("nothing to exchange"), "{nothing:?}");
    b.mycelium(&["task", "remove", "task-1"]).ok();
    sync(b);
    sync(a);
    assert_eq!(a.documents(), Vec::<String>::new());
    scene.is_one();
}

#[test]
fn changes_of_different_fields_are_both_there_afterwards() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    scene.settle();
    a.mycelium(&["task", "note", "task-1", "from a", "--as", "ann"]).ok();
    b.mycelium(&["task", "update", "task-1", "--priority", "high", "--as", "bob"]).ok();
    task(b, "task-2");
    sync(a);
    let data = sync(b);
    assert_eq!(data["merged"].as_array().map(Vec::len), Some(1), "{data}");
    sync(a);
    scene.is_one();
    let text = a.read(&format!("{FOLDER}/task-1.md"));
    assert!(text.contains("from a") && text.contains("priority: high"), "{text}");
    let history = a.git(&["log", "--format=%an %s"]);
    for line in ["ann task-1", "bob task-1", "Robin sync: merge 1 document of origin/main"] {
        assert!(history.contains(line), "{line}\n{history}");
    }
}

#[test]
fn without_a_rule_both_versions_stand_in_the_document_and_every_clone_has_the_same() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    a.write(
        &format!("{FOLDER}/task-1.md"),
        "---\nid: task-1\nstatus: pending\ntype: x\n---\n\n# One\n\n## Goal\n\nThe first text.\n",
    );
    scene.settle();
    for (clone, text) in [(a, "Do it so."), (b, "Do it otherwise.")] {
        let old = clone.read(&format!("{FOLDER}/task-1.md"));
        clone.write(&format!("{FOLDER}/task-1.md"), &old.replace("The first text.", text));
    }
    sync(a);
    let run = b.mycelium(&["sync"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.contains("mycelium resolve task-1"), "{run:?}");
    sync(a);
    scene.is_one();
    let text = a.read(&format!("{FOLDER}/task-1.md"));
    assert!(text.contains("Do it so.") && text.contains("Do it otherwise.") && text.contains("<<<<<<<"), "{text}");
    let found = a.mycelium(&["check"]);
    assert!(found.code == Some(1) && found.stdout.contains("MYC004"), "{found:?}");
    // Life goes on around it.
    task(a, "task-2");
    sync(a);
    sync(b);
    scene.is_one();
}

#[test]
fn several_clones_at_once_all_get_through() {
    let scene = Scene::new(4);
    std::thread::scope(|scope| {
        for (number, clone) in scene.clones.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..3 {
                    task(clone, &format!("task-{number}-{round}"));
                    sync(clone);
                }
            });
        }
    });
    scene.settle();
    scene.is_one();
    assert_eq!(documents(&scene.clones[0]).len(), 12);
}

#[test]
fn without_a_server_work_goes_on() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    let away = scene.file("away");
    std::fs::rename(scene.remote(), &away).expect("it can be moved");
    task(a, "task-1");
    let run = a.mycelium(&["sync", "--json"]);
    assert_eq!(run.code, Some(75), "{run:?}");
    assert_eq!(fault(&run)["code"], "unreachable");
    assert_eq!(fault(&run)["retryable"], true);
    std::fs::rename(&away, scene.remote()).expect("it can be moved");
    sync(a);
    assert_eq!(sync(b)["came_count"], 1);
    a.git(&["remote", "remove", "origin"]);
    let run = a.mycelium(&["sync", "--json"]);
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(1), Some("no-remote")), "{run:?}");
    let run = b.mycelium(&["sync", "--remote", "nobody"]);
    assert!(run.code == Some(1) && run.stderr.contains("there is no remote `nobody`"), "{run:?}");
}

#[test]
fn a_branch_of_its_own_is_shared_by_all_clones() {
    let scene = Scene::apart(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    let main = a.git(&["rev-parse", "main"]);
    task(a, "task-1");
    task(b, "task-2");
    sync(a);
    let data = sync(b);
    assert_eq!(data["branch"], "coordination");
    assert_eq!(data["came_count"], 1, "the two had no history in common: {data}");
    a.mycelium(&["task", "note", "task-1", "from a"]).ok();
    b.mycelium(&["task", "update", "task-1", "--priority", "high"]).ok();
    scene.settle();
    scene.is_one();
    let text = b.read(&format!("{FOLDER}/task-1.md"));
    assert!(text.contains("from a") && text.contains("priority: high"), "{text}");
    for clone in [a, b] {
        assert_eq!(clone.git(&["rev-parse", "HEAD"]), main, "the user's branch is left alone");
    }
    assert_eq!(a.git(&["rev-parse", "coordination"]), b.git(&["rev-parse", "coordination"]));
}

#[test]
fn an_edit_here_and_a_commit_by_another_work_tree_are_merged() {
    let scene = Scene::apart(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    let place = scene.file("linked");
    a.git(&["worktree", "add", "--quiet", "-b", "side", place.to_str().expect("a path")]);
    std::fs::create_dir_all(place.join(".mycelium")).expect("a folder");
    std::fs::copy(a.path(".mycelium/config.json"), place.join(".mycelium/config.json")).expect("a copy");
    let linked = |arguments: &[&str]| a.mycelium(&[arguments, &["--root", place.to_str().expect("a path")]].concat());
    linked(&["task", "update", "task-1", "--priority", "high"]).ok();
    let path = format!("{FOLDER}/task-1.md");
    a.write(&path, &a.read(&path).replace("## Payload\n", "## Payload\n\nBy hand.\n"));
    let run = a.mycelium(&["commit", "--json"]).ok();
    assert!(!run.contains("MYC210"), "{run}");
    let text = a.read(&path);
    assert!(text.contains("By hand.") && text.contains("priority: high"), "{text}");
    linked(&["status"]).ok();
    assert_eq!(std::fs::read_to_string(place.join(&path)).expect("it is there"), text);
}

/// Which of the two revisions that both sides came from is looked at first is chance: so it is tried several times.
#[test]
fn what_came_after_crossed_merges_stands() {
    for _ in 0..6 {
        cross();
    }
}

fn cross() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    scene.settle();
    a.mycelium(&["task", "claim", "task-1", "--as", "ann"]).ok();
    b.mycelium(&["task", "note", "task-1", "from b"]).ok();
    // Each takes what the other has: two merges of the same two commits.
    let tips = [a, b].map(|clone| clone.git(&["rev-parse", "HEAD"]));
    for (clone, other, tip) in [(a, b, &tips[1]), (b, a, &tips[0])] {
        clone.git(&["fetch", "--quiet", other.root().to_str().expect("a path of UTF-8")]);
        clone.git(&["merge", "--quiet", "--no-edit", tip]);
    }
    sync(a);
    b.mycelium(&["task", "release", "task-1", "--as", "ann"]).ok();
    let bases = b.git(&["merge-base", "--all", "HEAD", &a.git(&["rev-parse", "HEAD"])]);
    assert_eq!(bases.lines().count(), 2, "they crossed");
    let merged = sync(b);
    assert_eq!(merged["decisions"].as_array().map(Vec::len), Some(0), "{merged}");
    let text = b.read(&format!("{FOLDER}/task-1.md"));
    assert!(text.contains("status: pending\n") && text.contains("from b") && !text.contains("claimed_by"), "{text}");
    sync(a);
    scene.is_one();
}

/// Commits a document as it is then.
fn stage(clone: &crate::support::Sandbox, priority: &str, note: &str) {
    let text = format!(
        "---\nid: task-1\nstatus: pending\ntype: x\npriority: {priority}\ncreated: 2025-10-17T00:00:00Z\n---\n\n# One\n\n{note}\n"
    );
    clone.write(&format!("{FOLDER}/task-1.md"), &text);
    clone.mycelium(&["commit"]).ok();
}

#[test]
fn a_stage_on_the_way_to_what_the_other_side_has_is_behind_and_no_conflict() {
    for is_ours in [true, false] {
        let scene = Scene::new(2);
        let [a, b] = &scene.clones[..] else { panic!() };
        stage(a, "normal", "The text at first.");
        scene.settle();
        // Both took the same changes from a server, and committed them at different stages.
        stage(a, "high", "The text of the first stage.");
        stage(a, "low", "The text in the end.");
        stage(b, "high", "The text of the first stage.");
        let (first, second) = if is_ours { (a, b) } else { (b, a) };
        sync(first);
        let data = sync(second);
        assert_eq!(data["conflicts"].as_array().map(Vec::len), Some(0), "{data}");
        sync(first);
        scene.is_one();
        let text = b.read(&format!("{FOLDER}/task-1.md"));
        assert!(text.contains("priority: low") && text.contains("in the end") && !text.contains("<<<"), "{text}");
    }
}

#[test]
fn a_branch_that_goes_on_after_its_squash_merge_keeps_what_it_did_since() {
    // The folder's name has signs that are a pattern for git: paths are taken as they are.
    for folder in [FOLDER, "docs [a-z]*/tasks"] {
        for made_on_the_branch in [false, true] {
            let scene = Scene::new(2);
            let [a, forge] = &scene.clones[..] else { panic!() };
            if folder != FOLDER {
                a.mycelium(&["config", "set", "markdown.folder", folder]).ok();
                a.git(&["add", ".mycelium"]);
                a.git(&["commit", "--quiet", "-m", "Choose a folder"]);
            }
            let create = ["task", "create", "--id", "task-1", "--type", "t", "--step", "one", "-q"];
            if !made_on_the_branch {
                a.mycelium(&create).ok();
            }
            a.git(&["push", "--quiet", "origin", "main"]);
            a.git(&["switch", "--quiet", "-c", "topic"]);
            if made_on_the_branch {
                a.mycelium(&create).ok();
            }
            for step in
                [&["task", "claim", "task-1"][..], &["task", "tick", "task-1", "1"], &["task", "complete", "task-1"]]
            {
                a.mycelium(&[step, &["--as", "ann", "-q"]].concat()).ok();
            }
            a.git(&["push", "--quiet", "origin", "topic"]);
            forge.git(&["pull", "--quiet", "origin", "main"]);
            forge.git(&["fetch", "--quiet", "origin"]);
            forge.git(&["merge", "--quiet", "--squash", "origin/topic"]);
            forge.git(&["commit", "--quiet", "-m", "topic (#1)"]);
            forge.git(&["push", "--quiet", "origin", "main"]);
            a.mycelium(&["task", "reopen", "task-1", "--as", "ann", "-q"]).ok();
            a.mycelium(&["task", "tick", "task-1", "1", "--open", "--as", "ann", "-q"]).ok();
            a.git(&["fetch", "--quiet"]);
            a.git(&["branch", "--quiet", "-f", "main", "topic"]);
            a.git(&["switch", "--quiet", "main"]);
            let data = sync(a);
            assert_eq!(data["decisions"].as_array().map(Vec::len), Some(0), "{folder} {made_on_the_branch}: {data}");
            let text = a.read(&format!("{folder}/task-1.md"));
            assert!(
                text.contains("status: pending") && text.contains("- [ ] one"),
                "{folder} {made_on_the_branch}: {text}"
            );
        }
    }
}
