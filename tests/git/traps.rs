//! The known ways to destroy a user's work or to be locked out, each shown to be noticed when its cure is taken away.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use mycelium::git::{Author, Busy, CommitError, GitOperation, Target, Trouble};

use crate::actor;
use crate::ground::{FOLDER, Ground, cannot_run, change, commit, has, must_fail, plan};
use crate::isolated;
use crate::stop::StopOnDrop;
use mycelium::problem::Problem;

isolated!(the_users_next_commit_reverts_nothing, {
    let ground = Ground::new();
    ground.save(&[("task-1.md", "one\n"), ("archive/2025-10/task-0.md", "one\n")]);
    // The user's commit fills the cache of trees in the index.
    ground.put("u.txt", "user 2\n");
    ground.git(&["commit", "-qam", "user: second"]);
    ground.save(&[("task-1.md", "two\n"), ("archive/2025-10/task-0.md", "two\n")]);
    ground.put("u.txt", "user 3\n");
    ground.git(&["add", "u.txt"]);
    ground.git(&["commit", "-qm", "user: third"]);
    assert_eq!(ground.at_head("task-1.md"), "two\n");
    assert_eq!(ground.at_head("archive/2025-10/task-0.md"), "two\n");
    assert_eq!(ground.git(&["show", "--format=", "--name-only", "HEAD"]), "u.txt\n");
    ground.assert_sound();
});

#[test]
fn trap_1_a_kept_cache_of_trees_is_noticed() {
    must_fail("keep-cache-tree", "git::traps::the_users_next_commit_reverts_nothing");
}

isolated!(an_edit_in_the_second_of_its_staging_stays_visible, {
    let ground = Ground::new();
    ground.git(&["config", "core.trustctime", "false"]);
    let second = SystemTime::now() - Duration::from_secs(100);
    let set = |path: &str| {
        let file = fs::File::options().write(true).open(ground.root.join(path)).expect("a file");
        file.set_modified(second).expect("a time");
    };
    ground.put("u.txt", "aaaa\n");
    set("u.txt");
    ground.git(&["add", "u.txt"]);
    set(".git/index");
    ground.put("u.txt", "bbbb\n");
    set("u.txt");
    ground.put("same.txt", "same\n");
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.status(), "MM u.txt\n?? same.txt\n");
    assert_eq!(ground.git(&["show", ":u.txt"]), "aaaa\n");
});

#[test]
fn trap_2_unsmudged_entries_are_noticed() {
    must_fail("no-smudge", "git::traps::an_edit_in_the_second_of_its_staging_stays_visible");
}

isolated!(a_racy_entry_that_is_clean_stays_clean_for_plumbing, {
    let ground = Ground::new();
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.git(&["diff-files"]), "");
    assert_eq!(ground.git(&["diff-index", "HEAD"]), "");
});

fn crashed(at: &str) -> Ground {
    let ground = Ground::new();
    ground.save(&[("task-dead.md", "before\n")]);
    ground.put("staged.txt", "staged\n");
    ground.git(&["add", "staged.txt"]);
    let mut child = {
        let mut command = actor::command(&ground, "dead", 1, "full");
        command.env("MYCELIUM_SABOTAGE", at).stderr(std::process::Stdio::null());
        command.spawn().expect("this program runs")
    };
    assert!(!child.wait().expect("an end").success(), "it should have died at {at}");
    assert!(!ground.leftovers().is_empty(), "nothing was left at {at}");
    ground
}

isolated!(a_crash_leaves_nothing_behind_for_long, {
    for at in ["crash-before-swap", "crash-after-index", "crash-after-ref"] {
        let ground = crashed(at);
        let repo = ground.open();
        let recovered = repo.committer().recover().expect("recovery");
        let has_moved = at != "crash-before-swap";
        assert_eq!(ground.at_head("task-dead.md"), if has_moved { "0\n" } else { "before\n" }, "{at}");
        assert_eq!(recovered.finished, usize::from(at == "crash-after-index"), "{at}: {recovered:?}");
        let dirty = if has_moved { "A  staged.txt\n" } else { " M .claude/coordination/task-dead.md\nA  staged.txt\n" };
        assert_eq!(ground.status(), dirty, "{at}");
        ground.assert_sound();
        ground.git(&["commit", "-qm", "user: is not locked out"]);
        ground.save(&[("task-1.md", "after\n")]);
        ground.assert_sound();
    }
});

