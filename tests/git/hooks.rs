//! Hooks, where the user asked for them: `pre-commit` sees what would be committed and may refuse, `post-commit` is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use mycelium::git::{Author, CommitError, Hooks, Repository, Target, Trouble};

use crate::ground::{FOLDER, Ground, change, commit, home, plan};
use crate::isolated;
use mycelium::problem::Problem;

fn hook(ground: &Ground, name: &str, script: &str) {
    let path = ground.root.join(".git/hooks").join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a hook");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a hook");
}

fn heard(name: &str) -> Option<String> {
    fs::read_to_string(home().join(name)).ok()
}

/// Commits one document by a repository that runs hooks.
fn save(ground: &Ground, repo: &Repository, target: &Target, text: &str) -> Result<(), CommitError> {
    ground.put(&format!("{FOLDER}/task-1.md"), text);
    commit(repo, target, &[plan(Author::User, "save", vec![change("task-1.md", Some(text))])]).map(|_| ())
}

isolated!(hooks_see_what_is_committed, {
    let ground = Ground::new();
    ground.put("staged.txt", "staged\n");
    ground.git(&["add", "staged.txt"]);
    hook(
        &ground,
        "pre-commit",
        "git diff --cached --name-only > \"$HOME/saw\"; git show :.claude/coordination/task-1.md > \"$HOME/text\"",
    );
    hook(&ground, "post-commit", "git rev-parse HEAD > \"$HOME/made\"; exit 1");
    hook(&ground, "commit-msg", "touch \"$HOME/other\"; exit 1");
    let repo = ground.open().with_hooks(Hooks::run());
    save(&ground, &repo, &Target::Current, "one\n").expect("a commit");
    assert_eq!(heard("saw").as_deref(), Some(".claude/coordination/task-1.md\n"));
    assert_eq!(heard("text").as_deref(), Some("one\n"));
    assert_eq!(heard("made"), Some(ground.git(&["rev-parse", "HEAD"])));
    assert_eq!(heard("other"), None, "no other hook is run");
    assert_eq!(ground.status(), "A  staged.txt\n");
    ground.assert_sound();
    // A branch of its own is nobody's work tree.
    fs::remove_file(home().join("saw")).expect("gone");
    save(&ground, &repo, &Target::Branch("apart".to_owned()), "two\n").expect("a commit");
    assert_eq!(heard("saw"), None);
    // Without the wish nothing runs.
    save(&ground, &ground.open(), &Target::Current, "three\n").expect("a commit");
    assert_eq!(heard("saw"), None);
});

isolated!(a_hook_may_refuse, {
    let ground = Ground::new();
    let before = ground.git(&["rev-parse", "HEAD"]);
    hook(&ground, "pre-commit", "echo 'no tasks on a Friday'; exit 3");
    let repo = ground.open().with_hooks(Hooks::run());
    let error = save(&ground, &repo, &Target::Current, "one\n").expect_err("refused");
    assert_eq!(error.to_string(), "the hook `pre-commit` refused the commit: no tasks on a Friday");
    assert!(error.hint().is_some_and(|hint| hint.contains("commit.hooks false")));
    assert_eq!(error.trouble(), Trouble::Failed);
    assert_eq!(ground.git(&["rev-parse", "HEAD"]), before);
    ground.assert_sound();
    hook(&ground, "pre-commit", "exit 0");
    save(&ground, &repo, &Target::Current, "one\n").expect("a commit");
    ground.assert_sound();
});

isolated!(a_hook_that_hangs_is_stopped, {
    let ground = Ground::new();
    hook(&ground, "pre-commit", "sleep 2; touch \"$HOME/late\"; sleep 60");
    let repo = ground.open().with_hooks(Hooks::Run { limit: Duration::from_millis(500) });
    let began = Instant::now();
    let error = save(&ground, &repo, &Target::Current, "one\n").expect_err("stopped");
    assert_eq!(error.to_string(), "the hook `pre-commit` did not end within 0.5 s and was stopped");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(heard("late"), None, "what it started is stopped too");
    ground.assert_sound();
});

isolated!(hooks_work_in_linked_work_trees_and_for_big_batches, {
    let ground = Ground::new();
    hook(
        &ground,
        "pre-commit",
        "git diff --cached --name-only | wc -l > \"$HOME/saw\"; git rev-parse --show-toplevel > \"$HOME/top\"",
    );
    ground.git(&["worktree", "add", "-q", "../linked", "-b", "linked"]);
    let linked = Ground::at(fs::canonicalize(ground.root.join("../linked")).expect("a work tree"));
    let repo = linked.open().with_hooks(Hooks::run());
    let many: Vec<_> = (0..150).map(|n| change(&format!("task-{n}.md"), Some(&format!("{n}\n")))).collect();
    (0..150).for_each(|n| linked.put(&format!("{FOLDER}/task-{n}.md"), format!("{n}\n")));
    commit(&repo, &Target::Current, &[plan(Author::User, "many", many)]).expect("a commit");
    assert_eq!(heard("saw").map(|count| count.trim().to_owned()).as_deref(), Some("150"));
    assert_eq!(heard("top"), Some(format!("{}\n", linked.root.display())));
    assert!(ground.git(&["count-objects", "-v"]).contains("\npacks: 1\n"));
    assert_eq!(linked.status(), "");
    linked.assert_sound();
});
