//! What the errors about claims mean. Words only; a test runs every example.

use super::page::{CodeExample, CodePage};

/// Every error about who has a task, by name.
pub(super) const PAGES: &[CodePage] = &[
    CodePage {
        code: "assigned",
        title: "the task is assigned to another agent",
        means: "`assigned_to` names another agent. Nothing was changed.",
        why: "Whoever made the task meant it for that agent, which may count on it.",
        example: CodeExample::Words("`mycelium task claim task-1 --as b` where `assigned_to` is `a`"),
        remedy: "claim another one with `--next`, or this one with `--force`",
    },
    CodePage {
        code: "claim-lost",
        title: "another agent has the task",
        means: "A task has one holder at a time. It is held by the agent that the message names, was finished in another work tree, or the fence that was given belongs to an earlier holder. Nothing was changed. The JSON has `error.claim` with the holder, since when and until when.",
        why: "Two agents at one task do the work twice, and the second result replaces the first.",
        example: CodeExample::Words(
            "`mycelium task complete task-1 --as a` after the lease of `a` was over and `b` has claimed it",
        ),
        remedy: "stop working on it and claim another one; `--steal` takes it from the holder, `--force` changes it over their head",
    },
    CodePage {
        code: "no-agent",
        title: "no agent given",
        means: "A task is claimed by an agent, its lease renewed by the one that has it, and a heartbeat is that of an agent.",
        why: "A task without a named holder could be given to the next who asks.",
        example: CodeExample::Line("mycelium task claim --next"),
        remedy: "name the agent with `--as NAME`, or set MYCELIUM_AGENT",
    },
    CodePage {
        code: "not-a-person",
        title: "an agent would approve its own work",
        means: "`mycelium task approve --self` was run with `--as` or MYCELIUM_AGENT. Nothing was changed.",
        why: "Only a person may approve their own work, and the approval says that they did.",
        example: CodeExample::Words("`mycelium task approve task-1 --self --as a`"),
        remedy: "run it without `--as` and without MYCELIUM_AGENT, or have another agent approve",
    },
    CodePage {
        code: "not-held",
        title: "the task is not held",
        means: "A lease was to be renewed, and the agent does not have the task: it was given back, taken back or finished.",
        why: "A lease that begins again without a claim could be that of two agents.",
        example: CodeExample::Line("mycelium task renew task-7 --as ai-engineer"),
        remedy: "claim the task again, if it is still to be done",
    },
    CodePage {
        code: "not-ready",
        title: "the task is not ready",
        means: "It waits for tasks that are not completed, or not approved; or it is not pending. The message says which.",
        why: "Work on it could rest on what is not there yet.",
        example: CodeExample::Words("`mycelium task claim task-2 --as a` where `depends_on` names a pending task"),
        remedy: "claim what it waits for, or another one with `--next`",
    },
    CodePage {
        code: "nothing-ready",
        title: "no task is ready",
        means: "Every task is finished, held by an agent, assigned to another one, or waits for others. The exit code is 3.",
        why: "A worker that asks for the next task can distinguish this from a failure.",
        example: CodeExample::Line("mycelium task claim --next --type nothing-of-this-type --as ai-engineer"),
        remedy: "try again when something is completed",
    },
    CodePage {
        code: "unmerged-work",
        title: "the last holder's work on the task is on a branch that is not merged here",
        means: "The agent that had the task before worked in another worktree, or on another branch: notes, checklist items or commits of other files since its claim are not in your HEAD. Nothing was changed; the exit code is 4. `claim --next` passes such a task over and says so.",
        why: "Who begins without that work does it again, and the two versions meet in a merge.",
        example: CodeExample::Words(
            "`mycelium task claim task-1 --as b` after `a` ticked a checklist item of it in another worktree and released it",
        ),
        remedy: "merge the branch that the message names, or claim the task with `--force`",
    },
    CodePage {
        code: "unusable-value",
        title: "the task states something that restricts it and cannot be used",
        means: "`depends_on`, `assigned_to`, `review` or `approved` holds a value that cannot be used, or the document cannot be edited. Nothing was changed; the exit code is 4.",
        why: "Such a value says that something comes first, or who is meant. While that cannot be known, no agent gets the task. Its present holder goes on; `--force` takes it all the same, and a note records that.",
        example: CodeExample::Words(
            "`mycelium task claim task-1 --as a` where `depends_on` is `task-2, task-3` instead of a list",
        ),
        remedy: "correct the value in the line that the message names",
    },
];
