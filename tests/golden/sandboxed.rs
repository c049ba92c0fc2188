//! Where `.git` cannot be written: what an agent in a sandbox leaves beside the documents.

use crate::names::Names;
use crate::stage::Stage;
use crate::support::Sandbox;
use crate::support::read_only::{can_run, inside};

/// Plays it; `None` where this machine cannot.
pub(crate) fn play(test: &str) -> Option<Names> {
    if !can_run(test) {
        return None;
    }
    let mut stage = Stage::new(Sandbox::new());
    stage.play(&[(0, "task create --type x --id task-1"), (0, "task claim task-1 --as bob")]);
    stage.start_by(inside);
    stage.play(&[
        (0, "task note task-1 x --as bob"),
        (0, "status"),
        (75, "task claim task-1 --as eve --steal"),
        (0, "event publish a:b --event c --as bob"),
        (0, "task complete task-1 --as bob"),
    ]);
    stage.start_by(Sandbox::mycelium_command);
    stage.play(&[(0, "commit")]);
    Some(stage.end())
}
