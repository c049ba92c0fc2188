//! Operations and commits through the library, on real repositories, judged by git.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]

mod alive;
mod batch;
mod cache;
mod calls;
mod one_path;
mod put_back;
#[path = "../support/ratchet.rs"]
mod ratchet;
#[path = "../support/mod.rs"]
mod support;
mod unreadable;
mod view;

use std::path::Path;
use std::process::Command;

use mycelium::document::Value;
use mycelium::engine::Force;
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::entity::{Priority, TaskDraft, TaskStatus};
use mycelium::name::{AgentName, DocId, Kind};
use mycelium::services::{New, Opening, Passing, Project, Scope, Taken};
use tempfile::TempDir;

fn git(root: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=User", "-c", "user.email=user@example.com"])
        .args(arguments)
        .current_dir(root)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git runs");
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn repository() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    git(dir.path(), &["init", "-q", "-b", "main"]);
    git(dir.path(), &["config", "user.name", "User"]);
    git(dir.path(), &["config", "user.email", "user@example.com"]);
    dir
}

fn open(dir: &TempDir, agent: &str) -> Project {
    let opening = Opening { root: Some(dir.path().to_owned()), agent: AgentName::new(agent).ok(), flags: Vec::new() };
    Project::open(opening).expect("opens")
}

fn new_task(project: &Project, id: &str) -> New {
    New::Task(TaskDraft {
        id: DocId::new(id).expect("valid"),
        kind: "train-model".into(),
        title: None,
        description: None,
        assigned_to: None,
        depends_on: Vec::new(),
        priority: Priority::Normal,
        workflow: None,
        payload: None,
        steps: Vec::new(),
        created: project.now(),
    })
}

#[test]
fn an_operation_is_a_commit_by_its_agent_and_one_line() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let made =
        project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    assert!(made.committed.is_some(), "{:?}", made.waiting);
    let update = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    let outcome = project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &update)
        })
        .expect("runs");
    assert!(outcome.committed.is_some(), "{:?}", outcome.waiting);
    let log = git(dir.path(), &["log", "--format=%an %s"]);
    assert_eq!(
        log,
        "ai-engineer task-1: pending → running, claimed by ai-engineer (ai-engineer)\n\
         ai-engineer task-1: created, train-model (ai-engineer)\n"
    );
    // The status, and the four lines of a claim.
    let lines = git(dir.path(), &["diff", "--numstat", "HEAD~", "HEAD"]);
    assert_eq!(lines, "5\t1\t.claude/coordination/task-1.md\n");
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
    git(dir.path(), &["fsck", "--strict"]);
}

#[test]
fn edits_by_hand_are_committed_when_asked_for() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let file = dir.path().join(".claude/coordination/task-1.md");
    let text = std::fs::read_to_string(&file).expect("there").replace("pending", "running");
    std::fs::write(&file, text).expect("written");
    let report = project.commits().commit_all(Force::No).expect("commits");
    assert_eq!(report.done.revisions.len(), 1);
    assert_eq!(git(dir.path(), &["log", "-1", "--format=%an %s"]), "User task-1: pending → running\n");
    std::fs::write(&file, "---\nid: [\n").expect("written");
    let report = project.commits().commit_all(Force::No).expect("commits");
    assert_eq!((report.done.revisions.len(), report.held.len()), (0, 1));
}

#[test]
fn a_branch_of_its_own_stays_out_of_the_users_way() {
    let dir = repository();
    std::fs::write(dir.path().join("a.txt"), "a").expect("written");
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "user"]);
    let opening = Opening {
        root: Some(dir.path().to_owned()),
        agent: AgentName::new("ai-engineer").ok(),
        flags: vec![("commit.branch".into(), "coordination".into())],
    };
    let project = Project::open(opening).expect("opens");
    for id in ["task-1", "task-2"] {
        let made = project.operations().create(project.actor(), &new_task(&project, id), Taken::LookUp).expect("made");
        assert!(made.committed.is_some(), "{:?}", made.waiting);
    }
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
    assert_eq!(git(dir.path(), &["log", "--format=%s", "main"]), "user\n");
    assert_eq!(git(dir.path(), &["log", "--format=%an", "coordination"]), "ai-engineer\nai-engineer\n");
    let files = git(dir.path(), &["ls-tree", "-r", "--name-only", "coordination"]);
    assert_eq!(files, ".claude/coordination/task-1.md\n.claude/coordination/task-2.md\n");
    assert_eq!(project.commits().standing().expect("reads").uncommitted, vec![]);
    git(dir.path(), &["fsck", "--strict"]);
}