#[test]
fn trap_3_missing_recovery_is_noticed() {
    must_fail("no-recover", "git::traps::a_crash_leaves_nothing_behind_for_long");
}

isolated!(looking_whether_it_is_busy_recovers_our_own_lock, {
    let ground = crashed("crash-before-swap");
    assert!(ground.root.join(".git/index.lock").exists());
    assert_eq!(ground.open().view().busy().expect("a look"), None);
    ground.assert_sound();
});

/// After a power cut the disk may have kept the second of two renames without the first.
fn cut_between_the_swaps() -> Ground {
    let ground = crashed("crash-before-swap");
    let branch = ground.root.join(".git/refs/heads/main");
    fs::rename(branch.with_extension("lock"), branch).expect("the next branch");
    ground
}

isolated!(an_index_that_was_swapped_alone_is_followed_by_the_branch, {
    let ground = crashed("crash-after-index");
    assert_eq!(ground.at_head("task-dead.md"), "before\n");
    assert_eq!(ground.git(&["show", &format!(":{FOLDER}/task-dead.md")]), "0\n", "the index goes first");
    assert!(!ground.root.join(".git/index.lock").exists());
    assert_eq!(ground.open().committer().recover().expect("recovery").finished, 1);
    assert_eq!(ground.at_head("task-dead.md"), "0\n");
    assert_eq!(ground.status(), "A  staged.txt\n");
    assert_eq!(ground.git(&["log", "-g", "-1", "--format=%gs"]), "commit: dead 0\n");
    ground.assert_sound();
});

isolated!(a_branch_that_others_took_over_after_a_crash_stays_theirs, {
    // Someone removes the locks by hand and goes on.
    let ground = crashed("crash-after-index");
    for lock in ["HEAD.lock", "refs/heads/main.lock"] {
        fs::remove_file(ground.root.join(".git").join(lock)).expect("a stale lock");
    }
    ground.git(&["reset", "-q"]);
    ground.put("u.txt", "more\n");
    ground.git(&["commit", "-qm", "user: goes on", "u.txt"]);
    let tip = ground.git(&["rev-parse", "HEAD"]);
    ground.open().committer().recover().expect("recovery");
    assert_eq!(ground.git(&["rev-parse", "HEAD"]), tip);
    assert_eq!(ground.leftovers(), Vec::<std::path::PathBuf>::new());
    ground.save(&[("task-dead.md", "0\n")]);
    assert_eq!(ground.at_head("task-dead.md"), "0\n");
    ground.assert_sound();
});

isolated!(a_branch_that_moved_under_our_lock_is_not_set_back, {
    // A tool that knows no locks.
    let ground = crashed("crash-after-index");
    let tip = ground.git(&["commit-tree", "-p", "HEAD", "-m", "no locks", "HEAD^{tree}"]);
    fs::write(ground.root.join(".git/refs/heads/main"), &tip).expect("a branch");
    ground.open().committer().recover().expect("recovery");
    assert_eq!(ground.git(&["rev-parse", "HEAD"]), tip);
    assert_eq!(ground.leftovers(), Vec::<std::path::PathBuf>::new());
});

isolated!(a_lock_that_took_the_place_of_ours_is_left_alone, {
    let ground = cut_between_the_swaps();
    let lock = ground.root.join(".git/index.lock");
    fs::remove_file(&lock).expect("our stale lock");
    fs::write(&lock, "of somebody else").expect("a lock");
    let repo = ground.open().with_patience(Duration::from_millis(100));
    repo.committer().recover().expect("recovery");
    assert_eq!(ground.text(".git/index.lock"), "of somebody else");
    let error = ground.try_save(&repo, &[("task-1.md", "one\n")]).expect_err("it is locked");
    assert_eq!(error.trouble(), Trouble::Busy, "{error}");
    // The index stays behind while somebody holds it, and follows as soon as the lock is gone.
    fs::remove_file(&lock).expect("the lock");
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.status(), "A  staged.txt\n");
    ground.assert_sound();
});

