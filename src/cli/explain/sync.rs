//! What the errors about other clones mean. Words only; a test runs every example.

use super::page::{Example, Page};

/// Every error of an exchange with a remote, by name.
pub(super) const PAGES: &[Page] = &[
    Page {
        code: "detached",
        title: "no branch is checked out",
        means: "HEAD points to a commit instead of a branch, so there is nothing that could be exchanged.",
        why: "A push needs to know which branch it is for.",
        example: Example::Words("`mycelium sync` after `git checkout v1.0`"),
        remedy: "switch to a branch, or let the documents have one of their own with `commit.branch`",
    },
    Page {
        code: "foreign-program",
        title: "other files need a program that the repository names",
        means: "The repository's own configuration names a filter or merge driver, and files beside the documents have changed on the remote. Nothing was changed.",
        why: "No program is started because a repository names it, and without it the files would come out wrong.",
        example: Example::Words(
            "`mycelium sync` where `.git/config` has `filter.lfs.smudge` and the remote has new code",
        ),
        remedy: "bring the other files here with `git pull`, then sync again; or set the filter in your own configuration",
    },
    Page {
        code: "in-the-way",
        title: "changes that are not committed are in the way",
        means: "Files beside the documents have changed on the remote, and here too, without being committed. Nothing was changed.",
        why: "They would be overwritten. `git pull` refuses as well.",
        example: Example::Words("`mycelium sync` with an edited `main.c` that somebody else has pushed a change of"),
        remedy: "commit them or put them aside with `git stash`, then sync again",
    },
    Page {
        code: "no-remote",
        title: "there is no remote",
        means: "The repository has no remote, or several of which none is called `origin` and none is tracked by the branch.",
        why: "There is nobody to exchange with.",
        example: Example::Line("mycelium sync"),
        remedy: "add one with `git remote add origin URL`, or name one with `--remote`",
    },
    Page {
        code: "not-committed",
        title: "what is here cannot be committed",
        means: "A sync commits first what is here. Git is in the middle of something, or a document that came in another version is held back here. The message says which.",
        why: "Only what is committed can be merged without being lost.",
        example: Example::Words(
            "`mycelium sync` during a `git rebase`, or with a broken task-7 that somebody else has changed",
        ),
        remedy: "end what git is at, or mend the document; `mycelium commit` tells more",
    },
    Page {
        code: "other-files",
        title: "other files than documents are concerned",
        means: "Both sides changed files beside the documents, or commits that are not pushed yet would take such files along with a claim. Nothing was changed.",
        why: "Whether code is merged and pushed is yours to say.",
        example: Example::Words("`mycelium sync` where you committed code and somebody else has pushed code"),
        remedy: "run `mycelium sync --merge` to have git merge them, `--with-code` to push them too, or do it with git yourself",
    },
    Page {
        code: "push-refused",
        title: "the server does not take the push",
        means: "The server refused: the branch is protected, or a hook declined. A claim that was to be pushed is undone; the message has the server's reason.",
        why: "A claim that the others cannot see is none among clones.",
        example: Example::Words("`mycelium task claim task-7 --push` where `main` takes requests only"),
        remedy: "let the documents have a branch of their own (`mycelium config set commit.branch coordination`), or claim without `--push`",
    },
    Page {
        code: "raced",
        title: "others pushed first each time",
        means: "Each time that this clone had merged what was there, somebody else had pushed again. What was merged stays merged here.",
        why: "A push is never forced.",
        example: Example::Words("`mycelium sync` while very many clones sync without a pause"),
        remedy: "try again in a moment",
    },
    Page {
        code: "unreachable",
        title: "the remote cannot be reached",
        means: "The remote gives no answer, or git may not speak to it. What is here is committed and stays; a claim that was to be pushed is undone.",
        why: "Work goes on without a server, and is exchanged later.",
        example: Example::Words("`mycelium sync` in a train"),
        remedy: "go on working, and sync again later; if it lasts, see what `git fetch` says",
    },
];
