//! Documents on a dedicated branch, beside everything that git does to the folder: nothing of it is an edit.
#![allow(clippy::disallowed_methods, reason = "the test starts programs and waits for them")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{FOLDER, Sandbox};

/// Longer than a change takes to settle and to be committed.
const SETTLED: Duration = Duration::from_millis(1_500);

/// How far the documents have moved to the dedicated branch.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// The branch is set; the code branch tracks the documents as they were then.
    Set,
    /// The code branch tracks them no longer. An older branch does.
    Moved,
}

/// What git does, as a line of shell, and whether the folder has every document afterwards by itself.
const HABITS: [(&str, bool); 12] = [
    ("git switch -qf old && git switch -qf main", true),
    ("git switch -qf old && git commit -q --allow-empty -m x && git switch -qf main", true),
    ("git checkout -q .", true),
    ("git checkout -qf old && git checkout -qf main && git checkout -qf -", true),
    ("echo more >> README.md && git stash -q && git stash pop -q || git stash drop -q", true),
    ("echo more > new.txt && git stash -qu && git stash drop -q", true),
    ("git reset -q --hard", true),
    ("git reset -q --hard HEAD~1 && git reset -q --hard ORIG_HEAD", true),
    ("git rm -rq --cached --ignore-unmatch .claude && git reset -q", true),
    ("git rm -rqf --ignore-unmatch .claude && git reset -q", true),
    ("git switch -qf old && git merge -q --no-edit main; git reset -q --hard; git switch -qf main", true),
    ("git clean -xfdq", false),
];

/// A repository with three documents, of which two have changed since the branch was set and one was removed.
fn set_up(stage: Stage) -> Sandbox {
    let sandbox = Sandbox::new();
    for id in ["task-1", "task-2", "task-3", "task-4"] {
        sandbox.mycelium(&["task", "create", "--id", id, "--type", "t", "--as", "ann"]).ok();
    }
    sandbox.git(&["branch", "old"]);
    let set = ["config", "set", "commit.branch", "coordination"];
    let moves: &[&str] = if stage == Stage::Moved { &["--untrack"] } else { &[] };
    sandbox.mycelium(&[&set[..], moves].concat()).ok();
    sandbox.git(&["add", ".mycelium"]);
    sandbox.git(&["commit", "-qm", "Keep the documents on their own branch"]);
    sandbox.mycelium(&["task", "claim", "task-1", "--as", "ann"]).ok();
    sandbox.mycelium(&["task", "note", "task-2", "seen", "--as", "ann"]).ok();
    sandbox.mycelium(&["task", "remove", "task-4", "--as", "ann"]).ok();
    sandbox.mycelium(&["task", "create", "--id", "task-5", "--type", "t", "--as", "ann"]).ok();
    assert_eq!(on_branch(&sandbox), ["task-1.md", "task-2.md", "task-3.md", "task-5.md"]);
    sandbox
}

fn on_branch(sandbox: &Sandbox) -> Vec<String> {
    let names = sandbox.git(&["ls-tree", "-r", "--name-only", "coordination", "--", FOLDER]);
    names.lines().map(|name| name.rsplit('/').next().unwrap().to_owned()).collect()
}

fn tree(sandbox: &Sandbox) -> String {
    sandbox.git(&["rev-parse", &format!("coordination:{FOLDER}")])
}

/// The folder holds what the branch holds.
fn assert_in_step(sandbox: &Sandbox, what: &str) {
    assert_eq!(sandbox.documents(), on_branch(sandbox), "{what}");
    for name in on_branch(sandbox) {
        let there = sandbox.git(&["show", &format!("coordination:{FOLDER}/{name}")]);
        assert_eq!(sandbox.read(&format!("{FOLDER}/{name}")).trim(), there.trim(), "{what}: {name}");
    }
}

