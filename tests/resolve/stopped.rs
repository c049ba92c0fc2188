//! `resolve` after a merge, rebase, cherry-pick, revert or stash that stopped, without a driver.

use super::support::Sandbox;
use super::{FILE, branches, commit, git, is_sound, sandbox, status, task};

/// Both change the line after the one that the other changes: plain git takes that for a conflict.
fn near(priority: &str, kind: &str) -> String {
    task(priority, "Text.").replace("type: train", &format!("type: {kind}"))
}

/// What a document says after a conflict of one place.
fn resolved(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let run = sandbox.mycelium(&[&["resolve"], arguments].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.stderr
}

#[test]
fn a_merge_that_stopped_is_resolved_and_goes_on() {
    let sandbox = sandbox();
    branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    let run = sandbox.mycelium(&["resolve"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.contains("ours `One.`, theirs `Two.`"), "{run:?}");
    assert_eq!(status(&sandbox), [format!("UU {FILE}")]);
    let status_words = sandbox.mycelium(&["status"]).ok();
    assert!(status_words.contains("1 document in conflict; `mycelium resolve`"), "{status_words}");
    assert_eq!(sandbox.mycelium(&["check"]).code, Some(1));
    assert!(sandbox.mycelium(&["task", "list"]).ok().contains("a merge conflict"));
    let said = resolved(&sandbox, &["--theirs"]);
    assert!(said.contains("hint: run `git merge --continue`"), "{said}");
    assert_eq!(sandbox.read(FILE), task("normal", "Two."));
    assert_eq!(status(&sandbox), [format!("M  {FILE}")]);
    assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
    is_sound(&sandbox);
    assert!(resolved(&sandbox, &[]).contains("nothing to resolve"));
}

#[test]
fn only_what_is_undecided_is_taken_from_a_side() {
    let sandbox = sandbox();
    let ours = task("high", "One.");
    let theirs = task("normal", "Two.").replace("# Train", "# Train it");
    branches(&sandbox, &ours, &theirs);
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    let _ = resolved(&sandbox, &["task-1", "--ours"]);
    let text = sandbox.read(FILE);
    assert!(text.contains("priority: high") && text.contains("One.") && !text.contains("Two."), "{text}");
}

#[test]
fn a_rebase_a_cherry_pick_and_a_revert_that_stopped_go_on() {
    for (start, next, swapped) in [
        (&["rebase", "topic"][..], &["rebase", "--continue"][..], true),
        (&["cherry-pick", "topic"], &["cherry-pick", "--continue"], false),
    ] {
        let sandbox = sandbox();
        branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
        assert_eq!(git(&sandbox, start).code, Some(1));
        let open = sandbox.mycelium(&["resolve"]);
        assert_eq!(open.stderr.contains("in a rebase `ours` is the branch that you rebase onto"), swapped, "{open:?}");
        let said = resolved(&sandbox, &["--theirs"]);
        assert!(said.contains(&format!("run `git {}`", next.join(" "))), "{said}");
        assert_eq!(sandbox.read(FILE), task("normal", if swapped { "One." } else { "Two." }));
        let run = git(&sandbox, next);
        assert_eq!(run.code, Some(0), "{run:?}");
        is_sound(&sandbox);
    }
    let sandbox = sandbox();
    commit(&sandbox, FILE, &task("high", "Text."));
    commit(&sandbox, FILE, &task("low", "Text."));
    assert_eq!(git(&sandbox, &["revert", "--no-edit", "HEAD~1"]).code, Some(1));
    assert!(resolved(&sandbox, &["--ours"]).contains("git revert"));
    assert_eq!(sandbox.read(FILE), task("low", "Text."));
}

#[test]
fn a_stash_that_was_popped_over_a_change_is_resolved_and_committed() {
    let sandbox = sandbox();
    sandbox.write(FILE, &task("normal", "Stashed."));
    sandbox.git(&["stash", "--quiet"]);
    commit(&sandbox, FILE, &task("normal", "Newer."));
    assert_eq!(git(&sandbox, &["stash", "pop"]).code, Some(1));
    let said = resolved(&sandbox, &["--theirs"]);
    assert!(said.contains("git stash drop"), "{said}");
    assert_eq!(sandbox.read(FILE), task("normal", "Stashed."));
    assert_eq!(sandbox.git(&["stash", "list"]).lines().count(), 1, "the stash is for its owner to drop");
    sandbox.mycelium(&["commit", "-q"]).ok();
    is_sound(&sandbox);
}

#[test]
fn what_two_made_at_once_is_merged_without_a_common_version() {
    let sandbox = sandbox();
    let agent = ".claude/coordination/agent-x.md";
    let text = |status: &str| format!("---\nagent: x\nstatus: {status}\n---\n\n# x\n");
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    commit(&sandbox, agent, &text("busy"));
    sandbox.git(&["switch", "--quiet", "main"]);
    commit(&sandbox, agent, &text("idle"));
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    let _ = resolved(&sandbox, &["agent-x.md", "--ours"]);
    assert!(status(&sandbox).iter().all(|line| line.starts_with("M  ")), "{:?}", status(&sandbox));
    assert!(sandbox.read(agent).contains("agent: x\n"));
    assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
    is_sound(&sandbox);
}

#[test]
fn other_work_of_the_user_stays_as_it_is() {
    let sandbox = sandbox();
    commit(&sandbox, "kept.txt", "old\n");
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    commit(&sandbox, "code.rs", "theirs\n");
    sandbox.git(&["switch", "--quiet", "main"]);
    commit(&sandbox, "code.rs", "ours\n");
    branches_on(&sandbox);
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    sandbox.write("staged.txt", "staged\n");
    sandbox.git(&["add", "staged.txt"]);
    sandbox.write("kept.txt", "unstaged\n");
    let before = (sandbox.read("code.rs"), sandbox.git(&["ls-files", "--stage", "code.rs", "staged.txt", "kept.txt"]));
    assert!(resolved(&sandbox, &["--ours"]).contains("git has 1 file in conflict"));
    let after = (sandbox.read("code.rs"), sandbox.git(&["ls-files", "--stage", "code.rs", "staged.txt", "kept.txt"]));
    assert_eq!(before, after);
    assert_eq!(status(&sandbox), ["AA code.rs", " M kept.txt", "A  staged.txt"].map(str::to_owned));
}

/// A conflict in the task too, on branches that are there.
fn branches_on(sandbox: &Sandbox) {
    commit(sandbox, FILE, &task("normal", "One."));
    sandbox.git(&["switch", "--quiet", "topic"]);
    commit(sandbox, FILE, &task("normal", "Two."));
    sandbox.git(&["switch", "--quiet", "main"]);
}

#[test]
fn what_was_decided_by_hand_is_staged_as_it_is() {
    let sandbox = sandbox();
    branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    sandbox.write(FILE, &task("normal", "Both, by hand."));
    let _ = resolved(&sandbox, &[]);
    assert_eq!(sandbox.read(FILE), task("normal", "Both, by hand."));
    assert_eq!(status(&sandbox), [format!("M  {FILE}")]);
}

#[test]
fn what_is_replaced_is_an_object_of_git() {
    let sandbox = sandbox();
    branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    let edited = sandbox.read(FILE).replace("# Train", "# Train by hand");
    sandbox.write(FILE, &edited);
    let answer: serde_json::Value =
        serde_json::from_str(&sandbox.mycelium(&["resolve", "--ours", "--json"]).ok()).unwrap();
    let replaced = answer["data"]["resolved"][0]["replaced"][0].as_str().unwrap();
    assert_eq!(sandbox.git(&["cat-file", "blob", replaced]), edited.trim_end());
    assert!(sandbox.read(FILE).contains("# Train by hand"), "an edit outside of the markers stands");
}

#[test]
fn a_merge_that_is_given_up_leaves_nothing_behind() {
    let sandbox = sandbox();
    branches(&sandbox, &near("high", "train"), &near("low", "eval"));
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    let _ = resolved(&sandbox, &["--ours"]);
    sandbox.git(&["merge", "--abort"]);
    assert_eq!(sandbox.read(FILE), near("high", "train"));
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.mycelium(&["commit", "-q"]).ok();
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), head);
    is_sound(&sandbox);
}

