//! How many system calls a command costs, the whole process: numbers that may only fall.

use std::fs;
use std::path::Path;

use crate::ratchet::{self, FILE, Figures};
use crate::support::{Run, Sandbox, can_trace, could_not_run};

const TEST: &str = "commands_cost_no_more_system_calls";
const SECTION: &str = "system calls";
/// How often each is run; the smallest number counts.
const RUNS: usize = 3;
/// The commands, in a repository with one task.
const COMMANDS: [&str; 4] = [
    "task create --type x --id task-2",
    "task update task-1 --progress 0.5",
    "task claim task-1 --as bob",
    "batch plan.jsonl",
];

/// A repository with a commit of ours and every folder of objects, at a path that is equally long everywhere.
fn place() -> (tempfile::TempDir, Sandbox) {
    let own = tempfile::Builder::new().prefix("calls-").tempdir_in("/tmp").expect("a folder");
    let sandbox = Sandbox::below(own.path());
    sandbox.make_repository();
    for number in 0..=255_u8 {
        fs::create_dir_all(sandbox.path(&format!(".git/objects/{number:02x}"))).expect("a folder");
    }
    sandbox.write("plan.jsonl", "{\"op\":\"task.note\",\"id\":\"task-1\",\"text\":\"flat\"}\n");
    let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    (own, sandbox)
}

/// How many calls a command makes. Those about other processes are left out: how many there are is not ours.
fn calls(line: &str) -> u64 {
    let (own, sandbox) = place();
    let trace = own.path().join("trace");
    let mut command = sandbox.command("strace");
    command.args(["-f", "-y", "-qq", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_mycelium")).args(line.split(' '));
    let _ = Run::of(command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE")).ok();
    count(&trace)
}

fn count(trace: &Path) -> u64 {
    let text = String::from_utf8_lossy(&fs::read(trace).expect("a trace")).into_owned();
    let is_ours =
        |line: &&str| !["\"/proc", "</proc", " resumed>", "+++ ", "--- "].iter().any(|part| line.contains(part));
    text.lines().filter(is_ours).count() as u64
}

#[test]
fn commands_cost_no_more_system_calls() {
    if let Err(why) = can_trace() {
        return could_not_run(TEST, &why);
    }
    let smallest = |line: &str| (0..RUNS).map(|_| calls(line)).min().unwrap();
    let now: Figures = COMMANDS.iter().map(|line| ((*line).to_owned(), smallest(line))).collect();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)).unwrap();
    // A bound is 2 % above what was counted; below 4 % more it is too high.
    let faults = ratchet::faults(&text, SECTION, &now, |bound| bound / 17);
    assert!(faults.is_empty(), "{}\n(a line is what was counted, and 2 %)", faults.join("\n"));
}
