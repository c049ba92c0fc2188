//! A remote's branch that dropped what it had, and a new branch beside what the remote has.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]

use crate::scene::{Scene, code, data, documents, fault, sync, task};

#[test]
fn a_rewritten_or_removed_remote_branch_is_said_and_not_merged_back() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    task(a, "task-secret");
    sync(a);
    sync(b);
    // One commit is taken out there.
    a.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    task(a, "task-2");
    a.git(&["push", "--quiet", "--force", "origin", "main"]);
    task(b, "task-3");
    let before = documents(b);
    for _ in 0..2 {
        let run = b.mycelium(&["sync", "--json"]);
        assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(4), Some("rewritten")), "{run:?}");
        assert!(run.stderr.contains("dropped 1 commit"), "{run:?}");
        assert_eq!(documents(b), before, "nothing was merged");
    }
    let there = |branch: &str| a.git(&["ls-remote", "origin", &format!("refs/heads/{branch}")]);
    assert!(there("main").contains(a.git(&["rev-parse", "HEAD"]).trim()), "nothing was pushed");
    // The clone that rewrote it is not held up, nor is the other one after it did what the hint says.
    sync(a);
    b.git(&["rebase", "--quiet", "--fork-point", "origin/main"]);
    sync(b);
    sync(a);
    scene.is_one();
    assert!(!documents(a).iter().any(|(name, _)| name.contains("secret")), "it is gone");
    // Renamed there: said, and made again only when asked for.
    a.git(&["push", "--quiet", "origin", "main:refs/heads/trunk"]);
    let remote = scene.remote();
    b.git(&["-C", remote.to_str().unwrap(), "update-ref", "-d", "refs/heads/main"]);
    task(b, "task-4");
    let run = b.mycelium(&["sync", "--json"]);
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(4), Some("rewritten")), "{run:?}");
    assert_eq!(there("main"), "");
    b.mycelium(&["sync", "--keep-dropped"]).ok();
    assert!(there("main").contains(b.git(&["rev-parse", "HEAD"]).trim()));
}

#[test]
fn what_was_dropped_goes_back_when_asked_for() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    task(a, "task-2");
    sync(a);
    sync(b);
    a.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    a.git(&["push", "--quiet", "--force", "origin", "main"]);
    // Also where the remote only went back, and there is nothing to merge.
    assert_eq!(b.mycelium(&["sync"]).code, Some(4));
    b.mycelium(&["sync", "--keep-dropped"]).ok();
    sync(b);
    sync(a);
    scene.is_one();
    assert!(documents(a).iter().any(|(name, _)| name.contains("task-2")));
}

#[test]
fn a_new_branch_does_not_wait_for_code_that_the_remote_has() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    code(a, "main.c", "int main;\n");
    a.git(&["push", "--quiet", "origin", "main"]);
    a.git(&["switch", "--quiet", "-c", "feature"]);
    task(a, "task-1");
    let went = data(&a.mycelium(&["sync", "--json"]).ok());
    assert_eq!((went["commits"].as_u64(), went["unpushed"].is_null()), (Some(1), true), "{went}");
    assert!(a.git(&["ls-remote", "origin"]).contains("refs/heads/feature"));
    // Code that the remote does not have waits as before.
    code(a, "more.c", "int more;\n");
    task(a, "task-2");
    let run = a.mycelium(&["sync"]);
    assert!(run.code == Some(1) && run.stderr.contains("more.c"), "{run:?}");
}