#[test]
fn an_ignored_folder_is_respected_and_said() {
    let dir = repository();
    std::fs::write(dir.path().join(".gitignore"), ".claude/\n").expect("written");
    let project = open(&dir, "ai-engineer");
    let made =
        project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    assert_eq!(made.committed, None);
    let waiting = made.waiting.expect("says why");
    assert_eq!(waiting.to_string(), "git ignores `.claude/coordination/task-1.md`");
    assert!(project.documents().find(Some(Kind::Task), "task-1").is_ok());
}

#[test]
fn what_is_acted_on_by_hand_before_an_operation_is_told_apart() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let file = dir.path().join(".claude/coordination/task-1.md");
    let text = std::fs::read_to_string(&file).expect("there").replace("## Notes", "## Notes\n\nby hand");
    std::fs::write(&file, text).expect("written");
    let update = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &update)
        })
        .expect("runs");
    let log = git(dir.path(), &["log", "--format=%an", "-2"]);
    assert_eq!(log, "ai-engineer\nUser\n");
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
}

#[test]
fn a_reverted_file_is_not_committed_again() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    // A merge under way makes commits wait, so the operation stays in the journal.
    std::fs::write(dir.path().join(".git/MERGE_HEAD"), git(dir.path(), &["rev-parse", "HEAD"])).expect("written");
    let update = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    let waits = project.operations().change(
        project.actor(),
        Kind::Task,
        "task-1",
        "update",
        &Passing::default(),
        &|document| task::update(document, &update),
    );
    assert_eq!(waits.expect("runs").waiting.map(|w| w.to_string()), Some("a git merge is under way".into()));
    std::fs::remove_file(dir.path().join(".git/MERGE_HEAD")).expect("removed");
    git(dir.path(), &["checkout", "--", ".claude"]);
    let report = project.commits().commit_all(Force::No).expect("commits");
    assert_eq!(report.done.revisions, vec![]);
    assert!(project.store().log.journal().expect("reads").is_empty());
}

#[test]
fn threads_that_commit_for_each_other_all_learn_their_commit() {
    let dir = repository();
    std::thread::scope(|scope| {
        for agent in ["a", "b", "c", "d"] {
            let dir = &dir;
            scope.spawn(move || {
                let project = open(dir, agent);
                for n in 0..5 {
                    let made = project.operations().create(
                        project.actor(),
                        &new_task(&project, &format!("task-{agent}{n}")),
                        Taken::FileName,
                    );
                    let made = made.expect("made");
                    let revision = made.committed.expect("committed");
                    let shown = git(dir.path(), &["show", "-s", "--format=%an%n%B", revision.as_str()]);
                    assert!(shown.starts_with(agent), "{shown}");
                    assert!(shown.contains(made.operation.expect("written").as_str()), "{shown}");
                }
            });
        }
    });
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
    git(dir.path(), &["fsck", "--strict"]);
}

