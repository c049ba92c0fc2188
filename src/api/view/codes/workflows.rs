//! What the errors about definitions and runs of workflows mean. Words only; a test runs every example.

use super::page::{CodeExample, CodePage};

/// Every error about workflows, by name.
pub(super) const PAGES: &[CodePage] = &[
    CodePage {
        code: "bad-definition",
        title: "a definition that cannot be run",
        means: "A file of `.mycelium/workflows` has an error: an unknown step, a cycle, a value of the wrong type, an expression that is none. Nothing was made.",
        why: "A workflow that stops half-way because of a typo costs more than one that does not begin.",
        example: CodeExample::Words("`needs: prepair` where the step is called `prepare`"),
        remedy: "correct the line that the message names; `mycelium workflow graph NAME` checks it again",
    },
    CodePage {
        code: "bad-input",
        title: "inputs that do not fit",
        means: "An input of `workflow run` is not known, is missing, is given twice, or has another type than the definition says.",
        why: "Steps would begin with a value that they cannot use.",
        example: CodeExample::Words("`mycelium workflow run train --input epochs=many`"),
        remedy: "give the value as the hint shows; lists and maps are JSON",
    },
    CodePage {
        code: "definition-exists",
        title: "there is a definition of that name",
        means: "`workflow new` found a file of that name and left it as it is.",
        why: "What somebody wrote is never replaced by a pattern.",
        example: CodeExample::Words("`mycelium workflow new train` twice"),
        remedy: "give another name, or edit the file",
    },
    CodePage {
        code: "no-definition",
        title: "no definition of that name",
        means: "There is no `.mycelium/workflows/NAME.yaml` in this worktree.",
        why: "`workflow run` makes its documents of a definition.",
        example: CodeExample::Words("`mycelium workflow run trian`"),
        remedy: "run `mycelium workflow new NAME`, or correct the name",
    },
    CodePage {
        code: "no-engine",
        title: "an engine that is not built in",
        means: "A definition says `engine: temporal`, and this program has no part that runs it there. Nothing was made.",
        why: "A run that nothing moves on would look like one that waits.",
        example: CodeExample::Words("`engine: temporal` in `.mycelium/workflows/train.yaml`"),
        remedy: "take `engine` out of the definition: Mycelium runs it itself",
    },
    CodePage {
        code: "no-step",
        title: "no step of that name",
        means: "`workflow retry --from` names a step that the workflow does not have.",
        why: "Nothing was changed: it is not known from where to begin again.",
        example: CodeExample::Words("`mycelium workflow retry wf-1 --from trian`"),
        remedy: "run `mycelium workflow graph ID`, which lists the steps",
    },
    CodePage {
        code: "nothing-to-retry",
        title: "no step has failed",
        means: "`workflow retry` found no step that failed or was skipped for a failure.",
        why: "What is completed is done again only if a step is named.",
        example: CodeExample::Words("`mycelium workflow retry wf-1` of a completed workflow"),
        remedy: "name a step with `--from STEP` to do it and all behind it again",
    },
    CodePage {
        code: "workflow-ended",
        title: "the workflow has ended",
        means: "Only a workflow that runs can be paused, resumed or cancelled.",
        why: "Its steps have ended, too; nothing would come of it.",
        example: CodeExample::Words("`mycelium workflow cancel wf-1` of a completed workflow"),
        remedy: "run `mycelium workflow retry ID` to have it run again",
    },
    CodePage {
        code: "workflow-failed",
        title: "a workflow that was waited for has failed",
        means: "`wait_for_completion` of the library ends with this where the workflow failed or was cancelled; the message has its error.",
        why: "There is no result to give.",
        example: CodeExample::Words("`train failed: out of memory`"),
        remedy: "see `mycelium workflow graph ID`, then run `mycelium workflow retry ID`",
    },
];
