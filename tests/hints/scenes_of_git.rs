//! Scenes about states of git.
use crate::scenes::{Scene, fixes, in_turn, instead, shows};

const REBASE: &str = "end it with `git rebase --continue`; what waits is committed then. If git refuses to go on because documents have changed, put their folder aside: `git stash push -- FOLDER`, `git rebase --continue`, `git stash pop`. `git rebase --abort` and `--skip` put documents back as they were committed; `mycelium restore` then brings back what was not";
const IN_A_REBASE: &str = "t 1; git switch -qc b; echo b > f; commit f; git switch -q main; echo c > f; commit f; git rebase -q b || echo d > f; git add f";

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    fixes("run `git init`, then try again", "rm -rf .git", "mycelium watch --once"),
    shows("history needs git: `git init` starts one", "rm -rf .git; t 1", "mycelium status"),
    Scene {
        fill: &[("URL", "../r.git")],
        ..fixes("run `git remote add origin URL`", "git init -q --bare ../r.git", "mycelium sync")
    },
    Scene {
        fill: &[("BRANCH", "main")],
        ..fixes("run `git switch BRANCH`", "remote; git switch -q --detach", "mycelium sync")
    },
    Scene {
        fill: &[("--create BRANCH", "--create other"), ("BRANCH", "main")],
        ..fixes(
            "run `git switch BRANCH`, or `git switch --create BRANCH` to keep them",
            "t 1; git switch -q --detach; t 2",
            "mycelium doctor",
        )
    },
    Scene {
        // Later the remote can be reached.
        fill: &[("mycelium sync", "git clone -q --bare . ../later.git; mycelium sync")],
        ..instead(
            "go on working: nothing is lost; run `mycelium sync` again later",
            "git remote add origin \"$PWD/../later.git\"",
            "mycelium sync",
        )
    },
    Scene {
        fill: &[("URL", "../r.git")],
        ..shows(
            "see `git remote get-url {}`: create the repository there, ask for access to it, or change the address with `git remote set-url {} URL`",
            "mkdir ../nothing.git; git remote add origin \"$PWD/../nothing.git\"",
            "mycelium sync",
        )
    },
    shows("run `git remote -v` to see which there are", "remote", "mycelium sync --remote nothing"),
    fixes("run `git push`, or `mycelium sync --with-code`", "remote; echo a > a; commit a", "mycelium sync"),
    fixes(
        "run `git config --global user.name \"Your Name\"` and `git config --global user.email you@example.com`",
        "printf '[user]\\nuseConfigOnly = true\\n' > ~/.gitconfig",
        "t 1",
    ),
    shows(
        "run `git hook run pre-commit` to see more, or `mycelium config set --user commit.hooks false` to commit without hooks",
        "mkdir .git/hooks; printf '#!/bin/sh\\nexit 1\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; mycelium config set --user commit.hooks true",
        "t 1",
    ),
    fixes(
        "check user.signingKey, gpg.format and gpg.program in your own git configuration (the repository's is not used for programs and keys), or run `git config commit.gpgSign false`",
        "git config --global gpg.program false; git config commit.gpgSign true; git config --global commit.gpgSign true",
        "t 1",
    ),
    fixes("end it with `git bisect reset`; what waits is committed then", "git bisect start -q", "t 1"),
    instead(
        "end it with `git {} --continue` or `git {} --abort`; what waits is committed then, and what git puts back before that is brought back by `mycelium restore`",
        "git switch -qc b; echo b > f; commit f; git switch -q main; echo c > f; commit f; git merge b || echo d > f; git add f",
        "t 1",
    ),
    fixes(
        "if no git is running here, remove it: `rm '{}'`",
        "t 1; touch -d '2 hours ago' .git/index.lock; echo >> $doc",
        "mycelium commit",
    ),
    fixes(
        "run `git update-index --no-{} -- {}`",
        "t 1; git update-index --skip-worktree $doc; echo >> $doc",
        "mycelium commit",
    ),
    fixes(
        "run `git update-index --no-{} -- {}`",
        "mkdir sub; t 1; git update-index --assume-unchanged $doc; echo >> $doc",
        "cd sub; mycelium commit",
    ),
    fixes("run `git config --unset attr.tree`, and unset GIT_ATTR_SOURCE", "git config attr.tree HEAD", "t 1"),
    instead(
        "hint: run `git fetch --unshallow` to have the history before it\\n",
        "t 1; t 2; remote; git clone -q --depth 1 \"file://$PWD/../remote.git\" ../c; rm -rf .git; mv ../c/.git .",
        "mycelium log",
    ),
    Scene {
        fill: &[("watch --detach", "watch --once")],
        ..fixes(
            "run `mycelium commit`, or `mycelium watch --detach` to have it done",
            "t 1; echo >> $doc",
            "mycelium doctor",
        )
    },
    Scene {
        fill: &[("CODE", "MYC101")],
        ..shows(
            "run `mycelium check` to see where, `mycelium explain CODE` to see why",
            "t 1; printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' >> $doc",
            "mycelium doctor",
        )
    },
    fixes(
        "run `mycelium resolve`, which merges what can be merged and stages it",
        "t 1; git switch -qc b; mycelium task update task-1 --progress 0.5; git switch -q main; mycelium task update task-1 --progress 0.6; git merge -q b || true",
        "mycelium doctor",
    ),
    shows(
        "{} in conflict; `mycelium resolve` merges what can be merged\\n",
        "t 1; git switch -qc b; mycelium task update task-1 --progress 0.5; git switch -q main; mycelium task update task-1 --progress 0.6; git merge -q b || true",
        "mycelium status",
    ),
    instead(
        "run `git {} --continue`",
        "t 1; git switch -qc b; mycelium task update task-1 --progress 0.5; git switch -q main; mycelium task update task-1 --progress 0.6; git merge -q b || true",
        "mycelium resolve",
    ),
    shows(
        "run `git fsck` to see all of them",
        "for n in 1 2 3 4 5 6 7 8 9; do echo x > .git/refs/heads/b$n; done",
        "mycelium doctor",
    ),
    in_turn(
        "run `rm {}`, and `git fsck --lost-found` to find what it was at",
        "echo x > .git/refs/heads/broken",
        "mycelium doctor",
    ),
    in_turn(
        "its reflog says where it was: run `rm {}` and `git update-ref {} {}`",
        "git branch b; echo x > .git/refs/heads/b",
        "mycelium doctor",
    ),
    Scene {
        fill: &[("URL", "https://example.org/x")],
        ..fixes(
            "run `git remote set-url {} URL` without it, and use a credential helper",
            "git remote add origin https://a:b@example.org/x",
            "mycelium doctor",
        )
    },
    Scene {
        fill: &[("NAME", "mine")],
        ..shows(
            "push to a branch of your own and open a request (`git push origin HEAD:refs/heads/NAME`), or let the documents have a branch of their own (`mycelium config set commit.branch coordination`)",
            "remote; git -C ../remote.git config receive.denyDeletes true; printf '#!/bin/sh\\nexit 1\\n' > ../remote.git/hooks/pre-receive; chmod +x ../remote.git/hooks/pre-receive; t 1",
            "mycelium sync",
        )
    },
    Scene {
        fill: &[("URL", "../r.git"), ("protocol.NAME", "protocol.ext")],
        ..fixes(
            "give it another address with `git remote set-url {} URL` (file, ssh, git, http or https; any other transport only if your own configuration allows it: `git config --global protocol.NAME.allow always`)",
            "git remote add origin ext::x; git init -q --bare ../r.git",
            "mycelium sync",
        )
    },
    in_turn(
        "run `git stash` or commit them, then `mycelium sync` again",
        "echo a > a; commit a; remote; git clone -q ../remote.git ../c; (cd ../c; git config user.name x; git config user.email x; echo b > a; commit a; git push -q); t 1; echo c > a",
        "mycelium sync",
    ),
    in_turn(
        "`git checkout --ours -- {}` or `git checkout --theirs -- {}`, then `git add -- {}`",
        "t 1; git switch -qc b; mycelium task update task-1 --title A; git switch -q main; mycelium task update task-1 --title B; echo '*.md filter=x' > .gitattributes; git merge -q b || true",
        "mycelium resolve",
    ),
    in_turn(
        "commit it with `git add -- {}` and `git commit -m MESSAGE -- {}`",
        "t 1; echo '*.md filter=x' > .git/info/attributes; echo >> $doc; touch -d '1 minute ago' $doc",
        "mycelium commit",
    ),
    Scene {
        fill: &[("run `mycelium resolve` again", "run `sed -i '/^<<<</d; /^====/,/^>>>>/d' $doc; mycelium resolve`")],
        ..fixes(
            "edit what is between the markers and run `mycelium resolve` again, or run `mycelium resolve --ours` or `mycelium resolve --theirs` to take one side of it",
            "two_titles",
            "mycelium resolve",
        )
    },
    // A new document: git goes on.
    Scene {
        fill: &[
            (
                " If git refuses to go on because documents have changed, put their folder aside: `git stash push -- FOLDER`, `git rebase --continue`, `git stash pop`.",
                "",
            ),
            (
                "`git rebase --abort` and `--skip` put documents back as they were committed; `mycelium restore` then",
                "It",
            ),
            ("git rebase --continue", "git -c core.editor=true rebase --continue"),
        ],
        ..fixes(REBASE, IN_A_REBASE, "t 2")
    },
    // A tracked document: git refuses to go on.
    Scene {
        fill: &[
            ("end it with `git rebase --continue`; ", ""),
            (
                "`git rebase --abort` and `--skip` put documents back as they were committed; `mycelium restore` then",
                "It",
            ),
            ("FOLDER", ".claude/coordination"),
            ("git rebase --continue", "git -c core.editor=true rebase --continue"),
        ],
        ..in_turn(REBASE, IN_A_REBASE, "mycelium task note task-1 x")
    },
    Scene {
        fill: &[
            ("end it with `git rebase --continue`; ", ""),
            (
                " If git refuses to go on because documents have changed, put their folder aside: `git stash push -- FOLDER`, `git rebase --continue`, `git stash pop`.",
                "",
            ),
            ("mycelium restore", "mycelium commit; mycelium restore task-1"),
        ],
        ..in_turn(REBASE, IN_A_REBASE, "mycelium task note task-1 x")
    },
    shows(
        "git has {} in conflict: see `git status`",
        "t 1; echo a > f; commit f; git switch -qc b; echo b > f; commit f; git switch -q main; echo c > f; commit f; git merge -q b || true",
        "mycelium resolve",
    ),
    fixes(
        "if you trust it, run `git config --global --add safe.directory '{}'`",
        "mkdir ../o; mv .git ../o/; ln -s ../o/.git .git",
        "t 1",
    ),
    Scene {
        fill: &[("NAME", "mine")],
        ..instead("no branch holds this commit; run `git switch -c NAME` to keep it", "git switch -q --detach", "t 1")
    },
    Scene {
        fill: &[("NAME", "mine")],
        ..fixes(
            "run `git switch -c NAME` to keep them",
            "t 1; git switch -q --detach; echo >> $doc",
            "mycelium watch --once",
        )
    },
    in_turn(
        "put the file itself there: `cp '{}' '{}.new'`, `mv '{}.new' '{}'`",
        "two_titles; mv .git/index ../index; ln -s ../../index .git/index",
        "mycelium resolve",
    ),
    Scene {
        fill: &[("BRANCH", "main")],
        ..fixes(
            "run `git switch BRANCH`",
            "git symbolic-ref HEAD refs/heads/a; git symbolic-ref refs/heads/a refs/heads/b; git symbolic-ref refs/heads/b refs/heads/a",
            "t 1",
        )
    },
    fixes(
        "remove it with `git symbolic-ref --delete {}`",
        "mycelium config set commit.branch a; git symbolic-ref refs/heads/a refs/heads/b; git symbolic-ref refs/heads/b refs/heads/a",
        "t 1",
    ),
    shows(
        "run `git fsck` to see whether the repository is sound",
        "t 1; for f in $(find .git/objects -type f); do chmod u+w $f; : > $f; done",
        "t 2",
    ),
    fixes(
        "run `git merge {}` first",
        "t 1; git worktree add -q ../w -b w; cd ../w; mycelium task claim task-1 --as ann; mycelium task complete task-1 --as ann",
        "mycelium task claim task-1 --as ben",
    ),
    fixes(
        "run `git merge {}`, or `mycelium task claim {} --force` to begin without that",
        "t 1; git worktree add -q ../w -b w; cd ../w; mycelium task claim task-1 --as ann; echo a > a; commit a; mycelium task release task-1 --as ann",
        "mycelium task claim task-1 --as ben",
    ),
    fixes(
        "run `git rm --cached -- {}` and commit that",
        "t 1; rm $doc; ln -s x $doc; git commit -qam x; git config core.symlinks false; rm $doc; git checkout -q $doc",
        "mycelium commit",
    ),
    in_turn(
        "run `mycelium commit` to commit what is staged; a stash that was popped is still there: `git stash drop`",
        "t 1; sed -i 's/^# x/# C/' $doc; git stash -q; mycelium task update task-1 --title B; git stash pop || true",
        "mycelium resolve --theirs",
    ),
    shows("run `mycelium commit` to see why", "t 1; marked", "mycelium doctor"),
    Scene {
        fill: &[("mycelium commit", "git bisect reset; mycelium commit")],
        ..fixes(
            "run `mycelium commit` when nothing is in the way",
            "t 1; git bisect start -q; echo >> $doc",
            "mycelium watch --once",
        )
    },
    Scene {
        fill: &[(
            "mycelium commit",
            "git version > ../free; flock .git/mycelium/commit.lock mycelium version; mycelium commit",
        )],
        ..fixes(
            "run `mycelium commit`",
            "t 1; (flock 9; for n in $(seq 200); do [ -e ../free ] || sleep 0.05; done) 9> .git/mycelium/commit.lock > ../holder 2>&1 &",
            "t 2",
        )
    },
    fixes(
        "if no git is running here, remove it: `rm '{}'`",
        "touch -d '2 hours ago' .git/config.lock",
        "mycelium init --merge-driver",
    ),
    fixes(
        "run `mycelium resolve` to move it back to `{}`, or finish it",
        "t 1; running; mkdir -p .claude/coordination/archive/2025-10; git mv $doc .claude/coordination/archive/2025-10/",
        "mycelium check",
    ),
    fixes(
        "run `mycelium resolve`, or keep one side and delete the marker lines",
        "t 1; git switch -qc b; mycelium task update task-1 --progress 0.5; git switch -q main; mycelium task update task-1 --progress 0.6; git merge -q b || true",
        "mycelium check",
    ),
];
