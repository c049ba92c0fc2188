//! A user at work beside the committer: staged, unstaged and untracked work stays exactly as it is, and nobody is in the other's way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycelium::git::{Author, Busy, CommitDurability, CommitError, Target, Trouble};

use crate::actor;
use crate::ground::{FOLDER, Ground, change, commit, must_fail, plan, words};
use crate::isolated;
use crate::stop::StopOnDrop;
use mycelium::problem::Problem;

/// A repository with work of the user in every state.
fn with_users_work() -> Ground {
    let ground = Ground::new();
    for name in ["staged.txt", "edited.txt", "both.txt", "deleted.txt", "renamed.txt"] {
        ground.put(name, format!("{name}\n"));
    }
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: files"]);
    ground.put("staged.txt", "staged\n");
    ground.put("both.txt", "staged\n");
    ground.git(&["add", "staged.txt", "both.txt"]);
    ground.put("both.txt", "edited\n");
    ground.put("edited.txt", "edited\n");
    ground.git(&["rm", "-q", "--cached", "deleted.txt"]);
    ground.git(&["mv", "renamed.txt", "moved.txt"]);
    ground.put("intended.txt", "intended\n");
    ground.git(&["add", "-N", "intended.txt"]);
    ground.put("untracked.txt", "untracked\n");
    ground
}

/// Everything of the user's that git can tell.
fn users_work(ground: &Ground) -> String {
    let outside = ":!.claude";
    ground.git(&["status", "--porcelain=v2", "--", ".", outside])
        + &ground.git(&["ls-files", "-s", "--", ".", outside])
        + &ground.git(&["diff", "--", ".", outside])
        + &ground.git(&["diff", "--cached", "--", ".", outside])
}

isolated!(the_users_work_stays_exactly, {
    let ground = with_users_work();
    let before = users_work(&ground);
    for number in 0..5 {
        ground.save(&[("task-1.md", &format!("{number}\n")), ("archive/2025-10/task-0.md", "zero\n")]);
        // The status of git's second version has no head line without --branch, so it must be equal to the byte.
        assert_eq!(users_work(&ground), before);
    }
    let named = ground.git(&["log", "-5", "--format=", "--name-only"]);
    assert!(named.lines().all(|path| path.starts_with(FOLDER)), "{named}");
    ground.git(&["commit", "-qm", "user: what was staged"]);
    assert_eq!(ground.at_head("task-1.md"), "4\n");
    let committed = ground.git(&["show", "--format=", "--name-status", "--no-renames", "HEAD"]);
    assert_eq!(committed, "M\tboth.txt\nD\tdeleted.txt\nA\tmoved.txt\nD\trenamed.txt\nM\tstaged.txt\n");
    ground.assert_sound();
});

isolated!(what_the_user_staged_of_our_documents_is_committed_over, {
    let ground = Ground::new();
    ground.save(&[("task-1.md", "one\n")]);
    ground.put(&format!("{FOLDER}/task-1.md"), "staged\n");
    ground.put(&format!("{FOLDER}/task-2.md"), "intended\n");
    ground.git(&["add", &format!("{FOLDER}/task-1.md")]);
    ground.git(&["add", "-N", &format!("{FOLDER}/task-2.md")]);
    ground.save(&[("task-1.md", "final\n"), ("task-2.md", "final\n")]);
    assert_eq!(ground.status(), "");
    assert_eq!(ground.at_head("task-1.md"), "final\n");
    ground.assert_sound();
});

isolated!(a_save_after_the_plan_shows_as_modified, {
    let ground = Ground::new();
    let repo = ground.open();
    ground.put(&format!("{FOLDER}/task-1.md"), "later\n");
    let plan = plan(Author::User, "planned", vec![change("task-1.md", Some("early\n"))]);
    commit(&repo, &Target::Current, &[plan]).expect("a commit");
    assert_eq!(ground.at_head("task-1.md"), "early\n");
    assert_eq!(ground.status(), format!(" M {FOLDER}/task-1.md\n"));
});

