//! Every crash point of a write: a kill at each single system call that changes something, then the next command.

use std::time::{Duration, Instant};

use crate::history::{assert_sound, is_committed, leftovers};
use crate::support::{FOLDER, Run, Sandbox, can_trace, could_not_run};
use crate::{alone, tell};

/// System calls that change files, or open them to.
const CALLS: &[&str] = &[
    "linkat",
    "link",
    "renameat2",
    "renameat",
    "rename",
    "unlinkat",
    "unlink",
    "fdatasync",
    "fsync",
    "syncfs",
    "flock",
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "fallocate",
    "mkdirat",
    "mkdir",
    "rmdir",
    "symlinkat",
    "symlink",
    "fchmod",
    "chmod",
    "openat2",
    "openat",
];
/// More calls of one kind in one command mean a loop.
const CALLS_MAX: usize = 1_000;
/// How much longer than usual a command may take after a kill; on a busy machine, the second counts.
const BLOCKED: Duration = Duration::from_millis(100);
const BLOCKED_TIMES: u32 = 3;

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
    let points: usize = CALLS.iter().map(|call| kill_at_every(call, &operation)).sum();
    assert!(points > 50, "only {points} points: the kills do not reach the program");
    tell(&format!("{test}: {points} kill points, nothing was broken after any"));
}

/// Kills a command at its first such call, the next one at its second, until one makes fewer calls than that.
fn kill_at_every(call: &str, operation: &impl Fn(&str, usize) -> Vec<String>) -> usize {
    let sandbox = Sandbox::new();
    let id = sandbox.mycelium(&["task", "create", "--type", "test"]).ok().trim().to_owned();
    let usual = (0..3).map(|round| next_command(&sandbox, &id, round)).max().unwrap();
    for when in 1..CALLS_MAX {
        let take = || {
            let killed = kill_at(&sandbox, call, when, &operation(&id, when));
            let took = after_a_kill(&sandbox, &id, when, &format!("{call} {when}"));
            (killed, took)
        };
        let (killed, took) = take();
        if !killed {
            return when - 1;
        }
        // A slow machine is hardly slow at the same point twice; a leftover lock is.
        let blocked = usual + BLOCKED.max(usual * BLOCKED_TIMES);
        if took > blocked {
            let again = take().1;
            assert!(again <= blocked, "{call} {when}: usual is {usual:?}, after a kill {took:?} and {again:?}");
        }
    }
    panic!("more than {CALLS_MAX} calls of `{call}` in one command");
}

fn next_command(sandbox: &Sandbox, id: &str, round: usize) -> Duration {
    let start = Instant::now();
    sandbox.mycelium(&["task", "update", id, "--set", &format!("after={round}")]).ok();
    start.elapsed()
}

/// Runs a command that is killed when it makes this call for the nth time; false if it ended before.
fn kill_at(sandbox: &Sandbox, call: &str, when: usize, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ours = sandbox.mycelium_command(&words);
    // `?` lets strace pass over calls that this machine's kind of processor does not have.
    let inject = format!("inject=?{call}:signal=KILL:when={when}");
    let mut strace = sandbox.command("strace");
    strace.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace=?{call}"), "-e", &inject]);
    let run = Run::of(strace.arg(ours.get_program()).args(ours.get_args()));
    run.code != Some(0)
}

/// Everything is whole at once; the next command works and leaves everything clean. Gives the time it took.
fn after_a_kill(sandbox: &Sandbox, id: &str, round: usize, point: &str) -> Duration {
    for name in sandbox.documents() {
        let text = sandbox.read(&format!("{FOLDER}/{name}"));
        assert!(text.starts_with("---\n") && text.matches("\n---\n").count() == 1, "{point}: {name} is torn: {text:?}");
    }
    assert_sound(sandbox);
    let took = next_command(sandbox, id, round);
    let text = sandbox.read(&format!("{FOLDER}/{id}.md"));
    assert!(
        text.lines().any(|line| line == format!("after: {round}")),
        "{point}: the next command did nothing: {text}"
    );
    assert!(is_committed(sandbox), "{point}: {}", sandbox.git(&["status", "--porcelain"]));
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new(), "{point}");
    took
}
