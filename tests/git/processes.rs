//! A git of the user's that has read HEAD or the index and will write them: it is waited for, wherever it stands, and neither side
//! loses anything.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mycelium::git::{Busy, CommitError};

use crate::ground::{FOLDER, Ground, cannot_run, has, must_fail, words};
use crate::isolated;

/// For how long a system call of git is drawn out, and when we come to it, in milliseconds.
const DELAY_MS: u64 = 1_200;
const ARRIVAL_MS: u64 = 400;

const BEFORE_READING: (&str, &str) = (".git/index", "delay_enter");
const BEFORE_THE_LOCK: (&str, &str) = (".git/index.lock", "delay_enter");
const UNDER_THE_LOCK: (&str, &str) = (".git/index.lock", "delay_exit");
const BEFORE_THE_BRANCH: (&str, &str) = (".git/refs/heads/main.lock", "delay_enter");

/// Runs git with one of its calls drawn out.
fn start_delayed(ground: &Ground, (path, how): (&str, &str), arguments: &[&str]) -> Child {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=openat", "-P"]).arg(ground.root.join(path));
    strace.args(["-e", &format!("inject=openat:{how}={}", DELAY_MS * 1_000)]).arg("git").args(arguments);
    strace.current_dir(&ground.root).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("strace runs")
}

/// A document, a branch beside, and work of the user's that is staged.
fn with_staged_work() -> Ground {
    let ground = Ground::new();
    ground.put("u.txt", "one\n");
    ground.put("v.txt", "one\n");
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: files"]);
    ground.save(&[("task-1.md", "one\n"), ("task-2.md", "one\n")]);
    ground.git(&["branch", "side"]);
    ground.git(&["checkout", "-q", "side"]);
    ground.put("v.txt", "side\n");
    ground.git(&["commit", "-qam", "user: side"]);
    ground.git(&["checkout", "-q", "main"]);
    ground.put("u.txt", "two\n");
    ground.git(&["add", "u.txt"]);
    ground
}

