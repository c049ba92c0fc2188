//! Git at work under the watcher: checkouts, commits, merges, rebases, locks.

use std::fs;
use std::path::Path;

use mycelium::watch::{GitPlaces, Locks};

use crate::site::{Site, git};

/// Rings while `what` is done.
fn rings_during(site: &mut Site, what: impl FnOnce(&Path)) -> usize {
    site.follow();
    site.take_rings();
    what(&site.root);
    site.follow();
    site.take_rings()
}

#[test]
fn a_checkout_under_the_watcher_is_seen_whole() {
    let mut site = Site::repository();
    for i in 0..300 {
        site.write(&format!("task-{i}.md"), "main");
    }
    git(&site.root, &["add", "-A"]);
    git(&site.root, &["commit", "-qm", "tasks"]);
    git(&site.root, &["checkout", "-q", "-b", "other"]);
    for i in 0..200 {
        site.write(&format!("task-{i}.md"), "other");
    }
    fs::create_dir_all(site.folder.join("archive/2025-10")).unwrap();
    for i in 200..300 {
        fs::rename(site.folder.join(format!("task-{i}.md")), site.folder.join(format!("archive/2025-10/task-{i}.md")))
            .unwrap();
    }
    git(&site.root, &["add", "-A"]);
    git(&site.root, &["commit", "-qm", "work"]);
    for branch in ["main", "other", "main~1", "other", "main"] {
        git(&site.root, &["checkout", "-q", branch]);
        site.is_complete(branch);
    }
    assert!(site.seen.values().all(|bytes| bytes == b"main"));
    git(&site.root, &["merge", "-q", "--no-ff", "-m", "merge", "other"]);
    site.is_complete("merge");
    git(&site.root, &["rebase", "-q", "--no-ff", "main~1"]);
    site.is_complete("rebase");
    git(&site.root, &["reset", "-q", "--hard", "other~1"]);
    site.is_complete("reset");
    assert_eq!(site.seen.len(), 300);
}

#[test]
fn every_move_of_the_branch_rings() {
    let mut site = Site::repository();
    for (what, arguments) in [
        ("commit", vec!["commit", "-q", "--allow-empty", "-m", "x"]),
        ("amend", vec!["commit", "-q", "--amend", "--allow-empty", "-m", "y"]),
        ("new branch", vec!["checkout", "-q", "-b", "feature/deep/branch"]),
        ("commit on it", vec!["commit", "-q", "--allow-empty", "-m", "z"]),
        ("soft reset", vec!["reset", "-q", "--soft", "HEAD~1"]),
        ("branch moved from elsewhere", vec!["update-ref", "refs/heads/feature/deep/branch", "HEAD~1"]),
        ("detached", vec!["checkout", "-q", "--detach"]),
        ("commit on no branch", vec!["commit", "-q", "--allow-empty", "-m", "d"]),
    ] {
        let rings = rings_during(&mut site, |root| git(root, &arguments));
        assert!(rings > 0, "{what}");
    }
}

#[test]
fn without_reflogs_the_branch_itself_rings() {
    let mut site = Site::repository();
    git(&site.root, &["config", "core.logAllRefUpdates", "false"]);
    git(&site.root, &["checkout", "-q", "--orphan", "a/b"]);
    fs::remove_dir_all(site.root.join(".git/logs")).unwrap();
    site.follow();
    for _ in 0..3 {
        let rings = rings_during(&mut site, |root| git(root, &["commit", "-q", "--allow-empty", "-m", "x"]));
        assert!(rings > 0);
    }
    git(&site.root, &["pack-refs", "--all"]);
    let rings = rings_during(&mut site, |root| git(root, &["commit", "-q", "--allow-empty", "-m", "after packing"]));
    assert!(rings > 0);
}

#[test]
fn the_end_of_what_a_commit_waits_for_rings() {
    let mut site = Site::repository();
    for name in ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG"] {
        let file = site.root.join(".git").join(name);
        fs::write(&file, "x").unwrap();
        assert!(rings_during(&mut site, |_| fs::remove_file(&file).unwrap()) > 0, "{name}");
    }
    for name in ["rebase-merge", "rebase-apply"] {
        let dir = site.root.join(".git").join(name);
        fs::create_dir(&dir).unwrap();
        assert!(rings_during(&mut site, |_| fs::remove_dir(&dir).unwrap()) > 0, "{name}");
    }
    let lock = site.root.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    site.watcher.heed(Locks::Awaited);
    assert!(rings_during(&mut site, |_| fs::remove_file(&lock).unwrap()) > 0, "the lock goes");
    fs::write(&lock, "").unwrap();
    assert!(
        rings_during(&mut site, |root| fs::rename(&lock, root.join(".git/index")).unwrap()) > 0,
        "becomes the index"
    );
    site.watcher.heed(Locks::Ignored);
    fs::write(&lock, "").unwrap();
    assert_eq!(rings_during(&mut site, |_| fs::remove_file(&lock).unwrap()), 0, "nobody waits");
}

#[test]
fn a_linked_work_tree_has_its_own_head_and_shared_branches() {
    let mut site = Site::new(|root| {
        let main = root.with_file_name("main");
        fs::create_dir(&main).unwrap();
        git(&main, &["init", "-q", "-b", "main"]);
        git(&main, &["commit", "-q", "--allow-empty", "-m", "first"]);
        fs::remove_dir_all(root).unwrap();
        git(&main, &["worktree", "add", "-q", "-b", "linked", "../work"]);
        fs::create_dir_all(root.join(".claude/coordination")).unwrap();
        let git_dir = main.join(".git/worktrees/work");
        Some(GitPlaces { git_dir, common_dir: main.join(".git"), target: None })
    });
    let main = site.root.with_file_name("main");
    let commit = |message| ["commit", "-q", "--allow-empty", "-m", message];
    assert!(rings_during(&mut site, |root| git(root, &commit("here"))) > 0, "a commit here");
    assert_eq!(rings_during(&mut site, |_| git(&main, &commit("there"))), 0, "a commit in the other work tree");
    let pushed = ["update-ref", "refs/heads/linked", "refs/heads/main"];
    assert!(rings_during(&mut site, |_| git(&main, &pushed)) > 0, "our branch moved from the other work tree");
}

#[test]
fn a_target_branch_of_its_own_is_followed() {
    let mut site = Site::new(|root| {
        git(root, &["init", "-q", "-b", "main"]);
        git(root, &["commit", "-q", "--allow-empty", "-m", "first"]);
        let target = Some("refs/heads/notes/mycelium".to_owned());
        Some(GitPlaces { git_dir: root.join(".git"), common_dir: root.join(".git"), target })
    });
    let create = ["update-ref", "refs/heads/notes/mycelium", "HEAD"];
    assert!(rings_during(&mut site, |root| git(root, &create)) > 0, "created");
    git(&site.root, &["commit", "-q", "--allow-empty", "-m", "second"]);
    assert!(rings_during(&mut site, |root| git(root, &create)) > 0, "moved");
}