isolated!(amend_and_stash_and_checkout_work_beside, {
    let ground = with_users_work();
    ground.save(&[("task-1.md", "one\n")]);
    ground.git(&["rm", "-q", "--cached", "intended.txt"]);
    ground.git(&["stash", "-q"]);
    ground.save(&[("task-1.md", "two\n")]);
    ground.git(&["stash", "pop", "-q", "--index"]);
    assert!(ground.status().contains("M  staged.txt"), "{}", ground.status());
    ground.save(&[("task-1.md", "three\n")]);
    ground.git(&["commit", "-q", "--amend", "-m", "user: amended"]);
    assert_eq!(ground.at_head("task-1.md"), "three\n");
    ground.save(&[("task-1.md", "four\n")]);
    ground.git(&["checkout", "-q", "-b", "other", "HEAD~1"]);
    assert_eq!(ground.text(&format!("{FOLDER}/task-1.md")), "three\n");
    ground.save(&[("task-1.md", "other\n")]);
    ground.git(&["checkout", "-q", "main"]);
    assert_eq!(ground.text(&format!("{FOLDER}/task-1.md")), "four\n");
    ground.assert_sound();
});

isolated!(four_processes_beside_a_user_who_commits_and_collects_garbage, {
    let ground = Ground::new();
    let actors: Vec<_> = (0..4).map(|number| actor::start(&ground, &format!("a{number}"), 20, "full")).collect();
    let stop = AtomicBool::new(false);
    let user = std::thread::scope(|scope| {
        let end = StopOnDrop(&stop);
        let user = scope.spawn(|| {
            let mut commits = 0;
            while !stop.load(Ordering::Relaxed) {
                ground.put("u.txt", format!("user {commits}\n"));
                let add = ground.try_git(&["add", "u.txt"]);
                let done = add.status.success() && ground.try_git(&["commit", "-qm", "user: more"]).status.success();
                commits += usize::from(done);
                std::thread::sleep(Duration::from_millis(7));
            }
            commits
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                ground.try_git(&["gc", "-q"]);
            }
        });
        for actor in actors {
            let output = actor.wait_with_output().expect("an end");
            assert!(output.status.success(), "{}", words(&output));
            assert_eq!(actor::last_acked(&output.stdout).map(|(_, number)| number), Some(19));
        }
        drop(end);
        user.join().expect("the user's commits")
    });
    assert!(user > 0, "the user never got to commit");
    let count: usize = ground.git(&["rev-list", "--count", "HEAD"]).trim().parse().expect("a number");
    assert_eq!(count, 1 + 80 + user);
    for number in 0..4 {
        assert_eq!(ground.at_head(&format!("task-a{number}.md")), "19\n");
        let by = ground.git(&["rev-list", "--count", "HEAD", &format!("--author=^a{number} ")]);
        assert_eq!(by.trim(), "20");
    }
    for commit in ground.git(&["rev-list", "--author=mycelium.invalid", "HEAD"]).lines() {
        let paths = ground.git(&["show", "--format=", "--name-only", commit]);
        assert!(paths.lines().all(|path| path.starts_with(FOLDER)), "{commit}: {paths}");
    }
    ground.assert_sound();
});

isolated!(a_lock_of_somebody_else_is_named_and_never_removed, {
    let ground = Ground::new();
    for lock in ["index.lock", "HEAD.lock", "refs/heads/main.lock"] {
        let path = ground.root.join(".git").join(lock);
        fs::write(&path, "").expect("a lock");
        let before = fs::metadata(&path).expect("a lock");
        let repo = ground.open().with_patience(Duration::from_millis(150));
        let error = ground.try_save(&repo, &[("task-1.md", "one\n")]).expect_err("it is locked");
        assert_eq!(error.trouble(), Trouble::Busy, "{error}");
        assert!(error.to_string().contains(lock) && error.to_string().contains("has been held for 0 s"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("rm '")), "{:?}", error.hint());
        assert_eq!(fs::metadata(&path).expect("the lock is still there").ino(), before.ino());
        fs::remove_file(path).expect("a lock");
        assert_eq!(ground.git(&["rev-list", "--count", "HEAD"]), "1\n");
    }
    ground.assert_sound();
    ground.save(&[("task-1.md", "one\n")]);
});

