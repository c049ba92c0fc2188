//! Scenes about the file system, sandboxes, pauses, and what git puts back.
use crate::scenes::{Scene, fixes, in_turn, instead, shows};

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    fixes(
        "run `ls -ld {}` to see whose it is, and `chmod u+rwX {}` as its owner",
        "t 1; chmod 0 $doc",
        "unprivileged mycelium check",
    ),
    fixes(
        "run `chmod {} {}/{}`, or commit the mode with `git add -- {}/{}` and `git commit -m MESSAGE -- {}/{}`",
        "t 1; chmod +x $doc",
        "mycelium commit",
    ),
    fixes(
        "run `ls -ld {} {}` to see whose they are; the owner can run `chmod u+rwX {} {}`",
        "t 1; chmod a-w .claude/coordination",
        "unprivileged mycelium task update task-1 --title B",
    ),
    Scene {
        fill: &[("mycelium watch", "chmod -R u+w .git; mycelium watch --once")],
        ..instead(
            "no watcher is running; `mycelium watch` outside of the sandbox starts one",
            "t 1",
            "sandboxed mycelium status",
        )
    },
    Scene {
        fill: &[("watch` outside", "watch --once` outside"), ("mycelium watch", "chmod -R u+w .git; mycelium watch")],
        ..instead("run `mycelium watch` outside of the sandbox", "t 1", "sandboxed mycelium task note task-1 x")
    },
    Scene {
        fill: &[("watch` outside", "watch --once` outside"), ("mycelium watch", "chmod -R u+w .git; mycelium watch")],
        ..instead(
            "run `mycelium watch` outside of the sandbox, and let the sandbox write `{}` for claims",
            "t 1; sandboxed mycelium task note task-1 x",
            "sandboxed mycelium doctor",
        )
    },
    shows(
        "run `mycelium log` to see in whose name the change is committed",
        "t 1; sandboxed mycelium task note task-1 x; chmod -R u+w .git; echo >> $doc",
        "mycelium commit",
    ),
    fixes("run `mycelium resume` to end the pause", "t 1; echo >> $doc; mycelium pause", "mycelium commit"),
    instead("writers of this worktree pause until {}; `mycelium resume` ends that\\n", "", "mycelium pause"),
    fixes(
        "run `mycelium restore {}` to bring {} back, or `mycelium restore --dismiss {}` to drop {}",
        "put_back; mycelium commit",
        "mycelium status",
    ),
    in_turn(
        "the document is as it was; see what was written with `git show {}`, take over what should stay, then run `mycelium restore --dismiss {}`",
        "put_back; mycelium commit; sed -i 's/^# x/# C/' $doc",
        "mycelium restore task-1",
    ),
    Scene {
        // The watcher ends in a moment.
        fill: &[("` to stop", "; timeout 30 sh -c 'until mycelium watch --once; do sleep 0.05; done'` to stop")],
        ..fixes("run `kill {}` to stop that one", "t 1; mycelium watch --detach", "mycelium watch --once")
    },
    Scene {
        fill: &[("task approve", "task approve task-1 --self")],
        ..instead(
            "remove the line; `mycelium task approve` writes who approved once the task is completed",
            "t 1; completed; sed -i 's/^status.*/&\\napproved: yes/' $doc",
            "mycelium check",
        )
    },
];

/// Those in which reading fails, as `strace` makes it.
pub(crate) const TRACED: &[Scene] = &[Scene {
    fill: &[],
    ..instead(
        "see whether the disk is well, and restore `{}` with `git restore {}`",
        "t 1",
        "strace -f -qq -P \"$PWD/$doc\" -e inject=read,pread64:error=EIO -o /dev/null mycelium check",
    )
}];
