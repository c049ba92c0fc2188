//! Scenes about commits, the watcher, and what `doctor` says of both.
use crate::scenes::{Scene, finds, fixes, in_turn, instead};

/// A document that is held back.
const HELD: &str = "t 1; printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' >> $doc";

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    // The lock of commits is held for as long as the command waits for it, which is ten seconds.
    fixes(
        "run `mycelium commit`",
        "t 1",
        "test -e ../said || { exec 9>>.git/mycelium/commit.lock; flock 9; }; mycelium task note task-1 x 9>&- 2>&1 | tee ../said; \
         exec 9>&-",
    ),
    Scene {
        fill: &[
            ("` and commit that", "; git commit -qm x` and commit that"),
            ("markdown.folder FOLDER`", "markdown.folder docs/tasks; mycelium commit`"),
        ],
        ..fixes(
            "run `git rm -r --cached -- {}` and commit that, or choose another folder: `mycelium config set markdown.folder FOLDER`",
            "mkdir .claude; echo x > .claude/coordination; git add .claude; git commit -qm x; rm .claude/coordination; t 1",
            "mycelium commit",
        )
    },
    Scene {
        fill: &[("NAME", "mine")],
        ..fixes(
            "run `git remote rename {} NAME`",
            "git remote add a b; sed -i 's/\"a\"/\"a..b\"/' .git/config",
            "mycelium sync",
        )
    },
    Scene {
        fill: &[("NAME", "mine")],
        ..fixes(
            "run `git branch -m NAME` to rename it, or change commit.branch",
            "t 1; remote; cp .git/refs/heads/main .git/refs/heads/-x; echo ref: refs/heads/-x > .git/HEAD",
            "mycelium sync",
        )
    },
    in_turn(
        "run `mycelium commit` to commit what is staged; a stash that was popped is still there: `git stash drop`",
        "t 1; mycelium config set commit.auto false; mycelium task update task-1 --progress 0.5; git stash -q; \
         mycelium task update task-1 --progress 0.6; commit .; git stash pop || true",
        "mycelium resolve",
    ),
    in_turn(
        "run `mycelium commit` to commit what was only here, and `mycelium sync` to share it",
        "mycelium config set commit.branch coordination; t 1; commit .mycelium; remote; git push -q origin coordination; \
         git clone -q ../remote.git ../c; rm -rf .git; mv ../c/.git .; rm .claude/coordination/*; \
         mkdir -p .claude/coordination; printf -- '---\\nid: task-2\\nstatus: pending\\ntype: x\\n---\\n' > .claude/coordination/task-2.md",
        "mycelium commit",
    ),
    Scene {
        by_hand: "git checkout -q -- $doc; ",
        ..fixes(
            "run `mycelium commit` to see what holds it back, and try again then",
            HELD,
            "mycelium config set commit.branch coordination --untrack",
        )
    },
    // A lock that the watcher waits for when it is told to stop: it ends after five seconds.
    finds(
        "run `mycelium status` to see what is not committed, and why",
        "t 1",
        "mycelium watch >../said 2>&1 9>&- & pid=$!; \
         for n in $(seq 200); do grep -q Ctrl-C ../said && break; sleep 0.05; done; \
         exec 9>>.git/mycelium/commit.lock; flock 9; echo x >> $doc; sleep 1; kill $pid; wait $pid; exec 9>&-; cat ../said",
        "not committed",
    ),
    finds("run `mycelium commit` to see why", HELD, "mycelium doctor", "held back: "),
    Scene {
        by_hand: "git checkout -q -- $doc; ",
        ..in_turn(
            "run `mycelium commit` to see why, then `mycelium sync` again",
            "t 1; remote; git clone -q ../remote.git ../c; (cd ../c; git config user.name x; git config user.email x; \
             mycelium task note task-1 x; git push -q); printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' >> $doc",
            "mycelium sync",
        )
    },
    Scene {
        by_hand: "rm .git/index.lock; ",
        ..fixes(
            "run `mycelium commit` when nothing is in the way",
            "t 1; echo >> $doc; touch .git/index.lock",
            "mycelium watch --once",
        )
    },
    Scene {
        fill: &[("before you", "and `git branch -D coordination` before you")],
        ..in_turn(
            "run `mycelium config set commit.branch ''` before you delete it",
            "mycelium config set commit.branch coordination; t 1; git update-ref -d refs/heads/coordination",
            "mycelium task note task-1 x",
        )
    },
    fixes(
        "run `mycelium doctor --fix`",
        "t 1; mycelium config set commit.branch coordination --untrack; rm .git/info/exclude",
        "mycelium doctor",
    ),
    fixes(
        "run `mycelium doctor --fix`, or any write",
        "t 1; touch .git/mycelium/commit-999999999_1.index",
        "mycelium doctor",
    ),
    finds(
        "run `mycelium log` to see in whose name the change is committed",
        "t 1; echo >> $doc; mkdir .claude/coordination/.operations; \
         echo x > .claude/coordination/.operations/00000001-0123456789abcdefghjkmnpqrs.json",
        "mycelium commit",
        "Robin",
    ),
    finds("run `mycelium status` to see what is not, and why", HELD, "mycelium watch --once", "task-1.md  held back: "),
    // A reference where git would make a folder for references.
    Scene {
        by_hand: "git update-ref -d refs/mycelium/put-back; ",
        ..fixes(
            "the journal still has it: run `mycelium commit` again when the cause is gone",
            "t 1; touch .git/index.lock; mycelium task note task-1 x; rm .git/index.lock; git checkout -q -- .claude; \
             git update-ref refs/mycelium/put-back HEAD",
            "mycelium commit",
        )
    },
    finds(
        "`mycelium check` shows all",
        "mkdir -p .claude/coordination; \
         for n in $(seq 30); do printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' > .claude/coordination/task-$n.md; done",
        "mycelium status",
        "task-30.md",
    ),
    Scene {
        fill: &[(
            "` stops it",
            "; for n in $(seq 100); do mycelium status | grep -q 'no watcher' && exit; sleep 0.05; done; exit 1` ",
        )],
        ..instead("{}watching in the background (process {}); `kill {}` stops it\\n", "t 1", "mycelium watch --detach")
    },
    Scene {
        fill: &[(
            "` to stop",
            "; for n in $(seq 100); do mycelium status | grep -q 'no watcher' && exit; sleep 0.05; done; exit 1` to stop",
        )],
        ..fixes("run `kill {}` to stop that one", "t 1; mycelium watch --detach", "mycelium watch --once")
    },
];
