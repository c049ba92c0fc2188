//! One side archived a document and the other changed it: the change stands, and the document leaves the archive.

use super::support::Sandbox;
use super::{FILE, commit, git, is_sound, status};

const ARCHIVED: &str = ".claude/coordination/archive/2026-01/task-1.md";

fn task(status: &str, text: &str) -> String {
    format!("---\nid: task-1\nstatus: {status}\ntype: train\ncreated: 2026-01-05T00:00:00Z\n---\n\n# Train\n\n{text}\n")
}

fn archive(sandbox: &Sandbox) {
    sandbox.write(ARCHIVED, "");
    sandbox.git(&["mv", "-f", FILE, ARCHIVED]);
    sandbox.git(&["commit", "--quiet", "-m", "Archive"]);
}

/// A branch `topic` and `main`: one archives, the other opens the task again.
fn forked(archiving_is_ours: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    commit(&sandbox, FILE, &task("completed", "Text."));
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    let reopen = |sandbox: &Sandbox| commit(sandbox, FILE, &task("pending", "Once more."));
    if archiving_is_ours {
        reopen(&sandbox);
    } else {
        archive(&sandbox);
    }
    sandbox.git(&["switch", "--quiet", "main"]);
    if archiving_is_ours {
        archive(&sandbox);
    } else {
        reopen(&sandbox);
    }
    sandbox
}

fn is_live(sandbox: &Sandbox) {
    assert_eq!(sandbox.read(FILE), task("pending", "Once more."));
    assert!(!sandbox.path(ARCHIVED).exists());
    assert_eq!(sandbox.git(&["ls-files", "--", ".claude"]), FILE);
}