isolated!(an_index_left_behind_by_a_crash_is_brought_in_step, {
    // The user removes the stale index lock by hand before anything of ours runs again.
    let ground = cut_between_the_swaps();
    fs::remove_file(ground.root.join(".git/index.lock")).expect("a stale lock");
    assert!(ground.status().contains("MM .claude/coordination/task-dead.md"));
    assert_eq!(ground.open().committer().recover().expect("recovery").finished, 1);
    assert_eq!(ground.status(), "A  staged.txt\n");
    ground.git(&["commit", "-qm", "user: next"]);
    assert_eq!(ground.at_head("task-dead.md"), "0\n");
    ground.assert_sound();
});

isolated!(the_index_follows_the_branch, {
    let ground = Ground::new();
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.git(&["diff", "--cached", "--name-status"]), "");
});

#[test]
fn trap_3_an_index_that_stays_behind_is_noticed() {
    must_fail("no-index", "git::traps::the_index_follows_the_branch");
}

isolated!(object_folders_that_vanish_do_no_harm, {
    let ground = Ground::new();
    let objects = ground.root.join(".git/objects");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = StopOnDrop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for first in 0..=255 {
                    let _ = fs::remove_dir(objects.join(format!("{first:02x}")));
                }
            }
        });
        let work = || {
            for number in 0..30 {
                ground.try_save(&ground.open(), &[("task-1.md", &format!("{number}\n"))])?;
                ground.git(&["gc", "-q"]);
            }
            Ok::<(), CommitError>(())
        };
        work().expect("thirty commits");
    });
    assert_eq!(ground.at_head("task-1.md"), "29\n");
    ground.assert_sound();
});

#[test]
fn trap_4_a_missing_retry_is_noticed() {
    must_fail("no-retry", "git::traps::object_folders_that_vanish_do_no_harm");
}

isolated!(commits_wait_while_an_operation_is_under_way, {
    let ground = Ground::new();
    ground.save(&[("task-1.md", "one\n")]);
    ground.git(&["checkout", "-q", "-b", "side"]);
    ground.put("u.txt", "side\n");
    ground.git(&["commit", "-qam", "side"]);
    ground.git(&["checkout", "-q", "main"]);
    ground.put("u.txt", "main\n");
    ground.git(&["commit", "-qam", "main"]);
    for (begin, operation, end) in [
        (&["merge", "side"][..], GitOperation::Merge, &["merge", "--abort"][..]),
        (&["rebase", "side"], GitOperation::Rebase, &["rebase", "--abort"]),
        (&["cherry-pick", "side"], GitOperation::CherryPick, &["cherry-pick", "--abort"]),
        (&["revert", "--no-edit", "HEAD~1"], GitOperation::Revert, &["revert", "--abort"]),
        (&["bisect", "start"], GitOperation::Bisect, &["bisect", "reset"]),
    ] {
        ground.put("u.txt", ground.text("u.txt"));
        ground.try_git(begin);
        let repo = ground.open();
        if repo.view().busy().expect("a look").is_none() && operation == GitOperation::Revert {
            continue;
        }
        assert_eq!(repo.view().busy().expect("a look"), Some(Busy::Operation(operation)));
        let before = ground.git(&["rev-parse", "HEAD"]);
        let error = ground.try_save(&repo, &[("task-1.md", "two\n")]).expect_err("it has to wait");
        assert_eq!(error.trouble(), Trouble::Busy, "{error}");
        assert!(error.to_string().contains(operation.word()), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&format!("git {}", operation.word()))));
        assert_eq!(ground.git(&["rev-parse", "HEAD"]), before);
        ground.put(&format!("{FOLDER}/task-1.md"), "one\n");
        ground.git(end);
    }
    assert_eq!(ground.open().view().busy().expect("a look"), None);
    ground.save(&[("task-1.md", "two\n")]);
    ground.assert_sound();
});

