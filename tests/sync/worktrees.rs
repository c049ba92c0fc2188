//! Worktrees that share a dedicated branch, each with a writer and a person: nothing that was acknowledged is missing in any.
#![allow(clippy::disallowed_methods, reason = "the test starts programs and waits for them")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::{FOLDER, Run, Sandbox, names, sized};

/// Operations of each writer; `ROUNDS` says how many instead.
const ROUNDS: usize = 10;

/// What a person does with git in a worktree of their own, beside the writers.
const HABITS: [&str; 5] = [
    "echo x >> code.txt; git add code.txt; git commit -qm x",
    "git stash -qu; git stash pop -q",
    "git checkout -q --detach; git checkout -q -",
    "git reset -q --hard",
    "git checkout -q .",
];

struct Worktrees {
    sandbox: Sandbox,
    roots: Vec<PathBuf>,
}

impl Worktrees {
    fn new(count: usize) -> Self {
        let sandbox = Sandbox::new();
        sandbox.mycelium(&["config", "set", "commit.branch", "coordination"]).ok();
        sandbox.git(&["add", ".mycelium"]);
        sandbox.git(&["commit", "-qm", "Keep the documents on their own branch"]);
        let mut roots = vec![sandbox.root().to_owned()];
        for number in 1..count {
            let root = sandbox.root().with_file_name(format!("beside-{number}"));
            sandbox.git(&["worktree", "add", "-q", "-b", &format!("code-{number}"), root.to_str().unwrap()]);
            roots.push(root);
        }
        Self { sandbox, roots }
    }

    fn run(&self, root: &Path, arguments: &[&str]) -> Run {
        Run::of(self.sandbox.mycelium_command(arguments).current_dir(root))
    }

    fn documents(root: &Path) -> BTreeSet<String> {
        names(&root.join(FOLDER)).into_iter().filter(|name| name.starts_with("task-")).collect()
    }

    /// Writers in every worktree at once; returns the ids that were acknowledged and not removed.
    fn write(&self, rounds: usize, is_disturbed: bool) -> BTreeSet<String> {
        let acknowledged = Mutex::new(BTreeSet::new());
        std::thread::scope(|scope| {
            for (number, root) in self.roots.iter().enumerate() {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let id = format!("task-{number}-{round}");
                        let made = self.run(root, &["task", "create", "--type", "t", "--id", &id, "--as", "ann"]);
                        assert_eq!(made.code, Some(0), "{}", made.stderr);
                        let is_removed =
                            round % 7 == 6 && self.run(root, &["task", "remove", &id, "--as", "ann"]).code == Some(0);
                        if !is_removed {
                            acknowledged.lock().unwrap().insert(format!("{id}.md"));
                        }
                    }
                });
                if is_disturbed {
                    scope.spawn(move || {
                        for round in 0..rounds {
                            let line = HABITS[(round + number) % HABITS.len()];
                            let _ = self.sandbox.command("sh").args(["-c", line]).current_dir(root).output();
                        }
                    });
                }
            }
        });
        acknowledged.into_inner().unwrap()
    }

    /// Every folder holds exactly these, and so does the branch.
    fn assert_all_hold(&self, expected: &BTreeSet<String>) {
        for _ in 0..2 {
            for root in &self.roots {
                self.run(root, &["commit"]).ok();
            }
        }
        let listed = self.sandbox.git(&["ls-tree", "-r", "--name-only", "coordination", "--", FOLDER]);
        let there: BTreeSet<String> = listed.lines().map(|name| name.rsplit('/').next().unwrap().to_owned()).collect();
        let log = || self.sandbox.git(&["log", "--format=%an: %s", "coordination"]);
        assert_eq!(&there, expected, "{}", log());
        for root in &self.roots {
            assert_eq!(&Self::documents(root), expected, "{}: {}", root.display(), log());
        }
        self.sandbox.git(&["fsck", "--strict"]);
    }
}

#[test]
fn nothing_acknowledged_is_lost_between_two_and_three_worktrees() {
    let rounds = sized("MYCELIUM_SYNC_ROUNDS", ROUNDS, 200);
    for count in [2, 3] {
        let worktrees = Worktrees::new(count);
        let expected = worktrees.write(rounds, false);
        assert!(expected.len() > rounds, "enough was done");
        worktrees.assert_all_hold(&expected);
    }
}

#[test]
fn a_person_with_git_in_each_worktree_loses_nothing() {
    let worktrees = Worktrees::new(2);
    let expected = worktrees.write(sized("MYCELIUM_SYNC_ROUNDS", ROUNDS, 200), true);
    worktrees.assert_all_hold(&expected);
}
