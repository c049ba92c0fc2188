//! Eight processes at once, twenty tasks each, beside eight that use git as it is.

use std::thread;

use crate::bench::{Bench, Verdict, disk, ms, task, timed};
use crate::support::{FOLDER, Run, Sandbox};

const PROCESSES: usize = 8;

pub(crate) fn run(bench: &Bench) {
    let each = bench.pick(20, 20, 2);
    let all = PROCESSES * each;
    let disk = disk();
    let (here, there) = (Sandbox::below(&disk.path().join("ours")), Sandbox::below(&disk.path().join("theirs")));
    here.make_repository();
    there.make_repository();
    let ((), took) = timed(|| {
        at_once(each, &|worker, number| {
            let (agent, title) = (format!("agent-{worker}"), format!("Task {number} of agent-{worker}"));
            let arguments = ["--as", &agent, "task", "create", "--type", "test", "--title", &title];
            let _ = here.mycelium(&arguments).ok();
        });
    });
    let stored = here.documents().len();
    let committed = here.git(&["ls-tree", "--name-only", &format!("HEAD:{FOLDER}")]).lines().count();
    let trailers = here.git(&["log", "--format=%B", "--", FOLDER]);
    let attributed = trailers.lines().filter(|line| line.starts_with("Mycelium-Operation:")).count();
    assert!((stored, committed, attributed) == (all, all, all) || bench.size != crate::bench::Size::Test);
    let ok = stored.min(committed).min(attributed);
    let words = format!("{ok} in {:.1} s", ms(took) / 1_000.0);
    bench.tell("creates", &words, &format!("{all} stored, committed, attributed"), Verdict::of(ok == all));

    at_once(each, &|worker, number| {
        let id = format!("task-{worker}-{number}");
        let path = format!("{FOLDER}/{id}.md");
        there.write(&path, &task(&id, "pending"));
        let line = "git add \"$0\" && git commit --quiet -m \"$1\"";
        let _ = Run::of(there.command("sh").args(["-c", line, &path, &id]));
    });
    let subjects = there.git(&["log", "--format=%s"]);
    let own = subjects.lines().filter(|subject| subject.starts_with("task-")).count();
    bench.show("creates-git", &format!("{own} of {all} calls of `git add` and `git commit` made a commit"));
}

fn at_once(each: usize, work: &(dyn Fn(usize, usize) + Sync)) {
    thread::scope(|scope| {
        for worker in 0..PROCESSES {
            scope.spawn(move || (0..each).for_each(|number| work(worker, number)));
        }
    });
}
