//! The scenes that bring hints about. Each is a few lines of shell in an empty repository.

/// A hint, and how it comes about.
pub(crate) struct Scene {
    /// The hint as the code has it, with `{}` for what is filled in.
    pub(crate) hint: &'static str,
    /// What is done before.
    pub(crate) setup: &'static str,
    /// The command that says the hint.
    pub(crate) provoke: &'static str,
    /// A command to the server of the scene before that, as another program would send it.
    pub(crate) asks: &'static [&'static str],
    /// What a person puts in the place of words such as `TYPE`.
    pub(crate) fill: &'static [(&'static str, &'static str)],
    /// What a person does first because the words of the hint say so: lines of shell.
    pub(crate) by_hand: &'static str,
    /// What the first command of the hint must print; anything if empty.
    pub(crate) says: &'static str,
    /// What becomes of the hint.
    pub(crate) after: After,
}

/// What becomes of a hint when its first command was run. Every command of it must work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The command that said it does so no longer.
    Gone,
    /// It was run in the place of the other, which would say the same again.
    Instead,
    /// Its commands are run one after the other, and then it is gone.
    InTurn,
    /// It only shows something: its exit code says what it found.
    Looks,
}

pub(crate) const fn fixes(hint: &'static str, setup: &'static str, provoke: &'static str) -> Scene {
    Scene { hint, setup, provoke, asks: &[], fill: &[], by_hand: "", says: "", after: After::Gone }
}

pub(crate) const fn shows(hint: &'static str, setup: &'static str, provoke: &'static str) -> Scene {
    Scene { after: After::Looks, ..fixes(hint, setup, provoke) }
}

/// As `shows`, where the first command must print what the hint promises.
pub(crate) const fn finds(hint: &'static str, setup: &'static str, provoke: &'static str, says: &'static str) -> Scene {
    Scene { says, ..shows(hint, setup, provoke) }
}

pub(crate) const fn in_turn(hint: &'static str, setup: &'static str, provoke: &'static str) -> Scene {
    Scene { after: After::InTurn, ..fixes(hint, setup, provoke) }
}

pub(crate) const fn instead(hint: &'static str, setup: &'static str, provoke: &'static str) -> Scene {
    Scene { after: After::Instead, ..fixes(hint, setup, provoke) }
}

/// Texts that name a command and are no advice to run it as it is printed, with the reason.
pub(crate) const NO_HINTS: &[(&str, &str)] = &[
    (
        "changes of `{}` are committed to the branch you are on, beside the code and in pull requests\\nto see the code's history alone: `git log -- . ':!{}'`\\nto keep them apart, on a branch of their own: `mycelium config set commit.branch coordination --untrack`\\n(moves the documents that are on this branch already off it, in one commit)",
        "how it is from now on, and how to have it otherwise",
    ),
    ("`git {}` failed: {}", "what happened"),
    ("a `git {}` is under way (process {}", "what happened"),
    ("fetch` or `git push", "part of what happened"),
    ("understand the answer of `git log`", "what could not be done"),
    ("git does not look at it (`git update-index --{}`)", "the reason of a finding"),
    ("git keeps it out of this worktree (`git sparse-checkout`)", "the reason of a finding"),
    ("none is running; commands commit, `mycelium watch` sees other saves too", "how it is, and well so"),
    ("none; `mycelium watch` keeps it going, `mycelium bridge push` goes once", "how it is, and well so"),
    (
        "`mycelium watch` keeps both in step, `mycelium bridge push` and `pull` go once, `disable` ends it",
        "what there is after `bridge enable`",
    ),
    (
        "` are not used: what you need of them, set yourself with `git config --global`",
        "the user decides which of the named settings, with values that are the user's",
    ),
];

