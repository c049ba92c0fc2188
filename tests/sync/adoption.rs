//! How a clone comes to a dedicated branch: the remote's, never one of its own beside it.
#![allow(clippy::disallowed_methods, reason = "the test starts programs and reads the clock")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::time::Instant;

use crate::scene::Scene;
use crate::support::{FOLDER, Sandbox};

/// A remote on which the first clone keeps tasks 1 and 2 on a dedicated branch. The others have them on main as they were before.
fn moved(count: usize) -> Scene {
    let scene = Scene::new(count);
    let first = &scene.clones[0];
    for id in ["task-1", "task-2"] {
        first.mycelium(&["task", "create", "--id", id, "--type", "t"]).ok();
    }
    first.git(&["push", "--quiet", "origin", "main"]);
    for clone in &scene.clones[1..] {
        clone.git(&["pull", "--quiet"]);
    }
    first.mycelium(&["config", "set", "commit.branch", "coordination", "--untrack"]).ok();
    first.git(&["add", ".mycelium"]);
    first.git(&["commit", "--quiet", "-m", "Keep the documents on their own branch"]);
    first.git(&["push", "--quiet", "origin", "main"]);
    first.mycelium(&["task", "claim", "task-1", "--as", "ann"]).ok();
    first.mycelium(&["sync"]).ok();
    scene
}

fn fresh(scene: &Scene, options: &[&str]) -> Sandbox {
    let clone = Sandbox::below(&scene.file("fresh"));
    let url = format!("file://{}", scene.remote().display());
    clone.git(&[&["clone", "--quiet"], options, &[&url, "."]].concat());
    clone
}

fn on_branch(clone: &Sandbox) -> Vec<String> {
    let names = clone.git(&["ls-tree", "-r", "--name-only", "coordination", "--", FOLDER]);
    names.lines().map(|name| name.rsplit('/').next().unwrap().to_owned()).collect()
}

fn assert_one_root(clone: &Sandbox) {
    assert_eq!(clone.git(&["rev-list", "--max-parents=0", "coordination"]).lines().count(), 1);
}

#[test]
fn a_fresh_clone_reads_the_remote_branch_at_its_first_command() {
    for options in [&[][..], &["--single-branch"]] {
        let scene = moved(1);
        let clone = fresh(&scene, options);
        let list = clone.mycelium(&["task", "list", "--format", "{{id}} {{status}}"]);
        assert_eq!(list.stdout, "task-1 running\ntask-2 pending\n", "{options:?}");
        assert!(list.stderr.contains("taken over from `origin/coordination`"), "{}", list.stderr);
        assert_eq!(clone.git(&["status", "--porcelain"]), "");
        assert_eq!(clone.mycelium(&["task", "list"]).stderr, "", "it is said once");
        clone.mycelium(&["task", "note", "task-2", "from here"]).ok();
        assert_one_root(&clone);
    }
}

#[test]
fn a_clone_that_pulls_the_setting_brings_its_own_documents_along() {
    for (command, is_committed) in
        [(&["task", "list"][..], false), (&["task", "create", "--id", "task-9", "--type", "t"], true)]
    {
        let scene = moved(2);
        let clone = &scene.clones[1];
        clone.mycelium(&["task", "create", "--id", "task-3", "--type", "t"]).ok();
        clone.write(&format!("{FOLDER}/task-4.md"), "---\nid: task-4\nstatus: pending\ntype: t\n---\n\n# By hand\n");
        clone.git(&["pull", "--quiet", "--no-edit", "--no-rebase"]);
        let run = clone.mycelium(command);
        assert!(run.stderr.contains("MYC220"), "{}", run.stderr);
        assert!(clone.read(&format!("{FOLDER}/task-1.md")).contains("status: running"), "as it is on the branch");
        assert_eq!(on_branch(clone).contains(&"task-9.md".to_owned()), is_committed);
        clone.mycelium(&["sync"]).ok();
        for id in ["task-1", "task-2", "task-3", "task-4"] {
            assert!(on_branch(clone).contains(&format!("{id}.md")), "{id}");
        }
        assert_one_root(clone);
        scene.clones[0].mycelium(&["sync"]).ok();
        assert_eq!(scene.clones[0].documents(), clone.documents());
    }
}

