//! Durable commits in one process: one caller after the other, and callers at once, whose commits share what they wait for.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use mycelium::document::{Document, Value};
use mycelium::name::Kind;
use mycelium::services::{Opening, Passing, Project};

use crate::bench::{Bench, Start, Tasks, Verdict, disk, each_second, live, repository, task, timed};
use crate::support::{FOLDER, Run, Sandbox};

/// Fewest durable commits in a second, one change each.
const ONE_MIN: f64 = 120.0;
/// Fewest changes committed in a second by callers at once.
const MANY_MIN: f64 = 300.0;
/// Callers at once.
const CALLERS: usize = 16;

pub(crate) fn run(bench: &Bench) {
    one(bench);
    many(bench);
}

fn open(sandbox: &Sandbox) -> Project {
    Project::open(Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() }).unwrap()
}

/// Changes one field of a task; when this returns, the change is a commit and on the disk.
fn change(project: &Project, id: &str, number: usize) {
    let edit = |document: &Document| Ok(document.edit().set("epoch", &Value::text(number.to_string())).unwrap());
    let outcome =
        project.operations().change(project.actor(), Kind::Task, id, "update", &Passing::default(), &edit).unwrap();
    assert!(outcome.committed.is_some(), "{id} is committed: {:?}", outcome.waiting);
}

fn one(bench: &Bench) {
    let count = bench.pick(300, 60, 3);
    let tasks = Tasks::flat(bench.pick(100, 100, 5));
    let disk = disk();
    let (here, there) = (repository(&disk.path().join("ours"), tasks), repository(&disk.path().join("theirs"), tasks));
    let project = open(&here);
    let before = commits(&here);
    change(&project, &live(0), 0);
    let ((), took) = timed(|| (1..=count).for_each(|number| change(&project, &live(number % tasks.live), number)));
    assert_eq!(commits(&here), before + count + 1, "each is a commit");
    let git = count.div_ceil(3);
    let ((), gits) = timed(|| (0..git).for_each(|number| commit_with_git(&there, number)));
    let (rate, gits) = (each_second(count, took), each_second(git, gits));
    let words = format!("{rate:.0} per s (git program, not durable: {gits:.0})");
    bench.tell("commits-one", &words, "120 per s", Verdict::of(rate >= ONE_MIN));
}

fn commit_with_git(sandbox: &Sandbox, number: usize) {
    let path = format!("{FOLDER}/{}.md", live(0));
    sandbox.write(&path, &(task(&live(0), "pending") + &format!("\n{number}\n")));
    let line = "git add \"$0\" && git commit --quiet -m changed";
    Run::of(sandbox.command("sh").args(["-c", line, &path])).ok();
}

fn many(bench: &Bench) {
    let count = bench.pick(40, 10, 2);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(bench.pick(100, 100, CALLERS)));
    let before = commits(&sandbox);
    let start = Barrier::new(CALLERS + 1);
    let took = thread::scope(|scope| {
        let callers = (0..CALLERS).map(|caller| {
            let (start, sandbox) = (&start, &sandbox);
            scope.spawn(move || {
                let project = open(sandbox);
                start.wait();
                (0..count).for_each(|number| change(&project, &live(caller), number));
            })
        });
        let callers: Vec<_> = callers.collect();
        start.wait();
        let began = Instant::now();
        for caller in callers {
            caller.join().unwrap();
        }
        began.elapsed()
    });
    let commits = commits(&sandbox) - before;
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "all of it is committed");
    let rate = each_second(CALLERS * count, took);
    let words = format!("{rate:.0} per s ({CALLERS} callers, {} changes in {commits} commits)", CALLERS * count);
    bench.tell("commits-many", &words, "300 per s", Verdict::of(rate >= MANY_MIN));
    let (said, _) = crate::bench::ours(&sandbox, Start::Direct, &["check"]);
    assert!(said.contains("no problems"), "{said}");
}

fn commits(sandbox: &Sandbox) -> usize {
    sandbox.git(&["rev-list", "--count", "HEAD"]).parse().unwrap()
}