/// Every scene.
pub(crate) const SCENES: &[Scene] = &[
    instead(
        "have another person or an agent approve it, or run `mycelium task approve {} --self`",
        "mycelium task create --type x --id task-1; mycelium task update task-1 --status running; mycelium task complete task-1",
        "mycelium task approve task-1",
    ),
    instead(
        "leave your result as a note: `mycelium task note {} 'RESULT' --as {}`",
        "mycelium task create --type x --id task-1; mycelium task claim task-1 --as ann",
        "mycelium task complete task-1 --as ben",
    ),
    fixes(
        "run `git rebase --fork-point {}/{}` to drop it here too, or `mycelium sync --keep-dropped` to merge it back",
        "git init -q --bare ../r.git; git remote add origin ../r.git; mycelium task create --type x --id task-1; \
         mycelium task create --type x --id task-2; git push -q origin main; git push -q -f origin HEAD~1:main",
        "mycelium sync",
    ),
    Scene {
        fill: &[("NEW", "trunk")],
        ..fixes(
            "rename yours with `git branch -m {} NEW`, or run `mycelium sync --keep-dropped` to make it there again",
            "git init -q --bare ../r.git; git remote add origin ../r.git; mycelium task create --type x --id task-1; \
             git push -q origin main; git --git-dir=../r.git update-ref -d refs/heads/main",
            "mycelium sync",
        )
    },
    fixes(
        "create it with `mycelium task create --id {} --type TYPE`, or take it out",
        "mycelium task create --type x --id task-1 --depends-on task-9",
        "mycelium check",
    ),
    fixes(
        "create it with `mycelium task create --id {} --type TYPE`",
        "",
        "mycelium task create --type x --depends-on task-9",
    ),
    fixes(
        "`mycelium task update {} --no-depends-on {}`",
        "mycelium task create --type x --id task-1; sed -i 's/^# waits for/&\\ndepends_on: [1]/' .claude/coordination/task-1.md",
        "mycelium check",
    ),
    fixes(
        "leave that dependency out, or take another one out first: `mycelium task update {} --no-depends-on {}`",
        "mycelium task create --type x --id task-1; mycelium task create --type x --id task-2 --depends-on task-1",
        "mycelium task update task-1 --depends-on task-2",
    ),
    fixes(
        "run `mycelium task update {} --no-depends-on {}` for each, or make a task `{}` again",
        "mycelium task create --type x --id task-1; mycelium task create --type x --id task-2 --depends-on task-1",
        "mycelium task remove task-1",
    ),
    fixes(
        "run `mycelium workflow update {} --no-task {}` for each",
        "mycelium task create --type x --id task-1; mycelium workflow create --type x --id wf-1 --task task-1",
        "mycelium task remove task-1",
    ),
    fixes(
        "they stay as they are and can still be claimed: see `mycelium task get {}`, or run `mycelium workflow update {} --status running`",
        "mycelium task create --type x --id task-1; mycelium workflow create --type x --id wf-1 --task task-1",
        "mycelium workflow complete wf-1",
    ),
    fixes(
        "rename it: `mv {} {}`",
        "mkdir -p .claude/coordination; printf -- '---\\nid: task-1\\nstatus: pending\\ntype: x\\n---\\n' > .claude/coordination/task-1.MD",
        "mycelium check",
    ),
    fixes(
        "put the file itself there, or take the link away: `rm {}`",
        "mkdir -p .claude/coordination; ln -s /nowhere .claude/coordination/task-1.md",
        "mycelium check",
    ),
    fixes(
        "run `printf '%s\\n' '' {} >> {}` at the top of the work tree, which has git see the folder and nothing else",
        "echo .claude/ > .gitignore; mycelium task create --type x --id task-1",
        "mycelium doctor",
    ),
    fixes(
        "{}; or run `mycelium config set commit.branch coordination` to commit to a branch of its own, or `mycelium config set commit.auto false`",
        "git commit -q --allow-empty -m first; echo .claude/ > .gitignore; mycelium task create --type x --id task-1",
        "mycelium commit",
    ),
    instead("`mycelium config set {}{} {}`", "", "mycelium config set archive.after_days soon"),
    Scene {
        fill: &[("VALUE", "true")],
        ..instead(
            "set it for yourself: `mycelium config set --user {} VALUE`",
            "mkdir .mycelium; echo '{\"commit\": {\"hooks\": true}}' > .mycelium/config.json",
            "mycelium config list",
        )
    },
    instead("run `mycelium config set --user {} {}`", "", "mycelium config set ui.pager 'less -R'"),
    fixes(
        "run `mycelium config set commit.auto true`",
        "mycelium config set commit.auto false",
        "mycelium task create --type x --id task-1",
    ),
    finds("run `mycelium config list` to see every setting", "", "mycelium config get nothing.at.all", "commit.auto "),
    finds("run `mycelium {} get {}` to see it", "t 1", "t 1", "created"),
    finds("run `mycelium {} list` to see what there is", "t 1", "mycelium task get nobody", "task-1"),
    finds(
        "run `mycelium task update --help` to see what can change",
        "t 1",
        "mycelium task update task-1",
        "--progress",
    ),
    finds(
        "run `mycelium workflow update --help` to see what can change",
        "mycelium workflow create --type x --id wf-1",
        "mycelium workflow update wf-1",
        "--no-task",
    ),
    fixes(
        "run `mycelium task reopen {}` to open it again",
        "mycelium task create --type x --id task-1; mycelium task update task-1 --status running; mycelium task complete task-1",
        "mycelium task claim task-1 --as ann",
    ),
    fixes(
        "run `mycelium task retry {}` to make it pending again",
        "mycelium task create --type x --id task-1; mycelium task update task-1 --status running; mycelium task fail task-1 --error no",
        "mycelium task claim task-1 --as ann",
    ),
    instead(
        "run `mycelium task claim {} --force` to take it all the same",
        "mycelium task create --type x --id task-1 --assigned-to ben",
        "mycelium task claim task-1 --as ann",
    ),
    finds(
        "run `mycelium task get {}` to see how it stands",
        "t 1; t 2 --depends-on task-1; running",
        "mycelium task claim task-2 --as ann",
        "running",
    ),
    fixes("run `mycelium task update {} --status running` first", "t 1", "mycelium task complete task-1"),
    fixes(
        "run `mycelium task complete {}` first",
        "mycelium task create --type x --id task-1; mycelium task update task-1 --status running",
        "mycelium task approve task-1",
    ),
    fixes(
        "run `mycelium task retry {}` first",
        "mycelium task create --type x --id task-1; mycelium task update task-1 --status running; mycelium task fail task-1 --error no",
        "mycelium task approve task-1",
    ),
    Scene {
        fill: &[(" ID ", " task-1 ")],
        ..instead("write something: `mycelium task note ID \"loss is flat\"`", "t 1", "mycelium task note task-1 ''")
    },
    fixes("run `git init` to keep a history", "rm -rf .git", "mycelium task create --type x --id task-1"),
    finds("run `mycelium --help` to see every command", "", "mycelium man nothing", "completions"),
];