#[test]
fn the_classic_shape_tells_how_far_a_dependency_is() {
    let dir = repository();
    let opening = Opening {
        root: Some(dir.path().to_owned()),
        agent: None,
        flags: vec![("markdown.shape".into(), "classic".into())],
    };
    let project = Project::open(opening).expect("opens");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let New::Task(second) = new_task(&project, "task-2") else { unreachable!("a task was asked for") };
    let waits = TaskDraft { depends_on: vec![DocId::new("task-1").expect("valid")], ..second };
    project.operations().create(project.actor(), &New::Task(waits), Taken::LookUp).expect("made");
    let file = dir.path().join(".claude/coordination/task-2.md");
    let line = || {
        let text = std::fs::read_to_string(&file).expect("there");
        text.lines().find(|line| line.starts_with("- task-1")).map(str::to_owned)
    };
    assert_eq!(line().as_deref(), Some("- task-1 (train-model) - PENDING"));
    let start = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &start)
        })
        .expect("runs");
    project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "complete", &Passing::default(), &|document| {
            task::complete(document, None)
        })
        .expect("completes");
    assert_eq!(line().as_deref(), Some("- task-1 (train-model) - COMPLETED ✅"));
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
    // A line that somebody let drift is mended by the next call, and that is committed too.
    let text = std::fs::read_to_string(&file).expect("there").replace("COMPLETED ✅", "PENDING");
    std::fs::write(&file, text).expect("written");
    project.commits().commit_all(Force::No).expect("commits");
    let same = TaskUpdate { status: Some(TaskStatus::Completed), ..TaskUpdate::default() };
    let mended = project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &same)
        })
        .expect("runs");
    assert_eq!(line().as_deref(), Some("- task-1 (train-model) - COMPLETED ✅"));
    assert!(mended.committed.is_some(), "{mended:?}");
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
}

#[test]
fn where_nothing_is_committed_nothing_piles_up() {
    let dir = repository();
    std::fs::write(dir.path().join(".gitignore"), ".claude/\n").expect("written");
    let off =
        Opening { flags: vec![("commit.auto".into(), "false".into())], root: Some(dir.path().to_owned()), agent: None };
    for project in [open(&dir, "a"), Project::open(off).expect("opens")] {
        let id = project.new_id(Kind::Task).expect("random");
        let made = project
            .operations()
            .create(project.actor(), &new_task(&project, id.as_str()), Taken::FileName)
            .expect("made");
        assert!(made.waiting.is_some());
        assert_eq!(project.store().log.journal().expect("reads"), vec![]);
    }
}

#[test]
fn what_only_looks_like_a_document_is_reported_and_not_read() {
    let dir = repository();
    let project = open(&dir, "a");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    std::fs::write(dir.path().join("secret.md"), "---\nid: task-2\nstatus: pending\n---\n").expect("written");
    let link = dir.path().join(".claude/coordination/task-2.md");
    std::os::unix::fs::symlink("../../secret.md", link).expect("linked");
    let findings: Vec<String> = project
        .maintenance()
        .check(&project.documents().snapshot(Scope::All).expect("reads"))
        .expect("reads")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(findings, ["warning[MYC208]: `task-2.md` is a symbolic link, not a document; it is not read"]);
    assert!(project.documents().find(Some(Kind::Task), "task-2").is_err());
    assert_eq!(project.commits().commit_all(Force::No).expect("commits").done.revisions, vec![]);
}

#[test]
fn many_files_are_known_from_the_index_and_edits_are_still_seen() {
    let dir = repository();
    let project = open(&dir, "a");
    let folder = dir.path().join(".claude/coordination");
    std::fs::create_dir_all(folder.join("archive/2025-10")).expect("made");
    let text = |id: &str| format!("---\nid: {id}\nstatus: pending\ntype: t\n---\n\n# {id}\n");
    for n in 0..100 {
        std::fs::write(folder.join(format!("task-{n}.md")), text(&format!("task-{n}"))).expect("written");
        std::fs::write(folder.join(format!("archive/2025-10/task-a{n}.md")), text(&format!("task-a{n}")))
            .expect("written");
    }
    let waits = text("task-w").replace("type: t", "type: t\ndepends_on: [task-a7, task-none]");
    std::fs::write(folder.join("task-w.md"), waits).expect("written");
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "seed"]);
    assert_eq!(project.commits().standing().expect("reads").uncommitted, vec![]);

    let edited = text("task-7").replace("# task-7", "# task-8");
    std::fs::write(folder.join("task-7.md"), edited).expect("written");
    std::fs::write(folder.join("archive/2025-10/task-a9.md"), "---\nid: [").expect("written");
    std::fs::remove_file(folder.join("task-99.md")).expect("removed");
    let standing = project.commits().standing().expect("reads");
    let shown: Vec<&str> = standing.uncommitted.iter().map(mycelium::name::DocPath::as_str).collect();
    assert_eq!(shown, ["archive/2025-10/task-a9.md", "task-7.md", "task-99.md"]);
    assert_eq!(standing.held.len(), 1);

    let named = project.documents().snapshot(Scope::Named).expect("reads");
    let archived: Vec<&str> = named.entries().map(|e| e.path.as_str()).filter(|p| p.starts_with("archive")).collect();
    assert_eq!(archived, ["archive/2025-10/task-a7.md"]);
}