/// Saves a document beside it, as often as that takes; gives how often it had to wait for a git that is named.
fn save_beside(ground: &Ground) -> usize {
    let repo = ground.open();
    let mut waits = 0;
    let began = Instant::now();
    loop {
        match ground.try_save(&repo, &[("task-1.md", "two\n")]) {
            Ok(_) => return waits,
            Err(CommitError::Busy(busy)) => waits += usize::from(matches!(*busy, Busy::AtWork(_))),
            Err(CommitError::Moved { .. }) => {}
            Err(error) => panic!("{error}: {error:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it is waited for ever");
    }
}

/// From the first commit on that holds what was saved, all do.
fn assert_never_taken_back(ground: &Ground, name: &str) {
    let commits = ground.git(&["rev-list", "--first-parent", "--reverse", "HEAD"]);
    let at = |commit: &str| ground.try_git(&["show", &format!("{commit}:{FOLDER}/task-1.md")]).stdout;
    let values: Vec<Vec<u8>> = commits.lines().map(at).collect();
    let first = values.iter().position(|text| text == b"two\n").expect("it was saved");
    assert!(values[first..].iter().all(|text| text == b"two\n"), "{name}: taken back on the way");
}

/// One meeting; gives how often we waited.
fn meet(at: (&str, &str), arguments: &[&str]) -> usize {
    let ground = with_staged_work();
    let user = start_delayed(&ground, at, arguments);
    std::thread::sleep(Duration::from_millis(ARRIVAL_MS));
    let waits = save_beside(&ground);
    let user = user.wait_with_output().expect("an end");
    assert!(user.status.success(), "git {arguments:?} at {at:?}: {}", words(&user));
    ground.open().index().realign(FOLDER).expect("a look");
    let name = format!("git {arguments:?} at {at:?}");
    assert_eq!(ground.at_head("task-1.md"), "two\n", "{name}");
    assert_eq!(ground.git(&["status", "--porcelain", "--", FOLDER]), "", "{name}");
    ground.put("u.txt", "three\n");
    ground.git(&["add", "u.txt"]);
    ground.git(&["commit", "-qm", "user: next"]);
    assert_eq!(ground.at_head("task-1.md"), "two\n", "{name}");
    assert_never_taken_back(&ground, &name);
    // These take everything that is changed, or the commit before them, and that is what they are for.
    if !arguments.contains(&"-qam") && !arguments.contains(&"--amend") {
        for commit in ground.git(&["rev-list", "--grep=^user: ", "HEAD"]).lines() {
            let paths = ground.git(&["show", "--format=", "--name-only", commit]);
            assert!(paths.lines().all(|path| !path.starts_with(FOLDER)), "{name}: {paths}");
        }
    }
    ground.assert_sound();
    waits
}

isolated!(a_commit_that_has_read_the_index_is_waited_for, {
    if has("strace") {
        assert!(meet(BEFORE_THE_LOCK, &["commit", "-qm", "user: mine"]) > 0, "it was never in the way");
    } else {
        cannot_run("a_commit_that_has_read_the_index_is_waited_for", "strace is not here (apt-get install strace)");
    }
});

#[test]
fn a_git_that_is_not_looked_for_is_noticed() {
    if has("strace") {
        must_fail("no-processes", "git::processes::a_commit_that_has_read_the_index_is_waited_for");
    } else {
        cannot_run("a_git_that_is_not_looked_for_is_noticed", "strace is not here (apt-get install strace)");
    }
}

isolated!(neither_side_loses_at_any_call_of_git, {
    if !has("strace") {
        return cannot_run("neither_side_loses_at_any_call_of_git", "strace is not here (apt-get install strace)");
    }
    let everywhere = &[BEFORE_READING, BEFORE_THE_LOCK, UNDER_THE_LOCK, BEFORE_THE_BRANCH][..];
    let around_the_lock = &[BEFORE_READING, BEFORE_THE_LOCK, UNDER_THE_LOCK][..];
    let mut waits = 0;
    for (arguments, places) in [
        (&["commit", "-qm", "user: mine"][..], everywhere),
        (&["commit", "-qam", "user: mine"], everywhere),
        (&["commit", "-qm", "user: mine", "--only", "u.txt"], &[BEFORE_THE_LOCK, BEFORE_THE_BRANCH]),
        (&["commit", "-q", "--amend", "-m", "user: amended"], &[BEFORE_THE_LOCK]),
        (&["add", "u.txt"], around_the_lock),
        (&["stash", "push", "-q", "--", "u.txt"], around_the_lock),
        (&["checkout", "-q", "side"], around_the_lock),
        (&["reset", "-q"], &[BEFORE_READING, BEFORE_THE_LOCK, BEFORE_THE_BRANCH]),
        (&["restore", "--staged", "."], &[BEFORE_THE_LOCK]),
        (&["merge", "-q", "side", "-m", "user: merge"], &[BEFORE_THE_LOCK]),
        (&["status", "-s"], &[BEFORE_READING, BEFORE_THE_LOCK]),
    ] {
        for place in places {
            waits += meet(*place, arguments);
        }
    }
    assert!(waits > 10, "{waits}: it was hardly ever in the way");
});

/// An editor that waits while a file is there.
fn write_editor(ground: &Ground) -> String {
    let editor = ground.root.join("../editor");
    let hold = ground.root.join("../hold");
    let (hold, mark) = (hold.display(), ground.root.join("../editing").display().to_string());
    let script =
        format!("#!/bin/sh\ntouch '{mark}'\nwhile [ -e '{hold}' ]; do sleep 0.02; done\necho 'user: words' > \"$1\"\n");
    fs::write(&editor, script).expect("an editor");
    Command::new("chmod").arg("+x").arg(&editor).status().expect("chmod");
    editor.display().to_string()
}

/// Starts a git whose editor is open; gives whether a commit of ours has to wait for it, and by what name.
fn seen_in(ground: &Ground, folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let (hold, mark) = (ground.root.join("../hold"), ground.root.join("../editing"));
    fs::write(&hold, "").expect("a file");
    let mut git = Command::new("git");
    git.args(arguments).current_dir(folder).env("GIT_EDITOR", write_editor(ground));
    let said = ground.root.join("../said");
    let stderr = fs::File::create(&said).expect("a file");
    git.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(stderr);
    let mut git = git.spawn().expect("git");
    let began = Instant::now();
    while !mark.exists() {
        let text = || fs::read_to_string(&said).unwrap_or_default();
        assert!(began.elapsed() < Duration::from_secs(30), "git {arguments:?} opens no editor: {}", text());
        std::thread::sleep(Duration::from_millis(5));
    }
    let repo = ground.open().with_patience(Duration::from_millis(50));
    let before = ground.git(&["rev-parse", "HEAD"]);
    let saved = ground.try_save(&repo, &[("task-1.md", &format!("{arguments:?} {variables:?}\n"))]);
    let seen = match (saved, repo.view().at_work()) {
        (Ok(_), None) => None,
        (Err(CommitError::Busy(busy)), Some(Busy::AtWork(process))) => {
            assert!(matches!(&*busy, Busy::AtWork(seen) if seen.pid == process.pid), "{busy}");
            assert_eq!(ground.git(&["rev-parse", "HEAD"]), before);
            Some(process.command)
        }
        (saved, at_work) => panic!("git {arguments:?}: {saved:?}, {at_work:?}"),
    };
    fs::remove_file(&hold).expect("the file");
    fs::remove_file(&mark).expect("the mark");
    assert!(git.wait().expect("an end").success(), "git {arguments:?}");
    ground.try_save(&ground.open(), &[("task-1.md", "after\n")]).expect("nothing is in the way any more");
    seen
}

isolated!(a_git_with_an_open_editor_is_known_by_where_it_works, {
    let ground = with_staged_work();
    fs::create_dir(ground.root.join("sub")).expect("a folder");
    let outside = ground.root.parent().expect("a parent").to_owned();
    let (root, git_dir) = (ground.root.display().to_string(), ground.root.join(".git").display().to_string());
    ground.git(&["config", "alias.ci", "commit"]);
    let commit = &["commit", "--allow-empty"][..];
    let sub = ground.root.join("sub");
    let with_git_dir = format!("--git-dir={git_dir}");
    let with_work_tree = format!("--work-tree={root}");
    let name = root.rsplit('/').next().expect("a name");
    for (folder, arguments, variables) in [
        (&ground.root, commit, &[][..]),
        (&sub, commit, &[]),
        (&sub, &["ci", "--allow-empty"], &[]),
        (&sub, &["-c", "user.name=status", "commit", "--allow-empty"], &[]),
        (&outside, &["-C", &root, "commit", "--allow-empty"], &[]),
        (&outside, &["-C", name, "-C", "sub", "commit", "--allow-empty"], &[]),
        (&outside, &[&with_git_dir, &with_work_tree, "commit", "--allow-empty"], &[]),
        (&outside, commit, &[("GIT_DIR", &*git_dir), ("GIT_WORK_TREE", &*root)]),
        (&sub, commit, &[("GIT_DIR", "../.git"), ("GIT_WORK_TREE", "..")]),
        (&ground.root, &["commit", "--amend", "--allow-empty"], &[]),
    ] {
        assert_eq!(seen_in(&ground, folder, arguments, variables).as_deref(), Some("commit"), "{arguments:?}");
    }
    ground.put("u.txt", "three\n");
    ground.git(&["commit", "-qm", "user: three", "u.txt"]);
    assert_eq!(seen_in(&ground, &ground.root, &["revert", "--edit", "HEAD"], &[]).as_deref(), Some("revert"));
});

isolated!(a_git_that_works_elsewhere_is_not_waited_for, {
    let ground = with_staged_work();
    let linked = ground.root.join("linked");
    ground.git(&["worktree", "add", "-q", "linked", "side"]);
    ground.put(".gitignore", "/linked/\n/nested/\n");
    let nested = Ground::init(ground.root.join("nested"), &[]);
    nested.put("a.txt", "a\n");
    nested.git(&["add", "."]);
    nested.git(&["commit", "-qm", "nested"]);
    let commit = &["commit", "--allow-empty"][..];
    assert_eq!(seen_in(&ground, &linked, commit, &[]), None, "a linked worktree");
    assert_eq!(seen_in(&ground, &nested.root, commit, &[]), None, "a repository in the worktree");
    let git_dir = nested.root.join(".git").display().to_string();
    let work_tree = nested.root.display().to_string();
    let variables = &[("GIT_DIR", &*git_dir), ("GIT_WORK_TREE", &*work_tree)][..];
    assert_eq!(seen_in(&ground, &ground.root, commit, variables), None, "another repository, from here");
    // The other way round, from a linked worktree.
    let there = Ground::at(linked);
    let repo = there.open();
    assert_eq!(repo.view().at_work(), None);
});

// How often a commit reads which program a process runs, beside how many processes there are, and how long one look takes.
isolated!(what_the_look_costs, {
    let ground = with_staged_work();
    let repo = ground.open();
    let processes = || fs::read_dir("/proc").expect("processes").flatten();
    let count = processes().filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).count();
    let began = Instant::now();
    (0..100).for_each(|_| assert_eq!(repo.view().at_work(), None));
    println!("one look at {count} processes takes {} µs", began.elapsed().as_micros() / 100);
    if !has("strace") {
        return cannot_run("what_the_look_costs", "strace is not here (apt-get install strace)");
    }
    let trace = ground.root.join("../trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&trace).args(["-e", "trace=?readlink,readlinkat"]);
    let actor = crate::actor::command(&ground, "traced", 10, "off");
    strace.arg(actor.get_program()).args(actor.get_args());
    strace.envs(actor.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert!(strace.output().expect("strace runs").status.success());
    let calls = fs::read_to_string(trace).expect("a trace");
    let looks = calls.lines().filter(|line| line.contains("/proc/") && line.contains("/exe\"")).count();
    println!("ten commits read which program a process runs {looks} times");
    // Three looks each, and some room for processes that begin.
    assert!((1..=3 * 10 * (count + 200)).contains(&looks), "{looks} at {count} processes");
});

isolated!(a_git_that_only_reads_may_run_for_ever, {
    let ground = with_staged_work();
    let mut reader = Command::new("git");
    reader.args(["cat-file", "--batch"]).current_dir(&ground.root).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut reader = reader.spawn().expect("git");
    let began = Instant::now();
    while !fs::read_link(format!("/proc/{}/exe", reader.id())).is_ok_and(|exe| exe.ends_with("git")) {
        assert!(began.elapsed() < Duration::from_secs(30), "git does not start");
    }
    assert_eq!(ground.open().view().at_work(), None);
    ground.save(&[("task-1.md", "two\n")]);
    drop(reader.stdin.take());
    assert!(reader.wait().expect("an end").success());
});
