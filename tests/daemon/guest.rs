//! Beside a person who uses git in the same work tree: nothing of theirs is touched, nothing of git's doing is an edit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycelium::entity::task::{self, TaskUpdate};
use mycelium::name::Kind;
use mycelium::services::{Opening, Passing, Project};

use crate::process::{Process, is_committed, save, subjects, until};
use crate::support::{FOLDER, Run, Sandbox};

/// Two branches with different documents; leaves `main` checked out.
fn branches(sandbox: &Sandbox) {
    (0..20).for_each(|i| save(sandbox, &format!("task-{i}"), "pending"));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "tasks"]);
    sandbox.git(&["checkout", "-qb", "other"]);
    (10..30).for_each(|i| save(sandbox, &format!("task-{i}"), "running"));
    std::fs::remove_file(sandbox.path(&format!("{FOLDER}/task-0.md"))).unwrap();
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "other tasks"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("code.txt", "x");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "code"]);
}

#[test]
fn what_git_does_is_no_edit() {
    let sandbox = Sandbox::new();
    branches(&sandbox);
    let mut process = Process::start(&sandbox);
    for _ in 0..5 {
        sandbox.git(&["checkout", "-q", "other"]);
        std::thread::sleep(Duration::from_millis(300));
        sandbox.git(&["checkout", "-q", "main"]);
        std::thread::sleep(Duration::from_millis(40));
    }
    sandbox.git(&["checkout", "-q", "other"]);
    sandbox.git(&["rebase", "-q", "main"]);
    std::thread::sleep(Duration::from_millis(300));
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "-m", "merge", "other"]);
    std::thread::sleep(Duration::from_millis(300));
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    sandbox.git(&["commit", "-q", "--amend", "-m", "code, amended"]);
    assert!(!process.says("committed", Duration::from_secs(4)), "{:?}", process.said);
    process.stop();
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn branches_are_switched_beside_busy_writers_within_a_pause() {
    let sandbox = Sandbox::new();
    for id in ["task-0", "task-1", "task-2", "task-3"] {
        let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", id]).ok();
    }
    sandbox.git(&["checkout", "-qb", "other"]);
    sandbox.write("other.txt", "x");
    sandbox.git(&["add", "other.txt"]);
    sandbox.git(&["commit", "-qm", "other"]);
    let process = Process::start(&sandbox);
    let is_over = AtomicBool::new(false);
    let count = std::thread::scope(|scope| {
        let write = |id: usize| {
            let (sandbox, is_over) = (&sandbox, &is_over);
            move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let (task, text) = (format!("task-{id}"), format!("note {count}"));
                    let _ = sandbox.mycelium(&["task", "note", &task, &text]).ok();
                    count += 1;
                }
                count
            }
        };
        let writers: Vec<_> = (0..4).map(|id| scope.spawn(write(id))).collect();
        for branch in ["main", "other", "main", "other", "main"] {
            let _ = sandbox.mycelium(&["pause"]).ok();
            let switched = Run::of(sandbox.command("git").args(["checkout", "-q", branch]));
            let _ = sandbox.mycelium(&["resume"]).ok();
            let _ = switched.ok();
        }
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).sum::<usize>()
    });
    until("all is committed", || is_committed(&sandbox));
    process.stop();
    let committed = sandbox.git(&["log", "--branches", "--format=%(trailers:key=Mycelium-Operation,valueonly)"]);
    assert_eq!(committed.matches(" task.note ").count(), count, "each write is in the history once");
}

#[test]
fn a_merge_is_waited_for_and_its_end_noticed() {
    let sandbox = Sandbox::new();
    branches(&sandbox);
    let mut process = Process::start(&sandbox);
    sandbox.git(&["merge", "-q", "--no-commit", "--no-ff", "other"]);
    save(&sandbox, "task-99", "pending");
    let waiting = process.hear("waiting");
    assert_eq!(waiting["message"], "commits wait: a git merge is under way");
    assert!(waiting["hint"].is_string());
    assert!(!process.says("committed", Duration::from_secs(1)));
    sandbox.git(&["commit", "-qm", "merged"]);
    let began = std::time::Instant::now();
    process.hear("committed");
    assert!(began.elapsed() < Duration::from_secs(10), "its end rings: {:?}", began.elapsed());
    process.hear("resumed");
    assert!(is_committed(&sandbox));
    process.stop();
}

