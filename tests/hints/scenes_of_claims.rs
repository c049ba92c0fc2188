//! Scenes about who has a task, and about editing documents.
use crate::scenes::{Scene, finds, fixes, in_turn, instead};

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    in_turn(
        "run `git merge {}` first",
        "t 1; git worktree add -q ../other -b other; \
         (cd ../other; mycelium task claim task-1 --as ben; mycelium task complete task-1 --as ben)",
        "mycelium task claim task-1 --as ann",
    ),
    fixes(
        "run `git merge {}`, or `mycelium task claim {} --force` to begin without that",
        "t 1; git worktree add -q ../other -b other; \
         (cd ../other; mycelium task claim task-1 --as ben; echo x > code; commit code; mycelium task release task-1 --as ben)",
        "mycelium task claim task-1 --as ann",
    ),
    instead(
        "run `mycelium task claim {} --steal` if no agent works on it any more",
        "t 1; mycelium task claim task-1 --as ben; rm -r .git/mycelium",
        "mycelium task claim task-1 --as ann",
    ),
    // The folder is locked, so that ben's claim is in the registry and not yet in the document.
    finds(
        "run `mycelium task get {}` in a moment",
        "t 1",
        "exec 9>>.git/mycelium/folder.lock; flock 9; mycelium task claim task-1 --as ben 9>&- & \
         for n in $(seq 500); do test -e .git/mycelium/claims/held/task-1 && break; sleep 0.02; done; \
         mycelium task claim task-1 --as ann 9>&-; exec 9>&-; wait",
        "held by   ben",
    ),
    finds(
        "run `mycelium task get {}` to see who has it",
        "t 1; mycelium task claim task-1 --as ben",
        "mycelium task update task-1 --progress 0.5 --fence 9",
        "held by   ben",
    ),
    Scene {
        by_hand: "export EDITOR='sed -i /^depends_on/d'; ",
        ..fixes(
            "{} (`mycelium task edit {}`)",
            "t 1; sed -i 's/^# waits for/&\\ndepends_on: {a: 1}/' $doc",
            "mycelium task claim task-1 --as ann",
        )
    },
    Scene {
        by_hand: "export EDITOR='sed -i /^depends_on/d'; ",
        ..fixes(
            "{} (`mycelium task edit {}`)",
            "t 1; sed -i 's/^# waits for/&\\ndepends_on: {a: 1}/' $doc",
            "mycelium task claim --next --as ann",
        )
    },
    Scene {
        by_hand: "export EDITOR='sed -i s/task-2.and/only/'; ",
        ..fixes(
            "take it out with `mycelium task edit {}`",
            "t 1; t 2; printf '\\n## Dependencies\\n\\n- task-2 and task-3 must be done\\n' >> $doc",
            "mycelium task update task-1 --no-depends-on task-2",
        )
    },
    Scene {
        by_hand: "for n in $(seq 50); do sed -i /^depends_on/d .claude/coordination/task-$n.md; done; ",
        fill: &[("check`", "check || test $? = 1`")],
        ..fixes(
            "take out the dependencies that are named in the others, then run `mycelium check` again",
            "mkdir -p .claude/coordination; for n in $(seq 51); do printf -- \
             \"---\\nid: task-$n\\nstatus: pending\\ntype: x\\ndepends_on: [task-$n]\\n---\\n\" > .claude/coordination/task-$n.md; done",
            "mycelium check",
        )
    },
    Scene {
        by_hand: "sed -i /^approved/d $doc; ",
        fill: &[("approve`", "approve task-1 --self`")],
        ..fixes(
            "remove the line; `mycelium task approve` writes who approved once the task is completed",
            "t 1; completed; sed -i '3i approved: yes' $doc",
            "mycelium check",
        )
    },
    Scene {
        by_hand: "export EDITOR='sed -i s/^#.x/#.y/'; ",
        says: "title",
        ..instead(
            "run `mycelium task edit {}` again",
            "t 1; printf '#!/bin/sh\\nmycelium task note task-1 x\\necho >> $1\\n' > ../editor; chmod +x ../editor",
            "EDITOR=$PWD/../editor mycelium task edit task-1",
        )
    },
    // The number of the process is part of the names, and stays with `exec`.
    instead(
        "see whether a text of yours is kept in one of them, then run `rm -r {}/mycelium-{}-*`",
        "t 1; mkdir '../a b'",
        "export TMPDIR=\"$(dirname \"$PWD\")/a b\"; sh -c 'for n in $(seq 0 99); do mkdir \"$TMPDIR/mycelium-edit-$$-$n\"; done; \
         exec mycelium task edit task-1'",
    ),
    // The document goes while the command that has found it waits for the folder; the first try may be too early.
    finds(
        "run `mycelium status` to see what is there now",
        "t 1; t 2",
        "for n in 0.2 0.8 3; do exec 9>>.git/mycelium/folder.lock; flock 9; mycelium task remove task-1 >../said 2>&1 9>&- & \
         sleep $n; rm $doc; exec 9>&-; wait; grep -q 'is gone' ../said && break; git checkout -q -- $doc; done; cat ../said",
        "task-2",
    ),
];
