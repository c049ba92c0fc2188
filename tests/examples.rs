//! Every example is run in a repository of its own, and does what the guide says that it does.
#![allow(clippy::disallowed_methods, reason = "tests start programs")]
#![allow(clippy::unwrap_used, reason = "a test whose place cannot be made has failed")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use support::{FOLDER, Run, Sandbox};

/// The folder of the examples, built as the tests are. `cargo test --test examples` alone does not build them.
fn examples() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--examples", "--manifest-path"]);
        build.args([concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        Run::of(&mut build).ok();
        profile.join("examples")
    })
}

/// An example in this place.
fn command(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Command {
    let mut command = sandbox.command(examples().join(name));
    command.args(arguments).env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
    command
}

/// Runs an example; what it left must be committed and free of faults.
fn run(name: &str, arguments: &[&str]) -> (String, Sandbox) {
    let sandbox = Sandbox::new();
    let told = Run::of(&mut command(&sandbox, name, arguments)).ok();
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{name}");
    let checked = sandbox.mycelium(&["check"]).ok();
    assert!(checked.contains("no problems"), "{name}: {checked}");
    (told, sandbox)
}

/// The tasks of a repository, by type.
fn statuses(sandbox: &Sandbox) -> Vec<String> {
    let told = sandbox.mycelium(&["--json", "task", "list", "--limit", "100"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    let tasks = told["data"]["items"].as_array().unwrap();
    let word = |task: &Value, key: &str| task[key].as_str().unwrap().to_owned();
    let mut statuses: Vec<String> =
        tasks.iter().map(|task| format!("{} {}", word(task, "type"), word(task, "status"))).collect();
    statuses.sort();
    statuses
}

#[test]
fn a_task_is_handed_off() {
    let (told, sandbox) = run("task_handoff", &[]);
    assert_eq!(told, "prepare-dataset is completed: {\"dataset\":\"alice-voice\",\"rows\":1200}\n");
    assert_eq!(sandbox.git(&["log", "--format=%an", "--", FOLDER]), "data-engineer\ndata-engineer\nplanner");
}

#[test]
fn a_chain_is_done_in_its_order() {
    let (told, sandbox) = run("dependency_chain", &[]);
    assert!(
        told.starts_with("0 of 3 completed\n") && told.ends_with("3 of 3 completed\nthe chain is done\n"),
        "{told}"
    );
    assert_eq!(statuses(&sandbox), ["evaluate-model completed", "prepare-dataset completed", "train-model completed"]);
}

#[test]
fn tasks_follow_each_other() {
    let (told, sandbox) = run("sequential", &[]);
    assert_eq!(told, "doing A\ndoing B\ndoing C\n");
    assert_eq!(statuses(&sandbox), ["A completed", "B completed", "C completed"]);
}

#[test]
fn tasks_are_done_at_once() {
    let (told, sandbox) = run("parallel", &[]);
    let expected = "A is completed\nB1 is completed\nB2 is completed\nB3 is completed\nready now: C\nC is completed\n";
    assert_eq!(told, expected);
    assert_eq!(statuses(&sandbox).len(), 5);
}

#[test]
fn errors_are_told_apart() {
    let (told, _sandbox) = run("error_handling", &[]);
    let expected = "refused: run `mycelium task update task-7 --status running` first\n\
        not found: no task `task-8`\n\
        conflict: task `task-7` is there already, in `task-7.md`\n\
        task-7 has not ended in 50 ms\n";
    assert_eq!(told, expected);
}

#[test]
fn an_interrupted_agent_cleans_up() {
    let sandbox = Sandbox::new();
    let mut agent = command(&sandbox, "cleanup", &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(agent.stdout.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "working; Ctrl-C stops it\n");
    assert_eq!(sandbox.documents(), ["agent-ai-engineer.md"]);
    Run::of(Command::new("kill").args(["-INT", &agent.id().to_string()])).ok();
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), agent.wait().unwrap().code()), ("cleaned up\n", Some(0)));
    assert_eq!(sandbox.documents(), Vec::<String>::new());
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn the_team_is_monitored() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--type", "x"]).ok();
    sandbox.mycelium(&["agent", "set", "a", "--status", "idle"]).ok();
    let told = Run::of(&mut command(&sandbox, "monitoring", &["0.02", "3"])).ok();
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        let seen = (line["mode"].as_str(), line["active_agents"].as_u64(), line["pending_tasks"].as_u64());
        assert_eq!(seen, (Some("markdown"), Some(1), Some(1)));
    }
    assert!(lines[2]["latency_ms"].as_f64().unwrap() > 0.0, "{told}");
}

#[test]
fn what_follows_depends_on_how_a_task_ended() {
    for (how, next) in [("succeed", "B"), ("fail", "C")] {
        let (told, sandbox) = run("conditional", &[how]);
        assert_eq!(told, format!("A is over, {next} follows\n"));
        assert!(statuses(&sandbox).contains(&format!("{next} pending")), "{how}");
    }
}

#[test]
fn events_are_published_and_heard() {
    let (told, _sandbox) = run("pub_sub", &[]);
    let expected = "training_started on training:progress\ncheckpoint_saved on training:events\n\
        checkpoint at step 1000, loss 0.42\nunsubscribed: 1\n";
    assert_eq!(told, expected);
}

/// An example that nobody runs is an example that may be wrong.
#[test]
fn every_example_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let own = include_str!("examples.rs");
    for name in support::names(folder.as_ref()) {
        let name = name.trim_end_matches(".rs");
        assert!(own.matches(&format!("\"{name}\"")).count() >= 1, "{name} is run by no test");
    }
}