fn shell(sandbox: &Sandbox, line: &str) {
    let run = sandbox.command("sh").args(["-c", line]).output().unwrap();
    assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

struct Watching(Child);

impl Watching {
    fn start(sandbox: &Sandbox) -> Self {
        let child = sandbox.command(env!("CARGO_BIN_EXE_mycelium")).arg("watch").stderr(Stdio::null()).spawn().unwrap();
        let lock = || json(&sandbox.mycelium(&["status", "--json"]).ok())["data"]["watcher"].is_object();
        (0..200)
            .find(|_| {
                lock() || {
                    sleep(Duration::from_millis(20));
                    false
                }
            })
            .expect("it watches");
        Self(child)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_git_does_to_the_folder_is_no_edit() {
    for stage in [Stage::Set, Stage::Moved] {
        let sandbox = set_up(stage);
        for (line, is_whole) in HABITS {
            let (before, what) = (tree(&sandbox), format!("{stage:?}: {line}"));
            shell(&sandbox, line);
            let commit = sandbox.mycelium(&["commit"]);
            assert_eq!(tree(&sandbox), before, "{what}: {}", commit.stderr);
            if is_whole {
                assert_eq!(commit.code, Some(0), "{what}: {}", commit.stderr);
                assert_in_step(&sandbox, &what);
            }
        }
    }
}

#[test]
fn what_git_does_is_no_edit_while_somebody_watches() {
    for stage in [Stage::Set, Stage::Moved] {
        let sandbox = set_up(stage);
        let _watching = Watching::start(&sandbox);
        let before = tree(&sandbox);
        for (line, _) in HABITS.iter().filter(|(_, is_whole)| *is_whole) {
            shell(&sandbox, line);
            sleep(Duration::from_millis(100));
        }
        sleep(SETTLED);
        assert_eq!(tree(&sandbox), before, "{stage:?}");
        sandbox.mycelium(&["task", "list"]).ok();
        assert_in_step(&sandbox, "after a command");
        // It still sees what a person does.
        let text = sandbox.read(&format!("{FOLDER}/task-3.md"));
        sandbox.write(&format!("{FOLDER}/task-3.md"), &format!("{text}\nby hand\n"));
        let is_there = || sandbox.git(&["show", &format!("coordination:{FOLDER}/task-3.md")]).contains("by hand");
        assert!(
            (0..100).any(|_| is_there() || {
                sleep(Duration::from_millis(100));
                false
            }),
            "{stage:?}"
        );
    }
}

/// Git is not in the way of a person who goes to an old branch and back: a watcher leaves what git put there.
#[test]
fn a_watcher_leaves_what_an_old_branch_holds() {
    let sandbox = set_up(Stage::Moved);
    let before = tree(&sandbox);
    let _watching = Watching::start(&sandbox);
    shell(&sandbox, "git switch -q old");
    sleep(SETTLED);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "as git left it");
    shell(&sandbox, "git switch -q main");
    let is_whole = || sandbox.documents() == on_branch(&sandbox);
    assert!(
        (0..100).any(|_| is_whole() || {
            sleep(Duration::from_millis(100));
            false
        }),
        "it is written again"
    );
    assert_eq!(tree(&sandbox), before);
    assert_in_step(&sandbox, "back");
}

#[test]
fn what_is_removed_by_hand_is_asked_for() {
    let sandbox = set_up(Stage::Moved);
    let before = tree(&sandbox);
    std::fs::remove_file(sandbox.path(&format!("{FOLDER}/task-3.md"))).unwrap();
    let commit = sandbox.mycelium(&["commit"]);
    assert_eq!(commit.code, Some(1), "{}", commit.stderr);
    assert!(commit.stderr.contains("task-3.md: 1 of 4 documents"), "{}", commit.stderr);
    assert_eq!(tree(&sandbox), before);
    // It can be brought back, as after `git clean`.
    assert!(commit.stderr.contains("`mycelium restore --all`"), "{}", commit.stderr);
    shell(&sandbox, "git clean -xfdq");
    sandbox.mycelium(&["restore", "--all"]).ok();
    assert_in_step(&sandbox, "restored");
    std::fs::remove_file(sandbox.path(&format!("{FOLDER}/task-3.md"))).unwrap();
    // Another document is committed all the same.
    sandbox.mycelium(&["task", "note", "task-1", "on it", "--as", "ann"]).ok();
    assert_eq!(on_branch(&sandbox).len(), 4);
    sandbox.mycelium(&["commit", "--force"]).ok();
    assert_eq!(on_branch(&sandbox), ["task-1.md", "task-2.md", "task-5.md"]);
}

#[test]
fn a_document_that_was_removed_does_not_come_back_with_an_old_branch() {
    let sandbox = set_up(Stage::Moved);
    shell(&sandbox, "git switch -qf old");
    assert!(sandbox.documents().contains(&"task-4.md".to_owned()), "git brought it");
    sandbox.mycelium(&["commit"]).ok();
    assert!(!on_branch(&sandbox).contains(&"task-4.md".to_owned()));
    assert!(!sandbox.documents().contains(&"task-4.md".to_owned()));
    // One that only the code branch has is moved.
    sandbox.write(
        &format!("{FOLDER}/task-6.md"),
        &sandbox.read(&format!("{FOLDER}/task-3.md")).replace("task-3", "task-6"),
    );
    shell(&sandbox, "git add -f .claude/coordination/task-6.md && git commit -qm 'A task of an old clone'");
    sandbox.mycelium(&["commit"]).ok();
    assert!(on_branch(&sandbox).contains(&"task-6.md".to_owned()));
}

#[test]
fn the_setting_of_this_clone_holds_on_a_branch_that_is_older() {
    let sandbox = set_up(Stage::Moved);
    let tip = sandbox.git(&["rev-parse", "old"]);
    shell(&sandbox, "git switch -qf old");
    let origin = sandbox.mycelium(&["config", "get", "commit.branch", "--show-origin"]).ok();
    assert_eq!(origin, "clone  coordination\n");
    sandbox.mycelium(&["task", "create", "--id", "task-7", "--type", "t"]).ok();
    assert_eq!(sandbox.git(&["rev-parse", "old"]), tip, "nothing on the code branch");
    assert!(on_branch(&sandbox).contains(&"task-7.md".to_owned()));
    // Who wants the documents on the current branch again says so.
    sandbox.mycelium(&["config", "set", "commit.branch", ""]).ok();
    std::fs::remove_file(sandbox.path(".mycelium/config.json")).unwrap();
    assert_eq!(sandbox.mycelium(&["config", "get", "commit.branch"]).ok(), "-\n");
}

#[test]
fn a_branch_that_is_checked_out_is_refused() {
    let sandbox = set_up(Stage::Moved);
    let before = sandbox.read(".mycelium/config.json");
    shell(&sandbox, "git worktree add -q -b code ../beside");
    for name in ["main", "code"] {
        let run = sandbox.mycelium(&["config", "set", "commit.branch", name]);
        assert_ne!(run.code, Some(0), "{name}");
        assert!(run.stderr.contains("is checked out in"), "{}", run.stderr);
    }
    assert_eq!(sandbox.read(".mycelium/config.json"), before);
}

#[test]
fn a_checked_out_branch_that_a_pull_names_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    sandbox.git(&["commit", "-qm", "first", "--allow-empty"]);
    sandbox.write(".mycelium/config.json", r#"{"commit": {"branch": "main"}}"#);
    let create = |id: &str| sandbox.mycelium(&["task", "create", "--id", id, "--type", "t", "--as", "ann"]);
    let first = create("task-1");
    assert!(first.stderr.contains("`main` of commit.branch is checked out in"), "{first:?}");
    let doctor = sandbox.mycelium(&["doctor"]);
    assert!(doctor.stdout.contains("`main` of commit.branch is checked out in"), "{doctor:?}");
    // The next pull takes it back, and all is as before.
    std::fs::remove_file(sandbox.path(".mycelium/config.json")).unwrap();
    assert!(create("task-2").ok().contains("task-2"));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    assert_eq!(sandbox.git(&["ls-files", FOLDER]).lines().count(), 2);
}

#[test]
fn documents_are_taken_off_the_code_branch_in_one_commit() {
    let sandbox = set_up(Stage::Set);
    let doctor = || sandbox.mycelium(&["doctor"]).stdout;
    assert!(doctor().contains("still tracks 4 documents, which should be on coordination only"), "{}", doctor());
    sandbox.write("staged.txt", "staged\n");
    sandbox.git(&["add", "staged.txt"]);
    sandbox.write("README.md", "edited\n");
    let before = (sandbox.git(&["rev-parse", "HEAD"]), tree(&sandbox), sandbox.documents());
    let set = ["config", "set", "commit.branch", "coordination", "--untrack", "--json"];
    let done = json(&sandbox.mycelium(&set).ok());
    assert_eq!(done["data"]["migration"]["tracked"], 0);
    assert_eq!(done["data"]["migration"]["config_committed"], true);
    assert_eq!(sandbox.git(&["rev-parse", "HEAD~1"]), before.0, "one commit");
    let removed = sandbox.git(&["show", "--format=", "--name-status", "HEAD"]);
    assert!(removed.lines().all(|line| line.starts_with("D\t.claude/coordination/task-")), "{removed}");
    assert_eq!((tree(&sandbox), sandbox.documents()), (before.1, before.2), "no document is touched");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), " M README.md\nA  staged.txt", "nor is anything else");
    assert!(!doctor().contains("still tracks"), "{}", doctor());
    // Once more, there is nothing to do.
    sandbox.mycelium(&["config", "set", "commit.branch", "coordination", "--untrack"]).ok();
    assert_eq!(sandbox.git(&["rev-parse", "HEAD~1"]), before.0);
}

#[test]
fn a_document_that_is_safe_nowhere_else_stays_on_the_code_branch() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    sandbox.write(&format!("{FOLDER}/task-2.md"), "---\nid: [\n---\n");
    shell(&sandbox, "git add .claude && git commit -qm 'With a broken one'");
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    let run = sandbox.mycelium(&["config", "set", "commit.branch", "coordination", "--untrack"]);
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains("task-2.md` is not on the dedicated branch"), "{}", run.stderr);
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before);
}

#[test]
fn a_branch_that_was_deleted_takes_nothing_along() {
    let sandbox = set_up(Stage::Moved);
    let before = (tree(&sandbox), sandbox.documents());
    shell(&sandbox, "git branch -qD coordination");
    let list = sandbox.mycelium(&["task", "list"]);
    assert!(list.stderr.contains("MYC220"), "{}", list.stderr);
    assert_eq!((tree(&sandbox), sandbox.documents()), before);
}
