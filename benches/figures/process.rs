//! Whole processes: how soon they start, how long they look, how much memory they take at most.

use std::fs;
use std::process::Stdio;

use crate::bench::{Bench, Start, Tasks, Verdict, disk, live, median, ms, ours, repository, timed, uncommitted};
use crate::support::Sandbox;

/// Most times as long as `git --version`.
const START_MAX: f64 = 2.0;
/// Most memory of a command, in MiB.
const MEMORY_MAX: f64 = 15.0;
/// Longest `task list`, `task ready`, `why` and `status`, and longest `task get` at 10,000 tasks, and either at 100,000, in milliseconds.
const LIST_MAX: f64 = 50.0;
const GET_MAX: f64 = 10.0;
const LARGE_MAX: f64 = 800.0;

/// Less than any program takes, in MiB.
const MEMORY_MIN: f64 = 0.5;
/// Most looks at a program that is gone sooner than it can be looked at.
const TRIES_MAX: usize = 200;

/// How soon a program is there and gone.
pub(crate) fn start(bench: &Bench) {
    let pairs = bench.pick(200, 40, 2);
    let disk = disk();
    let sandbox = Sandbox::below(disk.path());
    let turn = |_| {
        let (said, mine) = ours(&sandbox, Start::Direct, &["--version"]);
        assert!(said.starts_with("mycelium "), "{said}");
        (ms(mine), ms(timed(|| sandbox.git(&["--version"])).1))
    };
    let rows: Vec<(f64, f64)> = (0..=pairs).map(turn).skip(1).collect();
    let ratio = median(rows.iter().map(|(mine, git)| mine / git));
    let (mine, git) = (median(rows.iter().map(|row| row.0)), median(rows.iter().map(|row| row.1)));
    let words = format!("{ratio:.2} × ({mine:.1} ms beside {git:.1} ms)");
    bench.tell("start", &words, "at most 2 ×", Verdict::of(ratio <= START_MAX));
}

/// Commands that only look, at 10,000 tasks.
pub(crate) fn looks(bench: &Bench) {
    let rounds = bench.pick(30, 10, 1);
    let all = bench.pick(10_000, 10_000, 50);
    for (name, tasks) in [("", Tasks::mostly_archived(all)), ("-flat", Tasks::flat(all))] {
        let disk = disk();
        let sandbox = repository(disk.path(), tasks);
        let id = live(tasks.live / 2);
        // From the first write on, what was read of many live documents is kept.
        sandbox.mycelium(&["task", "note", &live(0), "seen"]).ok();
        let commands: &[(&str, &[&str], Option<f64>)] = &[
            ("get", &["task", "get", &id], Some(GET_MAX)),
            ("list", &["task", "list"], Some(LIST_MAX)),
            ("ready", &["task", "ready"], Some(LIST_MAX)),
            ("why", &["why", &id], Some(LIST_MAX)),
            ("status", &["status"], Some(LIST_MAX)),
            ("check", &["check"], None),
        ];
        let mut times = vec![Vec::new(); commands.len()];
        for _ in 0..rounds {
            for ((_, arguments, _), times) in commands.iter().zip(&mut times) {
                let (said, took) = ours(&sandbox, Start::Direct, arguments);
                assert!(said.contains(&id) || arguments.len() == 1 || tasks.live > 20, "{arguments:?} said {said}");
                times.push(ms(took));
            }
        }
        for ((command, arguments, most), times) in commands.iter().zip(times) {
            let took = median(times);
            let words = format!("{took:.1} ms");
            match most.filter(|_| name.is_empty()) {
                Some(most) => {
                    bench.tell(&format!("{command}{name}"), &words, &format!("{most} ms"), Verdict::of(took <= most));
                }
                None => bench.show(&format!("{command}{name}"), &words),
            }
            memory(bench, &format!("memory-{command}{name}"), &sandbox, arguments, name.is_empty());
        }
    }
}

/// The same at 100,000.
pub(crate) fn large(bench: &Bench) {
    let rounds = bench.pick(7, 3, 1);
    let disk = disk();
    let tasks = Tasks::mostly_archived(bench.pick(100_000, 20_000, 100));
    let sandbox = uncommitted(disk.path(), tasks);
    let id = live(tasks.live / 2);
    let commands = [
        ("get-100000", &["task", "get", &id][..]),
        ("list-100000", &["task", "list"]),
        ("ready-100000", &["task", "ready"]),
        ("why-100000", &["why", &id]),
    ];
    for (name, arguments) in commands {
        let took = median((0..rounds).map(|_| ms(ours(&sandbox, Start::Direct, arguments).1)));
        bench.tell(name, &format!("{took:.1} ms"), "800 ms", Verdict::of(took <= LARGE_MAX));
        memory(bench, &format!("memory-{name}"), &sandbox, arguments, false);
    }
}

/// The most memory that a command takes: the kernel's own high-water mark, read again and again until the program ends.
fn memory(bench: &Bench, id: &str, sandbox: &Sandbox, arguments: &[&str], has_target: bool) {
    let rounds = bench.pick(5, 3, 1);
    let mut mib = (0..rounds).map(|_| peak(sandbox, arguments)).fold(0.0, f64::max);
    // A program may be gone before it is looked at, or be seen when it has only begun.
    for _ in 0..TRIES_MAX {
        if mib > MEMORY_MIN {
            break;
        }
        mib = peak(sandbox, arguments);
    }
    assert!(mib > MEMORY_MIN, "a program takes some memory");
    if has_target {
        bench.tell(id, &format!("{mib:.1} MiB"), "15 MiB", Verdict::of(mib <= MEMORY_MAX));
    } else {
        bench.show(id, &format!("{mib:.1} MiB"));
    }
}

fn peak(sandbox: &Sandbox, arguments: &[&str]) -> f64 {
    let mut child = sandbox.mycelium_command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    // A program that has ended, but was not waited for, still has the file, without that line.
    while let Some(kib) = fs::read_to_string(&status).unwrap().lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        peak = kib.trim().trim_end_matches(" kB").parse().unwrap();
    }
    assert!(child.wait().unwrap().success(), "{arguments:?} failed");
    peak / 1024.0
}
