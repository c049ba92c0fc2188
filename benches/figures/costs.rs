//! What one call of the program costs in a small folder and in a large one, beside the `git` program, a plain `grep` over
//! the files, and Taskwarrior.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Start, Tasks, Verdict, disk, live, median, ms, ours, repository, timed};
use crate::support::{FOLDER, Run, Sandbox, has_program};

/// Most times as long with 10,000 tasks as with 100.
const GROWTH_MAX: f64 = 1.5;
/// The program of the Debian package `taskwarrior`.
const TASKWARRIOR: &str = "task";

/// The life of a task, a call for each step, durable and committed.
pub(crate) fn life(bench: &Bench) {
    let rounds = bench.pick(40, 12, 1);
    let sizes = [Tasks::flat(bench.pick(100, 100, 5)), Tasks::mostly_archived(bench.pick(10_000, 10_000, 50))];
    let disk = disk();
    let places: Vec<Sandbox> = sizes
        .iter()
        .enumerate()
        .map(|(number, tasks)| repository(&disk.path().join(number.to_string()), *tasks))
        .collect();
    let can_claim = places[0].mycelium(&["task", "claim", "--help"]).code == Some(0);
    let begin: &[&str] = if can_claim { &["task", "claim"] } else { &["task", "update", "--status", "running"] };
    let steps: [(&str, &[&str]); 4] = [
        ("create", &["task", "create", "--type", "x"]),
        ("create-as", &["task", "create", "--type", "x", "--id"]),
        ("claim", begin),
        ("complete", &["task", "complete"]),
    ];
    let mut times = vec![[const { Vec::new() }; 2]; steps.len()];
    for round in 0..=rounds {
        let id = format!("task-cost-{round:04}");
        for (step, (name, arguments)) in steps.iter().enumerate() {
            for (place, sandbox) in places.iter().enumerate() {
                let which: &[&str] = if *name == "create" { &[] } else { &[&id] };
                let arguments = [&["--as", "ai-engineer"], *arguments, which].concat();
                let (_, took) = ours(sandbox, Start::Direct, &arguments);
                // The first fills caches.
                if round > 0 {
                    times[step][place].push(ms(took));
                }
            }
        }
    }
    for ((step, _), [few, many]) in steps.iter().zip(times) {
        let ratio = median(many.iter().zip(&few).map(|(many, few)| many / few));
        let words = format!("{ratio:.2} × ({:.1} ms to {:.1} ms)", median(few), median(many));
        bench.tell(&format!("cost-{step}"), &words, "at most 1.5 ×", Verdict::of(ratio <= GROWTH_MAX));
    }
    if !can_claim {
        println!("there is no `task claim`: `task update --status running` was measured in its place");
    }
}

/// What others take to answer the same questions about the same tasks.
pub(crate) fn peers(bench: &Bench) {
    let rounds = bench.pick(15, 5, 1);
    let disk = disk();
    let tasks = Tasks::mostly_archived(bench.pick(10_000, 10_000, 50));
    let sandbox = repository(&disk.path().join("ours"), tasks);
    let id = live(tasks.live / 2);
    let wanted = format!("^id: {id}$");
    let each = |work: &dyn Fn()| median((0..=rounds).map(|_| ms(timed(work).1)).skip(1));
    let run = |program: &str, arguments: &[&str]| drop(Run::of(sandbox.command(program).args(arguments)).ok());
    let show = |id: &str, took: f64| bench.show(id, &format!("{took:.1} ms"));
    show("list-ours", each(&|| drop(ours(&sandbox, Start::Direct, &["task", "list", "--status", "pending"]))));
    show("list-git", each(&|| run("git", &["grep", "-l", "^status: pending", "--", FOLDER])));
    show("list-grep", each(&|| run("grep", &["-rl", "^status: pending", FOLDER])));
    show("get-ours", each(&|| drop(ours(&sandbox, Start::Direct, &["task", "get", &id]))));
    show("get-git", each(&|| run("git", &["grep", "-l", &wanted, "--", FOLDER])));
    show("get-grep", each(&|| run("grep", &["-rl", &wanted, FOLDER])));
    if !has_program(TASKWARRIOR) {
        for row in ["list", "get", "create", "complete"] {
            bench.show(&format!("{row}-taskwarrior"), "not installed (`apt-get install taskwarrior`)");
        }
        return;
    }
    let data = disk.path().join("taskwarrior");
    import(&sandbox, &data, tasks);
    let task = |arguments: &[&str]| drop(Run::of(taskwarrior(&sandbox, &data).args(arguments)));
    show("list-taskwarrior", each(&|| task(&["rc.verbose=nothing", "status:pending", "list"])));
    show("get-taskwarrior", each(&|| task(&["rc.verbose=nothing", &uuid(tasks.live / 2), "info"])));
    show("create-taskwarrior", each(&|| task(&["add", "Train the model"])));
    let mut next = 0;
    let done = (0..rounds).map(|_| {
        next += 1;
        ms(timed(|| task(&[&uuid(next), "done"])).1)
    });
    show("complete-taskwarrior", median(done));
}

/// Taskwarrior with a folder of its own, asking nothing and telling nobody.
fn taskwarrior(sandbox: &Sandbox, data: &Path) -> Command {
    let mut command = sandbox.command(TASKWARRIOR);
    command.env("TASKDATA", data).env("TASKRC", data.join("rc"));
    command.args(["rc.confirmation=off", "rc.recurrence=off", "rc.hooks=off"]);
    command
}

fn uuid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// As many tasks, and as many of them done.
fn import(sandbox: &Sandbox, data: &Path, tasks: Tasks) {
    fs::create_dir_all(data).unwrap();
    fs::write(data.join("rc"), "").unwrap();
    let mut text = String::new();
    for number in 0..tasks.all() {
        let status = if number < tasks.live { "pending" } else { "completed" };
        let end = if number < tasks.live { "" } else { r#","end":"20251018T000000Z""# };
        let _ = writeln!(
            text,
            r#"{{"uuid":"{}","description":"Train the model {number}","status":"{status}","entry":"20251017T000000Z","priority":"H"{end}}}"#,
            uuid(number)
        );
    }
    let mut import =
        taskwarrior(sandbox, data).args(["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success(), "Taskwarrior took the tasks");
}
