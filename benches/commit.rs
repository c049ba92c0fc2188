//! One task created and durably committed by one call, beside `git add` and `git commit` as a user runs them.
#![allow(clippy::disallowed_methods, reason = "a bench starts programs and reads the clock")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::{FOLDER, Run, Sandbox};

/// Pairs of calls for each size.
const PAIRS: usize = 60;
/// Sizes: live tasks, archived tasks.
const SIZES: &[(usize, usize)] = &[(100, 0), (200, 9_800)];
/// Archived tasks of one month.
const MONTH: usize = 700;

/// How the programs are started.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// By a line of shell, as a user or an agent does it.
    Shell,
    /// By the bench itself, without a shell.
    Direct,
}

fn main() {
    // Cargo passes `--bench` in `cargo bench`; `cargo test` only asks whether it still works.
    let timed = std::env::args().any(|argument| argument == "--bench");
    let (pairs, sizes) = if timed { (PAIRS, SIZES) } else { (2, &[(10, 20)][..]) };
    println!(
        "{:>6}  {:>8}  {:>22}  {:>22}  {:>6}",
        "tasks", "started", "mycelium task create", "git add + git commit", "ratio"
    );
    for ((live, archived), start) in sizes.iter().flat_map(|size| [(size, Start::Shell), (size, Start::Direct)]) {
        let rows = measure(*live, *archived, pairs, start);
        let started = format!("{start:?}").to_lowercase();
        let ours = median(rows.iter().map(|(ours, _)| ms(*ours)));
        let gits = median(rows.iter().map(|(_, git)| ms(*git)));
        let ratio = median(rows.iter().map(|(ours, git)| ms(*ours) / ms(*git)));
        println!("{:>6}  {started:>8}  {ours:>19.1} ms  {gits:>19.1} ms  {ratio:>6.2}", live + archived);
    }
    if timed {
        println!("medians of {PAIRS} pairs in turn; ratio: the median of the pairs' ratios; below 1 we are quicker");
    } else {
        println!("\ntest result: ok. {} passed; 0 failed; 0 ignored", sizes.len());
    }
}

/// Times pairs of calls in two equal repositories, in turn.
fn measure(live: usize, archived: usize, pairs: usize, start: Start) -> Vec<(Duration, Duration)> {
    // On the disk that the project is on: a temporary folder may be in memory, where nothing needs to be durable.
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ours = repository(&disk.path().join("ours"), live, archived);
    let theirs = repository(&disk.path().join("theirs"), live, archived);
    let turn = |number: usize| (create_with_us(&ours, number, start), commit_with_git(&theirs, number, start));
    turn(0);
    (1..=pairs).map(turn).collect()
}

fn repository(root: &Path, live: usize, archived: usize) -> Sandbox {
    let sandbox = Sandbox::below(root);
    sandbox.make_repository();
    for number in 0..live {
        sandbox
            .write(&format!("{FOLDER}/task-live-{number:05}.md"), &task(&format!("task-live-{number:05}"), "pending"));
    }
    for number in 0..archived {
        let month = number / MONTH;
        let folder = format!("{FOLDER}/archive/{}-{:02}", 2024 + month / 12, month % 12 + 1);
        let id = format!("task-done-{number:05}");
        sandbox.write(&format!("{folder}/{id}.md"), &task(&id, "completed"));
    }
    sandbox.git(&["add", "."]);
    sandbox.git(&["-c", "maintenance.auto=false", "commit", "--quiet", "-m", "Add tasks"]);
    sandbox.git(&["gc", "--quiet"]);
    sandbox
}

fn task(id: &str, status: &str) -> String {
    format!(
        "---\nid: {id}\nstatus: {status}\ntype: train-model\nassigned_to: ai-engineer\ncreated: 2025-10-17T00:00:00Z\n\
         priority: high\n---\n\n# Train the model {id}\n\n## Payload\n\n```json\n{{\n  \"epochs\": 3\n}}\n```\n"
    )
}

fn create_with_us(sandbox: &Sandbox, number: usize, how: Start) -> Duration {
    let title = format!("Task {number}");
    let arguments = ["--as", "ai-engineer", "task", "create", "--type", "train-model", "--title", &title];
    let mut command = match how {
        Start::Direct => sandbox.mycelium_command(&arguments),
        Start::Shell => {
            let mut shell = sandbox.command("sh");
            shell.args(["-c", "\"$0\" \"$@\"", env!("CARGO_BIN_EXE_mycelium")]).args(arguments);
            shell
        }
    };
    let start = Instant::now();
    let run = Run::of(&mut command);
    let took = start.elapsed();
    let path = format!("{FOLDER}/{}.md", run.ok().trim());
    // What was timed is a commit: it is at HEAD.
    sandbox.git(&["cat-file", "-e", &format!("HEAD:{path}")]);
    took
}

fn commit_with_git(sandbox: &Sandbox, number: usize, how: Start) -> Duration {
    let id = format!("task-new-{number:05}");
    let path = format!("{FOLDER}/{id}.md");
    sandbox.write(&path, &task(&id, "pending"));
    let message = format!("{id}: created");
    let line = "git add \"$0\" && git commit --quiet -m \"$1\"";
    let start = Instant::now();
    match how {
        Start::Direct => {
            sandbox.git(&["add", &path]);
            sandbox.git(&["commit", "--quiet", "-m", &message]);
        }
        Start::Shell => {
            Run::of(sandbox.command("sh").args(["-c", line, &path, &message])).ok();
        }
    }
    start.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
