//! What the errors about claims mean. Words only; a test runs every example.

use super::page::{Example, Page};

/// Every error about who has a task, by name.
pub(super) const PAGES: &[Page] = &[
    Page {
        code: "assigned",
        title: "the task is assigned to another agent",
        means: "`assigned_to` names somebody else. Nothing was changed.",
        why: "Whoever made the task meant it for that agent, which may count on it.",
        example: Example::Words("`mycelium task claim task-1 --as b` where `assigned_to` is `a`"),
        remedy: "claim another one with `--next`, or this one with `--force`",
    },
    Page {
        code: "claim-lost",
        title: "another agent has the task",
        means: "A task has one holder at a time. It is held by the agent that the message names, was finished in another work tree, or the fence that was given belongs to an earlier holder. Nothing was changed. The JSON has `error.claim` with the holder, since when and until when.",
        why: "Two agents at one task do the work twice, and the second result replaces the first.",
        example: Example::Words(
            "`mycelium task complete task-1 --as a` after the lease of `a` was over and `b` has claimed it",
        ),
        remedy: "stop working on it and claim another one; `--steal` takes it from the holder, `--force` changes it over their head",
    },
    Page {
        code: "no-agent",
        title: "nobody said which agent acts",
        means: "A task is claimed by an agent, its lease renewed by the one that has it, and a sign of life is somebody's.",
        why: "A task that nobody has by name could be given to the next who asks.",
        example: Example::Line("mycelium task claim --next"),
        remedy: "name the agent with `--as NAME`, or set MYCELIUM_AGENT",
    },
    Page {
        code: "not-held",
        title: "the task is not held",
        means: "A lease was to be renewed, and the agent does not have the task: it was given back, taken back or finished.",
        why: "A lease that begins again without a claim could be that of two agents.",
        example: Example::Line("mycelium task renew task-7 --as ai-engineer"),
        remedy: "claim the task again, if it is still to be done",
    },
    Page {
        code: "not-ready",
        title: "the task is not ready",
        means: "It waits for tasks that are not completed, or not approved; or it is not pending. The message says which.",
        why: "Work on it could rest on what is not there yet.",
        example: Example::Words("`mycelium task claim task-2 --as a` where `depends_on` names a pending task"),
        remedy: "claim what it waits for, or another one with `--next`",
    },
    Page {
        code: "nothing-ready",
        title: "no task is ready",
        means: "Every task is finished, held by an agent, assigned to another one, or waits for others. The exit code is 3.",
        why: "A worker that asks for the next task can tell this from a failure.",
        example: Example::Line("mycelium task claim --next --type nothing-of-this-type --as ai-engineer"),
        remedy: "try again when something is completed",
    },
];
