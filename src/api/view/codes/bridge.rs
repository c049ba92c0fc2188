//! What the errors about the server mean that documents are mirrored to. Words only; a test runs every example.

use super::page::{CodeExample, CodePage};

/// Every error of the bridge, by name.
pub(super) const PAGES: &[CodePage] = &[
    CodePage {
        code: "bad-server",
        title: "what the settings say of the server makes no sense",
        means: "The address is none, names a port or a database that cannot be, or the file of certificates cannot be read. Nothing was sent anywhere.",
        why: "Nobody can guess which server was meant. Of the address only what is no password is shown.",
        example: CodeExample::Line("mycelium bridge enable localhost"),
        remedy: "do what the hint says; the forms are on the page on Redis",
    },
    CodePage {
        code: "mode-unreached",
        title: "the follower that was required is not live",
        means: "`--require-mode` names a follower that cannot be used now; the message says why. Nothing was done.",
        why: "Without that option the command would have worked on the files alone.",
        example: CodeExample::Line("mycelium status --require-mode taskqueue"),
        remedy: "do what the hint says, or leave the option out",
    },
    CodePage {
        code: "no-server",
        title: "no server is named",
        means: "There is no address of a Redis server in the environment, in your own configuration or in the repository's, and no TaskQueue server was enabled.",
        why: "There is nothing that the documents could be mirrored to. The files work alone.",
        example: CodeExample::Line("mycelium bridge push"),
        remedy: "set REDIS_URL, or run `mycelium bridge enable URL` or `mycelium bridge enable taskqueue`",
    },
    CodePage {
        code: "tracked-password",
        title: "a password would get into a tracked file",
        means: "`config set` without `--user` writes the repository's file, and the value is a password or an address with one. Nothing was written.",
        why: "Whoever has the repository would have the password.",
        example: CodeExample::Line("mycelium config set coordination.redis.password secret"),
        remedy: "set the variable REDIS_PASSWORD, or write it into your own configuration with `--user`",
    },
    CodePage {
        code: "undecided",
        title: "the server is to decide who has the task, and cannot",
        means: "The clone mirrors to a server, which decides who has a task while it can be reached; it gave no answer that counts. Nothing was claimed.",
        why: "Two clones could otherwise both believe that the task is theirs.",
        example: CodeExample::Words("`mycelium task claim task-7` while the server hangs"),
        remedy: "try again; `mycelium bridge status` says how the server is",
    },
    CodePage {
        code: "unreached",
        title: "the server cannot be used now",
        means: "It does not answer, refuses the password, lacks a right, or another branch is checked out; the message says which. Nothing that was written here is lost.",
        why: "The files are the truth: what the server misses is brought there when it is back.",
        example: CodeExample::Words("`mycelium bridge push` while the server is stopped"),
        remedy: "do what the hint says, then run the command again",
    },
    CodePage {
        code: "untrusted-server",
        title: "only the repository names the server",
        means: "The address stands in the repository's configuration, or the repository says how your own server is used (`coordination.redis.prefix`, `coordination.redis.db`, `bridge.channels`), and you have not agreed to that in this clone. No connection was made.",
        why: "Who can push could otherwise have your documents and your password sent to a server of theirs, or put the documents among those of another project on yours.",
        example: CodeExample::Words(
            "`mycelium bridge push` in a fresh clone whose `.mycelium/config.json` has `coordination.redis.url`",
        ),
        remedy: "run `mycelium bridge enable` if you trust that server, or agree to those settings",
    },
];
