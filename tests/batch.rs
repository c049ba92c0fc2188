//! Batches as a program sees them: killed in the middle, with few open files, line by line.
#![allow(clippy::disallowed_methods, reason = "tests start programs")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use support::{Run, SABOTAGE, Sandbox};

fn plan(count: usize) -> String {
    (0..count).fold(String::new(), |mut plan, number| {
        let _ = writeln!(plan, r#"{{"op": "task.create", "id": "task-{number:04}", "type": "x"}}"#);
        plan
    })
}

#[test]
fn a_batch_that_is_killed_is_there_as_a_whole_or_not_at_all() {
    const TASKS: usize = 20;
    for death in ["die-after-append", "die-after-first-exchange", "die-after-exchange"] {
        let sandbox = Sandbox::new();
        sandbox.write("plan.jsonl", &plan(TASKS));
        let mut command = sandbox.mycelium_command(&["batch", "--atomic", "plan.jsonl"]);
        let run = Run::of(command.env(SABOTAGE, death));
        assert!(run.code != Some(0) && run.stdout.is_empty(), "{death}: it died before it could answer: {run:?}");
        sandbox.mycelium(&["commit"]).ok();
        let documents = sandbox.documents().len();
        assert_eq!(documents, TASKS, "{death}: what the journal has is finished, all of it");
        let commits = sandbox.git(&["rev-list", "--count", "HEAD", "--", support::FOLDER]);
        assert_eq!(commits, "1", "{death}: and is one commit");
        assert_eq!(sandbox.git(&["status", "--porcelain", "--", support::FOLDER]), "", "{death}");
    }
}

#[test]
fn a_batch_needs_few_open_files() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.jsonl", &plan(300));
    let line = "ulimit -n 64 && exec \"$0\" batch --atomic plan.jsonl --quiet";
    let mut shell = sandbox.command("sh");
    shell.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
    let told = Run::of(shell.args(["-c", line, env!("CARGO_BIN_EXE_mycelium")])).ok();
    assert_eq!(told.lines().count(), 300);
    assert_eq!(sandbox.documents().len(), 300);
}

#[test]
fn lines_that_come_slowly_are_answered_as_they_come() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.mycelium_command(&["batch", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for (number, line) in plan(3).lines().enumerate() {
        writeln!(input, "{line}").unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!((answer["data"]["line"].as_u64(), &answer["data"]["ok"]), (Some(number as u64 + 1), &true.into()));
        assert!(answer["committed"].is_string(), "it is on the disk and committed when it is told");
    }
    drop(input);
    assert!(answers.next().unwrap().unwrap().contains("batch.end"));
    assert!(child.wait().unwrap().success());
}