#[test]
fn what_a_sparse_checkout_keeps_out_is_not_deleted() {
    for index in ["--no-sparse-index", "--sparse-index"] {
        let dir = repository();
        let project = open(&dir, "a");
        std::fs::create_dir(dir.path().join("src")).expect("made");
        std::fs::write(dir.path().join("src/a.txt"), "a").expect("written");
        git(dir.path(), &["add", "src"]);
        git(dir.path(), &["commit", "-qm", "user"]);
        for id in ["task-1", "task-2"] {
            project.operations().create(project.actor(), &new_task(&project, id), Taken::LookUp).expect("made");
        }
        git(dir.path(), &["sparse-checkout", "set", "--cone", index, "src"]);
        assert!(!dir.path().join(".claude/coordination/task-1.md").exists());
        project.operations().create(project.actor(), &new_task(&project, "task-3"), Taken::LookUp).expect("made");
        let project = open(&dir, "a");
        assert_eq!(project.commits().standing().expect("reads").uncommitted, vec![]);
        assert_eq!(project.commits().commit_all(Force::Yes).expect("commits").done.revisions, vec![]);
        let files = git(dir.path(), &["ls-tree", "-r", "--name-only", "HEAD", ".claude/"]);
        assert_eq!(files.lines().count(), 3, "{index}: {files}");
        git(dir.path(), &["fsck", "--strict"]);
    }
}

#[test]
fn what_was_done_and_undone_while_commits_waited_is_told() {
    let dir = repository();
    let (a, b) = (open(&dir, "a"), open(&dir, "b"));
    a.operations().create(a.actor(), &new_task(&a, "task-1"), Taken::LookUp).expect("made");
    std::fs::write(dir.path().join(".git/MERGE_HEAD"), git(dir.path(), &["rev-parse", "HEAD"])).expect("written");
    let start = TaskUpdate { set: vec![("mood".to_owned(), Value::text("good"))], ..TaskUpdate::default() };
    let back = TaskUpdate { unset: vec!["mood".to_owned()], ..TaskUpdate::default() };
    for (project, update) in [(&a, &start), (&a, &back), (&b, &start)] {
        project
            .operations()
            .change(project.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
                task::update(document, update)
            })
            .expect("runs");
    }
    std::fs::remove_file(dir.path().join(".git/MERGE_HEAD")).expect("removed");
    assert_eq!(a.commits().commit_all(Force::No).expect("commits").done.revisions.len(), 3);
    let log = git(dir.path(), &["log", "--format=%an %s", "-3"]);
    assert_eq!(log, "b task-1: mood good (b)\na task-1: no mood (a)\na task-1: mood good (a)\n");
    assert_eq!(a.store().log.journal().expect("reads"), vec![]);
}

