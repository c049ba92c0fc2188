//! Documents in conflict, made by real git: by the merge driver, and by `resolve` where there is none.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, reason = "a place that cannot be set up has failed")]

mod archived;
mod driver;
mod filters;
mod forge;
mod squash;
mod stopped;
#[path = "../support/mod.rs"]
mod support;

use support::{FOLDER, Run, Sandbox};

/// A document that a test works on.
pub(crate) const FILE: &str = ".claude/coordination/task-1.md";

/// A document whose status, title and text are given.
pub(crate) fn task(priority: &str, text: &str) -> String {
    format!("---\nid: task-1\nstatus: pending\ntype: train\npriority: {priority}\n---\n\n# Train\n\n{text}\n")
}

/// A repository with one task, committed.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    commit(&sandbox, FILE, &task("normal", "Text."));
    sandbox
}

/// Writes a file and commits it.
pub(crate) fn commit(sandbox: &Sandbox, file: &str, text: &str) {
    sandbox.write(file, text);
    sandbox.git(&["add", file]);
    sandbox.git(&["commit", "--quiet", "-m", &format!("Change {file}")]);
}

/// Git's own answer, whatever its exit code.
pub(crate) fn git(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    Run::of(sandbox.command("git").args(arguments).env("GIT_EDITOR", "true"))
}

/// `git status`, a line for each path.
pub(crate) fn status(sandbox: &Sandbox) -> Vec<String> {
    let printed = Run::of(sandbox.command("git").args(["status", "--porcelain"])).ok();
    printed.lines().map(str::to_owned).collect()
}

/// Two branches: `main` has `ours`, `topic` has `theirs`.
pub(crate) fn branches(sandbox: &Sandbox, ours: &str, theirs: &str) {
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    commit(sandbox, FILE, theirs);
    sandbox.git(&["switch", "--quiet", "main"]);
    commit(sandbox, FILE, ours);
}

/// The repository is sound, and nothing is left of a merge.
pub(crate) fn is_sound(sandbox: &Sandbox) {
    sandbox.git(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!(status(sandbox), Vec::<String>::new());
    let rest: Vec<String> = sandbox.documents().into_iter().filter(|name| name.starts_with(".mycelium")).collect();
    assert_eq!(rest, Vec::<String>::new(), "{FOLDER}");
}
