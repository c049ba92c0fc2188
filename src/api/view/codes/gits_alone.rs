//! What the errors about documents mean that git alone may change. Words only; a test runs every example.

use super::page::{CodeExample, CodePage};

/// Every error about a document that is git's alone, by name.
pub(super) const PAGES: &[CodePage] = &[
    CodePage {
        code: "kept-out",
        title: "a document that is not in this worktree",
        means: "The document is in the last commit, and git keeps its file out of this worktree (`git sparse-checkout`). It is read from the commit. Nothing was changed.",
        why: "A change would have to be made to a file that you asked git not to have here.",
        example: CodeExample::Words("`mycelium task claim task-7` after `git sparse-checkout set src`"),
        remedy: "run the command that the hint names, which brings the file here, then try again",
    },
    CodePage {
        code: "left-to-git",
        title: "a document that only git can store",
        means: "The document's attributes name a filter or an encoding (`filter=`, `working-tree-encoding=`), so what git stores is not its text. Nothing was changed; a sync stops where such a document differs on both sides.",
        why: "Filters such as git-crypt, transcrypt, sops and LFS are programs, and Mycelium starts none. Without the filter the text would be in the history as it is, and a merge would mix texts with what the filter made of them.",
        example: CodeExample::Words("`mycelium task create --type x` with `*.md filter=git-crypt` in `.gitattributes`"),
        remedy: "edit and commit it with git, which runs the filter, and use `git merge origin/main` for it; or take the documents out of the filter with a line `*.md -filter` at the end of `.claude/coordination/.gitattributes`",
    },
    CodePage {
        code: "paused",
        title: "the writers of this worktree pause",
        means: "`mycelium pause` was run here, so that git can change the files of this worktree. A write waits for ten seconds and then ends with 75. Nothing was changed.",
        why: "`git switch`, `git checkout` and the like refuse to go on where a document changes while they run.",
        example: CodeExample::Words("`mycelium task note task-1 late` more than ten seconds after `mycelium pause`"),
        remedy: "try again when the pause has ended, or end it with `mycelium resume`",
    },
];
