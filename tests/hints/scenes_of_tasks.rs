//! Scenes about tasks, agents, workflows, events and batches.
use crate::scenes::{Scene, finds, fixes, in_turn, instead};

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    fixes(
        "run `mycelium resume` to end the pause, or try again later",
        "t 1; mycelium pause",
        "mycelium task note task-1 x",
    ),
    instead(
        "run `mycelium task claim {} --force` to take it all the same",
        "mkdir sub; t 1 --assigned-to ben",
        "cd sub; mycelium task claim task-1 --as ann --root ..",
    ),
    fixes(
        "rename it: `mv {} {}`",
        "t 1; mkdir sub; git mv $doc .claude/coordination/task-1.MD; git commit -qm x",
        "cd sub; mycelium check",
    ),
    finds(
        "{} `mycelium explain {}` says why and what to do\\n",
        "t 1; printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' >> $doc",
        "mycelium check",
        "merge conflict",
    ),
    instead(
        "have another agent or a person run `mycelium task approve {}`",
        "t 1; mycelium task claim task-1 --as ann; mycelium task complete task-1 --as ann",
        "mycelium task approve task-1 --as ann",
    ),
    fixes(
        "it has failed already; `mycelium task retry {}` makes it pending again",
        "t 1; failed",
        "mycelium task fail task-1 --error no",
    ),
    fixes(
        "it is completed already; `mycelium task reopen {}` opens it again",
        "t 1; completed",
        "mycelium task complete task-1",
    ),
    fixes(
        "it is pending already; `mycelium task update {} --status running` begins it",
        "t 1",
        "mycelium task release task-1",
    ),
    fixes("run `mycelium task release {}`, which leads there", "t 1; running", "mycelium task reopen task-1"),
    fixes("run `mycelium task reopen {}`, which leads there", "t 1; completed", "mycelium task release task-1"),
    fixes("run `mycelium task retry {}`, which leads there", "t 1; failed", "mycelium task release task-1"),
    fixes("run `mycelium task reopen {}` first", "t 1; completed", "mycelium task fail task-1 --error no"),
    Scene {
        fill: &[("ID", "task-7"), ("TYPE", "x")],
        ..instead(
            "make a new task with the other id: `mycelium task create --id ID --type TYPE`",
            "t 1",
            "EDITOR=\"sed -i s/task-1/task-7/\" mycelium task edit task-1",
        )
    },
    finds(
        "run `mycelium task get {}` to see how far it is",
        "t 1",
        "mycelium task wait task-1 --timeout 1ms",
        "pending",
    ),
    instead(
        "run `mycelium task claim --next` to get another one",
        "t 1; t 2; mycelium task claim task-1 --as ben",
        "mycelium task claim task-1 --as ann",
    ),
    instead(
        "no branch has that work any more: run `mycelium task claim {} --steal` to do it again",
        "t 1; git worktree add -q ../w -b w; mycelium --root ../w task claim task-1 --as ben; \
         mycelium --root ../w task complete task-1 --as ben; git worktree remove --force ../w; git branch -qD w",
        "mycelium task claim task-1 --as ann",
    ),
    Scene {
        fill: &[("NAME", "kept")],
        ..in_turn(
            "run `git -C {} switch -c NAME` there, then `git merge NAME` here",
            "t 1; git worktree add -q --detach ../w; mycelium --root ../w task claim task-1 --as ben; \
             mycelium --root ../w task complete task-1 --as ben",
            "mycelium task claim task-1 --as ann",
        )
    },
    fixes("run `mycelium task claim {}` to get it", "t 1", "mycelium task renew task-1 --as ann"),
    instead(
        "run `mycelium task claim {} --steal` to take it over",
        "t 1; running",
        "mycelium task claim task-1 --as ann",
    ),
    finds(
        "run `mycelium task list` to see what the others wait for",
        "t 1",
        "mycelium task claim --next --type y --as ann",
        "task-1",
    ),
    instead("run `mycelium task note {} TEXT`", "t 1", "mycelium task reject task-1 --reason no"),
    fixes("run `mycelium task release {}`", "t 1; running", "mycelium task reject task-1 --reason no"),
    fixes("run `mycelium task retry {}`", "t 1; failed", "mycelium task reject task-1 --reason no"),
    fixes("run `mycelium workflow new {}` to make one", "true", "mycelium workflow run w"),
    fixes(
        "its file still says {}; `mycelium workflow drive` writes the end",
        "printf 'steps: { a: { type: x } }' > w.yaml; mkdir -p .mycelium/workflows; mv w.yaml .mycelium/workflows; \
         mycelium workflow run w --id wf-1; mycelium task claim task-wf-1-a --as a; mycelium task complete task-wf-1-a --as a",
        "mycelium workflow get wf-1",
    ),
    finds("{} run `mycelium workflow graph {}`\\n", "true", "mycelium workflow new w", "prepare"),
    finds(
        "run `mycelium workflow graph {}` to see how its steps ended",
        "t 1; mycelium workflow create --type x --id wf-1 --task task-1; mycelium workflow complete wf-1",
        "mycelium workflow pause wf-1",
        "task-1",
    ),
    finds(
        "run `mycelium workflow graph {}` to see how its steps stand",
        "t 1; mycelium workflow create --type x --id wf-1 --task task-1",
        "mycelium workflow retry wf-1",
        "task-1",
    ),
    finds(
        "run `mycelium workflow graph {}` to see its steps",
        "t 1; mycelium workflow create --type x --id wf-1 --task task-1",
        "mycelium workflow retry wf-1 --from x",
        "task-1",
    ),
    finds(
        "run `mycelium why {}`",
        "t 1; mycelium task update task-1 --set not_before=2999-01-01",
        "mycelium task claim task-1 --as ann",
        "task-1",
    ),
    finds(
        "correct `{}`, or the result that it reads; `mycelium why {}` shows what it waits for",
        "t 1; t 2 --depends-on task-1; mycelium task update task-2 --set 'when={{ steps[\"task-1\"].result.ok }}'; \
         mycelium task update task-1 --status running; mycelium task complete task-1",
        "mycelium check",
        "has no value",
    ),
    finds("run `mycelium why {}` to see what it needs", "t 1", "mycelium task approve task-1", "task-1"),
    fixes(
        "run `mycelium workflow update {} --status running` first",
        "mycelium workflow create --type x --id wf-1; mycelium workflow complete wf-1",
        "mycelium workflow fail wf-1 --error no",
    ),
    finds("{} run `mycelium why {}`\\n", "t 1 --depends-on task-9", "mycelium task ready", "task-9"),
    Scene {
        fill: &[("NAME", "ann")],
        ..instead("name the agent: `mycelium agent beat NAME`, or `--as NAME`", "", "mycelium agent beat")
    },
    finds(
        "run `mycelium batch --help` to see the fields of every operation",
        "",
        "echo '{\"op\":\"task.create\",\"type\":\"x\",\"tipe\":\"x\"}' | mycelium batch -",
        "task.create",
    ),
    finds(
        "run `mycelium batch --help` to see them",
        "",
        "echo '{\"op\":\"task.make\"}' | mycelium batch -",
        "task.create",
    ),
    finds(
        "run `mycelium check` to see why",
        "t 1; completed; sed -i 's/^status: .*/status: nothing/' $doc",
        "mycelium archive task-1",
        "status",
    ),
    fixes(
        "run `mycelium archive {} {}` to archive both",
        "mycelium workflow create --type x --id wf-1; t 1 --workflow wf-1; completed; mycelium workflow complete wf-1",
        "mycelium archive task-1",
    ),
    fixes(
        "list it there, which `mycelium workflow update {} --task {}` does, or finish both first",
        "mycelium workflow create --type x --id wf-1; t 1 --workflow wf-1; completed",
        "mycelium archive task-1",
    ),
    fixes("run `mycelium archive {}` without `--older`", "t 1; completed", "mycelium archive task-1 --older 30d"),
    finds(
        "run `mycelium event list` to see what happened before",
        "t 1",
        "mycelium event subscribe x --count 1 --timeout 1ms",
        "task-1",
    ),
    finds("run `mycelium status` to see what there is", "t 1", "mycelium log nobody", "task-1"),
    finds(
        "run `mycelium {}{} --format help` to see fields and filters",
        "t 1",
        "mycelium task list --format '{{id|nothing}}'",
        "title",
    ),
    instead(
        "save one: `mycelium config set --user formats.short '{id} {title}'`",
        "t 1",
        "mycelium task list --format nothing",
    ),
    Scene {
        fill: &[("` or", "task-1` or"), ("complete", "complete ")],
        ..instead("use `mycelium {} complete` or `fail`", "t 1; running", "mycelium task update task-1 --set result=1")
    },
    instead(
        "write one `  - id` a line: `mycelium task edit {}`",
        "t 1; sed -i 's/^# waits for/&\\ndepends_on: {a: 1}/' $doc",
        "mycelium task update task-1 --depends-on task-2",
    ),
    finds(
        "run `mycelium restore` to list what can be brought back",
        "t 1; rm $doc",
        "mycelium restore task-9",
        "task-1",
    ),
    Scene {
        fill: &[("OP|ID", "task-1")],
        ..instead(
            "`mycelium restore OP|ID` brings one back, `mycelium restore --all` all of them; `--dismiss` forgets what git put back",
            "t 1; rm $doc",
            "mycelium restore",
        )
    },
    fixes(
        "run `mycelium restore --all` to bring them back, or `mycelium commit --force` to commit the deletions",
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do t $n; done; rm .claude/coordination/*.md",
        "mycelium commit",
    ),
    fixes(
        "run `mycelium restore --all` to bring the documents back, or `mycelium commit --force` to commit the deletions",
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do t $n; done; rm .claude/coordination/*.md",
        "mycelium watch --once",
    ),
    fixes(
        "nothing to dismiss: a document that was removed is no operation; `mycelium commit --force` commits its removal\\n",
        "t 1; rm $doc",
        "mycelium restore --dismiss task-1",
    ),
    fixes("no watcher is running; `mycelium watch --detach` starts one", "t 1", "mycelium status"),
    Scene {
        fill: &[("CMD", "true")],
        ..fixes(
            "give `--exec 'CMD'`, or run `mycelium config set --user worker.command 'CMD'`",
            "true",
            "mycelium worker --agent ann --once",
        )
    },
    finds(
        "run `mycelium log {}` to see what happened to it; only workers write logs",
        "t 1",
        "mycelium worker logs task-1",
        "created",
    ),
];