/// How often somebody tries to get past a lock that a living process holds.
const TRIES: usize = 1_000;

isolated!(a_live_lock_is_not_taken_in_a_thousand_tries, {
    let ground = Ground::new();
    let locks = ["index.lock", "HEAD.lock", "refs/heads/main.lock"];
    let mut refused = 0;
    for (number, lock) in locks.into_iter().enumerate() {
        let path = ground.root.join(".git").join(lock);
        // It makes the lock as git does, and lives until its input ends.
        let script = format!("set -C; exec 9>'{}'; echo ready; read -r end", path.display());
        let mut holder = Command::new("sh");
        holder.args(["-c", &script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut holder = holder.spawn().expect("a holder");
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let before = fs::metadata(&path).expect("a lock").ino();
        let repo = ground.open().with_patience(Duration::ZERO);
        let base = repo.view().head(&Target::Current).expect("a head").revision;
        for _ in 0..TRIES.div_ceil(locks.len()) {
            let plans = [plan(Author::User, "save", vec![change("task-1.md", Some(&format!("{number}\n")))])];
            let tried = repo.committer().commit(&Target::Current, FOLDER, base.as_ref(), &plans, CommitDurability::Off);
            let error = tried.expect_err("it is locked");
            assert_eq!(error.trouble(), Trouble::Busy, "{error}");
            assert_eq!(fs::metadata(&path).expect("the lock is still there").ino(), before);
            refused += 1;
        }
        drop(holder.stdin.take());
        holder.wait().expect("an end");
        fs::remove_file(path).expect("the lock");
    }
    assert!(refused >= TRIES, "{refused}");
    assert_eq!(ground.git(&["rev-list", "--count", "HEAD"]), "1\n");
    ground.save(&[("task-1.md", "one\n")]);
    ground.assert_sound();
});

#[test]
fn a_lock_that_is_taken_from_the_living_is_noticed() {
    must_fail("steal-locks", "git::beside::a_live_lock_is_not_taken_in_a_thousand_tries");
}

isolated!(a_stopped_git_that_holds_the_lock_is_named, {
    let ground = Ground::new();
    // A pre-commit hook holds the user's commit, which holds the index lock.
    let hook = ground.root.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("a folder");
    fs::write(&hook, "#!/bin/sh\nwhile [ -e hold ]; do sleep 0.02; done\n").expect("a hook");
    Command::new("chmod").arg("+x").arg(&hook).status().expect("chmod");
    ground.put("hold", "");
    ground.put("u.txt", "more\n");
    let mut user =
        Command::new("git").args(["commit", "-qam", "user: slow"]).current_dir(&ground.root).spawn().expect("git");
    while !ground.root.join(".git/index.lock").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let repo = ground.open().with_patience(Duration::from_millis(100));
    let Some(Busy::Locked(held)) = repo.view().busy().expect("a look") else { panic!("the lock is not seen") };
    assert!(held.holder.as_ref().is_some_and(|who| who.contains(&format!("{}", user.id()))), "{held:?}");
    let error = ground.try_save(&repo, &[("task-1.md", "one\n")]).expect_err("it is locked");
    let CommitError::Busy(busy) = &error else { panic!("{error}") };
    let Busy::AtWork(process) = &**busy else { panic!("{error}") };
    assert_eq!((process.pid, process.command.as_str()), (user.id(), "commit"));
    fs::remove_file(ground.root.join("hold")).expect("the hold");
    assert!(user.wait().expect("an end").success());
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.at_head("task-1.md"), "one\n");
    ground.assert_sound();
});
