//! What the errors about how tasks and workflows stand mean. Words only; a test runs every example.

use super::page::{CodeExample, CodePage};

/// Every error about what may follow how a document stands, by name.
pub(super) const PAGES: &[CodePage] = &[
    CodePage {
        code: "dependency-cycle",
        title: "a task would wait for itself",
        means: "The dependency that was asked for leads back to the task: at once, or by way of the tasks that the message names.",
        why: "None of these tasks could ever become ready, so nothing was written.",
        example: CodeExample::Line("mycelium task create --type train --id task-8 --depends-on task-8"),
        remedy: "leave the dependency out, or first take out another one of the cycle with `mycelium task update ID --no-depends-on ID`",
    },
    CodePage {
        code: "illegal-step",
        title: "the status machine has no such step",
        means: "A status cannot go from where it is to where it should: pending → running → completed or failed.",
        why: "A task that was never begun cannot be done; others rely on the order.",
        example: CodeExample::Line("mycelium task complete task-7"),
        remedy: "take the step that the hint names first",
    },
    CodePage {
        code: "not-completed",
        title: "only what is completed can be reviewed",
        means: "A task that is pending, running or failed has no result that could be approved or rejected.",
        why: "An approval that was given before would count for a result that the reviewer has not seen.",
        example: CodeExample::Line("mycelium task approve task-7"),
        remedy: "follow the hint; approve once the task is completed",
    },
    CodePage {
        code: "own-work",
        title: "own work cannot be approved",
        means: "The task was done by the agent that wants to approve it: the one that claimed it, else the one it is assigned to.",
        why: "A review is worth something if someone else does it.",
        example: CodeExample::Words("`mycelium task approve task-7 --as coder` where `coder` did the task"),
        remedy: "have another agent, or a person, run `mycelium task approve`",
    },
];
