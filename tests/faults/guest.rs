//! The watcher is a guest in a person's repository: whatever they have staged, changed or not yet added stays theirs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::alone;
use crate::history::{assert_sound, commits, file_at_head, is_committed, leftovers};
use crate::support::{FOLDER, Sandbox};
use crate::watcher::{Watcher, wait_for};

/// Rounds of edits while the watcher runs.
const ROUNDS: usize = 30;
const PATIENCE: Duration = Duration::from_secs(20);

/// Work of every kind: staged, changed after staging, changed only, deleted, renamed, new.
///
/// Each is there for a trap. A commit of the user's, with tasks in it, leaves cached trees in the index; staging drops the
/// cache of the root alone, so that a stale one of the folder would be used by their next commit. A change of the same size
/// in the second of its `git add` is seen only by looking at the file again.
fn leave_work(sandbox: &Sandbox) {
    for number in 0..3 {
        sandbox.write(&format!("{FOLDER}/task-hand-{number}.md"), &task(number, "pending"));
    }
    for name in ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "src/f.txt"] {
        sandbox.write(name, &format!("{name} at first\n"));
    }
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "--quiet", "-m", "Add files"]);
    sandbox.write("a.txt", "a.txt as staged\n");
    sandbox.write("new.txt", "new and staged\n");
    sandbox.git(&["add", "a.txt", "new.txt"]);
    sandbox.git(&["rm", "--quiet", "d.txt"]);
    sandbox.git(&["mv", "e.txt", "moved.txt"]);
    sandbox.write("c.txt", "c.txt as edited\n");
    sandbox.write("src/untracked.txt", "never added\n");
    loop {
        let second = || fs::metadata(sandbox.path("b.txt")).unwrap().mtime();
        sandbox.write("b.txt", "b.txt as staged\n");
        let staged = second();
        sandbox.git(&["add", "b.txt"]);
        sandbox.write("b.txt", "b.txt as edited\n");
        if second() == staged {
            return;
        }
    }
}

fn task(number: usize, status: &str) -> String {
    format!(
        "---\nid: task-hand-{number}\ntype: test\nstatus: {status}\ncreated: 2025-10-17T00:00:00Z\n---\n\n# By hand {number}\n"
    )
}

/// Agents and people at work: files by hand, files by command, moves of status, a removal.
fn work(sandbox: &Sandbox) {
    for round in 0..ROUNDS {
        let path = format!("{FOLDER}/task-hand-{round}.md");
        sandbox.write(&path, &task(round, "pending"));
        let id = sandbox.mycelium(&["--as", "ai-engineer", "task", "create", "--type", "test"]).ok();
        let id = id.trim();
        if round % 3 == 0 {
            assert!(wait_for(PATIENCE, || file_at_head(sandbox, &path).is_some()), "{path} is not committed");
            sandbox.write(&path, &task(round, "running"));
            sandbox.mycelium(&["--as", "data-engineer", "task", "update", id, "--status", "running"]).ok();
        }
        if round % 10 == 9 {
            sandbox.mycelium(&["task", "remove", id]).ok();
        }
    }
}

#[test]
fn a_users_work_stays_as_it_is() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    leave_work(&sandbox);
    // Without the lock with which `git status` would refresh the index, and so hide what became of it.
    let status = || sandbox.git(&["--no-optional-locks", "status", "--porcelain=v1", "--untracked-files=all"]);
    let staged = || sandbox.git(&["diff", "--cached", "--no-color"]);
    let unstaged = || sandbox.git(&["--no-optional-locks", "diff", "--no-color"]);
    let before = (status(), staged(), unstaged());
    assert_eq!(before.0.lines().count(), 7, "one line for each kind of work:\n{}", before.0);
    let user_commits = commits(&sandbox).len();

    let watcher = Watcher::start(&sandbox);
    work(&sandbox);
    assert!(wait_for(PATIENCE, || is_committed(&sandbox)), "still waiting:\n{}", status());
    assert_eq!((status(), staged(), unstaged()), before, "beside a running watcher");
    assert_eq!(watcher.stop(), Some(0));
    assert_eq!((status(), staged(), unstaged()), before, "after the watcher");

    let made = commits(&sandbox);
    assert!(made.len() > user_commits + 5, "only {} commits", made.len());
    for commit in &made[..made.len() - user_commits] {
        let foreign: Vec<_> = commit.paths.iter().filter(|path| !path.starts_with(FOLDER)).collect();
        assert!(foreign.is_empty(), "a commit of {} took {foreign:?}", commit.author);
    }
    let folder = sandbox.documents();
    let tree = sandbox.git(&["rev-parse", &format!("HEAD:{FOLDER}")]);

    sandbox.git(&["commit", "--quiet", "-m", "The user's own"]);
    let theirs = sandbox.git(&["show", "--name-status", "--format=", "--no-renames", "HEAD"]);
    assert_eq!(theirs, "M\ta.txt\nM\tb.txt\nD\td.txt\nD\te.txt\nA\tmoved.txt\nA\tnew.txt");
    assert_eq!(sandbox.git(&["rev-parse", &format!("HEAD:{FOLDER}")]), tree, "their commit reverts nothing");
    assert_eq!(status(), " M b.txt\n M c.txt\n?? src/untracked.txt");
    assert_eq!(sandbox.documents(), folder);
    assert_sound(&sandbox);
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new());
}
