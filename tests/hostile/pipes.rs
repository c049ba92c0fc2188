//! Named pipes in the place of files that are read without being asked for: no command waits there for ever.
#![allow(clippy::disallowed_methods, reason = "the test makes pipes and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Run, Sandbox};

/// What is said where a file of the repository is a pipe: the rest goes on.
const RULES: [&str; 5] = [
    ".gitattributes",
    ".claude/coordination/.gitattributes",
    ".gitignore",
    ".git/info/attributes",
    ".git/info/exclude",
];
/// Files without which nothing of the repository can be read.
const PARTS: [&str; 6] = ["HEAD", "config", "config.worktree", "index", "packed-refs", "objects/info/alternates"];

/// After this a command waits for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a command, and fails if it does not end.
fn ends(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let mut command = sandbox.mycelium_command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{arguments:?} waits: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    Run::from_output(format!("{arguments:?}"), &child.wait_with_output().unwrap())
}

/// Puts a pipe in the place of a file, for as long as something is done.
fn with_pipe(sandbox: &Sandbox, file: &str, check: impl FnOnce()) {
    let (path, kept) = (sandbox.path(file), sandbox.path("kept"));
    let was_there = fs::rename(&path, &kept).is_ok();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    check();
    fs::remove_file(&path).unwrap();
    if was_there {
        fs::rename(&kept, &path).unwrap();
    }
}

#[test]
fn no_command_waits_at_a_named_pipe() {
    let sandbox = Sandbox::new();
    let create = |id: &str| ends(&sandbox, &["task", "create", "--id", id, "--type", "x", "--as", "ann"]);
    let _ = create("task-1").ok();
    for (number, file) in RULES.iter().enumerate() {
        with_pipe(&sandbox, file, || {
            let created = create(&format!("task-{}", number + 2));
            let said = format!("{file}` cannot be read: it is not a plain file");
            assert!(created.stderr.contains(&said) && created.stderr.contains("hint: run `ls -ld "), "{created:?}");
            let is_attributes = file.contains("attributes");
            assert_eq!(created.code, Some(if is_attributes { 4 } else { 0 }), "{created:?}");
            assert!(ends(&sandbox, &["task", "list"]).ok().contains("task-1"));
            assert_ne!(ends(&sandbox, &["check"]).code, Some(1), "{file}");
            let _ = ends(&sandbox, &["doctor"]);
        });
    }
    for file in PARTS {
        with_pipe(&sandbox, &format!(".git/{file}"), || {
            let run = ends(&sandbox, &["task", "list"]);
            assert_eq!(run.code, Some(5), "{run:?}");
            assert!(run.stderr.contains(&format!("{file}` is not a plain file")), "{run:?}");
        });
    }
    // Nothing is left to wait for.
    let _ = create("task-9").ok();
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_null_device_stands_for_no_rules() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "core.excludesFile", "/dev/null"]);
    sandbox.git(&["config", "core.attributesFile", "/dev/null"]);
    let _ = sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "x"]).ok();
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}
