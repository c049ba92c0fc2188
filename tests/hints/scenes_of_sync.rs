//! Scenes about remotes and `mycelium sync`.
use crate::scenes::{Scene, fixes, in_turn, instead, shows};

const BY_HAND: &str = "merge it yourself with `git merge {}`, then run `mycelium sync` again";

/// The code is pushed as well, which is another matter.
const PUSH_ALL: &[(&str, &str)] = &[("mycelium sync", "mycelium sync --with-code")];

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        fill: &[("URL", "../r.git")],
        ..fixes(
            "name a repository elsewhere: `git remote set-url {} URL`",
            "git init -q --bare ../r.git; git remote add origin .",
            "mycelium sync",
        )
    },
    Scene {
        fill: &[("URL", "../r.git")],
        ..fixes(
            "name a repository elsewhere: `git remote set-url {} URL`",
            "git init -q --bare ../r.git; git remote add origin ../r.git; git remote set-url --push origin .git",
            "mycelium sync",
        )
    },
    Scene {
        fill: &[("/PATH", "../r.git")],
        ..fixes(
            "write the whole path: `git remote set-url {} /PATH`",
            "git init -q --bare ../r.git; git remote add origin '~/r.git'",
            "mycelium sync",
        )
    },
    fixes(
        "if it is yours, say so by its whole path: `git remote set-url {} '{}'`",
        "git init -q --bare ../r.git; printf '#!/bin/sh\\n' > ../r.git/hooks/post-receive; chmod +x ../r.git/hooks/post-receive; git remote add origin ../r.git",
        "mycelium sync",
    ),
    Scene {
        fill: &[("START", "y:")],
        ..fixes(
            "remove that with `git config --remove-section {}`; what you need of it, set for yourself with `git config --global {} START`",
            "git init -q --bare ../r.git; git remote add origin ../r.git; git config url.x:.pushInsteadOf y:",
            "mycelium sync",
        )
    },
    fixes(
        "it is called like the address of another one: remove it with `git config --remove-section {}`",
        "git init -q --bare ../r.git; git remote add origin ../r.git; git config remote.../r.git.url ../x",
        "mycelium sync",
    ),
    fixes(
        "it is called like the address of another one: remove it with `rm {}`",
        "git init -q --bare r.git; git remote add origin x.git; mkdir .git/branches; echo ../r.git > .git/branches/x.git",
        "mycelium sync",
    ),
    Scene {
        fill: &[("URL", "../r.git")],
        ..fixes(
            "leave it one: `git config --replace-all {} URL`",
            "git init -q --bare ../r.git; git remote add origin ../r.git; git remote set-url --add origin ../x.git",
            "mycelium sync",
        )
    },
    Scene {
        fill: &[("URL", "../r.git")],
        ..fixes(
            "leave it one: `git config --replace-all {} URL`",
            "git init -q --bare ../r.git; git remote add origin ../r.git; git remote set-url --add --push origin ../x.git; git remote set-url --add --push origin ../y.git",
            "mycelium sync",
        )
    },
    Scene {
        // The key is there from then on.
        fill: &[("git fetch", "git version > ../key; GIT_SSH=\"$PWD/../ssh\" git fetch"), ("NAME", "store")],
        ..fixes(
            "log in where a password can be asked for, with `git fetch {}` in a terminal; or set up an ssh key, or a program that keeps passwords: `git config --global credential.helper NAME`",
            "printf '#!/bin/sh\\n[ -e ../key ] || { echo \"Permission denied (publickey).\" >&2; exit 255; }\\nfor last; do :; done; exec sh -c \"$last\"\\n' > ../ssh; \
             chmod +x ../ssh; git init -q --bare ../r.git; git remote add origin \"ssh://here$PWD/../r.git\"",
            "GIT_SSH=\"$PWD/../ssh\" mycelium sync",
        )
    },
    Scene {
        // Later the server answers at once.
        fill: &[
            ("mycelium sync` again", "git version > ../key; GIT_SSH=\"$PWD/../ssh\" mycelium sync` again"),
            ("git fetch", "git version > ../key; GIT_SSH=\"$PWD/../ssh\" git fetch"),
            ("SECONDS", "60"),
        ],
        ..instead(
            "go on working: nothing is lost; run `mycelium sync` again later, `git fetch {}`, which waits for as long as it takes, or `mycelium config set --user sync.timeout_seconds SECONDS` to wait longer",
            "t 1; printf '#!/bin/sh\\nfor n in $(seq 200); do [ -e ../key ] || sleep 0.05; done\\nfor last; do :; done; exec sh -c \"$last\"\\n' > ../ssh; \
             chmod +x ../ssh; git init -q --bare ../r.git; git push -q ../r.git main; git remote add origin \"ssh://here$PWD/../r.git\"; mycelium config set --user sync.timeout_seconds 1",
            "GIT_SSH=\"$PWD/../ssh\" mycelium sync",
        )
    },
    Scene {
        // What is not pushed then is another matter.
        fill: &[("sync --merge", "sync --merge --with-code")],
        ..fixes(
            "run `mycelium sync --merge` to have git merge those too, or `git merge {}` yourself first",
            "both_sides",
            "mycelium sync",
        )
    },
    // Without a branch that this one is set to follow.
    in_turn(
        BY_HAND,
        "t 1; remote; git branch -q --unset-upstream; colleague 'rm $doc; ln -s x $doc; git commit -qam x'; t 2",
        "mycelium sync",
    ),
    in_turn(
        BY_HAND,
        "t 1; remote; colleague 'echo >> $doc; git commit -qam x'; echo '*.md filter=x' > .git/info/attributes; git commit -q --allow-empty -m x",
        "mycelium sync",
    ),
    Scene { fill: PUSH_ALL, ..in_turn(BY_HAND, "both_sides; git config filter.x.clean cat", "mycelium sync --merge") },
    Scene {
        fill: &[
            ("`git merge origin/main`", "`git merge -q origin/main || git commit -qam x`"),
            ("mycelium sync", "mycelium sync --with-code"),
        ],
        ..in_turn(
            BY_HAND,
            "echo a > a; commit a; remote; colleague 'echo b > a; commit a'; t 1; echo c > a; commit a",
            "mycelium sync --merge",
        )
    },
    Scene {
        fill: PUSH_ALL,
        ..in_turn(
            BY_HAND,
            "both_sides; mkdir ../old; printf '#!/bin/sh\\ncase \" $* \" in *\" merge-tree \"*) echo usage: >&2; exit 129;; esac\\nexec %s \"$@\"\\n' \"$(command -v git)\" > ../old/git; chmod +x ../old/git",
            "PATH=\"$PWD/../old:$PATH\" mycelium sync --merge",
        )
    },
    in_turn(
        "merge it yourself in a worktree: `git worktree add ../merge {}`, `git -C ../merge merge {}`, `git worktree remove ../merge`; then run `mycelium sync` again",
        "mycelium config set commit.branch coordination; t 1; remote; git push -q origin coordination; colleague 'git switch -q coordination; rm $doc; ln -s x $doc; git commit -qam x'; t 2",
        "mycelium sync",
    ),
    in_turn(
        "merge it yourself in a worktree: `git worktree add ../merge {}`, `git -C ../merge merge {}`, `git worktree remove ../merge`; then run `mycelium sync` again",
        "mycelium config set commit.branch coordination; t 1; remote; git push -q origin coordination; colleague 'git switch -q coordination; echo >> $doc; git commit -qam x'; t 2; echo '*.md filter=x' > .git/info/attributes",
        "mycelium sync",
    ),
    Scene {
        fill: &[("mycelium commit", "mycelium commit; mycelium resolve --ours")],
        ..in_turn(
            "run `mycelium commit` to see why, then `mycelium sync` again",
            "t 1; remote; colleague 'echo >> $doc; git commit -qam x'; marked",
            "mycelium sync",
        )
    },
    fixes(
        "run `git push` first, or `mycelium sync --with-code`",
        "remote; echo a > a; commit a; t 1",
        "mycelium task claim task-1 --as ann --push",
    ),
    fixes("run `mycelium sync` to push", "remote; t 1", "mycelium sync --no-push"),
    shows(
        "run `mycelium resolve {}`",
        "t 1; remote; colleague 'mycelium task update task-1 --title A'; mycelium task update task-1 --title B",
        "mycelium sync",
    ),
    Scene {
        fill: &[("` and `git fetch`", "; git fetch`")],
        ..fixes(
            "run `mycelium doctor --fix`, or `rm {}` and `git fetch`: it is a copy of the remote's branch",
            "remote; echo x > .git/refs/remotes/origin/main",
            "mycelium sync",
        )
    },
    instead(
        "run `git fetch --refetch --filter=blob:none` to have them, then try again",
        "t 1; remote; git -C ../remote.git config uploadpack.allowFilter true; git clone -q --filter=tree:0 \"file://$PWD/../remote.git\" ../c; t 2; git push -q; git -C ../c pull -q",
        "cd ../c; mycelium log",
    ),
    fixes(
        "run `mycelium config set commit.branch ''` before you delete it",
        "mycelium config set commit.branch coordination; t 1; git branch -qD coordination",
        "t 2",
    ),
    in_turn(
        "run `mycelium commit` to commit what was only here, and `mycelium sync` to share it",
        "mycelium config set commit.branch coordination; t 1; git add .mycelium; git commit -qm x; remote; git push -q origin coordination; git clone -q ../remote.git ../d",
        "cd ../d; mycelium commit",
    ),
    shows(
        "run `git show {}:{}` to see the other",
        "mycelium config set commit.branch coordination; t 1; git worktree add -q ../w coordination; sed -i 's/^# x/# A/' ../w/$doc; git -C ../w commit -qam A; git worktree remove ../w; sed -i 's/^# x/# B/' $doc",
        "mycelium commit",
    ),
    shows(
        "run `mycelium commit` to see what holds it back, and try again then",
        "t 1; marked; git commit -qam x",
        "mycelium config set commit.branch coordination --untrack",
    ),
];
