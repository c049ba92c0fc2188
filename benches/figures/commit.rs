//! Commits by one call of our program, beside `git add` and `git commit` as a user runs them, in turn.

use std::fmt::Write as _;
use std::time::Duration;

use crate::bench::{Bench, Start, Tasks, Verdict, disk, live, median, ms, ours, repository, task, timed};
use crate::support::{FOLDER, Run, Sandbox};

/// Most times git's for one task created and committed.
const RATIO_MAX: f64 = 1.0;
/// Most times as long with 10,000 tasks as with 100.
const GROWTH_MAX: f64 = 1.5;

/// What came of pairs of calls: medians in milliseconds, and the median of the pairs' ratios.
struct Pairs {
    ours: f64,
    git: f64,
    ratio: f64,
}

impl Pairs {
    fn of(rows: &[(Duration, Duration)]) -> Self {
        Self {
            ours: median(rows.iter().map(|(ours, _)| ms(*ours))),
            git: median(rows.iter().map(|(_, git)| ms(*git))),
            ratio: median(rows.iter().map(|(ours, git)| ms(*ours) / ms(*git))),
        }
    }

    fn words(&self) -> String {
        format!("{:.2} × ({:.1} ms beside {:.1} ms)", self.ratio, self.ours, self.git)
    }
}

/// One task created and durably committed by one call.
pub(crate) fn creates(bench: &Bench) {
    let pairs = bench.pick(60, 12, 1);
    let (few, many) = (bench.pick(100, 100, 5), bench.pick(10_000, 10_000, 50));
    let sizes = [("100", Tasks::flat(few)), ("10000", Tasks::mostly_archived(many)), ("flat", Tasks::flat(many))];
    let mut base = None;
    for (name, tasks) in sizes {
        let disk = disk();
        let here = repository(&disk.path().join("ours"), tasks);
        let there = repository(&disk.path().join("theirs"), tasks);
        for start in [Start::Shell, Start::Direct] {
            let rows: Vec<(Duration, Duration)> = (0..=pairs)
                .map(|number| (create_with_us(&here, number, start), commit_with_git(&there, number, start)))
                .collect();
            let rows = Pairs::of(&rows[1..]);
            let is_direct = matches!(start, Start::Direct);
            let id = format!("commit-{name}{}", if is_direct { "-direct" } else { "" });
            if is_direct || name == "flat" {
                bench.show(&id, &rows.words());
                continue;
            }
            bench.tell(&id, &rows.words(), "at most 1 ×", Verdict::of(rows.ratio <= RATIO_MAX));
            let Some(base) = base else {
                base = Some(rows.ours);
                continue;
            };
            let growth = rows.ours / base;
            let words = format!("{growth:.2} × ({base:.1} ms to {:.1} ms)", rows.ours);
            bench.tell("commit-growth", &words, "at most 1.5 ×", Verdict::of(growth <= GROWTH_MAX));
        }
    }
}

fn create_with_us(sandbox: &Sandbox, number: usize, start: Start) -> Duration {
    let title = format!("Task {number}");
    let arguments = ["--as", "ai-engineer", "task", "create", "--type", "train-model", "--title", &title];
    let (id, took) = ours(sandbox, start, &arguments);
    // What was timed is a commit: it is at HEAD.
    sandbox.git(&["cat-file", "-e", &format!("HEAD:{FOLDER}/{}.md", id.trim())]);
    took
}

fn commit_with_git(sandbox: &Sandbox, number: usize, start: Start) -> Duration {
    let id = format!("task-new-{number:05}{}", if matches!(start, Start::Direct) { "d" } else { "s" });
    let path = format!("{FOLDER}/{id}.md");
    sandbox.write(&path, &task(&id, "pending"));
    add_and_commit(sandbox, &path, &format!("{id}: created"), start)
}

fn add_and_commit(sandbox: &Sandbox, path: &str, message: &str, start: Start) -> Duration {
    // Not `--quiet`: nobody types that, and our own call says what it did, too.
    let line = "git add \"$0\" && git commit -m \"$1\"";
    let work = || match start {
        Start::Direct => {
            sandbox.git(&["add", path]);
            sandbox.git(&["commit", "-m", message]);
        }
        Start::Shell => _ = Run::of(sandbox.command("sh").args(["-c", line, path, message])).ok(),
    };
    timed(work).1
}

/// Files that were edited by hand, found and committed by one call.
pub(crate) fn edits(bench: &Bench) {
    let pairs = bench.pick(20, 5, 1);
    let tasks = Tasks::mostly_archived(bench.pick(10_000, 10_000, 100));
    let disk = disk();
    let here = repository(&disk.path().join("ours"), tasks);
    let there = repository(&disk.path().join("theirs"), tasks);
    for changes in [1, 10, 100] {
        let changes = changes.min(tasks.live);
        let turn = |number: usize| {
            edit(&here, changes, number);
            let (_, mine) = ours(&here, Start::Shell, &["commit"]);
            assert_eq!(here.git(&["status", "--porcelain"]), "", "all of it is committed");
            edit(&there, changes, number);
            (mine, add_and_commit(&there, FOLDER, "edited", Start::Shell))
        };
        let rows: Vec<(Duration, Duration)> = (0..=pairs).map(turn).collect();
        bench.show(&format!("commit-edits-{changes}"), &Pairs::of(&rows[1..]).words());
    }
}

/// Adds a note to the first tasks, as an editor does it.
fn edit(sandbox: &Sandbox, changes: usize, number: usize) {
    for task_number in 0..changes {
        let path = format!("{FOLDER}/{}.md", live(task_number));
        let mut text = sandbox.read(&path);
        let _ = write!(text, "\nLook {number} at {changes}.\n");
        sandbox.write(&path, &text);
    }
}