#[test]
fn what_a_person_committed_while_commits_waited_is_not_taken_back() {
    let dir = repository();
    let a = open(&dir, "a");
    a.operations().create(a.actor(), &new_task(&a, "task-1"), Taken::LookUp).expect("made");
    let file = dir.path().join(".claude/coordination/task-1.md");
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&file).expect("it is there");
        std::fs::write(&file, text.replace(from, to)).expect("written");
    };
    std::fs::write(dir.path().join(".git/MERGE_HEAD"), git(dir.path(), &["rev-parse", "HEAD"])).expect("written");
    let start = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    a.operations()
        .change(a.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &start)
        })
        .expect("runs");
    std::fs::remove_file(dir.path().join(".git/MERGE_HEAD")).expect("removed");
    edit("## Notes", "## Notes\n\n- by a person");
    git(dir.path(), &["commit", "-qam", "all of it"]);
    edit("- by a person", "- by a person, again");
    let done = a.commits().commit_all(Force::No).expect("commits").done;
    assert_eq!(done.revisions.len(), 1, "{:?}", done.revisions);
    assert!(git(dir.path(), &["show", "--format=", "HEAD"]).contains("+- by a person, again"));
    assert!(git(dir.path(), &["show", "HEAD:.claude/coordination/task-1.md"]).contains("status: running"));
    assert_eq!(a.store().log.journal().expect("reads"), vec![]);
}

fn apart(root: &Path, agent: &str) -> Project {
    let opening = Opening {
        root: Some(root.to_owned()),
        agent: AgentName::new(agent).ok(),
        flags: vec![("commit.branch".into(), "coordination".into())],
    };
    Project::open(opening).expect("opens")
}

#[test]
fn work_trees_that_share_a_branch_of_its_own_take_over_from_each_other() {
    let dir = repository();
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "user"]);
    let other = TempDir::new().expect("a folder");
    let second = other.path().join("second");
    git(dir.path(), &["worktree", "add", "-q", "-b", "topic", second.to_str().expect("utf-8")]);
    let here = apart(dir.path(), "a");
    for id in ["task-1", "task-2", "task-3"] {
        here.operations().create(here.actor(), &new_task(&here, id), Taken::LookUp).expect("made");
    }
    let there = apart(&second, "b");
    let state = dir.path().join(".git/worktrees/second/mycelium");
    assert!(!second.join(".claude").exists() && !state.exists(), "opening writes nothing");
    assert_eq!(there.prepare(), []);
    assert!(there.documents().find(Some(Kind::Task), "task-2").is_ok());
    there.operations().create(there.actor(), &new_task(&there, "task-9"), Taken::LookUp).expect("made");
    assert_eq!(there.commits().commit_all(Force::No).expect("commits").done.revisions, vec![]);
    assert_eq!(there.commits().standing().expect("reads").uncommitted, vec![]);

    let update = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    there
        .operations()
        .change(there.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &update)
        })
        .expect("runs");
    there.operations().remove(there.actor(), Kind::Task, "task-3").expect("removed");
    let file = dir.path().join(".claude/coordination/task-2.md");
    let text = std::fs::read_to_string(&file).expect("there").replace("## Notes", "## Notes\n\nhere");
    std::fs::write(&file, text).expect("written");
    assert_eq!(here.commits().commit_all(Force::No).expect("commits").done.revisions.len(), 1);
    let running = std::fs::read_to_string(dir.path().join(".claude/coordination/task-1.md")).expect("there");
    assert!(running.contains("status: running"), "{running}");
    assert!(!dir.path().join(".claude/coordination/task-3.md").exists());
    let log = git(dir.path(), &["log", "--format=%an %s", "-4", "coordination"]);
    assert_eq!(
        log,
        "User task-2: notes added\nb task-3: removed (b)\nb task-1: pending → running, claimed by b (b)\n\
         b task-9: created, train-model (b)\n"
    );
    for (project, root) in [(&here, dir.path()), (&there, second.as_path())] {
        assert_eq!(project.commits().commit_all(Force::No).expect("commits").done.revisions, vec![]);
        assert_eq!(git(root, &["status", "--porcelain"]), "");
    }
    git(dir.path(), &["fsck", "--strict"]);
}

#[test]
fn an_emptied_file_is_held_back() {
    let dir = repository();
    let project = open(&dir, "a");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    std::fs::write(dir.path().join(".claude/coordination/task-1.md"), "").expect("written");
    let report = project.commits().commit_all(Force::No).expect("commits");
    assert_eq!((report.done.revisions.len(), report.held.len()), (0, 1));
    assert_eq!(report.held[0].why.to_string(), "it is empty");
}
