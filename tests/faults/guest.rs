//! The watcher is a guest in a person's repository: whatever they have staged, changed or not yet added stays theirs.

use std::time::Duration;

use crate::alone;
use crate::history::{assert_sound, commits, file_at_head, is_committed, leftovers};
use crate::support::{FOLDER, Sandbox};
use crate::watcher::{Watcher, wait_for};

/// Rounds of edits while the watcher runs.
const ROUNDS: usize = 30;
const PATIENCE: Duration = Duration::from_secs(20);

/// Work of every kind: staged, changed after staging, changed only, deleted, renamed, new.
fn leave_work(sandbox: &Sandbox) {
    for name in ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "src/f.txt"] {
        sandbox.write(name, &format!("{name} at first\n"));
    }
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "--quiet", "-m", "Add files"]);
    sandbox.write("a.txt", "a.txt as staged\n");
    sandbox.write("b.txt", "b.txt as staged\n");
    sandbox.write("new.txt", "new and staged\n");
    sandbox.git(&["add", "a.txt", "b.txt", "new.txt"]);
    sandbox.git(&["rm", "--quiet", "d.txt"]);
    sandbox.git(&["mv", "e.txt", "moved.txt"]);
    // The same size, in the same second as `git add`: git sees it only by looking again.
    sandbox.write("b.txt", "b.txt as edited\n");
    sandbox.write("c.txt", "c.txt as edited\n");
    sandbox.write("src/untracked.txt", "never added\n");
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
    let status = || sandbox.git(&["status", "--porcelain=v1", "--untracked-files=all"]);
    let staged = || sandbox.git(&["diff", "--cached", "--no-color"]);
    let unstaged = || sandbox.git(&["diff", "--no-color"]);
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
