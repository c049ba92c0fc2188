//! Locks: those of the dead are no obstacle where they are ours and are told where they are not; those of the living are
//! waited for and never taken.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::alone;
use crate::history::{assert_sound, is_committed, leftovers};
use crate::support::{Run, Sandbox, can_trace, could_not_run};
use crate::watcher::{Watcher, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
const TASK: &str = "task-one";

fn place() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--type", "test", "--id", TASK]).ok();
    sandbox
}

fn update(sandbox: &Sandbox, field: &str) -> Run {
    sandbox.mycelium(&["task", "update", TASK, "--set", &format!("{field}=1")])
}

/// A person's `git commit` that holds the index lock, stopped in a hook.
fn stopped_commit(sandbox: &Sandbox) -> Child {
    let hook = sandbox.path(".git/hooks/pre-commit");
    sandbox.write(".git/hooks/pre-commit", "#!/bin/sh\n: >held\nwhile [ -e hold ]; do sleep 0.02; done\n");
    assert!(std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap().success());
    sandbox.write("hold", "");
    sandbox.write("README.md", "More.\n");
    let mut command = sandbox.command("git");
    command.args(["commit", "--quiet", "--all", "-m", "The user's"]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    // Before the hook git writes objects; killed then, it leaves the temporary file of one.
    assert!(wait_for(PATIENCE, || sandbox.path("held").exists()), "git runs no hook");
    assert!(sandbox.path(".git/index.lock").exists(), "git took no lock");
    child
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn a_lock_of_a_killed_git_is_told_and_the_write_stands() {
    let _alone = alone();
    let sandbox = place();
    let mut user = stopped_commit(&sandbox);
    user.kill().unwrap();
    user.wait().unwrap();
    let lock = sandbox.path(".git/index.lock");
    let before = inode(&lock);
    let written = update(&sandbox, "first");
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(written.stderr.contains("not committed yet"), "{written:?}");
    assert!(written.stderr.contains("index.lock") && written.stderr.contains("rm '"), "no way out: {written:?}");
    let refused = sandbox.mycelium(&["commit"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert_eq!(inode(&lock), before, "a lock that is not ours stays");
    fs::remove_file(&lock).unwrap();
    update(&sandbox, "second").ok();
    assert!(is_committed(&sandbox), "what waited is committed with the next");
    let _ = fs::remove_file(sandbox.path("hold"));
    assert_sound(&sandbox);
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new());
}

#[test]
fn a_lock_of_a_living_git_is_waited_for() {
    let _alone = alone();
    let sandbox = place();
    let mut user = stopped_commit(&sandbox);
    let lock = sandbox.path(".git/index.lock");
    let before = inode(&lock);
    let refused = sandbox.mycelium(&["commit"]);
    assert!(matches!(refused.code, Some(0 | 75)), "{refused:?}");
    let written = update(&sandbox, "first");
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(written.stderr.contains(&format!("process {}", user.id())), "it says who: {written:?}");
    assert_eq!(inode(&lock), before);
    fs::remove_file(sandbox.path("hold")).unwrap();
    assert!(user.wait().unwrap().success(), "the user's commit is not disturbed");
    update(&sandbox, "second").ok();
    assert!(is_committed(&sandbox));
    assert_sound(&sandbox);
}

/// One of ours is held up while it has git's locks; eight others come, and wait.
#[test]
fn a_lock_of_a_living_command_of_ours_is_waited_for() {
    let test = "a_lock_of_a_living_command_of_ours_is_waited_for";
    let _alone = alone();
    if let Err(why) = can_trace() {
        return could_not_run(test, &why);
    }
    let sandbox = place();
    let ours = sandbox.mycelium_command(&["task", "update", TASK, "--set", "slow=1"]);
    let mut strace = sandbox.command("strace");
    strace.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // The branch's lock is the last that is linked; two seconds with it in hand.
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=linkat:delay_exit=2000000:when=3+"]);
    let mut slow = strace.arg(ours.get_program()).args(ours.get_args()).stderr(Stdio::null()).spawn().unwrap();
    let lock = sandbox.path(".git/index.lock");
    assert!(wait_for(PATIENCE, || lock.exists()), "it took no lock");
    let (start, before) = (Instant::now(), inode(&lock));
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || update(sandbox, &format!("writer_{writer}")).ok());
        }
        while start.elapsed() < Duration::from_secs(1) {
            assert_eq!(inode(&lock), before, "the lock of a living command was taken");
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(slow.wait().unwrap().success());
    let document = sandbox.read(&format!("{}/{TASK}.md", crate::support::FOLDER));
    let fields = document.lines().filter(|line| line.starts_with("writer_") || line.starts_with("slow"));
    assert_eq!(fields.count(), 9, "{document}");
    assert!(is_committed(&sandbox));
    assert_sound(&sandbox);
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new());
}

/// What holds up a watcher until the test lets go of it.
enum Obstacle {
    Lock(fs::File),
    Program,
}

/// A watcher that waits for others, for longer than any test, stops nevertheless; nothing is lost.
#[test]
fn a_watcher_stops_whatever_it_waits_for() {
    let _alone = alone();
    for what in ["folder.lock", "commit.lock", "a program that signs"] {
        let sandbox = place();
        let sign = sandbox.path(".git/sign");
        let started = sandbox.path(".git/signing");
        // It ends with the test at the latest: then its folder is gone.
        sandbox
            .write(".git/sign", "#!/bin/sh\n: >.git/signing\nwhile [ -e .git/signing ]; do sleep 0.05; done\nexit 1\n");
        assert!(std::process::Command::new("chmod").arg("+x").arg(&sign).status().unwrap().success());
        let watcher = Watcher::start(&sandbox);
        let info = sandbox.path(".git/mycelium/watch.json");
        assert!(wait_for(PATIENCE, || info.exists()), "it does not watch");
        let document = format!("{}/{TASK}.md", crate::support::FOLDER);
        // The first commit shows that it hears signals.
        sandbox.write(&document, &(sandbox.read(&document) + "\nOne line.\n"));
        assert!(wait_for(PATIENCE, || is_committed(&sandbox)), "it does not commit");
        let obstacle = if what.ends_with(".lock") {
            let lock = fs::File::open(sandbox.path(".git/mycelium").join(what)).unwrap();
            lock.lock().unwrap();
            Obstacle::Lock(lock)
        } else {
            sandbox.git(&["config", "--global", "gpg.program", sign.to_str().unwrap()]);
            sandbox.git(&["config", "--global", "commit.gpgSign", "true"]);
            Obstacle::Program
        };
        sandbox.write(&document, &(sandbox.read(&document) + "\nAnother line.\n"));
        if matches!(obstacle, Obstacle::Program) {
            assert!(wait_for(PATIENCE, || started.exists()), "nothing is signed");
        }
        assert_eq!(watcher.stop(), Some(0), "{what}");
        assert!(!is_committed(&sandbox), "{what}: it was in the way");
        match obstacle {
            Obstacle::Lock(lock) => drop(lock),
            Obstacle::Program => {
                sandbox.git(&["config", "--global", "commit.gpgSign", "false"]);
                fs::remove_file(&started).unwrap();
            }
        }
        sandbox.mycelium(&["commit"]).ok();
        assert!(is_committed(&sandbox), "{what}: what waited is committed by the next");
        assert_sound(&sandbox);
        assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new(), "{what}");
    }
}