#[test]
fn a_document_that_was_removed_by_archiving_comes_back_changed() {
    for archiving_is_ours in [true, false] {
        let sandbox = forked(archiving_is_ours);
        assert_eq!(git(&sandbox, &["merge", "-s", "resolve", "topic"]).code, Some(1));
        let run = sandbox.mycelium(&["resolve"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.contains("one side had removed it; the change stands, out of"), "{run:?}");
        is_live(&sandbox);
        assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
        is_sound(&sandbox);
    }
}

#[test]
fn a_document_that_git_followed_into_the_archive_comes_back() {
    for archiving_is_ours in [true, false] {
        let sandbox = forked(archiving_is_ours);
        assert_eq!(git(&sandbox, &["merge", "--no-edit", "topic"]).code, Some(0));
        assert!(sandbox.path(ARCHIVED).exists());
        assert!(sandbox.mycelium(&["check"]).ok().contains("MYC211"));
        let run = sandbox.mycelium(&["resolve"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.contains("not finished, so it leaves the archive"), "{run:?}");
        is_live(&sandbox);
        is_sound(&sandbox);
    }
}

#[test]
fn a_conflict_that_git_followed_into_the_archive_is_resolved_outside_of_it() {
    let sandbox = Sandbox::new();
    commit(&sandbox, FILE, &task("completed", "Text."));
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    commit(&sandbox, FILE, &task("pending", "Once more."));
    sandbox.git(&["switch", "--quiet", "main"]);
    commit(&sandbox, FILE, &task("completed", "Done, really."));
    archive(&sandbox);
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    assert_eq!(status(&sandbox), [format!("UU {ARCHIVED}")]);
    assert_eq!(sandbox.mycelium(&["resolve"]).code, Some(4));
    assert_eq!(status(&sandbox), [format!("UU {ARCHIVED}")]);
    assert_eq!(sandbox.mycelium(&["resolve", "--theirs"]).code, Some(0));
    is_live(&sandbox);
    assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
    is_sound(&sandbox);
}

#[test]
fn a_document_that_was_removed_for_good_and_changed_stays() {
    for removing_is_ours in [true, false] {
        let sandbox = Sandbox::new();
        commit(&sandbox, FILE, &task("pending", "Text."));
        sandbox.git(&["switch", "--quiet", "-c", "topic"]);
        let remove = |sandbox: &Sandbox| {
            sandbox.git(&["rm", "--quiet", FILE]);
            sandbox.git(&["commit", "--quiet", "-m", "Remove"]);
        };
        let change = |sandbox: &Sandbox| commit(sandbox, FILE, &task("pending", "Once more."));
        if removing_is_ours {
            change(&sandbox);
        } else {
            remove(&sandbox);
        }
        sandbox.git(&["switch", "--quiet", "main"]);
        if removing_is_ours {
            remove(&sandbox);
        } else {
            change(&sandbox);
        }
        assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
        assert!(sandbox.mycelium(&["status"]).ok().contains("1 document in conflict"));
        assert_eq!(sandbox.mycelium(&["resolve"]).code, Some(0));
        is_live(&sandbox);
        assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
        is_sound(&sandbox);
    }
}

#[test]
fn a_document_that_two_archived_in_different_months_is_in_one_place() {
    let other = ARCHIVED.replace("2026-01", "2026-02");
    let sandbox = Sandbox::new();
    commit(&sandbox, FILE, &task("completed", "Text."));
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    sandbox.write(&other, "");
    sandbox.git(&["mv", "-f", FILE, &other]);
    sandbox.git(&["commit", "--quiet", "-m", "Archive elsewhere"]);
    sandbox.git(&["switch", "--quiet", "main"]);
    archive(&sandbox);
    assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
    assert_eq!(sandbox.mycelium(&["resolve"]).code, Some(0));
    assert_eq!(sandbox.git(&["ls-files", "--", ".claude"]).lines().count(), 1);
    assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
    is_sound(&sandbox);
}

/// An archived document and a live one of the same name.
fn two_of_one_name() -> Sandbox {
    let sandbox = Sandbox::new();
    commit(&sandbox, ARCHIVED, &task("completed", "Old.").replace("2026-01-05", "2025-01-05"));
    commit(&sandbox, FILE, &task("pending", "New."));
    sandbox
}

#[test]
fn two_documents_of_one_name_are_never_made_one() {
    for side in ["ours", "theirs"] {
        let sandbox = two_of_one_name();
        let change = |word: &str| {
            for (file, old) in [(ARCHIVED, "Old."), (FILE, "New.")] {
                let text = sandbox.read(file).replace(old, &format!("{old} By {word}."));
                commit(&sandbox, file, &text);
            }
        };
        sandbox.git(&["switch", "--quiet", "-c", "topic"]);
        change("theirs");
        sandbox.git(&["switch", "--quiet", "main"]);
        change("ours");
        assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
        assert_eq!(status(&sandbox), [format!("UU {ARCHIVED}"), format!("UU {FILE}")]);
        let run = sandbox.mycelium(&["resolve", &format!("--{side}")]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(sandbox.read(ARCHIVED).contains(&format!("Old. By {side}.")));
        assert!(sandbox.read(FILE).contains(&format!("New. By {side}.")));
        assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
        is_sound(&sandbox);
    }
}

#[test]
fn a_document_that_one_side_removed_does_not_take_another_of_its_name_along() {
    for (changed, kept) in [(ARCHIVED, FILE), (FILE, ARCHIVED)] {
        let sandbox = two_of_one_name();
        let before = sandbox.read(kept);
        sandbox.git(&["switch", "--quiet", "-c", "topic"]);
        sandbox.git(&["rm", "--quiet", changed]);
        sandbox.git(&["commit", "--quiet", "-m", "Remove"]);
        sandbox.git(&["switch", "--quiet", "main"]);
        let text = sandbox.read(changed).replace("# Train", "# Train more");
        commit(&sandbox, changed, &text);
        assert_eq!(git(&sandbox, &["merge", "topic"]).code, Some(1));
        assert_eq!(sandbox.mycelium(&["resolve"]).code, Some(0));
        assert_eq!((sandbox.read(changed), sandbox.read(kept)), (text, before));
        assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0));
        is_sound(&sandbox);
    }
}
