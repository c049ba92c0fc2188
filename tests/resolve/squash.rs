//! A branch that goes on after its squash merge: the squashed version stands in its history, so what came after it stands,
//! by the driver and by `resolve`.

use super::support::Sandbox;
use super::{FILE, commit, git, is_sound, sandbox, status, task};

/// What the branch says when it is squashed, and what it says afterwards: back where it came from, in one place.
fn squashed() -> String {
    task("high", "Squashed.")
}

fn after() -> String {
    task("high", "Text.\n\nMore.")
}

/// `topic` was squashed into `main` and has gone on since; `topic` is checked out.
fn gone_on(sandbox: &Sandbox) {
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    commit(sandbox, FILE, &squashed());
    sandbox.git(&["switch", "--quiet", "main"]);
    sandbox.git(&["merge", "--quiet", "--squash", "topic"]);
    sandbox.git(&["commit", "--quiet", "-m", "topic (#1)"]);
    sandbox.git(&["switch", "--quiet", "topic"]);
    commit(sandbox, FILE, &after());
}

/// The same for a document that the branch made.
fn made_and_gone_on(sandbox: &Sandbox) {
    sandbox.git(&["rm", "--quiet", FILE]);
    sandbox.git(&["commit", "--quiet", "-m", "Nothing yet"]);
    gone_on(sandbox);
}

fn with_driver() -> Sandbox {
    let sandbox = sandbox();
    sandbox.mycelium(&["init", "--merge-driver", "-q"]).ok();
    sandbox.git(&["add", ".claude", ".mycelium"]);
    sandbox.git(&["commit", "--quiet", "-m", "Set up the driver"]);
    sandbox
}

#[test]
fn the_driver_takes_the_side_that_went_on() {
    for scene in [gone_on, made_and_gone_on] {
        // Into the branch, and into main: who is checked out does not matter.
        for (here, other) in [("topic", "main"), ("main", "topic")] {
            let sandbox = with_driver();
            scene(&sandbox);
            sandbox.git(&["switch", "--quiet", here]);
            assert_eq!(git(&sandbox, &["merge", "--quiet", "--no-edit", other]).code, Some(0), "{here}");
            assert_eq!(sandbox.read(FILE), after(), "{here}");
            is_sound(&sandbox);
        }
    }
}

#[test]
fn resolve_takes_the_side_that_went_on() {
    for scene in [gone_on, made_and_gone_on] {
        for (here, other) in [("topic", "main"), ("main", "topic")] {
            let sandbox = sandbox();
            scene(&sandbox);
            sandbox.git(&["switch", "--quiet", here]);
            assert_eq!(git(&sandbox, &["merge", "--quiet", other]).code, Some(1), "{here}: plain git stops");
            let run = sandbox.mycelium(&["resolve"]);
            assert_eq!(run.code, Some(0), "{run:?}");
            assert_eq!(sandbox.read(FILE), after(), "{here}");
            assert_eq!(git(&sandbox, &["merge", "--continue"]).code, Some(0), "{here}");
            is_sound(&sandbox);
        }
    }
}

#[test]
fn a_commit_that_is_picked_brings_only_its_own_change() {
    let sandbox = with_driver();
    gone_on(&sandbox);
    // A later commit of the branch changes the priority alone; main holds the squashed version, which stands behind it.
    commit(&sandbox, FILE, &task("low", "Text.\n\nMore."));
    sandbox.git(&["switch", "--quiet", "main"]);
    assert_eq!(git(&sandbox, &["cherry-pick", "topic"]).code, Some(0));
    assert_eq!(sandbox.read(FILE), task("low", "Squashed."), "what lies between was not asked for");
    assert_eq!(status(&sandbox), Vec::<String>::new());
}
