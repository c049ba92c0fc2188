//! Every crash point of a write: a kill at each single system call that changes something, then the next command.

use std::time::{Duration, Instant};

use crate::history::{assert_sound, is_committed, leftovers};
use crate::support::{FOLDER, Run, Sandbox, can_trace, could_not_run};
use crate::{alone, tell};

/// System calls that change files, or open them to.
const CALLS: &[&str] = &[
    "openat",
    "openat2",
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fsync",
    "fdatasync",
    "syncfs",
    "flock",
    "fcntl",
    "chmod",
    "fchmod",
];
/// More calls of one kind in one command mean a loop.
const CALLS_MAX: usize = 1_000;
/// How much longer than usual a command may take after a kill.
const BLOCKED: Duration = Duration::from_millis(100);

#[test]
fn a_kill_at_any_call_of_a_create_is_recovered() {
    kill_everywhere("a_kill_at_any_call_of_a_create_is_recovered", |_, number| {
        ["task", "create", "--type", "test", "--title", &format!("Point {number}")].map(str::to_owned).into()
    });
}

#[test]
fn a_kill_at_any_call_of_an_update_is_recovered() {
    kill_everywhere("a_kill_at_any_call_of_an_update_is_recovered", |id, number| {
        ["task", "update", id, "--set", &format!("point={number}")].map(str::to_owned).into()
    });
}

fn kill_everywhere(test: &str, operation: impl Fn(&str, usize) -> Vec<String>) {
    let _alone = alone();
    if let Err(why) = can_trace() {
        return could_not_run(test, &why);
    }
    let sandbox = Sandbox::new();
    let id = create(&sandbox).0;
    let usual = (0..5).map(|_| create(&sandbox).1).max().unwrap();
    let mut points = 0;
    for call in CALLS {
        for when in 1..CALLS_MAX {
            let mut take = || {
                points += 1;
                let words = operation(&id, points);
                let killed = kill_at(&sandbox, call, when, &words);
                let took = after_a_kill(&sandbox, &format!("{call} {when}"));
                (killed, took)
            };
            let (killed, took) = take();
            // A slow machine is not slow at the same point twice; a leftover lock is.
            if took > usual + BLOCKED {
                let again = take().1;
                assert!(
                    again <= usual + BLOCKED,
                    "{call} {when}: usual is {usual:?}, after a kill {took:?} and {again:?}"
                );
            }
            if !killed {
                break;
            }
        }
    }
    assert!(points > CALLS.len() + 20, "only {points} points: the kills do not reach the program");
    tell(&format!("{test}: {points} kill points, 0 left anything broken"));
}

fn create(sandbox: &Sandbox) -> (String, Duration) {
    let start = Instant::now();
    let id = sandbox.mycelium(&["task", "create", "--type", "test", "--title", "After"]).ok().trim().to_owned();
    (id, start.elapsed())
}

/// Runs a command that is killed when it makes this call for the nth time; false if it ended before.
fn kill_at(sandbox: &Sandbox, call: &str, when: usize, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ours = sandbox.mycelium_command(&words);
    // `?` lets strace pass over calls that this machine's kind of processor does not have.
    let inject = format!("inject=?{call}:signal=KILL:when={when}");
    let mut strace = sandbox.command("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace=?{call}"), "-e", &inject]);
    let run = Run::of(strace.arg(ours.get_program()).args(ours.get_args()));
    run.code != Some(0)
}

/// Everything is whole at once; the next command works and leaves everything clean. Gives the time it took.
fn after_a_kill(sandbox: &Sandbox, point: &str) -> Duration {
    for name in sandbox.documents() {
        let text = sandbox.read(&format!("{FOLDER}/{name}"));
        assert!(text.starts_with("---\n") && text.matches("\n---\n").count() == 1, "{point}: {name} is torn: {text:?}");
    }
    assert_sound(sandbox);
    let (id, took) = create(sandbox);
    assert!(sandbox.path(&format!("{FOLDER}/{id}.md")).is_file(), "{point}");
    assert!(is_committed(sandbox), "{point}: {}", sandbox.git(&["status", "--porcelain"]));
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new(), "{point}");
    took
}
