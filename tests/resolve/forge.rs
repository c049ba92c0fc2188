//! Documents with conflict markers that git takes for documents like any other: committed on a forge, or left by a stash.

use super::{FILE, branches, commit, git, is_sound, sandbox, status, task};

fn marked(ours: &str, theirs: &str) -> String {
    let text = format!("<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> topic");
    task("normal", "@").replace('@', &text)
}

#[test]
fn markers_that_were_committed_elsewhere_and_pulled_are_resolved_as_an_operation() {
    let sandbox = sandbox();
    commit(&sandbox, FILE, &marked("One.", "Two."));
    let open = sandbox.mycelium(&["resolve"]);
    assert_eq!(open.code, Some(4), "{open:?}");
    assert_eq!(sandbox.read(FILE), marked("One.", "Two."), "what is not decided stays as it is");
    let run = sandbox.mycelium(&["resolve", "--theirs"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(sandbox.read(FILE), task("normal", "Two."));
    is_sound(&sandbox);
    let message = sandbox.git(&["log", "-1", "--format=%B"]);
    assert!(message.contains("task-1"), "{message}");
}

#[test]
fn what_both_sides_have_alike_needs_nobody() {
    let sandbox = sandbox();
    commit(&sandbox, FILE, &marked("One.", "One."));
    let run = sandbox.mycelium(&["resolve", "task-1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(sandbox.read(FILE), task("normal", "One."));
    is_sound(&sandbox);
}

#[test]
fn markers_in_the_frontmatter_are_resolved_too() {
    let sandbox = sandbox();
    let text = task("@", "Text.").replace(
        "priority: @",
        "<<<<<<< a\npriority: low\n||||||| o\npriority: normal\n=======\npriority: high\n>>>>>>> b",
    );
    commit(&sandbox, FILE, &text);
    assert!(sandbox.mycelium(&["task", "list"]).ok().contains("a merge conflict"));
    assert_eq!(sandbox.mycelium(&["resolve", "--ours"]).code, Some(0));
    assert_eq!(sandbox.read(FILE), task("low", "Text."));
    is_sound(&sandbox);
}

#[test]
fn a_stash_whose_index_was_reset_is_resolved() {
    let sandbox = sandbox();
    sandbox.write(FILE, &task("normal", "Stashed."));
    sandbox.git(&["stash", "--quiet"]);
    commit(&sandbox, FILE, &task("normal", "Newer."));
    assert_eq!(git(&sandbox, &["stash", "pop"]).code, Some(1));
    sandbox.git(&["reset", "--quiet"]);
    assert_eq!(status(&sandbox), [format!(" M {FILE}")]);
    assert_eq!(sandbox.mycelium(&["resolve", "--theirs"]).code, Some(0));
    assert_eq!(sandbox.read(FILE), task("normal", "Stashed."));
    is_sound(&sandbox);
}

#[test]
fn half_of_the_markers_is_told_and_left() {
    let sandbox = sandbox();
    let text = task("normal", "Text.").replace("type: train", "<<<<<<< a\ntype: train");
    commit(&sandbox, FILE, &text);
    assert_eq!(sandbox.mycelium(&["resolve", "--ours"]).code, Some(4));
    assert_eq!(sandbox.read(FILE), text);
}

#[test]
fn on_a_branch_of_its_own_the_index_is_not_looked_at() {
    let sandbox = sandbox();
    branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
    sandbox.write(".mycelium/config.json", "{\"commit\": {\"branch\": \"coordination\"}}\n");
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    assert_eq!(sandbox.mycelium(&["resolve", "--ours"]).code, Some(0));
    assert_eq!(sandbox.read(FILE), task("normal", "One."));
    assert!(status(&sandbox).contains(&format!("UU {FILE}")));
}