#[test]
fn a_name_that_means_nothing_is_refused() {
    let sandbox = sandbox();
    branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    assert_eq!(sandbox.mycelium(&["resolve", "task-9", "--ours"]).code, Some(3));
    assert_eq!(status(&sandbox), [format!("UU {FILE}")]);
    for name in ["1", "task-1", "task-1.md", FILE] {
        assert_eq!(sandbox.mycelium(&["resolve", name]).code, Some(4), "{name}");
    }
}

#[test]
fn a_decision_for_one_side_stands() {
    let (ours, theirs) = (task("normal", "One."), task("normal", "Two."));
    for (choose, text) in [
        (&["checkout", "--quiet", "--theirs", FILE][..], &theirs),
        (&["checkout", "--quiet", "--ours", FILE], &ours),
        (&[], &theirs),
    ] {
        let sandbox = sandbox();
        branches(&sandbox, &ours, &theirs);
        assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
        assert_eq!(sandbox.mycelium(&["resolve"]).code, Some(4));
        if choose.is_empty() {
            sandbox.write(FILE, text);
        } else {
            sandbox.git(choose);
        }
        let said = resolved(&sandbox, &[]);
        assert_eq!(&sandbox.read(FILE), text, "{said}");
        assert!(!sandbox.git(&["ls-files", "--stage", "--", FILE]).contains('\n'));
        assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
        is_sound(&sandbox);
    }
}

#[test]
fn our_version_is_no_decision_where_git_leaves_it_itself() {
    for (attribute, driver) in [("-merge", None), ("merge=binary", None), ("merge=own", Some("false"))] {
        let sandbox = sandbox();
        commit(&sandbox, ".gitattributes", &format!("*.md {attribute}\n"));
        if let Some(driver) = driver {
            sandbox.git(&["config", "merge.own.driver", driver]);
        }
        branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
        assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
        assert_eq!(sandbox.read(FILE), task("normal", "One."));
        assert_eq!(sandbox.mycelium(&["resolve"]).code, Some(4), "{attribute}");
        assert!(sandbox.read(FILE).contains("<<<<<<< "), "{attribute}");
    }
}