#[test]
fn trap_5_a_commit_in_a_merge_is_noticed() {
    must_fail("no-busy", "git::traps::commits_wait_while_an_operation_is_under_way");
}

isolated!(trap_6_ignore_rules_are_told_and_hooks_stay_still, {
    let ground = Ground::new();
    ground.put(".gitignore", "*.tmp\n/.claude/\n");
    let repo = ground.open();
    let task = format!("{FOLDER}/task-1.md");
    assert!(repo.ignore_rules().is_ignored(&task).expect("rules"));
    assert!(!repo.ignore_rules().is_ignored("u.txt").expect("rules"));
    ground.save(&[("task-1.md", "one\n")]);
    assert!(!repo.ignore_rules().is_ignored(&task).expect("rules"), "what is tracked is not ignored");
    let hook = ground.root.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("a folder");
    fs::write(&hook, "#!/bin/sh\ntouch \"$HOME/hook-ran\"\nexit 1\n").expect("a hook");
    Command::new("chmod").arg("+x").arg(&hook).status().expect("chmod");
    ground.save(&[("task-1.md", "two\n")]);
    let home = std::env::var("HOME").expect("a home");
    assert!(!fs::exists(format!("{home}/hook-ran")).expect("a look"));
});

isolated!(everything_is_on_disk_before_it_is_acknowledged, {
    if !has("strace") {
        return cannot_run(
            "everything_is_on_disk_before_it_is_acknowledged",
            "strace is not here (apt-get install strace)",
        );
    }
    traced(0);
});

/// Traces an actor that commits `1 + more` documents at a time.
pub(crate) fn traced(more: usize) {
    let ground = Ground::new();
    let trace = ground.root.join("../trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "300", "-o"]).arg(&trace);
    strace.args(["-e", "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,write"]);
    let mut actor = actor::command(&ground, "traced", 3, "full");
    actor.env("MYCELIUM_ACTOR_MORE", more.to_string());
    strace.arg(actor.get_program()).args(actor.get_args());
    for (name, value) in actor.get_envs() {
        strace.env(name, value.expect("a value"));
    }
    if let Some(sabotage) = std::env::var_os("MYCELIUM_SABOTAGE") {
        strace.env("MYCELIUM_SABOTAGE", sabotage);
    }
    let output = strace.output().expect("strace runs");
    assert!(output.status.success(), "{}", crate::ground::words(&output));
    let trace = fs::read_to_string(trace).expect("a trace");
    let (acks, faults) = crate::trace::check(&trace);
    assert_eq!(acks, 3);
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn trap_7_missing_syncs_are_noticed() {
    if has("strace") {
        must_fail("no-fsync", "git::traps::everything_is_on_disk_before_it_is_acknowledged");
    } else {
        cannot_run("trap_7_missing_syncs_are_noticed", "strace is not here (apt-get install strace)");
    }
}

isolated!(a_branch_that_moves_meanwhile_loses_nothing, {
    let ground = Ground::new();
    let repo = ground.open();
    let mut actors: Vec<_> = (0..3).map(|number| actor::start(&ground, &format!("a{number}"), 15, "off")).collect();
    for number in 0..15 {
        let plan = plan(Author::User, "here", vec![change("task-here.md", Some(&format!("{number}\n")))]);
        while let Err(error) = commit(&repo, &Target::Current, std::slice::from_ref(&plan)) {
            assert!(matches!(error.trouble(), Trouble::Moved | Trouble::Busy), "{error}: {error:?}");
        }
    }
    for actor in &mut actors {
        assert!(actor.wait().expect("an end").success());
    }
    assert_eq!(ground.git(&["rev-list", "--count", "HEAD"]), "61\n");
    ground.assert_sound();
});

#[test]
fn a_missing_comparison_under_the_locks_is_noticed() {
    must_fail("no-compare", "git::traps::a_branch_that_moves_meanwhile_loses_nothing");
}
