//! A watching process moves workflows on: what follows from an end, and from the time that an attempt may take.

use crate::process::{Process, until};
use crate::support::Sandbox;

fn get(sandbox: &Sandbox, what: &str, id: &str) -> String {
    sandbox.mycelium(&[what, "get", id, "--format", "{{status}} {{error}}"]).ok().trim().to_owned()
}

#[test]
fn a_watcher_skips_times_out_and_ends() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["workflow", "new", "release", "--template", "conditional"]).ok();
    let watching = Process::start(&sandbox);
    sandbox.mycelium(&["workflow", "run", "release", "--id", "wf-1"]).ok();
    sandbox.mycelium(&["task", "update", "task-wf-1-repair", "--set", "timeout=1s"]).ok();
    sandbox.mycelium(&["task", "claim", "task-wf-1-build", "--as", "ann"]).ok();
    sandbox.mycelium(&["task", "fail", "task-wf-1-build", "--as", "ann", "--error", "no disk"]).ok();
    until("the step after a success is skipped", || get(&sandbox, "task", "task-wf-1-publish") == "completed");
    sandbox.mycelium(&["task", "claim", "task-wf-1-repair", "--as", "ann"]).ok();
    until("the attempt times out", || get(&sandbox, "task", "task-wf-1-repair") == "failed timed out after 1s");
    let end = "failed build failed: no disk; repair failed: timed out after 1s";
    until("the workflow ends", || get(&sandbox, "workflow", "wf-1") == end);
    watching.stop();
}