#[test]
fn an_operation_is_told_although_its_document_is_broken_since() {
    let sandbox = Sandbox::new();
    branches(&sandbox);
    let mut process = Process::start(&sandbox);
    sandbox.git(&["merge", "-q", "--no-commit", "--no-ff", "other"]);
    let run = sandbox.mycelium(&["--as", "ann", "task", "update", "task-9", "--priority", "high"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let broken = format!("{FOLDER}/task-9.md");
    sandbox.write(&broken, "---\nid: [\n---\n");
    process.hear("held");
    sandbox.git(&["commit", "-qm", "merged"]);
    process.hear("committed");
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an"]), "ann");
    assert!(sandbox.git(&["show", &format!("HEAD:{broken}")]).contains("priority: high"));
    assert_eq!(sandbox.read(&broken), "---\nid: [\n---\n");
    process.stop();
}

#[test]
fn an_operation_that_was_put_back_is_not_told_later() {
    let sandbox = Sandbox::new();
    branches(&sandbox);
    let mut process = Process::start(&sandbox);
    sandbox.git(&["merge", "-q", "--no-commit", "--no-ff", "other"]);
    assert_eq!(sandbox.mycelium(&["--as", "ann", "task", "update", "task-9", "--priority", "high"]).code, Some(0));
    sandbox.git(&["checkout", "-q", "HEAD", "--", FOLDER]);
    sandbox.git(&["commit", "-qm", "merged"]);
    assert!(!process.says("committed", Duration::from_secs(1)));
    save(&sandbox, "task-9", "running");
    process.hear("committed");
    assert!(!sandbox.git(&["log", "--format=%an"]).contains("ann"));
    process.stop();
}

#[test]
fn staged_and_unstaged_work_of_a_person_stays_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.write("staged.txt", "1");
    sandbox.write("dirty.txt", "1");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "code"]);
    sandbox.write("staged.txt", "2");
    sandbox.git(&["add", "staged.txt"]);
    sandbox.write("dirty.txt", "2");
    sandbox.write("new.txt", "1");
    let before = sandbox.git(&["status", "--porcelain"]);
    let process = Process::start(&sandbox);
    for i in 0..20 {
        save(&sandbox, &format!("task-{}", i % 4), ["pending", "running"][i / 4 % 2]);
        std::thread::sleep(Duration::from_millis(120));
    }
    // A stash beside it, and back.
    sandbox.git(&["stash", "-q"]);
    std::thread::sleep(Duration::from_millis(400));
    sandbox.git(&["stash", "pop", "-q", "--index"]);
    until("everything is committed", || is_committed(&sandbox));
    process.stop();
    assert_eq!(sandbox.git(&["status", "--porcelain"]), before);
    let foreign = sandbox.git(&["log", "--format=", "--name-only", "HEAD", "--", ".", &format!(":!{FOLDER}")]);
    assert_eq!(foreign.lines().filter(|line| !line.is_empty()).count(), 3, "README.md and two text files: {foreign}");
    assert!(!subjects(&sandbox).is_empty());
    sandbox.git(&["fsck", "--strict"]);
}

#[test]
fn a_person_who_commits_all_the_time_never_fails() {
    let sandbox = Sandbox::new();
    let process = Process::start(&sandbox);
    for i in 0..60 {
        save(&sandbox, &format!("task-{}", i % 5), ["pending", "running", "failed"][i / 5 % 3]);
        sandbox.write("code.txt", &i.to_string());
        sandbox.git(&["add", "code.txt"]);
        sandbox.git(&["commit", "-qm", "code"]);
    }
    until("everything is committed", || is_committed(&sandbox));
    process.stop();
    assert_eq!(sandbox.git(&["log", "--format=%s", "--", "code.txt"]).lines().count(), 60);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox.git(&["fsck", "--strict"]);
}

#[test]
fn an_ignored_folder_is_left_alone_and_said_once() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitignore", ".claude/\n");
    let mut process = Process::start(&sandbox);
    save(&sandbox, "task-1", "pending");
    save(&sandbox, "task-2", "pending");
    assert!(!process.says("committed", Duration::from_secs(1)));
    let project = Project::open(Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() }).unwrap();
    let task = |text: &mycelium::document::Document| {
        task::update(text, &TaskUpdate { progress: Some(0.5), ..TaskUpdate::default() })
    };
    project.operations().change(project.actor(), Kind::Task, "task-1", "update", &Passing::default(), &task).unwrap();
    until("the journal is swept", || project.store().log.journal().unwrap().is_empty());
    let said = process.stop();
    assert_eq!(said.iter().filter(|notice| notice["event"] == "ignored").count(), 1);
}