#[test]
fn what_was_changed_here_is_merged_with_the_branch_that_is_taken_over() {
    let scene = moved(2);
    let clone = &scene.clones[1];
    clone.git(&["fetch", "--quiet"]);
    let path = format!("{FOLDER}/task-1.md");
    let edited = clone.read(&path).replace("## Notes", "## Notes\n\n- from the other clone");
    clone.write(&path, &edited);
    // The setting comes without the commit that removes the documents.
    clone.write(".mycelium/config.json", r#"{"commit": {"branch": "coordination"}}"#);
    clone.mycelium(&["commit"]).ok();
    let text = clone.git(&["show", &format!("coordination:{path}")]);
    assert!(text.contains("status: running") && text.contains("- from the other clone"), "{text}");
}

#[test]
fn no_second_branch_is_made_while_the_remote_cannot_be_asked() {
    let scene = moved(1);
    let clone = fresh(&scene, &["--single-branch"]);
    clone.git(&["remote", "set-url", "origin", &format!("file://{}", scene.file("nowhere").display())]);
    let list = clone.mycelium(&["task", "list"]);
    assert!(list.stderr.contains("MYC221"), "a failure is said: {}", list.stderr);
    let made = clone.mycelium(&["task", "create", "--id", "task-3", "--type", "t"]);
    assert_eq!(made.code, Some(0));
    assert!(made.stderr.contains("it is not known whether `origin` has the branch `coordination`"), "{}", made.stderr);
    assert_eq!(clone.git(&["branch", "--list", "coordination"]), "");
    clone.git(&["remote", "set-url", "origin", &format!("file://{}", scene.remote().display())]);
    clone.mycelium(&["sync"]).ok();
    assert_eq!(on_branch(&clone), ["task-1.md", "task-2.md", "task-3.md"]);
    assert_one_root(&clone);
}

#[test]
fn a_person_may_have_the_branch_made_without_the_remote() {
    let scene = moved(1);
    let clone = fresh(&scene, &["--single-branch"]);
    clone.git(&["remote", "set-url", "origin", &format!("file://{}", scene.file("nowhere").display())]);
    clone.mycelium(&["task", "create", "--id", "task-3", "--type", "t"]).ok();
    clone.mycelium(&["config", "set", "commit.branch", "coordination"]).ok();
    clone.mycelium(&["commit"]).ok();
    assert_eq!(on_branch(&clone), ["task-3.md"]);
    clone.git(&["remote", "set-url", "origin", &format!("file://{}", scene.remote().display())]);
    clone.mycelium(&["sync"]).ok();
    assert_eq!(on_branch(&clone), ["task-1.md", "task-2.md", "task-3.md"], "the two are merged");
}

#[test]
fn a_remote_that_says_nothing_is_waited_for_once_and_not_for_long() {
    let scene = moved(1);
    let clone = fresh(&scene, &["--single-branch"]);
    clone.git(&["remote", "set-url", "origin", "ssh://nobody@localhost/r.git"]);
    let silent = |arguments: &[&str]| {
        let began = Instant::now();
        let mut command = clone.command(env!("CARGO_BIN_EXE_mycelium"));
        let output = command.args(arguments).env("GIT_SSH_COMMAND", "sleep 120;").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        began.elapsed().as_secs()
    };
    assert!((9..40).contains(&silent(&["task", "list"])), "asked for a bounded time");
    for arguments in [&["task", "list"][..], &["task", "create", "--id", "task-3", "--type", "t"], &["status"]] {
        assert!(silent(arguments) < 8, "{arguments:?}: not asked again at once");
    }
}
